#include "host/ranking/user_lists.h"

#include <algorithm>
#include <vector>

namespace kindred {
namespace {

RankedLists RankPart(Context& context, const Ranker& ranker, std::span<const int32_t> users, bool by_model, int64_t n,
                     const UserListOptions& options) {
  const ModelView& model = ranker.model();
  Exclusions excluded;
  Queries queries;
  for (const int32_t user : users) {
    if (!options.include_seen) excluded.Add(user < 0 ? std::span<const int32_t>() : model.history.row(user));
    if (!by_model) continue;
    if (user < 0)
      queries.Add(model.base_query);
    else
      ranker.AddUser(user, &queries);
  }
  return by_model ? ranker.ByModel(context, queries, excluded, n, options.rank)
                  : ranker.ByPopularity(context, std::ssize(users), excluded, n, options.rank);
}

}  // namespace

const char* ListSourceName(ListSource source) {
  constexpr const char* kNames[] = {"history", "attributes", "group", "everybody", "no_history", "unknown_user"};
  static_assert(std::size(kNames) == kNumberOfListSources);
  return kNames[static_cast<size_t>(source)];
}

ListSource ListSourceOf(const ModelView& model, int64_t user) {
  if (!model.has_factors()) return ListSource::kEverybody;
  if (model.has_lists()) return user >= 0 && model.ListGroupOf(user) >= 0 ? ListSource::kGroup : ListSource::kEverybody;
  if (user < 0) return ListSource::kUnknownUser;
  if (!model.history.row(user).empty()) return ListSource::kHistory;
  return model.Knows(user) ? ListSource::kAttributes : ListSource::kNoHistory;
}

bool IsRankedByFactors(const ModelView& model, int64_t user) {
  return model.has_lists() || IsPersonal(ListSourceOf(model, user));
}

RankedLists RankUsers(Context& context, const Ranker& ranker, std::span<const int32_t> users,
                      const UserListOptions& options) {
  const ModelView& model = ranker.model();
  RankedLists lists;
  lists.n = std::min(options.n, model.n_items());
  if (users.empty() || lists.n == 0) return lists;
  std::vector<int32_t> parts[2];
  std::vector<int64_t> places[2];
  for (size_t i = 0; i < users.size(); ++i) {
    const bool by_model = IsRankedByFactors(model, users[i]);
    parts[by_model].push_back(users[i]);
    places[by_model].push_back(static_cast<int64_t>(i));
  }
  for (const bool by_model : {false, true})
    if (parts[by_model].size() == users.size()) return RankPart(context, ranker, users, by_model, lists.n, options);
  lists.items.resize(users.size() * static_cast<size_t>(lists.n));
  lists.scores.resize(lists.items.size());
  if (options.rank.with_costs) lists.costs.resize(users.size());
  for (const bool by_model : {false, true}) {
    const RankedLists part = RankPart(context, ranker, parts[by_model], by_model, lists.n, options);
    for (size_t i = 0; i < places[by_model].size(); ++i) {
      const auto from = static_cast<std::ptrdiff_t>(i) * lists.n, to = places[by_model][i] * lists.n;
      std::copy_n(part.items.begin() + from, lists.n, lists.items.begin() + to);
      std::copy_n(part.scores.begin() + from, lists.n, lists.scores.begin() + to);
      if (options.rank.with_costs) lists.costs[static_cast<size_t>(places[by_model][i])] = part.costs[i];
    }
  }
  return lists;
}

}  // namespace kindred
