// The order that an answer under rules begins with (host/ranking/rules.h, step 1), asked for the best of any set.
//
// A calibration never falls, so of items with the same product of boosts the order is that of their scores: one TopN
// for each product that there is, merged, is exact.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "host/conditions/bounded_cache.h"
#include "host/models/calibration.h"
#include "host/ranking/ranker.h"
#include "host/ranking/rules.h"

namespace kindred {

struct OrderedItem {
  int32_t item = 0;
  float score = 0;
  double value = 0;
};

/// Whether a is before b.
bool IsBefore(const OrderedItem& a, const OrderedItem& b);

/// What is asked: the n best of a set (null: of all items) by score, for a batch of queries.
using AskBest = std::function<RankedLists(const ItemSet& items, int64_t n)>;

/// The best of a query, in order.
struct OrderedList {
  std::vector<OrderedItem> items;
  bool cut_by_minimum = false;  // items were met whose score is below it
};

/// A set, parted by the product of the boosts that items have.
struct BoostClasses {
  struct Class {
    double factor = 1;
    ItemSet items;  // null: all items
  };

  std::vector<Class> classes;  // factors descending; none is empty
  std::vector<ItemSet> made_of;
};

/// What sets were parted into before, of sets and boosts that somebody asks with again and again. Thread-safe.
using BoostClassCache = BoundedCache<BoostClasses>;

class BoostedOrder {
 public:
  /// For rules that are in order. `calibration` is not empty where there are boosts. All outlive it.
  BoostedOrder(const RankingRules& rules, const CalibrationView& calibration, int64_t n_items, BoostClassCache& cache)
      : rules_(rules), calibration_(calibration), n_items_(n_items), cache_(cache) {}

  /// The eligible items that are in `within` (null: all of them), in parts to ask for. Cost, where they are not kept
  /// already: a pass over the sets for each product of boosts; memory a set each.
  std::shared_ptr<const BoostClasses> Parts(const ItemSet& within) const;

  /// The n best of each query among `parts`, and of those `open` (null: all of them); fewer only where there are no
  /// more. Cost: a TopN for each part, but for those that cannot be among the n any more.
  std::vector<OrderedList> Best(int64_t n_queries, int64_t n, const BoostClasses& parts, const ItemSet& open,
                                const AskBest& ask) const;

 private:
  double Value(double factor, float score) const;

  const RankingRules& rules_;
  const CalibrationView& calibration_;
  const int64_t n_items_;
  BoostClassCache& cache_;
};

}  // namespace kindred
