// Cells of Arrow's arrays, as Parquet files hold them, as cells of columns.
#pragma once

#include <arrow/type_fwd.h>

#include <cstdint>
#include <span>
#include <string_view>

#include "host/intake/table_rows.h"

namespace kindred {

struct ArrowCells {
  const arrow::Array& array;
  std::span<const int64_t> rows;  // of the array; -1: a cell that is missing
  std::string_view column;        // for messages
  bool check_utf8 = true;
};

/// How the cells of an Arrow type are read. What becomes of each type: docs/formats.md.
struct ArrowConversion {
  ColumnType type = ColumnType::kUntyped;
  void (*add)(const ArrowCells& from, CellColumn& to, BadCells& bad) = nullptr;  // null: they are not
};

ArrowConversion ConversionOf(const arrow::DataType& type);
/// Of UUIDs, which have 16 bytes each: as text, in lower case.
ArrowConversion ConversionOfUuids();

}  // namespace kindred
