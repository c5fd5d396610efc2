#include "host/intake/postgres_cells.h"

#include <charconv>
#include <limits>
#include <string>
#include <vector>

#include "host/text/field_values.h"

namespace kindred {
namespace {

/// Rows of pg_type; their numbers never change.
enum SqlType : uint32_t {
  kBool = 16,
  kName = 19,
  kInt8 = 20,
  kInt2 = 21,
  kInt4 = 23,
  kText = 25,
  kOid = 26,
  kFloat4 = 700,
  kFloat8 = 701,
  kNameArray = 1003,
  kTextArray = 1009,
  kBpcharArray = 1014,
  kVarcharArray = 1015,
  kBpchar = 1042,
  kVarchar = 1043,
  kDate = 1082,
  kTimestamp = 1114,
  kTimestamptz = 1184,
  kNumeric = 1700,
};

template <class Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return status == std::errc() && end == text.data() + text.size();
}

const char* AddText(std::string_view cell, CellColumn& to) {
  to.AddText(cell);
  return nullptr;
}
void AddMissingText(CellColumn& to) {
  to.AddText({});
}

/// Its digits are kept as they are: ids and values come out as from a CSV file.
const char* AddNumeric(std::string_view cell, CellColumn& to) {
  to.AddText(cell == "NaN" ? std::string_view() : cell);
  return nullptr;
}

const char* AddInteger(std::string_view cell, CellColumn& to) {
  int64_t value = 0;
  if (!ParseNumber(cell, &value)) return "expected an integer";
  if (value == kMissingInteger) return "too small";
  to.AddInteger(value);
  return nullptr;
}
void AddMissingInteger(CellColumn& to) {
  to.AddInteger(kMissingInteger);
}

const char* AddFloat(std::string_view cell, CellColumn& to) {
  float value = 0;
  if (!ParseNumber(cell, &value)) return "expected a number";
  to.AddFloat(value);
  return nullptr;
}
void AddMissingFloat(CellColumn& to) {
  to.AddFloat(std::numeric_limits<float>::quiet_NaN());
}

const char* AddReal(std::string_view cell, CellColumn& to) {
  double value = 0;
  if (!ParseNumber(cell, &value)) return "expected a number";
  to.AddReal(value);
  return nullptr;
}
void AddMissingReal(CellColumn& to) {
  to.AddReal(std::numeric_limits<double>::quiet_NaN());
}

const char* AddBoolean(std::string_view cell, CellColumn& to) {
  if (cell != "t" && cell != "f") return "expected t or f";
  to.AddBoolean(cell == "t");
  return nullptr;
}
void AddMissingBoolean(CellColumn& to) {
  to.AddBoolean(kMissingBoolean);
}

const char* AddTime(std::string_view cell, CellColumn& to) {
  constexpr int64_t kMicros = 1000000;
  int64_t micros = 0;
  if (cell.size() < 5 || cell[4] != '-') return "expected a date of the years 1 to 9999";
  if (const char* wrong = ParseTime(cell, &micros)) return wrong;
  micros *= kMicros;
  if (const size_t point = cell.find('.'); point != cell.npos) {
    int64_t digit = kMicros / 10;  // what the next one is worth
    for (size_t i = point + 1; i < cell.size() && cell[i] >= '0' && cell[i] <= '9'; ++i, digit /= 10)
      micros += (cell[i] - '0') * digit;
  }
  to.AddReal(static_cast<double>(micros) / kMicros);
  return nullptr;
}

/// The elements of `{a,"b, c",NULL}`; nulls are empty. False where it is no list, or has lists within.
bool ParseArray(std::string_view text, std::vector<std::string>& elements) {
  if (text.starts_with('['))  // its bounds, where they do not begin at 1: `[0:1]={a,b}`
    text.remove_prefix(std::min(text.find('=') + 1, text.size()));
  if (text == "{}") return true;
  if (!text.starts_with('{') || !text.ends_with('}')) return false;
  for (size_t at = 1; at < text.size(); ++at) {  // at the first character of an element
    std::string& element = elements.emplace_back();
    const bool quoted = text[at] == '"';
    if (quoted) ++at;
    for (; at < text.size() && (quoted ? text[at] != '"' : text[at] != ',' && text[at] != '}'); ++at) {
      if (!quoted && (text[at] == '{' || text[at] == '"')) return false;
      if (text[at] == '\\' && ++at == text.size()) return false;
      element += text[at];
    }
    if (quoted && ++at >= text.size()) return false;
    if (!quoted && element == "NULL") element.clear();
    if (at + 1 == text.size()) return text[at] == '}';
    if (at >= text.size() || text[at] != ',') return false;
  }
  return false;
}

const char* AddArray(std::string_view cell, CellColumn& to) {
  std::vector<std::string> elements;
  if (!ParseArray(cell, elements)) return "expected a list of texts";
  return AddTags(std::vector<std::string_view>(elements.begin(), elements.end()), to);
}

}  // namespace

SqlConversion ConversionOfSqlType(uint32_t oid) {
  switch (oid) {
    case kBool:
      return {ColumnType::kBoolean, AddBoolean, AddMissingBoolean};
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      return {ColumnType::kNumber, AddInteger, AddMissingInteger};
    case kFloat4:
      return {ColumnType::kNumber, AddFloat, AddMissingFloat};
    case kFloat8:
      return {ColumnType::kNumber, AddReal, AddMissingReal};
    case kNumeric:
      return {ColumnType::kUntyped, AddNumeric, AddMissingText};
    case kText:
    case kVarchar:
    case kBpchar:
    case kName:
      return {ColumnType::kText, AddText, AddMissingText};
    case kTextArray:
    case kVarcharArray:
    case kBpcharArray:
    case kNameArray:
      return {ColumnType::kTags, AddArray, AddMissingText};
    case kDate:
    case kTimestamp:
    case kTimestamptz:
      return {ColumnType::kTime, AddTime, AddMissingReal};
    default:
      return {ColumnType::kUntyped, AddText, AddMissingText};
  }
}

}  // namespace kindred
