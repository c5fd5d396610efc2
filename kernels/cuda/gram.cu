// Gram matrix and its eigenbasis.
//
// Method: slabs of rows by the library's batched GEMM in float32, added up in double in slab order; the
// eigendecomposition in double by the library; rotation by GEMM, tile by tile. Bytes: a is read once (Gram) and
// twice and written once (Diagonalize); flops: 2 n f^2 each for product and rotation.
#include <algorithm>

#include "kernels/cuda/backend.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int64_t kSlabRows = 4096;
constexpr int64_t kSlabsAtOnce = 32;
constexpr int64_t kRotateRows = 1 << 16;
constexpr int kThreads = 256;

__global__ void AddSlabs(const float* slabs, int64_t n_slabs, int64_t n_entries, bool first, double* sums) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= n_entries) return;
  double sum = first ? 0 : sums[e];
  for (int64_t s = 0; s < n_slabs; ++s) sum += slabs[s * n_entries + e];
  sums[e] = sum;
}

__global__ void ToFloat(const double* from, int64_t n, float* to) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e < n) to[e] = static_cast<float>(from[e]);
}

constexpr unsigned long long kNotFinite = 0, kNotConverged = 1;  // values of the flag

// Lowers the flag and writes zeros where an entry is not finite, so that the library sees numbers only.
__global__ void CheckFinite(double* values, int64_t n, unsigned long long* flag) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= n || values[e] * 0 == 0) return;
  values[e] = 0;
  atomicMin(flag, kNotFinite);
}

// Column c of q is the eigenvector of the c-th largest eigenvalue, its largest entry positive. One warp a column.
__global__ void MakeRotation(const double* vectors, const double* ascending, const int32_t* info, int n, float* q,
                             float* eigenvalues, unsigned long long* flag) {
  const int column = static_cast<int>(blockIdx.x), lane = static_cast<int>(threadIdx.x);
  if (column == 0 && lane == 0 && *info != 0) atomicMin(flag, kNotConverged);
  const double* vector = vectors + static_cast<int64_t>(n - 1 - column) * n;
  double largest = -1;
  int place = 0;
  for (int k = lane; k < n; k += 32) {
    const double size = vector[k] < 0 ? -vector[k] : vector[k];
    if (size > largest) {
      largest = size;
      place = k;
    }
  }
  for (int offset = 16; offset > 0; offset >>= 1) {
    const double other = __shfl_xor_sync(kAllLanes, largest, offset);
    const int other_place = __shfl_xor_sync(kAllLanes, place, offset);
    if (other > largest || (other == largest && other_place < place)) {
      largest = other;
      place = other_place;
    }
  }
  const double sign = vector[place] < 0 ? -1 : 1;
  for (int k = lane; k < n; k += 32) q[static_cast<int64_t>(k) * n + column] = static_cast<float>(sign * vector[k]);
  if (lane == 0)
    eigenvalues[column] = ascending[n - 1 - column] > 0 ? static_cast<float>(ascending[n - 1 - column]) : 0.0f;
}

int64_t GramWorkspace(int64_t f) {
  return kSlabsAtOnce * f * f * static_cast<int64_t>(sizeof(float));
}

int64_t RotationRows(int64_t n_rows) {
  return std::min(kRotateRows, std::max<int64_t>(n_rows, 1));
}

void GramInDouble(CudaContext& context, MatrixView<const float> a, float* slabs, double* sums) {
  const int64_t f = a.n_cols, n_entries = f * f;
  Stream& stream = context.stream();
  bool first = true;
  const auto add = [&](int64_t row, int64_t n_slabs, int64_t slab_rows) {
    stream.SlabGrams(n_slabs, slab_rows, f, a.data + row * f, slabs);
    Launch(AddSlabs, dim3(Blocks(n_entries, kThreads)), dim3(kThreads), 0, stream.handle(), slabs, n_slabs, n_entries,
           first, sums);
    first = false;
  };
  int64_t row = 0;
  while (a.n_rows - row >= kSlabRows) {
    const int64_t n_slabs = std::min(kSlabsAtOnce, (a.n_rows - row) / kSlabRows);
    add(row, n_slabs, kSlabRows);
    row += n_slabs * kSlabRows;
  }
  if (row < a.n_rows) add(row, 1, a.n_rows - row);
  if (first) stream.Zero(sums, n_entries * static_cast<int64_t>(sizeof(double)));
}

