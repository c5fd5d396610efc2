// Any bytes as a cell of a query's result: refused, or a sound value.
//
// Input: one byte for the cell's type, then the cell.
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

#include "host/intake/postgres_cells.h"

namespace kindred {
namespace {

void Expect(bool holds) {
  if (!holds) std::abort();
}

/// By the rows of PostgreSQL's pg_type.
uint32_t TypeOf(char name) {
  switch (name) {
    case 'A':
      return 1009;  // text[]
    case 'T':
      return 1184;  // timestamptz
    case 'I':
      return 20;  // int8
    case 'R':
      return 701;  // float8
    case 'F':
      return 700;  // float4
    case 'N':
      return 1700;  // numeric
    case 'B':
      return 16;  // bool
    default:
      return 25;  // text
  }
}

/// Tags as a list whose elements are all in quotes.
std::string ListOf(std::string_view tags) {
  std::string list = "{\"";
  for (const char c : tags) {
    if (c == '"' || c == '\\') list += '\\';
    list += c == '|' ? "\",\"" : std::string(1, c);
  }
  return list + "\"}";
}

void Run(std::string_view input) {
  if (input.size() < 2) return;
  const SqlConversion conversion = ConversionOfSqlType(TypeOf(input[0]));
  CellColumn cells(conversion.type);
  if (conversion.add(input.substr(1), cells) != nullptr) return;
  const Column column = cells.View();
  Expect(column.texts.size() + column.reals.size() + column.floats.size() + column.integers.size() +
             column.booleans.size() ==
         1);
  if (conversion.type == ColumnType::kTime) Expect(std::abs(column.reals[0]) < 1e12);
  if (conversion.type == ColumnType::kBoolean) Expect(column.booleans[0] < kMissingBoolean);
  if (conversion.type != ColumnType::kTags) return;
  const std::string_view tags = column.texts[0];
  Expect(!tags.starts_with('|') && !tags.ends_with('|') && tags.find("||") == tags.npos);
  CellColumn again(conversion.type);
  Expect(conversion.add(ListOf(tags), again) == nullptr && again.View().texts[0] == tags);
}

}  // namespace
}  // namespace kindred

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  kindred::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
