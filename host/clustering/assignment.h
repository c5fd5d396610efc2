// The assignment problem: pairs of rows and columns of the least total cost, as clusters of one version are matched
// with those of the last.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/views.h"

namespace kindred {

/// The column of each row, -1 for none: every row has one, or where there are fewer columns every column is a row's,
/// each at most once, and the sum of the costs is the least that can be. Of several such it is always the same one. To
/// match what has the most in common, negate.
///
/// The Hungarian method by shortest augmenting paths (Kuhn 1955; Jonker and Volgenant 1987). Cost: min^2 * max of the
/// numbers of rows and columns. Throws kInvalidArgument for a cost that is not finite.
std::vector<int32_t> Assign(const HostMatrix<const double>& costs);

}  // namespace kindred
