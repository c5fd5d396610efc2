// Lists of many users as they are stored, in batches: what serving answers them who give no history.
#pragma once

#include <cstdint>
#include <span>

#include "host/ranking/ranker.h"

namespace kindred {

/// Where a user's list is from.
enum class ListSource {
  kHistory,      // the model, by the stored history
  kAttributes,   // the model, by attributes of a user without a history
  kGroup,        // a model of lists: that of the user's group
  kEverybody,    // the model has one order for all users, or none of its groups is the user's
  kNoHistory,    // popularity: the model knows the user, but nothing of it
  kUnknownUser,  // popularity: the model does not have the user
};
inline constexpr int kNumberOfListSources = 6;

/// "history", "attributes", "group", "everybody", "no_history", "unknown_user"
const char* ListSourceName(ListSource source);

/// `user` -1: one that the model does not have.
ListSource ListSourceOf(const ModelView& model, int64_t user);
/// Whether it is the model that answers for this one user, and not what is popular.
inline bool IsPersonal(ListSource source) {
  return source == ListSource::kHistory || source == ListSource::kAttributes;
}

/// Whether it is the model's factors that rank for this user, -1 for one that it does not have; else popularity.
bool IsRankedByFactors(const ModelView& model, int64_t user);

struct UserListOptions {
  int64_t n = 10;             // the length of the lists; those of a smaller catalogue are shorter
  bool include_seen = false;  // else the items of a user's history are left out
  RankOptions rank = {};
};

/// The lists of these users, -1 for one that the model does not have. The same bits as if each was asked for alone.
/// Cost: one TopN over the users that the model answers, and one over the others; memory: the queries, histories and
/// lists, twice (on the host and on the device).
RankedLists RankUsers(Context& context, const Ranker& ranker, std::span<const int32_t> users,
                      const UserListOptions& options);

}  // namespace kindred
