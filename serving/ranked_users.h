// Questions whose answers are users: who is like a user, and for whom an item scores best. No gRPC types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serving/recommender.h"

namespace kindred {

struct ScoredUser {
  std::string_view user_id;  // a view into the model
  float score = 0;
  std::optional<float> probability;  // for an item, where the model has a calibration
};

struct RankedUsers {
  std::vector<ScoredUser> users;  // best first
  std::string why;                // of similar users: what they are compared by, where it is not their factors
  std::optional<Shortfall> shortfall;
};

struct UsersForItemQuery {
  std::string_view item_id = {};
  std::optional<int32_t> n = {};         // 1 .. kMaxN; unset: kDefaultN
  bool include_users_with_item = false;  // who have it in their history
};

/// The users most like one (host/ranking/user_ranking.h), who is not among them. Throws kInvalidArgument naming the
/// field, kNotFound for a user who is not in the model, kUnsupported where a user's id is not UTF-8: the API could not
/// return it.
RankedUsers SimilarUsers(Context& context, const Ranker& ranker, std::string_view user_id, std::optional<int32_t> n);

/// The users for whom an item has the highest score, of those whom the model itself answers; `most` in place of kMaxN.
/// Throws as above, kNotFound for an item that is not in the model, and kUnsupported for a model that ranks items alike
/// for many users.
RankedUsers UsersForItem(Context& context, const Ranker& ranker, const UsersForItemQuery& query, int32_t most = kMaxN);

}  // namespace kindred
