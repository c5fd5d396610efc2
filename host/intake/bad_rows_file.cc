#include "host/intake/bad_rows_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <system_error>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kHeader = "file\tline\treason\ttext\n";
constexpr size_t kPendingBytes = size_t{1} << 20;

fs::path Folder(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

/// An open file without a name, in the folder.
Descriptor UnnamedFile(const fs::path& folder) {
  std::string name = (folder / ".bad-rows-XXXXXX").string();
  Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.get() < 0 || ::unlink(name.c_str()) != 0) throw SystemError("create", name);
  return file;
}

}  // namespace

BadRowsFile::~BadRowsFile() {
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

bool BadRowsFile::CheckPlace() const {
  std::error_code ignored;
  if (!fs::exists(path_, ignored)) return false;
  std::string start(kHeader.size(), '\0');
  std::ifstream(path_, std::ios::binary).read(start.data(), static_cast<std::streamsize>(start.size()));
  if (start != kHeader)
    throw Error(ErrorCode::kAlreadyExists,
                fmt::format("'{}' is there already and is no file of bad rows: not overwritten", path_.string()));
  return true;
}

void BadRowsFile::Add(const BadRow& row) {
  fmt::format_to(std::back_inserter(pending_), "{}\t{}\t{}\t{}\n", EscapeTsv(row.file), row.line, EscapeTsv(row.reason),
                 EscapeTsv(row.text));
  if (pending_.size() >= kPendingBytes) Spill();
}

void BadRowsFile::Spill() {
  if (spool_.get() < 0) {
    CreateFolders(Folder(path_));
    spool_ = UnnamedFile(Folder(path_));
  }
  WriteAll(spool_, std::as_bytes(std::span(pending_)), path_);
  spooled_ += static_cast<int64_t>(pending_.size());
  pending_.clear();
}

void BadRowsFile::Stage(bool keep_rows) {
  CreateFolders(Folder(path_));
  temporary_ = Folder(path_) / fmt::format(".{}.tmp-{}", path_.filename().string(), ::getpid());
  const Descriptor file = OpenFile(temporary_, O_WRONLY | O_CREAT | O_TRUNC);
  std::string piece;
  const auto copy = [&](const Descriptor& from, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += static_cast<int64_t>(piece.size())) {
      piece.resize(static_cast<size_t>(std::min(bytes - at, static_cast<int64_t>(kPendingBytes))));
      ReadAll(from, std::as_writable_bytes(std::span(piece)), at, path_);
      WriteAll(file, std::as_bytes(std::span(piece)), temporary_);
    }
  };
  if (keep_rows) {
    int64_t bytes = 0;
    const Descriptor kept = OpenRegularFile(path_, &bytes);
    copy(kept, bytes);
  } else {
    WriteAll(file, std::as_bytes(std::span(kHeader)), temporary_);
  }
  copy(spool_, spooled_);
  WriteAll(file, std::as_bytes(std::span(pending_)), temporary_);
  Sync(file, temporary_);
}

void BadRowsFile::Publish() {
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) throw SystemError("create", path_);
  temporary_.clear();
  SyncFolder(Folder(path_));
}

}  // namespace kindred
