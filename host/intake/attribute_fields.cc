#include "host/intake/attribute_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string>

#include "host/intake/cell_text.h"

namespace kindred {
namespace {

constexpr const char* kNoBoolean = "expected true, false, yes, no, 1 or 0";
constexpr const char* kNoSuchYear = "expected a time of the years 1 to 9999";
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kExactIntegers = 9007199254740992;  // 2^53

/// Whether the text is the word, which is in small letters, in any case.
bool IsWord(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

bool IsAnyOf(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return IsWord(text, word); });
}

/// A text that is there.
const char* ParseCell(std::string_view text, const AttributeRules& rules, double* value) {
  if (!IsWord(text, "nan")) return ParseNumber(text, value, rules.number);
  *value = kNan;
  return nullptr;
}

const char* ParseCell(std::string_view text, const AttributeRules& rules, int64_t* value) {
  TimeForm form{};
  if (const char* wrong = rules.time.Read(text, value, &form)) return wrong;
  return *value < kFirstTime || *value > kLastTime ? kNoSuchYear : nullptr;
}

/// The number in row i of a kNumber or kTime column; NaN: missing.
double RealOf(const Column& column, int64_t i) {
  const auto at = static_cast<size_t>(i);
  if (!column.reals.empty()) return column.reals[at];
  if (!column.floats.empty()) return column.floats[at];
  return column.integers[at] == kMissingInteger ? kNan : static_cast<double>(column.integers[at]);
}

bool IsText(const Column& column) {
  return column.type == ColumnType::kUntyped || column.type == ColumnType::kText || column.type == ColumnType::kTags;
}

std::string_view TextIn(const Column& column, int64_t i) {
  const auto at = static_cast<size_t>(i);
  if (!column.texts.empty()) return column.texts[at];
  return column.codes[at] == kMissingCode ? std::string_view()
                                          : column.dictionary[static_cast<size_t>(column.codes[at])];
}

const char* Seconds(double seconds, int64_t* value) {
  *value = kMissingInteger;
  if (std::isnan(seconds)) return nullptr;
  if (seconds < static_cast<double>(kFirstTime) || seconds > static_cast<double>(kLastTime)) return kNoSuchYear;
  *value = static_cast<int64_t>(std::floor(seconds));
  return nullptr;
}

/// Whether a number is written as codes are: "007", or an integer that a float64 does not hold.
bool LooksLikeCode(std::string_view text, double value) {
  const std::string_view digits = text.substr(text[0] == '-' || text[0] == '+' ? 1 : 0);
  if (digits.size() > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9') return true;
  return std::abs(value) > kExactIntegers && digits.find_first_not_of("0123456789") == digits.npos;
}

}  // namespace

bool Converts(ColumnType from, AttributeType to) {
  using enum AttributeType;
  switch (from) {
    case ColumnType::kUntyped:
    case ColumnType::kText:
      return true;
    case ColumnType::kNumber:
      return to != kTags;
    case ColumnType::kBoolean:
      return to == kBoolean || to == kNumber || to == kCategory || to == kText;
    case ColumnType::kTime:
      return to == kTime;
    case ColumnType::kTags:
      return to == kTags;
  }
  return false;
}

const char* ReadNumber(const Column& column, int64_t i, const AttributeRules& rules, double* value) {
  *value = kNan;
  if (column.type == ColumnType::kBoolean) {
    const uint8_t boolean = column.booleans[static_cast<size_t>(i)];
    if (boolean != kMissingBoolean) *value = boolean;
    return nullptr;
  }
  if (IsText(column)) {
    const std::string_view text = TextIn(column, i);
    return text.empty() ? nullptr : ParseCell(text, rules, value);
  }
  *value = RealOf(column, i);
  return std::isinf(*value) ? "expected a finite number" : nullptr;
}

const char* ReadBoolean(const Column& column, int64_t i, const AttributeRules&, uint8_t* value) {
  *value = kMissingBoolean;
  if (column.type == ColumnType::kBoolean) {
    *value = column.booleans[static_cast<size_t>(i)];
    return nullptr;
  }
  if (column.type == ColumnType::kNumber) {
    const double number = RealOf(column, i);
    if (std::isnan(number)) return nullptr;
    if (number != 0 && number != 1) return kNoBoolean;
    *value = number == 1;
    return nullptr;
  }
  const std::string_view text = TextIn(column, i);
  if (text.empty()) return nullptr;
  if (IsAnyOf(text, {"true", "t", "yes", "y", "1"})) {
    *value = 1;
  } else if (IsAnyOf(text, {"false", "f", "no", "n", "0"})) {
    *value = 0;
  } else {
    return kNoBoolean;
  }
  return nullptr;
}

const char* ReadTime(const Column& column, int64_t i, const AttributeRules& rules, int64_t* value) {
  *value = kMissingInteger;
  if (!IsText(column)) return Seconds(RealOf(column, i), value);
  const std::string_view text = TextIn(column, i);
  if (text.empty()) return nullptr;
  return ParseCell(text, rules, value);
}

void SettleTimeForm(const Column& column, int64_t n_rows, AttributeRules& rules) {
  if (!IsText(column)) return;
  for (int64_t i = 0; i < n_rows && rules.time.spec() == "auto"; ++i) {
    int64_t seconds = 0;
    TimeForm form{};
    if (rules.time.Read(TextIn(column, i), &seconds, &form) == nullptr)
      rules.time = TimeFormat(form == TimeForm::kIso8601 ? "iso8601" : "unix");
  }
}

std::string FoundIn(const Column& column, int64_t i) {
  if (column.type == ColumnType::kTime) return fmt::format("{} s", RealOf(column, i));
  std::string room;
  return std::string(CellText(column, i, room));
}

Shapes ShapesOf(std::string_view text, const AttributeRules& rules) {
  double number = 0;
  if (ParseCell(text, rules, &number) == nullptr) return LooksLikeCode(text, number) ? 0 : kNumberShape;
  int64_t time = 0;
  if (ParseCell(text, rules, &time) == nullptr) return kTimeShape;
  return IsAnyOf(text, {"true", "false", "yes", "no"}) ? kBooleanShape : 0;
}

const char* NameOfShapes(Shapes shapes) {
  if ((shapes & kNumberShape) != 0) return "numbers";
  if ((shapes & kTimeShape) != 0) return "times";
  return (shapes & kBooleanShape) != 0 ? "booleans" : "texts";
}

}  // namespace kindred
