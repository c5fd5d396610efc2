// Conditions that no user can meet: `views >= 3 in 7d and views = 0 in 7d`.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "host/expression/expression.h"

namespace kindred {

/// Why the condition never holds, naming the comparisons that exclude each other; empty where intervals do not show it.
///
/// Looked at: for each attribute of a conjunction, the interval that its comparisons with constants leave (of texts:
/// whether one is left); columns with `counts` set are whole numbers >= 0 that are never missing, and those of one name
/// grow with their window. Of an `or`, every side must be impossible beside the rest. A text that is shown to be
/// impossible is; others may be as well. Cost: the depth of `or`s within each other times the text.
std::string FindContradiction(std::string_view text, std::span<const ColumnInfo> schema, std::span<const bool> counts);

}  // namespace kindred
