// Adjacency lists: a user and items a line, each item one row.
#include <fmt/format.h>

#include <algorithm>

#include "host/intake/record_blocks.h"
#include "host/intake/row_source.h"
#include "host/intake/row_writer.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr std::string_view kBlanks = " \t";
constexpr size_t kHeadBytes = 1000;  // kept of a line that is too long
constexpr ColumnInfo kColumns[] = {{"user", ColumnType::kText}, {"item", ColumnType::kText}};

class AdjacencySource : public RowSource {
 public:
  AdjacencySource(const std::string& path, const ReadOptions& options)
      : encoding_(options.encoding),
        rules_{'\t', false, options.max_line_bytes},
        blocks_(path, rules_, options.block_bytes) {}

  const std::string& path() const override { return blocks_.file().path(); }
  std::span<const ColumnInfo> columns() const override { return kColumns; }
  void Select(std::span<const int> columns) override {
    for (size_t i = 0; i < columns.size(); ++i) slots_[columns[i]] = static_cast<int>(i);
    n_selected_ = columns.size();
  }

  std::unique_ptr<RowBlock> Next() override {
    std::unique_ptr<TextBlock> block = blocks_.Next();
    if (block != nullptr && empty_) empty_ = IsBlank(block->text());
    if (block == nullptr && empty_)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("'{}' is empty; expected lines of a user and items", Printable(path(), 4096)));
    return block;
  }

  void Parse(RowBlock& block, RowSink& sink) const override {
    std::string_view text = static_cast<TextBlock&>(block).text();
    std::string converted;
    if (encoding_ == Encoding::kLatin1) text = converted = Latin1ToUtf8(text);
    const bool check_utf8 = encoding_ == Encoding::kUtf8 && !IsUtf8(text);
    RowWriter rows(n_selected_, sink, false);  // a line is as many rows as it has items
    int64_t number = block.first_line;
    for (size_t begin = 0; begin < text.size(); ++number) {
      const RecordEnd end = FindRecordEnd(text, begin, rules_, true);
      const std::string_view line = text.substr(begin, end.length);
      begin = end.next;
      if (end.state == RecordEnd::State::kTooLong) {
        sink.Bad({path(), number, fmt::format("the line has more than {} bytes", rules_.max_bytes), "line too long",
                  std::string(line.substr(0, std::min(kHeadBytes, rules_.max_bytes)))});
      } else if (check_utf8 && !IsUtf8(line)) {
        sink.Bad({path(), number, "the line is not UTF-8 (--encoding latin-1 or bytes reads it)", "not UTF-8",
                  std::string(line)});
      } else {
        AddLine(line, number, rows);
      }
    }
    rows.Flush();
  }

  int64_t bytes_read() const override { return blocks_.file().stored_bytes(); }
  int64_t bytes_total() const override { return blocks_.file().size(); }
  SourceInfo Finish() override { return blocks_.Finish(); }

 private:
  /// Whether there are but blank lines, and none that is too long.
  bool IsBlank(std::string_view text) const {
    for (size_t begin = 0; begin < text.size();) {
      const RecordEnd end = FindRecordEnd(text, begin, rules_, true);
      if (end.state == RecordEnd::State::kTooLong) return false;
      if (text.substr(begin, end.length).find_first_not_of(kBlanks) != std::string_view::npos) return false;
      begin = end.next;
    }
    return true;
  }

  void AddLine(std::string_view line, int64_t number, RowWriter& rows) const {
    std::string_view rest = line;
    const auto next_word = [&] {
      rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
      const std::string_view word = rest.substr(0, rest.find_first_of(kBlanks));
      rest.remove_prefix(word.size());
      return word;
    };
    const std::string_view user = next_word();
    for (std::string_view item = next_word(); !item.empty(); item = next_word()) {
      if (slots_[0] >= 0) rows.Cell(static_cast<size_t>(slots_[0])) = user;
      if (slots_[1] >= 0) rows.Cell(static_cast<size_t>(slots_[1])) = item;
      rows.Add(number, line);
    }
  }

  Encoding encoding_;
  RecordRules rules_;
  RecordBlocks blocks_;
  int slots_[std::size(kColumns)] = {-1, -1};
  size_t n_selected_ = 0;
  bool empty_ = true;
};

}  // namespace

std::unique_ptr<RowSource> OpenAdjacency(const std::string& path, const ReadOptions& options) {
  return std::make_unique<AdjacencySource>(path, options);
}

}  // namespace kindred
