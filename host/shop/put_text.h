// Numbers and times as text, put behind a pointer: what writes long files fast.
//
// Each function returns the place behind what it put.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace kindred {

inline char* PutText(char* to, std::string_view text) {
  std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

inline char* PutNumber(char* to, uint64_t number) {
  const fmt::format_int digits(number);
  return PutText(to, {digits.data(), digits.size()});
}

/// With zeros before it, up to so many digits.
inline char* PutPadded(char* to, uint64_t number, size_t n_digits) {
  const fmt::format_int digits(number);
  for (size_t i = digits.size(); i < n_digits; ++i) *to++ = '0';
  return PutText(to, {digits.data(), digits.size()});
}

inline char* PutTwoDigits(char* to, int number) {
  to[0] = static_cast<char>('0' + number / 10);
  to[1] = static_cast<char>('0' + number % 10);
  return to + 2;
}

/// Hundredths as "12.34"; not negative.
inline char* PutCents(char* to, int32_t cents) {
  to = PutNumber(to, static_cast<uint64_t>(cents / 100));
  *to++ = '.';
  return PutTwoDigits(to, cents % 100);
}

/// Unix seconds as "2025-01-31T23:59:59Z", 20 bytes; years 0000 to 9999.
inline char* PutTime(char* to, int64_t seconds) {
  const int64_t day = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  const auto second = static_cast<int>(seconds - day * 86400);
  to = PutPadded(to, static_cast<uint64_t>(static_cast<int>(date.year())), 4);
  *to++ = '-';
  to = PutTwoDigits(to, static_cast<int>(static_cast<unsigned>(date.month())));
  *to++ = '-';
  to = PutTwoDigits(to, static_cast<int>(static_cast<unsigned>(date.day())));
  *to++ = 'T';
  to = PutTwoDigits(to, second / 3600);
  *to++ = ':';
  to = PutTwoDigits(to, second / 60 % 60);
  *to++ = ':';
  to = PutTwoDigits(to, second % 60);
  *to++ = 'Z';
  return to;
}

}  // namespace kindred
