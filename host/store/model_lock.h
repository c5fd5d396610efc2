// One writer of a model at a time: a lock on <store>/<model>/.lock.
//
// The lock is the kernel's (flock), so it goes with the process that holds it, however that ends. What the file says is
// for people, and only who took it last: "<pid> <UTC time> <what it does>" and a line feed.
#pragma once

#include <filesystem>
#include <string>

#include "host/store/files.h"

namespace kindred {

/// Held by whoever changes a model in the store; released on destruction.
class ModelLock {
 public:
  /// Creates the file where it is missing. `doing` says to others what for: "train". Throws kAlreadyExists where
  /// another holds it, with what the file says of it, and kIo.
  ModelLock(const std::filesystem::path& path, const std::string& model, const std::string& doing);

 private:
  Descriptor file_;
};

}  // namespace kindred
