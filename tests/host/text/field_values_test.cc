#include "host/text/field_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>

namespace kindred {
namespace {

using testing::HasSubstr;

TEST(ParseNumber, AsFromCharsReadsIt) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 200000; ++i) {
    std::string text = random() % 2 == 0 ? "-" : "";
    const size_t n = 1 + random() % 20, point = random() % (n + 3);
    for (size_t j = 0; j < n; ++j) {
      if (j == point) text += '.';
      text += static_cast<char>('0' + random() % 10);
    }
    if (random() % 4 == 0) text += "e" + std::to_string(static_cast<int>(random() % 40) - 20);
    double number = 0;
    ASSERT_EQ(ParseNumber(text, &number), nullptr) << text;
    ASSERT_EQ(number, std::strtod(text.c_str(), nullptr)) << text;
    std::string comma = text;
    std::replace(comma.begin(), comma.end(), '.', ',');
    double same = 0;
    ASSERT_EQ(ParseNumber(comma, &same, {','}), nullptr) << comma;
    ASSERT_EQ(number, same) << comma;
    if (comma != text) {
      ASSERT_NE(ParseNumber(text, &same, {','}), nullptr) << text;
    }
  }
}

TEST(ParseNumber, EdgesAndWhatIsNone) {
  double number = 1;
  for (const char* good : {"+5", "5.", ".5", "1e-400", "-1e3", "00000000000000000000001", "1E5"})
    EXPECT_EQ(ParseNumber(good, &number), nullptr) << good;
  EXPECT_EQ(ParseNumber("1e400", &number), std::string("larger than a number may be (1.8e308)"));
  for (const char* bad :
       {"", "-", "+", ".", "-.", "+-1", "--1", "1.2.3", "nan", "inf", "-Infinity", "1 ", " 1", "0x1", "1e"})
    EXPECT_EQ(ParseNumber(bad, &number), std::string("expected a number")) << bad;
  EXPECT_EQ(ParseNumber("1,5", &number),
            std::string("expected a number with a decimal point (a decimal comma must be stated)"));
}

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

TEST(ParseValue, NegativeWhereTheyMayBe) {
  const NumberFormat format = {'.', true};
  float value = 0;
  for (const auto& [text, expected] : {std::pair("-1", -1.0f), {"-0.25", -0.25f}, {"3", 3.0f}, {"-1e-400", 0.0f}}) {
    EXPECT_EQ(ParseValue(text, &value, format), nullptr) << text;
    EXPECT_EQ(value, expected) << text;
  }
  EXPECT_EQ(ParseValue("-0", &value, format), nullptr);
  EXPECT_FALSE(std::signbit(value));
  EXPECT_THAT(ParseValue("-inf", &value, format), HasSubstr("infinite"));
  EXPECT_THAT(ParseValue("-1e39", &value, format), HasSubstr("larger than a float32"));
  EXPECT_THAT(ParseValue("nan", &value, format), HasSubstr("NaN"));
}

TEST(ParseValue, RoundedToDoubleThenToFloat) {
  std::mt19937_64 random(2);
  const auto digits = [&](unsigned most) {
    std::string text;
    for (unsigned n = 1 + random() % most; n > 0; --n) text += static_cast<char>('0' + random() % 10);
    return text;
  };
  for (int i = 0; i < 300000; ++i) {
    std::string text = digits(i % 3 == 0 ? 22 : 8);
    if (random() % 3 != 0) text += "." + digits(i % 3 == 1 ? 22 : 6);
    if (random() % 4 == 0) text += "e" + std::to_string(static_cast<int>(random() % 60) - 40);
    const auto expected = static_cast<float>(std::strtod(text.c_str(), nullptr));
    float value = -1;
    if (std::isinf(expected)) {
      ASSERT_NE(ParseValue(text, &value), nullptr) << text;
      continue;
    }
    ASSERT_EQ(ParseValue(text, &value), nullptr) << text;
    ASSERT_EQ(value, expected) << text;
    std::replace(text.begin(), text.end(), '.', ',');
    ASSERT_EQ(ParseValue(text, &value, {','}), nullptr) << text;
    ASSERT_EQ(value, expected) << text;
  }
  // Between two floats, a bit above the middle: as a double it is the middle, and goes down, as in a file of doubles.
  float value = 0;
  ASSERT_EQ(ParseValue("16777217.000000000001", &value), nullptr);
  EXPECT_EQ(value, 16777216.0f);
  ASSERT_EQ(ParseValue("9007200328482817", &value), nullptr);
  EXPECT_EQ(value, 9007200328482816.0f);
}

