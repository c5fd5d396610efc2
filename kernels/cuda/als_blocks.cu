// Rows of the ALS half-step by sweeps over blocks of factors (iALS++): one block of threads a row.
//
// Method: c = b - w x.y of every entry stays in shared memory. For a block of factors c first loses their part; then
// their system, (D + sum w y yt) x = sum c y over their columns alone, is assembled as that of a long row is
// (als_primal.h) and solved by Cholesky in shared memory; then c gets their new part. Bytes: n f 4 gathered three times
// a sweep, twice from the caches. Flops: 3 n f block_size on tensor cores, 4 n f, and f block_size^2 / 3. Measured:
// bench/results/gpu_h200.md.
#include <algorithm>

#include "kernels/cuda/als_approximate.h"
#include "kernels/cuda/als_primal.h"

namespace kindred::cuda {
namespace {

// Where a block's arrays lie, in floats: a system over the stages it was assembled from, x, and c.
template <int kWidth, bool kBf16x3>
struct SweepLayout {
  using Tile = GramTile<kWidth, false, kBf16x3>;
  static constexpr int kFloors = PanelMatrix<kBf16x3>::Floats(kWidth), kSolved = kFloors + kWidth;
  static constexpr int kSums = kSolved + kWidth, kX = Tile::kFloats;
  static_assert(kSums + 16 * Tile::kBlocks <= Tile::kRights);
};

template <int kWidth, bool kBf16x3>
__global__ void __launch_bounds__(GramTile<kWidth, false, kBf16x3>::kThreads, 1)
    SweepBlocks(AlsArguments a, int64_t first, int64_t n_sweeps, int block_size, bool warm) {
  using Tile = GramTile<kWidth, false, kBf16x3>;
  using Layout = SweepLayout<kWidth, kBf16x3>;
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  const int f = static_cast<int>(a.n_factors), t = static_cast<int>(threadIdx.x);
  const int64_t row = a.order[first + blockIdx.x], begin = a.indptr[row] - a.first_entry;
  const int n = static_cast<int>(a.indptr[row + 1] - a.indptr[row]);
  float *x = memory + Layout::kX, *rest = x + f;
  float *floors = memory + Layout::kFloors, *solution = memory + Layout::kSolved;
  const auto for_products = [&](int from, int size, const auto& visit) {
    ForProducts(
        n, size, x + from, [&](int e) { return a.fixed + a.indices[begin + e] * a.n_factors + from; }, visit);
  };

  for (int k = t; k < f; k += Tile::kThreads) x[k] = warm ? a.solved[row * f + k] : 0;
  __syncthreads();
  for_products(0, f, [&](int e, float score) { rest[e] = a.targets[begin + e] - a.weights[begin + e] * score; });
  AlsArguments without_block = a;
  without_block.targets = rest - begin;
  bool solved = true;
  for (int64_t sweep = 0; sweep < n_sweeps && solved; ++sweep) {
    for (int from = 0; from < f && solved; from += block_size) {
      const int size = f - from < block_size ? f - from : block_size;
      for_products(from, size, [&](int e, float product) { rest[e] += a.weights[begin + e] * product; });
      __syncthreads();
      Tile tile(without_block, memory, from, 0);
      tile.Assemble(begin, begin + n);
      __syncthreads();
      const PanelMatrix<kBf16x3> system(memory, size);
      tile.ForEach([&](int r, int c, float value) {
        if (r >= system.n_rows() || c > r) return;
        if (r >= size) value = r == c ? 1.0f : 0.0f;
        if (r == c) {
          if (r < size) value += Diagonal(a, row, from + r);
          floors[r] = r < size ? PivotFloor(size, value) : 0.0f;
        }
        system.At(r, c) = value;
      });
      for (int k = t; k < system.n_rows(); k += Tile::kThreads) system.Right(k) = k < size ? tile.Right(k) : 0.0f;
      __syncthreads();
      solved = system.Factor(floors);
      if (!solved) break;
      system.Backward(solution, memory + Layout::kSums);
      for (int k = t; k < size; k += Tile::kThreads) x[from + k] = solution[k];
      __syncthreads();
      for_products(from, size, [&](int e, float product) { rest[e] -= a.weights[begin + e] * product; });
    }
  }

  double norm = 0, loss = 0;
  for (int k = t; k < f; k += Tile::kThreads) {
    a.solved[row * f + k] = x[k];
    norm += static_cast<double>(x[k]) * x[k];
    loss += static_cast<double>(Diagonal(a, row, k)) * x[k] * x[k];
  }
  for_products(0, f, [&](int e, float score) {
    const double w = a.weights[begin + e], b = a.targets[begin + e], c = rest[e];
    loss += w > 0 ? c * c / w : EntryLoss(0, b, score);
  });
  loss = BlockSum(loss, scratch);
  if (t == 0 && a.loss != nullptr) a.loss[row] = loss;
  FinishRow(a, row, solved && loss * 0 == 0, BlockSum(norm, scratch));
}

template <int kWidth, bool kBf16x3>
void LaunchWidth(const AlsArguments& a, const AlsSolver& solver, int64_t first, int64_t count, int64_t longest,
                 StreamHandle stream) {
  const int64_t floats = SweepLayout<kWidth, kBf16x3>::kX + a.n_factors + longest;
  Launch(SweepBlocks<kWidth, kBf16x3>, dim3(static_cast<unsigned>(count)),
         dim3(SweepLayout<kWidth, kBf16x3>::Tile::kThreads), static_cast<size_t>(floats) * sizeof(float), stream, a,
         first, solver.n_steps, static_cast<int>(solver.block_size), solver.warm);
}

}  // namespace

int64_t MaxApproximateEntries(const AlsSolver& solver, int64_t n_factors, int64_t shared_bytes) {
  if (solver.method != AlsMethod::kBlocks) return kFusedEntries;
  constexpr int64_t kStatic = 1024;
  const int64_t left = (shared_bytes - kStatic) / static_cast<int64_t>(sizeof(float)) -
                       std::max(SweepLayout<64, true>::kX, SweepLayout<64, false>::kX) - n_factors;
  return std::clamp<int64_t>(left, 0, kFusedEntries);
}

void LaunchBlocks(const AlsArguments& a, const AlsSolver& solver, GramPrecision precision, int64_t first, int64_t count,
                  int64_t longest, StreamHandle stream) {
  if (count == 0) return;
  const bool bf16x3 = precision == GramPrecision::kBf16x3;
  (solver.block_size <= 32 ? bf16x3 ? LaunchWidth<32, true> : LaunchWidth<32, false>
   : bf16x3 ? LaunchWidth<64, true>
                           : LaunchWidth<64, false>)(a, solver, first, count, longest, stream);
}

}  // namespace kindred::cuda
