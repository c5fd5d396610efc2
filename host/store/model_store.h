// The model store: <store>/<model>/<version>/ and <store>/<model>/CURRENT.
//
// A version is an artifact of kind "model", immutable, numbered 1, 2, 3, ...; CURRENT is a text file with the
// number that readers should use, replaced by rename. Publication: host/store/artifact.h, then CURRENT.tmp,
// fsync, rename, fsync of the folder. A process killed anywhere in between leaves CURRENT as it was or as it
// should be, and a version that is whole or not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "host/store/files.h"

namespace kindred {

/// Held by a training of one model, so that two trainings exclude each other; released on destruction.
class TrainingLock {
 public:
  explicit TrainingLock(Descriptor file) : file_(std::move(file)) {}

 private:
  Descriptor file_;
};

class ModelStore {
 public:
  explicit ModelStore(std::filesystem::path root) : root_(std::move(root)) {}
  const std::filesystem::path& root() const { return root_; }

  /// Names: letters, digits, '.', '_' and '-', not starting with '.'. Throws kInvalidArgument otherwise.
  std::filesystem::path ModelPath(const std::string& model) const;
  std::filesystem::path VersionPath(const std::string& model, int64_t version) const;

  /// The models that have a version, in order of their names.
  std::vector<std::string> Models() const;
  /// Ascending; empty where there are none.
  std::vector<int64_t> Versions(const std::string& model) const;
  /// The version CURRENT names. Throws kNotFound (saying what the store has) or kCorrupt.
  int64_t Current(const std::string& model) const;

  /// Creates the model's folder and locks it. Throws kAlreadyExists where another training holds it.
  TrainingLock Lock(const std::string& model) const;
  /// The number the next version gets: larger than every version there is and than CURRENT, so that no number
  /// means two things. Call with the lock held.
  int64_t NextVersion(const std::string& model) const;
  /// Makes CURRENT name a version that is there. Call with the lock held.
  void SetCurrent(const std::string& model, int64_t version) const;
  /// Removes a version, which goes out of sight at once. Throws kInvalidArgument for the one CURRENT names.
  /// Call with the lock held.
  void Remove(const std::string& model, int64_t version) const;

 private:
  std::filesystem::path root_;
};

}  // namespace kindred
