// How strongly two groupings of users go together: Cramer's V of their table of counts.
//
// Of a table of r x c counts n_ij with no empty row or column, n = sum n_ij and
//
//   chi^2 = sum (n_ij - n_i n_j / n)^2 / (n_i n_j / n),     df = (r - 1) (c - 1)
//
// V has chance taken out, which alone makes chi^2 about df (Bergsma 2013):
//
//   V = sqrt( max(0, chi^2 / n - df / (n - 1)) / min(r' - 1, c' - 1) ),    r' = r - (r - 1)^2 / (n - 1), c' likewise
//
// 0 where they have nothing to do with each other, 1 where one says the other. Its 95 % interval inverts the test: it
// has the non-centralities l of which chi^2 is neither in the lowest nor in the highest 2.5 % (Smithson 2003), as
// sqrt(l / (n - 1) / min(r' - 1, c' - 1)); the distribution by the approximation of Sankaran (1963), good to a
// hundredth, and to 0.004 in the tails. The low end is 0 where chance may have made the table; where
// V is large the interval is wider than it need be.
#pragma once

#include <cstdint>
#include <vector>

namespace kindred {

struct Association {
  double v = 0, low = 0, high = 0;  // NaN where there are not two rows and two columns with users
  int64_t n = 0;
};
Association AssociationOf(const std::vector<std::vector<int64_t>>& counts);

/// P(X <= x) of the chi-squared distribution with that non-centrality; df >= 1, x >= 0.
double NonCentralChiSquared(double x, double df, double non_centrality);

}  // namespace kindred
