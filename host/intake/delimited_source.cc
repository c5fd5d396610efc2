// CSV and TSV.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "host/intake/byte_scan.h"
#include "host/intake/record.h"
#include "host/intake/record_blocks.h"
#include "host/intake/row_source.h"
#include "host/intake/row_writer.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kMaxColumns = size_t{1} << 16;
constexpr size_t kHeadBytes = 1000;  // kept of a line that is too long

class DelimitedSource : public RowSource {
 public:
  DelimitedSource(const std::string& path, const ReadOptions& options);

  const std::string& path() const override { return blocks_.file().path(); }
  std::span<const ColumnInfo> columns() const override { return columns_; }
  void Select(std::span<const int> columns) override;
  std::unique_ptr<RowBlock> Next() override;
  void Parse(RowBlock& block, RowSink& sink) const override;
  int64_t bytes_read() const override { return blocks_.file().stored_bytes(); }
  int64_t bytes_total() const override { return blocks_.file().size(); }
  SourceInfo Finish() override { return blocks_.Finish(); }

 private:
  class BlockParser;

  void ReadHeader();

  ReadOptions options_;
  RecordRules rules_;
  RecordBlocks blocks_;
  std::vector<std::string> names_;
  std::vector<ColumnInfo> columns_;
  std::vector<int> slots_;  // of each column, where in a batch it goes; -1: nowhere
  std::vector<int> selected_;
  std::unique_ptr<TextBlock> first_;
};

RecordRules Rules(const ReadOptions& options) {
  const bool csv = options.format == InputFormat::kCsv;
  return {options.delimiter != '\0' ? options.delimiter : csv ? ',' : '\t', csv, options.max_line_bytes};
}

DelimitedSource::DelimitedSource(const std::string& path, const ReadOptions& options)
    : options_(options), rules_(Rules(options)), blocks_(path, rules_, options.block_bytes) {
  ReadHeader();
}

void DelimitedSource::ReadHeader() {
  const std::string name = Printable(path(), kMaxPathBytes);
  RecordEnd end;
  for (first_ = blocks_.Next(); first_ != nullptr; first_ = blocks_.Next()) {
    for (end = {}; !first_->text().empty(); first_->begin += end.next, first_->first_line += end.n_lines) {
      end = FindRecordEnd(first_->text(), 0, rules_, true);
      if (end.length > 0) break;  // blank lines are skipped
    }
    if (!first_->text().empty()) break;
  }
  if (first_ == nullptr)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is empty; expected {}", name, options_.header ? "a header line" : "rows"));
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: line {}: this is no header: {}", name, first_->first_line, why));
  };
  Record record(rules_, kMaxColumns);
  record.Cut(first_->text().substr(0, end.length));
  if (options_.header && end.state != RecordEnd::State::kWhole)
    refuse(ProblemOf(end, record.n_fields(), first_->first_line, first_->text().size(), first_->last, rules_).reason);
  if (record.n_fields() > kMaxColumns)
    refuse(fmt::format("{} columns; at most {} are read", record.n_fields(), kMaxColumns));
  std::string unquoted;
  for (size_t i = 0; i < record.n_fields(); ++i) {
    const std::string_view field = record.Field(i, unquoted);
    names_.push_back(!options_.header                         ? std::to_string(i + 1)
                     : options_.encoding == Encoding::kLatin1 ? Latin1ToUtf8(field)
                                                              : std::string(field));
  }
  for (const std::string& column : names_) columns_.push_back({column, ColumnType::kUntyped});
  slots_.assign(names_.size(), -1);
  if (!options_.header) return;
  first_->begin += end.next;
  first_->first_line += end.n_lines;
}

void DelimitedSource::Select(std::span<const int> columns) {
  selected_.assign(columns.begin(), columns.end());
  for (size_t i = 0; i < columns.size(); ++i) slots_[static_cast<size_t>(columns[i])] = static_cast<int>(i);
}

std::unique_ptr<RowBlock> DelimitedSource::Next() {
  if (first_ == nullptr || first_->text().empty()) first_ = blocks_.Next();
  return std::move(first_);
}

/// Cuts a block's text into rows.
class DelimitedSource::BlockParser {
 public:
  BlockParser(const DelimitedSource& source, RowBlock& block, RowSink& sink)
      : source_(source),
        rules_(source.rules_),
        text_(static_cast<TextBlock&>(block).text()),
        last_(static_cast<TextBlock&>(block).last),
        line_(block.first_line),
        rows_(source.selected_.size(), sink),
        sink_(sink),
        record_(rules_, source.slots_.size()) {
    if (source.options_.encoding == Encoding::kLatin1) {
      converted_ = Latin1ToUtf8(text_);
      text_ = converted_;
    }
    check_utf8_ = source.options_.encoding == Encoding::kUtf8 && !IsUtf8(text_);
  }

