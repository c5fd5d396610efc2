// What a simple writer writes reads back the same, for ids of any bytes.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "host/text/text.h"
#include "tests/host/intake/export.h"

namespace kindred {
namespace {

rc::Gen<std::string> Ids(const std::string& never) {
  const auto byte = rc::gen::weightedOneOf<char>(
      {{3, rc::gen::elementOf(std::string("\",\n\r\t a\0", 8))}, {1, rc::gen::arbitrary<char>()}});
  return rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::suchThat(byte, [never](char c) { return never.find(c) == never.npos; })));
}

void CheckRoundTrip(const std::string& header, char delimiter, bool csv, InputFormat format, const std::string& never) {
  const bool holds = rc::check("round trip", [&] {
    const auto pairs =
        *rc::gen::container<std::vector<std::pair<std::string, std::string>>>(rc::gen::pair(Ids(never), Ids(never)));
    EventReaderOptions small;
    small.read.format = format;
    small.read.encoding = Encoding::kBytes;
    small.read.block_bytes = *rc::gen::inRange<size_t>(1, 200);
    const std::string line_end = *rc::gen::elementOf(std::vector<std::string>{"\n", "\r\n"});
    std::string text = header.empty() ? " \n" : header + line_end;
    std::vector<OwnedEvent> expected;
    for (const auto& [user, item] : pairs) {
      text += (csv ? CsvField(user) : user) + delimiter + (csv ? CsvField(item) : item) + line_end;
      expected.push_back({user, item});
    }
    if (header.empty() && pairs.empty()) return;
    const Export read = ReadText(text, small);
    RC_ASSERT(read.bad_rows.empty());
    RC_ASSERT(read.events == expected);
  });
  EXPECT_TRUE(holds);
}

TEST(EventRoundTrip, Csv) {
  CheckRoundTrip("user,item", ',', true, InputFormat::kCsv, "");
}
TEST(EventRoundTrip, Tsv) {
  CheckRoundTrip("user\titem", '\t', false, InputFormat::kTsv, "\t\n\r");
}
TEST(EventRoundTrip, Adjacency) {
  CheckRoundTrip("", ' ', false, InputFormat::kAdjacency, " \t\n\r");
}

}  // namespace
}  // namespace kindred
