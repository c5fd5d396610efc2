// Parquet files for tests. Only in builds that read them (KINDRED_BUILD_PARQUET).
#pragma once

#include <arrow/type_fwd.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace kindred {

struct ParquetOptions {
  int64_t row_group_rows = int64_t{1} << 20;
  std::string codec = "snappy";
  bool dictionaries = true;  // of values, in the file
  bool checksums = false;
  /// Keeps Arrow's types, as pyarrow does: those that Parquet has not (dictionaries, large texts) come back.
  bool arrow_types = true;
  bool int96 = false;  // for times, as old Spark writes them
};

/// An array of a type from JSON, one value an element: `[1, null, 3]`.
std::shared_ptr<arrow::Array> ArrayOf(const std::shared_ptr<arrow::DataType>& type, const std::string& json);

void WriteParquet(const std::string& path, const arrow::Table& table, const ParquetOptions& options = {});

/// Writes CSV (with a header) as a Parquet file. `types`: Arrow types of columns by name; the others are texts. Empty
/// fields are nulls.
void WriteParquetOfCsv(const std::string& path, std::string_view csv,
                       const std::map<std::string, std::shared_ptr<arrow::DataType>>& types,
                       const ParquetOptions& options = {});

}  // namespace kindred
