// Rows of the ALS half-step by conjugate gradients, preconditioned by D^-1: one block a row.
//
// Method: a step needs D v + sum w (y . v) y. Entries pass in tiles: each warp takes products y . v, then each thread
// sums its columns of the tile in the order of the entries. Rows that are small keep their factors in shared memory
// from step to step; those of others come from the caches, where a tile's second reading finds them. Bytes: n f 4
// gathered once (kept), or once a step. Flops: 4 n f a step and to begin. Measured: bench/results/gpu_h200.md.
#include <algorithm>

#include "kernels/cuda/als_approximate.h"
#include "kernels/cuda/block.h"

namespace kindred::cuda {
namespace {

constexpr int kTile = 64;                  // entries between barriers
constexpr int64_t kKeptBytes = 48 * 1024;  // of factors in shared memory
constexpr int kMaxThreads = 256;
constexpr float kTinyDiagonal = 1e-6f;  // of D against its largest: below it D is no preconditioner
constexpr double kConverged = 0x1p-46;  // of the squared residual against the first: what float32 can reach

int64_t KeptStride(int64_t n_factors) {
  return (n_factors + 3) / 4 * 4;
}

// One row's entries: added up pass by pass.
class RowPasses {
 public:
  __device__ RowPasses(const AlsArguments& a, int64_t begin, int n, int kept_stride, float* kept, float* coefficients)
      : a_(a), begin_(begin), n_(n), stride_(kept_stride), kept_(kept), coefficients_(coefficients) {
    if (stride_ > 0) Keep();
  }

  /// out += sum over entries of coefficient(entry, y . v) y, by the threads whose columns they are. Call after a
  /// barrier; v may be written again when it returns.
  template <class Coefficient>
  __device__ void Add(const float* v, float* out, const Coefficient& coefficient) {
    const int f = static_cast<int>(a_.n_factors);
    for (int base = 0; base < n_; base += kTile) {
      const int count = n_ - base < kTile ? n_ - base : kTile;
      if (base > 0) __syncthreads();
      ForProducts(
          count, f, v, [&](int e) { return RowOf(base + e); },
          [&](int e, float product) { coefficients_[e] = coefficient(begin_ + base + e, product); });
      __syncthreads();
      for (int k = static_cast<int>(threadIdx.x); k < f; k += static_cast<int>(blockDim.x)) {
        float sum = out[k];
#pragma unroll 4
        for (int e = 0; e < count; ++e) sum = fmaf(coefficients_[e], RowOf(base + e)[k], sum);
        out[k] = sum;
      }
    }
  }

 private:
  // Begins the copies of all factors; a thread's own have landed when it has waited.
  __device__ void Keep() {
    const int f = static_cast<int>(a_.n_factors), each = stride_ / 4;
    for (int i = static_cast<int>(threadIdx.x); i < n_ * each; i += static_cast<int>(blockDim.x)) {
      const int e = i / each, k = i % each * 4;
      const float* from = a_.fixed + a_.indices[begin_ + e] * a_.n_factors + k;
      float* to = kept_ + e * stride_ + k;
      if (f % 4 == 0) {
        CopyAsync16(to, from);
      } else {
        for (int q = 0; q < 4 && k + q < f; ++q) to[q] = from[q];
      }
    }
    CommitCopies();
    WaitForCopies<0>();
  }
  __device__ const float* RowOf(int e) const {
    return stride_ > 0 ? kept_ + e * stride_ : a_.fixed + a_.indices[begin_ + e] * a_.n_factors;
  }

