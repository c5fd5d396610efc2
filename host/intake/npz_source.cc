// Sparse matrices of users x items as scipy.sparse.save_npz writes them: CSR, CSC and COO.
//
// Arrays are read side by side, a block at a time; none is there as a whole.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "host/intake/input_file.h"
#include "host/intake/npz_archive.h"
#include "host/intake/row_source.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kPointerBytes = size_t{1} << 16;
constexpr ColumnInfo kColumns[] = {
    {"user", ColumnType::kNumber}, {"item", ColumnType::kNumber}, {"value", ColumnType::kNumber}};
enum { kUser, kItem, kValue };

template <class T, class To>
void Convert(const std::byte* from, std::span<To> to) {
  for (size_t i = 0; i < to.size(); ++i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    to[i] = static_cast<To>(value);
  }
}

/// From the `begin`-th of the values in `bytes` on.
void Integers(NpzType type, std::span<const std::byte> bytes, size_t begin, std::span<int64_t> to) {
  const std::byte* from = bytes.data() + begin * BytesOf(type);
  type == NpzType::kInt32 ? Convert<int32_t>(from, to) : Convert<int64_t>(from, to);
}

void Reals(NpzType type, std::span<const std::byte> bytes, size_t begin, std::span<double> to) {
  const std::byte* from = bytes.data() + begin * BytesOf(type);
  switch (type) {
    case NpzType::kFloat32:
      return Convert<float>(from, to);
    case NpzType::kFloat64:
      return Convert<double>(from, to);
    case NpzType::kInt8:
      return Convert<int8_t>(from, to);
    case NpzType::kInt16:
      return Convert<int16_t>(from, to);
    case NpzType::kInt32:
      return Convert<int32_t>(from, to);
    case NpzType::kInt64:
      return Convert<int64_t>(from, to);
    case NpzType::kUint8:
      return Convert<uint8_t>(from, to);
    case NpzType::kUint16:
      return Convert<uint16_t>(from, to);
    case NpzType::kUint32:
      return Convert<uint32_t>(from, to);
    case NpzType::kUint64:
      return Convert<uint64_t>(from, to);
    case NpzType::kBoolean:
      for (size_t i = 0; i < to.size(); ++i) to[i] = from[i] != std::byte{0} ? 1 : 0;
  }
}

/// `indptr`, value by value.
class RowPointers {
 public:
  RowPointers(NpzArray array, int64_t n_entries) : array_(std::move(array)), n_entries_(n_entries) { Next(); }

  /// Which row an entry is in, of entries in order; and where its entries end.
  int64_t RowOf(int64_t entry, int64_t* end) {
    while (end_ <= entry) {
      ++row_;
      Next();
    }
    *end = end_;
    return row_;
  }
  /// All of them lie behind the last entry.
  void ExpectEnd() {
    while (n_read_ < array_.size()) Next();
    if (end_ != n_entries_) Fail(fmt::format("ends with {}; there are {} entries", end_, n_entries_));
    array_.ExpectEnd();
  }

 private:
  void Next() {
    if (n_read_ == array_.size()) Fail(fmt::format("ends with {}; there are {} entries", end_, n_entries_));
    const size_t at = static_cast<size_t>(n_read_) % kBuffered;
    if (at == 0) {
      const auto n = static_cast<size_t>(std::min<int64_t>(kBuffered, array_.size() - n_read_));
      bytes_.resize(n * BytesOf(array_.type()));
      array_.Read(bytes_);
      Integers(array_.type(), bytes_, 0, std::span(buffer_).first(n));
    }
    const int64_t pointer = buffer_[at];
    if (n_read_ == 0 && pointer != 0) Fail(fmt::format("begins with {}; expected 0", pointer));
    if (pointer < end_) Fail(fmt::format("falls from {} to {} at {}", end_, pointer, n_read_));
    if (pointer > n_entries_) Fail(fmt::format("is {} at {}; there are {} entries", pointer, n_read_, n_entries_));
    end_ = pointer;
    ++n_read_;
  }

  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: {}", array_.where(), what));
  }

  static constexpr size_t kBuffered = kPointerBytes / sizeof(int64_t);

  NpzArray array_;
  int64_t n_entries_;
  int64_t n_read_ = 0;
  int64_t row_ = -1;
  int64_t end_ = 0;
  std::vector<std::byte> bytes_;
  std::array<int64_t, kBuffered> buffer_;
};

