#include "host/clustering/choose_k.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/error.h"

namespace kindred {
namespace {

void CheckCurve(std::span<const int64_t> k, std::span<const double> values) {
  if (k.size() != values.size())
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} values for {} numbers of clusters; expected one each", values.size(), k.size()));
  for (size_t i = 1; i < k.size(); ++i)
    if (k[i] <= k[i - 1])
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("k = {} follows k = {}; numbers of clusters must ascend", k[i], k[i - 1]));
}

/// How far the curve is below the line between its ends, both axes from 0 to 1; empty for a level curve.
std::vector<double> Differences(std::span<const int64_t> k, std::span<const double> inertia) {
  std::vector<double> falling(inertia.begin(), inertia.end());
  for (size_t i = 1; i < falling.size(); ++i) falling[i] = std::min(falling[i], falling[i - 1]);
  const double range = falling.front() - falling.back();
  if (!(range > 0)) return {};
  std::vector<double> differences;
  for (size_t i = 0; i < falling.size(); ++i) {
    const double x = static_cast<double>(k[i] - k.front()) / static_cast<double>(k.back() - k.front());
    differences.push_back((falling.front() - falling[i]) / range - x);
  }
  return differences;
}

}  // namespace

std::optional<int64_t> FindElbow(std::span<const int64_t> k, std::span<const double> inertia, double sensitivity) {
  CheckCurve(k, inertia);
  for (size_t i = 0; i < k.size(); ++i)
    if (!std::isfinite(inertia[i]) || inertia[i] < 0)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("an inertia of {} at k = {}; expected a finite number of at least 0", inertia[i], k[i]));
  if (k.size() < 3) return std::nullopt;
  const std::vector<double> differences = Differences(k, inertia);
  const double fall = sensitivity / static_cast<double>(k.size() - 1);  // the mean step, of an axis of length 1
  std::optional<size_t> knee;
  for (size_t i = 1; i + 1 < differences.size(); ++i) {
    if (differences[i] <= differences[i - 1] || differences[i] < differences[i + 1]) continue;
    if (knee && differences[i] <= differences[*knee]) continue;
    for (size_t j = i + 1; j < differences.size() && differences[j] <= differences[i]; ++j)
      if (differences[j] < differences[i] - fall) {
        knee = i;
        break;
      }
  }
  if (!knee) return std::nullopt;
  return k[*knee];
}

std::optional<int64_t> BestSilhouette(std::span<const int64_t> k, std::span<const double> silhouettes) {
  CheckCurve(k, silhouettes);
  std::optional<size_t> best;
  for (size_t i = 0; i < k.size(); ++i)
    if (!std::isnan(silhouettes[i]) && (!best || silhouettes[i] > silhouettes[*best])) best = i;
  if (!best) return std::nullopt;
  return k[*best];
}

}  // namespace kindred
