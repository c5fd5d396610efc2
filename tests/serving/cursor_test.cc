#include "serving/cursor.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace kindred {
namespace {

TEST(Cursor, WhatItHoldsComesBack) {
  for (const int64_t version : {int64_t{0}, int64_t{1}, int64_t{1} << 40, std::numeric_limits<int64_t>::max()})
    for (const int32_t n_before : {1, 10, 255, 256, kMaxDepth - 1}) {
      const std::string text =
          ToText({version, ChecksumOf("model"), ChecksumOf("request"), ChecksumOf("items"), n_before});
      EXPECT_EQ(text.size(), 80u);
      const auto cursor = ParseCursor(text);
      ASSERT_TRUE(cursor) << text;
      EXPECT_EQ(cursor->version, version);
      EXPECT_EQ(cursor->model, ChecksumOf("model"));
      EXPECT_EQ(cursor->request, ChecksumOf("request"));
      EXPECT_EQ(cursor->items, ChecksumOf("items"));
      EXPECT_EQ(cursor->n_before, n_before);
    }
}

TEST(Cursor, OtherTextsAreNone) {
  const std::string good = ToText({7, ChecksumOf("model"), ChecksumOf("request"), ChecksumOf("items"), 10});
  for (const std::string& text : {std::string(), std::string("x"), std::string(80, '0'), std::string(80, 'f'),
                                  good + "0", good.substr(1), " " + good.substr(1), std::string(1 << 20, '0')})
    EXPECT_FALSE(ParseCursor(text)) << text.substr(0, 100);
  for (size_t at = 0; at < good.size(); ++at)
    for (const char c : {'0', '1', 'f', 'F', '-', '+', ' ', '\0', '\x7f', '\xff'}) {
      std::string text = good;
      text[at] = c;
      EXPECT_EQ(ParseCursor(text).has_value(), text == good) << text;
    }
  const uint32_t seed = 1;
  std::mt19937 random(seed);
  for (int i = 0; i < 10'000; ++i) {
    std::string text(random() % 4 == 0 ? random() % 100 : 80, ' ');
    for (char& c : text) c = random() % 2 == 0 ? static_cast<char>(random()) : "0123456789abcdef"[random() % 16];
    EXPECT_FALSE(ParseCursor(text)) << "seed " << seed << ", number " << i;
  }
}

// Their checksum fits, but what they say no reply has said.
TEST(Cursor, NumbersOutOfRangeAreNone) {
  const auto with_checksum = [](const std::string& body) { return body + ChecksumOf(body).substr(0, 8); };
  const std::string middle = ChecksumOf("model") + ChecksumOf("request") + ChecksumOf("items");
  EXPECT_TRUE(ParseCursor(with_checksum("0000000000000007" + middle + "0000000a")));
  for (const char* n_before : {"00000000", "00002710", "7fffffff", "80000000", "ffffffff", "0000000A", "      0a"})
    EXPECT_FALSE(ParseCursor(with_checksum("0000000000000007" + middle + n_before))) << n_before;
  for (const char* version : {"8000000000000000", "ffffffffffffffff", "-000000000000007", "+000000000000007"})
    EXPECT_FALSE(ParseCursor(with_checksum(version + middle + "0000000a"))) << version;
}

}  // namespace
}  // namespace kindred
