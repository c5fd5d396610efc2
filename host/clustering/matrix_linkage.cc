// Average and complete linkage by the nearest-neighbour chain over a matrix of distances.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "host/clustering/linkage.h"
#include "host/clustering/linkage_steps.h"
#include "kernels/cpu/simd_distances.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t PairsOf(int64_t n) {
  return n * (n - 1) / 2;
}
static_assert(PairsOf(kMostMatrixPoints) * 8 <= kMostLinkageBytes);
static_assert(PairsOf(kMostMatrixPoints + 1) * 8 > kMostLinkageBytes);

/// Distances of pairs, the larger id's row before those of larger ids.
class Distances {
 public:
  explicit Distances(const WeightedPoints& points, ThreadPool* pool)
      : values_(std::make_unique_for_overwrite<double[]>(static_cast<size_t>(PairsOf(points.n)))) {
    const int64_t n_blocks = (points.n + kBlockPoints - 1) / kBlockPoints;
    const std::vector<Line> blocks = Blocks(points, n_blocks);
    const SimdDistances& simd = SimdDistancesOf(DetectSimdLevel());
    ForEachSlice(pool, n_blocks, 1, [&](int64_t task, int64_t, int64_t) {
      const int64_t rows = n_blocks - 1 - task;  // the longest first
      for (int64_t block = 0; block <= rows; ++block) {
        const double* at = blocks.data()->values + block * points.n_features * kBlockPoints;
        for (int64_t first = rows * kBlockPoints; first < std::min(points.n, (rows + 1) * kBlockPoints);
             first += kTogether)
          FillRows(simd, points, first, at, block * kBlockPoints);
      }
    });
  }

  double& at(int32_t a, int32_t b) {
    const auto [low, high] = std::minmax(a, b);
    return values_[static_cast<size_t>(PairsOf(high) + low)];
  }

 private:
  static constexpr int64_t kTogether = 4;
  struct alignas(64) Line {
    double values[8];
  };

  static std::vector<Line> Blocks(const WeightedPoints& points, int64_t n_blocks) {
    std::vector<Line> blocks(static_cast<size_t>(n_blocks * points.n_features * kBlockPoints / 8));
    double* to = blocks.data()->values;
    for (int64_t i = 0; i < points.n; ++i)
      for (int64_t f = 0; f < points.n_features; ++f)
        to[(i / kBlockPoints * points.n_features + f) * kBlockPoints + i % kBlockPoints] = points.row(i)[f];
    return blocks;
  }

  void FillRows(const SimdDistances& simd, const WeightedPoints& points, int64_t first, const double* block,
                int64_t first_of_block) {
    const double* queries[kTogether] = {};
    double squares[kTogether * kBlockPoints];
    const int64_t n = std::min(kTogether, points.n - first);
    for (int64_t q = 0; q < n; ++q) queries[q] = points.row(first + q);
    simd.square_distances(block, points.n_features, queries, n, squares);
    for (int64_t q = 0; q < n; ++q) {
      double* row = values_.get() + PairsOf(first + q) + first_of_block;
      const int64_t end = std::min(kBlockPoints, first + q - first_of_block);
      for (int64_t p = 0; p < end; ++p) row[p] = std::sqrt(squares[q * kBlockPoints + p]);
    }
  }

  std::unique_ptr<double[]> values_;
};

class MatrixClusters {
 public:
  MatrixClusters(const WeightedPoints& points, bool complete, ThreadPool* pool)
      : distances_(points, pool), weights_(points.weights), complete_(complete), pool_(pool) {
    ids_.resize(static_cast<size_t>(points.n));
    std::iota(ids_.begin(), ids_.end(), 0);
  }

  double Value(int32_t a, int32_t b) { return distances_.at(a, b); }
  double Height(double value) const { return value; }

  Nearest Search(int32_t id, const Nearest& nearest) {
    const auto n = static_cast<int64_t>(ids_.size());
    std::vector<Nearest> found(static_cast<size_t>((n + kIdsPerTask - 1) / kIdsPerTask), nearest);
    ForEachSlice(pool_, n, kIdsPerTask, [&](int64_t s, int64_t begin, int64_t end) {
      Nearest best = nearest;
      for (int64_t i = begin; i < end; ++i)
        if (const int32_t other = ids_[static_cast<size_t>(i)]; other != id)
          best.Take({distances_.at(id, other), other});
      found[static_cast<size_t>(s)] = best;
    });
    Nearest best = nearest;
    for (const Nearest& one : found) best.Take(one);
    return best;
  }

  void Merge(int32_t a, int32_t b) {
    ids_.erase(std::lower_bound(ids_.begin(), ids_.end(), a));
    const double weight = weights_[static_cast<size_t>(a)], sum = weight + weights_[static_cast<size_t>(b)];
    weights_[static_cast<size_t>(b)] = sum;
    ForEachSlice(pool_, static_cast<int64_t>(ids_.size()), kIdsPerTask, [&](int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int32_t other = ids_[static_cast<size_t>(i)];
        if (other == b) continue;
        const double distance = distances_.at(a, other);
        double& merged = distances_.at(b, other);
        merged = complete_ ? std::max(distance, merged) : merged + weight / sum * (distance - merged);
      }
    });
  }

 private:
  static constexpr int64_t kIdsPerTask = 4096;

  Distances distances_;
  std::vector<double> weights_;
  bool complete_;
  ThreadPool* pool_;
  std::vector<int32_t> ids_;  // of the clusters that there are, ascending
};

}  // namespace

std::vector<PairMerge> MergeByMatrix(const WeightedPoints& points, bool complete, ThreadPool* pool) {
  if (points.n > kMostMatrixPoints)
    throw Error(
        ErrorCode::kOutOfMemory,
        fmt::format("{} linkage of {} different points needs {} GiB for their distances; {} GiB, or {} points, is "
                    "the most. Cluster them by K-Means first, and link its clusters",
                    complete ? "complete" : "average", points.n, GiB(PairsOf(points.n) * 8), GiB(kMostLinkageBytes),
                    kMostMatrixPoints));
  if (points.n < 2) return {};
  MatrixClusters clusters(points, complete, pool);
  return MergeByChain(points.n, clusters);
}

}  // namespace kindred
