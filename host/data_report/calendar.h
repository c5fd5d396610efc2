// Days and ISO 8601 weeks of unix seconds, in UTC and the proleptic Gregorian calendar.
//
// Days are counted from 1970-01-01, weeks from the one that holds it; both may be negative. A week starts on Monday
// and belongs to the year that has its Thursday, so years have 52 or 53 weeks.
#pragma once

#include <cstdint>
#include <string>

namespace kindred {

inline constexpr int64_t kSecondsOfDay = 86400;
/// The first second of the year 1 and the first after the year 9999: between them a time has a date.
inline constexpr int64_t kYear1 = -62135596800, kYear10000 = 253402300800;

constexpr bool HasDate(int64_t seconds) {
  return seconds >= kYear1 && seconds < kYear10000;
}

constexpr int64_t FloorDivide(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

constexpr int64_t DayOf(int64_t seconds) {
  return FloorDivide(seconds, kSecondsOfDay);
}
constexpr int64_t WeekOfDay(int64_t day) {
  return FloorDivide(day + 3, 7);
}
constexpr int64_t MondayOfWeek(int64_t week) {
  return 7 * week - 3;
}
/// 0 is Monday.
constexpr int WeekdayOf(int64_t day) {
  return static_cast<int>(day - MondayOfWeek(WeekOfDay(day)));
}

struct CivilDate {
  int year;
  int month;  // 1 is January
  int day;
};
CivilDate DateOfDay(int64_t day);
int64_t DayOfDate(const CivilDate& date);

/// "2017-11-24".
std::string DateText(int64_t day);
/// "2017-W47".
std::string IsoWeekText(int64_t week);
/// "2017-11-24 16:00:00"; "N s" where that has no date.
std::string MomentText(int64_t seconds);

}  // namespace kindred
