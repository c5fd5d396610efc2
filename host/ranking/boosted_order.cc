#include "host/ranking/boosted_order.h"

#include <algorithm>
#include <bit>
#include <map>

namespace kindred {
namespace {

/// Adds to `sets`, by product, the items of word w with each product of boosts.
void SplitWord(const std::vector<Boost>& boosts, size_t w, size_t n_words, uint64_t items, size_t boost, double product,
               std::map<double, std::vector<uint64_t>>& sets) {
  if (items == 0) return;
  if (boost == boosts.size()) {
    std::vector<uint64_t>& set = sets[product];
    if (set.empty()) set.resize(n_words);
    set[w] |= items;
    return;
  }
  const uint64_t boosted = boosts[boost].items[w];
  SplitWord(boosts, w, n_words, items & boosted, boost + 1, product * double{boosts[boost].factor}, sets);
  SplitWord(boosts, w, n_words, items & ~boosted, boost + 1, product, sets);
}

/// The bits of word w that stand for items.
uint64_t RealItems(int64_t n_items, size_t w) {
  const int64_t after = n_items - static_cast<int64_t>(w) * 64;
  return after >= 64 ? ~uint64_t{0} : (uint64_t{1} << after) - 1;
}

bool IsEmpty(std::span<const uint64_t> items) {
  return std::ranges::all_of(items, [](uint64_t word) { return word == 0; });
}

}  // namespace

bool IsBefore(const OrderedItem& a, const OrderedItem& b) {
  if (a.value != b.value) return a.value > b.value;
  if (a.score != b.score) return a.score > b.score;
  return a.item < b.item;
}

BoostedOrder::BoostedOrder(const RankingRules& rules, const CalibrationView& calibration, int64_t n_items)
    : calibration_(calibration),
      boosted_(!rules.boosts.empty()),
      min_score_(rules.min_score),
      eligible_(rules.eligible),
      n_eligible_(n_items) {
  const auto n_words = static_cast<size_t>((n_items + 63) / 64);
  if (!eligible_.empty()) {
    n_eligible_ = 0;
    for (size_t w = 0; w < n_words; ++w) n_eligible_ += std::popcount(eligible_[w] & RealItems(n_items, w));
  }
  if (!boosted_) {
    classes_.push_back({1, {eligible_.begin(), eligible_.end()}});
    return;
  }
  std::map<double, std::vector<uint64_t>> sets;
  for (size_t w = 0; w < n_words; ++w) {
    const uint64_t items = RealItems(n_items, w) & (eligible_.empty() ? ~uint64_t{0} : eligible_[w]);
    SplitWord(rules.boosts, w, n_words, items, 0, 1, sets);
  }
  for (auto set = sets.rbegin(); set != sets.rend(); ++set) classes_.push_back({set->first, std::move(set->second)});
}

bool BoostedOrder::Has(int32_t item) const {
  return eligible_.empty() || (eligible_[static_cast<size_t>(item / 64)] >> (item % 64) & 1) != 0;
}

double BoostedOrder::Value(const Class& one, float score) const {
  return boosted_ ? double{calibration_.Probability(score)} * one.factor : double{score};
}

std::vector<OrderedList> BoostedOrder::Best(int64_t n_queries, int64_t n, ItemSet within, const AskBest& ask) const {
  std::vector<OrderedList> best(static_cast<size_t>(n_queries));
  if (n_queries == 0 || n == 0) return best;
  std::vector<uint64_t> both;
  for (const Class& one : classes_) {
    const double most = boosted_ ? double{calibration_.probabilities.back()} * one.factor : 0;
    if (boosted_ && std::ranges::all_of(best, [&](const OrderedList& list) {
          return std::ssize(list.items) == n && list.items.back().value > most;
        }))
      break;
    ItemSet items = one.items.empty() ? within : ItemSet(one.items);
    if (!one.items.empty() && !within.empty()) {
      both.resize(within.size());
      std::ranges::transform(one.items, within, both.begin(), std::bit_and());
      items = both;
    }
    if (!items.empty() && IsEmpty(items)) continue;
    const RankedLists lists = ask(items, n);
    for (int64_t q = 0; q < n_queries; ++q) {
      OrderedList& list = best[static_cast<size_t>(q)];
      const auto n_before = std::ssize(list.items);
      for (size_t i = 0; i < lists.Items(q).size(); ++i) {
        const float score = lists.Scores(q)[i];
        if (min_score_ && score < *min_score_) {
          list.cut_by_minimum = true;
          break;
        }
        list.items.push_back({lists.Items(q)[i], score, Value(one, score)});
      }
      std::inplace_merge(list.items.begin(), list.items.begin() + n_before, list.items.end(), IsBefore);
      list.items.resize(std::min(list.items.size(), static_cast<size_t>(n)));
    }
  }
  return best;
}

}  // namespace kindred
