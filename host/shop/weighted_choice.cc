#include "host/shop/weighted_choice.h"

#include <algorithm>
#include <numeric>

namespace kindred {

WeightedChoice::WeightedChoice(std::span<const double> weights)
    : cumulative_(weights.size()), guide_(weights.size()), slots_per_weight_(0) {
  std::partial_sum(weights.begin(), weights.end(), cumulative_.begin());
  slots_per_weight_ = static_cast<double>(weights.size()) / cumulative_.back();
  // Rounding is monotone: whoever is above a target is in the target's slot or behind it.
  size_t index = 0;
  for (size_t slot = 0; slot < guide_.size(); ++slot) {
    while (index + 1 < cumulative_.size() && Slot(cumulative_[index]) < slot) ++index;
    guide_[slot] = static_cast<uint32_t>(index);
  }
}

double WeightedChoice::DrawPoint(double uniform) const {
  const double target = uniform * cumulative_.back();
  const auto index = static_cast<size_t>(Find(target, size()));
  const double before = index == 0 ? 0 : cumulative_[index - 1];
  const double part = (target - before) / (cumulative_[index] - before);
  return static_cast<double>(index) + std::clamp(part, 0.0, 0x1.fffffp-1);
}

}  // namespace kindred
