#include "host/text/field_values.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>

namespace kindred {
namespace {

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

/// What most exports have: digits, perhaps a decimal sign among them, that make a number below 2^53 over a power of
/// ten that a double holds. One division then rounds as it should (Clinger, 1990). False: not of this form.
bool ReadPlainNumber(std::string_view text, char decimal, double* number) {
  static constexpr double kPowersOfTen[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                            1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const bool negative = !text.empty() && text[0] == '-';
  uint64_t digits = 0;
  size_t n_digits = 0, n_behind = 0;
  bool behind = false;
  for (size_t i = negative ? 1 : 0; i < text.size(); ++i) {
    const unsigned digit = static_cast<unsigned char>(text[i]) - unsigned{'0'};
    if (digit > 9) {
      if (text[i] != decimal || behind) return false;
      behind = true;
      continue;
    }
    digits = digits * 10 + digit;
    ++n_digits;
    n_behind += behind;
  }
  if (n_digits == 0 || n_digits > 15) return false;
  const double size = static_cast<double>(digits) / kPowersOfTen[n_behind];
  *number = negative ? -size : size;
  return true;
}

/// Groups of three digits behind one to three, as in "1,234,567.50".
bool HasThousands(std::string_view text, char decimal) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  const size_t first =
      std::min(text.size(), static_cast<size_t>(std::find_if_not(text.begin(), text.end(), IsDigit) - text.begin()));
  if (first == 0 || first > 3 || first == text.size() || text[first] == decimal) return false;
  const char separator = text[first];
  if (std::string_view(",.' _").find(separator) == std::string_view::npos) return false;
  size_t at = first;
  while (at < text.size() && text[at] == separator) {
    for (size_t i = 1; i <= 3; ++i)
      if (at + i >= text.size() || !IsDigit(text[at + i])) return false;
    at += 4;
  }
  return at == text.size() || text[at] == decimal;
}

const char* NoNumber(std::string_view text, char decimal) {
  if (HasThousands(text, decimal)) return "expected a number; thousands separators are not read";
  if (decimal == ',' && text.find('.') != text.npos) return "expected a number with a decimal comma";
  if (decimal == '.' && std::count(text.begin(), text.end(), ',') == 1)
    return "expected a number with a decimal point (a decimal comma must be stated)";
  return "expected a number";
}

/// Any number, "nan" and "inf" included. `limited`: it is larger or smaller than a double holds.
const char* ReadNumber(std::string_view text, char decimal, double* number, bool* limited) {
  *limited = false;
  if (ReadPlainNumber(text, decimal, number)) return nullptr;
  std::string with_point(text);
  if (decimal != '.') {
    if (text.find('.') != text.npos) return NoNumber(text, decimal);
    std::replace(with_point.begin(), with_point.end(), decimal, '.');
  }
  std::string_view digits = with_point;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), *number);
  if (status == std::errc::invalid_argument || end != digits.data() + digits.size()) return NoNumber(text, decimal);
  // Too large and too small are one status; strtod tells them apart.
  *limited = status == std::errc::result_out_of_range;
  if (*limited) *number = std::strtod(with_point.c_str(), nullptr);
  return nullptr;
}

}  // namespace

const char* ParseNumber(std::string_view text, double* number, NumberFormat format) {
  bool limited = false;
  if (const char* wrong = ReadNumber(text, format.decimal, number, &limited)) return wrong;
  if (limited && std::isinf(*number)) return "larger than a number may be (1.8e308)";
  return std::isfinite(*number) ? nullptr : "expected a number";
}

const char* ParseValue(std::string_view text, float* value, NumberFormat format) {
  double number = 0;
  bool limited = false;
  if (const char* wrong = ReadNumber(text, format.decimal, &number, &limited)) return wrong;
  if (std::isnan(number)) return "NaN; expected a number >= 0";
  if (!format.negative && (number < 0 || (limited && std::signbit(number)))) return "negative; expected a number >= 0";
  if (std::isinf(number) && !limited) return "infinite; expected a finite number";
  *value = static_cast<float>(number) + 0.0f;
  return std::isinf(*value) ? "larger than a float32 holds (3.4e38)" : nullptr;
}

const char* FormatId(std::string_view text, IdFormat format, std::string_view* id) {
  *id = text;
  if (format == IdFormat::kText) return nullptr;
  size_t at = text.starts_with('-') || text.starts_with('+') ? 1 : 0;
  const auto skip = [&](auto is) {
    const size_t begin = at;
    while (at < text.size() && is(text[at])) ++at;
    return at - begin;
  };
  const size_t whole = skip(IsDigit), point = at;
  if (at == text.size()) return nullptr;
  size_t zeros = 0, places = 0;
  if (text[at] == '.') {
    ++at;
    zeros = skip([](char c) { return c == '0'; });
    places = zeros + skip(IsDigit);
  }
  if (whole + places == 0) return nullptr;  // no number
  if (at == text.size()) {
    if (whole == 0 || places > zeros) return "expected an integer";
    *id = text.substr(0, point);
    return nullptr;
  }
  if (text[at] != 'e' && text[at] != 'E') return nullptr;
  ++at;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  const bool number = skip(IsDigit) > 0 && at == text.size();
  return number ? "in powers of ten; expected an integer with all its digits" : nullptr;
}

}  // namespace kindred
