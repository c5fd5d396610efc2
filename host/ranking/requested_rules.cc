#include "host/ranking/requested_rules.h"

#include <fmt/format.h>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

/// What `bind` returns, where an error gets the field's name.
template <class Bind>
auto OfField(const std::string& field, const Bind& bind) {
  try {
    return bind();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    throw Error(error.code(), field + ": " + error.what());
  }
}

ItemSet SetOf(const std::string& field, std::string_view text, const FilterItems& filter) {
  if (text.empty()) throw Error(ErrorCode::kInvalidArgument, field + ": is empty, expected an expression");
  return OfField(field, [&] { return filter(text); });
}

}  // namespace

BoundRules BindRules(const RequestedRules& requested, ItemSet eligible, const ItemTable& items,
                     const ValueCodesCache& codes, const FilterItems& filter) {
  // Before any of them costs something.
  CheckRuleCounts(requested.boosts.size(), requested.promotions.size(), requested.max_per_attribute.size());
  BoundRules bound;
  RankingRules& rules = bound.rules;
  rules.eligible = std::move(eligible);
  for (size_t b = 0; b < requested.boosts.size(); ++b)
    rules.boosts.push_back(
        {SetOf(fmt::format("boosts[{}].filter", b), requested.boosts[b].filter, filter), requested.boosts[b].factor});
  rules.min_score = requested.min_score;
  for (size_t p = 0; p < requested.promotions.size(); ++p) {
    const RequestedRules::Promotion& one = requested.promotions[p];
    rules.promotions.push_back({std::string(one.name),
                                SetOf(fmt::format("promotions[{}].filter", p), one.filter, filter), one.slots,
                                one.percent});
  }
  for (const auto& [name, most] : requested.max_per_attribute) {
    const std::string field = fmt::format("diversity.max_per_attribute['{}']", Printable(name));
    bound.codes.push_back(OfField(field, [&] { return codes.Of(items.Named(name)); }));
    rules.caps.push_back({std::string(name), bound.codes.back()->codes, most});
  }
  rules.diversity = requested.diversity;
  if (!(rules.diversity > 0)) return bound;
  for (const std::shared_ptr<const ItemColumn>& column : items.columns())
    if (column->type() == AttributeType::kCategory || column->type() == AttributeType::kBoolean) {
      bound.codes.push_back(codes.Of(column));
      rules.attributes.push_back(bound.codes.back()->codes);
    }
  return bound;
}

}  // namespace kindred
