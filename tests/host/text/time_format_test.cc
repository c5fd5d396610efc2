#include "host/text/time_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::HasSubstr;

int64_t Time(const TimeFormat& format, const std::string& text) {
  int64_t seconds = -12345;
  const char* wrong = format.Read(text, &seconds, nullptr);
  EXPECT_EQ(wrong, nullptr) << format.spec() << " " << text << ": " << wrong;
  return seconds;
}

std::string Wrong(const TimeFormat& format, const std::string& text) {
  int64_t seconds = 0;
  const char* wrong = format.Read(text, &seconds, nullptr);
  EXPECT_NE(wrong, nullptr) << format.spec() << " " << text << ": " << seconds;
  return wrong != nullptr ? wrong : "";
}

TEST(TimeFormat, SaysWhichFormATimeHas) {
  const std::tuple<const char*, const char*, TimeForm> cases[] = {
      {"auto", "1511539200", TimeForm::kUnixSeconds}, {"auto", "2017-11-24", TimeForm::kIso8601},
      {"auto", "-1.5", TimeForm::kUnixSeconds},       {"auto", "2017-11-24T16:00Z", TimeForm::kIso8601},
      {"unix", "1511539200", TimeForm::kUnixSeconds}, {"iso8601", "2017-11-24 16:00:00", TimeForm::kIso8601},
      {"unix-ms", "1", TimeForm::kUnixMilliseconds},  {"unix-us", "1", TimeForm::kUnixMicroseconds},
      {"unix-ns", "1", TimeForm::kUnixNanoseconds},   {"%d.%m.%Y", "1.2.2003", TimeForm::kPattern},
  };
  for (const auto& [spec, text, expected] : cases) {
    int64_t seconds = 0;
    TimeForm form{};
    EXPECT_EQ(TimeFormat(spec).Read(text, &seconds, &form), nullptr) << text;
    EXPECT_EQ(form, expected) << spec << " " << text;
  }
}

TEST(TimeFormat, PartsOfASecondAreDroppedDownwards) {
  const std::tuple<const char*, const char*, int64_t> cases[] = {
      {"unix", "1.999", 1},
      {"unix", "-0.5", -1},
      {"unix-ms", "1511539200999", 1511539200},
      {"unix-ms", "1511539200000", 1511539200},
      {"unix-ms", "-1", -1},
      {"unix-ms", "-1000", -1},
      {"unix-ms", "-1001", -2},
      {"unix-ms", "-1000.5", -2},
      {"unix-ms", "999", 0},
      {"unix-us", "1511539200999999", 1511539200},
      {"unix-ns", "1511539200999999999", 1511539200},
      {"unix-ns", "9223372036854775807", 9223372036},
      {"unix-ns", "-9223372036854775807", -9223372037},
      {"unix-ms", "99999999999999", 99999999999},
  };
  for (const auto& [spec, text, expected] : cases) EXPECT_EQ(Time(TimeFormat(spec), text), expected) << spec << text;
}

TEST(TimeFormat, DatesWithoutSeparatorsMustBeStated) {
  EXPECT_THAT(Wrong(TimeFormat(), "20171124"), HasSubstr("looks like a date without separators"));
  EXPECT_THAT(Wrong(TimeFormat(), "19000101"), HasSubstr("looks like a date without separators"));
  EXPECT_EQ(Time(TimeFormat("%Y%m%d"), "20171124"), 1511481600);
  EXPECT_EQ(Time(TimeFormat("unix"), "20171124"), 20171124);
  for (const char* none : {"20171324", "20171100", "20171132", "18991231", "21010101"})
    EXPECT_EQ(Time(TimeFormat(), none), std::stoll(none)) << none;
}

TEST(TimeFormat, NothingBeforeTheYear1) {
  EXPECT_EQ(Time(TimeFormat(), "-62135596800"), -62135596800);
  EXPECT_THAT(Wrong(TimeFormat(), "-62135596801"), HasSubstr("before the year 1"));
  EXPECT_THAT(Wrong(TimeFormat("unix-ms"), "-62135596800001"), HasSubstr("before the year 1"));
}

TEST(TimeFormat, WholeSecondsOfAnyLength) {
  const TimeFormat format("unix");
  std::mt19937_64 random(4);
  for (int i = 0; i < 100000; ++i) {
    const auto expected =
        static_cast<int64_t>(random() % (i % 2 == 0 ? 100000000000ull : 2000000000ull) >> random() % 36);
    std::string text = std::to_string(expected);
    ASSERT_EQ(Time(format, text), expected);
    const char other = static_cast<char>(random());
    if (other >= '0' && other <= '9') continue;
    const size_t at = random() % text.size();
    text[at] = other;
    if ((other == '-' && at == 0 && text.size() > 1) || (other == '.' && at > 0 && at + 1 < text.size())) continue;
    int64_t seconds = 0;
    ASSERT_NE(format.Read(text, &seconds, nullptr), nullptr) << text;
  }
}