struct NpzBlock : RowBlock {
  int64_t n_entries = 0;
  std::vector<int64_t> major;  // of CSR and CSC: the row (column) of each entry
  std::vector<std::byte> indices[2];
  std::vector<std::byte> data;
};

class NpzSource : public RowSource {
 public:
  NpzSource(const std::string& path, const ReadOptions& options)
      : archive_(path), block_entries_(std::max<int64_t>(1, static_cast<int64_t>(options.block_bytes / 16))) {
    Open();
  }

  const std::string& path() const override { return archive_.path(); }
  std::span<const ColumnInfo> columns() const override { return kColumns; }
  void Select(std::span<const int> columns) override { selected_.assign(columns.begin(), columns.end()); }
  int64_t bytes_read() const override {
    const double part = n_entries_ == 0 ? 1 : static_cast<double>(n_read_) / static_cast<double>(n_entries_);
    return static_cast<int64_t>(part * static_cast<double>(archive_.bytes()));
  }
  int64_t bytes_total() const override { return archive_.bytes(); }

  std::unique_ptr<RowBlock> Next() override;
  void Parse(RowBlock& block, RowSink& sink) const override;
  SourceInfo Finish() override;

 private:
  void Open();
  std::string ReadFormat();
  std::array<int64_t, 2> ReadShape();
  void OpenIndices(const std::string& name, size_t side);
  /// Indices of rows and columns.
  void ReadSide(const NpzBlock& block, size_t side, size_t begin, std::span<int64_t> to) const;
  std::string Name() const { return Printable(path(), kMaxPathBytes); }

  NpzArchive archive_;
  int64_t block_entries_;
  std::array<int64_t, 2> shape_{};
  std::optional<NpzArray> indices_[2];  // of rows and columns; one of them is missing where there are pointers
  std::optional<RowPointers> pointers_;
  std::optional<NpzArray> data_;
  int64_t n_entries_ = 0;
  int64_t n_read_ = 0;
  std::vector<int> selected_;
};

void NpzSource::Open() {
  if (!archive_.Has("format"))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("'{}' has no array 'format'; expected a matrix that scipy.sparse.save_npz wrote", Name()));
  const std::string format = ReadFormat();
  shape_ = ReadShape();
  data_ = archive_.Open("data");
  data_->ExpectNumbers(false);
  n_entries_ = data_->size();
  if (format == "coo") {
    OpenIndices("row", 0);
    OpenIndices("col", 1);
    return;
  }
  const size_t major = format == "csr" ? 0 : 1;
  OpenIndices("indices", 1 - major);
  NpzArray pointers = archive_.Open("indptr");
  pointers.ExpectNumbers(true);
  if (pointers.size() - 1 != shape_[major])
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: has {} values; expected one more than the {} {}", pointers.where(), pointers.size(),
                            shape_[major], major == 0 ? "rows" : "columns"));
  pointers_.emplace(std::move(pointers), n_entries_);
}

std::string NpzSource::ReadFormat() {
  NpzArray array = archive_.Open("format");
  // Up to four characters, of one byte ('|S3') or of four ('<U3').
  const std::string& descr = array.descr();
  const bool bytes = descr.starts_with("|S"), characters = descr.starts_with("<U");
  std::string format;
  if (array.shape().empty() && descr.size() == 3 && (bytes || characters) && descr[2] >= '1' && descr[2] <= '9') {
    const size_t width = bytes ? 1 : 4;
    std::string text(width * static_cast<size_t>(descr[2] - '0'), '\0');
    array.Read(std::as_writable_bytes(std::span(text)));
    for (size_t at = 0; at < text.size() && text[at] != '\0'; at += width) format.push_back(text[at]);
  }
  if (format == "csr" || format == "csc" || format == "coo") return format;
  throw Error(ErrorCode::kUnsupported,
              fmt::format("{}: is {}; expected 'csr', 'csc' or 'coo' (matrix.tocsr())", array.where(),
                          format.empty() ? "no text" : fmt::format("'{}'", Printable(format))));
}

std::array<int64_t, 2> NpzSource::ReadShape() {
  NpzArray array = archive_.Open("shape");
  array.ExpectNumbers(true);
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: {}; expected rows and columns", array.where(), what));
  };
  if (array.size() != 2) fail(fmt::format("has {} sizes", array.size()));
  std::vector<std::byte> bytes(2 * BytesOf(array.type()));
  array.Read(bytes);
  std::array<int64_t, 2> shape;
  Integers(array.type(), bytes, 0, shape);
  for (const int64_t size : shape)
    if (size < 0) fail(fmt::format("has the size {}", size));
  return shape;
}

