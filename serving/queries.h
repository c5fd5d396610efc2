// The questions of `kindred query`: each asks the server, prints the answer, and returns the exit status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "serving/client.h"
#include "serving/condition_flags.h"
#include "serving/explain.h"
#include "serving/rule_flags.h"

namespace kindred {

struct QueryOptions : ClientOptions {
  std::string user;
  std::vector<std::string> users;
  std::vector<std::string> history;
  std::vector<float> history_values;
  std::string item;
  std::vector<std::string> items;
  std::optional<int32_t> n;
  ConditionFlags conditions;
  RuleFlags rules;
  int32_t n_contributions = kDefaultContributions;
  std::string cursor;
  bool cost = false;
  bool include_users_with_item = false;
  bool all = false;
  std::string group;
};

/// All but the cursor. Throws kUsage naming the flag.
v1::RecommendRequest ToRequest(const QueryOptions& options, const std::string& user);

int QueryRecommend(const QueryOptions& options);
int QueryBatchRecommend(const QueryOptions& options);
int QuerySimilarItems(const QueryOptions& options);
int QuerySimilarUsers(const QueryOptions& options);
int QueryUsersForItem(const QueryOptions& options);
int QueryPopular(const QueryOptions& options);
int QueryExplain(const QueryOptions& options);
int QueryServerInfo(const QueryOptions& options);
int QueryHealth(const QueryOptions& options);

/// As many users as there are; with --json one JSON object a user.
int StreamUsersForItem(const QueryOptions& options, const v1::UsersForItemRequest& request);
/// One answer for each user of standard input, in their order; with --json one JSON object each. Empty lines are passed
/// over. --timeout-ms is for each answer.
int QueryStreamRecommend(const QueryOptions& options);

}  // namespace kindred
