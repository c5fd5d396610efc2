// JSON lines: an object a line.
#include <fmt/format.h>

#include <deque>
#include <memory>
#include <utility>

#include "host/intake/json_line.h"
#include "host/intake/line_cursor.h"
#include "host/intake/record_blocks.h"
#include "host/intake/row_source.h"
#include "host/intake/row_writer.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kExploredBytes = size_t{4} << 20;
constexpr size_t kMaxPathBytes = 4096;

class JsonLinesSource : public RowSource {
 public:
  JsonLinesSource(const std::string& path, const ReadOptions& options)
      : blocks_(path, {'\0', false, options.max_line_bytes}, options.block_bytes),
        max_line_bytes_(options.max_line_bytes) {
    Explore();
    slots_.assign(columns_.size(), -1);
  }

  const std::string& path() const override { return blocks_.file().path(); }
  std::span<const ColumnInfo> columns() const override { return columns_; }
  int64_t bytes_read() const override { return blocks_.file().stored_bytes(); }
  int64_t bytes_total() const override { return blocks_.file().size(); }

  void Select(std::span<const int> columns) override {
    n_selected_ = columns.size();
    for (size_t i = 0; i < columns.size(); ++i) slots_[static_cast<size_t>(columns[i])] = static_cast<int>(i);
  }

  std::unique_ptr<RowBlock> Next() override {
    if (explored_.empty()) return blocks_.Next();
    std::unique_ptr<RowBlock> block = std::move(explored_.front());
    explored_.pop_front();
    return block;
  }

  void Parse(RowBlock& block, RowSink& sink) const override;

  SourceInfo Finish() override { return blocks_.Finish(); }

 private:
  /// Finds the columns: the keys of the lines that begin in the first kExploredBytes, whatever the blocks are.
  void Explore();

  RecordBlocks blocks_;
  size_t max_line_bytes_;
  JsonKeys keys_;
  std::vector<ColumnInfo> columns_;
  std::vector<int> slots_;
  size_t n_selected_ = 0;
  std::deque<std::unique_ptr<TextBlock>> explored_;
};

void JsonLinesSource::Explore() {
  JsonLineReader reader;
  const std::string name = Printable(path(), kMaxPathBytes);
  std::string first_fault;
  bool any_object = false;
  for (size_t bytes = 0; bytes < kExploredBytes;) {
    std::unique_ptr<TextBlock> block = blocks_.Next();
    if (block == nullptr) break;
    const std::string_view text = block->text();
    for (LineCursor at(*block, max_line_bytes_); at.Next();) {
      if (bytes + static_cast<size_t>(at.text().data() - text.data()) >= kExploredBytes) break;
      if (!at.too_long() && reader.Explore(at.text(), keys_)) {
        any_object = true;
      } else if (first_fault.empty()) {
        const bool array = at.text().starts_with('[');
        first_fault =
            fmt::format("{}: line {}: {}{}", name, at.line(), at.Refused({}, {}, reader.fault().reason).reason,
                        array ? " (write each element of an array as a line: jq -c '.[]')" : "");
      }
      if (keys_.full())
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("{}: line {}: more than {} different keys; expected the same ones in every line", name,
                                at.line(), JsonKeys::kMaxKeys));
    }
    bytes += text.size();
    explored_.push_back(std::move(block));
  }
  if (!any_object)
    throw Error(ErrorCode::kInvalidArgument, first_fault.empty()
                                                 ? fmt::format("'{}' is empty; expected JSON objects, one a line", name)
                                                 : first_fault);
  for (const std::string& column : keys_.columns()) columns_.push_back({column, ColumnType::kUntyped});
}

void JsonLinesSource::Parse(RowBlock& block, RowSink& sink) const {
  JsonLineReader reader;
  RowWriter rows(n_selected_, sink);
  for (LineCursor at(static_cast<TextBlock&>(block), max_line_bytes_); at.Next();) {
    if (!at.too_long() && reader.Read(at.text(), keys_, slots_, n_selected_, rows))
      rows.Add(at.line(), at.text());
    else
      sink.Bad(at.Refused(path(), reader.fault().kind, reader.fault().reason));
  }
  rows.Flush();
}

}  // namespace

std::unique_ptr<RowSource> OpenJsonLines(const std::string& path, const ReadOptions& options) {
  return std::make_unique<JsonLinesSource>(path, options);
}

}  // namespace kindred
