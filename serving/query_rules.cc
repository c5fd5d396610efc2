#include "serving/query_rules.h"

#include <fmt/format.h>

#include "kernels/error.h"

namespace kindred {
namespace {

/// The rules over the items of a call, which may know none.
BoundRules Bind(const RequestedRules& requested, std::shared_ptr<const ItemBits> eligible, const ItemsNow& now,
                const FilterItems& filter) {
  static const std::shared_ptr<const ItemTable> kNothing = ItemTable::From({}, nullptr);
  const ValueCodesCache own;
  return BindRules(requested, std::move(eligible), now.items ? *now.items : *kNothing,
                   now.rules ? now.rules->codes : own, filter);
}

}  // namespace

QueryRules PlanRules(const ModelView& model, const RequestedRules& requested, const FilterInputs& inputs, int32_t n,
                     const ItemsNow& now) {
  QueryRules rules = {&requested, inputs, {}};
  if (requested.none()) return rules;
  std::string group = fmt::format(" n {}", n);
  const BoundRules checked = Bind(requested, nullptr, now, [&](std::string_view filter) {
    const std::string key = BindFilter(filter, inputs, now).key;
    group += fmt::format(" filter {}:{}", key.size(), key);
    return nullptr;
  });
  CheckRulesFor(model, checked.rules, n);
  for (const RequestedRules::Boost& boost : requested.boosts) group += fmt::format(" boost {}", boost.factor);
  if (requested.min_score) group += fmt::format(" least {}", *requested.min_score);
  for (const RequestedRules::Promotion& promotion : requested.promotions)
    group += fmt::format(" promotion {}:{} {} {}", promotion.name.size(), promotion.name, promotion.slots.value_or(0),
                         promotion.percent.value_or(0));
  for (const auto& [attribute, most] : requested.max_per_attribute)
    group += fmt::format(" cap {}:{} {}", attribute.size(), attribute, most);
  rules.group = fmt::format("{} diversity {}", group, requested.diversity);
  return rules;
}

BoundRules BindRules(const QueryRules& rules, std::shared_ptr<const ItemBits> eligible, const ItemsNow& now) {
  return Bind(*rules.requested, std::move(eligible), now, [&](std::string_view filter) {
    return now.filters->Eligible(BindFilter(filter, rules.inputs, now), *now.items);
  });
}

std::string WhyRulesLeaveOut(const RequestedRules& requested, const RuledList& list) {
  const int64_t n_others = list.n_eligible - list.n_excluded - std::ssize(list.items);
  if (n_others <= 0) return {};
  const bool one = n_others == 1;
  const std::string others = one ? ", and the other one" : fmt::format(", and the other {}", n_others);
  const std::string low = requested.min_score
                              ? fmt::format("{} below {:g}", one ? "scores" : "score", *requested.min_score)
                          : one ? "has no score"
                                : "have no score";
  if (requested.max_per_attribute.empty()) return fmt::format("{} {}", others, low);
  const std::string capped = fmt::format("{} kept out by diversity.max_per_attribute", one ? "is" : "are");
  if (!list.cut_by_minimum) return fmt::format("{} {}", others, capped);
  return fmt::format("{} {} or {}", others, low, capped);
}

}  // namespace kindred
