#include "bench/statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/error.h"

namespace kindred {

Spread SpreadOf(std::vector<double> values) {
  if (values.empty()) throw Error(ErrorCode::kInvalidArgument, "no values; expected at least one");
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  Spread spread;
  spread.median = sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  spread.min = sorted.front();
  spread.max = sorted.back();
  spread.all = std::move(values);
  return spread;
}

Spread RatioOf(const std::vector<double>& ours, const std::vector<double>& theirs) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) ratios.push_back(ours[i] / theirs[i]);
  return SpreadOf(std::move(ratios));
}

double QuantileOf(const std::vector<float>& sorted, double q) {
  if (sorted.empty()) throw Error(ErrorCode::kInvalidArgument, "no values; expected at least one");
  const double rank = std::ceil(q * static_cast<double>(sorted.size()));
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(std::max(rank, 1.0)) - 1)];
}

}  // namespace kindred
