// Ward's linkage by the nearest-neighbour chain over centroids.
#include <bit>
#include <cmath>

#include "host/clustering/linkage_steps.h"
#include "host/clustering/point_filter.h"

namespace kindred {
namespace {

/// The clusters that there are, each in a slot; slots have no gaps.
class Centroids {
 public:
  Centroids(WeightedPoints points, ThreadPool* pool)
      : points_(std::move(points)), n_(points_.n), filter_(points_), pool_(pool) {
    for (int64_t i = 0; i < n_; ++i) {
      slots_.push_back(static_cast<int32_t>(i));
      ids_.push_back(static_cast<int32_t>(i));
      least_weight_ = std::min(least_weight_, points_.weights[static_cast<size_t>(i)]);
    }
    for (int64_t i = 0; i < n_; ++i) SetWeight(i, points_.weights[static_cast<size_t>(i)]);
  }

  // Half of the squared distance, in units of the least weight.
  double Value(int32_t a, int32_t b) const { return ValueOfSlots(Slot(a), Slot(b)); }

  double Height(double value) const { return std::sqrt(2 * value * least_weight_); }

  Nearest Search(int32_t id, const Nearest& nearest) const {
    const int64_t slot = Slot(id), per_task = filter_.slots_per_task();
    const PointFilter::Query query = filter_.MakeQuery(slot);
    std::vector<Nearest> found(static_cast<size_t>((n_ + per_task - 1) / per_task), nearest);
    ForEachSlice(pool_, n_, per_task, [&](int64_t s, int64_t begin, int64_t end) {
      SearchSlots(query, slot, begin, end, &found[static_cast<size_t>(s)]);
    });
    Nearest best = nearest;
    for (const Nearest& one : found) best.Take(one);
    return best;
  }

  void Merge(int32_t a, int32_t b) {
    const int64_t from = Slot(a), to = Slot(b), last = n_ - 1;
    const double weight_a = Weight(from), weight_b = Weight(to), share = weight_a / (weight_a + weight_b);
    double* mean = Row(to);
    for (int64_t f = 0; f < points_.n_features; ++f) mean[f] += share * (Row(from)[f] - mean[f]);
    filter_.Put(to, mean);
    SetWeight(to, weight_a + weight_b);
    if (from != last) {
      std::copy_n(Row(last), points_.n_features, Row(from));
      filter_.Move(last, from);
      Weight(from) = Weight(last);
      inverse_[static_cast<size_t>(from)] = inverse_[static_cast<size_t>(last)];
      ids_[static_cast<size_t>(from)] = ids_[static_cast<size_t>(last)];
      slots_[static_cast<size_t>(ids_[static_cast<size_t>(from)])] = static_cast<int32_t>(from);
    }
    n_ = last;
  }

 private:
  int64_t Slot(int32_t id) const { return slots_[static_cast<size_t>(id)]; }
  double* Row(int64_t slot) { return points_.values.data() + slot * points_.n_features; }
  double& Weight(int64_t slot) { return points_.weights[static_cast<size_t>(slot)]; }

  void SetWeight(int64_t slot, double weight) {
    constexpr double kLeastFactor = 1e-30;
    Weight(slot) = weight;
    inverse_.resize(points_.weights.size());
    inverse_[static_cast<size_t>(slot)] = least_weight_ / weight;
    filter_.SetFactor(slot, std::max(kLeastFactor, least_weight_ / weight));
  }

  double ValueOfSlots(int64_t a, int64_t b) const {
    return SquaredDistance(points_.row(a), points_.row(b), points_.n_features) /
           (inverse_[static_cast<size_t>(a)] + inverse_[static_cast<size_t>(b)]);
  }

  // Stretches of slots, between which the distance that rules others out becomes less; the first is short as there may
  // be none before it.
  void SearchSlots(const PointFilter::Query& query, int64_t slot, int64_t begin, int64_t end, Nearest* nearest) const {
    constexpr int64_t kMostBlocks = 16;
    uint64_t near[kMostBlocks];
    const int64_t last = (end + kBlockPoints - 1) / kBlockPoints;
    int64_t n_blocks = 1;
    for (int64_t block = begin / kBlockPoints; block < last; block += n_blocks) {
      n_blocks = std::min({block == begin / kBlockPoints ? 1 : 2 * n_blocks, kMostBlocks, last - block});
      const double factor = nearest->value * filter_.squared_scale();
      filter_.FindNear(query, block, n_blocks, factor * inverse_[static_cast<size_t>(slot)], factor, near);
      for (int64_t b = 0; b < n_blocks; ++b)
        for (uint64_t bits = near[b]; bits != 0; bits &= bits - 1) {
          const int64_t other = (block + b) * kBlockPoints + std::countr_zero(bits);
          if (other != slot && other < end)
            nearest->Take({ValueOfSlots(slot, other), ids_[static_cast<size_t>(other)]});
        }
    }
  }

  WeightedPoints points_;  // of slots
  int64_t n_;              // slots in use
  PointFilter filter_;
  ThreadPool* pool_;
  double least_weight_ = HUGE_VAL;
  std::vector<double> inverse_;  // least_weight_ / weight
  std::vector<int32_t> slots_;   // of ids
  std::vector<int32_t> ids_;     // of slots
};

}  // namespace

std::vector<PairMerge> MergeByWard(WeightedPoints points, ThreadPool* pool) {
  const int64_t n = points.n;
  Centroids centroids(std::move(points), pool);
  return MergeByChain(n, centroids);
}

}  // namespace kindred
