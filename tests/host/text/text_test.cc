#include "host/text/text.h"

#include <gtest/gtest.h>

namespace kindred {
namespace {

using namespace std::string_view_literals;

TEST(Text, Utf8) {
  for (const auto good : {""sv, "abc"sv, "Z\u00fcrich"sv, "\u20ac"sv, "\U0001F600"sv, "a\0b"sv, "\xed\x9f\xbf"sv})
    EXPECT_TRUE(IsUtf8(good)) << testing::PrintToString(std::string(good));
  for (const auto bad :
       {"\x80"sv, "\xc3"sv, "\xc0\x80"sv, "\xc1\xbf"sv, "\xe0\x9f\xbf"sv, "\xed\xa0\x80"sv, "\xe2\x82"sv,
        "\xf0\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv, "a\xe2\x82"sv})
    EXPECT_FALSE(IsUtf8(bad)) << testing::PrintToString(std::string(bad));
}

TEST(Text, PrintableIsAlwaysUtf8AndShort) {
  EXPECT_EQ(Printable("Z\u00fcrich"), "Z\u00fcrich");
  EXPECT_EQ(Printable("a\0b\n\x7f"sv), "a\\x00b\\x0a\\x7f");
  EXPECT_EQ(Printable("\xff\xc3"), "\\xff\\xc3");
  EXPECT_EQ(Printable("abcdef", 6), "abcdef");
  EXPECT_EQ(Printable("abcdefg", 6), "abcdef...");
  EXPECT_EQ(Printable("abcde\u00fc", 6), "abcde...");
}

TEST(Text, EscapedTsvLosesNothing) {
  EXPECT_EQ(EscapeTsv("plain \xff"), "plain \xff");
  EXPECT_EQ(EscapeTsv("a\tb\nc\rd\\e\\n"), "a\\tb\\nc\\rd\\\\e\\\\n");
}

TEST(Text, CsvFieldsAreQuotedWhereTheyMust) {
  EXPECT_EQ(CsvField("Oak desk lamp"), "Oak desk lamp");
  EXPECT_EQ(CsvField(""), "");
  EXPECT_EQ(CsvField("lamp, large"), "\"lamp, large\"");
  EXPECT_EQ(CsvField("7\" vase"), "\"7\"\" vase\"");
  EXPECT_EQ(CsvField("a\nb"), "\"a\nb\"");
  EXPECT_EQ(CsvField("a\r"), "\"a\r\"");
}

}  // namespace
}  // namespace kindred
