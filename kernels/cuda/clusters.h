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

/// distance^2 as defined, of x.x, c.c and x.c.
__device__ inline double SquaredDistance(double xx, double cc, double xc) {
  const double distance = xx + (cc - 2 * xc);
  return distance > 0 ? distance : 0;
}

}  // namespace kindred::cuda
