#include "host/data_report/calendar.h"

#include <fmt/format.h>

#include <chrono>

namespace kindred {
namespace chrono = std::chrono;

CivilDate DateOfDay(int64_t day) {
  const chrono::year_month_day date{chrono::sys_days(chrono::days(day))};
  return {static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day()))};
}

int64_t DayOfDate(const CivilDate& date) {
  const chrono::year_month_day day{chrono::year(date.year), chrono::month(static_cast<unsigned>(date.month)),
                                   chrono::day(static_cast<unsigned>(date.day))};
  return chrono::sys_days(day).time_since_epoch().count();
}

std::string DateText(int64_t day) {
  const CivilDate date = DateOfDay(day);
  return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day);
}

std::string IsoWeekText(int64_t week) {
  const int64_t thursday = MondayOfWeek(week) + 3;
  const int year = DateOfDay(thursday).year;
  return fmt::format("{:04}-W{:02}", year, (thursday - DayOfDate({year, 1, 1})) / 7 + 1);
}

std::string MomentText(int64_t seconds) {
  if (!HasDate(seconds)) return fmt::format("{} s", seconds);
  const int64_t day = DayOf(seconds), rest = seconds - day * kSecondsOfDay;
  return fmt::format("{} {:02}:{:02}:{:02}", DateText(day), rest / 3600, rest / 60 % 60, rest % 60);
}

}  // namespace kindred
