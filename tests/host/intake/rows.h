// All rows of a source as text, for comparing.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "host/intake/row_source.h"

namespace kindred {

/// A cell, exactly; "-" where it is missing. What is no text is marked: i7, r0.5, f0.5, true, t0.5 (a time).
inline std::string ExactCell(const Column& column, size_t row) {
  const std::string missing = "-";
  if (!column.texts.empty()) return column.texts[row].empty() ? missing : std::string(column.texts[row]);
  if (!column.reals.empty()) {
    const char* mark = column.type == ColumnType::kTime ? "t" : "r";
    return std::isnan(column.reals[row]) ? missing : fmt::format("{}{}", mark, column.reals[row]);
  }
  if (!column.floats.empty()) return std::isnan(column.floats[row]) ? missing : fmt::format("f{}", column.floats[row]);
  if (!column.integers.empty())
    return column.integers[row] == kMissingInteger ? missing : fmt::format("i{}", column.integers[row]);
  if (!column.booleans.empty())
    return column.booleans[row] == kMissingBoolean ? missing : column.booleans[row] != 0 ? "true" : "false";
  return "(no values)";
}

class RowCollector : public RowSink {
 public:
  std::vector<std::vector<std::string>> rows;  // [row][column]
  std::vector<int64_t> lines;
  std::vector<BadRow> bad;
  std::vector<ColumnType> types;  // of the batches
  int64_t largest_batch = 0;

  void Rows(const RowBatch& batch) override {
    types.clear();
    for (const Column& column : batch.columns) types.push_back(column.type);
    for (size_t row = 0; row < static_cast<size_t>(batch.n_rows); ++row) {
      std::vector<std::string>& cells = rows.emplace_back();
      for (const Column& column : batch.columns) cells.push_back(ExactCell(column, row));
    }
    lines.insert(lines.end(), batch.lines.begin(), batch.lines.end());
    largest_batch = std::max(largest_batch, batch.n_rows);
  }
  void Bad(BadRow row) override { bad.push_back(std::move(row)); }

  /// The cells of one column.
  std::vector<std::string> CellsOf(size_t c) const {
    std::vector<std::string> cells;
    for (const std::vector<std::string>& row : rows) cells.push_back(row[c]);
    return cells;
  }
};

/// Reads these columns with a thread for each block; what the blocks have, in order.
inline std::vector<RowCollector> ReadRowsOnThreads(RowSource& source, const std::vector<int>& columns) {
  source.Select(columns);
  std::vector<std::unique_ptr<RowBlock>> blocks;
  while (std::unique_ptr<RowBlock> block = source.Next()) blocks.push_back(std::move(block));
  std::vector<RowCollector> collected(blocks.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < blocks.size(); ++i) threads.emplace_back([&, i] { source.Parse(*blocks[i], collected[i]); });
  for (std::thread& thread : threads) thread.join();
  return collected;
}

/// Reads all that is left of some columns, or of all; returns the number of blocks.
inline int ReadRows(RowSource& source, RowCollector& to, std::vector<int> columns) {
  source.Select(columns);
  int n_blocks = 0;
  while (const std::unique_ptr<RowBlock> block = source.Next()) {
    source.Parse(*block, to);
    ++n_blocks;
  }
  return n_blocks;
}

inline std::vector<int> AllColumns(const RowSource& source) {
  std::vector<int> all(source.columns().size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace kindred
