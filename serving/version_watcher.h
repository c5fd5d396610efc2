// Follows CURRENT, or a label, of one name in the store: loads a new version beside the old one, and swaps it in.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "host/store/model_store.h"
#include "serving/live_items.h"

namespace kindred {

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
};

/// One thread of its own, of low priority, does all of it: reads CURRENT, has the version loaded, swaps one pointer,
/// and frees an old version once no call holds it. A version of the same number with another digest is a new version: a
/// store may be made again from nothing. A version that does not load is reported and counted, and the one before it
/// goes on serving. A version that is wrong in itself is not tried again before CURRENT or its digest has changed;
/// where the machine failed (no memory, an I/O error), again after a minute.
class VersionWatcher {
 public:
  /// A version that calls can be answered from. Whoever holds it keeps its memory.
  struct Loaded {
    std::shared_ptr<const void> version;
    std::string digest;
  };
  /// Opens, verifies and makes ready; throws where that fails. Called on the watcher's thread.
  using Loader = std::function<Loaded(int64_t version)>;
  using Listener = std::function<void(const LoadEvent&)>;

  /// Starts loading at once; the listener is called on the watcher's thread after each attempt.
  VersionWatcher(ModelStore store, WatcherOptions options, Loader load, Listener listener);
  ~VersionWatcher();
  VersionWatcher(const VersionWatcher&) = delete;
  VersionWatcher& operator=(const VersionWatcher&) = delete;

  /// Null until the first version is loaded. Cost: a lock and a reference count.
  std::shared_ptr<const void> Current() const;
  LoadFailures failures() const;

 private:
  using Clock = std::chrono::steady_clock;

  void Watch();
  void Poll();
  void Follow();
  void Load(int64_t version);
  void Fail(int64_t version, const std::string& reason, Clock::time_point start);

  const ModelStore store_;
  const WatcherOptions options_;
  const Loader load_;
  const Listener listener_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::shared_ptr<const void> current_;
  LoadFailures failures_;

  // The thread's own.
  int64_t served_ = 0;                                // the version of current_,
  std::string served_digest_;                         // and its digest
  int64_t attempted_ = 0;                             // the version tried last,
  std::string attempted_digest_;                      // and what was recorded as its digest then
  Clock::time_point retry_at_{};                      // when it may be tried again, if it failed
  std::string unreadable_;                            // why CURRENT or the label could not be, reported once
  std::vector<std::shared_ptr<const void>> retired_;  // no longer current, perhaps in use by calls
  std::thread thread_;
};

}  // namespace kindred
