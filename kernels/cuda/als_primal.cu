// Long rows of the ALS half-step, in the primal: (D + sum w y yt) x = sum b y, for n_factors up to 128.
//
// Method: one block a row: the lower triangle assembled in registers (als_primal.h), Cholesky in shared memory over the
// stages it came from, x written and nothing else. Bytes: n f 4 gathered once. Flops: 3 n f^2 on tensor cores + f^3/3.
// Not measured on a GPU yet.
#include <algorithm>

#include "kernels/cuda/als_primal.h"

namespace kindred::cuda {
namespace {

// Where the fused kernel's system lies, over the stages it was assembled from.
template <int kWidth>
struct SystemLayout {
  static constexpr int kLd = kWidth + 1, kFloors = (kWidth + 1) * kLd, kX = kFloors + kWidth, kPartial = kX + kWidth,
                       kFloats = kPartial + 2 * kWidth;
};

// Rows of a list, or of the order from `first` where list.rows is null.
template <int kWidth, bool kBf16x3>
__global__ void __launch_bounds__(kWidth * 2, 256 / kWidth)
    SolvePrimal(AlsArguments a, int64_t first, int64_t n_rows, RowList list) {
  using Tile = GramTile<kWidth, false, kBf16x3>;
  using Layout = SystemLayout<kWidth>;
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  const int f = static_cast<int>(a.n_factors), t = static_cast<int>(threadIdx.x);
  if (list.rows != nullptr) n_rows = *list.count;
  for (int64_t place = blockIdx.x; place < n_rows; place += gridDim.x) {
    const int64_t row = list.rows != nullptr ? list.rows[place] : a.order[first + place];
    Tile tile(a, memory, 0, 0);
    tile.Add(a.indptr[row] - a.first_entry, a.indptr[row + 1] - a.first_entry);
    __syncthreads();
    float *floors = memory + Layout::kFloors, *partial = memory + Layout::kPartial;
    tile.ForEach([&](int r, int c, float value) {
      if (r >= f || c > r) return;
      if (r == c) {
        value += Diagonal(a, row, r);
        floors[r] = PivotFloor(f, value);
      }
      memory[r * Layout::kLd + c] = value;
    });
    partial[t] = tile.right();
    __syncthreads();
    // BlockCholesky reads this row, which is none of its matrix, only after a barrier of its own.
    for (int k = t; k < f; k += kWidth * 2) memory[f * Layout::kLd + k] = partial[k] + partial[kWidth + k];
    SolveSystem(a, row, memory, Layout::kLd, floors, memory + Layout::kX, nullptr, tile.constant(), scratch);
  }
}

template <int kWidth>
void LaunchFused(const AlsArguments& a, GramPrecision precision, int64_t first, int64_t count, const RowList& list,
                 int64_t n_blocks, StreamHandle stream) {
  const bool bf16x3 = precision == GramPrecision::kBf16x3;
  const int assembly = bf16x3 ? GramTile<kWidth, false, true>::kFloats : GramTile<kWidth, false, false>::kFloats;
  const int floats = std::max(assembly, SystemLayout<kWidth>::kFloats);
  Launch(bf16x3 ? SolvePrimal<kWidth, true> : SolvePrimal<kWidth, false>, dim3(static_cast<unsigned>(n_blocks)),
         dim3(kWidth * 2), static_cast<size_t>(floats) * sizeof(float), stream, a, first, count, list);
}

void LaunchFused(const AlsArguments& a, GramPrecision precision, int64_t first, int64_t count, const RowList& list,
                 int64_t n_blocks, StreamHandle stream) {
  if (n_blocks == 0) return;
  (a.n_factors <= 32   ? LaunchFused<32>
   : a.n_factors <= 64 ? LaunchFused<64>
                       : LaunchFused<128>)(a, precision, first, count, list, n_blocks, stream);
}

}  // namespace

void LaunchPrimal(const AlsArguments& a, GramPrecision precision, int64_t first, int64_t count, StreamHandle stream) {
  LaunchFused(a, precision, first, count, {}, count, stream);
}

void LaunchPrimal(const AlsArguments& a, GramPrecision precision, const RowList& list, int n_blocks,
                  StreamHandle stream) {
  LaunchFused(a, precision, 0, 0, list, n_blocks, stream);
}

}  // namespace kindred::cuda
