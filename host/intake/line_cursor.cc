#include "host/intake/line_cursor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace kindred {
namespace {

constexpr size_t kHeadBytes = 1000;  // kept of a line that is too long

}  // namespace

bool LineCursor::Next() {
  while (next_ < block_.size) {
    const std::string_view rest(block_.bytes.data() + next_, block_.size - next_);
    const size_t length = std::min(rest.find('\n'), rest.size());
    text_ = rest.substr(0, length);
    next_ = std::min(next_ + length + 1, block_.size);
    ++next_line_;
    too_long_ = length > max_line_bytes_;
    if (too_long_)
      text_ = text_.substr(0, std::min(kHeadBytes, max_line_bytes_));
    else if (text_.ends_with('\r'))
      text_.remove_suffix(1);
    if (!text_.empty() || too_long_) return true;
  }
  return false;
}

BadRow LineCursor::Refused(const std::string& path, std::string kind, std::string reason) const {
  if (too_long_) {
    kind = "line too long";
    reason = fmt::format("the line has more than {} bytes", max_line_bytes_);
  }
  return {path, line(), std::move(reason), std::move(kind), std::string(text_)};
}

}  // namespace kindred
