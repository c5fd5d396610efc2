// The version of segments that calls are answered from, and the next ones as they come (serving/version_watcher.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "host/segments/segment_model.h"
#include "serving/segment_catalogue.h"
#include "serving/version_watcher.h"

namespace kindred {

/// A version that calls are answered from. Whoever holds it keeps its memory.
struct ServedSegments {
  std::shared_ptr<const SegmentModel> model;
  SegmentCatalogue catalogue;
  std::chrono::system_clock::time_point loaded_at;
};

/// Opens and verifies. Throws what SegmentModel::Open and SegmentCatalogue throw, and kUnsupported naming the first
/// user id that is not UTF-8: the API could not return it.
std::shared_ptr<const ServedSegments> LoadServedSegments(const ModelStore& store, const std::string& name,
                                                         int64_t version);

/// Watches the versions of segments.
class SegmentWatcher {
 public:
  using Listener = VersionWatcher::Listener;

  /// Starts loading at once; the listener is called on the watcher's thread after each attempt.
  SegmentWatcher(const ModelStore& store, const WatcherOptions& options, Listener listener = {});

  /// Null until the first version is loaded. Cost: a lock and a reference count.
  std::shared_ptr<const ServedSegments> Current() const {
    return std::static_pointer_cast<const ServedSegments>(watcher_.Current());
  }
  LoadFailures failures() const { return watcher_.failures(); }

 private:
  VersionWatcher watcher_;
};

}  // namespace kindred
