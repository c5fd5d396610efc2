// Figures of repeated runs.
#pragma once

#include <vector>

namespace kindred {

/// Of at least one value.
struct Spread {
  double median = 0;
  double min = 0;
  double max = 0;
  std::vector<double> all;  // in the order they came
};
/// The median of an even number of values is the mean of the two in the middle. Throws kInvalidArgument for none.
Spread SpreadOf(std::vector<double> values);

/// ours / theirs, run by run: a pair of alternating runs meets the same machine. Of lists of different lengths the
/// first pairs count. Throws kInvalidArgument where there is none.
Spread RatioOf(const std::vector<double>& ours, const std::vector<double>& theirs);

/// The value that the part `q` of the sorted values does not exceed, 0 <= q <= 1: the nearest rank. Throws
/// kInvalidArgument for none.
double QuantileOf(const std::vector<float>& sorted, double q);

}  // namespace kindred
