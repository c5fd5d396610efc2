#include "serving/query_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/cursor.h"

namespace kindred {
namespace {

using ItemValues = std::vector<std::pair<int32_t, double>>;

/// Sums the confidences of each item; of its ratings, the last counts.
void JoinByItem(ItemValues entries, bool ratings, std::vector<int32_t>& items, std::vector<float>& values) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < entries.size();) {
    double joint = 0;
    const int32_t item = entries[i].first;
    for (; i < entries.size() && entries[i].first == item; ++i)
      joint = ratings ? entries[i].second : joint + entries[i].second;
    items.push_back(item);
    values.push_back(static_cast<float>(joint));
  }
}

void CheckValue(size_t at, std::optional<float> value, bool ratings) {
  if (ratings && !value)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("history[{}].value: is not set, expected the rating: the model is one of ratings", at));
  if (ratings && !(std::abs(*value) <= kMaxHistoryValue))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("history[{}].value: is {}, expected a rating from {:g} to {:g}", at, *value,
                            -kMaxHistoryValue, kMaxHistoryValue));
  if (!ratings && value && !(*value > 0 && *value <= kMaxHistoryValue))
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("history[{}].value: is {}, expected more than 0 and at most {:g}", at, *value, kMaxHistoryValue));
}

void CheckHistory(const std::vector<HistoryEntry>& history, bool ratings) {
  if (history.size() > static_cast<size_t>(kMaxHistory))
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("history: has {} entries, expected at most {}", history.size(), kMaxHistory));
  for (size_t i = 0; i < history.size(); ++i) {
    if (history[i].item_id.empty())
      throw Error(ErrorCode::kInvalidArgument, fmt::format("history[{}].item_id: is empty, expected an item id", i));
    CheckValue(i, history[i].value, ratings);
  }
}

std::string WhyNotPersonal(const RecommendQuery& query, bool user_known, bool has_history, bool has_factors,
                           size_t n_known) {
  if (!has_factors) return "the model ranks by popularity";
  const std::string who = query.user_id.empty() ? std::string("no user")
                          : user_known          ? "user " + Quoted(query.user_id)
                                                : "unknown user " + Quoted(query.user_id);
  if (n_known > 0 && has_history)
    return fmt::format("{}, with its stored history and {} of {} given entries", who, n_known, query.history.size());
  if (n_known > 0)
    return fmt::format("{}, with {} of {} history entries known to the model", who, n_known, query.history.size());
  if (!query.history.empty()) return who + ", and no item of the history is known to the model";
  return user_known ? who + " has no history in the model" : who + " and no history";
}

const char* WhatListsShow(const ModelView& model) {
  return model.algorithm == "popular"  ? "what is popular"
         : model.algorithm == "latest" ? "what is new"
                                       : "what is on the rise";
}

/// Why the user gets this list, of a model of lists.
std::string WhyThisList(const ModelView& model, const RecommendQuery& query, int32_t user) {
  const std::string& attribute = model.list_groups.attribute;
  if (attribute.empty()) return fmt::format("the model shows all users {}", WhatListsShow(model));
  const int64_t group = user >= 0 ? model.ListGroupOf(user) : -1;
  if (group >= 0) return ListText(model, group);
  const std::string who = query.user_id.empty() ? "no user"
                          : user < 0            ? "unknown user " + Quoted(query.user_id)
                                                : fmt::format("user {} is in no group by {} that has a list of its own",
                                                              Quoted(query.user_id), Printable(attribute));
  return fmt::format("{}: {}", ListText(model, -1), who);
}

}  // namespace

std::string ListText(const ModelView& model, int64_t group) {
  const auto& [attribute, names] = model.list_groups;
  if (group < 0) return fmt::format("{} with all users", WhatListsShow(model));
  return fmt::format("{} with users whose {} is {}", WhatListsShow(model), Printable(attribute),
                     Quoted(names[static_cast<size_t>(group)]));
}

std::string Quoted(std::string_view id) {
  return "'" + Printable(id) + "'";
}

int32_t CheckedN(std::optional<int32_t> n, int32_t most) {
  const int32_t value = n.value_or(kDefaultN);
  if (value < 1 || value > most)
    throw Error(ErrorCode::kInvalidArgument, fmt::format("n: is {}, expected 1 to {}", value, most));
  return value;
}

QueryPlan PlanQuery(const ModelView& model, const RecommendQuery& query, const ItemsNow& now) {
  QueryPlan plan;
  plan.asked = CheckedN(query.n);
  plan.n_before = query.n_before;
  plan.n = std::min(plan.asked, kMaxDepth - query.n_before);
  CheckHistory(query.history, model.has_ratings());
  plan.user = query.user_id.empty() ? -1 : model.users.Find(query.user_id);

  ItemValues known;
  std::unordered_set<std::string_view> reported;
  for (const HistoryEntry& entry : query.history) {
    const int32_t item = model.items.Find(entry.item_id);
    if (item >= 0) {
      known.push_back({item, entry.value.value_or(1.0f)});
    } else if (reported.insert(entry.item_id).second) {
      plan.unknown.push_back(entry.item_id);
    }
  }

  std::span<const int32_t> stored;
  if (plan.user >= 0) stored = model.history.row(plan.user);
  const size_t n_known = known.size();
  if (n_known > 0) {
    ItemValues all;
    for (size_t i = 0; i < stored.size(); ++i) all.push_back({stored[i], model.history.row_values(plan.user)[i]});
    all.insert(model.has_ratings() ? all.end() : all.begin(), known.begin(), known.end());
    JoinByItem(std::move(all), model.has_ratings(), plan.fold_items, plan.fold_values);
  }
  plan.eligibility = PlanEligibility(model, query.conditions, plan.user, now);
  plan.excludes_history = query.conditions.exclude_history();
  plan.excluded = ExcludedItems(model, query.conditions, plan.user, n_known > 0 ? plan.fold_items : stored, now.now);

  if (model.has_lists()) {
    plan.why = WhyThisList(model, query, plan.user);
    return plan;
  }
  if (model.has_factors() && n_known > 0)
    plan.served_by = ServedBy::kFoldedIn;
  else if (plan.user >= 0 && model.Knows(plan.user))
    plan.served_by = ServedBy::kPersonal;
  if (plan.served_by == ServedBy::kPersonal && stored.empty())
    plan.why = fmt::format("user {} has no history in the model: answered by attributes", Quoted(query.user_id));
  if (plan.served_by != ServedBy::kPersonal)
    plan.why = WhyNotPersonal(query, plan.user >= 0, !stored.empty(), model.has_factors(), n_known);
  return plan;
}

}  // namespace kindred