  void Parse() {
    if (rules_.quotes && text_.find('"') != text_.npos)
      ParseRecords();
    else
      ParseLines();
    rows_.Flush();
  }

 private:
  /// Text without quotes.
  void ParseLines() {
    ByteScan scan(text_, rules_.delimiter, '\n');
    const std::vector<int>& slots = source_.slots_;
    size_t line_begin = 0, field_begin = 0, field = 0;
    const auto take = [&](size_t end) {
      if (field < slots.size() && slots[field] >= 0)
        rows_.Cell(static_cast<size_t>(slots[field])) = text_.substr(field_begin, end - field_begin);
      ++field;
    };
    while (line_begin < text_.size()) {
      const size_t at = scan.Next();
      if (at < text_.size() && text_[at] != '\n') {
        take(at);
        field_begin = at + 1;
        continue;
      }
      const size_t end = at > line_begin && text_[at - 1] == '\r' ? at - 1 : at;
      if (at - line_begin > rules_.max_bytes) {
        BadRecord(text_.substr(line_begin), {RecordEnd::State::kTooLong}, 0);
      } else if (end > line_begin) {
        take(std::max(end, field_begin));
        AddRow(text_.substr(line_begin, end - line_begin), field);
      }
      ++line_;
      line_begin = field_begin = at + 1;
      field = 0;
    }
  }

  void ParseRecords() {
    for (size_t begin = 0; begin < text_.size();) {
      const RecordEnd end = FindRecordEnd(text_, begin, rules_, true);
      const std::string_view text = text_.substr(begin, end.length);
      if (end.state == RecordEnd::State::kWhole) {
        if (!text.empty()) CutRecord(text);
      } else {
        BadRecord(text, end, text_.size() - begin);
      }
      line_ += end.n_lines;
      begin = end.next;
    }
  }

  void CutRecord(std::string_view text) {
    record_.Cut(text);
    const std::vector<int>& selected = source_.selected_;
    if (record_.n_fields() == source_.slots_.size()) {
      for (size_t i = 0; i < selected.size(); ++i) {
        std::string_view& cell = rows_.Cell(i);
        cell = record_.Field(static_cast<size_t>(selected[i]), unquoted_);
        if (cell.data() == unquoted_.data() && !cell.empty()) cell = rows_.NewText() = unquoted_;
      }
    }
    AddRow(text, record_.n_fields());
  }

  void AddRow(std::string_view text, size_t n_fields) {
    const size_t n_columns = source_.slots_.size();
    if (n_fields != n_columns) {
      Bad(text, n_fields < n_columns ? "too few fields" : "too many fields",
          fmt::format("{} fields; the {} has {}", n_fields, source_.options_.header ? "header" : "first row",
                      n_columns));
      return;
    }
    if (check_utf8_) {
      for (size_t i = 0; i < source_.selected_.size(); ++i)
        if (const std::string_view cell = rows_.Cell(i); !IsUtf8(cell)) {
          Bad(text, "not UTF-8",
              fmt::format("'{}' in column '{}' is not UTF-8 (--encoding latin-1 or bytes reads it)", Printable(cell),
                          Printable(source_.names_[static_cast<size_t>(source_.selected_[i])])));
          return;
        }
    }
    rows_.Add(line_, text);
  }

  void BadRecord(std::string_view text, const RecordEnd& end, size_t n_left) {
    const bool too_long = end.state == RecordEnd::State::kTooLong;
    if (too_long) text = text.substr(0, std::min(kHeadBytes, rules_.max_bytes));
    record_.Cut(text);
    RecordProblem problem = ProblemOf(end, record_.n_fields(), line_, n_left, last_, rules_);
    Bad(text, std::move(problem.kind), std::move(problem.reason));
  }

  void Bad(std::string_view text, std::string kind, std::string reason) {
    sink_.Bad({source_.path(), line_, std::move(reason), std::move(kind), std::string(text)});
  }

  const DelimitedSource& source_;
  const RecordRules& rules_;
  std::string_view text_;
  bool last_;
  std::string converted_;
  bool check_utf8_ = false;
  int64_t line_;
  RowWriter rows_;
  RowSink& sink_;
  Record record_;
  std::string unquoted_;
};

void DelimitedSource::Parse(RowBlock& block, RowSink& sink) const {
  BlockParser(*this, block, sink).Parse();
}

}  // namespace

std::unique_ptr<RowSource> OpenDelimited(const std::string& path, const ReadOptions& options) {
  return std::make_unique<DelimitedSource>(path, options);
}

}  // namespace kindred
