#include "host/ranking/ruled_ranking.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <unordered_map>

#include "host/ranking/boosted_order.h"
#include "host/ranking/diversity.h"
#include "kernels/error.h"

namespace kindred {
namespace {

/// Asks for lists of some of the queries.
using Source = std::function<RankedLists(std::span<const int64_t> queries, const Exclusions& excluded, int64_t n,
                                         const RankOptions& options)>;

struct TakenItem : OrderedItem {
  int32_t promotion = -1;
  bool has_slot = false;
};

/// What a query has so far.
struct Progress {
  std::vector<TakenItem> items;
  std::vector<std::unordered_map<int32_t, int32_t>> n_with_value;  // of each cap
  TopNCost cost;
  bool cut_by_minimum = false;
  int64_t n_passed_over = 0;
};

std::span<const int32_t> Row(const Exclusions& excluded, int64_t query) {
  if (excluded.indptr.empty()) return {};
  const auto begin = static_cast<size_t>(excluded.indptr[static_cast<size_t>(query)]);
  const auto end = static_cast<size_t>(excluded.indptr[static_cast<size_t>(query) + 1]);
  return std::span(excluded.items).subspan(begin, end - begin);
}

/// Takes the items of many queries' answers, step by step, under the same rules.
class Taking {
 public:
  Taking(const Source& source, const RankingRules& rules, const BoostedOrder& order, const Exclusions& excluded,
         int64_t n_queries, int64_t n_items, const RuledOptions& options)
      : source_(source), rules_(rules), order_(order), excluded_(excluded), n_items_(n_items), options_(options) {
    progress_.resize(static_cast<size_t>(n_queries));
    for (Progress& one : progress_) one.n_with_value.resize(rules.caps.size());
  }

  /// For each query the best `n_places` items among `within` (null: all eligible ones) that are not taken yet, but
  /// no more than `most` in all.
  void Take(const ItemSet& within, int64_t n_places, int64_t most, const TakenItem& as) {
    std::vector<int64_t> rows, wanted;
    for (int64_t q = 0; q < std::ssize(progress_); ++q) {
      const int64_t left = std::min(n_places, most - std::ssize(progress_[static_cast<size_t>(q)].items));
      if (left > 0) rows.push_back(q), wanted.push_back(left);
    }
    if (rows.empty()) return;
    const int64_t n_asked = std::min((rules_.caps.empty() ? 1 : 2) * std::min(n_places, most), n_items_);
    const auto parts = order_.Parts(within);
    const std::vector<OrderedList> lists = Ask(rows, n_asked, *parts, nullptr);
    for (size_t r = 0; r < rows.size(); ++r) {
      Progress& one = progress_[static_cast<size_t>(rows[r])];
      const int64_t passed_over = TakeFrom(lists[r], wanted[r], as, one, &wanted[r]);
      if (as.promotion < 0) one.n_passed_over = passed_over;
      if (wanted[r] > 0 && std::ssize(lists[r].items) == n_asked && n_asked < n_items_)
        TakeMore(rows[r], *parts, wanted[r], n_asked, as);
    }
  }

  std::vector<Progress>& progress() { return progress_; }

 private:
  std::vector<OrderedList> Ask(std::span<const int64_t> rows, int64_t n, const BoostClasses& parts,
                               const ItemSet& open) {
    Exclusions excluded;
    std::vector<int32_t> without;
    for (const int64_t row : rows) {
      const std::span<const int32_t> already = Row(excluded_, row);
      without.assign(already.begin(), already.end());
      for (const TakenItem& item : progress_[static_cast<size_t>(row)].items) without.push_back(item.item);
      excluded.Add(without);
    }
    return order_.Best(std::ssize(rows), n, parts, open, [&](const ItemSet& items, int64_t most) {
      const RankOptions options = {.eligible = items,
                                   .with_costs = options_.with_costs,
                                   .eligible_once = open != nullptr || options_.parts == nullptr};
      RankedLists lists = source_(rows, excluded, most, options);
      for (size_t r = 0; r < lists.costs.size(); ++r) {
        TopNCost& cost = progress_[static_cast<size_t>(rows[r])].cost;
        cost.scanned += lists.costs[r].scanned;
        cost.rescored += lists.costs[r].rescored;
      }
      return lists;
    });
  }

