#include "host/ranking/boosted_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace kindred {
namespace {

/// What is in both; null: in all.
ItemSet Both(const ItemSet& a, const ItemSet& b) {
  if (a == nullptr || b == nullptr) return a ? a : b;
  const auto both = std::make_shared<ItemBits>(*a);
  both->Intersect(*b);
  return both;
}

/// Parts of `items` by the product of boosts, those that are not empty, factors descending.
std::vector<BoostClasses::Class> PartedByBoosts(const ItemBits& items, const std::vector<Boost>& boosts) {
  std::map<double, ItemBits> parts;
  parts.emplace(1, items);
  for (const Boost& boost : boosts) {
    std::map<double, ItemBits> finer;
    const auto add = [&](double factor, const std::vector<uint64_t>& words) {
      ItemBits& part = finer.try_emplace(factor, items.n_items).first->second;
      for (size_t w = 0; w < words.size(); ++w) part.words[w] |= words[w];
    };
    for (const auto& [factor, part] : parts) {
      std::vector<uint64_t> words = part.words;
      for (size_t w = 0; w < words.size(); ++w) words[w] &= boost.items->words[w];
      add(factor * double{boost.factor}, words);
      for (size_t w = 0; w < words.size(); ++w) words[w] = part.words[w] & ~boost.items->words[w];
      add(factor, words);
    }
    for (auto& [factor, part] : finer) part.Count();
    std::erase_if(finer, [](const auto& part) { return part.second.n_set == 0; });
    parts = std::move(finer);
  }
  std::vector<BoostClasses::Class> found;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part)
    found.push_back({part->first, std::make_shared<const ItemBits>(std::move(part->second))});
  return found;
}

}  // namespace

bool IsBefore(const OrderedItem& a, const OrderedItem& b) {
  if (a.value != b.value) return a.value > b.value;
  if (a.score != b.score) return a.score > b.score;
  return a.item < b.item;
}

std::shared_ptr<const BoostClasses> BoostedOrder::Parts(const ItemSet& within) const {
  // Sets are known by where they are: an entry keeps those that it was made of.
  std::string name = fmt::format("{} {}", fmt::ptr(rules_.eligible), fmt::ptr(within));
  for (const Boost& boost : rules_.boosts) name += fmt::format(" {} {}", fmt::ptr(boost.items), boost.factor);
  if (auto found = cache_.Find(name)) return found;
  const auto parts = std::make_shared<BoostClasses>();
  const ItemSet items = Both(rules_.eligible, within);
  if (rules_.boosts.empty()) {
    if (items == nullptr || items->n_set > 0) parts->classes.push_back({1, items});
  } else {
    parts->classes = PartedByBoosts(items ? *items : ItemBits::All(n_items_), rules_.boosts);
  }
  parts->made_of = {rules_.eligible, within};
  for (const Boost& boost : rules_.boosts) parts->made_of.push_back(boost.items);
  int64_t bytes = 0;
  for (const ItemSet& set : parts->made_of) bytes += set ? set->bytes() : 0;
  for (const BoostClasses::Class& part : parts->classes) bytes += part.items ? part.items->bytes() : 0;
  return cache_.Keep(std::move(name), parts, bytes);
}

double BoostedOrder::Value(double factor, float score) const {
  return rules_.boosts.empty() ? double{score} : double{calibration_.Probability(score)} * factor;
}

std::vector<OrderedList> BoostedOrder::Best(int64_t n_queries, int64_t n, const BoostClasses& parts,
                                            const ItemSet& open, const AskBest& ask) const {
  std::vector<OrderedList> best(static_cast<size_t>(n_queries));
  if (n_queries == 0 || n == 0) return best;
  for (const BoostClasses::Class& part : parts.classes) {
    const double most = rules_.boosts.empty() ? 0 : double{calibration_.probabilities.back()} * part.factor;
    if (!rules_.boosts.empty() && std::ranges::all_of(best, [&](const OrderedList& list) {
          return std::ssize(list.items) == n && list.items.back().value > most;
        }))
      break;
    const ItemSet items = Both(part.items, open);
    if (items && items->n_set == 0) continue;
    const RankedLists lists = ask(items, items ? std::min(n, items->n_set) : n);
    for (int64_t q = 0; q < n_queries; ++q) {
      OrderedList& list = best[static_cast<size_t>(q)];
      const auto n_before = std::ssize(list.items);
      for (size_t i = 0; i < lists.Items(q).size(); ++i) {
        const float score = lists.Scores(q)[i];
        if (rules_.min_score && score < *rules_.min_score) {
          list.cut_by_minimum = true;
          break;
        }
        list.items.push_back({lists.Items(q)[i], score, Value(part.factor, score)});
      }
      std::inplace_merge(list.items.begin(), list.items.begin() + n_before, list.items.end(), IsBefore);
      list.items.resize(std::min(list.items.size(), static_cast<size_t>(n)));
    }
  }
  return best;
}

}  // namespace kindred
