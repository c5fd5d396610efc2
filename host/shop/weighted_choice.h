// Draws from a list of weights.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kindred {

/// Draws an index with a probability proportional to its weight, by inversion with a guide table (Chen and Asau
/// 1974): O(1) expected. Weights are >= 0, and one of them is positive. Memory: 12 bytes a weight.
class WeightedChoice {
 public:
  WeightedChoice() = default;
  explicit WeightedChoice(std::span<const double> weights);

  /// `uniform` in [0, 1).
  int64_t Draw(double uniform) const { return Find(uniform * cumulative_.back(), size()); }
  /// Among the first n only, of which one has a weight.
  int64_t DrawOfFirst(int64_t n, double uniform) const {
    return Find(uniform * cumulative_[static_cast<size_t>(n) - 1], n);
  }
  /// The index that Draw gives, and behind the point how far into its weight `uniform` lies.
  double DrawPoint(double uniform) const;

  int64_t size() const { return static_cast<int64_t>(cumulative_.size()); }

 private:
  /// The first index whose cumulative weight is above `target`; at most the n-th.
  int64_t Find(double target, int64_t n) const {
    auto at = static_cast<size_t>(guide_[Slot(target)]);
    while (at + 1 < static_cast<size_t>(n) && cumulative_[at] <= target) ++at;
    return static_cast<int64_t>(at);
  }
  size_t Slot(double target) const {
    const auto slot = static_cast<size_t>(target * slots_per_weight_);
    return slot < guide_.size() ? slot : guide_.size() - 1;
  }

  std::vector<double> cumulative_;
  std::vector<uint32_t> guide_;  // [size] the first index that a target in this slot can have
  double slots_per_weight_ = 0;
};

}  // namespace kindred
