// The standard normal distribution.
#pragma once

#include <cmath>
#include <numbers>
#include <numeric>

namespace kindred {

/// P(X < x).
inline double NormalProbability(double x) {
  return std::erfc(-x / std::numbers::sqrt2) / 2;
}

/// The x with P(X < x) = probability, 0 < probability < 1, by bisection: as good as NormalProbability is.
inline double NormalQuantile(double probability) {
  double low = -40, high = 40;
  for (int step = 0; step < 100; ++step) {
    const double middle = std::midpoint(low, high);
    (NormalProbability(middle) < probability ? low : high) = middle;
  }
  return low;
}

}  // namespace kindred
