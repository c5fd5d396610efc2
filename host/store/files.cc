#include "host/store/files.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace kindred {
namespace fs = std::filesystem;
namespace {

template <class Call>
auto Retry(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Error IsThere(const fs::path& path) {
  return {ErrorCode::kAlreadyExists, fmt::format("'{}' is there already; --overwrite replaces it", path.string())};
}

Error IsNoFile(const fs::path& path) {
  return {ErrorCode::kAlreadyExists, fmt::format("'{}' is there already and is no file", path.string())};
}

}  // namespace

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

Error SystemError(const std::string& doing, const fs::path& path) {
  const int reason = errno;
  return Error(ErrorCode::kIo,
               fmt::format("cannot {} '{}': {}", doing, path.string(), std::generic_category().message(reason)));
}

Descriptor OpenFile(const fs::path& path, int flags, int mode) {
  Descriptor file(Retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }));
  if (file.get() < 0 && (errno == ENOENT || errno == ENOTDIR) && (flags & O_CREAT) == 0)
    throw Error(ErrorCode::kNotFound, fmt::format("'{}' is not there", path.string()));
  if (file.get() < 0) throw SystemError((flags & O_CREAT) != 0 ? "create" : "open", path);
  return file;
}

Descriptor OpenRegularFile(const fs::path& path, int64_t* bytes) {
  Descriptor file = OpenFile(path, O_RDONLY | O_NONBLOCK);  // a pipe must not make the open wait
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw SystemError("read", path);
  if (!S_ISREG(status.st_mode))
    throw Error(ErrorCode::kIo, fmt::format("cannot read '{}': not a regular file", path.string()));
  *bytes = status.st_size;
  return file;
}

void WriteAll(const Descriptor& file, std::span<const std::byte> data, const fs::path& path) {
  while (!data.empty()) {
    const ssize_t written = Retry([&] { return ::write(file.get(), data.data(), data.size()); });
    if (written == 0) errno = ENOSPC;
    if (written <= 0) throw SystemError("write", path);
    data = data.subspan(static_cast<size_t>(written));
  }
}

void ReadAll(const Descriptor& file, std::span<std::byte> to, int64_t offset, const fs::path& path) {
  while (!to.empty()) {
    const ssize_t got = Retry([&] { return ::pread(file.get(), to.data(), to.size(), offset); });
    if (got < 0) throw SystemError("read", path);
    if (got == 0) throw Error(ErrorCode::kIo, fmt::format("'{}' ended while it was read", path.string()));
    to = to.subspan(static_cast<size_t>(got));
    offset += got;
  }
}

void Sync(const Descriptor& file, const fs::path& path) {
  // EINVAL: a file system that has nothing to sync for this kind of file.
  if (Retry([&] { return ::fsync(file.get()); }) != 0 && errno != EINVAL) throw SystemError("sync", path);
}

fs::path FolderOf(const fs::path& path) {
  if (!path.has_filename()) throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no file", path.string()));
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

void WriteFile(const fs::path& path, std::string_view text) {
  const Descriptor file = OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC);
  WriteAll(file, std::as_bytes(std::span(text)), path);
  Sync(file, path);
}

void WriteNewFile(const fs::path& path, std::string_view text, bool overwrite) {
  WriteNewFile(
      path, [&](const Descriptor& file) { WriteAll(file, std::as_bytes(std::span(text)), path); }, overwrite);
}

void WriteNewFile(const fs::path& path, const std::function<void(const Descriptor&)>& write, bool overwrite) {
  const fs::path folder = FolderOf(path);
  CreateFolders(folder);
  const fs::path temporary = folder / fmt::format(".{}.tmp-{}", path.filename().string(), ::getpid());
  try {
    {
      const Descriptor file = OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC);
      write(file);
      Sync(file, temporary);
    }
    std::error_code ignored;
    if (overwrite && fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) throw IsNoFile(path);
    const unsigned flags = overwrite ? 0 : RENAME_NOREPLACE;
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
      if (errno == EEXIST) throw IsThere(path);
      throw SystemError("create", path);
    }
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  SyncFolder(folder);
}

void CheckNewFile(const fs::path& path, bool overwrite) {
  std::error_code ignored;
  fs::path folder = FolderOf(path);
  while (!fs::exists(folder, ignored) && folder.has_relative_path()) folder = FolderOf(folder);
  const bool is_there = fs::exists(fs::symlink_status(path, ignored));
  if (is_there && !overwrite) throw IsThere(path);
  if (is_there && !fs::is_regular_file(path, ignored)) throw IsNoFile(path);
  if (!fs::is_directory(folder, ignored)) errno = ENOTDIR;
  if (!fs::is_directory(folder, ignored) || ::access(folder.c_str(), W_OK | X_OK) != 0)
    throw SystemError("create", path);
}

std::string ReadFile(const fs::path& path, int64_t max_bytes) {
  int64_t bytes = 0;
  const Descriptor file = OpenRegularFile(path, &bytes);
  if (bytes > max_bytes)
    throw Error(ErrorCode::kCorrupt,
                fmt::format("'{}' has {} bytes; expected at most {}", path.string(), bytes, max_bytes));
  std::string text(static_cast<size_t>(bytes), '\0');
  ReadAll(file, std::as_writable_bytes(std::span(text)), 0, path);
  return text;
}

std::vector<std::string> NamesIn(const fs::path& folder, std::error_code& error) {
  std::vector<std::string> names;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator(); entry.increment(error))
    names.push_back(entry->path().filename().string());
  return names;
}

void SyncFolder(const fs::path& path) {
  Sync(OpenFile(path, O_RDONLY | O_DIRECTORY), path);
}

void CreateFolders(const fs::path& path) {
  std::error_code ignored;
  if (path.empty() || fs::is_directory(path, ignored)) return;
  const fs::path parent = path.has_filename() ? path.parent_path() : path.parent_path().parent_path();
  CreateFolders(parent);
  if (::mkdir(path.c_str(), 0777) != 0 && !(errno == EEXIST && fs::is_directory(path, ignored)))
    throw SystemError("create the folder", path);
  SyncFolder(parent.empty() ? "." : parent);
}

int64_t FolderBytes(const fs::path& path) {
  int64_t bytes = 0;
  std::error_code ignored;
  for (const std::string& name : NamesIn(path, ignored)) {
    std::error_code no_file;
    const uintmax_t size = fs::file_size(path / name, no_file);
    if (!no_file) bytes += static_cast<int64_t>(size);
  }
  return bytes;
}

void RemoveAll(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw Error(ErrorCode::kIo, fmt::format("cannot remove '{}': {}", path.string(), error.message()));
}

bool LiesIn(const fs::path& path, const fs::path& folder) {
  std::error_code ignored;
  const auto whole = [&](const fs::path& p) {
    const fs::path canonical = fs::weakly_canonical(fs::absolute(p), ignored);
    return canonical.has_filename() ? canonical : canonical.parent_path();
  };
  const fs::path inner = whole(path), outer = whole(folder);
  return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

}  // namespace kindred
