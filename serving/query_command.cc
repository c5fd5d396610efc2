#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>
#include <google/protobuf/wrappers.pb.h>
#include <grpcpp/generic/generic_stub.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/client.h"
#include "serving/commands.h"
#include "serving/condition_flags.h"
#include "serving/explain.h"
#include "serving/json.h"

namespace kindred {
namespace {

constexpr size_t kMaxLine = 2000;

struct QueryOptions : ClientOptions {
  std::string user;
  std::vector<std::string> users;
  std::vector<std::string> history;
  std::vector<float> history_values;
  std::string item;
  std::vector<std::string> items;
  std::optional<int32_t> n;
  ConditionFlags conditions;
  int32_t n_contributions = kDefaultContributions;
  std::string cursor;
  bool cost = false;
  bool include_users_with_item = false;
  bool all = false;
  std::string group;
};

template <class Reply>
void PrintShortfall(const char* of, const Reply& reply) {
  if (reply.has_shortfall())
    fmt::print("  {} of {} {}: {}\n", reply.shortfall().returned(), reply.shortfall().requested(), of,
               Printable(reply.shortfall().reason(), kMaxLine));
}

template <class Reply>
void PrintFoot(const Reply& reply) {
  if (!reply.why().empty()) fmt::print("  because: {}\n", Printable(reply.why(), kMaxLine));
  PrintShortfall("items", reply);
}

const std::string& IdOf(const v1::ScoredItem& item) {
  return item.item_id();
}

const std::string& IdOf(const v1::ScoredUser& user) {
  return user.user_id();
}

/// Items or users, best first; `before` of them were printed already.
template <class Scored>
void PrintTable(const char* of, const google::protobuf::RepeatedPtrField<Scored>& list, int before = 0) {
  size_t width = 4;
  for (const Scored& one : list) width = std::max(width, Printable(IdOf(one)).size());
  const bool calibrated = !list.empty() && list[0].has_probability();
  if (!list.empty() && before == 0)
    fmt::print("{:>5}  {:<{}}  {:>12}{}\n", "", of, width, "score", calibrated ? "  probability" : "");
  for (int i = 0; i < list.size(); ++i) {
    fmt::print("{:>5}  {:<{}}  {:>12.6g}", before + i + 1, Printable(IdOf(list[i])), width, list[i].score());
    if (calibrated) fmt::print("  {:>11.4f}", list[i].probability());
    fmt::print("\n");
  }
}

template <class Reply>
void PrintItems(const Reply& reply) {
  PrintTable("item", reply.items());
  PrintFoot(reply);
}

template <class Reply>
void PrintHead(const std::string& about, const Reply& reply) {
  fmt::print("{}: {}, by {} version {}\n", about, v1::ServedBy_Name(reply.served_by()), reply.model().name(),
             reply.model().version());
}

void PrintRecommendation(const std::string& user, const v1::RecommendReply& reply) {
  PrintHead(user.empty() ? "no user" : "user " + Printable(user), reply);
  PrintItems(reply);
  for (const std::string& id : reply.unknown_history_items()) fmt::print("  not in the model: {}\n", Printable(id));
  if (reply.has_cost())
    fmt::print("  cost: {} items, {} scanned, {} pruned, {} scored by the definition; selectivity {:.3g}; {:.0f} us\n",
               reply.cost().items(), reply.cost().scanned(), reply.cost().pruned(), reply.cost().rescored(),
               reply.cost().selectivity(), reply.cost().microseconds());
}

template <class Request>
void AddHistory(const QueryOptions& options, Request& request) {
  for (size_t i = 0; i < options.history.size(); ++i) {
    v1::HistoryItem* entry = request.add_history();
    entry->set_item_id(options.history[i]);
    if (!options.history_values.empty()) entry->set_value(options.history_values[i]);
  }
}

v1::RecommendRequest ToRequest(const QueryOptions& options, const std::string& user) {
  v1::RecommendRequest request;
  request.set_user_id(user);
  if (options.n) request.set_n(*options.n);
  request.set_explain_cost(options.cost);
  SetConditions(options.conditions, &request);
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

void PrintResult(const std::string& user, const v1::BatchResult& result) {
  if (result.has_error())
    fmt::print("user {}: {}\n", Printable(user), DescribeStatus(result.error().code(), result.error().message()));
  else
    PrintRecommendation(user, result.reply());
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
  PrintTable("user", reply.users());
  if (!reply.why().empty()) fmt::print("  {}\n", Printable(reply.why(), kMaxLine));
  PrintShortfall("users", reply);
  return 0;
}

void PrintUsersHead(const QueryOptions& options, const v1::UsersForItemReply& reply) {
  fmt::print("users for item {}, by {} version {}\n", Printable(options.item), reply.model().name(),
             reply.model().version());
}

void PrintLine(const nlohmann::json& json) {
  fmt::print("{}\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

/// As many as there are; with --json one JSON object a user.
int StreamUsersForItem(const QueryOptions& options, const v1::UsersForItemRequest& request) {
  const auto stub = v1::Recommender::NewStub(Connect(options));
  grpc::ClientContext context;
  SetDeadline(options, context);
  const auto stream = stub->StreamUsersForItem(&context, request);
  v1::UsersForItemReply reply;
  for (int n_printed = 0; stream->Read(&reply); n_printed += reply.users_size()) {
    if (options.json) {
      for (const v1::ScoredUser& user : reply.users()) PrintLine(ToJson(user));
      continue;
    }
    if (n_printed == 0) PrintUsersHead(options, reply);
    PrintTable("user", reply.users(), n_printed);
    PrintShortfall("users", reply);
  }
  ThrowUnlessOk(stream->Finish());
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
  PrintUsersHead(options, reply);
  PrintTable("user", reply.users());
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

/// One line for each user of standard input, in their order; with --json one JSON object each.
int QueryStreamRecommend(const QueryOptions& options) {
  const std::shared_ptr<grpc::Channel> channel = Connect(options);
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(options.timeout_ms)))
    throw Error(ErrorCode::kIo, fmt::format("UNAVAILABLE: no server answers at {}", Printable(options.server)));
  const auto stub = v1::Recommender::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->StreamRecommend(&context);
  std::mutex mutex;
  std::deque<std::string> asked;  // and not answered
  std::string refused;            // an id that cannot be sent
  std::thread writer([&] {
    std::string user;
    while (std::getline(std::cin, user)) {
      if (!IsUtf8(user)) {
        refused = user;
        break;
      }
      {
        std::lock_guard lock(mutex);
        asked.push_back(user);
      }
      if (!stream->Write(ToRequest(options, user))) break;
    }
    stream->WritesDone();
  });
  bool failed = false;
  v1::BatchResult result;
  while (stream->Read(&result)) {
    std::string user;
    {
      std::lock_guard lock(mutex);
      user = std::move(asked.front());
      asked.pop_front();
    }
    failed |= result.has_error();
    if (options.json) {
      nlohmann::json line = ToJson(result);
      line["user_id"] = user;
      PrintLine(line);
    } else {
      PrintResult(user, result);
    }
  }
  const grpc::Status status = stream->Finish();
  writer.join();
  ThrowUnlessOk(status);
  if (!refused.empty())
    throw Error(ErrorCode::kUsage, fmt::format("standard input: the user '{}' is not UTF-8, which ids in calls must be",
                                               Printable(refused)));
  return failed ? 1 : 0;
}

std::string EventsText(const v1::Contribution& by) {
  constexpr int kShown = 3;
  std::string text;
  for (int e = 0; e < std::min(kShown, by.events_size()); ++e) {
    const v1::PastEvent& event = by.events(e);
    const std::string time = event.has_time() ? google::protobuf::util::TimeUtil::ToString(event.time()) : "";
    const std::string type = event.event().empty() ? "event" : Printable(event.event());
    text += fmt::format("{}{}{}{}", text.empty() ? "  " : ", ", type, time.empty() ? "" : " ", time);
  }
  if (by.n_events() > kShown) text += fmt::format(", {} before", by.n_events() - kShown);
  return text;
}

void PrintExplanation(const v1::ItemExplanation& item) {
  fmt::print("  {}: score {:.6g}, position {}{}\n", Printable(item.item_id()), item.score(), item.position(),
             item.has_variance() ? fmt::format(", standard deviation {:.3g}", std::sqrt(item.variance())) : "");
  if (item.has_rating_parts())
    fmt::print("    {:>+12.4g}         mean {:.4g} and the item's bias {:+.4g}\n", item.base(),
               item.rating_parts().mean(), item.rating_parts().item_bias());
  else if (item.base() != 0)
    fmt::print("    {:>+12.4g}         whoever asks\n", item.base());
  size_t width = 0;
  for (const v1::Contribution& by : item.contributions()) width = std::max(width, Printable(by.item_id()).size());
  for (const v1::Contribution& by : item.contributions())
    fmt::print("    {:>+12.4g}  {:>4.0f} %  {:<{}}  position {} without{}\n", by.amount(), 100 * by.share(),
               Printable(by.item_id()), width,
               by.has_position_without() ? std::to_string(by.position_without()) : "none", EventsText(by));
  if (item.n_others() > 0) fmt::print("    {:>+12.4g}         {} others\n", item.others(), item.n_others());
  for (const v1::AttributeContribution& by : item.attributes())
    fmt::print("    {:>+12.4g}         of it by {}{}\n", by.amount(), by.is_of_user() ? "the user's " : "",
               Printable(by.attribute()));
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
  PrintHead(options.user.empty() ? "no user" : "user " + Printable(options.user), reply);
  for (const v1::ItemExplanation& item : reply.items()) PrintExplanation(item);
  PrintFoot(reply);
  for (const std::string& id : reply.unknown_history_items()) fmt::print("  not in the model: {}\n", Printable(id));
  return 0;
}

void PrintState(const v1::ItemStateInfo& state) {
  fmt::print("state     {} item updates in {}, epoch {}\n", state.n_values(), state.path(), state.epoch());
  if (state.n_unused() == 0) return;
  fmt::print("          {} of them do not fit the version:\n", state.n_unused());
  for (const v1::UnusedUpdate& unused : state.unused())
    fmt::print("          item {}, attribute {}: {}\n", Printable(unused.item_id()), Printable(unused.attribute()),
               unused.reason());
}

int QueryServerInfo(const QueryOptions& options) {
  const auto info = Call(options, &v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest());
  if (options.json) {
    PrintJson(ToJson(info));
    return 0;
  }
  const auto& model = info.model();
  fmt::print("server    kindred {}, up {:.0f} s\n", info.server_version(), info.uptime_seconds());
  if (info.has_model())
    fmt::print("model     {} version {}, {}: {} users x {} items, {} factors, made {}\n          {}\n", model.name(),
               model.version(), model.algorithm(), model.n_users(), model.n_items(), model.n_factors(),
               model.created_at(), model.digest());
  else
    fmt::print("model     none is loaded\n");
  fmt::print("backend   {} ({}{}{}), {} threads: {}\n", info.backend().name(), info.backend().device(),
             info.backend().instruction_set().empty() ? "" : ", ", info.backend().instruction_set(),
             info.backend().n_threads(), info.backend().reason());
  if (info.backend().degraded()) fmt::print("degraded  {}\n", Printable(info.backend().degraded_reason(), kMaxLine));
  fmt::print("limits    n {}, batch {}, history {}, request {} bytes, queue {}\n", info.limits().max_n(),
             info.limits().max_batch(), info.limits().max_history(), info.limits().max_request_bytes(),
             info.limits().max_queue());
  if (info.has_item_state()) PrintState(info.item_state());
  fmt::print("failures  {}{}{}\n", info.load_failures().count(), info.load_failures().count() > 0 ? ", the last: " : "",
             info.load_failures().last_reason());
  return 0;
}

/// grpc.health.v1.Health/Check. Its messages hold one field each, and on the wire are these well-known ones.
int QueryHealth(const QueryOptions& options) {
  const char* const kStates[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
  grpc::TemplatedGenericStub<google::protobuf::StringValue, google::protobuf::Int32Value> stub(Connect(options));
  grpc::ClientContext context;
  SetDeadline(options, context);
  google::protobuf::StringValue service;
  service.set_value(v1::Recommender::service_full_name());
  google::protobuf::Int32Value state;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &service, &state,
                 [&done](grpc::Status status) { done.set_value(std::move(status)); });
  ThrowUnlessOk(done.get_future().get());
  const std::string name = state.value() >= 0 && state.value() < 4 ? kStates[state.value()] : "UNKNOWN";
  if (options.json)
    PrintJson({{"status", name}});
  else
    fmt::print("{}\n", name);
  return name == "SERVING" ? 0 : 1;
}

void Check(const QueryOptions& options) {
  CheckClientOptions(options);
  ExpectUtf8("--user", options.user);
  for (const std::string& user : options.users) ExpectUtf8("--user", user);
  for (const std::string& item : options.history) ExpectUtf8("--history", item);
  ExpectUtf8("--item", options.item);
  for (const std::string& item : options.items) ExpectUtf8("--item", item);
  ExpectUtf8("--group", options.group);
  ExpectUtf8("--cursor", options.cursor);
  if (!options.history_values.empty() && options.history_values.size() != options.history.size())
    throw Error(ErrorCode::kUsage, fmt::format("--history-value is there {} times and --history {} times; expected as "
                                               "many, or no values",
                                               options.history_values.size(), options.history.size()));
}

CLI::App* AddQuery(CommandLine& program, CLI::App* parent, const std::string& name, const std::string& description,
                   const std::shared_ptr<QueryOptions>& options, int (*run)(const QueryOptions&)) {
  CLI::App* app = program.AddTo(parent, name, description, [options, run] {
    Check(*options);
    return run(*options);
  });
  AddClientOptions(app, *options);
  return app;
}

}  // namespace

void AddQueryCommand(CommandLine& program) {
  const auto options = std::make_shared<QueryOptions>();
  CLI::App* query = program.Add("query", "Ask a running server.", nullptr);

  CLI::App* recommend = AddQuery(program, query, "recommend", "Items for a user.", options, &QueryRecommend);
  const auto add_history = [&options](CLI::App* app) {
    app->add_option("--user", options->user, "the user's id; none: popular items, or by --history alone");
    app->add_option("--history", options->history, "an item the user had to do with; repeat for more");
    app->add_option("--history-value", options->history_values,
                    "what each --history counts, in their order: a confidence, or of a model of ratings the rating");
  };
  add_history(recommend);
  recommend->add_option("--n", options->n, "how many items; default: 10, or the scenario's");
  recommend->add_option("--cursor", options->cursor, "the next_cursor of an earlier reply: what follows its last item");
  const auto add_cost = [&options](CLI::App* app) {
    app->add_flag("--cost", options->cost, "what the answer took: items scanned, pruned, scored; time");
  };
  add_cost(recommend);
  AddConditionFlags(recommend, options->conditions);

  CLI::App* batch = AddQuery(program, query, "batch-recommend", "Items for each of many users, in one call.", options,
                             &QueryBatchRecommend);
  batch->add_option("--user", options->users, "a user's id; repeat for more")->required();
  batch->add_option("--n", options->n, "how many items for each; default: 10, or the scenario's");
  add_cost(batch);
  AddConditionFlags(batch, options->conditions);

  CLI::App* stream = AddQuery(program, query, "stream-recommend",
                              "Items for each user of standard input, an id a line; one answer after the other.",
                              options, &QueryStreamRecommend);
  stream->add_option("--n", options->n, "how many items for each; default: 10, or the scenario's");
  add_cost(stream);
  AddConditionFlags(stream, options->conditions);

  CLI::App* similar = AddQuery(program, query, "similar-items", "Items like an item.", options, &QuerySimilarItems);
  similar->add_option("--item", options->item, "the item's id")->required();
  similar->add_option("--n", options->n, "how many items; default: 10, or the scenario's");
  similar->add_option("--scenario", options->conditions.scenario,
                      "a preset of the server's --scenarios: its n and filter");
  similar->add_option("--filter", options->conditions.filter,
                      "a condition on attributes of items, such as 'in_stock and price < 50'");

  CLI::App* similar_users =
      AddQuery(program, query, "similar-users", "Users like a user.", options, &QuerySimilarUsers);
  similar_users->add_option("--user", options->user, "the user's id")->required();
  similar_users->add_option("--n", options->n, "how many users; default: 10");

  CLI::App* users = AddQuery(program, query, "users-for-item", "The users for whom an item has the highest score.",
                             options, &QueryUsersForItem);
  users->add_option("--item", options->item, "the item's id")->required();
  CLI::Option* n_users = users->add_option("--n", options->n, "how many users; default: 10");
  users->add_flag("--all", options->all, "all users; with --json, as with --n above 1000, an object a line")
      ->excludes(n_users);
  users->add_flag("--include-users-with-item", options->include_users_with_item,
                  "users who have the item may be among them");

  CLI::App* popular =
      AddQuery(program, query, "popular", "What is popular, whoever asks, or with a group.", options, &QueryPopular);
  popular->add_option("--filter", options->conditions.filter, "a condition on attributes of items");
  popular->add_option("--group", options->group, "of a model of lists by group: whose; none: all users'");
  popular->add_option("--n", options->n, "how many items; default: 10");

  CLI::App* explain =
      AddQuery(program, query, "explain", "Why items are recommended: what each item of the history adds to a score.",
               options, &QueryExplain);
  add_history(explain);
  explain->add_option("--item", options->items, "the id of an item to explain; repeat for more; none: the best");
  explain->add_option("--n", options->n, "how many of the best items; default: 3");
  explain->add_option("--contributions", options->n_contributions, "how many items of the history to list for each");

  AddQuery(program, query, "server-info", "What the server is and what it serves.", options, &QueryServerInfo);
  AddQuery(program, query, "health", "Whether the server answers calls; exit status 0 if it does.", options,
           &QueryHealth);
}

}  // namespace kindred
