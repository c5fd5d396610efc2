// The copies that one thread has under way by cp.async.
#pragma once

#include <cstddef>
#include <vector>

namespace kindred::simt {

/// From issue to wait a copy's target holds NaN and its source must not change: nothing may rely on when it lands.
class AsyncCopies {
 public:
  /// 16 bytes to `to`, the first `bytes` of them from `from`, the others 0.
  void Issue(void* to, const void* from, int bytes);
  void Commit() { groups_.push_back(copies_.size()); }
  /// Lands all groups but the last `n_pending`. False where a source has changed.
  bool Wait(int n_pending);
  bool empty() const { return copies_.empty(); }
  void Clear();

 private:
  struct Copy {
    unsigned char* to;
    const unsigned char* from;
    size_t bytes;
    unsigned char issued[16];
  };
  std::vector<Copy> copies_;
  std::vector<size_t> groups_;  // for each, the number of copies up to its end
};

}  // namespace kindred::simt
