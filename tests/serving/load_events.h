// The events that a watcher of versions told, to be waited for.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "serving/version_watcher.h"

namespace kindred {

class LoadEvents {
 public:
  VersionWatcher::Listener listener() {
    return [this](const LoadEvent& event) {
      std::lock_guard lock(mutex_);
      events_.push_back(event);
      changed_.notify_all();
    };
  }

  /// The next event that was not taken yet.
  LoadEvent Next() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::minutes(1), [this] { return taken_ < events_.size(); })) {
      ADD_FAILURE() << "no event came";
      return {};
    }
    return events_[taken_++];
  }

  size_t count() {
    std::lock_guard lock(mutex_);
    return events_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<LoadEvent> events_;
  size_t taken_ = 0;
};

}  // namespace kindred
