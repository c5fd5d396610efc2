#include "host/store/new_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMark = ".tmp-";

/// Where the folder goes: a trailing slash dropped, a link followed.
fs::path Place(fs::path path) {
  const std::string typed = path.string();
  while (!path.has_filename() && path.has_relative_path()) path = path.parent_path();
  std::error_code ignored;
  if (path.filename() == "." || path.filename() == ".." || fs::is_symlink(path, ignored))
    path = fs::weakly_canonical(path);
  if (!path.has_filename())
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no path for a new folder", typed));
  return path;
}

fs::path ParentOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

std::string TemporaryName(const std::string& place) {
  return fmt::format(".{}{}{}", place, kMark, ::getpid());
}

void RemoveLeftovers(const fs::path& parent, const std::string& place) {
  std::error_code ignored;
  for (const std::string& name : NamesIn(parent, ignored)) {
    if (PlaceOfTemporary(name) != place) continue;
    const Descriptor folder = LockAbandoned(parent / name);
    if (folder.get() >= 0) fs::remove_all(parent / name, ignored);
  }
}

/// Locks the folder; false where it is no longer at its path.
bool LockAt(const fs::path& path, Descriptor& folder) {
  folder = Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 && errno == ENOENT) return false;
  if (folder.get() < 0) throw SystemError("open", path);
  int result = 0;
  while ((result = ::flock(folder.get(), LOCK_EX)) != 0 && errno == EINTR) continue;
  // Where a file system locks no folders, nobody can take one for a leftover either.
  if (result != 0 && errno != EBADF && errno != EOPNOTSUPP) throw SystemError("lock", path);
  struct stat locked, there;
  if (::fstat(folder.get(), &locked) != 0) throw SystemError("look at", path);
  return ::stat(path.c_str(), &there) == 0 && there.st_dev == locked.st_dev && there.st_ino == locked.st_ino;
}

bool MakeLocked(const fs::path& path, Descriptor& folder) {
  if (::mkdir(path.c_str(), 0777) != 0) throw SystemError("create the folder", path);
  try {
    return LockAt(path, folder);
  } catch (const Error&) {
    ::rmdir(path.c_str());
    throw;
  }
}

void Exchange(const fs::path& one, const fs::path& other) {
  if (::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno == EINVAL || errno == ENOSYS)
    throw Error(ErrorCode::kIo, fmt::format("cannot overwrite '{}': its file system does not exchange folders; remove "
                                            "it first",
                                            other.string()));
  throw SystemError("overwrite", other);
}

void RenameTo(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return;
  if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR)
    throw Error(ErrorCode::kAlreadyExists, fmt::format("'{}' is there already", to.string()));
  throw SystemError("create", to);
}

}  // namespace

std::string_view PlaceOfTemporary(std::string_view name) {
  const size_t mark = name.rfind(kMark);
  const size_t pid = mark + kMark.size();
  const bool ours = mark != std::string_view::npos && mark > 1 && name[0] == '.' && pid < name.size() &&
                    name.find_first_not_of("0123456789", pid) == std::string_view::npos;
  return ours ? name.substr(1, mark - 1) : std::string_view();
}

Descriptor LockAbandoned(const fs::path& temporary) {
  Descriptor folder(::open(temporary.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const bool locked = folder.get() >= 0 && ::flock(folder.get(), LOCK_EX | LOCK_NB) == 0;
  return locked ? std::move(folder) : Descriptor();
}

NewFolder::NewFolder(fs::path place) : place_(Place(std::move(place))) {
  const std::string name = place_.filename().string();
  CreateFolders(ParentOf(place_));
  RemoveLeftovers(ParentOf(place_), name);
  temporary_ = place_.parent_path() / TemporaryName(name);
  // Another process may take the folder for a leftover before it is locked; the second one is no longer new to it.
  if (!MakeLocked(temporary_, alive_) && !MakeLocked(temporary_, alive_))
    throw Error(ErrorCode::kIo, fmt::format("the folder '{}' was removed while it was made", temporary_.string()));
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  fs::remove_all(temporary_, ignored);
}

void NewFolder::Commit(bool overwrite, const std::function<void(const fs::path&)>& check_replaceable) {
  SyncFolder(temporary_);
  std::error_code ignored;
  const bool exchange = overwrite && fs::exists(place_, ignored) && !fs::is_empty(place_, ignored);
  if (exchange) check_replaceable(place_);
  const auto move = exchange ? Exchange : RenameTo;
  move(temporary_, place_);
  try {
    SyncFolder(ParentOf(place_));
  } catch (const Error&) {
    move(place_, temporary_);
    throw;
  }
  fs::remove_all(temporary_, ignored);  // after an exchange, what was there before
}

void RemoveFolder(const fs::path& path, const std::function<void(const fs::path&)>& check_removable) {
  const fs::path place = Place(path), parent = ParentOf(place);
  const std::string name = place.filename().string();
  RemoveLeftovers(parent, name);
  std::error_code ignored;
  if (!fs::exists(place, ignored)) return;
  check_removable(place);
  const fs::path temporary = parent / TemporaryName(name);
  if (::rename(place.c_str(), temporary.c_str()) != 0) throw SystemError("remove", place);
  SyncFolder(parent);
  fs::remove_all(temporary, ignored);
}

}  // namespace kindred
