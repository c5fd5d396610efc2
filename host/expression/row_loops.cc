#include "host/expression/row_loops.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "host/text/field_values.h"

namespace kindred {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr double kYearOne = -62135596800.0, kYearTenThousand = 253402300800.0;

template <typename Holds>
void CompareLoop(TextOperand a, TextOperand b, int64_t n, uint8_t* out, Holds holds) {
  for (int64_t i = 0; i < n; ++i) {
    const std::string_view left = a.texts[i * a.step], right = b.texts[i * b.step];
    out[i] = !left.empty() && !right.empty() && holds(left, right);
  }
}

/// Calls `take` with each tag of the row until it returns true; whether it did.
template <typename Take>
bool AnyTag(const Column& column, int64_t row, Take take) {
  if (column.indptr.empty()) {
    std::string_view rest = column.texts[static_cast<size_t>(row)];
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('|'), rest.size());
      if (end > 0 && take(rest.substr(0, end))) return true;
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
  }
  const auto at = static_cast<size_t>(row);
  for (int64_t j = column.indptr[at]; j < column.indptr[at + 1]; ++j) {
    const int32_t code = column.codes[static_cast<size_t>(j)];
    if (code == kMissingCode) continue;
    const std::string_view tag = column.dictionary[static_cast<size_t>(code)];
    if (!tag.empty() && take(tag)) return true;
  }
  return false;
}

bool AnyCodeMatches(const Column& column, int64_t row, const uint8_t* matches) {
  const auto at = static_cast<size_t>(row);
  bool any = false;
  for (int64_t j = column.indptr[at]; j < column.indptr[at + 1]; ++j) {
    const int32_t code = column.codes[static_cast<size_t>(j)];
    any |= code != kMissingCode && matches[code] != 0;
  }
  return any;
}

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool IsWord(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() && std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b);
         });
}

double CalendarField(Op op, double time) {
  if (!(time >= kYearOne && time < kYearTenThousand)) return kMissing;
  const double day = std::floor(time / 86400);
  const auto days = std::chrono::sys_days(std::chrono::days(static_cast<int>(day)));
  const std::chrono::year_month_day date(days);
  switch (op) {
    case Op::kYear:
      return static_cast<int>(date.year());
    case Op::kMonth:
      return static_cast<unsigned>(date.month());
    case Op::kDay:
      return static_cast<unsigned>(date.day());
    case Op::kWeekday:
      return std::chrono::weekday(days).iso_encoding();
    default:
      return std::floor((time - day * 86400) / 3600);
  }
}

}  // namespace

void CompareTexts(Op op, TextOperand a, TextOperand b, int64_t n, uint8_t* out) {
  using Text = std::string_view;
  switch (op) {
    case Op::kTextsEqual:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x == y; });
    case Op::kTextsDiffer:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x != y; });
    case Op::kTextsLess:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x < y; });
    case Op::kTextsLessEqual:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x <= y; });
    case Op::kTextsGreater:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x > y; });
    case Op::kTextsGreaterEqual:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x >= y; });
    case Op::kStartsWith:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x.starts_with(y); });
    case Op::kEndsWith:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x.ends_with(y); });
    default:
      return CompareLoop(a, b, n, out, [](Text x, Text y) { return x.find(y) != Text::npos; });
  }
}

void InTexts(const TextSet& set, const std::string_view* a, int64_t n, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = !a[i].empty() && set.contains(a[i]);
}

void TextsPresent(const std::string_view* a, int64_t n, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = !a[i].empty();
}

void TextLengths(const std::string_view* a, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) {
    int64_t n_characters = 0;
    for (const char c : a[i]) n_characters += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
    out[i] = a[i].empty() ? kMissing : static_cast<double>(n_characters);
  }
}

void Trim(const std::string_view* a, int64_t n, std::string_view* out) {
  for (int64_t i = 0; i < n; ++i) {
    std::string_view text = a[i];
    while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
    while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
    out[i] = text;
  }
}

void ChangeCase(bool upper, const std::string_view* a, int64_t n, std::vector<char>* arena, std::string_view* out) {
  size_t n_bytes = 0;
  for (int64_t i = 0; i < n; ++i) n_bytes += a[i].size();
  if (arena->size() < n_bytes) arena->resize(n_bytes);
  const char first = upper ? 'a' : 'A';
  char* to = arena->data();
  for (int64_t i = 0; i < n; ++i) {
    out[i] = {to, a[i].size()};
    for (const char c : a[i]) *to++ = static_cast<char>(c >= first && c < first + 26 ? c ^ 0x20 : c);
  }
}

void CoalesceTexts(const std::string_view* a, const std::string_view* b, int64_t n, std::string_view* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = a[i].empty() ? b[i] : a[i];
}

void ChooseTexts(const uint8_t* condition, const std::string_view* yes, const std::string_view* no, int64_t n,
                 std::string_view* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = condition[i] != 0 ? yes[i] : no[i];
}

void DecodeTexts(const int32_t* codes, const std::string_view* dictionary, int64_t n, std::string_view* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = codes[i] == kMissingCode ? std::string_view() : dictionary[codes[i]];
}

void CalendarFields(Op op, const double* times, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = CalendarField(op, times[i]);
}

bool InNumbers(const std::vector<double>& sorted, double value) {
  const auto found = std::lower_bound(sorted.begin(), sorted.end(), value);
  return found != sorted.end() && *found == value;
}

void TagsPresent(const Column& column, int64_t first, int64_t n, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = AnyTag(column, first + i, [](std::string_view) { return true; });
}

void CountTags(const Column& column, int64_t first, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) {
    double count = 0;
    AnyTag(column, first + i, [&](std::string_view) { return ++count, false; });
    out[i] = count > 0 ? count : kMissing;
  }
}

void HasTag(const Column& column, int64_t first, int64_t n, TextOperand wanted, const uint8_t* matches, uint8_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    const std::string_view text = wanted.texts[i * wanted.step];
    out[i] = matches != nullptr ? AnyCodeMatches(column, first + i, matches)
                                : AnyTag(column, first + i, [&](std::string_view tag) { return tag == text; });
  }
}

void HasAnyTag(const Column& column, int64_t first, int64_t n, const TextSet& set, const uint8_t* matches,
               uint8_t* out) {
  for (int64_t i = 0; i < n; ++i)
    out[i] = matches != nullptr ? AnyCodeMatches(column, first + i, matches)
                                : AnyTag(column, first + i, [&](std::string_view tag) { return set.contains(tag); });
}

const char* ReadCell(std::string_view cell, NumberFormat format, double* number) {
  return ParseNumber(cell, number, format);
}

const char* ReadCell(std::string_view cell, uint8_t* boolean) {
  *boolean = cell == "1" || IsWord(cell, "true");
  return *boolean != 0 || cell == "0" || IsWord(cell, "false") ? nullptr : "expected true, false, 1 or 0";
}

const char* ReadCellTime(std::string_view cell, const TimeFormat& format, double* time) {
  int64_t seconds = 0;
  const char* wrong = format.Read(cell, &seconds, nullptr);
  *time = static_cast<double>(seconds);
  return wrong;
}

}  // namespace kindred
