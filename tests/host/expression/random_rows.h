// Columns of every storage with random cells, and what each cell is, said beside it and not read back from it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "host/expression/expression.h"

namespace kindred {

/// What a cell, or a part of an expression, is for one row. A missing value has none of them.
struct RowValue {
  std::optional<double> number;  // also times and durations
  std::optional<std::string> text;
  std::optional<bool> boolean;
  std::vector<std::string> tags;
};

/// A cell of an untyped column: what it is read as each type; nullopt: not readable. Empty texts are missing.
struct UntypedCell {
  const char* text;
  std::optional<double> number, time;
  std::optional<bool> boolean;
};

class RandomRows {
 public:
  RandomRows(int64_t n_rows, uint64_t seed);

  int64_t n_rows() const { return n_rows_; }
  const std::vector<ColumnInfo>& schema() const { return schema_; }
  /// Those that an expression reads.
  std::vector<Column> Columns(const Expression& expression) const;

  /// Of a typed column.
  const RowValue& At(int column, int64_t row) const {
    return values_[static_cast<size_t>(column)][static_cast<size_t>(row)];
  }
  /// Of an untyped one; null where it is missing.
  const UntypedCell* Untyped(int column, int64_t row) const;

 private:
  template <typename Fill>
  void Add(const char* name, ColumnType type, Fill fill);
  void AddNumbers();
  void AddTexts();
  void AddTags();
  void AddUntyped();

  std::mt19937_64 random_;
  int64_t n_rows_;
  std::vector<ColumnInfo> schema_;
  std::vector<Column> columns_;
  std::vector<std::vector<RowValue>> values_;
  std::vector<std::vector<const UntypedCell*>> cells_;

  std::deque<std::vector<double>> reals_;
  std::deque<std::vector<float>> floats_;
  std::deque<std::vector<int64_t>> integers_;
  std::deque<std::vector<uint8_t>> booleans_;
  std::deque<std::vector<int32_t>> codes_;
  std::deque<std::vector<std::string_view>> texts_;
  std::deque<std::string> kept_;
};

}  // namespace kindred
