#include "host/data_report/calendar.h"

#include <gtest/gtest.h>

#include <limits>

#include "host/text/field_values.h"

namespace kindred {
namespace {

int64_t Day(const char* date) {
  int64_t seconds = 0;
  EXPECT_EQ(ParseTime(date, &seconds), nullptr) << date;
  return DayOf(seconds);
}

TEST(Calendar, DaysBeginAtMidnightBefore1970Too) {
  EXPECT_EQ(DayOf(0), 0);
  EXPECT_EQ(DayOf(86399), 0);
  EXPECT_EQ(DayOf(86400), 1);
  EXPECT_EQ(DayOf(-1), -1);
  EXPECT_EQ(DayOf(-86400), -1);
  EXPECT_EQ(DayOf(-86401), -2);
}

TEST(Calendar, IsoWeeks) {
  // From ISO 8601's own cases and Python's date.isocalendar().
  for (const auto& [date, week] :
       {std::pair("1970-01-01", "1970-W01"), {"1969-12-29", "1970-W01"}, {"1969-12-28", "1969-W52"},
        {"2005-01-01", "2004-W53"},          {"2005-01-02", "2004-W53"}, {"2005-01-03", "2005-W01"},
        {"2005-12-31", "2005-W52"},          {"2006-01-01", "2005-W52"}, {"2006-01-02", "2006-W01"},
        {"2007-01-01", "2007-W01"},          {"2007-12-31", "2008-W01"}, {"2008-12-28", "2008-W52"},
        {"2008-12-29", "2009-W01"},          {"2009-12-31", "2009-W53"}, {"2010-01-03", "2009-W53"},
        {"2010-01-04", "2010-W01"},          {"2015-12-31", "2015-W53"}, {"2020-12-31", "2020-W53"},
        {"2021-01-03", "2020-W53"},          {"2021-01-04", "2021-W01"}, {"2026-12-31", "2026-W53"},
        {"1960-12-31", "1960-W52"},          {"1961-01-01", "1960-W52"}, {"1964-12-31", "1964-W53"},
        {"0001-01-01", "0001-W01"},          {"9999-12-31", "9999-W52"}})
    EXPECT_EQ(IsoWeekText(WeekOfDay(Day(date))), week) << date;
}

TEST(Calendar, AWeekIsSevenDaysFromMonday) {
  for (int64_t day = -800; day < 800; ++day) {
    const int64_t week = WeekOfDay(day);
    EXPECT_LE(MondayOfWeek(week), day);
    EXPECT_LT(day, MondayOfWeek(week + 1));
    EXPECT_EQ(WeekdayOf(day), day - MondayOfWeek(week));
  }
  EXPECT_EQ(WeekdayOf(Day("1970-01-01")), 3);
  EXPECT_EQ(WeekdayOf(Day("2017-11-24")), 4);
  EXPECT_EQ(WeekdayOf(Day("1900-01-01")), 0);
}

TEST(Calendar, DatesThereAndBack) {
  for (const char* date : {"0001-01-01", "1899-12-31", "1900-02-28", "2000-02-29", "2017-11-24", "9999-12-31"}) {
    EXPECT_EQ(DateText(Day(date)), date);
    EXPECT_EQ(DayOfDate(DateOfDay(Day(date))), Day(date));
  }
}

TEST(Calendar, Moments) {
  EXPECT_EQ(MomentText(0), "1970-01-01 00:00:00");
  EXPECT_EQ(MomentText(-1), "1969-12-31 23:59:59");
  EXPECT_EQ(MomentText(1511539200), "2017-11-24 16:00:00");
  EXPECT_EQ(MomentText(kYear1), "0001-01-01 00:00:00");
  EXPECT_EQ(MomentText(kYear10000 - 1), "9999-12-31 23:59:59");
  EXPECT_EQ(MomentText(kYear10000), "253402300800 s");
  EXPECT_EQ(MomentText(std::numeric_limits<int64_t>::min()), "-9223372036854775808 s");
}

}  // namespace
}  // namespace kindred
