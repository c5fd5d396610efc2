// Reads a source to its end and keeps what it gave, as text.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/intake/cell_text.h"
#include "host/intake/row_source.h"
#include "tests/support/temporary_folder.h"

namespace kindred {

struct SourceRows : RowSink {
  std::vector<std::string> columns;
  std::vector<std::string> rows;  // "LINE: CELL CELL ...", a missing one as "~"
  std::vector<std::string> texts;
  std::vector<std::string> bad;  // "LINE: REASON"
  std::vector<BadRow> bad_rows;
  SourceInfo info;

  void Rows(const RowBatch& batch) override {
    ASSERT_GT(batch.n_rows, 0);
    ASSERT_LE(batch.n_rows, kMaxBatchRows);
    ASSERT_EQ(batch.lines.size(), static_cast<size_t>(batch.n_rows));
    std::string buffer;
    for (int64_t row = 0; row < batch.n_rows; ++row) {
      std::string text = std::to_string(batch.lines[static_cast<size_t>(row)]) + ":";
      for (const Column& column : batch.columns) {
        const std::string_view cell = CellText(column, row, buffer);
        text += " " + std::string(cell.empty() ? "~" : cell);
      }
      rows.push_back(text);
      if (!batch.texts.empty()) texts.emplace_back(batch.texts[static_cast<size_t>(row)]);
    }
  }
  void Bad(BadRow row) override {
    EXPECT_FALSE(row.kind.empty());
    bad.push_back(std::to_string(row.line) + ": " + row.reason);
    bad_rows.push_back(std::move(row));
  }
};

/// Columns by name, all of them where none is named.
inline SourceRows ReadSource(RowSource& source, const std::vector<std::string>& names = {}) {
  SourceRows read;
  std::vector<int> selected;
  for (const ColumnInfo& column : source.columns()) read.columns.emplace_back(column.name);
  for (const std::string& name : names.empty() ? read.columns : names) {
    const auto at = std::find(read.columns.begin(), read.columns.end(), name);
    EXPECT_NE(at, read.columns.end()) << name;
    selected.push_back(static_cast<int>(at - read.columns.begin()));
  }
  source.Select(selected);
  // As late as can be: with many threads, blocks are parsed while the source is already finished.
  std::vector<std::unique_ptr<RowBlock>> blocks;
  while (std::unique_ptr<RowBlock> block = source.Next()) blocks.push_back(std::move(block));
  read.info = source.Finish();
  for (const auto& block : blocks) source.Parse(*block, read);
  return read;
}

inline SourceRows ReadSourceText(std::string_view text, const std::string& name, ReadOptions options,
                                 const std::vector<std::string>& names = {}) {
  const TemporaryFolder folder;
  return ReadSource(*OpenRows(folder.Write(name, text), options), names);
}

}  // namespace kindred
