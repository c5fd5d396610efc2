// Which items a query may be answered with: filters and candidates, and what is left out. No gRPC types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/conditions/filter_cache.h"
#include "host/models/model.h"
#include "host/ranking/rule_cache.h"

namespace kindred {

inline constexpr int32_t kMaxCandidates = 10000;
inline constexpr int32_t kMaxExcludedItems = 10000;
inline constexpr int32_t kMaxEventExclusions = 100;
inline constexpr int32_t kMaxContext = 100;
inline constexpr size_t kMaxFilterBytes = size_t{1} << 16;

/// Leaves out items that the user had such an event with.
struct EventExclusion {
  std::string_view event;                 // empty: of any type
  std::optional<int64_t> within_seconds;  // how long ago at most, 0: none; unset: at any time
};

/// Views into a request, as RecommendQuery.
struct QueryConditions {
  std::string_view filter;  // host/conditions/filter.h; empty: none
  RequestContext context;
  std::vector<std::string_view> candidates;    // only these; empty: all items
  std::vector<EventExclusion> exclude_events;  // in place of the whole history, stored and given; empty: that
  std::vector<std::string_view> exclude_items;

  /// Whether what is left out is the history.
  bool exclude_history() const { return exclude_events.empty() && exclude_items.empty(); }
};

/// What conditions go by in one call: one snapshot of the items, and the time.
struct ItemsNow {
  std::shared_ptr<const ItemTable> items;  // null: there is nothing to filter
  FilterCache* filters = nullptr;
  RuleCache* rules = nullptr;  // null: rules keep nothing from call to call
  int64_t now = 0;             // unix seconds
};

/// What a query is to be answered from, before it is known which items that is.
struct Eligibility {
  std::optional<BoundFilter> filter;
  std::optional<std::vector<int32_t>> candidates;  // those that the model has, increasing
  int64_t n_candidates = 0;                        // different ones that were given
  std::string group;                               // alike where the same items are eligible
};

/// Throws kInvalidArgument with the line and column of what is wrong, or where this call knows no items.
BoundFilter BindFilter(std::string_view text, const FilterInputs& inputs, const ItemsNow& now);

/// Throws kInvalidArgument naming the field, what was found and what was expected; for a filter with its line and
/// column.
Eligibility PlanEligibility(const ModelView& model, const QueryConditions& conditions, int32_t user,
                            const ItemsNow& now);
/// Null where all items are.
std::shared_ptr<const ItemBits> EligibleItems(const ModelView& model, const Eligibility& eligibility,
                                              const ItemsNow& now);

/// The items that the answer must not have, increasing. `history` is the stored and the given one. Throws as above.
std::vector<int32_t> ExcludedItems(const ModelView& model, const QueryConditions& conditions, int32_t user,
                                   std::span<const int32_t> history, int64_t now);

/// "the model has 30 items, the filter lets 12 of them through", with what there is of it.
std::string WhatIsEligible(const ModelView& model, const Eligibility& eligibility, const ItemBits* eligible);

}  // namespace kindred
