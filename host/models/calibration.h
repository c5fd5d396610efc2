// What a score says about a user: the probability that goes with it, as a version of a model holds it.
//
// It is learned from held-out data (host/evaluation/calibration.h), which says what exactly it is the probability of.
#pragma once

#include <algorithm>
#include <span>

namespace kindred {

/// A function that never falls: straight lines between knots, and level before the first and behind the last.
struct CalibrationView {
  std::span<const float> scores;         // of the knots, strictly increasing
  std::span<const float> probabilities;  // never falling, in [0, 1]; as many

  bool empty() const { return scores.empty(); }

  /// For a calibration that is not empty and a score that is a number. In [0, 1]. Cost: a binary search.
  float Probability(float score) const {
    const auto above = std::upper_bound(scores.begin(), scores.end(), score);
    if (above == scores.begin()) return probabilities.front();
    if (above == scores.end()) return probabilities.back();
    const auto k = static_cast<size_t>(above - scores.begin());
    const double part = (double{score} - scores[k - 1]) / (double{scores[k]} - scores[k - 1]);
    return static_cast<float>(probabilities[k - 1] + part * (double{probabilities[k]} - probabilities[k - 1]));
  }
};

}  // namespace kindred
