// Answers under rules (host/ranking/rules.h), exactly as those are defined.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/ranking/boosted_order.h"
#include "host/ranking/ranker.h"
#include "host/ranking/rules.h"

namespace kindred {

struct RuledItem {
  int32_t item = 0;
  float score = 0;
  int32_t promotion = -1;  // whose place it takes
};

/// An answer, and what the rules had to do with it.
struct RuledList {
  std::vector<RuledItem> items;
  int64_t n_eligible = 0;       // items
  int64_t n_excluded = 0;       // of the eligible
  bool cut_by_minimum = false;  // fewer than n came back, and others have a score below min_score
  int64_t n_passed_over = 0;    // of the best items for the places that promotions leave (with diversity, of the pool):
                                // those that caps keep out
  bool diversified = false;
  TopNCost cost;  // of all that was asked, where costs were asked for
};

/// That the model can be ranked under the rules, whoever asks. Throws what CheckRules throws; kUnsupported where there
/// are boosts and the model has factors but no calibration, and where there is diversity and nothing to compare items
/// by.
void CheckRulesFor(const ModelView& model, const RankingRules& rules, int64_t n);

struct RuledOptions {
  bool with_costs = false;
  BoostClassCache* parts = nullptr;  // null: nothing is kept from call to call
};

/// The n best of each query by the model's score (as Ranker::ByModel), under the same rules for all.
///
/// Throws what CheckRulesFor throws. The answer to a query is the same in any company.
///
/// Cost: the TopN of Ranker for all queries at once, for each promotion and for the rest; where there are boosts, each
/// once for each product of boosts (BoostedOrder). Caps ask for twice as many items; where those do not do, the query
/// is asked again alone without the items whose value is taken, a pass over all items each time, until its answer is
/// whole. Diversity costs 10 n^2 times the columns of the items' vectors a query, on the caller's thread.
std::vector<RuledList> RankByModel(Context& context, const Ranker& ranker, const Queries& queries,
                                   const Exclusions& excluded, int64_t n, const RankingRules& rules,
                                   const RuledOptions& options = {});
/// The same by popularity, which is its own calibration: of all users.
std::vector<RuledList> RankByPopularity(Context& context, const Ranker& ranker, int64_t n_queries,
                                        const Exclusions& excluded, int64_t n, const RankingRules& rules,
                                        const RuledOptions& options = {});

}  // namespace kindred
