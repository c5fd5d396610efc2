// Single linkage by a minimum spanning tree. Clusters at a height are runs of the order in which points are taken into
// the tree, parted where one is taken that is farther from the tree; so that who is nearest to it need not be known.
#include <bit>
#include <cmath>

#include "host/clustering/linkage_steps.h"
#include "host/clustering/point_filter.h"

namespace kindred {
namespace {

/// The points that are not in the tree, each in a slot, and how near the tree is; slots have no gaps.
class Outside {
 public:
  Outside(WeightedPoints points, ThreadPool* pool)
      : points_(std::move(points)), n_(points_.n), filter_(points_), pool_(pool) {
    for (int64_t i = 0; i < n_; ++i) {
      ids_.push_back(static_cast<int32_t>(i));
      filter_.SetFactor(i, HUGE_VAL);
    }
    squares_.assign(static_cast<size_t>(n_), HUGE_VAL);
  }

  bool empty() const { return n_ == 0; }

  /// The slot's point goes into the tree. Returns the slot of the point that is the next.
  int64_t Take(int64_t slot) {
    const PointFilter::Query query = filter_.MakeQuery(slot);
    const std::vector<double> point(points_.row(slot), points_.row(slot) + points_.n_features);
    Remove(slot);
    const int64_t per_task = filter_.slots_per_task();
    std::vector<int64_t> nearest(static_cast<size_t>((n_ + per_task - 1) / per_task));
    ForEachSlice(pool_, n_, per_task, [&](int64_t s, int64_t begin, int64_t end) {
      Update(query, point.data(), begin, end);
      int64_t best = begin;
      for (int64_t other = begin + 1; other < end; ++other)
        if (Before(other, best)) best = other;
      nearest[static_cast<size_t>(s)] = best;
    });
    int64_t best = 0;
    for (const int64_t other : nearest)
      if (Before(other, best)) best = other;
    return best;
  }

  int32_t id(int64_t slot) const { return ids_[static_cast<size_t>(slot)]; }
  double distance(int64_t slot) const { return std::sqrt(squares_[static_cast<size_t>(slot)]); }

 private:
  bool Before(int64_t a, int64_t b) const {
    const auto x = static_cast<size_t>(a), y = static_cast<size_t>(b);
    return squares_[x] < squares_[y] || (squares_[x] == squares_[y] && ids_[x] < ids_[y]);
  }

  void Remove(int64_t slot) {
    const int64_t last = --n_;
    if (slot == last) return;
    const auto to = static_cast<size_t>(slot), from = static_cast<size_t>(last);
    std::copy_n(points_.row(last), points_.n_features, points_.values.data() + slot * points_.n_features);
    filter_.Move(last, slot);
    ids_[to] = ids_[from];
    squares_[to] = squares_[from];
  }

  void Update(const PointFilter::Query& query, const double* point, int64_t begin, int64_t end) {
    constexpr int64_t kBlocks = 16;
    uint64_t near[kBlocks];
    const int64_t last = (end + kBlockPoints - 1) / kBlockPoints;
    for (int64_t block = begin / kBlockPoints; block < last; block += kBlocks) {
      const int64_t n_blocks = std::min(kBlocks, last - block);
      filter_.FindNear(query, block, n_blocks, 0, 1, near);
      for (int64_t b = 0; b < n_blocks; ++b)
        for (uint64_t bits = near[b]; bits != 0; bits &= bits - 1) {
          const int64_t other = (block + b) * kBlockPoints + std::countr_zero(bits);
          if (other >= end) break;
          const double square = SquaredDistance(point, points_.row(other), points_.n_features);
          if (square >= squares_[static_cast<size_t>(other)]) continue;
          squares_[static_cast<size_t>(other)] = square;
          filter_.SetFactor(other, square * filter_.squared_scale());
        }
    }
  }

  WeightedPoints points_;  // of slots
  int64_t n_;              // slots in use
  PointFilter filter_;
  ThreadPool* pool_;
  std::vector<int32_t> ids_;
  std::vector<double> squares_;  // of the distance to the tree
};

}  // namespace

std::vector<PairMerge> MergeBySpanningTree(WeightedPoints points, ThreadPool* pool) {
  std::vector<PairMerge> merges;
  if (points.n == 0) return merges;
  Outside outside(std::move(points), pool);
  int32_t last = outside.id(0);
  for (int64_t slot = outside.Take(0); !outside.empty(); slot = outside.Take(slot)) {
    merges.push_back({last, outside.id(slot), outside.distance(slot)});
    last = outside.id(slot);
  }
  return merges;
}

}  // namespace kindred