TEST(TimeFormat, WhatIsNoTimeOfItsForm) {
  EXPECT_THAT(Wrong(TimeFormat("unix"), "2017-11-24"), HasSubstr("expected a number of seconds"));
  EXPECT_THAT(Wrong(TimeFormat("unix"), "1511539200000"), HasSubstr("looks like milliseconds"));
  EXPECT_THAT(Wrong(TimeFormat("unix-ms"), "100000000000000"), HasSubstr("too large"));
  EXPECT_THAT(Wrong(TimeFormat("unix-ns"), "9223372036854775808"), HasSubstr("too large"));
  EXPECT_THAT(Wrong(TimeFormat("unix-ms"), "1e12"), HasSubstr("expected a number of seconds"));
  EXPECT_THAT(Wrong(TimeFormat("iso8601"), "1511539200"), HasSubstr("expected an ISO 8601 date"));
  EXPECT_THAT(Wrong(TimeFormat("iso8601"), "20171124"), HasSubstr("expected an ISO 8601 date"));
  EXPECT_THAT(Wrong(TimeFormat("iso8601"), "2017-02-30"), HasSubstr("no such date"));
  for (const char* text : {"01/02/2011", "1.2.2011 10:00", "01-02-2011", "2011/02/01", "1/2/11 8:26"})
    EXPECT_THAT(Wrong(TimeFormat(), text), HasSubstr("state it (such as %d/%m/%Y")) << text;
  for (const char* text : {"", "yesterday", "12:30", "1.5.x"})
    EXPECT_EQ(Wrong(TimeFormat(), text), "expected unix seconds or an ISO 8601 date") << text;
  for (const char* spec : {"unix", "iso8601", "%d/%m/%Y"}) Wrong(TimeFormat(spec), "");
}

TEST(TimeFormat, Patterns) {
  constexpr int64_t kDay = 1291161600, kTime = kDay + 8 * 3600 + 26 * 60;  // 2010-12-01 08:26:00
  const std::tuple<const char*, const char*, int64_t> cases[] = {
      {"%d/%m/%Y %H:%M", "01/12/2010 08:26", kTime},
      {"%d/%m/%Y %H:%M", "1/12/2010 8:26", kTime},
      {"%m/%d/%y", "12/1/10", kDay},
      {"%m/%d/%y", "12/1/69", -2678400},
      {"%m/%d/%y", "12/1/68", 3121545600},
      {"%Y%m%d", "20101201", kDay},
      {"%Y%m%d%H%M%S", "20101201082607", kTime + 7},
      {"%F %T", "2010-12-01 08:26:00", kTime},
      {"%FT%T%z", "2010-12-01T08:26:00Z", kTime},
      {"%FT%T%z", "2010-12-01T10:26:00+02:00", kTime},
      {"%F %T.%f %z", "2010-12-01 03:56:00.123456 -0430", kTime},
      {"%F %H%z", "2010-12-01 10+02", kDay + 8 * 3600},
      {"%m/%d/%Y %I:%M %p", "12/1/2010 8:26 AM", kTime},
      {"%m/%d/%Y %I:%M %p", "12/1/2010 08:26 pm", kTime + 12 * 3600},
      {"%m/%d/%Y %I %p", "12/1/2010 12 AM", kDay},
      {"%m/%d/%Y %I %p", "12/1/2010 12 PM", kDay + 12 * 3600},
      {"%d %b %Y", "1 Dec 2010", kDay},
      {"%d %b %Y", "01 DECEMBER 2010", kDay},
      {"%b %d, %Y", "may 1, 2010", 1272672000},
      {"%a %b %d %H:%M:%S %z %Y", "Wed Dec 01 08:26:00 +0000 2010", kTime},
      {"%a, %d %b %Y", "Wednesday, 1 Dec 2010", kDay},
      {"%Y-%j", "2010-335", kDay},
      {"%Y-%j", "2012-366", 1356912000},
      {"%d%%%m%%%Y", "1%12%2010", kDay},
      {"t=%Y.%m.%d", "t=2010.12.1", kDay},
      {"%F %T", "2016-12-31 23:59:60", 1483228800},
  };
  for (const auto& [spec, text, expected] : cases)
    EXPECT_EQ(Time(TimeFormat(spec), text), expected) << spec << " " << text;
}

