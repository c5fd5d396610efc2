#include "host/intake/row_writer.h"

namespace kindred {

RowWriter::RowWriter(size_t n_columns, RowSink& sink, bool with_texts)
    : sink_(sink),
      cells_(n_columns * kMaxBatchRows),
      rows_(with_texts ? kMaxBatchRows : 0),
      lines_(kMaxBatchRows),
      columns_(n_columns) {}

void RowWriter::Flush() {
  if (n_rows_ == 0) return;
  for (size_t c = 0; c < columns_.size(); ++c) columns_[c].texts = {cells_.data() + c * kMaxBatchRows, n_rows_};
  RowBatch batch;
  batch.n_rows = static_cast<int64_t>(n_rows_);
  batch.columns = columns_;
  batch.lines = {lines_.data(), n_rows_};
  if (!rows_.empty()) batch.texts = {rows_.data(), n_rows_};
  sink_.Rows(batch);
  n_rows_ = 0;
  texts_.clear();
}

}  // namespace kindred
