// The values of one column of a table, from the rows of its files to an array in the dataset's order.
//
// A column whose type is declared, or comes with its source, takes rows that fit it and refuses others. A column of
// untyped text that nobody declared takes every row, and is what all of its values are:
//
//   number    decimal numbers; no text with a leading zero ("007") nor an integer that float64 does not hold, since
//             such are codes; "NaN" is among them as a missing one
//   time      ISO 8601 dates or dates and times
//   boolean   true, false, yes, no in any case (0 and 1 are numbers)
//   category  texts of which at least half are repetitions: 2 * different <= all
//   text      else
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/attribute_arrays.h"
#include "host/expression/column.h"
#include "host/intake/attribute_fields.h"

namespace kindred {

/// Rows of a batch that do not fit, each with the first thing that is wrong with it.
class RowFaults {
 public:
  struct Fault {
    std::string reason;  // what was found and what was expected, with the column
    std::string kind;    // without what was found
  };

  void Add(int64_t row, std::string_view column, std::string_view found, std::string_view wrong);
  const Fault* Find(int64_t row) const;
  void Clear() { faults_.clear(); }

 private:
  std::map<int64_t, Fault> faults_;
};

/// Why an inferred column is no number, time or boolean although it began as one.
struct InferenceBreak {
  std::string file;
  int64_t line = 0;
  std::string text;              // printable
  const char* before = nullptr;  // what all texts before it in the file were: "numbers"
};

class AttributeValues {
 public:
  /// For a column that is called so in its files, the first of which has it as `type`, which must convert to that of
  /// the rules.
  static std::unique_ptr<AttributeValues> Make(std::string column, ColumnType type, const AttributeRules& rules);
  virtual ~AttributeValues() = default;

  /// Reads the rows of a batch and says which do not fit.
  virtual void Parse(const Column& column, int64_t n_rows, RowFaults& faults) = 0;
  /// Keeps these rows of the batch that was parsed; `lines` as RowBatch has them.
  virtual void Append(const Column& column, std::span<const int32_t> rows, std::span<const int64_t> lines) = 0;
  /// After the last row of a file. Throws kInvalidArgument naming both files where this one is of another type than
  /// those before.
  virtual void EndFile(const std::string& path);
  /// Where there is one: what kept the column from a type that it nearly has.
  virtual std::optional<InferenceBreak> Break() const { return std::nullopt; }

  /// The arrays of `n_rows` rows, with value j in row `to[j]` and others missing. Once, at the end: memory of the
  /// values as they were read is freed.
  virtual AttributeArrays Place(std::span<const int32_t> to, int64_t n_rows) = 0;

 protected:
  explicit AttributeValues(std::string column) : column_(std::move(column)) {}

  std::string column_;
};

}  // namespace kindred
