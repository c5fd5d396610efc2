#include "host/data/field_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <ctime>
#include <random>
#include <string>

namespace kindred {
namespace {

using testing::HasSubstr;

TEST(ParseValue, Numbers) {
  const std::pair<const char*, float> cases[] = {
      {"0", 0},
      {"-0", 0},
      {"3", 3},
      {"+3", 3},
      {"0.5", 0.5f},
      {".5", 0.5f},
      {"5.", 5},
      {"1e3", 1000},
      {"1E-2", 0.01f},
      {"1e-400", 0},
      {"16777217", 16777216.0f},
      {"3.4028235e38", FLT_MAX},
  };
  for (const auto& [text, expected] : cases) {
    float value = -1;
    EXPECT_EQ(ParseValue(text, &value), nullptr) << text;
    EXPECT_EQ(value, expected) << text;
    EXPECT_FALSE(std::signbit(value)) << text;
  }
}

TEST(ParseValue, WhatIsNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected a number"},
      {"abc", "expected a number"},
      {"1,5", "expected a number"},
      {" 1", "expected a number"},
      {"1 ", "expected a number"},
      {"1x", "expected a number"},
      {"+", "expected a number"},
      {"+-1", "expected a number"},
      {"0x10", "expected a number"},
      {"--1", "expected a number"},
      {"e5", "expected a number"},
      {"nan", "NaN"},
      {"NaN", "NaN"},
      {"-nan", "NaN"},
      {"inf", "infinite"},
      {"Infinity", "infinite"},
      {"-inf", "negative"},
      {"-1", "negative"},
      {"-1e-30", "negative"},
      {"1e39", "larger than a float32"},
      {"1e400", "larger than a float32"},
      {"-1e400", "negative"},
  };
  for (const auto& [text, expected] : cases) {
    float value = 0;
    const char* wrong = ParseValue(text, &value);
    ASSERT_NE(wrong, nullptr) << text;
    EXPECT_THAT(wrong, HasSubstr(expected)) << text;
  }
  using namespace std::string_view_literals;
  float value = 0;
  EXPECT_NE(ParseValue("1\0"sv, &value), nullptr);
}

TEST(ParseTime, Times) {
  const std::pair<const char*, int64_t> cases[] = {
      {"0", 0},
      {"1511539200", 1511539200},
      {"1511539200.75", 1511539200},
      {"-1", -1},
      {"-1.5", -2},
      {"-1.0", -1},
      {"99999999999", 99999999999},
      {"1970-01-01", 0},
      {"2010-12-01 08:26:00", 1291191960},
      {"2010-12-01T08:26:00", 1291191960},
      {"2010-12-01t08:26", 1291191960},
      {"2010-12-01T08:26:00Z", 1291191960},
      {"2010-12-01 08:26:00 Z", 1291191960},
      {"2010-12-01T08:26:00.999z", 1291191960},
      {"2010-12-01T10:26:00+02:00", 1291191960},
      {"2010-12-01T10:26:00 +0200", 1291191960},
      {"2010-12-01T03:56:00-04:30", 1291191960},
      {"2010-12-01T10:26+02", 1291191960},
      {"2016-12-31T23:59:60Z", 1483228800},
      {"2000-02-29", 951782400},
      {"0001-01-01", -62135596800},
      {"9999-12-31T23:59:59Z", 253402300799},
  };
  for (const auto& [text, expected] : cases) {
    int64_t seconds = -12345;
    EXPECT_EQ(ParseTime(text, &seconds), nullptr) << text;
    EXPECT_EQ(seconds, expected) << text;
  }
}

TEST(ParseTime, WhatIsNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected unix seconds"},
      {"abc", "expected unix seconds"},
      {"12:30", "expected unix seconds"},
      {"1e9", "expected unix seconds"},
      {"+5", "expected unix seconds"},
      {"-", "expected unix seconds"},
      {".5", "expected unix seconds"},
      {"5.", "expected unix seconds"},
      {"5.x", "expected unix seconds"},
      {"2010/12/01", "expected unix seconds"},
      {"01-12-2010", "expected unix seconds"},
      {"2010-12-1", "expected unix seconds"},
      {"2010-12-01T", "expected unix seconds"},
      {"2010-12-01  08:26:00", "expected unix seconds"},
      {"2010-12-01 08", "expected unix seconds"},
      {"2010-12-01 8:26:00", "expected unix seconds"},
      {"2010-12-01 08:26:", "expected unix seconds"},
      {"2010-12-01 08:26:00.", "expected unix seconds"},
      {"2010-12-01 08:26:00 ", "expected unix seconds"},
      {"2010-12-01 08:26:00ZZ", "expected unix seconds"},
      {"2010-12-01 08:26:00+1", "expected unix seconds"},
      {"2010-12-01 08:26:00+01:000", "expected unix seconds"},
      {"2010-13-01", "no such date"},
      {"2010-00-10", "no such date"},
      {"2010-02-29", "no such date"},
      {"2010-04-31 00:00:00", "no such date"},
      {"0000-01-01", "no such date"},
      {"2010-12-01 24:00:00", "no such date"},
      {"2010-12-01 08:60:00", "no such date"},
      {"2010-12-01 08:00:61", "no such date"},
      {"2010-12-01 08:00:00+24:00", "no such date"},
      {"1511539200000", "milliseconds"},
      {"-1511539200000", "milliseconds"},
      {"1511539200000.5", "milliseconds"},
      {"1511539200000000", "microseconds"},
      {"1511539200000000000", "nanoseconds"},
      {"99999999999999999999999", "nanoseconds"},
  };
  for (const auto& [text, expected] : cases) {
    int64_t seconds = 0;
    const char* wrong = ParseTime(text, &seconds);
    ASSERT_NE(wrong, nullptr) << text;
    EXPECT_THAT(wrong, HasSubstr(expected)) << text;
  }
}

TEST(ParseTime, AgreesWithTheCLibrary) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const auto expected = static_cast<std::time_t>(random() % 315537897600ull) - 62135596800;
    std::tm parts{};
    gmtime_r(&expected, &parts);
    char text[40];
    std::snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    int64_t seconds = 0;
    ASSERT_EQ(ParseTime(text, &seconds), nullptr) << text;
    ASSERT_EQ(seconds, expected) << text;
  }
}

}  // namespace
}  // namespace kindred
