// A column of values: what readers of exports give and what expressions are evaluated over.
//
// A value that is not there is missing: an empty field or text, a JSON or SQL null, a null of Parquet, NaN.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

namespace kindred {

enum class ColumnType : uint8_t {
  kUntyped,  // text as CSV has it: whoever uses it says what it should be
  kText,
  kNumber,
  kBoolean,
  kTime,  // unix seconds
  kTags,  // a list of texts
};

/// "untyped", "text", "number", "boolean", "time" or "tags".
const char* NameOf(ColumnType type);

inline constexpr int64_t kMissingInteger = std::numeric_limits<int64_t>::min();
inline constexpr uint8_t kMissingBoolean = 2;
inline constexpr int32_t kMissingCode = -1;

/// Views of arrays that somebody else keeps alive. Which one is there says how the values are stored:
///
///   kUntyped  texts
///   kText     texts, or codes and dictionary
///   kNumber   reals, floats or integers
///   kBoolean  booleans
///   kTime     reals or integers
///   kTags     texts with the tags of a row between '|', or indptr, codes and dictionary
struct Column {
  ColumnType type = ColumnType::kUntyped;
  std::span<const std::string_view> texts = {};       // empty text: missing
  std::span<const double> reals = {};                 // NaN: missing
  std::span<const float> floats = {};                 // NaN: missing
  std::span<const int64_t> integers = {};             // kMissingInteger: missing
  std::span<const uint8_t> booleans = {};             // 0, 1 or kMissingBoolean
  std::span<const int32_t> codes = {};                // index into the dictionary, or kMissingCode
  std::span<const std::string_view> dictionary = {};  // different texts
  std::span<const int64_t> indptr = {};               // [rows + 1] where each row's codes start; none: missing
};

/// The values of rows `first` to `first + n` alone.
Column RowsOf(const Column& column, int64_t first, int64_t n);

/// The name and type of a column, as a header or a schema says it.
struct ColumnInfo {
  std::string_view name;
  ColumnType type = ColumnType::kUntyped;
  /// Seconds; of a kNumber: how many events of this name there were in the last so many, what `name >= 3 in 7d` reads.
  /// 0: a column as any other.
  int64_t window = 0;
};

}  // namespace kindred
