// The bytes of an export may come in any portions, packed or not, without any difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "host/store/checksum.h"
#include "tests/host/intake/export.h"
#include "tests/support/gzip.h"

namespace kindred {
namespace {

using testing::HasSubstr;

std::string Describe(const Export& read) {
  std::string out;
  for (const OwnedEvent& e : read.events)
    out += testing::PrintToString(e.user) + " " + testing::PrintToString(e.item) + " " + e.type + " " +
           std::to_string(e.value) + " " + std::to_string(e.time) + "\n";
  for (const BadRow& row : read.bad_rows)
    out += std::to_string(row.line) + " " + row.reason + " " + testing::PrintToString(row.text) + "\n";
  return out;
}

/// Lines of every kind, good and bad.
std::string MixedCsv() {
  return "\xEF\xBB\xBFuser,item,event,value,time\r\nu1,i1,view,1,1\n\n\"u,2\",\"i\"\"2\",buy,2,1511481600\r\n"
         "\"u\r\n3\",\"\n\n\",view,0.5,3\n,i,view,1,1\nu4,\"x\"y,view,1,1\nu5,i5,view,abc,1\n"
         "u6,i6,view,1\nu7,\"\",view,1,1\r\nu8,i8,\"view\",\"1\",\"1\"\nu9,\"open,view,1,1\nu10,i10,view,1,1";
}

TEST(EventStream, ABufferOfAnySizeGivesTheSame) {
  const std::string expected = Describe(ReadText(MixedCsv()));
  EXPECT_THAT(expected, HasSubstr("\"u10\""));
  EventReaderOptions options;
  for (size_t bytes = 1; bytes < MixedCsv().size() + 3; ++bytes) {
    options.read.block_bytes = bytes;
    EXPECT_EQ(Describe(ReadText(MixedCsv(), options)), expected) << bytes;
  }
}

TEST(EventStream, ALimitOnLinesDoesNotDependOnTheBuffer) {
  EventReaderOptions options;
  for (const size_t limit : {10, 14, 15, 16, 26, 27, 40}) {
    options.read.max_line_bytes = limit;
    const std::string text = "user,item\n" + MixedCsv().substr(MixedCsv().find('\n') + 1);
    options.read.block_bytes = 1 << 20;
    const std::string expected = Describe(ReadText(text, options));
    for (size_t bytes = 1; bytes < text.size() + 3; bytes += 3) {
      options.read.block_bytes = bytes;
      EXPECT_EQ(Describe(ReadText(text, options)), expected) << bytes << " bytes, limit " << limit;
    }
  }
}

TEST(EventStream, EveryPlaceOfARecordAtTheBufferEnd) {
  // One quoted, CRLF-ended record slides over the end of the default buffer, byte by byte.
  const size_t buffer = ReadOptions().block_bytes;
  const std::string record = "\"u,\"\"\r\n1\",\"i1\"\r\n";
  for (size_t shift = 0; shift <= record.size() + 1; ++shift) {
    std::string text = "user,item\n";
    text += "a," + std::string(buffer - shift - text.size() - 3, 'x') + "\n" + record + "u2,i2\n";
    const Export read = ReadText(text);
    ASSERT_EQ(read.events.size(), 3u) << shift;
    EXPECT_EQ(read.events[1], (OwnedEvent{"u,\"\r\n1", "i1"})) << shift;
    EXPECT_EQ(read.events[2], (OwnedEvent{"u2", "i2"})) << shift;
  }
}

TEST(EventStream, GzipGivesTheSame) {
  const std::string text = MixedCsv();
  const std::string expected = Describe(ReadText(text));
  EXPECT_EQ(Describe(ReadText(Gzip(text), {}, "events.csv.gz")), expected);
  EXPECT_EQ(Describe(ReadText(Gzip(text), {}, "events.csv")), expected) << "known by its first bytes";
  EventReaderOptions options;
  for (size_t cut = 0; cut <= text.size(); cut += 7) {
    const std::string members = Gzip(text.substr(0, cut)) + Gzip("") + Gzip(text.substr(cut));
    options.read.block_bytes = cut + 1;
    EXPECT_EQ(Describe(ReadText(members, options, "events.csv.gz")), expected) << cut;
    EXPECT_EQ(Describe(ReadText(members + std::string(600, '\0'), options, "events.csv.gz")), expected) << cut;
  }
}

TEST(EventStream, GzipLargerThanEveryBuffer) {
  std::mt19937 random(1);
  std::string text = "user,item\n";
  for (int i = 0; i < 200000; ++i) text += std::to_string(random()) + "," + std::to_string(random()) + "\n";
  const Export plain = ReadText(text), packed = ReadText(Gzip(text), {}, "events.csv.gz");
  EXPECT_EQ(plain.events.size(), 200000u);
  EXPECT_EQ(plain.events, packed.events);
  EXPECT_EQ(packed.summary.sources[0].sha256, Sha256(Gzip(text)));
}

TEST(EventStream, ATruncatedGzipIsCorruptWhereverItEnds) {
  const std::string packed = Gzip(MixedCsv());
  for (size_t bytes = 0; bytes < packed.size(); ++bytes) {
    const Error error = ErrorOf(packed.substr(0, bytes), {}, "events.csv.gz");
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << bytes;
    EXPECT_THAT(error.what(), HasSubstr("events.csv.gz' is cut short: its " + std::to_string(bytes) + " bytes"));
  }
  EXPECT_EQ(ErrorOf(packed + packed.substr(0, 15), {}, "events.csv.gz").code(), ErrorCode::kCorrupt);
}

TEST(EventStream, AGzipThatIsDamagedIsCorrupt) {
  const std::string packed = Gzip(MixedCsv());
  const auto expect = [](const std::string& bytes) {
    const Error error = ErrorOf(bytes, {}, "events.csv.gz");
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt) << error.what();
    EXPECT_THAT(error.what(), HasSubstr("events.csv.gz"));
  };
  for (size_t at = packed.size() - 8; at < packed.size(); ++at) {  // the trailer: CRC-32 and length
    std::string damaged = packed;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    expect(damaged);
  }
  expect(packed + "garbage");
  expect("user,item\nu,i\n");
}

}  // namespace
}  // namespace kindred
