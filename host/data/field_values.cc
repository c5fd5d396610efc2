#include "host/data/field_values.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>

namespace kindred {
namespace {

constexpr const char* kNoTime = "expected unix seconds or an ISO 8601 date";
constexpr const char* kNoSuchTime = "there is no such date or time of day";

/// Reads a text from the left.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  bool Take(char c) {
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly n digits as a number.
  bool Digits(size_t n, int* number) {
    if (rest_.size() < n) return false;
    *number = 0;
    for (size_t i = 0; i < n; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
      *number = *number * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(n);
    return true;
  }
  /// One digit or more, of any number.
  bool SkipDigits() {
    size_t n = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') ++n;
    rest_.remove_prefix(n);
    return n > 0;
  }

 private:
  std::string_view rest_;
};

const char* ParseUnixSeconds(std::string_view text, int64_t* seconds) {
  const size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  Cursor check(whole);
  const bool negative = check.Take('-');
  if (!check.SkipDigits() || !check.done()) return kNoTime;
  bool fraction = false;
  if (point != std::string_view::npos) {
    Cursor behind(text.substr(point + 1));
    if (!behind.SkipDigits() || !behind.done()) return kNoTime;
    fraction = text.find_first_not_of('0', point + 1) != std::string_view::npos;
  }
  int64_t number = 0;
  const auto [end, status] = std::from_chars(whole.data(), whole.data() + whole.size(), number);
  const double size = status == std::errc() ? std::abs(static_cast<double>(number)) : 1e19;
  if (size >= 1e17) return "looks like nanoseconds; expected unix seconds";
  if (size >= 1e14) return "looks like microseconds; expected unix seconds";
  if (size >= 1e11) return "looks like milliseconds; expected unix seconds";
  *seconds = number - (negative && fraction ? 1 : 0);
  return nullptr;
}

/// What follows the date: [Thh:mm[:ss[.f]][offset]], with a blank for T and before the offset.
const char* ParseTimeOfDay(Cursor cursor, int64_t* seconds) {
  *seconds = 0;
  if (cursor.done()) return nullptr;
  if (!cursor.Take('T') && !cursor.Take('t') && !cursor.Take(' ')) return kNoTime;
  int hour = 0, minute = 0, second = 0;
  if (!cursor.Digits(2, &hour) || !cursor.Take(':') || !cursor.Digits(2, &minute)) return kNoTime;
  if (cursor.Take(':')) {
    if (!cursor.Digits(2, &second)) return kNoTime;
    if (cursor.Take('.') && !cursor.SkipDigits()) return kNoTime;
  }
  if (hour > 23 || minute > 59 || second > 60) return kNoSuchTime;  // 60: a leap second
  *seconds = hour * 3600 + minute * 60 + second;
  const bool blank = cursor.Take(' ');
  if (cursor.done()) return blank ? kNoTime : nullptr;
  if (cursor.Take('Z') || cursor.Take('z')) return cursor.done() ? nullptr : kNoTime;

  const int sign = cursor.Take('-') ? -1 : cursor.Take('+') ? 1 : 0;
  int hours = 0, minutes = 0;
  if (sign == 0 || !cursor.Digits(2, &hours)) return kNoTime;
  if (!cursor.done()) {
    cursor.Take(':');
    if (!cursor.Digits(2, &minutes) || !cursor.done()) return kNoTime;
  }
  if (hours > 23 || minutes > 59) return kNoSuchTime;
  *seconds -= sign * (hours * 3600 + minutes * 60);
  return nullptr;
}

}  // namespace

const char* ParseValue(std::string_view text, float* value) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (status == std::errc::invalid_argument || end != text.data() + text.size()) return "expected a number";
  // Too large and too small are one status; strtod tells them apart.
  if (status == std::errc::result_out_of_range) number = std::strtod(std::string(text).c_str(), nullptr);
  if (std::isnan(number)) return "NaN; expected a number >= 0";
  if (number < 0) return "negative; expected a number >= 0";
  if (std::isinf(number) && status == std::errc()) return "infinite; expected a finite number";
  *value = std::abs(static_cast<float>(number));
  if (std::isinf(*value)) return "larger than a float32 holds (3.4e38)";
  return nullptr;
}

const char* ParseTime(std::string_view text, int64_t* seconds) {
  if (text.size() < 8 || text[4] != '-') return ParseUnixSeconds(text, seconds);
  Cursor cursor(text);
  int year = 0, month = 0, day = 0;
  if (!cursor.Digits(4, &year) || !cursor.Take('-') || !cursor.Digits(2, &month) || !cursor.Take('-') ||
      !cursor.Digits(2, &day))
    return kNoTime;
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  int64_t time_of_day = 0;
  if (const char* wrong = ParseTimeOfDay(cursor, &time_of_day)) return wrong;
  if (year == 0 || !date.ok()) return kNoSuchTime;
  *seconds = std::chrono::sys_days(date).time_since_epoch().count() * int64_t{86400} + time_of_day;
  return nullptr;
}

}  // namespace kindred
