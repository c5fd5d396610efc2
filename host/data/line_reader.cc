#include "host/data/line_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "host/data/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kHeadBytes = 1000;

}  // namespace

LineReader::LineReader(InputFile& file, size_t buffer_bytes, size_t max_bytes)
    : file_(file), max_bytes_(max_bytes), buffer_(std::max<size_t>(buffer_bytes, 4)) {}

bool LineReader::Fill() {
  if (ended_) return false;
  if (end_ == buffer_.size()) {
    if (begin_ < buffer_.size() / 2) buffer_.resize(2 * buffer_.size());
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  const size_t got = file_.Read(buffer_.data() + end_, buffer_.size() - end_);
  end_ += got;
  ended_ = got == 0;
  return !ended_;
}

void LineReader::SkipByteOrderMark() {
  started_ = true;
  while (end_ < 3 && Fill()) {
  }
  const std::string_view start(buffer_.data(), end_);
  if (start.starts_with("\xEF\xBB\xBF")) next_ = 3;
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF"))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is UTF-16; expected UTF-8", Printable(path(), 4096)));
}

LineReader::Status LineReader::Next() {
  if (!started_) SkipByteOrderMark();
  begin_ += next_;
  length_ = next_ = 0;
  line_ += std::exchange(n_lines_, 1);
  too_long_ = false;
  if (begin_ == end_ && !Fill()) return Status::kEnd;
  if (!TakeLine(0)) {
    SkipLine();
    return Status::kTooLong;
  }
  first_length_ = length_;
  first_next_ = next_;
  return Status::kLine;
}

bool LineReader::Extend() {
  if (begin_ + next_ == end_ && !Fill()) return false;
  if (!TakeLine(next_)) return false;
  ++n_lines_;
  return true;
}

void LineReader::KeepFirstLine() {
  length_ = first_length_;
  next_ = first_next_;
  n_lines_ = 1;
}

bool LineReader::TakeLine(size_t from) {
  size_t at = from;
  const void* hit = nullptr;
  for (;;) {
    hit = std::memchr(Begin() + at, '\n', end_ - begin_ - at);
    at = hit != nullptr ? static_cast<size_t>(static_cast<const char*>(hit) - Begin()) : end_ - begin_;
    if (at > max_bytes_) return false;
    if (hit != nullptr || !Fill()) break;
  }
  length_ = at > from && Begin()[at - 1] == '\r' ? at - 1 : at;
  next_ = hit != nullptr ? at + 1 : at;
  return true;
}

void LineReader::SkipLine() {
  head_.assign(Begin(), std::min({kHeadBytes, max_bytes_, end_ - begin_}));
  too_long_ = true;
  for (;;) {
    const void* hit = std::memchr(Begin(), '\n', end_ - begin_);
    if (hit != nullptr) {
      next_ = static_cast<size_t>(static_cast<const char*>(hit) - Begin()) + 1;
      return;
    }
    begin_ = end_ = 0;
    if (!Fill()) return;
  }
}

}  // namespace kindred
