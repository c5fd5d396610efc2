// The rows of an SQL query, over PostgreSQL's protocol: Next collects rows as the server sends them, Parse reads cells.

#include <utility>

#include "host/intake/postgres_cells.h"
#include "host/intake/postgres_connection.h"
#include "host/intake/row_source.h"
#include "host/intake/table_rows.h"
#include "host/store/checksum.h"
#include "host/text/text.h"

namespace kindred {
namespace {

constexpr int64_t kMaxBlockRows = 1 << 16;

struct QueryBlock : RowBlock {
  int64_t n_rows = 0;
  std::string bytes;         // of all cells, row by row
  std::vector<size_t> ends;  // of each cell
};

class QuerySource : public RowSource {
 public:
  QuerySource(const std::string& query, const ReadOptions& options);

  const std::string& path() const override { return connection_.place(); }
  std::span<const ColumnInfo> columns() const override { return columns_; }
  void Select(std::span<const int> columns) override;
  std::unique_ptr<RowBlock> Next() override;
  void Parse(RowBlock& block, RowSink& sink) const override;
  int64_t bytes_read() const override { return bytes_read_; }
  int64_t bytes_total() const override { return 0; }
  SourceInfo Finish() override { return {path(), 0, sha256_}; }

 private:
  void TakeRow(QueryBlock& block) const;

  std::string sha256_;
  size_t block_bytes_;
  bool check_utf8_;
  PostgresConnection connection_;
  PostgresResult row_;  // the next one; the last has no row in it
  std::vector<std::string> names_;
  std::vector<ColumnInfo> columns_;
  std::vector<SqlConversion> conversions_;

  std::vector<int> selected_;
  std::vector<ColumnType> types_;
  int64_t rows_read_ = 0;
  int64_t bytes_read_ = 0;
};

QuerySource::QuerySource(const std::string& query, const ReadOptions& options)
    : sha256_(Sha256(query)),
      block_bytes_(options.block_bytes),
      check_utf8_(options.encoding != Encoding::kBytes),
      connection_(options.database) {
  connection_.Query(query);
  row_ = connection_.Next(0);
  for (int c = 0; c < PQnfields(row_.get()); ++c) {
    names_.emplace_back(PQfname(row_.get(), c));
    conversions_.push_back(ConversionOfSqlType(PQftype(row_.get(), c)));
  }
  for (size_t c = 0; c < names_.size(); ++c) columns_.push_back({names_[c], conversions_[c].type});
  RequireDifferentNames(path(), columns_, " in the query's result; give one of them another name with AS");
}

void QuerySource::Select(std::span<const int> columns) {
  selected_.assign(columns.begin(), columns.end());
  for (const int c : columns) types_.push_back(columns_.at(static_cast<size_t>(c)).type);
}

void QuerySource::TakeRow(QueryBlock& block) const {
  for (const int c : selected_) {
    block.bytes.append(PQgetvalue(row_.get(), 0, c), static_cast<size_t>(PQgetlength(row_.get(), 0, c)));
    block.ends.push_back(block.bytes.size());
  }
  ++block.n_rows;
}

std::unique_ptr<RowBlock> QuerySource::Next() {
  auto block = std::make_unique<QueryBlock>();
  block->first_line = rows_read_ + 1;
  while (PQntuples(row_.get()) > 0 && block->n_rows < kMaxBlockRows && block->bytes.size() < block_bytes_) {
    TakeRow(*block);
    ++rows_read_;
    row_ = connection_.Next(rows_read_);
  }
  bytes_read_ += static_cast<int64_t>(block->bytes.size());
  if (block->n_rows == 0) return nullptr;
  return block;
}

void QuerySource::Parse(RowBlock& block, RowSink& sink) const {
  const auto& rows = static_cast<const QueryBlock&>(block);
  const auto cell_at = [&](int64_t row, size_t column) {
    const size_t i = static_cast<size_t>(row) * selected_.size() + column;
    const size_t begin = i > 0 ? rows.ends[i - 1] : 0;
    return std::string_view(rows.bytes).substr(begin, rows.ends[i] - begin);
  };
  const auto add_cells = [&](size_t column, std::span<const int64_t> of, CellColumn& cells, BadCells& bad) {
    const auto index = static_cast<size_t>(selected_[column]);
    const SqlConversion& conversion = conversions_[index];
    for (size_t p = 0; p < of.size(); ++p) {
      const std::string_view cell = cell_at(of[p], column);
      if (cell.empty()) {
        conversion.add_missing(cells);
        continue;
      }
      const char* wrong = conversion.add(cell, cells);
      if (wrong == nullptr && check_utf8_ && !IsUtf8(cell)) wrong = "expected UTF-8";
      if (wrong != nullptr) bad.Add(static_cast<int64_t>(p), names_[index], cell, wrong);
    }
  };
  SinkRows(path(), rows.first_line, rows.n_rows, types_, add_cells, sink);
}

}  // namespace

std::unique_ptr<RowSource> OpenQuery(const std::string& query, const ReadOptions& options) {
  return std::make_unique<QuerySource>(query, options);
}

}  // namespace kindred
