#include "host/ranking/boosted_order.h"

#include <algorithm>
#include <map>

namespace kindred {
namespace {

/// Adds to `sets`, by product, the items of word w with each product of boosts.
void SplitWord(const std::vector<Boost>& boosts, size_t w, int64_t n_items, uint64_t items, size_t boost,
               double product, std::map<double, ItemBits>& sets) {
  if (items == 0) return;
  if (boost == boosts.size()) {
    sets.try_emplace(product, n_items).first->second.words[w] |= items;
    return;
  }
  const uint64_t boosted = boosts[boost].items->words[w];
  SplitWord(boosts, w, n_items, items & boosted, boost + 1, product * double{boosts[boost].factor}, sets);
  SplitWord(boosts, w, n_items, items & ~boosted, boost + 1, product, sets);
}

/// The words of a set, of all items where it is null.
std::vector<uint64_t> WordsOf(const ItemSet& set, int64_t n_items) {
  if (set) return set->words;
  std::vector<uint64_t> words(static_cast<size_t>((n_items + 63) / 64), ~uint64_t{0});
  if (n_items % 64 != 0) words.back() = (uint64_t{1} << (n_items % 64)) - 1;
  return words;
}

/// What is in both; null: in all.
ItemSet Both(const ItemSet& a, const ItemSet& b) {
  if (a == nullptr || b == nullptr) return a ? a : b;
  const auto both = std::make_shared<ItemBits>(*a);
  both->Intersect(*b);
  return both;
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
      n_eligible_(eligible_ ? eligible_->n_set : n_items) {
  if (!boosted_) {
    classes_.push_back({1, eligible_});
    return;
  }
  std::map<double, ItemBits> sets;
  const std::vector<uint64_t> words = WordsOf(eligible_, n_items);
  for (size_t w = 0; w < words.size(); ++w) SplitWord(rules.boosts, w, n_items, words[w], 0, 1, sets);
  for (auto set = sets.rbegin(); set != sets.rend(); ++set) {
    set->second.Count();
    classes_.push_back({set->first, std::make_shared<const ItemBits>(std::move(set->second))});
  }
}

double BoostedOrder::Value(const Class& one, float score) const {
  return boosted_ ? double{calibration_.Probability(score)} * one.factor : double{score};
}

std::vector<OrderedList> BoostedOrder::Best(int64_t n_queries, int64_t n, const ItemSet& within,
                                            const AskBest& ask) const {
  std::vector<OrderedList> best(static_cast<size_t>(n_queries));
  if (n_queries == 0 || n == 0) return best;
  std::vector<uint64_t> both;
  for (const Class& one : classes_) {
    const double most = boosted_ ? double{calibration_.probabilities.back()} * one.factor : 0;
    if (boosted_ && std::ranges::all_of(best, [&](const OrderedList& list) {
          return std::ssize(list.items) == n && list.items.back().value > most;
        }))
      break;
    const ItemSet items = Both(one.items, within);
    if (items && items->n_set == 0) continue;
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
