// What one list of recommendations is worth to one user. host/evaluation/metrics.h defines every figure.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "host/models/model.h"
#include "kernels/views.h"

namespace kindred {

enum UserMetric : size_t {
  kRecall,
  kCappedRecall,
  kPrecision,
  kNdcg,
  kMap,
  kMrr,
  kHitRate,
  kNovelty,         // NaN for an empty list
  kDiversity,       // NaN for a list of less than two items, and where nothing tells items apart
  kListPopularity,  // NaN for an empty list
  kNumberOfUserMetrics,
};
/// Those up to here are of hits, in [0, 1] and never NaN.
inline constexpr size_t kNumberOfHitMetrics = kHitRate + 1;

using UserMetrics = std::array<double, kNumberOfUserMetrics>;

/// "recall_at_20", "mrr", ...
std::string UserMetricName(size_t metric, int64_t k);

/// What sets items apart for diversity: a vector each.
class ItemVectors {
 public:
  /// Factors where the model has some, else `features` (items x features, of which an item has some and lacks the
  /// others; values do not matter), else nothing. Views of both are kept.
  ItemVectors(HostMatrix<const float> factors, const CsrView& features);

  /// 1 less the mean cosine over the pairs of different places of the list, in double; the cosine with a vector of
  /// zeros is 0. NaN without vectors or for less than two items. Cost: a list's vectors once each, not once a pair.
  double Diversity(std::span<const int32_t> list) const;

 private:
  double OfFactors(std::span<const int32_t> list) const;
  double OfFeatures(std::span<const int32_t> list) const;

  HostMatrix<const float> factors_;
  CsrView features_;
  std::vector<double> inverse_norms_;  // of the factors; 0 for zeros
};

/// Measures lists of at most k items from one model. Thread-safe.
class ListMeter {
 public:
  /// Keeps views of the model and the features.
  ListMeter(const ModelView& model, const CsrView& item_features, int64_t k);

  /// `relevant` is increasing; n_relevant >= its size counts what the model lacks too, and is > 0.
  UserMetrics Measure(std::span<const int32_t> list, std::span<const int32_t> relevant, int64_t n_relevant) const;
  /// Mean of popularity(i), the share of users with a history that have item i. NaN without items.
  double MeanPopularity(std::span<const int32_t> items) const;

 private:
  double Novelty(std::span<const int32_t> list) const;

  int64_t k_;
  std::span<const float> popularity_;
  double n_active_users_ = 0;
  std::vector<double> discounts_;  // [k] of place j + 1
  std::vector<double> ideal_;      // [k + 1] their sums
  ItemVectors vectors_;
};

}  // namespace kindred
