#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "host/store/checksum.h"
#include "tests/host/intake/source_rows.h"
#include "tests/support/errors.h"
#include "tests/support/gzip.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kReal = "%%MatrixMarket matrix coordinate real general\n";

SourceRows ReadMatrix(std::string_view text, const std::vector<std::string>& names = {}, size_t block_bytes = 1 << 20) {
  return ReadSourceText(text, "a.mtx", {.format = InputFormat::kMatrixMarket, .block_bytes = block_bytes}, names);
}

TEST(MatrixMarket, EntriesWithIndicesAsTheyAreWritten) {
  const std::string text =
      "%%MatrixMarket MATRIX Coordinate Real General\r\n% a comment\n%\n\n 3 4  5 \n"
      "1 1 2.5\n  3\t4 1e-3 \r\n\n% between\n2 1 +7\n1 1 -1\n3 4 nan";
  const SourceRows read = ReadMatrix(text);
  EXPECT_THAT(read.columns, ElementsAre("user", "item", "value"));
  EXPECT_THAT(read.rows, ElementsAre("6: 1 1 2.5", "7: 3 4 0.001", "10: 2 1 7.0", "11: 1 1 -1.0", "12: 3 4 ~"));
  EXPECT_EQ(read.texts[1], "  3\t4 1e-3 ");
  EXPECT_EQ(read.info.sha256, Sha256(text));
  EXPECT_THAT(ReadMatrix(text, {"value", "user"}).rows[1], "7: 0.001 3");
  EXPECT_THAT(ReadMatrix("%%MatrixMarket matrix coordinate integer general\n2 2 1\n2 1 -5\n").rows,
              ElementsAre("3: 2 1 -5.0"));
  EXPECT_THAT(ReadMatrix("%%MatrixMarket matrix coordinate pattern general\n2 2 1\n2 1\n").rows,
              ElementsAre("3: 2 1 1.0"));
  EXPECT_THAT(ReadMatrix(kReal + "0 0 0\n").rows, ElementsAre());
  EXPECT_THAT(ReadMatrix(kReal + "5 5 0").rows, ElementsAre());
}

TEST(MatrixMarket, HeadersThatAreNotRead) {
  const auto fails = [](ErrorCode code, const std::string& text, const std::string& part) {
    ExpectError(code, part, [&] { ReadMatrix(text); });
  };
  constexpr auto kInvalid = ErrorCode::kInvalidArgument, kUnsupported = ErrorCode::kUnsupported;
  const std::string begin = "%%MatrixMarket matrix ";
  fails(kInvalid, "", "a.mtx' is empty");
  fails(kInvalid, "1 2 3\n", "a.mtx: line 1: '1 2 3'; expected '%%MatrixMarket matrix coordinate real general'");
  fails(kInvalid, "%%MatrixMarket vector coordinate real general\n1 1 0\n", "expected '%%MatrixMarket matrix");
  fails(kUnsupported, begin + "array real general\n2 2\n", "a.mtx: line 1: a dense matrix (array)");
  fails(kInvalid, begin + "sparse real general\n", "format 'sparse'; expected coordinate");
  fails(kUnsupported, begin + "coordinate complex general\n1 1 0\n", "complex numbers");
  fails(kInvalid, begin + "coordinate text general\n", "field 'text'");
  for (const std::string kind : {"symmetric", "skew-symmetric", "hermitian"})
    fails(kUnsupported, begin + "coordinate real " + kind + "\n1 1 0\n", "a " + kind + " matrix, of which");
  fails(kInvalid, begin + "coordinate real\n1 1 0\n", "symmetry ''; expected general");
  for (const std::string sizes : {"", "1 1", "1 1 1 1", "a 1 1", "1 -1 1", "1.0 1 1", "1 1 99999999999999999999"})
    fails(sizes.empty() ? ErrorCode::kCorrupt : kInvalid, kReal + "%\n" + sizes,
          sizes.empty() ? "is cut short" : "a.mtx: line 3: '" + sizes + "'; expected the numbers of rows, columns");
}

TEST(MatrixMarket, OtherNumbersOfEntriesThanStated) {
  for (const int there : {0, 4, 6}) {
    std::string text = kReal + "9 9 5\n";
    for (int i = 0; i < there; ++i) text += "1 1 1\n";
    ExpectError(ErrorCode::kCorrupt, "a.mtx: line 2 states 5 entries; there are " + std::to_string(there),
                [&] { ReadMatrix(text); });
  }
}

TEST(MatrixMarket, LinesThatAreNoEntries) {
  const std::pair<std::string, std::string> cases[] = {
      {"0 1 1", "row 0 is outside of 1 to 3, which line 2 states"},
      {"4 1 1", "row 4 is outside of 1 to 3"},
      {"-1 1 1", "row -1 is outside"},
      {"1 5 1", "column 5 is outside of 1 to 4"},
      {"a 1 1", "'a' is no row number"},
      {"1 1.0 1", "'1.0' is no column number"},
      {"1 99999999999999999999 1", "is no column number"},
      {"1", "'' is no column number"},
      {"1 1", "'' is no number"},
      {"1 1 x", "'x' is no number"},
      {"1 1 1e999", "'1e999' is no number"},
      {"1 1 1 1", "expected 3 numbers in the line"},
  };
  for (const auto& [line, expected] : cases) {
    const SourceRows read = ReadMatrix(kReal + "3 4 2\n" + line + "\n3 4 1\n");
    EXPECT_THAT(read.rows, ElementsAre("4: 3 4 1.0"));
    ASSERT_EQ(read.bad.size(), 1u) << line;
    EXPECT_THAT(read.bad[0], HasSubstr("3: "));
    EXPECT_THAT(read.bad[0], HasSubstr(expected));
    EXPECT_EQ(read.bad_rows[0].text, line);
  }
  EXPECT_THAT(ReadMatrix("%%MatrixMarket matrix coordinate integer general\n2 2 1\n2 1 1.5\n").bad,
              ElementsAre("3: '1.5' is no integer"));
  EXPECT_THAT(ReadMatrix("%%MatrixMarket matrix coordinate pattern general\n2 2 1\n2 1 1\n").bad,
              ElementsAre("3: expected 2 numbers in the line"));
}

TEST(MatrixMarket, BlocksOfAnySizeGiveTheSame) {
  std::mt19937 random(5);
  std::string text = kReal + "%" + std::string(100, 'c') + "\n%\n1000 1000 5001\n";
  for (int i = 0; i < 5001; ++i)
    text +=
        std::to_string(random() % 1001) + " " + std::to_string(1 + random() % 1000) + " " + std::to_string(i) + ".5\n";
  const SourceRows expected = ReadMatrix(text);
  EXPECT_EQ(expected.rows.size() + expected.bad.size(), 5001u);
  EXPECT_GT(expected.bad.size(), 0u);
  for (const size_t bytes : {1, 31, 32, 33, 150, 1000, 65536}) {
    const SourceRows read = ReadMatrix(text, {}, bytes);
    EXPECT_EQ(read.rows, expected.rows) << bytes;
    EXPECT_EQ(read.bad, expected.bad) << bytes;
  }
  EXPECT_EQ(ReadSourceText(Gzip(text), "a.mtx.gz", {.format = InputFormat::kMatrixMarket}).rows, expected.rows);
}

}  // namespace
}  // namespace kindred
