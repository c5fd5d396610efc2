// Matrix Market's coordinate format, of a users x items matrix.
//
// https://math.nist.gov/MatrixMarket/formats.html
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <utility>

#include "host/intake/line_cursor.h"
#include "host/intake/record_blocks.h"
#include "host/intake/row_source.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr ColumnInfo kColumns[] = {
    {"user", ColumnType::kNumber}, {"item", ColumnType::kNumber}, {"value", ColumnType::kNumber}};
enum { kUser, kItem, kValue, kNumColumns };

bool IsBlank(char c) {
  return c == ' ' || c == '\t';
}

/// Whether a line behind the header is more than blanks or a comment.
bool HasEntry(std::string_view line) {
  return !line.starts_with('%') && !std::all_of(line.begin(), line.end(), IsBlank);
}

/// Words between blanks.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}

  /// Empty at the end.
  std::string_view Next() {
    size_t begin = 0;
    while (begin < rest_.size() && IsBlank(rest_[begin])) ++begin;
    size_t end = begin;
    while (end < rest_.size() && !IsBlank(rest_[end])) ++end;
    const std::string_view word = rest_.substr(begin, end - begin);
    rest_.remove_prefix(end);
    return word;
  }

 private:
  std::string_view rest_;
};

template <class T>
bool ParseAll(std::string_view text, T* number) {
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return status == std::errc() && end == text.data() + text.size();
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

class MatrixMarketSource : public RowSource {
 public:
  MatrixMarketSource(const std::string& path, const ReadOptions& options)
      : blocks_(path, {'\0', false, options.max_line_bytes}, options.block_bytes),
        max_line_bytes_(options.max_line_bytes) {
    ReadHeader();
  }

  const std::string& path() const override { return blocks_.file().path(); }
  std::span<const ColumnInfo> columns() const override { return kColumns; }
  void Select(std::span<const int> columns) override { selected_.assign(columns.begin(), columns.end()); }
  int64_t bytes_read() const override { return blocks_.file().stored_bytes(); }
  int64_t bytes_total() const override { return blocks_.file().size(); }

  std::unique_ptr<RowBlock> Next() override {
    std::unique_ptr<TextBlock> block = first_ != nullptr ? std::move(first_) : blocks_.Next();
    if (block == nullptr) return nullptr;
    for (LineCursor at(*block, max_line_bytes_); at.Next();) n_seen_ += HasEntry(at.text()) ? 1 : 0;
    return block;
  }

  void Parse(RowBlock& block, RowSink& sink) const override;
  SourceInfo Finish() override;

 private:
  class Batch;
  struct Entry {
    int64_t user = 0;
    int64_t item = 0;
    double value = 1;
  };
  /// Why a line is no entry.
  struct Fault {
    std::string kind, reason;
  };

  void ReadHeader();
  void ReadBanner(std::string_view line);
  void ReadSizes(std::string_view line, int64_t number);
  bool ReadEntry(std::string_view line, Entry& entry, Fault& fault) const;
  std::string Name() const { return Printable(path(), 4096); }

  RecordBlocks blocks_;
  size_t max_line_bytes_;
  bool pattern_ = false;
  bool whole_numbers_ = false;
  int64_t n_users_ = 0;
  int64_t n_items_ = 0;
  int64_t n_entries_ = 0;
  int64_t sizes_line_ = 0;
  std::vector<int> selected_;
  std::unique_ptr<TextBlock> first_;
  int64_t n_seen_ = 0;  // good or bad, in the blocks so far
};

void MatrixMarketSource::ReadHeader() {
  bool banner = false;
  while ((first_ = blocks_.Next()) != nullptr) {
    for (LineCursor at(*first_, max_line_bytes_); at.Next();) {
      if (!banner) {
        ReadBanner(at.text());
        banner = true;
      } else if (at.text().starts_with('%')) {
        continue;
      } else {
        ReadSizes(at.text(), at.line());
        first_->begin = at.next();
        first_->first_line = at.line() + 1;
        return;
      }
    }
  }
  throw Error(banner ? ErrorCode::kCorrupt : ErrorCode::kInvalidArgument,
              banner ? fmt::format("'{}' is cut short: expected a line of rows, columns and entries", Name())
                     : fmt::format("'{}' is empty; expected a Matrix Market file", Name()));
}

void MatrixMarketSource::ReadBanner(std::string_view line) {
  Words words(line);
  std::array<std::string, 5> parts;
  for (std::string& part : parts) part = Lower(words.Next());
  const auto fail = [&](ErrorCode code, const std::string& what) {
    throw Error(code, fmt::format("{}: line 1: {}", Name(), what));
  };
  if (parts[0] != "%%matrixmarket" || parts[1] != "matrix")
    fail(ErrorCode::kInvalidArgument,
         fmt::format("'{}'; expected '%%MatrixMarket matrix coordinate real general'", Printable(line)));
  const auto& [mark, object, format, field, symmetry] = parts;
  if (format == "array") fail(ErrorCode::kUnsupported, "a dense matrix (array); expected a sparse one (coordinate)");
  if (format != "coordinate")
    fail(ErrorCode::kInvalidArgument, fmt::format("format '{}'; expected coordinate", Printable(format)));
  if (field == "complex") fail(ErrorCode::kUnsupported, "complex numbers; expected real, integer or pattern");
  pattern_ = field == "pattern";
  whole_numbers_ = field == "integer" || field == "unsigned-integer";
  if (!pattern_ && !whole_numbers_ && field != "real" && field != "double")
    fail(ErrorCode::kInvalidArgument, fmt::format("field '{}'; expected real, integer or pattern", Printable(field)));
  if (symmetry == "symmetric" || symmetry == "skew-symmetric" || symmetry == "hermitian")
    fail(ErrorCode::kUnsupported,
         fmt::format("a {} matrix, of which the file holds one half; expected a general one of users x items (SciPy: "
                     "mmwrite(..., symmetry='general'))",
                     symmetry));
  if (symmetry != "general")
    fail(ErrorCode::kInvalidArgument, fmt::format("symmetry '{}'; expected general", Printable(symmetry)));
}

void MatrixMarketSource::ReadSizes(std::string_view line, int64_t number) {
  sizes_line_ = number;
  Words words(line);
  bool good = true;
  for (int64_t* size : {&n_users_, &n_items_, &n_entries_}) good = good && ParseAll(words.Next(), size) && *size >= 0;
  if (!good || !words.Next().empty())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{}: line {}: '{}'; expected the numbers of rows, columns and entries", Name(), number,
                            Printable(line)));
}

