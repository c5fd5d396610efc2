// The emulated card's memory: how much there is, and how much was taken.
#pragma once

#include <atomic>
#include <cstdint>

namespace kindred::cuda {

struct EmulatedMemory {
  static EmulatedMemory& Get() {
    static EmulatedMemory memory;
    return memory;
  }

  /// False where there is not as much left.
  bool Take(int64_t n_bytes) {
    const int64_t taken = allocated += n_bytes;
    if (taken > bytes) {
      allocated -= n_bytes;
      return false;
    }
    int64_t most = peak;
    while (taken > most && !peak.compare_exchange_weak(most, taken)) {
    }
    return true;
  }

  std::atomic<int64_t> bytes = int64_t{1} << 34;
  std::atomic<int64_t> allocated = 0;
  std::atomic<int64_t> peak = 0;
};

}  // namespace kindred::cuda
