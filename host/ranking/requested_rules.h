// Rules as requests have them, by filters and names of attributes, and what they come to for the items of a version.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "host/conditions/item_bits.h"
#include "host/conditions/item_table.h"
#include "host/conditions/value_codes.h"
#include "host/ranking/rules.h"

namespace kindred {

/// Views into a request. What a rule means and what it may be: host/ranking/rules.h.
struct RequestedRules {
  struct Boost {
    std::string_view filter;
    float factor = 0;
  };
  struct Promotion {
    std::string_view name, filter;
    std::optional<int32_t> slots;
    std::optional<float> percent;
  };

  std::vector<Boost> boosts;
  std::optional<float> min_score;
  std::vector<Promotion> promotions;
  float diversity = 0;
  std::vector<std::pair<std::string_view, int32_t>> max_per_attribute;  // at most so many items with the same value

  /// Whether a longer answer begins with the shorter one.
  bool has_pages() const { return promotions.empty() && !(diversity > 0); }
  bool none() const {
    return boosts.empty() && !min_score && promotions.empty() && diversity == 0 && max_per_attribute.empty();
  }
};

/// Rules for ranking, with what keeps their values.
struct BoundRules {
  RankingRules rules;
  std::vector<std::shared_ptr<const ValueCodes>> codes;
};

/// The items for which a filter is true. Throws kInvalidArgument.
using FilterItems = std::function<ItemSet(std::string_view filter)>;

/// `eligible` may be null: all items are. `items`: the attributes as they are now. Everything is checked but what
/// depends on how many items are asked for (CheckRules). Throws kInvalidArgument naming the field, what was found and
/// what was expected. Cost beside the filters and the codes: nothing that grows with the items.
BoundRules BindRules(const RequestedRules& requested, ItemSet eligible, const ItemTable& items,
                     const ValueCodesCache& codes, const FilterItems& filter);

}  // namespace kindred
