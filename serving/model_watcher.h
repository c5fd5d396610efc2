// The version of a model that calls are answered from, and the next ones as they come (serving/version_watcher.h).
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "host/conditions/filter_cache.h"
#include "host/models/model.h"
#include "serving/eligibility.h"
#include "serving/failover.h"
#include "serving/live_items.h"
#include "serving/version_watcher.h"

namespace kindred {

/// A version that calls are answered from. Whoever holds it keeps its memory.
struct ServedModel {
  std::string name;
  int64_t version = 0;
  std::string digest;
  std::string created_at;
  int64_t bytes = 0;
  std::chrono::system_clock::time_point loaded_at;
  std::unique_ptr<const ServedRanker> ranker;
  std::shared_ptr<LiveItems> items;
  std::unique_ptr<FilterCache> filters;
  std::unique_ptr<RuleCache> rules = std::make_unique<RuleCache>();

  /// For one call.
  ItemsNow Now(std::chrono::system_clock::time_point time = std::chrono::system_clock::now()) const {
    return {items->Current(), filters.get(), rules.get(), std::chrono::system_clock::to_time_t(time)};
  }
};

/// Watches the versions of a model: makes each one's ranker, and warms it up.
class ModelWatcher {
 public:
  using Listener = VersionWatcher::Listener;

  /// Starts loading at once; the listener is called on the watcher's thread after each attempt. `item_state` has the
  /// updates that are laid over each version; null: there are none.
  ModelWatcher(Failover& failover, const ModelStore& store, const WatcherOptions& options, Listener listener = {},
               ItemState* item_state = nullptr);

  /// Null until the first version is loaded. Cost: a lock and a reference count.
  std::shared_ptr<const ServedModel> Current() const {
    return std::static_pointer_cast<const ServedModel>(watcher_.Current());
  }
  LoadFailures failures() const { return watcher_.failures(); }

 private:
  VersionWatcher watcher_;
};

/// Opens and verifies a version, makes its ranker and warms it up, and lays over its items what `item_state` keeps,
/// which may be null. Throws what Model::Open, ServedRanker, CheckServable and ItemState::Attach throw.
std::shared_ptr<const ServedModel> LoadServedModel(Failover& failover, const ModelStore& store, const std::string& name,
                                                   int64_t version, ItemState* item_state = nullptr);

}  // namespace kindred
