#include "serving/model_watcher.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "serving/recommender.h"

namespace kindred {
namespace {

constexpr int kWarmUpUsers = 32;

/// Touches what calls touch, and shows that the model answers at all.
void WarmUp(Failover& failover, const ServedRanker& ranker) {
  const ModelView& model = ranker.model();
  const auto context = failover.NewContext("loading a model");
  std::vector<RecommendQuery> queries(1);
  const int64_t n_users = std::min<int64_t>(model.n_users(), kWarmUpUsers);
  for (int64_t i = 0; i < n_users; ++i) {
    const int64_t user = i * model.n_users() / n_users;
    queries.push_back({model.users.Id(user), {}, {}});
    if (model.history.row(user).empty()) continue;
    queries.push_back({{}, {{model.items.Id(model.history.row(user)[0]), 1}}, {}});
  }
  const auto recommend = [&](Context& own, const Ranker& one) { return RecommendAll(own, one, queries); };
  for (const RecommendOutcome& outcome : ranker.Ask(*context, recommend))
    if (const Error* error = std::get_if<Error>(&outcome)) throw *error;
  if (model.n_items() == 0) return;
  ranker.Ask(*context, [&](Context& own, const Ranker& one) { return SimilarItems(own, one, model.items.Id(0), {}); });
}

}  // namespace

std::shared_ptr<const ServedModel> LoadServedModel(Failover& failover, const ModelStore& store, const std::string& name,
                                                   int64_t version, ItemState* item_state) {
  const std::shared_ptr<const Model> model = Model::Open(store, name, version);
  CheckServable(model->view());
  auto served = std::make_shared<ServedModel>();
  served->name = model->name();
  served->version = model->version();
  served->digest = model->digest();
  served->created_at = model->manifest().value("created_at", "");
  served->bytes = model->bytes();
  served->ranker = std::make_unique<const ServedRanker>(failover, model->view(), model);
  WarmUp(failover, *served->ranker);
  const ModelView& view = served->ranker->model();
  served->items = std::make_shared<LiveItems>(view.items, ItemTable::From(view.item_columns, model), model);
  if (item_state != nullptr) item_state->Attach(served->items);
  served->filters = std::make_unique<FilterCache>(view.user_columns, model);
  served->loaded_at = std::chrono::system_clock::now();
  return served;
}

ModelWatcher::ModelWatcher(Failover& failover, const ModelStore& store, const WatcherOptions& options,
                           Listener listener, ItemState* item_state)
    : watcher_(
          store, options,
          [&failover, store, name = options.model, item_state](int64_t version) -> VersionWatcher::Loaded {
            auto model = LoadServedModel(failover, store, name, version, item_state);
            return {model, model->digest};
          },
          [listener = std::move(listener), item_state](LoadEvent event) {
            if (event.reason.empty() && item_state != nullptr) event.item_state = item_state->info();
            if (listener) listener(event);
          }) {}

}  // namespace kindred
