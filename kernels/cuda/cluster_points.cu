// Points made ready for clustering: their lengths, and how each feature counts as whole numbers.
// Bytes: the points twice. It waits for the largest of each feature, of which the host makes the powers of two.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/clusters.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = 256;

/// x.x and |x| of each point; lowers the flag to the first point that is not finite.
__global__ void MeasurePoints(const float* rows, int64_t n, int64_t d, double* squared, float* norms,
                              unsigned long long* flag) {
  const int64_t p = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (p >= n) return;
  const double length = ProductInDouble(rows + p * d, rows + p * d, d);
  squared[p] = length;
  norms[p] = static_cast<float>(sqrt(length) * (1 + 0x1p-22));
  bool finite = true;
  for (int64_t j = 0; j < d; ++j) finite = finite && rows[p * d + j] * 0.0f == 0.0f;
  if (!finite) atomicMin(flag, static_cast<unsigned long long>(p));
}

/// The bits of each feature's largest |x|, which order as they do; 32 features a block, 8 rows at a time.
__global__ void LargestOfFeatures(const float* rows, int64_t n, int64_t d, int64_t rows_of_block, unsigned* largest) {
  const int64_t j = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x % 32;
  if (j >= d) return;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * rows_of_block;
  unsigned most = 0;
  for (int64_t p = first + threadIdx.x / 32; p < min(n, first + rows_of_block); p += blockDim.x / 32)
    most = max(most, __float_as_uint(rows[p * d + j]) & 0x7fffffffu);
  atomicMax(&largest[j], most);
}

}  // namespace

std::unique_ptr<ClusterPoints> CudaBackend::NewClusterPoints(Context& context, MatrixView<const float> points) {
  RequireClusterPoints(points);
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  auto ready = std::make_unique<CudaClusterPoints>(points);
  const int64_t n = points.n_rows, d = points.n_cols;
  if (n == 0) return ready;
  unsigned long long* const flag =
      cuda.NewFlag([](unsigned long long row) { return NotFinitePoint(static_cast<int64_t>(row)); });
  Launch(MeasurePoints, dim3(Blocks(n, kThreads)), dim3(kThreads), 0, stream.handle(), points.data, n, d,
         ready->squared.as<double>(), ready->norms.as<float>(), flag);
  auto* const largest = reinterpret_cast<unsigned*>(cuda.Reserve(Arena::Bytes<unsigned>(d)));
  stream.Zero(largest, d * 4);
  const int64_t rows_of_block = std::max<int64_t>(1024, (n + 1023) / 1024);
  Launch(LargestOfFeatures, dim3(Blocks(d, 32), Blocks(n, rows_of_block)), dim3(kThreads), 0, stream.handle(),
         points.data, n, d, rows_of_block, largest);
  std::vector<float> found(static_cast<size_t>(d));
  stream.CopyToHost(found.data(), largest, d * 4);
  stream.Synchronize();
  auto scales = std::make_shared<std::vector<double>>();
  for (float most : found) scales->push_back(std::isfinite(most) ? std::ldexp(1.0, ClusterScale(most, n)) : 0);
  stream.CopyToDevice(ready->scales.data(), scales->data(), d * 8);
  cuda.Keep(scales);
  return ready;
}

}  // namespace kindred::cuda