// a := a q, tile by tile; the buffer holds a tile.
void Rotate(Stream& stream, MatrixView<float> a, const float* q, float* buffer) {
  const int64_t f = a.n_cols, tile_rows = RotationRows(a.n_rows);
  for (int64_t row = 0; row < a.n_rows; row += tile_rows) {
    const int64_t n_rows = std::min(tile_rows, a.n_rows - row);
    stream.Multiply(n_rows, f, f, a.data + row * f, q, buffer);
    stream.CopyOnDevice(a.data + row * f, buffer, n_rows * f * static_cast<int64_t>(sizeof(float)));
  }
}

}  // namespace

void CudaBackend::Gram(Context& context, MatrixView<const float> a, MatrixView<float> gramian) {
  RequireGramShapes(a, gramian);
  auto& cuda = static_cast<CudaContext&>(context);
  const int64_t n_entries = a.n_cols * a.n_cols;
  auto* sums = reinterpret_cast<double*>(cuda.Reserve(n_entries * 8 + GramWorkspace(a.n_cols)));
  GramInDouble(cuda, a, reinterpret_cast<float*>(sums + n_entries), sums);
  Launch(ToFloat, dim3(Blocks(n_entries, kThreads)), dim3(kThreads), 0, cuda.stream().handle(), sums, n_entries,
         gramian.data);
}

int64_t DiagonalizeWorkspaceBytes(int64_t n_rows, int64_t f) {
  const int64_t tile = RotationRows(n_rows) * f * static_cast<int64_t>(sizeof(float));
  return Arena::Bytes<double>(f * f) + Arena::Bytes<double>(f) + Arena::Bytes<float>(f * f) + Arena::Bytes<int32_t>(1) +
         std::max(GramWorkspace(f), tile);
}

void CudaBackend::Diagonalize(Context& context, MatrixView<float> a, View<float> eigenvalues,
                              MatrixView<float> companion) {
  RequireDiagonalizeShapes(a, eigenvalues, companion);
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  const int64_t f = a.n_cols, n_entries = f * f, longer = std::max(a.n_rows, companion.n_rows);
  Arena arena(cuda.Reserve(DiagonalizeWorkspaceBytes(longer, f)));
  auto* sums = arena.Take<double>(n_entries);
  auto* ascending = arena.Take<double>(f);
  auto* q = arena.Take<float>(n_entries);
  auto* info = arena.Take<int32_t>(1);
  auto* buffer = arena.Take<float>(0);
  unsigned long long* flag = cuda.NewFlag([](unsigned long long found) {
    return found == kNotFinite
               ? Error(ErrorCode::kNumeric,
                       "Diagonalize: the matrix has values that are not finite, or too large to square")
               : Error(ErrorCode::kDevice, "Diagonalize: cuSOLVER's eigendecomposition did not converge");
  });
  GramInDouble(cuda, a, buffer, sums);
  Launch(CheckFinite, dim3(Blocks(n_entries, kThreads)), dim3(kThreads), 0, stream.handle(), sums, n_entries, flag);
  stream.Eigen(f, sums, ascending, info);
  Launch(MakeRotation, dim3(static_cast<unsigned>(f)), dim3(32), 0, stream.handle(), sums, ascending, info,
         static_cast<int>(f), q, eigenvalues.data, flag);
  Rotate(stream, a, q, buffer);
  Rotate(stream, companion, q, buffer);
}

}  // namespace kindred::cuda
