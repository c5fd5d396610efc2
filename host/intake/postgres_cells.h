// Cells of a query's result, as PostgreSQL writes them in its text format, as cells of columns.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "host/intake/table_rows.h"

namespace kindred {

/// How the cells of an SQL type are read. What becomes of each type: docs/formats.md.
struct SqlConversion {
  ColumnType type = ColumnType::kUntyped;
  /// Adds one cell, which is never empty (SQL's null and the empty text are missing). Returns nullptr, or what is
  /// wrong with it; nothing is added then.
  const char* (*add)(std::string_view cell, CellColumn& to) = nullptr;
  void (*add_missing)(CellColumn& to) = nullptr;
};

/// `oid` is that of the type in the catalogue pg_type; types that are not known are untyped texts.
SqlConversion ConversionOfSqlType(uint32_t oid);

}  // namespace kindred
