#include "host/ranking/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

[[noreturn]] void Refuse(const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, what);
}

void CheckCount(const char* field, size_t found, size_t most) {
  if (found > most) Refuse(fmt::format("{}: has {} entries, expected at most {}", field, found, most));
}

void CheckSet(const std::string& field, const ItemSet& items, int64_t n_items) {
  if (items && items->n_items != n_items)
    Refuse(fmt::format("{}: is a set of {} items, expected of {}", field, items->n_items, n_items));
}

void CheckValues(const std::string& field, std::span<const int32_t> values, int64_t n_items) {
  if (std::ssize(values) != n_items)
    Refuse(fmt::format("{}: has the values of {} items, expected {}", field, values.size(), n_items));
}

void CheckBoosts(const std::vector<Boost>& boosts, int64_t n_items) {
  for (size_t b = 0; b < boosts.size(); ++b) {
    CheckSet(fmt::format("boosts[{}]", b), boosts[b].items, n_items);
    const float factor = boosts[b].factor;
    if (!(factor > 0 && factor <= kMaxBoostFactor))
      Refuse(
          fmt::format("boosts[{}].factor: is {}, expected more than 0 and at most {:g}", b, factor, kMaxBoostFactor));
  }
}

void CheckAmount(size_t at, const Promotion& promotion, int64_t n) {
  if (promotion.slots.has_value() == promotion.percent.has_value())
    Refuse(fmt::format("promotions[{}]: has {} percent {} slots, expected one of them", at,
                       promotion.slots ? "both" : "neither", promotion.slots ? "and" : "nor"));
  if (promotion.slots && !(*promotion.slots >= 1 && *promotion.slots <= n))
    Refuse(fmt::format("promotions[{}].slots: is {}, expected 1 to n, which is {}", at, *promotion.slots, n));
  if (promotion.percent && !(*promotion.percent > 0 && *promotion.percent <= 100))
    Refuse(fmt::format("promotions[{}].percent: is {}, expected more than 0 and at most 100", at, *promotion.percent));
}

void CheckPromotions(const std::vector<Promotion>& promotions, int64_t n_items, int64_t n) {
  std::unordered_set<std::string> names;
  double percent = 0;
  int64_t slots = 0;
  for (size_t p = 0; p < promotions.size(); ++p) {
    const Promotion& promotion = promotions[p];
    if (promotion.name.empty()) Refuse(fmt::format("promotions[{}].name: is empty, expected a name", p));
    if (!names.insert(promotion.name).second)
      Refuse(fmt::format("promotions[{}].name: '{}' is there twice, expected a name of its own for each", p,
                         Printable(promotion.name)));
    CheckSet(fmt::format("promotions[{}]", p), promotion.items, n_items);
    CheckAmount(p, promotion, n);
    percent += promotion.percent.value_or(0);
    slots += promotion.slots.value_or(0);
  }
  constexpr double kRounding = 1e-3;
  if (percent > 100 + kRounding)
    Refuse(fmt::format("promotions: their percent are {:g} together, expected at most 100", percent));
  if (static_cast<double>(slots) + percent / 100 * static_cast<double>(n) > static_cast<double>(n) + kRounding)
    Refuse(
        fmt::format("promotions: {} slots and {:g} percent of {} places are more than there are", slots, percent, n));
}

void CheckCaps(const std::vector<Cap>& caps, int64_t n_items) {
  std::unordered_set<std::string> names;
  for (const Cap& cap : caps) {
    const std::string field = fmt::format("diversity.max_per_attribute['{}']", Printable(cap.name));
    if (!names.insert(cap.name).second) Refuse(field + ": is there twice, expected it once");
    if (cap.most < 1) Refuse(fmt::format("{}: is {}, expected 1 or more", field, cap.most));
    CheckValues(field, cap.values, n_items);
  }
}

}  // namespace

void CheckRuleCounts(size_t n_boosts, size_t n_promotions, size_t n_caps) {
  CheckCount("boosts", n_boosts, kMaxBoosts);
  CheckCount("promotions", n_promotions, kMaxPromotions);
  CheckCount("diversity.max_per_attribute", n_caps, kMaxCaps);
}

void CheckRules(const RankingRules& rules, int64_t n_items, int64_t n) {
  CheckRuleCounts(rules.boosts.size(), rules.promotions.size(), rules.caps.size());
  CheckSet("filter", rules.eligible, n_items);
  CheckBoosts(rules.boosts, n_items);
  if (rules.min_score && !std::isfinite(*rules.min_score))
    Refuse(fmt::format("min_score: is {}, expected a finite number", *rules.min_score));
  CheckPromotions(rules.promotions, n_items, n);
  CheckCaps(rules.caps, n_items);
  if (!(rules.diversity >= 0 && rules.diversity <= 1))
    Refuse(fmt::format("diversity.strength: is {}, expected 0 to 1", rules.diversity));
  for (const std::span<const int32_t> values : rules.attributes) CheckValues("diversity", values, n_items);
}

std::vector<int64_t> PromotedPlaces(const RankingRules& rules, int64_t n) {
  constexpr double kRounding = 1e-3;
  int64_t left = n;
  for (const Promotion& promotion : rules.promotions) left -= promotion.slots.value_or(0);
  std::vector<int64_t> places;
  for (const Promotion& promotion : rules.promotions) {
    if (promotion.slots) {
      places.push_back(*promotion.slots);
      continue;
    }
    const double share = double{*promotion.percent} / 100 * static_cast<double>(n);
    const auto rounded = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(share - kRounding)));
    places.push_back(std::min(rounded, left));
    left -= places.back();
  }
  return places;
}

}  // namespace kindred
