// Cells of any column as text, as the same data would stand in a CSV file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "host/expression/column.h"

namespace kindred {

/// Integers in decimal; reals in the shortest form that reads back the same, whole ones with ".0" (17850.0); true and
/// false; times in ISO 8601 and UTC. Empty where the value is missing. `buffer` holds what is no text of the column.
/// Not for tags.
std::string_view CellText(const Column& column, int64_t row, std::string& buffer);

}  // namespace kindred
