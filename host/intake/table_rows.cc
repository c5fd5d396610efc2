#include "host/intake/table_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

void CellColumn::Clear() {
  texts_.clear();
  own_texts_.clear();
  reals_.clear();
  floats_.clear();
  integers_.clear();
  booleans_.clear();
}

Column CellColumn::View() const {
  Column column;
  column.type = type_;
  column.texts = texts_;
  column.reals = reals_;
  column.floats = floats_;
  column.integers = integers_;
  column.booleans = booleans_;
  return column;
}

void BadCells::Add(int64_t position, std::string_view column, std::string_view found, const std::string& wrong) {
  const std::string name = Printable(column);
  Add(position,
      {fmt::format("'{}' in column '{}': {}", Printable(found), name, wrong), fmt::format("{}: {}", name, wrong)});
}

const char* AddTags(std::span<const std::string_view> tags, CellColumn& cells) {
  std::string joined;
  const char* wrong = nullptr;
  for (const std::string_view tag : tags) {
    if (tag.find('|') != tag.npos) wrong = "expected tags without '|'";
    if (!joined.empty() && !tag.empty()) joined += '|';
    joined += tag;
  }
  cells.AddOwnText(std::move(joined));
  return wrong;
}

void SinkRows(const std::string& file, int64_t first_line, int64_t n_rows, std::span<const ColumnType> types,
              const AddCells& add_cells, RowSink& sink) {
  std::vector<CellColumn> cells(types.begin(), types.end());
  std::vector<int64_t> rows, lines;
  const auto fill = [&] {
    BadCells bad;
    for (size_t c = 0; c < cells.size(); ++c) {
      cells[c].Clear();
      add_cells(c, rows, cells[c], bad);
    }
    return bad;
  };
  for (int64_t begin = 0; begin < n_rows; begin += kMaxBatchRows) {
    rows.resize(static_cast<size_t>(std::min(kMaxBatchRows, n_rows - begin)));
    std::iota(rows.begin(), rows.end(), begin);
    if (const BadCells bad = fill(); !bad.cells().empty()) {
      for (const auto& [position, cell] : bad.cells()) {
        int64_t& row = rows[static_cast<size_t>(position)];
        sink.Bad({file, first_line + row, cell.reason, cell.kind, ""});
        row = -1;
      }
      std::erase(rows, -1);
      fill();
    }
    lines.clear();
    for (const int64_t row : rows) lines.push_back(first_line + row);
    std::vector<Column> columns;
    for (const CellColumn& column : cells) columns.push_back(column.View());
    if (!rows.empty()) sink.Rows({static_cast<int64_t>(rows.size()), columns, lines, {}});
  }
}

void RequireDifferentNames(const std::string& file, std::span<const ColumnInfo> columns, const char* hint) {
  std::unordered_set<std::string_view> names;
  for (const ColumnInfo& column : columns)
    if (!names.insert(column.name).second)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: the column '{}' is there twice{}",
                                                           Printable(file, 4096), Printable(column.name), hint));
}

}  // namespace kindred
