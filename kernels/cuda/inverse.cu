// The inverse of a positive definite matrix: cuSOLVER's Cholesky and potri, in place, on the lower triangle.
//
// Around them: the diagonal is kept, so that pivots can be judged against it as every backend does, and the triangle
// above is filled from the one below, so that both are equal. Flops: n^3, cuSOLVER's. Bytes beside them: 8 n^2.
#include "kernels/cuda/backend.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTile = 32, kTileRows = 8;                // of a transposed tile's threads
constexpr unsigned long long kNotInverted = ~0ULL - 1;  // no row

__global__ void CopyDiagonal(const float* a, int64_t n, float* diagonal) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) diagonal[i] = a[i * n + i];
}

/// Lowers the flag to the first row whose pivot, the square of L's diagonal, is not above `least` of its diagonal
/// entry; rows from *info - 1 on are not L.
__global__ void CheckPivots(const float* l, int64_t n, const float* diagonal, float least, const int32_t* info,
                            unsigned long long* flag) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const int64_t n_factored = *info > 0 ? *info - 1 : n;
  if (i > n_factored) return;
  const float root = l[i * n + i], pivot = root * root;
  if (i == n_factored || !(pivot > 0 && pivot > least * diagonal[i] && pivot < INFINITY))
    atomicMin(flag, static_cast<unsigned long long>(i));
}

__global__ void CheckInverted(const int32_t* info, unsigned long long* flag) {
  if (*info != 0) atomicMin(flag, kNotInverted);
}

/// The triangle above the diagonal from the one below. A block a tile of the latter.
__global__ void __launch_bounds__(kTile* kTileRows) Mirror(float* a, int64_t n) {
  KINDRED_SHARED(float, tile, kTile*(kTile + 1));
  if (blockIdx.x > blockIdx.y) return;
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y);
  const int64_t first_row = static_cast<int64_t>(blockIdx.y) * kTile,
                first_column = static_cast<int64_t>(blockIdx.x) * kTile;
  for (int r = y; r < kTile; r += kTileRows)
    if (first_row + r < n && first_column + x < n)
      tile[r * (kTile + 1) + x] = a[(first_row + r) * n + first_column + x];
  __syncthreads();
  for (int c = y; c < kTile; c += kTileRows) {
    const int64_t row = first_row + x, column = first_column + c;
    if (row < n && column < row) a[column * n + row] = tile[x * (kTile + 1) + c];
  }
}

}  // namespace

void CudaBackend::InvertPositiveDefinite(Context& context, MatrixView<float> a) {
  RequireInverseShape(a);
  const int64_t n = a.n_rows;
  if (n == 0) return;
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  Arena arena(cuda.Reserve(Arena::Bytes<float>(n) + Arena::Bytes<int32_t>(1)));
  auto* diagonal = arena.Take<float>(n);
  auto* info = arena.Take<int32_t>(1);
  unsigned long long* flag = cuda.NewFlag([](unsigned long long row) {
    if (row == kNotInverted) return Error(ErrorCode::kDevice, "inverse: cuSOLVER's potri found a pivot of 0");
    return LostPivot(static_cast<int64_t>(row));
  });
  const dim3 grid(Blocks(n, kThreads));
  Launch(CopyDiagonal, grid, dim3(kThreads), 0, stream.handle(), a.data, n, diagonal);
  stream.Cholesky(n, a.data, info);
  Launch(CheckPivots, grid, dim3(kThreads), 0, stream.handle(), a.data, n, diagonal, LeastPivot(n), info, flag);
  stream.InverseOfCholesky(n, a.data, info);
  Launch(CheckInverted, dim3(1), dim3(1), 0, stream.handle(), info, flag);
  Launch(Mirror, dim3(Blocks(n, kTile), Blocks(n, kTile)), dim3(kTile, kTileRows), 0, stream.handle(), a.data, n);
}

}  // namespace kindred::cuda
