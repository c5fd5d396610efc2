// What a query comes to before anything is computed, for the calls that answer it and that explain the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serving/recommender.h"

namespace kindred {

/// How one query will be answered.
struct QueryPlan {
  ServedBy served_by = ServedBy::kPopular;
  std::string why;
  int32_t n = 0;         // of this page: fewer than were asked for where the list ends at kMaxDepth
  int32_t asked = 0;     // how many were
  int32_t n_before = 0;  // on earlier pages
  int32_t user = -1;
  Eligibility eligibility;
  bool excludes_history = true;
  std::vector<int32_t> excluded;    // increasing
  std::vector<int32_t> fold_items;  // increasing; where the history is folded in, or would be by a model with factors
  std::vector<float> fold_values;   // their confidences or ratings
  std::vector<std::string_view> unknown;
};

/// Throws kInvalidArgument naming the field, what was found and what was expected.
QueryPlan PlanQuery(const ModelView& model, const RecommendQuery& query, const ItemsNow& now = {});

/// 1 to `most`, or kDefaultN; throws as above.
int32_t CheckedN(std::optional<int32_t> n, int32_t most = kMaxN);

/// For people: what a model of lists shows users of a group; -1: all users.
std::string ListText(const ModelView& model, int64_t group);

/// An id in a message.
std::string Quoted(std::string_view id);

}  // namespace kindred
