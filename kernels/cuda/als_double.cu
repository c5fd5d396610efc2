// Rows of the ALS half-step again in double: the few whose systems float32 cannot tell from singular ones.
//
// Method: one block a row, the system in global memory: each thread sums its entries over the row, then Cholesky with
// a floor under the pivots at what double has lost. n f^2/2 + f^3/3 multiply-adds; meant for few rows.
#include <algorithm>

#include "kernels/cuda/als.h"
#include "kernels/cuda/block.h"
#include "kernels/cuda/cholesky.h"

namespace kindred::cuda {
namespace {

constexpr double kRounding = 0x1p-44;  // of a pivot's diagonal, times sqrt(f): kLostPivot of als_primal.h, for double
constexpr int kThreads = 256;

int64_t SystemBytes(int64_t f) {
  return (f + 1) * f * static_cast<int64_t>(sizeof(double));
}

__global__ void __launch_bounds__(kThreads) SolveInDouble(AlsArguments a, double* systems) {
  KINDRED_DYNAMIC_SHARED(double, memory);
  KINDRED_SHARED(double, scratch, 32);
  const int f = static_cast<int>(a.n_factors), t = static_cast<int>(threadIdx.x);
  double *x = memory, *floors = memory + f, *system = systems + static_cast<int64_t>(blockIdx.x) * (f + 1) * f;
  const int64_t n_rows = *a.unsolved.count;
  for (int64_t place = blockIdx.x; place < n_rows; place += gridDim.x) {
    const int64_t row = a.unsolved.rows[place];
    const int64_t begin = a.indptr[row] - a.first_entry, end = a.indptr[row + 1] - a.first_entry;
    for (int e = t; e < (f + 1) * f; e += kThreads) {
      const int r = e / f, c = e % f;
      if (c > r) continue;
      double sum = 0;
      for (int64_t i = begin; i < end; ++i) {
        const float* y = a.fixed + a.indices[i] * a.n_factors;
        sum += (r < f ? static_cast<double>(a.weights[i]) * y[r] : a.targets[i]) * y[c];
      }
      if (r == c) {
        sum += static_cast<double>(a.unobserved_weight) * a.eigenvalues[r] + a.regularization[row];
        floors[r] = sqrt(static_cast<double>(f)) * kRounding * sum;
      }
      system[e] = sum;
    }
    double loss = 0, norm = 0;
    for (int64_t i = begin + t; i < end; i += kThreads)
      if (a.weights[i] > 0) loss += static_cast<double>(a.targets[i]) * a.targets[i] / a.weights[i];
    __syncthreads();
    const bool solved = BlockCholesky<double>(system, f, f + 1, f, floors, nullptr);
    if (solved) {
      for (int k = t; k < f; k += kThreads) {
        x[k] = system[f * f + k];
        loss -= x[k] * x[k];
      }
      __syncthreads();
      BlockBackward(system, f, f, x);
      for (int k = t; k < f; k += kThreads) {
        const float rounded = static_cast<float>(x[k]);
        a.solved[row * f + k] = rounded;
        norm += static_cast<double>(rounded) * rounded;
      }
    }
    loss = BlockSum(loss, scratch);
    norm = BlockSum(norm, scratch);
    if (t > 0) continue;
    if (!solved || norm * 0 != 0) atomicMin(a.failure, static_cast<unsigned long long>(row));
    if (a.loss != nullptr) a.loss[row] = loss;
    if (a.squared_norm != nullptr) a.squared_norm[row] = norm;
  }
}

}  // namespace

int DoubleBlocks(int64_t n_factors, int n_multiprocessors) {
  constexpr int64_t kMaxBytes = int64_t{64} << 20;
  return static_cast<int>(std::clamp<int64_t>(kMaxBytes / SystemBytes(n_factors), 1, 2 * n_multiprocessors));
}

int64_t DoubleWorkspaceBytes(int64_t n_factors, int n_multiprocessors) {
  return DoubleBlocks(n_factors, n_multiprocessors) * SystemBytes(n_factors);
}

void LaunchDouble(const AlsArguments& a, int n_blocks, char* workspace, StreamHandle stream) {
  Launch(SolveInDouble, dim3(static_cast<unsigned>(n_blocks)), dim3(kThreads),
         static_cast<size_t>(2 * a.n_factors) * sizeof(double), stream, a, reinterpret_cast<double*>(workspace));
}

}  // namespace kindred::cuda