bool MatrixMarketSource::ReadEntry(std::string_view line, Entry& entry, Fault& fault) const {
  const auto refuse = [&](const char* kind, std::string reason) {
    fault = {kind, std::move(reason)};
    return false;
  };
  Words words(line);
  const auto index = [&](const char* what, int64_t limit, int64_t* to) {
    const std::string_view word = words.Next();
    if (!ParseAll(word, to)) return refuse("no index", fmt::format("'{}' is no {} number", Printable(word), what));
    if (*to >= 1 && *to <= limit) return true;
    return refuse("index out of range",
                  fmt::format("{} {} is outside of 1 to {}, which line {} states", what, *to, limit, sizes_line_));
  };
  if (!index("row", n_users_, &entry.user) || !index("column", n_items_, &entry.item)) return false;
  if (!pattern_) {
    std::string_view word = words.Next();
    int64_t whole = 0;
    bool good = false;
    if (whole_numbers_) {
      good = ParseAll(word, &whole);
      entry.value = static_cast<double>(whole);
    } else {
      if (word.starts_with('+')) word.remove_prefix(1);
      good = ParseAll(word, &entry.value);
    }
    if (!good)
      return refuse("no value", fmt::format("'{}' is no {}", Printable(word), whole_numbers_ ? "integer" : "number"));
  }
  if (!words.Next().empty())
    return refuse("too many numbers", fmt::format("expected {} numbers in the line", pattern_ ? 2 : 3));
  return true;
}

/// Entries on their way to the sink.
class MatrixMarketSource::Batch {
 public:
  Batch(const std::vector<int>& selected, RowSink& sink)
      : selected_(selected), sink_(sink), columns_(selected.size()) {}

  void Add(const Entry& entry, int64_t line, std::string_view text) {
    users_[n_] = entry.user;
    items_[n_] = entry.item;
    values_[n_] = entry.value;
    lines_[n_] = line;
    texts_[n_] = text;
    if (++n_ == kMaxBatchRows) Flush();
  }

  void Flush() {
    if (n_ == 0) return;
    for (size_t i = 0; i < selected_.size(); ++i) {
      columns_[i] = {.type = ColumnType::kNumber};
      if (selected_[i] == kValue)
        columns_[i].reals = std::span(values_).first(n_);
      else
        columns_[i].integers = std::span(selected_[i] == kUser ? users_ : items_).first(n_);
    }
    sink_.Rows({static_cast<int64_t>(n_), columns_, std::span(lines_).first(n_), std::span(texts_).first(n_)});
    n_ = 0;
  }

 private:
  const std::vector<int>& selected_;
  RowSink& sink_;
  std::vector<Column> columns_;
  size_t n_ = 0;
  std::array<int64_t, kMaxBatchRows> users_, items_, lines_;
  std::array<double, kMaxBatchRows> values_;
  std::array<std::string_view, kMaxBatchRows> texts_;
};

void MatrixMarketSource::Parse(RowBlock& block, RowSink& sink) const {
  auto batch = std::make_unique<Batch>(selected_, sink);
  for (LineCursor at(static_cast<TextBlock&>(block), max_line_bytes_); at.Next();) {
    if (!HasEntry(at.text())) continue;
    Entry entry;
    Fault fault;
    if (!at.too_long() && ReadEntry(at.text(), entry, fault))
      batch->Add(entry, at.line(), at.text());
    else
      sink.Bad(at.Refused(path(), fault.kind, fault.reason));
  }
  batch->Flush();
}

SourceInfo MatrixMarketSource::Finish() {
  if (n_seen_ != n_entries_)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: line {} states {} entries; there are {}", Name(), sizes_line_, n_entries_, n_seen_));
  return blocks_.Finish();
}

}  // namespace

std::unique_ptr<RowSource> OpenMatrixMarket(const std::string& path, const ReadOptions& options) {
  return std::make_unique<MatrixMarketSource>(path, options);
}

}  // namespace kindred
