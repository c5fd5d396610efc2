// Long rows of the ALS half-step, in the primal: (D + sum w y yt) x = sum b y, for n_factors up to 128.
//
// Method: one block a row: the lower triangle assembled in registers (als_primal.h), Cholesky in shared memory over the
// stages it came from, x written and nothing else. Bytes: n f 4 gathered once. Flops: 3 n f^2 on tensor cores + f^3/3.

#include <type_traits>

#include "kernels/cuda/als_primal.h"

namespace kindred::cuda {
namespace {

// Where the fused kernel's system lies, over the stages it was assembled from.
template <class Tile, int kWidth, bool kBf16x3>
struct SystemLayout {
  static constexpr int kFloors = PanelMatrix<kBf16x3>::Floats(kWidth), kX = kFloors + kWidth, kSums = kX + kWidth;
  static_assert(kSums + 16 * Tile::kBlocks <= Tile::kRights);
};

template <int kWidth, bool kBf16x3>
__device__ __forceinline__ void SolveOne(const AlsArguments& a, const int64_t* row, float* memory, double* scratch) {
  using Tile = GramTile<kWidth, false, kBf16x3>;
  using Layout = SystemLayout<Tile, kWidth, kBf16x3>;
  const int f = static_cast<int>(a.n_factors);
  Tile tile(a, memory, 0, 0);
  tile.Assemble(a.indptr[*row] - a.first_entry, a.indptr[*row + 1] - a.first_entry);
  __syncthreads();
  const PanelMatrix<kBf16x3> system(memory, f);
  float* floors = memory + Layout::kFloors;
  tile.ForEach([&](int r, int c, float value) {
    if (r >= system.n_rows() || c > r) return;
    if (r == c) {
      value = r < f ? value + Diagonal(a, *row, r) : 1.0f;
      floors[r] = r < f ? PivotFloor(f, value) : 0.0f;
    }
    system.At(r, c) = value;
  });
  for (int k = static_cast<int>(threadIdx.x); k < system.n_rows(); k += Tile::kThreads) system.Right(k) = tile.Right(k);
  __syncthreads();
  SolveSystem(
      a, *row, system, floors, memory + Layout::kX, memory + Layout::kSums, [&] { return tile.Constant(); }, scratch);
}

// As many blocks a multiprocessor as its registers and shared memory hold.
constexpr int MinBlocks(int width) {
  return width == 128 ? 2 : width == 64 ? 5 : 10;
}

// The rows of the order from `first` on, a block each.
template <int kWidth, bool kBf16x3>
__global__ void __launch_bounds__(GramTile<kWidth, false, kBf16x3>::kThreads, MinBlocks(kWidth))
    SolvePrimal(AlsArguments a, int64_t first) {
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  SolveOne<kWidth, kBf16x3>(a, a.order + first + blockIdx.x, memory, scratch);
}

// The rows of a list, shared out to the blocks there are.
template <int kWidth, bool kBf16x3>
__global__ void __launch_bounds__(GramTile<kWidth, false, kBf16x3>::kThreads, 1)
    SolveListed(AlsArguments a, RowList list) {
  KINDRED_DYNAMIC_SHARED(float, memory);
  KINDRED_SHARED(double, scratch, 32);
  for (unsigned place = blockIdx.x; place < *list.count; place += gridDim.x)
    SolveOne<kWidth, kBf16x3>(a, list.rows + place, memory, scratch);
}

template <int kWidth, class Call>
void CallWith(GramPrecision precision, const Call& call) {
  if (precision == GramPrecision::kBf16x3)
    call(std::type_identity<GramTile<kWidth, false, true>>(), SolvePrimal<kWidth, true>, SolveListed<kWidth, true>);
  else
    call(std::type_identity<GramTile<kWidth, false, false>>(), SolvePrimal<kWidth, false>, SolveListed<kWidth, false>);
}

template <class Call>
void CallWith(int64_t n_factors, GramPrecision precision, const Call& call) {
  if (n_factors <= 32)
    CallWith<32>(precision, call);
  else if (n_factors <= 64)
    CallWith<64>(precision, call);
  else
    CallWith<128>(precision, call);
}

}  // namespace

void LaunchPrimal(const AlsArguments& a, GramPrecision precision, int64_t first, int64_t count, StreamHandle stream) {
  if (count == 0) return;
  CallWith(a.n_factors, precision, [&]<class Tile>(std::type_identity<Tile>, auto kernel, auto) {
    Launch(kernel, dim3(static_cast<unsigned>(count)), dim3(Tile::kThreads),
           static_cast<size_t>(Tile::kFloats) * sizeof(float), stream, a, first);
  });
}

void LaunchPrimal(const AlsArguments& a, GramPrecision precision, const RowList& list, int n_blocks,
                  StreamHandle stream) {
  if (n_blocks == 0) return;
  CallWith(a.n_factors, precision, [&]<class Tile>(std::type_identity<Tile>, auto, auto kernel) {
    Launch(kernel, dim3(static_cast<unsigned>(n_blocks)), dim3(Tile::kThreads),
           static_cast<size_t>(Tile::kFloats) * sizeof(float), stream, a, list);
  });
}

}  // namespace kindred::cuda
