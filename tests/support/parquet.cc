#include "tests/support/parquet.h"

#include <arrow/array.h>
#include <arrow/csv/api.h>
#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/json/from_string.h>
#include <arrow/table.h>
#include <arrow/util/compression.h>
#include <parquet/arrow/writer.h>

#include <stdexcept>

namespace kindred {
namespace {

void Check(const arrow::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

template <class Value>
Value Get(arrow::Result<Value> result) {
  Check(result.status());
  return std::move(result).ValueUnsafe();
}

}  // namespace

std::shared_ptr<arrow::Array> ArrayOf(const std::shared_ptr<arrow::DataType>& type, const std::string& json) {
  return Get(arrow::json::ArrayFromJSONString(type, json));
}

void WriteParquet(const std::string& path, const arrow::Table& table, const ParquetOptions& options) {
  parquet::WriterProperties::Builder properties;
  properties.compression(Get(arrow::util::Codec::GetCompressionType(options.codec)));
  properties.max_row_group_length(options.row_group_rows);
  if (!options.dictionaries) properties.disable_dictionary();
  if (options.checksums) properties.enable_page_checksum();
  parquet::ArrowWriterProperties::Builder arrow_properties;
  if (options.arrow_types) arrow_properties.store_schema();
  if (options.int96) arrow_properties.enable_deprecated_int96_timestamps();
  const auto file = Get(arrow::io::FileOutputStream::Open(path));
  Check(parquet::arrow::WriteTable(table, arrow::default_memory_pool(), file, options.row_group_rows,
                                   properties.build(), arrow_properties.build()));
  Check(file->Close());
}

void WriteParquetOfCsv(const std::string& path, std::string_view csv,
                       const std::map<std::string, std::shared_ptr<arrow::DataType>>& types,
                       const ParquetOptions& options) {
  const std::string header(csv.substr(0, csv.find_first_of("\r\n")));
  auto convert = arrow::csv::ConvertOptions::Defaults();
  for (size_t begin = 0; begin <= header.size();) {
    const size_t end = std::min(header.find(',', begin), header.size());
    convert.column_types[header.substr(begin, end - begin)] = arrow::utf8();
    begin = end + 1;
  }
  for (const auto& [name, type] : types) convert.column_types[name] = type;
  convert.null_values = {""};
  convert.strings_can_be_null = true;
  convert.timestamp_parsers = {};  // ISO 8601
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.newlines_in_values = true;
  const auto input = std::make_shared<arrow::io::BufferReader>(
      std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t*>(csv.data()), static_cast<int64_t>(csv.size())));
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;
  const auto reader = Get(arrow::csv::TableReader::Make(arrow::io::default_io_context(), input, read, parse, convert));
  WriteParquet(path, *Get(reader->Read()), options);
}

}  // namespace kindred