TEST(TimeFormat, WhatIsNotOfAPattern) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"%d/%m/%Y", "1/12/10", "expected a time of the form %d/%m/%Y"},
      {"%d/%m/%Y", "1/12/2010 ", "of the form"},
      {"%d/%m/%Y", " 1/12/2010", "of the form"},
      {"%d/%m/%Y", "001/12/2010", "of the form"},
      {"%d/%m/%Y", "1-12-2010", "of the form"},
      {"%d/%m/%Y", "/12/2010", "of the form"},
      {"%d/%m/%Y", "1/13/2010", "no such date"},
      {"%d/%m/%Y", "0/12/2010", "no such date"},
      {"%d/%m/%Y", "29/2/2011", "no such date"},
      {"%d/%m/%Y", "1/1/0000", "no such date"},
      {"%Y%m%d", "2010121", "of the form"},
      {"%Y%m%d", "201012 1", "of the form"},
      {"%Y%m%d", "2010112", "of the form"},
      {"%F %H%M", "2010-12-01 826", "of the form"},
      {"%F %T", "2010-12-01 24:00:00", "no such date"},
      {"%F %T", "2010-12-01 23:60:00", "no such date"},
      {"%F %T", "2010-12-01 23:00:61", "no such date"},
      {"%F%z", "2010-12-01+24", "no such date"},
      {"%F%z", "2010-12-01+1", "of the form"},
      {"%F%z", "2010-12-01", "of the form"},
      {"%F %I %p", "2010-12-01 0 AM", "no such date"},
      {"%F %I %p", "2010-12-01 13 AM", "no such date"},
      {"%F %I %p", "2010-12-01 1 XM", "of the form"},
      {"%d %b %Y", "1 Dez 2010", "of the form"},
      {"%d %b %Y", "1 Decem 2010", "of the form"},
      {"%a %F", "Foo 2010-12-01", "of the form"},
      {"%Y-%j", "2010-000", "no such date"},
      {"%Y-%j", "2010-366", "no such date"},
      {"%Y-%j", "2012-367", "no such date"},
      {"%F %T.%f", "2010-12-01 00:00:00.", "of the form"},
  };
  for (const auto& [spec, text, expected] : cases)
    EXPECT_THAT(Wrong(TimeFormat(spec), text), HasSubstr(expected)) << spec << " " << text;
}

TEST(TimeFormat, SpecsThatAreNone) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "unknown time format ''; expected auto, unix"},
      {"seconds", "unknown time format 'seconds'"},
      {"UNIX", "unknown time format"},
      {"%d/%m/%Y %", "'%' is not known"},
      {"%d/%m/%Q", "'%Q' is not known; expected one of %Y"},
      {"%H:%M", "expected a year (%Y), a month (%m) and a day (%d)"},
      {"%d/%m", "expected a year"},
      {"%Y/%d", "expected a year"},
      {"%Y/%m", "expected a year"},
      {"%Y %y %m %d", "twice"},
      {"%F %m", "twice"},
      {"%F %T %I %p", "twice"},
      {"%F %I", "need each other"},
      {"%F %H %p", "need each other"},
      {"%Y %j %d", "both there"},
      {"%%", "expected a year"},
  };
  for (const auto& [spec, expected] : cases)
    ExpectError(ErrorCode::kUsage, expected, [&, s = spec] { TimeFormat format(s); });
}

TEST(TimeFormat, PatternsAgreeWithTheCLibrary) {
  std::mt19937_64 random(1);
  for (const char* spec :
       {"%d/%m/%Y %H:%M:%S", "%b %d %Y %I:%M:%S %p", "%Y%m%d%H%M%S", "%Y-%j %H%M%S", "%a %d %b %Y %T"}) {
    const TimeFormat format(spec);
    for (int i = 0; i < 5000; ++i) {
      const auto expected = static_cast<std::time_t>(random() % 253402300800ull);
      std::tm parts{};
      gmtime_r(&expected, &parts);
      char text[64];
      ASSERT_GT(std::strftime(text, sizeof text, spec, &parts), 0u);
      ASSERT_EQ(Time(format, text), expected) << text;
    }
  }
}

TEST(TimeFormat, ACopyIsItsOwn) {
  auto* first = new TimeFormat("%d/%m/%Y");
  const TimeFormat copy = *first;
  delete first;
  EXPECT_EQ(Time(copy, "1/12/2010"), 1291161600);
  EXPECT_EQ(Wrong(copy, "x"), "expected a time of the form %d/%m/%Y");
}

}  // namespace
}  // namespace kindred