  bool IsPassedOver(const Progress& one, int32_t item) const {
    for (size_t cap = 0; cap < rules_.caps.size(); ++cap) {
      const auto found = one.n_with_value[cap].find(rules_.caps[cap].values[static_cast<size_t>(item)]);
      if (found != one.n_with_value[cap].end() && found->second >= rules_.caps[cap].most) return true;
    }
    return false;
  }

  /// Of all items.
  ItemSet NotPassedOver(const Progress& one) const {
    const auto open = std::make_shared<ItemBits>(ItemBits::All(n_items_));
    for (size_t cap = 0; cap < rules_.caps.size(); ++cap) {
      const std::span<const int32_t> values = rules_.caps[cap].values;
      // Of each value, by place value + 1, as -1 is none.
      std::vector<uint8_t> is_full(static_cast<size_t>(std::ranges::max(values) + 2));
      for (const auto& [value, n_taken] : one.n_with_value[cap])
        is_full[static_cast<size_t>(value + 1)] = n_taken >= rules_.caps[cap].most ? 1 : 0;
      for (size_t item = 0; item < values.size(); ++item)
        open->words[item / 64] &= ~(uint64_t{is_full[static_cast<size_t>(values[item] + 1)]} << (item % 64));
    }
    open->Count();
    return open;
  }

  /// Takes the next `wanted`; `left` is then what of them is missing. Returns how many of the list's first `wanted`
  /// were passed over.
  int64_t TakeFrom(const OrderedList& list, int64_t wanted, const TakenItem& as, Progress& one, int64_t* left) const {
    one.cut_by_minimum |= list.cut_by_minimum;
    int64_t n_passed_over = 0;
    *left = wanted;
    for (size_t i = 0; i < list.items.size() && *left > 0; ++i) {
      const OrderedItem& item = list.items[i];
      if (IsPassedOver(one, item.item)) {
        n_passed_over += static_cast<int64_t>(i) < wanted ? 1 : 0;
        continue;
      }
      one.items.push_back({item, as.promotion, as.has_slot});
      for (size_t cap = 0; cap < rules_.caps.size(); ++cap)
        if (const int32_t value = rules_.caps[cap].values[static_cast<size_t>(item.item)]; value >= 0)
          ++one.n_with_value[cap][value];
      --*left;
    }
    return n_passed_over;
  }

  /// For a query whose first list did not do: again, and again, without what is taken or would be passed over.
  void TakeMore(int64_t query, const BoostClasses& parts, int64_t wanted, int64_t n_asked, const TakenItem& as) {
    Progress& one = progress_[static_cast<size_t>(query)];
    for (bool all = false; wanted > 0 && !all;) {
      n_asked = std::min(2 * n_asked, n_items_);
      const OrderedList list = std::move(Ask({&query, 1}, n_asked, parts, NotPassedOver(one))[0]);
      all = std::ssize(list.items) < n_asked;
      TakeFrom(list, wanted, as, one, &wanted);
    }
  }

