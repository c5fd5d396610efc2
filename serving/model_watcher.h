// Follows CURRENT, or a label, of one model: loads a new version beside the old one, and swaps it in.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "host/conditions/filter_cache.h"
#include "host/models/model.h"
#include "serving/eligibility.h"
#include "serving/failover.h"
#include "serving/live_items.h"

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

  /// For one call.
  ItemsNow Now(std::chrono::system_clock::time_point time = std::chrono::system_clock::now()) const {
    return {items->Current(), filters.get(), std::chrono::system_clock::to_time_t(time)};
  }
};

struct LoadFailures {
  int64_t count = 0;
  int64_t last_version = 0;  // 0: CURRENT or the label could not be read
  std::string last_reason;
  std::chrono::system_clock::time_point last_at;
};

/// What happened to a version: for logs and health. `reason` is empty where it is served from now on.
struct LoadEvent {
  int64_t version = 0;
  std::string reason;
  double seconds = 0;
  std::optional<ItemStateInfo> item_state;  // of one that is served, where there is a state
};

struct WatcherOptions {
  std::string model;
  std::string version = kCurrentVersion;          // CURRENT and labels are followed; a number is that one and no other
  std::chrono::milliseconds poll_interval{1000};  // a day at most; longer ones are cut to it
  ItemState* item_state = nullptr;                // whose updates are laid over each version; null: there are none
};

/// One thread of its own, of low priority, does all of it: reads CURRENT, opens and verifies the version,
/// makes its ranker, warms it up, swaps one pointer, and frees an old version once no call holds it.
/// A version of the same number with another digest is a new version: a store may be made again from nothing.
/// A version that does not load is reported and counted, and the one before it goes on serving. A version
/// that is wrong in itself is not tried again before CURRENT or its digest has changed; where the machine failed (no
/// memory, an I/O error), again after a minute.
class ModelWatcher {
 public:
  using Listener = std::function<void(const LoadEvent&)>;

  /// Starts loading at once; the listener is called on the watcher's thread after each attempt.
  ModelWatcher(Failover& failover, ModelStore store, WatcherOptions options, Listener listener = {});
  ~ModelWatcher();
  ModelWatcher(const ModelWatcher&) = delete;
  ModelWatcher& operator=(const ModelWatcher&) = delete;

  /// Null until the first version is loaded. Cost: a lock and a reference count.
  std::shared_ptr<const ServedModel> Current() const;
  LoadFailures failures() const;

 private:
  using Clock = std::chrono::steady_clock;

  void Watch();
  void Poll();
  void Follow();
  void Load(int64_t version);
  void Fail(int64_t version, const std::string& reason, Clock::time_point start);

  Failover& failover_;
  const ModelStore store_;
  const WatcherOptions options_;
  const Listener listener_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::shared_ptr<const ServedModel> current_;
  LoadFailures failures_;

  // The thread's own.
  int64_t attempted_ = 0;                                    // the version tried last,
  std::string attempted_digest_;                             // and what was recorded as its digest then
  Clock::time_point retry_at_{};                             // when it may be tried again, if it failed
  std::string unreadable_;                                   // why CURRENT or the label could not be, reported once
  std::vector<std::shared_ptr<const ServedModel>> retired_;  // no longer current, perhaps in use by calls
  std::thread thread_;
};

/// Opens and verifies a version, makes its ranker and warms it up, and lays over its items what `item_state` keeps,
/// which may be null. Throws what Model::Open, ServedRanker, CheckServable and ItemState::Attach throw.
std::shared_ptr<const ServedModel> LoadServedModel(Failover& failover, const ModelStore& store, const std::string& name,
                                                   int64_t version, ItemState* item_state = nullptr);

}  // namespace kindred
