#include "serving/queries.h"

#include <fmt/format.h>

#include "host/text/text.h"
#include "serving/explanation_text.h"
#include "serving/json.h"
#include "serving/query_text.h"

namespace kindred {
namespace {

template <class Request>
void AddHistory(const QueryOptions& options, Request& request) {
  for (size_t i = 0; i < options.history.size(); ++i) {
    v1::HistoryItem* entry = request.add_history();
    entry->set_item_id(options.history[i]);
    if (!options.history_values.empty()) entry->set_value(options.history_values[i]);
  }
}

}  // namespace

v1::RecommendRequest ToRequest(const QueryOptions& options, const std::string& user) {
  v1::RecommendRequest request;
  request.set_user_id(user);
  if (options.n) request.set_n(*options.n);
  request.set_explain_cost(options.cost);
  SetConditions(options.conditions, &request);
  SetRules(options.rules, &request);
  AddHistory(options, request);
  return request;
}

int QueryRecommend(const QueryOptions& options) {
  v1::RecommendRequest request = ToRequest(options, options.user);
  request.set_cursor(options.cursor);
  const auto reply = Call(options, &v1::Recommender::Stub::Recommend, request);
  if (options.json) {
    PrintJson(ToJson(reply));
    return 0;
  }
  PrintRecommendation(options.user, reply);
  if (!reply.next_cursor().empty()) fmt::print("  more: --cursor {}\n", reply.next_cursor());
  return 0;
}

int QueryBatchRecommend(const QueryOptions& options) {
  v1::BatchRecommendRequest request;
  for (const std::string& user : options.users) *request.add_requests() = ToRequest(options, user);
  const auto reply = Call(options, &v1::Recommender::Stub::BatchRecommend, request);
  bool failed = false;
  for (int i = 0; i < reply.results_size(); ++i) {
    failed |= reply.results(i).has_error();
    if (!options.json) PrintResult(options.users[static_cast<size_t>(i)], reply.results(i));
  }
  if (options.json) PrintJson(ToJson(reply));
  return failed ? 1 : 0;
}

int QuerySimilarItems(const QueryOptions& options) {
  v1::SimilarItemsRequest request;
  request.set_item_id(options.item);
  if (options.n) request.set_n(*options.n);
  ExpectUtf8("--scenario", options.conditions.scenario);
  ExpectUtf8("--filter", options.conditions.filter);
  request.set_scenario(options.conditions.scenario);
  request.set_filter(options.conditions.filter);
  const auto reply = Call(options, &v1::Recommender::Stub::SimilarItems, request);
  if (options.json) {
    PrintJson(ToJson(reply));
    return 0;
  }
  PrintHead("item " + Printable(options.item), reply);
  PrintItems(reply);
  return 0;
}

int QuerySimilarUsers(const QueryOptions& options) {
  v1::SimilarUsersRequest request;
  request.set_user_id(options.user);
  request.set_n(options.n.value_or(kDefaultN));
  const auto reply = Call(options, &v1::Recommender::Stub::SimilarUsers, request);
  if (options.json) {
    PrintJson(ToJson(reply));
    return 0;
  }
  fmt::print("users like {}, by {} version {}\n", Printable(options.user), reply.model().name(),
             reply.model().version());
  PrintTable(reply.users());
  if (!reply.why().empty()) fmt::print("  {}\n", Printable(reply.why(), kMaxLine));
  PrintShortfall("users", reply);
  return 0;
}

int QueryUsersForItem(const QueryOptions& options) {
  v1::UsersForItemRequest request;
  request.set_item_id(options.item);
  request.set_include_users_with_item(options.include_users_with_item);
  if (!options.all) request.set_n(options.n.value_or(kDefaultN));
  if (options.all || request.n() > kMaxN) return StreamUsersForItem(options, request);
  const auto reply = Call(options, &v1::Recommender::Stub::UsersForItem, request);
  if (options.json) {
    PrintJson(ToJson(reply));
    return 0;
  }
  PrintUsersHead(options.item, reply);
  PrintTable(reply.users());
  PrintShortfall("users", reply);
  return 0;
}

int QueryPopular(const QueryOptions& options) {
  v1::GetPopularRequest request;
  ExpectUtf8("--filter", options.conditions.filter);
  request.set_group(options.group);
  request.set_filter(options.conditions.filter);
  request.set_n(options.n.value_or(kDefaultN));
  const auto reply = Call(options, &v1::Recommender::Stub::GetPopular, request);
  if (options.json) {
    PrintJson(ToJson(reply));
    return 0;
  }
  PrintHead(options.group.empty() ? "whoever asks" : "group " + Printable(options.group), reply);
  PrintItems(reply);
  for (const std::string& group : reply.groups())
    fmt::print("  there is a list of {} {}\n", Printable(reply.group_attribute()), Printable(group));
  return 0;
}

int QueryExplain(const QueryOptions& options) {
  v1::ExplainRequest request;
  request.set_user_id(options.user);
  AddHistory(options, request);
  for (const std::string& item : options.items) request.add_item_ids(item);
  if (options.n) request.set_n(*options.n);
  request.set_max_contributions(options.n_contributions);
  const auto reply = Call(options, &v1::Recommender::Stub::Explain, request);
  if (options.json) {
    PrintJson(ToJson(reply));
    return 0;
  }
  PrintHead(AboutUser(options.user), reply);
  for (const v1::ItemExplanation& item : reply.items()) PrintExplanation(item);
  PrintFoot(reply);
  for (const std::string& id : reply.unknown_history_items()) fmt::print("  not in the model: {}\n", Printable(id));
  return 0;
}

}  // namespace kindred