TEST(ParseValue, DecimalCommas) {
  const NumberFormat comma{','};
  const std::pair<const char*, float> cases[] = {
      {"3", 3}, {"0,5", 0.5f}, {"+1234,25", 1234.25f}, {",5", 0.5f}, {"5,", 5}, {"1,5e3", 1500}, {"-0,0", 0}};
  for (const auto& [text, expected] : cases) {
    float value = -1;
    EXPECT_EQ(ParseValue(text, &value, comma), nullptr) << text;
    EXPECT_EQ(value, expected) << text;
  }
  float value = 0;
  EXPECT_STREQ(ParseValue("0.5", &value, comma), "expected a number with a decimal comma");
  EXPECT_STREQ(ParseValue("1,2,3", &value, comma), "expected a number");
  EXPECT_STREQ(ParseValue("", &value, comma), "expected a number");
  EXPECT_THAT(ParseValue("-1,5", &value, comma), HasSubstr("negative"));
  EXPECT_THAT(ParseValue("1,5", &value), HasSubstr("a decimal comma must be stated"));
}

TEST(ParseValue, ThousandsSeparatorsAreCalledSo) {
  float value = 0;
  for (const char* text : {"1,234.50", "1,234,567", "12 345", "1'234.5", "1_000", "-1,234.5"})
    EXPECT_STREQ(ParseValue(text, &value), "expected a number; thousands separators are not read") << text;
  for (const char* text : {"1.234,50", "1.234.567", "1 234,5"})
    EXPECT_STREQ(ParseValue(text, &value, {','}), "expected a number; thousands separators are not read") << text;
  for (const char* text : {"1,23,456", "1234,567.5", ",234", "1,234x", "1,2345"})
    EXPECT_THAT(ParseValue(text, &value), testing::Not(HasSubstr("thousands"))) << text;
}

TEST(FormatId, AsText) {
  for (const char* text : {"", "17850.0", "1e5", "x"}) {
    std::string_view id = "unset";
    EXPECT_EQ(FormatId(text, IdFormat::kText, &id), nullptr);
    EXPECT_EQ(id, text);
  }
}

TEST(FormatId, AsInteger) {
  const std::pair<const char*, const char*> cases[] = {{"17850", "17850"},
                                                       {"17850.0", "17850"},
                                                       {"17850.000", "17850"},
                                                       {"007.0", "007"},
                                                       {"-5.0", "-5"},
                                                       {"0.0", "0"},
                                                       {"17850.", "17850"},
                                                       {"", ""},
                                                       {"x", "x"},
                                                       {"x.0", "x.0"},
                                                       {"1.0x", "1.0x"},
                                                       {"1.0.0", "1.0.0"},
                                                       {"12-3", "12-3"},
                                                       {".", "."},
                                                       {"1e", "1e"},
                                                       {"1e5f", "1e5f"},
                                                       {"85123A", "85123A"},
                                                       {"1.5kg", "1.5kg"},
                                                       {"-", "-"},
                                                       {"e5", "e5"},
                                                       {"99999999999999999999999.0", "99999999999999999999999"}};
  for (const auto& [text, expected] : cases) {
    std::string_view id = "unset";
    EXPECT_EQ(FormatId(text, IdFormat::kInteger, &id), nullptr) << text;
    EXPECT_EQ(id, expected) << text;
  }
  std::string_view id;
  for (const char* text : {"17850.5", "0.01", ".5", "-1.5", "1.05"})
    EXPECT_STREQ(FormatId(text, IdFormat::kInteger, &id), "expected an integer") << text;
  for (const char* text : {"1e5", "1.5E+3", "1.0e-2", "1e0"})
    EXPECT_THAT(FormatId(text, IdFormat::kInteger, &id), HasSubstr("in powers of ten")) << text;
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
