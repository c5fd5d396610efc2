// Rules for what is recommended beside the model's scores, and what exactly they mean. Where a rule comes from is not
// known here: it is about a set of items, or about a value that each item has.
//
// The answer of n items to a query under rules is defined by these steps.
//
// 1. The order. All items that are eligible, not excluded, whose score is a number and is at least min_score, by value
//    descending, score descending, item ascending. The value is the score. Where there are boosts it is the calibrated
//    probability of the score (host/models/calibration.h) times the factors of the boosts that have the item, in double
//    and in their order; of an answer by popularity the probability is the share of all users who have the item.
// 2. Promotions, one after the other. Each takes the best items of its set that none before has taken: as many as it
//    has places, or as there are.
// 3. The best others, until n are taken.
//    In 2 and 3, caps: an item is passed over where `most` items with its value are taken already.
// 4. The places. First the items of promotions by slots, promotion by promotion and best first; then all others in the
//    order of step 1. So an item promoted by percent that is among the n best anyway stays where it is, and others move
//    up from behind to the last places, no further.
// 5. Diversity, of a strength s above 0: maximal marginal relevance (Carbonell and Goldstein 1998). Steps 2 to 4 then
//    take a pool of 10 n. Of it n are picked, one a place: first the items of promotions by slots, then each time the
//    item, in the pool's order if several, that has the largest
//
//      (1 - s) relevance  -  s (largest similarity to an item that is picked already; 0 where none is)
//
//    The relevance is the item's value, moved and stretched so that the pool's values go from 0 to 1; all 0 where they
//    are alike. The similarity is the cosine of the items' vectors, or, of a model without such, of their attributes
//    as vectors that have a 1 for each attribute's value. Where no more places are left than items promoted by percent
//    are not yet picked, one of these is picked. All in double, sums in increasing index.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/conditions/item_bits.h"

namespace kindred {

inline constexpr size_t kMaxBoosts = 8;
inline constexpr size_t kMaxPromotions = 16;
inline constexpr size_t kMaxCaps = 8;
inline constexpr float kMaxBoostFactor = 1e6f;
inline constexpr int64_t kDiversityPool = 10;  // times n

using ItemSet = std::shared_ptr<const ItemBits>;

struct Boost {
  ItemSet items;     // never null
  float factor = 1;  // above 0, up to kMaxBoostFactor
};

/// `slots` or `percent`, one of them.
struct Promotion {
  std::string name;
  ItemSet items;                 // never null
  std::optional<int32_t> slots;  // 1 to n
  std::optional<float> percent;  // above 0, up to 100: of n
};

/// At most so many items with the same value.
struct Cap {
  std::string name;                 // of the attribute
  std::span<const int32_t> values;  // n_items; -1: the item has none, and is never passed over
  int32_t most = 1;                 // at least 1
};

/// Sets are kept by it, values by somebody else.
struct RankingRules {
  ItemSet eligible;  // null: all items
  std::vector<Boost> boosts;
  std::optional<float> min_score;
  std::vector<Promotion> promotions;
  std::vector<Cap> caps;
  float diversity = 0;                               // the strength, 0 to 1
  std::vector<std::span<const int32_t>> attributes;  // what diversity may compare items by; each as Cap::values

  /// Whether the answer is simply the n best of the eligible.
  bool only_eligible() const {
    return boosts.empty() && !min_score && promotions.empty() && caps.empty() && !(diversity > 0);
  }
};

/// Throws kInvalidArgument where there are more of them than may be.
void CheckRuleCounts(size_t n_boosts, size_t n_promotions, size_t n_caps);

/// Throws kInvalidArgument where a rule is out of its range, does not fit so many items, or contradicts another: places
/// of promotions above n or 100 percent, two promotions or caps of one name. The message names the field as the API
/// has it, what was found and what was expected. Sets may be null here.
void CheckRules(const RankingRules& rules, int64_t n_items, int64_t n);

/// How many places each promotion has in an answer of n, for rules that are in order: its slots, or its percent of n
/// rounded up, so that a small share of a short answer is not nothing, but no more than all slots and the percent
/// before leave. (What is a thousandth or less above a whole number is that number: 0.1 percent of 1000 are 1.)
std::vector<int64_t> PromotedPlaces(const RankingRules& rules, int64_t n);

}  // namespace kindred
