#include "tests/simt/async_copies.h"

#include <cstring>

namespace kindred::simt {

void AsyncCopies::Issue(void* to, const void* from, int bytes) {
  Copy copy = {
      static_cast<unsigned char*>(to), static_cast<const unsigned char*>(from), static_cast<size_t>(bytes), {}};
  std::memcpy(copy.issued, from, copy.bytes);
  std::memset(to, 0xff, 16);
  copies_.push_back(copy);
}

bool AsyncCopies::Wait(int n_pending) {
  const auto pending = static_cast<size_t>(n_pending);
  if (groups_.size() <= pending) return true;
  const size_t n_groups = groups_.size() - pending;
  const size_t n_copies = groups_[n_groups - 1];
  bool same = true;
  for (size_t i = 0; i < n_copies; ++i) {
    const Copy& copy = copies_[i];
    same = same && std::memcmp(copy.issued, copy.from, copy.bytes) == 0;
    std::memcpy(copy.to, copy.from, copy.bytes);
    std::memset(copy.to + copy.bytes, 0, 16 - copy.bytes);
  }
  copies_.erase(copies_.begin(), copies_.begin() + static_cast<ptrdiff_t>(n_copies));
  groups_.erase(groups_.begin(), groups_.begin() + static_cast<ptrdiff_t>(n_groups));
  for (size_t& end : groups_) end -= n_copies;
  return same;
}

void AsyncCopies::Clear() {
  copies_.clear();
  groups_.clear();
}

}  // namespace kindred::simt
