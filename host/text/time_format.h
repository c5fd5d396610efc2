// Dates and times as exports write them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kindred {

/// How a time was written.
enum class TimeForm : uint8_t {
  kUnixSeconds,
  kUnixMilliseconds,
  kUnixMicroseconds,
  kUnixNanoseconds,
  kIso8601,
  kPattern
};

/// A step of a pattern.
struct TimeStep {
  char directive;  // what stands behind the '%', or '\0': the character `literal`
  char literal;
  uint8_t min_digits;  // of a number that may have one or two
};

/// One way to write times, or two ("auto"). All are read as unix seconds; parts of a second are dropped (downwards).
///
///   auto      unix seconds, or ISO 8601
///   unix      unix seconds ("1511539200", "1511539200.25"), before the year 5138
///   unix-ms, unix-us, unix-ns   milli-, micro- or nanoseconds, likewise
///   iso8601   a date ("2017-11-24") or date and time of day ("2017-11-24T16:00", "2017-11-24 16:00:00.25+01:00"; 'Z'
///   or
///             no offset is UTC) of the years 1 to 9999
///   anything with a '%' is a pattern: text, and
///     %Y  year, four digits          %H  hour, 0 to 23               %f  parts of a second, one digit or more
///     %y  year, two; 69 is 1969      %I  hour, 1 to 12, with %p      %z  offset: Z, +hh, +hhmm, +hh:mm
///     %m  month, 1 to 12             %p  AM or PM                    %a  day of the week in English, not looked at
///     %b  month in English           %M  minute                      %F  %Y-%m-%d
///     %d  day of the month           %S  second                      %T  %H:%M:%S
///     %j  day of the year, three                                     %%  a percent sign
///   Numbers of two digits may have one where no other number is beside them. Names are full or of three letters, in
///   any case. Without an offset, times are UTC.
class TimeFormat {
 public:
  /// Throws kUsage for a text that is none of these, and a pattern that does not say the date, or says a part twice.
  explicit TimeFormat(std::string_view spec = "auto");

  const std::string& spec() const { return spec_; }

  /// Returns nullptr, or what is wrong, which lives as long as this. `form` may be null. Numbers that can only be
  /// milli-, micro- or nanoseconds where seconds are expected are called so.
  /// About 10 ns for whole seconds and ISO 8601, 30 ns for a pattern.
  const char* Read(std::string_view text, int64_t* seconds, TimeForm* form) const;

 private:
  void Compile(std::string_view pattern);
  void CheckParts() const;

  std::string spec_;
  bool unix_ = false;
  bool iso_ = false;
  TimeForm unix_form_ = TimeForm::kUnixSeconds;
  std::vector<TimeStep> steps_;
  std::string not_in_form_;
};

/// As TimeFormat("auto") reads it.
const char* ParseTime(std::string_view text, int64_t* seconds);

}  // namespace kindred
