#include "host/data/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <span>

#include "host/data/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kRawBytes = size_t{1} << 18;
constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for gzip only

}  // namespace

struct InputFile::Inflater {
  Inflater() {
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }

  z_stream stream{};
  bool in_member = true;
};

InputFile::InputFile(const std::string& path) : path_(path), descriptor_(OpenFile(path, O_RDONLY)), raw_(kRawBytes) {
  struct stat status {};
  if (::fstat(descriptor_.get(), &status) != 0) throw SystemError("read", path);
  if (S_ISDIR(status.st_mode))
    throw Error(ErrorCode::kIo, fmt::format("'{}' is a folder; expected a file", Printable(path, 4096)));
  if (S_ISREG(status.st_mode)) size_ = status.st_size;

  Refill();
  const bool magic = raw_end_ >= 2 && raw_[0] == '\x1f' && raw_[1] == '\x8b';
  if (magic || path.ends_with(".gz")) inflater_ = std::make_unique<Inflater>();
}

InputFile::~InputFile() = default;

bool InputFile::Refill() {
  raw_at_ = raw_end_ = 0;
  while (raw_end_ < raw_.size()) {
    const ssize_t got = ::read(descriptor_.get(), raw_.data() + raw_end_, raw_.size() - raw_end_);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw SystemError("read", path_);
    if (got == 0) break;
    raw_end_ += static_cast<size_t>(got);
  }
  checksum_.Add(std::as_bytes(std::span(raw_.data(), raw_end_)));
  return raw_end_ > 0;
}

size_t InputFile::Read(char* to, size_t n) {
  if (inflater_ != nullptr) return Inflate(to, n);
  if (raw_at_ == raw_end_ && !Refill()) return 0;
  const size_t now = std::min(n, raw_end_ - raw_at_);
  std::memcpy(to, raw_.data() + raw_at_, now);
  raw_at_ += now;
  return now;
}

size_t InputFile::Inflate(char* to, size_t n) {
  z_stream& stream = inflater_->stream;
  const auto room = static_cast<uInt>(std::min<size_t>(n, 1u << 30));
  stream.next_out = reinterpret_cast<Bytef*>(to);
  stream.avail_out = room;
  while (stream.avail_out == room) {
    if (!inflater_->in_member && !StartMember()) return 0;
    if (raw_at_ == raw_end_ && !Refill())
      throw Error(ErrorCode::kCorrupt, fmt::format("'{}' is cut short: its {} bytes end within the gzip data",
                                                   Printable(path_, 4096), stored_bytes()));
    stream.next_in = reinterpret_cast<Bytef*>(raw_.data() + raw_at_);
    stream.avail_in = static_cast<uInt>(raw_end_ - raw_at_);
    const int status = inflate(&stream, Z_NO_FLUSH);
    raw_at_ = raw_end_ - stream.avail_in;
    if (status == Z_MEM_ERROR) throw std::bad_alloc();
    if (status != Z_OK && status != Z_STREAM_END)
      throw Error(ErrorCode::kCorrupt, fmt::format("'{}' is no whole gzip file: {}, at byte {}", Printable(path_, 4096),
                                                   stream.msg != nullptr ? stream.msg : "damaged",
                                                   stored_bytes() - static_cast<int64_t>(raw_end_ - raw_at_)));
    inflater_->in_member = status == Z_OK;
  }
  return room - stream.avail_out;
}

bool InputFile::StartMember() {
  // Zeros may pad the end (tape blocks); anything else must be another member.
  do {
    while (raw_at_ < raw_end_ && raw_[raw_at_] == '\0') ++raw_at_;
  } while (raw_at_ == raw_end_ && Refill());
  if (raw_at_ == raw_end_) return false;
  inflateReset(&inflater_->stream);
  inflater_->in_member = true;
  return true;
}

std::string InputFile::Sha256() {
  checksum_.Finish();
  return checksum_.sha256();
}

}  // namespace kindred
