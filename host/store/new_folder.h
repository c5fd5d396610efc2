// A folder that appears whole: filled under a temporary name beside its place, then renamed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "host/store/files.h"

namespace kindred {

/// The name of the place that a temporary folder of this name is for; empty for a name that is none.
std::string_view PlaceOfTemporary(std::string_view name);
/// A temporary folder that no living process fills, locked until this is destroyed; else no descriptor (below 0).
Descriptor LockAbandoned(const std::filesystem::path& temporary);

class NewFolder {
 public:
  /// Starts the folder `.<name>.tmp-<pid>` beside `place`, creating the folders above it and removing leftovers
  /// of dead processes. Throws kIo.
  explicit NewFolder(std::filesystem::path place);
  ~NewFolder();  // removes what was not committed
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  /// The temporary folder, to be filled with synced files.
  const std::filesystem::path& path() const { return temporary_; }

  /// Renames the folder to its place. Where anything but an empty folder is there already: kAlreadyExists, or with
  /// `overwrite` an atomic exchange, after `check_replaceable` (which throws to refuse) has seen what is there.
  /// Throws kIo with the system's reason; then nothing has changed.
  void Commit(bool overwrite, const std::function<void(const std::filesystem::path&)>& check_replaceable);

 private:
  std::filesystem::path place_;
  std::filesystem::path temporary_;
  Descriptor alive_;  // the temporary folder, locked: it is a leftover where nobody holds that lock
};

/// Takes a folder away: renamed to a temporary name, so that it goes out of sight as a whole, and then removed, with
/// the leftovers of dead processes at this place. First `check_removable` (which throws to refuse) sees it. Where there
/// is none, nothing happens. Throws kIo.
void RemoveFolder(const std::filesystem::path& place,
                  const std::function<void(const std::filesystem::path&)>& check_removable);

}  // namespace kindred
