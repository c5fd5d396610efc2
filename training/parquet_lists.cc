// Lists as Parquet (format version 2.9: github.com/apache/parquet-format): plain values in pages of version 1, packed
// with zstd, a page of each column for each piece, a row group for each tile. So few of its ways are needed that it is
// written by hand, in every build, and a row group is a tile that needs no other.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "kernels/error.h"
#include "training/list_format.h"

namespace kindred {
namespace {

static_assert(std::endian::native == std::endian::little);  // as plain values are

constexpr std::string_view kMagic = "PAR1";

// Of parquet.thrift.
enum Type : int32_t { kInt32 = 1, kFloat = 4, kByteArray = 6 };
enum Repetition : int32_t { kRequired = 0, kOptional = 1 };
enum Encoding : int32_t { kPlain = 0, kRle = 3 };
constexpr int32_t kUtf8 = 0, kZstd = 6, kDataPage = 0, kFormatVersion = 2;

/// Seven bits a byte, the lowest first, as Thrift and the hybrid encoding have counts.
void PutVarint(uint64_t value, std::string& to) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(0x80 | (value & 0x7F));
  to += static_cast<char>(value);
}

/// Thrift's compact protocol, of structs as they are needed here.
class ThriftWriter {
 public:
  void I32(int id, int32_t value) { Number(id, 5, value); }
  void I64(int id, int64_t value) { Number(id, 6, value); }
  void Text(int id, std::string_view text) {
    Field(id, kBinary);
    Bytes(text);
  }
  void Struct(int id) {
    Field(id, kStruct);
    last_ids_.push_back(0);
  }
  /// A list of structs, each of which begins with Element and ends with End.
  void Structs(int id, size_t n) { List(id, n, kStruct); }
  void Element() { last_ids_.push_back(0); }
  void Numbers(int id, std::initializer_list<int32_t> values) {
    List(id, values.size(), 5);
    for (const int32_t value : values) ZigZag(value);
  }
  void Texts(int id, std::string_view only) {
    List(id, 1, kBinary);
    Bytes(only);
  }
  void End() {
    out_ += '\0';
    last_ids_.pop_back();
  }
  /// Of the outermost struct.
  std::string Finish() {
    End();
    return std::move(out_);
  }

 private:
  static constexpr int kBinary = 8, kList = 9, kStruct = 12;

  void Field(int id, int type) {  // ids only rise, by 15 at most
    out_ += static_cast<char>((id - last_ids_.back()) << 4 | type);
    last_ids_.back() = id;
  }
  void ZigZag(int64_t value) {
    PutVarint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63), out_);
  }
  void Number(int id, int type, int64_t value) {
    Field(id, type);
    ZigZag(value);
  }
  void Bytes(std::string_view text) {
    PutVarint(text.size(), out_);
    out_ += text;
  }
  void List(int id, size_t n, int type) {
    Field(id, kList);
    if (n < 15) {
      out_ += static_cast<char>(n << 4 | static_cast<size_t>(type));
    } else {
      out_ += static_cast<char>(0xF0 | type);
      PutVarint(n, out_);
    }
  }

  std::string out_;
  std::vector<int> last_ids_ = {0};
};

template <class Number>
requires std::is_arithmetic_v<Number>
void PutPlain(Number value, std::string& to) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof bytes);
}

void PutPlain(std::string_view text, std::string& to) {
  PutPlain(static_cast<uint32_t>(text.size()), to);
  to += text;
}

/// Definition levels of an optional column: runs of the hybrid encoding, one bit wide.
class Levels {
 public:
  void Add(bool is_there, size_t n) {
    if (n == 0) return;
    if (!runs_.empty() && runs_.back().first == is_there)
      runs_.back().second += n;
    else
      runs_.emplace_back(is_there, n);
  }
  std::string Encoded() const {
    std::string runs;
    for (const auto& [is_there, n] : runs_) {
      PutVarint(uint64_t{n} << 1, runs);
      runs += is_there ? '\1' : '\0';
    }
    std::string all;
    PutPlain(std::string_view(runs), all);
    return all;
  }

 private:
  std::vector<std::pair<bool, size_t>> runs_;
};

std::string Page(const std::string& values, size_t n_values, const std::string& column, int64_t* unpacked_bytes) {
  const std::string packed = Pack(values, Packing::kZstd);
  if (std::max(values.size(), packed.size()) > std::numeric_limits<int32_t>::max())
    throw Error(ErrorCode::kUnsupported,
                fmt::format("the column '{}' would have a page of {} bytes, more than Parquet has; shorter lists do it",
                            column, values.size()));
  ThriftWriter header;
  header.I32(1, kDataPage);
  header.I32(2, static_cast<int32_t>(values.size()));
  header.I32(3, static_cast<int32_t>(packed.size()));
  header.Struct(5);
  header.I32(1, static_cast<int32_t>(n_values));
  header.I32(2, kPlain);
  header.I32(3, kRle);
  header.I32(4, kRle);
  header.End();
  std::string page = header.Finish();
  *unpacked_bytes = static_cast<int64_t>(page.size() + values.size());
  return page + packed;
}

