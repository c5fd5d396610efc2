#include <fmt/format.h>

#include <memory>

#include "kernels/error.h"
#include "serving/commands.h"
#include "serving/queries.h"

namespace kindred {
namespace {

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
  AddRuleFlags(recommend, options->rules);

  CLI::App* batch = AddQuery(program, query, "batch-recommend", "Items for each of many users, in one call.", options,
                             &QueryBatchRecommend);
  batch->add_option("--user", options->users, "a user's id; repeat for more")->required();
  batch->add_option("--n", options->n, "how many items for each; default: 10, or the scenario's");
  add_cost(batch);
  AddConditionFlags(batch, options->conditions);
  AddRuleFlags(batch, options->rules);

  CLI::App* stream = AddQuery(program, query, "stream-recommend",
                              "Items for each user of standard input, an id a line (empty ones are passed over); one "
                              "answer after the other, each within --timeout-ms.",
                              options, &QueryStreamRecommend);
  stream->add_option("--n", options->n, "how many items for each; default: 10, or the scenario's");
  add_cost(stream);
  AddConditionFlags(stream, options->conditions);
  AddRuleFlags(stream, options->rules);

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
  AddSegmentQueries(program, query);
}

}  // namespace kindred
