// Parquet files, with Apache Arrow: a block is decoded by Next, column by column, and cut into batches by Parse.
#include <arrow/array.h>
#include <arrow/config.h>
#include <arrow/io/file.h>
#include <arrow/table.h>
#include <fmt/format.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/exception.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "host/intake/parquet.h"
#include "host/intake/parquet_cells.h"
#include "host/intake/row_source.h"
#include "host/intake/table_rows.h"
#include "host/store/checksum.h"
#include "host/store/files.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t kMaxBlockRows = 1 << 16;
constexpr int64_t kReadBytes = 1 << 18;
constexpr std::string_view kMagic = "PAR1", kEncryptedMagic = "PARE";

ErrorCode CodeOf(const arrow::Status& status) {
  if (status.IsOutOfMemory()) return ErrorCode::kOutOfMemory;
  return status.IsNotImplemented() ? ErrorCode::kUnsupported : ErrorCode::kCorrupt;
}

/// What `call` returns, a Result; its errors and exceptions as an Error that begins with `place`.
template <class Call>
auto Get(const std::string& place, const Call& call) {
  arrow::Status status;
  try {
    auto result = call();
    if (result.ok()) return std::move(result).ValueUnsafe();
    status = result.status();
  } catch (const parquet::ParquetStatusException& error) {
    status = error.status();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    status = arrow::Status::Invalid(error.what());
  }
  throw Error(CodeOf(status), fmt::format("{}: {}", place, Printable(status.message(), 1000)));
}

struct Field {
  std::string name;
  ArrowConversion conversion;
  std::string arrow_type;
  std::vector<int> leaves;  // the Parquet columns it consists of
};

struct ParquetBlock : RowBlock {
  std::shared_ptr<arrow::Table> table;
};

class ParquetSource : public RowSource {
 public:
  ParquetSource(const std::string& path, const ReadOptions& options);

  const std::string& path() const override { return path_; }
  std::span<const ColumnInfo> columns() const override { return columns_; }
  void Select(std::span<const int> columns) override;
  std::unique_ptr<RowBlock> Next() override;
  void Parse(RowBlock& block, RowSink& sink) const override;
  int64_t bytes_read() const override;
  int64_t bytes_total() const override { return bytes_; }
  SourceInfo Finish() override;

 private:
  struct Selected {
    const Field* field;
    std::unique_ptr<parquet::arrow::ColumnReader> reader;
  };

  /// "'PATH'", for messages.
  std::string Name() const { return fmt::format("'{}'", Printable(path_, 4096)); }
  void CheckEnds() const;
  void ReadFields();
  /// Goes to the next row group that has rows; false at the end of the file.
  bool NextRowGroup();
  std::shared_ptr<arrow::ChunkedArray> ReadColumn(Selected& column, int64_t n_rows);

  std::string path_;
  size_t block_bytes_;
  bool check_utf8_;
  Descriptor file_;
  int64_t bytes_ = 0;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::vector<Field> fields_;
  std::vector<ColumnInfo> columns_;

  std::vector<Selected> selected_;
  std::vector<ColumnType> types_;
  int row_group_ = -1;
  int64_t rows_left_ = 0;  // of the row group
  int64_t block_rows_ = 0;
  int64_t rows_read_ = 0;
  int64_t rows_total_ = 0;
};

ParquetSource::ParquetSource(const std::string& path, const ReadOptions& options)
    : path_(path), block_bytes_(options.block_bytes), check_utf8_(options.encoding != Encoding::kBytes) {
  file_ = OpenRegularFile(path_, &bytes_);
  CheckEnds();
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();
  properties.set_buffer_size(kReadBytes);
  properties.set_page_checksum_verification(true);
  parquet::ArrowReaderProperties arrow_properties;
  arrow_properties.set_coerce_int96_timestamp_unit(arrow::TimeUnit::MICRO);
  reader_ = Get(Name(), [&]() -> arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> {
    const int descriptor = ::dup(file_.get());
    if (descriptor < 0) throw SystemError("read", path_);
    ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(descriptor));
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(std::move(file), properties));
    if (builder.raw_reader()->metadata()->is_encryption_algorithm_set())
      return arrow::Status::NotImplemented("the file is encrypted; expected one that is not");
    return builder.properties(arrow_properties)->Build();
  });
  ReadFields();
}

