#include "host/text/time_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <span>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr const char* kNoTime = "expected unix seconds or an ISO 8601 date";
constexpr const char* kOtherForm =
    "expected unix seconds or an ISO 8601 date; for dates in another form, state it (such as %d/%m/%Y %H:%M)";
constexpr const char* kNoUnixTime = "expected a number of seconds (or parts of them) since 1970";
constexpr const char* kNoIsoTime = "expected an ISO 8601 date";
constexpr const char* kNoSuchTime = "there is no such date or time of day";
constexpr const char* kTooFar = "too large: after the year 5138, or before the year 1";

constexpr const char* kPackedDate = "looks like a date without separators; state it (%Y%m%d), or unix seconds (unix)";

constexpr int64_t kMaxUnixSeconds = 99'999'999'999;
constexpr int64_t kYear1 = -62'135'596'800;
constexpr int64_t kDaySeconds = 86400;

constexpr std::string_view kMonths[] = {"january", "february", "march",     "april",   "may",      "june",
                                        "july",    "august",   "september", "october", "november", "december"};
constexpr std::string_view kWeekdays[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};

struct UnixName {
  std::string_view name;
  TimeForm form;
  int64_t parts;  // in a second
};

constexpr UnixName kUnixNames[] = {{"unix", TimeForm::kUnixSeconds, 1},
                                   {"unix-ms", TimeForm::kUnixMilliseconds, 1'000},
                                   {"unix-us", TimeForm::kUnixMicroseconds, 1'000'000},
                                   {"unix-ns", TimeForm::kUnixNanoseconds, 1'000'000'000}};

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Two digits as a number; larger than 99 where they are none.
unsigned TwoDigits(const char* at) {
  const auto tens = static_cast<unsigned>(static_cast<unsigned char>(at[0] - '0'));
  const auto ones = static_cast<unsigned>(static_cast<unsigned char>(at[1] - '0'));
  return tens > 9 || ones > 9 ? 1000 : tens * 10 + ones;
}

/// False where there is no such day.
bool DaysSince1970(int year, int month, int day, int64_t* days) {
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 1 || year > 9999 || !date.ok()) return false;
  *days = std::chrono::sys_days(date).time_since_epoch().count();
  return true;
}

int64_t DivideDown(int64_t number, int64_t by) {
  return number / by - (number % by < 0 ? 1 : 0);
}

/// 8 to 11 digits, the usual form; false for all others.
bool ParseWholeSeconds(std::string_view text, int64_t* seconds) {
  if (text.size() < 8 || text.size() > 11) return false;
  uint64_t eight = 0;
  std::memcpy(&eight, text.data(), sizeof eight);
  // A byte is a digit where its upper half is 3, and still is with 6 added.
  constexpr uint64_t kUpper = 0xF0F0F0F0F0F0F0F0, kSix = 0x0606060606060606, kThree = 0x3030303030303030;
  if ((eight & kUpper) != kThree || ((eight + kSix) & kUpper) != kThree) return false;
  // Neighbours are put together: digits to pairs, pairs to fours, fours to the number.
  eight = ((eight & 0x0F0F0F0F0F0F0F0F) * (10 * 256 + 1)) >> 8;
  eight = ((eight & 0x00FF00FF00FF00FF) * (100 * 65536 + 1)) >> 16;
  eight = ((eight & 0x0000FFFF0000FFFF) * ((uint64_t{10000} << 32) + 1)) >> 32;
  auto number = static_cast<int64_t>(eight);
  for (const char c : text.substr(8)) {
    if (!IsDigit(c)) return false;
    number = number * 10 + (c - '0');
  }
  *seconds = number;
  return true;
}

/// 20171124 and the like: nobody has 8 digits of unix seconds, which are of 1970.
bool IsPackedDate(int64_t number) {
  const int64_t month = number / 100 % 100, day = number % 100;
  return number >= 19'000'101 && number <= 21'001'231 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

/// "1511539200" and "-1.25", in parts of a second.
const char* ParseUnix(std::string_view text, const UnixName& unit, const char* none, int64_t* seconds) {
  if (unit.parts == 1 && ParseWholeSeconds(text, seconds)) return nullptr;
  size_t at = text.starts_with('-') ? 1 : 0;
  const bool negative = at == 1;
  const size_t begin = at;
  int64_t number = 0;
  bool large = false;
  for (; at < text.size() && IsDigit(text[at]); ++at)
    large |= __builtin_mul_overflow(number, int64_t{10}, &number) ||
             __builtin_add_overflow(number, int64_t{text[at] - '0'}, &number);
  if (at == begin) return none;
  bool fraction = false;
  if (at < text.size()) {
    if (text[at] != '.' || at + 1 == text.size()) return none;
    for (++at; at < text.size(); ++at) {
      if (!IsDigit(text[at])) return none;
      fraction |= text[at] != '0';
    }
  }
  if (large) number = std::numeric_limits<int64_t>::max();
  if (unit.parts == 1) {
    if (number >= 100'000'000'000'000'000)
      return "looks like nanoseconds; expected unix seconds (or state the time format unix-ns)";
    if (number >= 100'000'000'000'000)
      return "looks like microseconds; expected unix seconds (or state the time format unix-us)";
    if (number > kMaxUnixSeconds)
      return "looks like milliseconds; expected unix seconds (or state the time format unix-ms)";
  }
  if (large || number / unit.parts > kMaxUnixSeconds) return kTooFar;
  *seconds = DivideDown(negative ? -number - (fraction ? 1 : 0) : number, unit.parts);
  if (*seconds < kYear1) return kTooFar;
  return nullptr;
}

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
  /// As many digits as there are, up to `most`; false where there are fewer than `fewest`.
  bool Digits(size_t fewest, size_t most, int* number) {
    size_t n = 0;
    for (*number = 0; n < most && n < rest_.size() && IsDigit(rest_[n]); ++n) *number = *number * 10 + (rest_[n] - '0');
    rest_.remove_prefix(n);
    return n >= fewest;
  }
  bool SkipDigits() {
    size_t n = 0;
    while (n < rest_.size() && IsDigit(rest_[n])) ++n;
    rest_.remove_prefix(n);
    return n > 0;
  }
  /// A name in full or its first three letters: its place among `names` from 1; 0: none of them.
  int Name(std::span<const std::string_view> names) {
    const auto begins = [&](std::string_view name) {
      if (rest_.size() < name.size()) return false;
      for (size_t i = 0; i < name.size(); ++i)
        if (Lower(rest_[i]) != name[i]) return false;
      return true;
    };
    for (size_t i = 0; i < names.size(); ++i) {
      if (!begins(names[i].substr(0, 3))) continue;
      rest_.remove_prefix(begins(names[i]) ? names[i].size() : 3);
      return static_cast<int>(i) + 1;
    }
    return 0;
  }
  /// Z, +hh, +hhmm or +hh:mm, in seconds.
  bool Offset(int* seconds) {
    *seconds = 0;
    if (Take('Z') || Take('z')) return true;
    const int sign = Take('-') ? -1 : Take('+') ? 1 : 0;
    int hours = 0, minutes = 0;
    if (sign == 0 || !Digits(2, 2, &hours)) return false;
    const bool colon = Take(':');
    if ((colon || (!done() && IsDigit(rest_[0]))) && !Digits(2, 2, &minutes)) return false;
    *seconds = hours > 23 || minutes > 59 ? kNoOffset : sign * (hours * 3600 + minutes * 60);
    return true;
  }

  static constexpr int kNoOffset = 1 << 20;  // hours or minutes that there are not

 private:
  std::string_view rest_;
};

/// What follows the date: [Thh:mm[:ss[.f]][offset]], with a blank for T and before the offset.
const char* ParseTimeOfDay(Cursor cursor, const char* none, int64_t* seconds) {
  *seconds = 0;
  if (cursor.done()) return nullptr;
  if (!cursor.Take('T') && !cursor.Take('t') && !cursor.Take(' ')) return none;
  int hour = 0, minute = 0, second = 0, offset = 0;
  if (!cursor.Digits(2, 2, &hour) || !cursor.Take(':') || !cursor.Digits(2, 2, &minute)) return none;
  if (cursor.Take(':')) {
    if (!cursor.Digits(2, 2, &second)) return none;
    if (cursor.Take('.') && !cursor.SkipDigits()) return none;
  }
  const bool blank = cursor.Take(' ');
  if (cursor.done() ? blank : !cursor.Offset(&offset) || !cursor.done()) return none;
  if (hour > 23 || minute > 59 || second > 60 || offset == Cursor::kNoOffset) return kNoSuchTime;  // 60: a leap second
  *seconds = hour * 3600 + minute * 60 + second - offset;
  return nullptr;
}

const char* ParseIso(std::string_view text, const char* none, int64_t* seconds) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return none;
  const char* at = text.data();
  const unsigned century = TwoDigits(at), year = TwoDigits(at + 2), month = TwoDigits(at + 5), day = TwoDigits(at + 8);
  if ((century | year | month | day) >= 1000) return none;
  int64_t time_of_day = 0;
  if (text.size() == 19 && (at[10] == ' ' || at[10] == 'T') && at[13] == ':' && at[16] == ':') {
    const unsigned hour = TwoDigits(at + 11), minute = TwoDigits(at + 14), second = TwoDigits(at + 17);
    if ((hour | minute | second) >= 1000) return none;
    if (hour > 23 || minute > 59 || second > 60) return kNoSuchTime;
    time_of_day = hour * 3600 + minute * 60 + second;
  } else if (const char* wrong = ParseTimeOfDay(Cursor(text.substr(10)), none, &time_of_day)) {
    return wrong;
  }
  int64_t days = 0;
  if (!DaysSince1970(static_cast<int>(century * 100 + year), static_cast<int>(month), static_cast<int>(day), &days))
    return kNoSuchTime;
  *seconds = days * kDaySeconds + time_of_day;
  return nullptr;
}

/// Whether a text may be a date in some local form: two separators between digits, or letters of a month.
bool LooksLikeADate(std::string_view text) {
  const auto separators =
      std::count_if(text.begin(), text.end(), [](char c) { return c == '/' || c == '-' || c == '.'; });
  const auto digits = std::count_if(text.begin(), text.end(), IsDigit);
  return digits >= 4 && separators >= 2;
}

/// The parts that a pattern reads.
struct Moment {
  int year = 1970, month = 1, day = 1;
  int day_of_year = -1;  // where it is there, month and day are the first
  int hour = 0, minute = 0, second = 0, offset = 0;
  bool twelve_hours = false, afternoon = false;
};

bool ReadStep(const TimeStep& step, Cursor& cursor, Moment& moment) {
  switch (step.directive) {
    case '\0':
      return cursor.Take(step.literal);
    case 'Y':
      return cursor.Digits(4, 4, &moment.year);
    case 'y':
      if (!cursor.Digits(2, 2, &moment.year)) return false;
      moment.year += moment.year >= 69 ? 1900 : 2000;
      return true;
    case 'm':
      return cursor.Digits(step.min_digits, 2, &moment.month);
    case 'b':
      moment.month = cursor.Name(kMonths);
      return moment.month > 0;
    case 'd':
      return cursor.Digits(step.min_digits, 2, &moment.day);
    case 'j':
      return cursor.Digits(3, 3, &moment.day_of_year);
    case 'I':
      moment.twelve_hours = true;
      return cursor.Digits(step.min_digits, 2, &moment.hour);
    case 'H':
      return cursor.Digits(step.min_digits, 2, &moment.hour);
    case 'p':
      moment.afternoon = cursor.Take('P') || cursor.Take('p');
      return (moment.afternoon || cursor.Take('A') || cursor.Take('a')) && (cursor.Take('M') || cursor.Take('m'));
    case 'M':
      return cursor.Digits(step.min_digits, 2, &moment.minute);
    case 'S':
      return cursor.Digits(step.min_digits, 2, &moment.second);
    case 'f':
      return cursor.SkipDigits();
    case 'z':
      return cursor.Offset(&moment.offset);
    default:
      return cursor.Name(kWeekdays) > 0;
  }
}

const char* ReadPattern(std::span<const TimeStep> steps, const char* none, std::string_view text, int64_t* seconds) {
  Cursor cursor(text);
  Moment moment;
  for (const TimeStep& step : steps)
    if (!ReadStep(step, cursor, moment)) return none;
  if (!cursor.done()) return none;
  if (moment.twelve_hours) {
    if (moment.hour < 1 || moment.hour > 12) return kNoSuchTime;
    moment.hour = moment.hour % 12 + (moment.afternoon ? 12 : 0);
  }
  if (moment.hour > 23 || moment.minute > 59 || moment.second > 60 || moment.offset == Cursor::kNoOffset)
    return kNoSuchTime;
  int64_t days = 0;
  if (!DaysSince1970(moment.year, moment.month, moment.day, &days)) return kNoSuchTime;
  if (moment.day_of_year >= 0) {
    const int last = std::chrono::year(moment.year).is_leap() ? 366 : 365;
    if (moment.day_of_year < 1 || moment.day_of_year > last) return kNoSuchTime;
    days += moment.day_of_year - 1;
  }
  *seconds = days * kDaySeconds + moment.hour * 3600 + moment.minute * 60 + moment.second - moment.offset;
  return nullptr;
}

}  // namespace

TimeFormat::TimeFormat(std::string_view spec) : spec_(spec) {
  iso_ = spec == "iso8601" || spec == "auto";
  unix_ = spec == "auto";
  for (const UnixName& unit : kUnixNames) {
    if (unit.name != spec) continue;
    unix_ = true;
    unix_form_ = unit.form;
  }
  if (iso_ || unix_) return;
  if (spec.find('%') == spec.npos)
    throw Error(ErrorCode::kUsage,
                fmt::format("unknown time format '{}'; expected auto, unix, unix-ms, unix-us, unix-ns, iso8601 or a "
                            "pattern such as %d/%m/%Y %H:%M",
                            Printable(spec)));
  Compile(spec);
  CheckParts();
  not_in_form_ = fmt::format("expected a time of the form {}", Printable(spec));
}

void TimeFormat::Compile(std::string_view pattern) {
  const auto literals = [&](std::string_view text) {
    for (const char c : text) steps_.push_back({'\0', c, 0});
  };
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '%') {
      literals(pattern.substr(at, 1));
      continue;
    }
    const std::string_view directive = pattern.substr(++at, 1);
    if (directive == "%") {
      literals("%");
    } else if (directive == "F") {
      Compile("%Y-%m-%d");
    } else if (directive == "T") {
      Compile("%H:%M:%S");
    } else if (!directive.empty() && std::string_view("YymbdjHIpMSfza").find(directive) != std::string_view::npos) {
      steps_.push_back({directive[0], '\0', 1});
    } else {
      throw Error(ErrorCode::kUsage, fmt::format("time format '{}': '%{}' is not known; expected one of %Y %y %m %b %d "
                                                 "%j %H %I %p %M %S %f %z %a %F %T %%",
                                                 Printable(spec_), Printable(directive)));
    }
  }
  // Beside another number, two digits are two.
  const auto is_number = [](const TimeStep& step) {
    return step.directive == '\0' ? IsDigit(step.literal)
                                  : std::string_view("pzab").find(step.directive) == std::string_view::npos;
  };
  for (size_t i = 0; i + 1 < steps_.size(); ++i)
    if (is_number(steps_[i]) && is_number(steps_[i + 1])) steps_[i].min_digits = steps_[i + 1].min_digits = 2;
}

