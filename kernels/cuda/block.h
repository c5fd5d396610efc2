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

/// a = L Lt in place on the lower triangle (row stride ld) in shared memory. False, for every thread, at a pivot
/// that is not above `floor` times its own diagonal entry: lost to rounding. Call after a barrier; ends with one.
__device__ inline bool BlockCholesky(float* a, int n, int ld, float floor) {
  const int t = static_cast<int>(threadIdx.x), n_threads = static_cast<int>(blockDim.x);
  for (int j = 0; j < n; ++j) {
    // Entry (j, j) has lost all but its pivot; what was there is in the row above the diagonal, see below.
    const float pivot = a[j * ld + j];
    const float diagonal = j == 0 ? pivot : a[(j - 1) * ld + j];
    if (!(pivot > floor * diagonal) || !(pivot > 0.0f)) return false;
    const float scale = 1.0f / sqrtf(pivot);
    __syncthreads();
    for (int i = j + t; i < n; i += n_threads) a[i * ld + j] *= scale;
    __syncthreads();
    const int left = n - j - 1;
    for (int e = t; e < left * left; e += n_threads) {
      const int row = j + 1 + e / left, column = j + 1 + e % left;
      if (column <= row) a[row * ld + column] = fmaf(-a[row * ld + j], a[column * ld + j], a[row * ld + column]);
    }
    __syncthreads();
  }
  return true;
}

/// Puts each diagonal entry (r, r), r > 0, where BlockCholesky looks for it: at (r - 1, r). Ends with a barrier.
__device__ inline void KeepDiagonal(float* a, int n, int ld) {
  __syncthreads();
  for (int r = 1 + static_cast<int>(threadIdx.x); r < n; r += static_cast<int>(blockDim.x))
    a[(r - 1) * ld + r] = a[r * ld + r];
  __syncthreads();
}

/// x := (L Lt)^-1 x by the first warp, x in shared memory. Ends with a barrier. `middle`, if not null, receives
/// |L^-1 x|^2 from thread 0.
__device__ inline void BlockSolve(const float* l, int n, int ld, float* x, double* middle) {
  if (threadIdx.x < 32) {
    const int lane = static_cast<int>(threadIdx.x);
    for (int i = 0; i < n; ++i) {
      float sum = 0;
      for (int c = lane; c < i; c += 32) sum = fmaf(l[i * ld + c], x[c], sum);
      for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_xor_sync(kAllLanes, sum, offset);
      if (lane == 0) x[i] = (x[i] - sum) / l[i * ld + i];
      __syncwarp();
    }
    if (lane == 0 && middle != nullptr) {
      double sum = 0;
      for (int i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
      *middle = sum;
    }
    __syncwarp();
    for (int i = n - 1; i >= 0; --i) {
      float sum = 0;
      for (int c = i + 1 + lane; c < n; c += 32) sum = fmaf(l[c * ld + i], x[c], sum);
      for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_xor_sync(kAllLanes, sum, offset);
      if (lane == 0) x[i] = (x[i] - sum) / l[i * ld + i];
      __syncwarp();
    }
  }
  __syncthreads();
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
