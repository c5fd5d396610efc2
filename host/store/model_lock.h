// One writer of a model at a time: a lock on <store>/<model>/.lock.
#pragma once

#include "host/store/file_lock.h"

namespace kindred {

/// Held by whoever changes a model in the store; released on destruction.
class ModelLock : public FileLock {
 public:
  /// As FileLock.
  ModelLock(const std::filesystem::path& path, const std::string& model, const std::string& doing)
      : FileLock(path, "model '" + model + "' is being changed", doing) {}
};

}  // namespace kindred