/// A message of their own for the two usual mishaps: another kind of file, and one that is cut short.
void ParquetSource::CheckEnds() const {
  std::array<char, 4> begin{}, end{};
  constexpr auto kEndBytes = static_cast<int64_t>(kMagic.size());
  if (bytes_ < kEndBytes)
    throw Error(ErrorCode::kCorrupt, fmt::format("{} has {} bytes, which is no Parquet file", Name(), bytes_));
  ReadAll(file_, std::as_writable_bytes(std::span(begin)), 0, path_);
  ReadAll(file_, std::as_writable_bytes(std::span(end)), bytes_ - kEndBytes, path_);
  const std::string_view first(begin.data(), begin.size()), last(end.data(), end.size());
  if (first == kEncryptedMagic)
    throw Error(ErrorCode::kUnsupported, Name() + " is an encrypted Parquet file; expected one that is not encrypted");
  if (first != kMagic)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} is no Parquet file: it begins with '{}'; expected 'PAR1'", Name(), Printable(first)));
  if (last != kMagic || bytes_ < 3 * kEndBytes)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{} is cut short: its {} bytes do not end as a Parquet file does", Name(), bytes_));
}

void CollectLeaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
  if (field.is_leaf()) leaves.push_back(field.column_index);
  for (const parquet::arrow::SchemaField& child : field.children) CollectLeaves(child, leaves);
}

void ParquetSource::ReadFields() {
  const parquet::arrow::SchemaManifest& manifest = reader_->manifest();
  const parquet::FileMetaData& metadata = *reader_->parquet_reader()->metadata();
  for (const parquet::arrow::SchemaField& schema_field : manifest.schema_fields) {
    const arrow::DataType& type = *schema_field.field->type();
    Field& field = fields_.emplace_back(Field{schema_field.field->name(), ConversionOf(type), type.ToString(), {}});
    CollectLeaves(schema_field, field.leaves);
    if (!schema_field.is_leaf()) continue;
    const auto& logical_type = metadata.schema()->Column(schema_field.column_index)->logical_type();
    if (logical_type != nullptr && logical_type->is_UUID()) field.conversion = ConversionOfUuids();
  }
  for (const Field& field : fields_) columns_.push_back({field.name, field.conversion.type});
  RequireDifferentNames(path_, columns_);
  for (int group = 0; group < metadata.num_row_groups(); ++group) {
    const int64_t n_rows =
        Get(Name(), [&]() -> arrow::Result<int64_t> { return metadata.RowGroup(group)->num_rows(); });
    if (n_rows < 0)
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: row group {} has {} rows", Name(), group, n_rows));
    rows_total_ += n_rows;
  }
}

void ParquetSource::Select(std::span<const int> columns) {
  for (const int index : columns) {
    const Field& field = fields_.at(static_cast<size_t>(index));
    const std::string place = fmt::format("{}: column '{}'", Name(), Printable(field.name));
    if (field.conversion.add == nullptr)
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} is of the type {}; expected numbers, booleans, texts, times or lists of texts", place,
                              Printable(field.arrow_type)));
    std::unique_ptr<parquet::arrow::ColumnReader> reader =
        Get(place, [&]() -> arrow::Result<std::unique_ptr<parquet::arrow::ColumnReader>> {
          std::unique_ptr<parquet::arrow::ColumnReader> made;
          ARROW_RETURN_NOT_OK(reader_->GetColumn(index, &made));
          return made;
        });
    selected_.push_back({&field, std::move(reader)});
    types_.push_back(field.conversion.type);
  }
}

bool ParquetSource::NextRowGroup() {
  const parquet::FileMetaData& metadata = *reader_->parquet_reader()->metadata();
  while (rows_left_ == 0) {
    if (++row_group_ >= metadata.num_row_groups()) return false;
    const auto [n_rows, bytes] = Get(Name(), [&]() -> arrow::Result<std::pair<int64_t, int64_t>> {
      const auto group = metadata.RowGroup(row_group_);
      int64_t uncompressed = 0;
      for (const Selected& column : selected_)
        for (const int leaf : column.field->leaves)
          uncompressed += std::max<int64_t>(group->ColumnChunk(leaf)->total_uncompressed_size(), 0);
      return std::pair(group->num_rows(), uncompressed);
    });
    rows_left_ = n_rows;
    const double row_bytes = n_rows > 0 ? static_cast<double>(bytes) / static_cast<double>(n_rows) : 1;
    const double rows = static_cast<double>(block_bytes_) / std::max(row_bytes, 1.0);
    block_rows_ = static_cast<int64_t>(std::clamp(rows, 1.0, static_cast<double>(kMaxBlockRows)));
  }
  return true;
}

