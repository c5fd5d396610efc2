// One process at a time: a lock on a file of its own.
//
// The lock is the kernel's (flock), so it goes with the process that holds it, however that ends. What the file says is
// for people, and only who took it last: "<pid> <UTC time> <what it does>" and a line feed.
#pragma once

#include <filesystem>
#include <string>

#include "host/store/files.h"

namespace kindred {

/// Released on destruction.
class FileLock {
 public:
  /// Creates the file where it is missing. `doing` says to others what for: "train". Throws kAlreadyExists where
  /// another holds it, which is the message `taken` ("model 'shop' is being changed") by whom the file says, and kIo.
  FileLock(const std::filesystem::path& path, const std::string& taken, const std::string& doing);

 private:
  Descriptor file_;
};

}  // namespace kindred
