// Products of sparse rows with a dense, row-major panel.
//
// Method: one warp a row, longest first, or one block where a row is long; lanes share a gathered row 16 bytes each,
// and groups of lanes take every n-th entry of the warp's share. Their sums, and those of a block's warps, are added in
// a fixed order, so there are no atomics. Widths that are no multiple of 4 go 4 bytes a lane. Bytes: nnz (4 width + 8)
// + n_rows 4 width; flops: 2 nnz width. Measured: bench/results/gpu_h200.md.
#include <algorithm>

#include "kernels/cuda/als.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = 256;            // of the kernel of short rows
constexpr int kLongWarps = 16;           // of a long row's block
constexpr int64_t kShortEntries = 1024;  // of a row that one warp sums
constexpr int kUnroll = 4;               // entries under way in a lane

struct ProductArguments {
  AlsArguments rows;
  const float* dense = nullptr;
  int64_t width = 0;
  float* product = nullptr;
};

template <int kFloats>
struct Piece {
  float values[kFloats];
};
template <int kFloats>
__device__ inline Piece<kFloats> LoadPiece(const float* from) {
  Piece<kFloats> piece;
  if constexpr (kFloats == 4) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    piece.values[0] = v.x, piece.values[1] = v.y, piece.values[2] = v.z, piece.values[3] = v.w;
  } else {
    piece.values[0] = *from;
  }
  return piece;
}

// The warp's sum over the entries [begin, end): columns `column` and on, for the lanes whose columns are there. Groups
// of kGroup lanes take entries in turn; every group ends with all of it.
template <int kGroup, int kFloats>
__device__ Piece<kFloats> SumEntries(const ProductArguments& a, int64_t begin, int64_t end, int64_t column) {
  constexpr int kGroups = 32 / kGroup;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  Piece<kFloats> sum = {};
  if (column < a.width) {
    const float* from = a.dense + column;
    for (int64_t e = begin + lane / kGroup; e < end; e += kGroups * kUnroll) {
      Piece<kFloats> rows[kUnroll] = {};
      float weights[kUnroll] = {};
#pragma unroll
      for (int u = 0; u < kUnroll; ++u) {
        const int64_t place = e + u * kGroups - a.rows.first_entry;
        if (e + u * kGroups >= end) continue;
        weights[u] = a.rows.weights[place];
        rows[u] = LoadPiece<kFloats>(from + static_cast<int64_t>(a.rows.indices[place]) * a.width);
      }
#pragma unroll
      for (int u = 0; u < kUnroll; ++u)
#pragma unroll
        for (int k = 0; k < kFloats; ++k) sum.values[k] += weights[u] * rows[u].values[k];
    }
  }
#pragma unroll
  for (int offset = kGroup; offset < 32; offset <<= 1)
#pragma unroll
    for (int k = 0; k < kFloats; ++k) sum.values[k] += __shfl_xor_sync(kAllLanes, sum.values[k], offset);
  return sum;
}

template <int kGroup, int kFloats>
__global__ void __launch_bounds__(kThreads) MultiplyShortRows(ProductArguments a, int64_t first, int64_t count) {
  const int64_t place = static_cast<int64_t>(blockIdx.x) * (kThreads / 32) + (threadIdx.x >> 5);
  if (place >= count) return;
  const int lane = static_cast<int>(threadIdx.x) & 31;
  const int64_t row = a.rows.order[first + place];
  for (int64_t base = 0; base < a.width; base += kGroup * kFloats) {
    const int64_t column = base + lane % kGroup * kFloats;
    const Piece<kFloats> sum = SumEntries<kGroup, kFloats>(a, a.rows.indptr[row], a.rows.indptr[row + 1], column);
    if (lane >= kGroup || column >= a.width) continue;
#pragma unroll
    for (int k = 0; k < kFloats; ++k) a.product[row * a.width + column + k] = sum.values[k];
  }
}

// One block a row: each warp an equal share of its entries.
template <int kGroup, int kFloats>
__global__ void __launch_bounds__(kLongWarps * 32) MultiplyLongRows(ProductArguments a, int64_t first) {
  constexpr int kColumns = kGroup * kFloats;
  KINDRED_SHARED(float, sums, kLongWarps* kColumns);
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int64_t row = a.rows.order[first + blockIdx.x];
  const int64_t begin = a.rows.indptr[row], n = a.rows.indptr[row + 1] - begin;
  for (int64_t base = 0; base < a.width; base += kColumns) {
    const int own = lane % kGroup * kFloats;
    const Piece<kFloats> sum =
        SumEntries<kGroup, kFloats>(a, begin + n * warp / kLongWarps, begin + n * (warp + 1) / kLongWarps, base + own);
    if (lane < kGroup)
#pragma unroll
      for (int k = 0; k < kFloats; ++k) sums[warp * kColumns + own + k] = sum.values[k];
    __syncthreads();
    for (int c = static_cast<int>(threadIdx.x); c < kColumns && base + c < a.width; c += kLongWarps * 32) {
      float total = 0;
      for (int w = 0; w < kLongWarps; ++w) total += sums[w * kColumns + c];
      a.product[row * a.width + base + c] = total;
    }
    __syncthreads();
  }
}

template <int kGroup, int kFloats>
void LaunchRows(const ProductArguments& a, int64_t n_long, int64_t n_rows, StreamHandle stream) {
  if (n_long > 0)
    Launch(MultiplyLongRows<kGroup, kFloats>, dim3(static_cast<unsigned>(n_long)), dim3(kLongWarps * 32), 0, stream, a,
           int64_t{0});
  if (n_rows > n_long)
    Launch(MultiplyShortRows<kGroup, kFloats>, dim3(Blocks(n_rows - n_long, kThreads / 32)), dim3(kThreads), 0, stream,
           a, n_long, n_rows - n_long);
}

void LaunchTile(const ProductArguments& a, int64_t n_long, int64_t n_rows, StreamHandle stream) {
  if (a.width % 4 != 0) return LaunchRows<32, 1>(a, n_long, n_rows, stream);
  if (a.width <= 16) return LaunchRows<4, 4>(a, n_long, n_rows, stream);
  if (a.width <= 32) return LaunchRows<8, 4>(a, n_long, n_rows, stream);
  if (a.width <= 64) return LaunchRows<16, 4>(a, n_long, n_rows, stream);
  LaunchRows<32, 4>(a, n_long, n_rows, stream);
}

}  // namespace

void CudaBackend::MultiplySparse(Context& context, const SparseRows& a, MatrixView<const float> b,
                                 MatrixView<float> product) {
  RequireSparseProductShapes(a, b, product);
  const auto& rows = static_cast<const CudaSparseRows&>(a);
  if (product.size() == 0) return;
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  ProductArguments arguments;
  arguments.dense = b.data;
  arguments.width = b.n_cols;
  arguments.product = product.data;
  if (!rows.streamed()) rows.Point(arguments.rows);
  char* slot = rows.streamed() ? cuda.Reserve(rows.slot_bytes()) : nullptr;
  for (const auto& tile : rows.tiles()) {
    if (rows.streamed()) rows.Copy(tile, stream, slot, arguments.rows);
    LaunchTile(arguments, rows.FirstOfAtMost(tile, kShortEntries), tile.end_row - tile.first_row, stream.handle());
  }
}

}  // namespace kindred::cuda