void TimeFormat::CheckParts() const {
  const auto count = [&](std::string_view directives) {
    return std::count_if(steps_.begin(), steps_.end(), [&](const TimeStep& step) {
      return step.directive != '\0' && directives.find(step.directive) != std::string_view::npos;
    });
  };
  const auto fail = [&](const char* what) {
    throw Error(ErrorCode::kUsage, fmt::format("time format '{}': {}", Printable(spec_), what));
  };
  for (const char* part : {"Yy", "mb", "d", "j", "HI", "p", "M", "S", "f", "z", "a"})
    if (count(part) > 1) fail("the same part of a time comes twice");
  const bool day_of_year = count("j") == 1;
  if (day_of_year && count("mbd") > 0) fail("the day of the year (%j) and of the month are both there");
  if (count("Yy") == 0 || (!day_of_year && (count("mb") == 0 || count("d") == 0)))
    fail("expected a year (%Y), a month (%m) and a day (%d)");
  if (count("I") != count("p")) fail("hours to 12 (%I) and AM or PM (%p) need each other");
}

const char* TimeFormat::Read(std::string_view text, int64_t* seconds, TimeForm* form) const {
  if (!steps_.empty()) {
    if (form != nullptr) *form = TimeForm::kPattern;
    return ReadPattern(steps_, not_in_form_.c_str(), text, seconds);
  }
  const bool iso = iso_ && (!unix_ || (text.size() >= 8 && text[4] == '-'));
  if (form != nullptr) *form = iso ? TimeForm::kIso8601 : unix_form_;
  const char* none = !iso_ ? kNoUnixTime : !unix_ ? kNoIsoTime : kNoTime;
  const char* wrong =
      iso ? ParseIso(text, none, seconds) : ParseUnix(text, kUnixNames[static_cast<size_t>(unix_form_)], none, seconds);
  if (wrong == nullptr && unix_ && iso_ && text.size() == 8 && IsPackedDate(*seconds)) return kPackedDate;
  return wrong == kNoTime && LooksLikeADate(text) ? kOtherForm : wrong;
}

const char* ParseTime(std::string_view text, int64_t* seconds) {
  static const TimeFormat format;
  return format.Read(text, seconds, nullptr);
}

}  // namespace kindred
