// What a query's rules (host/ranking/rules.h) come to for the items as they are now. No gRPC types.
#pragma once

#include <cstdint>
#include <string>

#include "host/models/model.h"
#include "host/ranking/requested_rules.h"
#include "host/ranking/ruled_ranking.h"
#include "serving/eligibility.h"

namespace kindred {

/// Rules of one query, who asks, and with what: what it is made of lives as long.
struct QueryRules {
  const RequestedRules* requested = nullptr;
  FilterInputs inputs;
  std::string group;  // alike where rules are, for the same eligible items; empty: there are none

  bool none() const { return group.empty(); }
};

/// For an answer of n. Throws kInvalidArgument naming the field, what was found and what was expected, and kUnsupported
/// where the model cannot do it; what depends on the items' values is left to BindRules.
QueryRules PlanRules(const ModelView& model, const RequestedRules& requested, const FilterInputs& inputs, int32_t n,
                     const ItemsNow& now);

/// The same rules over sets and values. Throws as above.
BoundRules BindRules(const QueryRules& rules, std::shared_ptr<const ItemBits> eligible, const ItemsNow& now);

/// Why an answer has fewer than n items, after what is eligible and excluded: ", and the other 12 score below 0.5".
/// Empty where there are no others.
std::string WhyRulesLeaveOut(const RequestedRules& requested, const RuledList& list);

}  // namespace kindred