  const AlsArguments& a_;
  int64_t begin_;
  int n_, stride_;
  float *kept_, *coefficients_;
};

__global__ void __launch_bounds__(kMaxThreads, 3)
    StepGradients(AlsArguments a, int64_t first, int64_t n_steps, bool warm, int kept_stride) {
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  const int f = static_cast<int>(a.n_factors), t = static_cast<int>(threadIdx.x);
  const int n_threads = static_cast<int>(blockDim.x);
  const int64_t row = a.order[first + blockIdx.x], begin = a.indptr[row] - a.first_entry;
  const int n = static_cast<int>(a.indptr[row + 1] - a.indptr[row]);
  // A thread's columns of all but `direction` are its own.
  float *direction = memory + kTile, *x = direction + f, *residual = x + f, *image = residual + f;
  const float largest = Diagonal(a, row, 0), least = largest > 0 ? kTinyDiagonal * largest : 1;
  const auto inverse = [&](int k) {
    const float d = Diagonal(a, row, k);
    return 1 / (d > least ? d : least);
  };

  RowPasses passes(a, begin, n, kept_stride, memory + (kTile + 4 * f + 3) / 4 * 4, memory);
  double loss = 0, squared = 0;
  for (int k = t; k < f; k += n_threads) {
    x[k] = direction[k] = warm ? a.solved[row * f + k] : 0;
    residual[k] = -Diagonal(a, row, k) * x[k];
    loss -= static_cast<double>(x[k]) * residual[k];
  }
  __syncthreads();
  passes.Add(direction, residual, [&](int64_t e, float score) {
    loss += EntryLoss(a.weights[e], a.targets[e], score);
    return a.targets[e] - a.weights[e] * score;
  });
  for (int k = t; k < f; k += n_threads) {
    direction[k] = inverse(k) * residual[k];
    squared += static_cast<double>(residual[k]) * direction[k];
  }
  loss = BlockSum(loss, scratch);
  squared = BlockSum(squared, scratch);
  const double enough = kConverged * squared;
  for (int64_t step = 0; step < n_steps && squared > enough; ++step) {
    for (int k = t; k < f; k += n_threads) image[k] = Diagonal(a, row, k) * direction[k];
    passes.Add(direction, image, [&](int64_t e, float product) { return a.weights[e] * product; });
    double curvature = 0;
    for (int k = t; k < f; k += n_threads) curvature += static_cast<double>(direction[k]) * image[k];
    curvature = BlockSum(curvature, scratch);
    if (!(curvature > 0)) break;
    const double length = squared / curvature, last = squared;
    loss -= length * squared;
    squared = 0;
    for (int k = t; k < f; k += n_threads) {
      x[k] = fmaf(static_cast<float>(length), direction[k], x[k]);
      residual[k] = fmaf(-static_cast<float>(length), image[k], residual[k]);
      image[k] = inverse(k) * residual[k];
      squared += static_cast<double>(residual[k]) * image[k];
    }
    squared = BlockSum(squared, scratch);
    const float keep = static_cast<float>(squared / last);
    for (int k = t; k < f; k += n_threads) direction[k] = fmaf(keep, direction[k], image[k]);
    __syncthreads();
  }
  double norm = 0;
  for (int k = t; k < f; k += n_threads) {
    a.solved[row * f + k] = x[k];
    norm += static_cast<double>(x[k]) * x[k];
  }
  if (t == 0 && a.loss != nullptr) a.loss[row] = loss;
  FinishRow(a, row, (loss + squared) * 0 == 0, BlockSum(norm, scratch));
}

}  // namespace

int64_t MaxKeptEntries(int64_t n_factors) {
  return kKeptBytes / (KeptStride(n_factors) * static_cast<int64_t>(sizeof(float)));
}

void LaunchGradients(const AlsArguments& a, const AlsSolver& solver, int64_t first, int64_t count, int64_t longest,
                     StreamHandle stream) {
  if (count == 0) return;
  const int64_t stride = longest <= MaxKeptEntries(a.n_factors) ? KeptStride(a.n_factors) : 0;
  const int64_t floats = (kTile + 4 * a.n_factors + 3) / 4 * 4 + longest * stride;
  const unsigned n_threads = a.n_factors <= 64 ? 64 : a.n_factors <= 128 ? 128 : kMaxThreads;
  Launch(StepGradients, dim3(static_cast<unsigned>(count)), dim3(n_threads),
         static_cast<size_t>(floats) * sizeof(float), stream, a, first, solver.n_steps, solver.warm,
         static_cast<int>(stride));
}

}  // namespace kindred::cuda
