#include "host/store/file_lock.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <string_view>

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxNote = 200;

/// Without O_CREAT first: a lock that is there can be had on a full disk.
Descriptor OpenLock(const fs::path& path) {
  try {
    return OpenFile(path, O_RDWR);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    return OpenFile(path, O_RDWR | O_CREAT);
  }
}

/// "process 12 (train) since 2026-01-02T03:04:05Z"; "another process" where the file does not say it.
std::string Holder(const Descriptor& file) {
  char bytes[kMaxNote];
  const ssize_t n = ::pread(file.get(), bytes, sizeof bytes, 0);
  const std::string_view note(bytes, n > 0 ? static_cast<size_t>(n) : 0);
  const size_t time = note.find(' ');
  const size_t doing = time == std::string_view::npos ? time : note.find(' ', time + 1);
  const bool printable =
      note.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789TZ:- \n") == std::string_view::npos;
  if (doing == std::string_view::npos || !note.ends_with('\n') || !printable) return "another process";
  return fmt::format("process {} ({}) since {}", note.substr(0, time), note.substr(doing + 1, note.size() - doing - 2),
                     note.substr(time + 1, doing - time - 1));
}

/// Best effort: on a full disk versions must still be removable.
void WriteNote(const Descriptor& file, const std::string& doing) {
  const std::string note =
      fmt::format("{} {:%Y-%m-%dT%H:%M:%SZ} {}\n", ::getpid(), fmt::gmtime(std::time(nullptr)), doing);
  if (::ftruncate(file.get(), 0) != 0) return;
  [[maybe_unused]] const ssize_t n = ::pwrite(file.get(), note.data(), note.size(), 0);
}

}  // namespace

FileLock::FileLock(const fs::path& path, const std::string& taken, const std::string& doing) : file_(OpenLock(path)) {
  int result = 0;
  while ((result = ::flock(file_.get(), LOCK_EX | LOCK_NB)) != 0 && errno == EINTR) continue;
  if (result != 0 && errno != EWOULDBLOCK) throw SystemError("lock", path);
  if (result != 0)
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("{} by {}, which holds '{}'", taken, Holder(file_), path.string()));
  WriteNote(file_, doing);
}

}  // namespace kindred
