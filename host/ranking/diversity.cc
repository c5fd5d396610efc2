#include "host/ranking/diversity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <queue>

namespace kindred {
namespace {

/// How alike the items of a pool are to those picked from it so far.
class Picks {
 public:
  Picks(std::span<const PoolItem> pool, const ItemLikeness& likeness)
      : pool_(pool), likeness_(likeness), norms_(pool.size()), largest_(pool.size()), n_seen_(pool.size()) {
    for (size_t i = 0; i < pool.size(); ++i) norms_[i] = Norm(pool[i].item);
  }

  size_t n() const { return places_.size(); }
  const std::vector<size_t>& places() const { return places_; }

  void Add(size_t place) {
    places_.push_back(place);
    if (n_columns() == 0) return;
    const std::span<const float> vector = likeness_.vectors.row(pool_[place].item);
    vectors_.insert(vectors_.end(), vector.begin(), vector.end());
  }

  bool IsSeen(size_t place) const { return n_seen_[place] == n(); }

  /// The largest similarity of the pool's item to all picks; 0 where there are none. It may be below 0.
  double Largest(size_t place) {
    size_t& seen = n_seen_[place];
    if (seen == 0 && n() > 0) largest_[place] = -2;
    while (seen < n()) {
      std::array<double, kAtOnce> sums = {};
      const size_t n_more = std::min(kAtOnce, n() - seen);
      if (n_columns() > 0)
        AddProducts(place, seen, n_more, sums);
      else
        for (size_t p = 0; p < n_more; ++p) sums[p] = SharedValues(place, places_[seen + p]);
      for (size_t p = 0; p < n_more; ++p) {
        const double size = norms_[places_[seen + p]] * norms_[place];
        largest_[place] = std::max(largest_[place], size > 0 ? sums[p] / size : 0);
      }
      seen += n_more;
    }
    return largest_[place];
  }

 private:
  static constexpr size_t kAtOnce = 4;  // sums that do not wait for each other

  int64_t n_columns() const { return likeness_.vectors.n_cols; }

  double Norm(int32_t item) const {
    double squared = 0;
    for (int64_t k = 0; k < n_columns(); ++k) {
      const double x = likeness_.vectors.row(item)[static_cast<size_t>(k)];
      squared += x * x;
    }
    if (n_columns() == 0)
      for (const auto& values : likeness_.attributes) squared += values[static_cast<size_t>(item)] >= 0 ? 1 : 0;
    return std::sqrt(squared);
  }

  void AddProducts(size_t place, size_t first, size_t n_more, std::array<double, kAtOnce>& sums) const {
    const auto n_cols = static_cast<size_t>(n_columns());
    const float* one = likeness_.vectors.row(pool_[place].item).data();
    std::array<const float*, kAtOnce> others;
    for (size_t p = 0; p < kAtOnce; ++p) others[p] = vectors_.data() + (first + std::min(p, n_more - 1)) * n_cols;
    for (size_t k = 0; k < n_cols; ++k)
      for (size_t p = 0; p < kAtOnce; ++p) sums[p] += double{one[k]} * double{others[p][k]};
  }

  double SharedValues(size_t a, size_t b) const {
    double n_shared = 0;
    for (const std::span<const int32_t> values : likeness_.attributes) {
      const int32_t value = values[static_cast<size_t>(pool_[a].item)];
      n_shared += value >= 0 && value == values[static_cast<size_t>(pool_[b].item)] ? 1 : 0;
    }
    return n_shared;
  }

  std::span<const PoolItem> pool_;
  const ItemLikeness& likeness_;
  std::vector<double> norms_, largest_;
  std::vector<size_t> n_seen_;  // how many picks `largest_` knows of
  std::vector<size_t> places_;
  std::vector<float> vectors_;  // of the picks
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

/// What an item of the pool was worth when it was last looked at.
struct Worth {
  double gain = 0;
  size_t place = 0;

  bool operator<(const Worth& other) const { return gain != other.gain ? gain < other.gain : place > other.place; }
};

}  // namespace

std::vector<size_t> PickDiverse(std::span<const PoolItem> pool, int64_t n, double strength,
                                const ItemLikeness& likeness) {
  const auto n_places = std::min(static_cast<size_t>(n), pool.size());
  const std::vector<double> relevances = Relevances(pool);
  Picks picks(pool, likeness);
  const auto worth = [&](size_t place) {
    return Worth{(1 - strength) * relevances[place] - strength * picks.Largest(place), place};
  };
  std::vector<size_t> left;
  size_t n_reserved = 0;
  for (size_t place = 0; place < pool.size(); ++place) {
    if (pool[place].place == PoolItem::kFirst)
      picks.Add(place);
    else
      left.push_back(place);
    n_reserved += pool[place].place == PoolItem::kReserved ? 1 : 0;
  }

  // The second pick is the first that others are compared with, and may make them worth more: all are looked at anew.
  std::priority_queue<Worth> best;
  const auto look_at = [&](bool only_reserved) {
    best = {};
    for (const size_t place : left)
      if (!only_reserved || pool[place].place == PoolItem::kReserved) best.push(worth(place));
  };
  bool only_reserved = false;
  while (picks.n() < n_places) {
    const bool was_first = picks.n() <= 1 || best.empty();
    const bool reserved_now = n_reserved > 0 && picks.n() + n_reserved == n_places;
    if (was_first || reserved_now != only_reserved) look_at(reserved_now);
    only_reserved = reserved_now;
    Worth next = best.top();
    for (best.pop(); !picks.IsSeen(next.place); best.pop()) {
      best.push(worth(next.place));
      next = best.top();
    }
    std::erase(left, next.place);
    n_reserved -= pool[next.place].place == PoolItem::kReserved ? 1 : 0;
    picks.Add(next.place);
  }
  return picks.places();
}

}  // namespace kindred
