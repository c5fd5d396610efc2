// The order that an answer under rules begins with (host/ranking/rules.h, step 1), asked for the best of any set.
//
// A calibration never falls, so of items with the same product of boosts the order is that of their scores: one TopN
// for each product that there is, merged, is exact.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

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

class BoostedOrder {
 public:
  /// For rules that are in order. `calibration` is not empty where there are boosts. Cost: a pass over the eligible set
  /// for each product of boosts; memory a set each.
  BoostedOrder(const RankingRules& rules, const CalibrationView& calibration, int64_t n_items);

  /// The n best of each query among `within` (null: all eligible items); fewer only where there are no more.
  /// Cost: a TopN for each product of boosts that `within` has, but for those that cannot be among the n any more.
  std::vector<OrderedList> Best(int64_t n_queries, int64_t n, const ItemSet& within, const AskBest& ask) const;

  int64_t n_eligible() const { return n_eligible_; }
  /// Whether the item is eligible.
  bool Has(int32_t item) const { return eligible_ == nullptr || eligible_->Has(item); }

 private:
  struct Class {
    double factor = 1;  // the product of the boosts
    ItemSet items;      // of the eligible; null: all items
  };

  double Value(const Class& one, float score) const;

  std::vector<Class> classes_;  // factors descending
  CalibrationView calibration_;
  bool boosted_ = false;
  std::optional<float> min_score_;
  ItemSet eligible_;
  int64_t n_eligible_ = 0;
};

}  // namespace kindred
