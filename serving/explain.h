// Why a user is answered with an item: explains the answers of RecommendAll, made the same way (serving/recommender.h).
// No gRPC types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/ranking/explanation.h"
#include "serving/recommender.h"

namespace kindred {

inline constexpr int32_t kDefaultExplained = 3;
inline constexpr int32_t kMaxExplained = 10;
inline constexpr int32_t kDefaultContributions = 5;
inline constexpr int32_t kMaxContributions = 20;
inline constexpr size_t kMaxEventsShown = 10;

/// Views into a request, which must live as long as what is made from it.
struct ExplainQuery {
  std::string_view user_id = {};  // empty: no user
  std::vector<HistoryEntry> history = {};
  std::vector<std::string_view> item_ids = {};    // at most kMaxExplained; none: the best n
  std::optional<int32_t> n = {};                  // 1 .. kMaxExplained, without item_ids; unset: kDefaultExplained
  std::optional<int32_t> max_contributions = {};  // 0 .. kMaxContributions; unset: kDefaultContributions
};

/// A user's stored events with an item.
struct StoredEvents {
  std::vector<PastEvent> last;  // last first, at most kMaxEventsShown
  int64_t n = 0;                // all
};

struct ExplainedItem {
  ItemExplanation explanation;
  std::vector<StoredEvents> events;  // of each of its contributions
};

struct Explanation {
  std::vector<ExplainedItem> items;  // in the order of the query's, or best first
  ServedBy served_by = ServedBy::kPersonal;
  std::string why;  // why not personal; empty where it is
  std::optional<Shortfall> shortfall;
  std::vector<std::string_view> unknown_history_items;  // views into the query
};

/// Throws kInvalidArgument naming the field, what was found and what was expected, also for an item that is in the
/// history, which no answer has; kNotFound for an item that is not in the model. Cost: that of Explain.
Explanation ExplainItems(Context& context, const Ranker& ranker, const ExplainQuery& query);

}  // namespace kindred
