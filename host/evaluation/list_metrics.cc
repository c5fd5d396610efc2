#include "host/evaluation/list_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kindred {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

constexpr std::array<const char*, kNumberOfUserMetrics> kNames = {
    "recall", "capped_recall", "precision", "ndcg",      "map",
    "mrr",    "hit_rate",      "novelty",   "diversity", "list_popularity"};

/// From the squared length of the sum of n vectors, of which `n_units` have length 1 and the others 0.
double DiversityOf(double squared_sum, double n_units, double n) {
  return 1 - (squared_sum - n_units) / (n * (n - 1));
}

}  // namespace

std::string UserMetricName(size_t metric, int64_t k) {
  return metric == kMrr ? kNames[metric] : kNames[metric] + ("_at_" + std::to_string(k));
}

ItemVectors::ItemVectors(HostMatrix<const float> factors, const CsrView& features)
    : factors_(factors), features_(features) {
  if (factors_.n_cols == 0) return;
  for (int64_t i = 0; i < factors_.n_rows; ++i) {
    double squared = 0;
    for (const float v : factors_.row(i)) squared += double{v} * v;
    inverse_norms_.push_back(squared > 0 ? 1 / std::sqrt(squared) : 0);
  }
}

double ItemVectors::Diversity(std::span<const int32_t> list) const {
  if (list.size() < 2) return kNone;
  if (factors_.n_cols > 0) return OfFactors(list);
  return features_.n_cols > 0 ? OfFeatures(list) : kNone;
}

double ItemVectors::OfFactors(std::span<const int32_t> list) const {
  std::vector<double> sum(static_cast<size_t>(factors_.n_cols), 0);
  double n_units = 0, squared = 0;
  for (const int32_t item : list) {
    const double scale = inverse_norms_[static_cast<size_t>(item)];
    const auto row = factors_.row(item);
    for (size_t f = 0; f < sum.size(); ++f) sum[f] += scale * row[f];
    n_units += scale > 0 ? 1 : 0;
  }
  for (const double v : sum) squared += v * v;
  return DiversityOf(squared, n_units, static_cast<double>(list.size()));
}

double ItemVectors::OfFeatures(std::span<const int32_t> list) const {
  std::vector<std::pair<int32_t, double>> entries;
  double n_units = 0, squared = 0;
  for (const int32_t item : list) {
    const auto row = features_.row(item);
    const double scale = 1 / std::sqrt(static_cast<double>(std::max<size_t>(row.size(), 1)));
    for (const int32_t feature : row) entries.emplace_back(feature, scale);
    n_units += row.empty() ? 0 : 1;
  }
  std::sort(entries.begin(), entries.end());
  for (size_t e = 0; e < entries.size();) {
    double sum = 0;
    const int32_t feature = entries[e].first;
    for (; e < entries.size() && entries[e].first == feature; ++e) sum += entries[e].second;
    squared += sum * sum;
  }
  return DiversityOf(squared, n_units, static_cast<double>(list.size()));
}

ListMeter::ListMeter(const ModelView& model, const CsrView& item_features, int64_t k)
    : k_(k),
      popularity_(model.popularity),
      ideal_{0},
      vectors_(model.has_lists() ? HostMatrix<const float>() : model.item_factors, item_features) {
  int64_t n_active = 0;
  for (int64_t u = 0; u < model.n_users(); ++u) n_active += model.history.row(u).empty() ? 0 : 1;
  n_active_users_ = static_cast<double>(std::max<int64_t>(n_active, 1));
  for (int64_t place = 1; place <= k; ++place) {
    discounts_.push_back(1 / std::log2(static_cast<double>(place) + 1));
    ideal_.push_back(ideal_.back() + discounts_.back());
  }
}

UserMetrics ListMeter::Measure(std::span<const int32_t> list, std::span<const int32_t> relevant,
                               int64_t n_relevant) const {
  int64_t hits = 0;
  double gain = 0, precision_at_hits = 0, reciprocal = 0;
  for (size_t j = 0; j < list.size(); ++j) {
    if (!std::binary_search(relevant.begin(), relevant.end(), list[j])) continue;
    const auto place = static_cast<double>(j + 1);
    ++hits;
    gain += discounts_[j];
    precision_at_hits += static_cast<double>(hits) / place;
    if (hits == 1) reciprocal = 1 / place;
  }
  const int64_t n_reachable = std::min(k_, n_relevant);
  const auto n_hits = static_cast<double>(hits), capped = static_cast<double>(n_reachable);
  UserMetrics metrics;
  metrics[kRecall] = n_hits / static_cast<double>(n_relevant);
  metrics[kCappedRecall] = n_hits / capped;
  metrics[kPrecision] = n_hits / static_cast<double>(k_);
  metrics[kNdcg] = gain / ideal_[static_cast<size_t>(n_reachable)];
  metrics[kMap] = precision_at_hits / capped;
  metrics[kMrr] = reciprocal;
  metrics[kHitRate] = hits > 0 ? 1 : 0;
  metrics[kNovelty] = Novelty(list);
  metrics[kDiversity] = vectors_.Diversity(list);
  metrics[kListPopularity] = MeanPopularity(list);
  return metrics;
}

double ListMeter::MeanPopularity(std::span<const int32_t> items) const {
  if (items.empty()) return kNone;
  double sum = 0;
  for (const int32_t item : items) sum += popularity_[static_cast<size_t>(item)];
  return sum / n_active_users_ / static_cast<double>(items.size());
}

double ListMeter::Novelty(std::span<const int32_t> list) const {
  if (list.empty()) return kNone;
  double sum = 0;
  for (const int32_t item : list)
    sum += std::log2(n_active_users_ / std::max(1.0, double{popularity_[static_cast<size_t>(item)]}));
  return sum / static_cast<double>(list.size());
}

}  // namespace kindred
