#include "host/intake/line_cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "kernels/error.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;

/// "NUMBER:TEXT" of each line, with "NUMBER!TEXT" for one that is too long.
std::vector<std::string> Lines(std::string_view text, size_t block_bytes, size_t max_line_bytes = 1 << 20) {
  const TemporaryFolder folder;
  RecordBlocks blocks(folder.Write("lines.txt", text), {'\t', false, max_line_bytes}, block_bytes);
  std::vector<std::string> lines;
  while (const auto block = blocks.Next())
    for (LineCursor at(*block, max_line_bytes); at.Next();)
      lines.push_back(std::to_string(at.line()) + (at.too_long() ? "!" : ":") + std::string(at.text()));
  EXPECT_EQ(blocks.file().stored_bytes(), static_cast<int64_t>(text.size()));
  return lines;
}

TEST(LineCursor, EndsOfLines) {
  EXPECT_THAT(Lines("", 100), ElementsAre());
  EXPECT_THAT(Lines("\n\r\n\n", 100), ElementsAre());
  EXPECT_THAT(Lines("a", 100), ElementsAre("1:a"));
  EXPECT_THAT(Lines("a\n", 100), ElementsAre("1:a"));
  EXPECT_THAT(Lines("a\r", 100), ElementsAre("1:a"));
  EXPECT_THAT(Lines("a\r\n\r\nb\rc\r\n\n d ", 100), ElementsAre("1:a", "3:b\rc", "5: d "));
}

TEST(LineCursor, MarksOfByteOrder) {
  EXPECT_THAT(Lines("\xEF\xBB\xBF", 100), ElementsAre());
  EXPECT_THAT(Lines("\xEF\xBB\xBF"
                    "ab\n",
                    1, 2),
              ElementsAre("1:ab"));
  EXPECT_THAT(Lines("\xEF\xBB\xBF"
                    "abc\nd",
                    1, 2),
              ElementsAre("1!ab", "2:d"));
  for (const char* start : {"\xFF\xFE", "\xFE\xFF", "\xFF\xFEx"})
    ExpectError(ErrorCode::kInvalidArgument, "is UTF-16", [&] { Lines(start, 100); });
}

TEST(LineCursor, BlocksAndLimitsOfAnySizeGiveTheSame) {
  std::mt19937 random(1);
  std::string text = "\xEF\xBB\xBF";
  std::vector<std::string> lines;
  for (int i = 0; i < 300; ++i) {
    lines.push_back(std::string(random() % 4 == 0 ? 0 : random() % 30, static_cast<char>('a' + i % 26)));
    text += lines.back() + (i == 299 ? "" : random() % 2 == 0 ? "\r\n" : "\n");
  }
  for (const size_t limit : {1, 2, 15, 16, 29, 30, 1000}) {
    const std::vector<std::string> expected = Lines(text, 1 << 20, limit);
    for (size_t bytes = 1; bytes < 100; ++bytes)
      ASSERT_EQ(Lines(text, bytes, limit), expected) << bytes << " " << limit;
    ASSERT_EQ(Lines(text, text.size() - 4, limit), expected) << limit;
    ASSERT_EQ(Lines(text, text.size() - 3, limit), expected) << limit;
    if (limit < 1000) continue;
    size_t at = 0;
    for (size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].empty()) continue;
      ASSERT_EQ(expected[at++], std::to_string(i + 1) + ":" + lines[i]);
    }
    ASSERT_EQ(at, expected.size());
  }
}

TEST(LineCursor, OfALineThatIsTooLongTheBeginningIsKept) {
  const std::string line(5000, 'x');
  const std::string text = "a\n" + line + "\nb\n" + line;
  const std::string head(1000, 'x');
  for (const size_t bytes : {1, 100, 4999, 6000, 20000})
    EXPECT_THAT(Lines(text, bytes, 4999), ElementsAre("1:a", "2!" + head, "3:b", "4!" + head)) << bytes;
  EXPECT_THAT(Lines(text, 100, 5000), ElementsAre("1:a", "2:" + line, "3:b", "4:" + line));
}

TEST(LineCursor, NextIsWhereTheRestBegins) {
  const TemporaryFolder folder;
  RecordBlocks blocks(folder.Write("lines.txt",
                                   "\xEF\xBB\xBF"
                                   "ab\r\n\nc"),
                      {'\t', false, 100}, 100);
  const auto block = blocks.Next();
  LineCursor at(*block, 100);
  ASSERT_TRUE(at.Next());
  EXPECT_EQ(block->bytes.data()[at.next()], '\n');
  ASSERT_TRUE(at.Next());
  EXPECT_EQ(at.next(), block->size);
  EXPECT_FALSE(at.Next());
}

TEST(LineCursor, ZerosLieBehindABlock) {
  const TemporaryFolder folder;
  const std::string text = "abc\ndefg\n" + std::string(200, 'x') + "\nh";
  for (size_t bytes = 1; bytes < 250; ++bytes) {
    RecordBlocks blocks(folder.Write("lines.txt", text), {'\t', false, 100}, bytes);
    while (const auto block = blocks.Next())
      EXPECT_EQ(std::string(block->bytes.data() + block->size, TextBlock::kPaddingBytes),
                std::string(TextBlock::kPaddingBytes, '\0'));
  }
}

}  // namespace
}  // namespace kindred
