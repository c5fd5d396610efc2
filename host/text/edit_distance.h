// The nearest of some known names to one that is not known, for messages.
#pragma once

#include <span>
#include <string_view>

namespace kindred {

/// Bytes to insert, delete or change to make one of the other (Levenshtein). Time: the product of the lengths.
size_t EditDistance(std::string_view a, std::string_view b);

/// Index of the first of the names with the smallest distance to what was written; -1 where there are none, or where
/// what was written is longer than a name would be (100 bytes).
int NearestName(std::string_view written, std::span<const std::string_view> known);

}  // namespace kindred
