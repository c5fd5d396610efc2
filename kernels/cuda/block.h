// Device functions that a whole block calls together.
#pragma once

#include "kernels/cuda/device.h"

namespace kindred::cuda {

/// The sum of every thread's value, given to all; `scratch` holds 32 values in shared memory. The order is fixed.
template <class T>
__device__ T BlockSum(T value, T* scratch) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int n_warps = (static_cast<int>(blockDim.x) + 31) >> 5;
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(kAllLanes, value, offset);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  T total = 0;
  for (int w = 0; w < n_warps; ++w) total += scratch[w];
  __syncthreads();
  return total;
}

/// Sorts n keys (a power of two) in shared memory, descending. Call after a barrier; ends with one.
__device__ inline void BlockSortDescending(unsigned long long* keys, int n) {
  const int t = static_cast<int>(threadIdx.x), n_threads = static_cast<int>(blockDim.x);
  for (int size = 2; size <= n; size <<= 1) {
    for (int step = size >> 1; step > 0; step >>= 1) {
      for (int e = t; e < n / 2; e += n_threads) {
        const int i = 2 * e - (e & (step - 1)), j = i + step;
        const bool descending = (i & size) == 0;
        const unsigned long long a = keys[i], b = keys[j];
        if ((a < b) == descending) {
          keys[i] = b;
          keys[j] = a;
        }
      }
      __syncthreads();
    }
  }
}

/// A score and an item as one key: a larger key is a higher score, then a lower item. 0 for NaN.
__device__ inline unsigned long long RankKey(float score, unsigned item) {
  unsigned bits = __float_as_uint(score);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0;
  bits = (bits & 0x80000000u) != 0 ? ~bits : (bits | 0x80000000u);
  return (static_cast<unsigned long long>(bits) << 32) | static_cast<unsigned>(~item);
}
__device__ inline float KeyScore(unsigned long long key) {
  const auto bits = static_cast<unsigned>(key >> 32);
  return __uint_as_float((bits & 0x80000000u) != 0 ? (bits & 0x7fffffffu) : ~bits);
}
__device__ inline int32_t KeyItem(unsigned long long key) {
  return static_cast<int32_t>(~static_cast<unsigned>(key));
}

}  // namespace kindred::cuda
