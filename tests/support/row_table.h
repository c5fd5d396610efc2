// A table in memory as a source of rows.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host/intake/row_source.h"

namespace kindred {

/// Columns of equal length, added with their values; row i is in line i + 2, as of a file with a header.
class RowTable {
 public:
  struct Stored {
    std::string name;
    ColumnType type;
    std::vector<std::string> texts = {};
    std::vector<double> reals = {};
    std::vector<float> floats = {};
    std::vector<int64_t> integers = {};
    std::vector<uint8_t> booleans = {};
    std::vector<int64_t> indptr = {};
    std::vector<int32_t> codes = {};
    std::vector<std::string> dictionary = {};
  };

  RowTable& Texts(std::string name, std::vector<std::string> texts, ColumnType type = ColumnType::kUntyped) {
    return Add({.name = std::move(name), .type = type, .texts = std::move(texts)});
  }
  RowTable& Reals(std::string name, std::vector<double> reals, ColumnType type = ColumnType::kNumber) {
    return Add({.name = std::move(name), .type = type, .reals = std::move(reals)});
  }
  RowTable& Floats(std::string name, std::vector<float> floats) {
    return Add({.name = std::move(name), .type = ColumnType::kNumber, .floats = std::move(floats)});
  }
  RowTable& Integers(std::string name, std::vector<int64_t> integers, ColumnType type = ColumnType::kNumber) {
    return Add({.name = std::move(name), .type = type, .integers = std::move(integers)});
  }
  RowTable& Booleans(std::string name, std::vector<uint8_t> booleans) {
    return Add({.name = std::move(name), .type = ColumnType::kBoolean, .booleans = std::move(booleans)});
  }
  /// Texts as codes and dictionary.
  RowTable& Codes(std::string name, std::vector<int32_t> codes, std::vector<std::string> dictionary) {
    return Add({.name = std::move(name),
                .type = ColumnType::kText,
                .codes = std::move(codes),
                .dictionary = std::move(dictionary)});
  }
  RowTable& Tags(std::string name, std::vector<int64_t> indptr, std::vector<int32_t> codes,
                 std::vector<std::string> dictionary) {
    return Add({.name = std::move(name),
                .type = ColumnType::kTags,
                .indptr = std::move(indptr),
                .codes = std::move(codes),
                .dictionary = std::move(dictionary)});
  }
  /// A line of the file that is no row.
  RowTable& BadLine(int64_t line) {
    bad_lines_.push_back(line);
    return *this;
  }

  /// Rows come in batches of `batch_rows`, two of these a block.
  std::unique_ptr<RowSource> Open(std::string path, int64_t batch_rows = kMaxBatchRows) const {
    return std::make_unique<Source>(*this, std::move(path), batch_rows);
  }

 private:
  RowTable& Add(Stored column) {
    const size_t n = !column.indptr.empty()
                         ? column.indptr.size() - 1
                         : std::max({column.texts.size(), column.reals.size(), column.floats.size(),
                                     column.integers.size(), column.booleans.size(), column.codes.size()});
    if (columns_.empty()) n_rows_ = static_cast<int64_t>(n);
    EXPECT_EQ(static_cast<int64_t>(n), n_rows_) << column.name;
    columns_.push_back(std::move(column));
    return *this;
  }

  struct Block final : RowBlock {
    int64_t begin = 0, end = 0;
  };

  class Source final : public RowSource {
   public:
    Source(const RowTable& table, std::string path, int64_t batch_rows)
        : table_(table), path_(std::move(path)), batch_rows_(batch_rows) {
      for (const Stored& column : table_.columns_) infos_.push_back({column.name, column.type});
    }

    const std::string& path() const override { return path_; }
    std::span<const ColumnInfo> columns() const override { return infos_; }
    void Select(std::span<const int> columns) override { selected_.assign(columns.begin(), columns.end()); }

    std::unique_ptr<RowBlock> Next() override {
      if (at_ == table_.n_rows_ && (any_ || table_.bad_lines_.empty())) return nullptr;
      any_ = true;
      auto block = std::make_unique<Block>();
      block->begin = at_;
      at_ = std::min(at_ + 2 * batch_rows_, table_.n_rows_);
      block->end = at_;
      block->first_line = block->begin + 2;
      return block;
    }

    void Parse(RowBlock& block, RowSink& sink) const override {
      const auto& rows = static_cast<const Block&>(block);
      for (int64_t begin = rows.begin; begin < rows.end; begin += batch_rows_)
        ParseBatch(begin, std::min(begin + batch_rows_, rows.end), sink);
      if (rows.begin == 0)
        for (const int64_t line : table_.bad_lines_) sink.Bad({path_, line, "no row", "no row", "?"});
    }

    int64_t bytes_read() const override { return at_; }
    int64_t bytes_total() const override { return table_.n_rows_; }
    SourceInfo Finish() override { return {path_, table_.n_rows_, "digest of " + path_}; }

   private:
    template <class T>
    static std::span<const T> Part(const std::vector<T>& values, int64_t begin, int64_t end) {
      if (values.empty()) return {};
      return std::span(values).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    }

    void ParseBatch(int64_t begin, int64_t end, RowSink& sink) const {
      // Everything that is handed over is a copy, which is gone after the call.
      std::vector<Stored> copies;
      std::vector<std::vector<std::string_view>> texts(selected_.size()), dictionaries(selected_.size());
      for (const int k : selected_) copies.push_back(table_.columns_[static_cast<size_t>(k)]);
      std::vector<Column> columns;
      for (size_t k = 0; k < copies.size(); ++k) {
        const Stored& from = copies[k];
        for (const std::string& text : Part(from.texts, begin, end)) texts[k].push_back(text);
        for (const std::string& text : from.dictionary) dictionaries[k].push_back(text);
        Column column;
        column.type = from.type;
        column.texts = texts[k];
        column.reals = Part(from.reals, begin, end);
        column.floats = Part(from.floats, begin, end);
        column.integers = Part(from.integers, begin, end);
        column.booleans = Part(from.booleans, begin, end);
        column.dictionary = dictionaries[k];
        if (from.indptr.empty()) {
          column.codes = Part(from.codes, begin, end);
        } else {
          column.codes = from.codes;
          column.indptr = Part(from.indptr, begin, end + 1);
        }
        columns.push_back(column);
      }
      std::vector<int64_t> lines;
      std::vector<std::string> rows;
      for (int64_t i = begin; i < end; ++i) {
        lines.push_back(i + 2);
        rows.push_back("row " + std::to_string(i));
      }
      const std::vector<std::string_view> views(rows.begin(), rows.end());
      sink.Rows({end - begin, columns, lines, views});
    }

    const RowTable& table_;
    std::string path_;
    int64_t batch_rows_;
    std::vector<ColumnInfo> infos_;
    std::vector<int> selected_;
    int64_t at_ = 0;
    bool any_ = false;
  };

  std::vector<Stored> columns_;
  int64_t n_rows_ = 0;
  std::vector<int64_t> bad_lines_;
};

}  // namespace kindred
