// Rows of a table whose cells have types of their own (Parquet, SQL), cut into batches; rows with a cell that cannot
// be used become bad rows.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/intake/row_source.h"

namespace kindred {

/// The cells of one column of a batch, one Add a row, all of one kind.
class CellColumn {
 public:
  explicit CellColumn(ColumnType type) : type_(type) {}

  /// Kept by the caller, or (Own) here. An empty text is missing.
  void AddText(std::string_view text) { texts_.push_back(text); }
  void AddOwnText(std::string text) { texts_.push_back(own_texts_.emplace_back(std::move(text))); }
  void AddReal(double value) { reals_.push_back(value); }
  void AddFloat(float value) { floats_.push_back(value); }
  void AddInteger(int64_t value) { integers_.push_back(value); }
  void AddBoolean(uint8_t value) { booleans_.push_back(value); }

  void Clear();
  /// Valid until the next Add or Clear.
  Column View() const;

 private:
  ColumnType type_;
  std::vector<std::string_view> texts_;
  std::deque<std::string> own_texts_;
  std::vector<double> reals_;
  std::vector<float> floats_;
  std::vector<int64_t> integers_;
  std::vector<uint8_t> booleans_;
};

/// Cells of a batch that cannot be used: the first one of each row.
class BadCells {
 public:
  struct Cell {
    std::string reason, kind;
  };

  /// The cell of the batch's row `position` in a column: what it holds, and what is wrong with it.
  void Add(int64_t position, std::string_view column, std::string_view found, const std::string& wrong);
  void Add(int64_t position, const Cell& cell) { cells_.try_emplace(position, cell); }

  const std::map<int64_t, Cell>& cells() const { return cells_; }

 private:
  std::map<int64_t, Cell> cells_;
};

/// Adds a cell of tags; empty ones are none. Returns nullptr, or what is wrong: '|' stands between tags, not in them.
const char* AddTags(std::span<const std::string_view> tags, CellColumn& cells);

/// Adds the cells of these rows (ascending) in a column; of a row that it puts into `bad`, any or none.
using AddCells = std::function<void(size_t column, std::span<const int64_t> rows, CellColumn& cells, BadCells& bad)>;

/// Hands the rows [0, n_rows) over in batches. `file` and `first_line` are what bad rows and lines are named by.
void SinkRows(const std::string& file, int64_t first_line, int64_t n_rows, std::span<const ColumnType> types,
              const AddCells& add_cells, RowSink& sink);

/// Throws kInvalidArgument where two columns have one name. `hint` ends the message.
void RequireDifferentNames(const std::string& file, std::span<const ColumnInfo> columns, const char* hint = "");

}  // namespace kindred