  const Source& source_;
  const RankingRules& rules_;
  const BoostedOrder& order_;
  const Exclusions& excluded_;
  const int64_t n_items_;
  const RuledOptions& options_;
  std::vector<Progress> progress_;
};

/// The places of step 4.
bool IsPlacedBefore(const TakenItem& a, const TakenItem& b) {
  if (a.has_slot != b.has_slot) return a.has_slot;
  if (a.has_slot && a.promotion != b.promotion) return a.promotion < b.promotion;
  return IsBefore(a, b);
}

ItemLikeness LikenessFor(const ModelView& model, const RankingRules& rules) {
  if (!(rules.diversity > 0)) return {};
  ItemLikeness likeness = {model.item_vectors(), {}};
  if (likeness.vectors.n_cols == 0) likeness.attributes = rules.attributes;
  if (likeness.empty())
    throw Error(ErrorCode::kUnsupported,
                fmt::format("diversity.strength: a model '{}' has no vectors to compare items by, and they have no "
                            "attributes of categories",
                            model.algorithm));
  return likeness;
}

[[noreturn]] void RefuseBoosts() {
  throw Error(ErrorCode::kUnsupported,
              "boosts: they multiply the calibrated probability of a score, and this version of the model has no "
              "calibration");
}

void Diversify(std::vector<TakenItem>& items, int64_t n, double strength, const ItemLikeness& likeness) {
  std::vector<PoolItem> pool;
  for (const TakenItem& item : items)
    pool.push_back({item.item, item.value,
                    item.has_slot         ? PoolItem::kFirst
                    : item.promotion >= 0 ? PoolItem::kReserved
                                          : PoolItem::kFree});
  std::vector<TakenItem> picked;
  for (const size_t place : PickDiverse(pool, n, strength, likeness)) picked.push_back(items[place]);
  items = std::move(picked);
}

std::vector<RuledList> Rank(const ModelView& model, const Source& source, int64_t n_queries,
                            const CalibrationView& calibration, const Exclusions& excluded, int64_t n,
                            const RankingRules& rules, const RuledOptions& options) {
  CheckRules(rules, model.n_items(), n);
  if (!rules.boosts.empty() && calibration.empty()) RefuseBoosts();
  const ItemLikeness likeness = LikenessFor(model, rules);
  const bool diversified = rules.diversity > 0;
  BoostClassCache own(INT64_MAX);
  const BoostedOrder order(rules, calibration, model.n_items(), options.parts ? *options.parts : own);
  Taking taking(source, rules, order, excluded, n_queries, model.n_items(), options);
  const std::vector<int64_t> places = PromotedPlaces(rules, n);
  const int64_t most = diversified ? kDiversityPool * n : n;
  for (size_t p = 0; p < places.size(); ++p)
    taking.Take(rules.promotions[p].items, places[p], most,
                {{}, static_cast<int32_t>(p), rules.promotions[p].slots.has_value()});
  taking.Take({}, most, most, {});

  std::vector<RuledList> lists(static_cast<size_t>(n_queries));
  for (int64_t q = 0; q < n_queries; ++q) {
    Progress& one = taking.progress()[static_cast<size_t>(q)];
    std::ranges::sort(one.items, IsPlacedBefore);
    if (diversified) Diversify(one.items, n, rules.diversity, likeness);
    RuledList& list = lists[static_cast<size_t>(q)];
    for (const TakenItem& item : one.items) list.items.push_back({item.item, item.score, item.promotion});
    list.n_eligible = rules.eligible ? rules.eligible->n_set : model.n_items();
    list.n_excluded = std::ranges::count_if(
        Row(excluded, q), [&](int32_t item) { return rules.eligible == nullptr || rules.eligible->Has(item); });
    list.cost = one.cost;
    list.cut_by_minimum = one.cut_by_minimum && std::ssize(list.items) < n;
    list.n_passed_over = one.n_passed_over;
    list.diversified = diversified;
  }
  return lists;
}

}  // namespace

void CheckRulesFor(const ModelView& model, const RankingRules& rules, int64_t n) {
  CheckRules(rules, model.n_items(), n);
  if (!rules.boosts.empty() && model.has_factors() && model.calibration.empty()) RefuseBoosts();
  LikenessFor(model, rules);
}

std::vector<RuledList> RankByModel(Context& context, const Ranker& ranker, const Queries& queries,
                                   const Exclusions& excluded, int64_t n, const RankingRules& rules,
                                   const RuledOptions& options) {
  const Source source = [&](std::span<const int64_t> rows, const Exclusions& without, int64_t most,
                            const RankOptions& asked) {
    if (std::ssize(rows) == queries.size()) return ranker.ByModel(context, queries, without, most, asked);
    Queries some;
    for (const int64_t row : rows) some.Add(queries, row);
    return ranker.ByModel(context, some, without, most, asked);
  };
  return Rank(ranker.model(), source, queries.size(), ranker.model().calibration, excluded, n, rules, options);
}

std::vector<RuledList> RankByPopularity(Context& context, const Ranker& ranker, int64_t n_queries,
                                        const Exclusions& excluded, int64_t n, const RankingRules& rules,
                                        const RuledOptions& options) {
  const Source source = [&](std::span<const int64_t> rows, const Exclusions& without, int64_t most,
                            const RankOptions& asked) {
    return ranker.ByPopularity(context, std::ssize(rows), without, most, asked);
  };
  const float scores[] = {0, static_cast<float>(std::max<int64_t>(ranker.model().n_users(), 1))};
  const float shares[] = {0, 1};
  return Rank(ranker.model(), source, n_queries, {scores, shares}, excluded, n, rules, options);
}

}  // namespace kindred
