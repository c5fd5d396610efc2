// The steps of host/clustering/linkage.h: different points in, merges in any order out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace kindred {

/// Different points with their weights; [n x n_features] row-major.
struct WeightedPoints {
  int64_t n = 0;
  int64_t n_features = 0;
  std::vector<double> values = {};
  std::vector<double> weights = {};

  const double* row(int64_t i) const { return values.data() + i * n_features; }
};

/// Two clusters, each by one of its points.
struct PairMerge {
  int32_t a;
  int32_t b;
  double height;
};

std::vector<PairMerge> MergeByWard(WeightedPoints points, ThreadPool* pool);
std::vector<PairMerge> MergeByMatrix(const WeightedPoints& points, bool complete, ThreadPool* pool);
std::vector<PairMerge> MergeBySpanningTree(WeightedPoints points, ThreadPool* pool);

double SquaredDistance(const double* a, const double* b, int64_t n_features);

/// The nearest so far: the lowest value, of equal ones the lowest id; one that is `kept` is beaten by lower values
/// only.
struct Nearest {
  double value;
  int32_t id = -1;
  bool kept = false;

  bool BeatenBy(double other, int32_t other_id) const {
    return other < value || (other == value && !kept && other_id < id);
  }
  void Take(const Nearest& other) {
    if (BeatenBy(other.value, other.id)) *this = other;
  }
};

/// body(slice, begin, end) for slices of `per_slice`.
template <class Body>
void ForEachSlice(ThreadPool* pool, int64_t n, int64_t per_slice, const Body& body) {
  const int64_t n_slices = (n + per_slice - 1) / per_slice;
  const auto task = [&](int64_t s, int) { body(s, s * per_slice, std::min(n, (s + 1) * per_slice)); };
  if (pool != nullptr && n_slices > 1)
    pool->Run(n_slices, pool->n_threads(), task);
  else
    for (int64_t s = 0; s < n_slices; ++s) task(s, 0);
}

/// Merges clusters 0 to n - 1 until one is left, by the nearest-neighbour chain (Murtagh 1983): from any cluster to its
/// nearest, from there to that one's nearest, and so on, until two are each other's nearest. These are merged, and the
/// chain goes on from what is left of it, as a distance to a merged cluster is no less than to the nearer of its parts.
///
/// `clusters` has Value(a, b), which is symmetric; Search(id, nearest), the nearest of all others if `nearest` is not;
/// Merge(a, b), a < b, whose result goes by the id b; Height(value).
template <class Clusters>
std::vector<PairMerge> MergeByChain(int64_t n, Clusters& clusters) {
  std::vector<PairMerge> merges;
  merges.reserve(static_cast<size_t>(n));
  std::vector<double> heights(static_cast<size_t>(n), 0);
  std::vector<char> gone(static_cast<size_t>(n), 0);
  std::vector<int32_t> chain;
  int32_t first = 0, merged = -1;
  while (static_cast<int64_t>(merges.size()) + 1 < n) {
    if (chain.empty()) {
      while (gone[static_cast<size_t>(first)]) ++first;
      chain.push_back(first);
      merged = -1;
    }
    const int32_t top = chain.back(), before = chain.size() > 1 ? chain[chain.size() - 2] : -1;
    Nearest nearest = {HUGE_VAL};
    if (before >= 0) nearest = {clusters.Value(top, before), before, true};
    if (merged >= 0 && merged != top && merged != before) nearest.Take({clusters.Value(top, merged), merged});
    merged = -1;
    nearest = clusters.Search(top, nearest);
    if (nearest.id != before) {
      // Rounding may make one of the chain nearer than it was when it was passed: go on from there.
      const auto there = std::find(chain.begin(), chain.end(), nearest.id);
      chain.erase(there == chain.end() ? there : there + 1, chain.end());
      if (chain.back() != nearest.id) chain.push_back(nearest.id);
      continue;
    }
    chain.resize(chain.size() - 2);
    const auto [a, b] = std::minmax(top, before);
    double& height = heights[static_cast<size_t>(b)];
    height = std::max({clusters.Height(nearest.value), height, heights[static_cast<size_t>(a)]});
    merges.push_back({a, b, height});
    clusters.Merge(a, b);
    gone[static_cast<size_t>(a)] = 1;
    merged = b;
  }
  return merges;
}

}  // namespace kindred
