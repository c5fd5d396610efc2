#include "host/expression/column.h"

namespace kindred {

const char* NameOf(ColumnType type) {
  static constexpr const char* kNames[] = {"untyped", "text", "number", "boolean", "time", "tags"};
  return kNames[static_cast<int>(type)];
}

Column RowsOf(const Column& column, int64_t first, int64_t n) {
  Column rows = column;
  const auto cut = [&](auto& values, int64_t more = 0) {
    if (!values.empty()) values = values.subspan(static_cast<size_t>(first), static_cast<size_t>(n + more));
  };
  cut(rows.texts);
  cut(rows.reals);
  cut(rows.floats);
  cut(rows.integers);
  cut(rows.booleans);
  if (column.type == ColumnType::kTags)
    cut(rows.indptr, 1);  // of places in all codes
  else
    cut(rows.codes);
  return rows;
}

}  // namespace kindred