struct Column {
  std::string name;
  Type type;
  Repetition repetition = kRequired;
};

class ParquetLists : public ListFormat {
 public:
  explicit ParquetLists(ListContent content) : content_(std::move(content)) {
    columns_ = {{content_.columns.of, kByteArray}, {"position", kInt32}, {content_.columns.item, kByteArray}};
    if (content_.columns.scores) columns_.push_back({"score", kFloat});
    if (content_.columns.probabilities) columns_.push_back({"probability", kFloat, kOptional});
  }

  int n_columns() const override { return static_cast<int>(columns_.size()); }
  std::string Head() const override { return std::string(kMagic); }

  ListPiece Piece(std::span<const WrittenList> lists) const override {
    std::vector<std::string> values(columns_.size());
    Levels levels;
    size_t n_rows = 0;
    for (const WrittenList& list : lists) {
      const size_t n = list.items.size();
      for (size_t j = 0; j < n; ++j) {
        PutPlain(list.id, values[0]);
        PutPlain(static_cast<int32_t>(j + 1), values[1]);
        PutPlain(content_.items.Id(list.items[j]), values[2]);
        if (content_.columns.scores) PutPlain(list.scores[j], values[3]);
        if (content_.columns.probabilities && list.has_probabilities)
          PutPlain(content_.calibration.Probability(list.scores[j]), values.back());
      }
      levels.Add(list.has_probabilities, n);
      n_rows += n;
    }
    ListPiece piece;
    piece.unpacked_bytes.resize(columns_.size());
    piece.columns.resize(columns_.size());
    if (n_rows == 0) return piece;
    if (content_.columns.probabilities) values.back() = levels.Encoded() + values.back();
    for (size_t c = 0; c < columns_.size(); ++c)
      piece.columns[c] = Page(values[c], n_rows, columns_[c].name, &piece.unpacked_bytes[c]);
    return piece;
  }

  std::string End(int64_t head_bytes, std::span<const TileColumns> tiles) const override {
    int64_t n_rows = 0;
    size_t n_groups = 0;
    for (const TileColumns& tile : tiles) {
      n_rows += tile.n_rows;
      n_groups += tile.n_rows > 0 ? 1 : 0;
    }
    ThriftWriter footer;
    footer.I32(1, kFormatVersion);
    PutSchema(footer);
    footer.I64(3, n_rows);
    footer.Structs(4, n_groups);
    int64_t at = head_bytes;
    for (const TileColumns& tile : tiles)
      if (tile.n_rows > 0) PutRowGroup(tile, &at, footer);
    footer.Text(6, "kindred");
    std::string end = footer.Finish();
    PutPlain(static_cast<uint32_t>(end.size()), end);
    return end += kMagic;
  }

 private:
  void PutSchema(ThriftWriter& footer) const {
    footer.Structs(2, columns_.size() + 1);
    footer.Element();
    footer.Text(4, "schema");
    footer.I32(5, n_columns());
    footer.End();
    for (const Column& column : columns_) {
      footer.Element();
      footer.I32(1, column.type);
      footer.I32(3, column.repetition);
      footer.Text(4, column.name);
      if (column.type == kByteArray) {
        footer.I32(6, kUtf8);
        footer.Struct(10);  // the logical type: a string
        footer.Struct(1);
        footer.End();
        footer.End();
      }
      footer.End();
    }
  }

  void PutRowGroup(const TileColumns& tile, int64_t* at, ThriftWriter& footer) const {
    footer.Element();
    footer.Structs(1, columns_.size());
    int64_t unpacked_bytes = 0;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const Column& column = columns_[c];
      footer.Element();
      footer.I64(2, *at);
      footer.Struct(3);
      footer.I32(1, column.type);
      footer.Numbers(2, {kPlain, kRle});
      footer.Texts(3, column.name);
      footer.I32(4, kZstd);
      footer.I64(5, tile.n_rows);
      footer.I64(6, tile.unpacked_bytes[c]);
      footer.I64(7, tile.packed_bytes[c]);
      footer.I64(9, *at);
      footer.End();
      footer.End();
      *at += tile.packed_bytes[c];
      unpacked_bytes += tile.unpacked_bytes[c];
    }
    footer.I64(2, unpacked_bytes);
    footer.I64(3, tile.n_rows);
    footer.End();
  }

  ListContent content_;
  std::vector<Column> columns_;
};

}  // namespace

std::unique_ptr<ListFormat> NewParquetLists(ListContent content) {
  return std::make_unique<ParquetLists>(std::move(content));
}

}  // namespace kindred
