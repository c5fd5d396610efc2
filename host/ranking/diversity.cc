#include "host/ranking/diversity.h"

#include <algorithm>
#include <cmath>

namespace kindred {
namespace {

/// How alike one item of a pool is to all of them.
class Similarities {
 public:
  Similarities(std::span<const PoolItem> pool, const ItemLikeness& likeness)
      : pool_(pool), likeness_(likeness), norms_(pool.size()), sums_(pool.size()) {
    const int64_t n_columns = likeness.vectors.n_cols;
    columns_.resize(pool.size() * static_cast<size_t>(n_columns));
    for (size_t i = 0; i < pool.size(); ++i) {
      double squared = 0;
      for (int64_t k = 0; k < n_columns; ++k) {
        const double x = likeness.vectors.row(pool[i].item)[static_cast<size_t>(k)];
        squared += x * x;
        columns_[static_cast<size_t>(k) * pool.size() + i] = x;
      }
      if (n_columns == 0)
        for (const auto values : likeness.attributes) squared += values[static_cast<size_t>(pool[i].item)] >= 0 ? 1 : 0;
      norms_[i] = std::sqrt(squared);
    }
  }

  /// Valid until the next call.
  std::span<const double> Of(size_t picked) {
    std::fill(sums_.begin(), sums_.end(), 0.0);
    if (likeness_.vectors.n_cols > 0)
      AddProducts(picked);
    else
      AddSharedValues(picked);
    for (size_t i = 0; i < sums_.size(); ++i) {
      const double size = norms_[picked] * norms_[i];
      sums_[i] = size > 0 ? sums_[i] / size : 0;
    }
    return sums_;
  }

 private:
  // Column by column, so that all items' sums grow side by side, each in its order.
  void AddProducts(size_t picked) {
    const size_t n = sums_.size();
    for (const double* column = columns_.data(); column < columns_.data() + columns_.size(); column += n) {
      const double factor = column[picked];
      for (size_t i = 0; i < n; ++i) sums_[i] += factor * column[i];
    }
  }

  void AddSharedValues(size_t picked) {
    for (const std::span<const int32_t> values : likeness_.attributes) {
      const int32_t value = values[static_cast<size_t>(pool_[picked].item)];
      if (value < 0) continue;
      for (size_t i = 0; i < sums_.size(); ++i) sums_[i] += values[static_cast<size_t>(pool_[i].item)] == value ? 1 : 0;
    }
  }

  std::span<const PoolItem> pool_;
  const ItemLikeness& likeness_;
  std::vector<double> columns_;  // the pool's vectors, [columns x pool]
  std::vector<double> norms_, sums_;
};

std::vector<double> Relevances(std::span<const PoolItem> pool) {
  constexpr double kLargest = 1e300;
  std::vector<double> relevances;
  for (const PoolItem& item : pool) relevances.push_back(std::clamp(item.value, -kLargest, kLargest));
  if (relevances.empty()) return relevances;
  const auto [least, most] = std::ranges::minmax(relevances);
  const double range = most - least;
  for (double& relevance : relevances) relevance = range > 0 ? (relevance - least) / range : 0;
  return relevances;
}

}  // namespace

std::vector<size_t> PickDiverse(std::span<const PoolItem> pool, int64_t n, double strength,
                                const ItemLikeness& likeness) {
  const std::vector<double> relevances = Relevances(pool);
  Similarities similarities(pool, likeness);
  std::vector<double> largest(pool.size());  // similarity to a picked item
  std::vector<bool> is_picked(pool.size());
  std::vector<size_t> picked;
  auto n_reserved = std::ranges::count(pool, PoolItem::kReserved, &PoolItem::place);
  const auto n_places = std::min(static_cast<size_t>(n), pool.size());
  while (picked.size() < n_places) {
    const bool only_reserved = std::ssize(picked) + n_reserved >= std::ssize(pool.first(n_places)) && n_reserved > 0;
    size_t best = pool.size();
    double best_gain = 0;
    for (size_t i = 0; i < pool.size(); ++i) {
      if (is_picked[i] || (only_reserved && pool[i].place != PoolItem::kReserved)) continue;
      if (pool[i].place == PoolItem::kFirst) {
        best = i;
        break;
      }
      const double gain = (1 - strength) * relevances[i] - strength * largest[i];
      if (best == pool.size() || gain > best_gain) best = i, best_gain = gain;
    }
    if (pool[best].place == PoolItem::kReserved) --n_reserved;
    const std::span<const double> to_best = similarities.Of(best);
    for (size_t i = 0; i < pool.size(); ++i)
      largest[i] = picked.empty() ? to_best[i] : std::max(largest[i], to_best[i]);
    is_picked[best] = true;
    picked.push_back(best);
  }
  return picked;
}

}  // namespace kindred