void NpzSource::OpenIndices(const std::string& name, size_t side) {
  NpzArray& array = indices_[side].emplace(archive_.Open(name));
  array.ExpectNumbers(true);
  if (array.size() != n_entries_)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: has {} values; 'data' has {}", array.where(), array.size(), n_entries_));
}

std::unique_ptr<RowBlock> NpzSource::Next() {
  if (n_read_ == n_entries_) {
    for (auto& array : indices_)
      if (array) array->ExpectEnd();
    if (pointers_) pointers_->ExpectEnd();
    data_->ExpectEnd();
    return nullptr;
  }
  auto block = std::make_unique<NpzBlock>();
  const int64_t begin = n_read_, n = std::min(block_entries_, n_entries_ - begin);
  block->first_line = begin + 1;
  block->n_entries = n;
  const auto read = [&](NpzArray& array, std::vector<std::byte>& to) {
    to.resize(static_cast<size_t>(n) * BytesOf(array.type()));
    array.Read(to);
  };
  read(*data_, block->data);
  for (size_t side = 0; side < 2; ++side)
    if (indices_[side]) read(*indices_[side], block->indices[side]);
  if (pointers_) {
    block->major.resize(static_cast<size_t>(n));
    for (int64_t at = begin, end = 0; at < begin + n; at = end) {
      const int64_t row = pointers_->RowOf(at, &end);
      end = std::min(end, begin + n);
      std::fill(block->major.begin() + (at - begin), block->major.begin() + (end - begin), row);
    }
  }
  n_read_ += n;
  return block;
}

void NpzSource::ReadSide(const NpzBlock& block, size_t side, size_t begin, std::span<int64_t> to) const {
  if (!indices_[side]) {
    std::copy_n(block.major.begin() + static_cast<int64_t>(begin), to.size(), to.begin());
    return;
  }
  Integers(indices_[side]->type(), block.indices[side], begin, to);
  for (size_t i = 0; i < to.size(); ++i)
    if (to[i] < 0 || to[i] >= shape_[side])
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: is {} at {}; the matrix has {} {}", indices_[side]->where(),
                                                   to[i], block.first_line - 1 + static_cast<int64_t>(begin + i),
                                                   shape_[side], side == 0 ? "rows" : "columns"));
}

void NpzSource::Parse(RowBlock& block, RowSink& sink) const {
  const auto& entries = static_cast<const NpzBlock&>(block);
  const auto room = static_cast<size_t>(std::min(entries.n_entries, kMaxBatchRows));
  std::vector<int64_t> sides[2] = {std::vector<int64_t>(room), std::vector<int64_t>(room)}, lines(room);
  std::vector<double> values(room);
  std::vector<Column> columns(selected_.size());
  for (int64_t done = 0; done < entries.n_entries;) {
    const auto begin = static_cast<size_t>(done);
    const auto n = static_cast<size_t>(std::min(entries.n_entries - done, kMaxBatchRows));
    for (size_t side = 0; side < 2; ++side) ReadSide(entries, side, begin, std::span(sides[side]).first(n));
    Reals(data_->type(), entries.data, begin, std::span(values).first(n));
    for (size_t i = 0; i < n; ++i) lines[i] = block.first_line + done + static_cast<int64_t>(i);
    for (size_t i = 0; i < columns.size(); ++i) {
      columns[i] = {.type = ColumnType::kNumber};
      if (selected_[i] == kValue)
        columns[i].reals = std::span(values).first(n);
      else
        columns[i].integers = std::span(sides[selected_[i] == kUser ? 0 : 1]).first(n);
    }
    sink.Rows({static_cast<int64_t>(n), columns, std::span(lines).first(n), {}});
    done += static_cast<int64_t>(n);
  }
}

SourceInfo NpzSource::Finish() {
  // The archive was read here and there; its checksum is that of the file from front to end.
  InputFile file(path());
  std::vector<char> buffer(size_t{1} << 20);
  while (file.Read(buffer.data(), buffer.size()) > 0) {
  }
  return {path(), file.stored_bytes(), file.Sha256()};
}

}  // namespace

std::unique_ptr<RowSource> OpenNpz(const std::string& path, const ReadOptions& options) {
  if (path == "-")
    throw Error(ErrorCode::kInvalidArgument, "a .npz file cannot be read from standard input; give its path");
  return std::make_unique<NpzSource>(path, options);
}

}  // namespace kindred
