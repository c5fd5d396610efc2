#include "host/intake/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kRawBytes = size_t{1} << 18;
constexpr size_t kMaxPathBytes = 4096;

Descriptor OpenInput(const std::string& path) {
  if (path != "-") return OpenFile(path, O_RDONLY);
  Descriptor copy(::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0));
  if (copy.get() < 0) throw SystemError("read", path);
  return copy;
}

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path), descriptor_(OpenInput(path)), raw_(kRawBytes) {
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0) throw SystemError("read", path);
  if (S_ISDIR(status.st_mode))
    throw Error(ErrorCode::kIo, fmt::format("'{}' is a folder; expected a file", Printable(path, kMaxPathBytes)));
  if (S_ISREG(status.st_mode) && path != "-") size_ = status.st_size;

  Refill();
  unpacker_ = MakeUnpacker(path, Raw());
}

size_t InputFile::ReadStored(char* to, size_t n) {
  ssize_t got = 0;
  do {
    got = ::read(descriptor_.get(), to, n);
  } while (got < 0 && errno == EINTR);
  if (got < 0) throw SystemError("read", path_);
  checksum_.Add(std::as_bytes(std::span(to, static_cast<size_t>(got))));
  return static_cast<size_t>(got);
}

bool InputFile::Refill() {
  raw_at_ = raw_end_ = 0;
  while (raw_end_ < raw_.size()) {
    const size_t got = ReadStored(raw_.data() + raw_end_, raw_.size() - raw_end_);
    if (got == 0) break;
    raw_end_ += got;
  }
  return raw_end_ > 0;
}

size_t InputFile::Read(char* to, size_t n) {
  if (unpacker_ != nullptr) return ReadUnpacked(to, n);
  if (raw_at_ == raw_end_) return ReadStored(to, n);
  const size_t now = std::min(n, raw_end_ - raw_at_);
  std::memcpy(to, raw_.data() + raw_at_, now);
  raw_at_ += now;
  return now;
}

size_t InputFile::ReadUnpacked(char* to, size_t n) {
  for (;;) {
    const bool ended = raw_at_ == raw_end_ && !Refill();
    const Unpacked step = unpacker_->Unpack(Raw(), {to, n});
    raw_at_ += step.taken;
    if (!step.wrong.empty())
      throw Error(step.code, fmt::format("'{}' is no whole {} file: {}, at byte {}", Printable(path_, kMaxPathBytes),
                                         unpacker_->name(), step.wrong,
                                         stored_bytes() - static_cast<int64_t>(raw_end_ - raw_at_)));
    if (step.given > 0) return step.given;
    if (ended && unpacker_->MayEnd()) return 0;
    if (ended)
      throw Error(ErrorCode::kCorrupt, fmt::format("'{}' is cut short: its {} bytes end within the {} data",
                                                   Printable(path_, kMaxPathBytes), stored_bytes(), unpacker_->name()));
  }
}

std::string InputFile::Sha256() {
  checksum_.Finish();
  return checksum_.sha256();
}

}  // namespace kindred
