// Following every index of a table of attributes that was read from a file.
#pragma once

#include <cmath>
#include <string_view>
#include <vector>

#include "host/data/attribute_table.h"

namespace kindred {

/// Reads all that an expression may read.
inline double Follow(const AttributeTable& table) {
  double sum = 0;
  for (size_t k = 0; k < table.columns().size(); ++k) {
    std::vector<std::string_view> texts;
    const Column column = table.AsColumn(static_cast<int64_t>(k), texts);
    const auto add = [&](std::string_view text) {
      for (const char c : text) sum += c;
    };
    for (size_t i = 0; i < static_cast<size_t>(table.n_rows()); ++i) {
      if (!column.reals.empty()) sum += std::isnan(column.reals[i]) ? 0 : column.reals[i];
      if (!column.booleans.empty()) sum += column.booleans[i];
      if (!column.integers.empty()) sum += column.integers[i] == kMissingInteger ? 0 : 1;
      if (!column.texts.empty()) add(column.texts[i]);
      if (column.type == ColumnType::kText && !column.codes.empty() && column.codes[i] != kMissingCode)
        add(column.dictionary[static_cast<size_t>(column.codes[i])]);
      if (column.type != ColumnType::kTags) continue;
      for (int64_t at = column.indptr[i]; at < column.indptr[i + 1]; ++at)
        add(column.dictionary[static_cast<size_t>(column.codes[static_cast<size_t>(at)])]);
    }
  }
  return sum + static_cast<double>(table.Describe().dump().size());
}

}  // namespace kindred
