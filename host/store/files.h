// Files of the operating system, with errors that name the path and the reason.
//
// Every function throws kIo with the system's text, or kNotFound where what is to be read is not there; calls
// that a signal interrupts, or that do less than asked, are taken up again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "kernels/error.h"

namespace kindred {

/// An open file or folder, closed on destruction.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor();

  int get() const { return value_; }

 private:
  int value_ = -1;
};

/// "cannot DOING 'PATH': the text of errno".
Error SystemError(const std::string& doing, const std::filesystem::path& path);

/// open(2). `mode` is for O_CREAT.
Descriptor OpenFile(const std::filesystem::path& path, int flags, int mode = 0666);
/// A file to read, which must be a regular one; tells its size.
Descriptor OpenRegularFile(const std::filesystem::path& path, int64_t* bytes);
void WriteAll(const Descriptor& file, std::span<const std::byte> data, const std::filesystem::path& path);
/// Reads exactly `to`, starting at `offset`. The end of the file comes as an error.
void ReadAll(const Descriptor& file, std::span<std::byte> to, int64_t offset, const std::filesystem::path& path);
void Sync(const Descriptor& file, const std::filesystem::path& path);

/// The folder that a new file is to be in; kInvalidArgument for the path of a folder.
std::filesystem::path FolderOf(const std::filesystem::path& path);
/// Creates the file, or replaces what it holds, and syncs it.
void WriteFile(const std::filesystem::path& path, std::string_view text);
/// Creates a file that is whole or not there: written and synced as `.<name>.tmp-<pid>` beside its place, then renamed;
/// folders above it are created. Where something is there already: kAlreadyExists, or with `overwrite` a regular file
/// is replaced.
void WriteNewFile(const std::filesystem::path& path, std::string_view text, bool overwrite);
/// The same of a file that `write` fills; where it throws, nothing is created.
void WriteNewFile(const std::filesystem::path& path, const std::function<void(const Descriptor&)>& write,
                  bool overwrite);
/// Refuses what WriteNewFile would refuse, as far as it can be known before: so that nothing long is done in vain.
/// Nothing is created.
void CheckNewFile(const std::filesystem::path& path, bool overwrite);
/// The whole of a file, which must not be larger than `max_bytes` (kCorrupt).
std::string ReadFile(const std::filesystem::path& path, int64_t max_bytes);
/// The names in a folder, in no order. Does not throw as the others do: an error ends the list, and `error` holds it.
std::vector<std::string> NamesIn(const std::filesystem::path& folder, std::error_code& error);
/// Syncs a folder's entries, so that a rename in it lasts.
void SyncFolder(const std::filesystem::path& path);
/// Creates what is missing of a folder's path, and syncs it.
void CreateFolders(const std::filesystem::path& path);
/// Bytes of the regular files right in a folder; what cannot be looked at counts none. Does not throw.
int64_t FolderBytes(const std::filesystem::path& path);
/// Removes a folder with all that is in it.
void RemoveAll(const std::filesystem::path& path);
/// Whether the path is the folder or below it; links are followed as far as there are any.
bool LiesIn(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace kindred
