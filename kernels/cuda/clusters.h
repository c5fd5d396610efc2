// What the clustering operations share on a device (kernels/clusters.h has their definitions).
#pragma once

#include <cstdint>

#include "kernels/cuda/backend.h"

namespace kindred::cuda {

class CudaClusterPoints : public ClusterPoints {
 public:
  explicit CudaClusterPoints(MatrixView<const float> points)
      : ClusterPoints(points.n_rows, points.n_cols),
        rows(points.data),
        squared(points.n_rows * static_cast<int64_t>(sizeof(double))),
        norms(points.n_rows * static_cast<int64_t>(sizeof(float))),
        scales(points.n_cols * static_cast<int64_t>(sizeof(double))) {}

  const float* rows;
  DeviceMemory squared;  // double [n_points]: x.x
  DeviceMemory norms;    // float [n_points]: |x|, not below
  DeviceMemory scales;   // double [n_features]: 2^e
};

/// x.c as defined: products are exact, whether they are fused with the sum or not.
__device__ inline double ProductInDouble(const float* x, const float* c, int64_t n) {
  double sum = 0;
  for (int64_t j = 0; j < n; ++j) sum += static_cast<double>(x[j]) * static_cast<double>(c[j]);
  return sum;
}

/// What a block of kTileThreads compares at a time: kTile rows with kTile others, kDepth features after each other. A
/// thread has kEach rows of both; kAcross threads, lanes of a half-warp, have the same kEach of the first.
constexpr int kTileThreads = 256, kTile = 64, kDepth = 16, kEach = 4;
constexpr int kAcross = kTile / kEach, kStride = kTile + 4;

/// kDepth features of up to kTile rows, feature by feature, from row `first` of `order` on (null: of the rows as they
/// are); zeros behind row `end` and the last feature.
__device__ inline void LoadTile(const float* rows, const int32_t* order, int64_t first, int64_t end, int64_t d,
                                int64_t feature, float* to) {
  for (int e = static_cast<int>(threadIdx.x); e < kTile * kDepth; e += kTileThreads) {
    const int64_t at = first + e / kDepth, j = feature + e % kDepth;
    float value = 0;
    if (at < end && j < d) value = rows[(order == nullptr ? at : static_cast<int64_t>(order[at])) * d + j];
    to[e % kDepth * kStride + e / kDepth] = value;
  }
}

/// distance^2 as defined, of x.x, c.c and x.c.
__device__ inline double SquaredDistance(double xx, double cc, double xc) {
  const double distance = xx + (cc - 2 * xc);
  return distance > 0 ? distance : 0;
}

}  // namespace kindred::cuda
