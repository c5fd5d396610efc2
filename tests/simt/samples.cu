#include "tests/simt/samples.h"

#include "kernels/cuda/device.h"

namespace kindred::simt {
namespace {

using cuda::kAllLanes;

__global__ void SumColumnsKernel(const float* __restrict__ values, int n_rows, int n_cols, float* sums) {
  KINDRED_SHARED(float, partial, 32);
  const int t = static_cast<int>(threadIdx.x), lane = t % 32, warp = t / 32,
            n_warps = static_cast<int>(blockDim.x) / 32;
  for (int col = static_cast<int>(blockIdx.x); col < n_cols; col += static_cast<int>(gridDim.x)) {
    float sum = 0;
    for (int row = t; row < n_rows; row += static_cast<int>(blockDim.x)) sum += values[row * n_cols + col];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(kAllLanes, sum, step);
    if (lane == 0) partial[warp] = sum;
    __syncthreads();
    if (warp == 0) {
      sum = lane < n_warps ? partial[lane] : 0.0f;
      for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(kAllLanes, sum, static_cast<unsigned>(step));
      if (lane == 0) sums[col] = sum;
    }
    __syncthreads();
  }
}

__global__ void SolveCholeskyKernel(const float* __restrict__ a, const float* __restrict__ b, int n, float* x,
                                    int* singular) {
  KINDRED_DYNAMIC_SHARED(float, factor);
  const int t = static_cast<int>(threadIdx.x), n_threads = static_cast<int>(blockDim.x), stride = n + 1;
  float* y = factor + n * stride;
  a += static_cast<int64_t>(blockIdx.x) * n * n;
  b += static_cast<int64_t>(blockIdx.x) * n;
  x += static_cast<int64_t>(blockIdx.x) * n;
  for (int e = t; e < n * n; e += n_threads) factor[e / n * stride + e % n] = a[e];
  for (int e = t; e < n; e += n_threads) y[e] = b[e];
  __syncthreads();
  for (int j = 0; j < n; ++j) {
    const float pivot = factor[j * stride + j];
    if (!(pivot > 0.0f)) {  // the same in every thread
      if (t == 0) singular[blockIdx.x] = j + 1;
      return;
    }
    __syncthreads();
    for (int i = j + t; i < n; i += n_threads) factor[i * stride + j] *= rsqrtf(pivot);
    __syncthreads();
    const int rest = n - j - 1;
    for (int e = t; e < rest * rest; e += n_threads) {
      const int row = j + 1 + e / rest, col = j + 1 + e % rest;
      if (col <= row)
        factor[row * stride + col] =
            fmaf(-factor[row * stride + j], factor[col * stride + j], factor[row * stride + col]);
    }
    __syncthreads();
  }
  if (t >= 32) return;
  for (int pass = 0; pass < 2; ++pass) {
    for (int step = 0; step < n; ++step) {
      const int i = pass == 0 ? step : n - 1 - step;
      float sum = 0;
      for (int k = t; k < step; k += 32) {
        const int other = pass == 0 ? k : n - 1 - k;
        sum = fmaf(pass == 0 ? factor[i * stride + other] : factor[other * stride + i], y[other], sum);
      }
      for (int d = 16; d > 0; d /= 2) sum += __shfl_xor_sync(kAllLanes, sum, d);
      if (t == 0) y[i] = (y[i] - sum) / factor[i * stride + i];
      __syncwarp();
    }
  }
  for (int i = t; i < n; i += 32) x[i] = y[i];
  if (t == 0) singular[blockIdx.x] = 0;
}

// Two warps; warp w computes rows 16 w to 16 w + 15.
__global__ void GatheredGramKernel(const float* __restrict__ rows, const int* __restrict__ indices, int n,
                                   float* gram) {
  constexpr int kFactors = 32, kDepth = 16, kStride = kFactors + 4, kTile = kDepth * kStride, kStages = 3;
  KINDRED_SHARED(float, ring, kStages* kTile);
  const int t = static_cast<int>(threadIdx.x), lane = t % 32, warp = t / 32, g = lane / 4, q = lane % 4;
  const int n_tiles = (n + kDepth - 1) / kDepth;
  const auto issue = [&](int tile) {
    for (int e = t; tile < n_tiles && e < kDepth * kFactors / 4; e += 64) {
      const int k = e / (kFactors / 4), col = e % (kFactors / 4) * 4, i = tile * kDepth + k;
      const float* from = i < n ? rows + static_cast<int64_t>(indices[i]) * kFactors + col : rows;
      cuda::CopyAsync16(&ring[tile % kStages * kTile + k * kStride + col], from, i < n ? 16 : 0);
    }
    cuda::CommitCopies();
  };
  float sums[4][4] = {};
  issue(0);
  issue(1);
  for (int tile = 0; tile < n_tiles; ++tile) {
    cuda::WaitForCopies<1>();
    __syncthreads();
    issue(tile + 2);
    const float* y = &ring[tile % kStages * kTile];
    const auto pair = [&](int k, int col) { return cuda::PackBf16(y[k * kStride + col], y[(k + 1) * kStride + col]); };
    uint32_t a[4];
    for (int r = 0; r < 4; ++r) a[r] = pair(q * 2 + r / 2 * 8, warp * 16 + g + r % 2 * 8);
#pragma unroll
    for (int block = 0; block < 4; ++block) {
      const uint32_t b[2] = {pair(q * 2, block * 8 + g), pair(q * 2 + 8, block * 8 + g)};
      cuda::MmaBf16(sums[block], a, b);
    }
  }
  for (int block = 0; block < 4; ++block)
    for (int i = 0; i < 4; ++i)
      gram[(warp * 16 + g + i / 2 * 8) * kFactors + block * 8 + q * 2 + i % 2] = sums[block][i];
}

}  // namespace

void SumColumns(const float* values, int n_rows, int n_cols, float* sums) {
  const unsigned n_blocks = static_cast<unsigned>((n_cols + 1) / 2);
  cuda::Launch(SumColumnsKernel, dim3(n_blocks), dim3(96), 0, nullptr, values, n_rows, n_cols, sums);
}

void SolveCholesky(const float* a, const float* b, int n, int n_systems, float* x, int* singular) {
  const size_t shared = static_cast<size_t>(n * (n + 1) + n) * sizeof(float);
  cuda::Launch(SolveCholeskyKernel, dim3(static_cast<unsigned>(n_systems)), dim3(64), shared, nullptr, a, b, n, x,
               singular);
}

void GatheredGram(const float* rows, const int* indices, int n, float* gram) {
  cuda::Launch(GatheredGramKernel, dim3(1), dim3(64), 0, nullptr, rows, indices, n, gram);
}

}  // namespace kindred::simt
