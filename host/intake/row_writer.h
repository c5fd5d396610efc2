// Batches of untyped rows, as readers of text put them together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "host/intake/row_source.h"

namespace kindred {

/// Hands full batches to the sink. The cells of a row are set, then it is added.
class RowWriter {
 public:
  /// `with_texts`: whether batches have the rows as they came.
  RowWriter(size_t n_columns, RowSink& sink, bool with_texts = true);

  /// A cell of the row that Add will add. Views of what lives until the next Flush.
  std::string_view& Cell(size_t column) { return cells_[column * kMaxBatchRows + n_rows_]; }
  /// A text that lives until the next Flush, for cells that do not stand in the input as they are.
  std::string& NewText() { return texts_.emplace_back(); }
  void Add(int64_t line, std::string_view text) {
    lines_[n_rows_] = line;
    if (!rows_.empty()) rows_[n_rows_] = text;
    if (++n_rows_ == kMaxBatchRows) Flush();
  }
  /// Hands over what there is. At the end of a block.
  void Flush();

 private:
  RowSink& sink_;
  size_t n_rows_ = 0;
  std::vector<std::string_view> cells_, rows_;
  std::vector<int64_t> lines_;
  std::vector<Column> columns_;
  std::deque<std::string> texts_;
};

}  // namespace kindred
