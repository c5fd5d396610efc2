// What the approximate methods of the ALS half-step share on the device.
#pragma once

#include "kernels/cuda/als.h"

namespace kindred::cuda {

/// Calls visit(e, y . v) for each y = row_of(e), e < n, over `width` factors: on one lane each, and for an e always on
/// the same one. By a whole block.
template <class RowOf, class Visit>
__device__ __forceinline__ void ForProducts(int n, int width, const float* v, const RowOf& row_of, const Visit& visit) {
  constexpr int kAtOnce = 4;
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int step = static_cast<int>(blockDim.x) / 32 * kAtOnce;
  for (int e = warp * kAtOnce; e < n; e += step) {
    const float* y[kAtOnce];
    float sums[kAtOnce] = {};
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) y[j] = row_of(e + j < n ? e + j : e);
    for (int k = lane; k < width; k += 32) {
      const float right = v[k];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) sums[j] = fmaf(y[j][k], right, sums[j]);
    }
    for (int offset = 16; offset > 0; offset >>= 1) {
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) sums[j] += __shfl_xor_sync(kAllLanes, sums[j], offset);
    }
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j)
      if (lane == j && e + j < n) visit(e + j, sums[j]);
  }
}

/// An entry's part of the objective, sum b^2/w over w > 0 included.
__device__ inline double EntryLoss(double w, double b, double score) {
  if (w == 0) return -2 * b * score;
  const double miss = score - b / w;
  return w * miss * miss;
}

}  // namespace kindred::cuda