std::shared_ptr<arrow::ChunkedArray> ParquetSource::ReadColumn(Selected& column, int64_t n_rows) {
  const std::string place =
      fmt::format("{}: row group {}, column '{}'", Name(), row_group_, Printable(column.field->name));
  std::shared_ptr<arrow::ChunkedArray> array = Get(place, [&]() -> arrow::Result<std::shared_ptr<arrow::ChunkedArray>> {
    std::shared_ptr<arrow::ChunkedArray> read;
    ARROW_RETURN_NOT_OK(column.reader->NextBatch(n_rows, &read));
    return read;
  });
  const int64_t got = array != nullptr ? array->length() : 0;
  if (got != n_rows)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("{}: {} rows are missing that the file's footer promises", place, rows_left_ - got));
  return array;
}

std::unique_ptr<RowBlock> ParquetSource::Next() {
  if (!NextRowGroup()) return nullptr;
  const int64_t n_rows = std::min(block_rows_, rows_left_);
  std::vector<std::shared_ptr<arrow::Field>> fields;
  std::vector<std::shared_ptr<arrow::ChunkedArray>> arrays;
  for (Selected& column : selected_) {
    arrays.push_back(ReadColumn(column, n_rows));
    fields.push_back(arrow::field(column.field->name, arrays.back()->type()));
  }
  auto block = std::make_unique<ParquetBlock>();
  block->first_line = rows_read_ + 1;
  block->table = arrow::Table::Make(arrow::schema(std::move(fields)), std::move(arrays), n_rows);
  rows_read_ += n_rows;
  rows_left_ -= n_rows;
  return block;
}

void ParquetSource::Parse(RowBlock& block, RowSink& sink) const {
  auto& rows = static_cast<ParquetBlock&>(block);
  arrow::TableBatchReader pieces(*rows.table);  // where columns are in several arrays
  int64_t line = rows.first_line;
  for (;;) {
    const auto piece = Get(Name(), [&] { return pieces.Next(); });
    if (piece == nullptr) break;
    const auto add_cells = [&](size_t c, std::span<const int64_t> of, CellColumn& cells, BadCells& bad) {
      const Field& field = *selected_[c].field;
      field.conversion.add({*piece->column(static_cast<int>(c)), of, field.name, check_utf8_}, cells, bad);
    };
    SinkRows(path_, line, piece->num_rows(), types_, add_cells, sink);
    line += piece->num_rows();
  }
}

int64_t ParquetSource::bytes_read() const {
  if (rows_total_ == 0) return bytes_;
  return static_cast<int64_t>(static_cast<double>(bytes_) * static_cast<double>(rows_read_) /
                              static_cast<double>(rows_total_));
}

SourceInfo ParquetSource::Finish() {
  FileChecksum checksum;
  std::vector<std::byte> buffer(static_cast<size_t>(std::min(bytes_, kReadBytes)));
  for (int64_t at = 0; at < bytes_; at += kReadBytes) {
    const std::span piece(buffer.data(), static_cast<size_t>(std::min(kReadBytes, bytes_ - at)));
    ReadAll(file_, piece, at, path_);
    checksum.Add(piece);
  }
  checksum.Finish();
  return {path_, bytes_, checksum.sha256()};
}

}  // namespace

std::string ArrowVersion() {
  return arrow::GetBuildInfo().version_string;
}

std::unique_ptr<RowSource> OpenParquet(const std::string& path, const ReadOptions& options) {
  if (path == "-")
    throw Error(ErrorCode::kInvalidArgument, "a Parquet file is not read from standard input; expected its path");
  return std::make_unique<ParquetSource>(path, options);
}

}  // namespace kindred
