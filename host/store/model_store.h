// The model store: <store>/<model>/<version>/, <store>/<model>/CURRENT and <store>/<model>/labels/<label>.
//
// A version is an artifact of kind "model", immutable, numbered 1, 2, 3, ...; CURRENT is a text file with the
// number that readers should use, replaced by rename. Publication: host/store/artifact.h, then CURRENT.tmp,
// fsync, rename, fsync of the folder. A process killed anywhere in between leaves CURRENT as it was or as it
// should be, and a version that is whole or not there. A label is a name for a version: a file of the same content as
// CURRENT, replaced in the same way.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "host/store/files.h"
#include "host/store/model_lock.h"

namespace kindred {

/// What may name a version: its number, a label, or "current" (also "0"), which is the one CURRENT names.
inline constexpr const char* kCurrentVersion = "current";
/// Throws kInvalidArgument for a text that can be none of these.
void CheckVersionName(std::string_view text);

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
  /// Whether a name in the model's folder is a version, CURRENT, the labels or the lock, and nothing foreign.
  bool IsPart(const std::string& model, const std::string& name) const;
  /// Throws kNotFound where the model has no version, saying which models there are.
  void CheckHas(const std::string& model) const;
  /// The version CURRENT names. Throws kNotFound (saying what the store has) or kCorrupt.
  int64_t Current(const std::string& model) const;
  /// The versions that labels name. Throws kIo, and kCorrupt for a label that names none.
  std::map<std::string, int64_t> Labels(const std::string& model) const;
  /// The number of a version as users name it (see kCurrentVersion), whether it is there or not. Throws as Current
  /// does, kInvalidArgument, and kNotFound for a label that is not there, saying which are.
  int64_t Resolve(const std::string& model, const std::string& version) const;

  /// Creates the model's folder and locks it. Throws kAlreadyExists where another holds the lock.
  ModelLock Lock(const std::string& model, const std::string& doing = "train") const;

  // What follows is called with the lock held.

  /// Throws kIo where nothing can be written into the model's folder, or its disk lacks these bytes: before, and not
  /// after, the work that makes them.
  void CheckRoom(const std::string& model, int64_t bytes) const;
  /// The number the next version gets: larger than every version there is and than CURRENT, so that no number
  /// means two things.
  int64_t NextVersion(const std::string& model) const;
  /// Makes CURRENT name a version that is there. Throws kNotFound, kIo.
  void SetCurrent(const std::string& model, int64_t version) const;
  /// The same of a version that was just written; where that fails it is removed again.
  void SetCurrentOrRemove(const std::string& model, int64_t version) const;
  /// Makes a label name a version that is there. Labels: as names of models, but not starting with '-', not digits
  /// alone, and not "current" (kInvalidArgument). Throws kNotFound, kIo.
  void SetLabel(const std::string& model, const std::string& label, int64_t version) const;
  /// Throws kNotFound where there is no such label, saying which there are; kIo.
  void RemoveLabel(const std::string& model, const std::string& label) const;
  /// Removes a version, which goes out of sight at once. Throws kInvalidArgument for the one CURRENT names, and kIo.
  void Remove(const std::string& model, int64_t version) const;

 private:
  std::filesystem::path LabelPath(const std::string& model, const std::string& label) const;
  Error NoModel(const std::string& what, const std::string& model) const;
  Error NoLabel(const std::string& model, const std::string& label) const;
  void CheckThere(const std::string& model, int64_t version) const;

  std::filesystem::path root_;
};

}  // namespace kindred
