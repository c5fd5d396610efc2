// Tall panels: their products, and blocks made orthonormal to them.
//
// Method: block Gram-Schmidt and CholeskyQR, each twice. Inner products with the basis are summed in float32 over a
// slab of rows, one block a slab and panel, and in double over slabs, in order; those that are factored, which squares
// their condition, in double throughout. The width x width factorization, in double, is one block's. Nothing waits for
// the host. Bytes of Orthonormalize: the basis 4 times, the block 14 times; flops: 8 n_rows n_cols width. Of a product:
// a once for each 64 columns of s. Measured: bench/results/gpu_h200.md.
#include <algorithm>

#include "kernels/cuda/backend.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr double kDependent = 1e-6;    // of a column's length: what float32's rounding may leave of nothing
constexpr double kLostInSecond = 0.5;  // a column of length 1 that the second pass leaves less of was rounding
constexpr int kSide = 16, kThreads = kSide * kSide;
constexpr int64_t kMinSlabRows = 512, kMaxSlabs = 256;
constexpr int kDepth = 32;  // rows of a slab in shared memory at once
constexpr int kTileRows = 64;

int64_t SlabRows(int64_t n_rows) {
  return std::max(kMinSlabRows, (n_rows + kMaxSlabs - 1) / kMaxSlabs);
}
int64_t CountSlabs(int64_t n_rows) {
  return (n_rows + SlabRows(n_rows) - 1) / SlabRows(n_rows);
}

// partials[slab][panel] = at b over the slab's rows, where a is a panel of the basis, or b itself behind the last.
template <int kPer, class Sum>
__global__ void __launch_bounds__(kThreads) MultiplySlabs(const float* basis, int64_t n_panels, const float* block,
                                                          int64_t n_rows, int64_t slab_rows, Sum* partials) {
  constexpr int kWidth = kPer * kSide;
  KINDRED_SHARED(float, left, kDepth* kWidth);
  KINDRED_SHARED(float, right, kDepth* kWidth);
  const int t = static_cast<int>(threadIdx.x), x = t % kSide, y = t / kSide;
  const int64_t panel = blockIdx.y, slab = blockIdx.x;
  const float* a = panel < n_panels ? basis + panel * n_rows * kWidth : block;
  const int64_t begin = slab * slab_rows, end = begin + slab_rows < n_rows ? begin + slab_rows : n_rows;
  Sum sums[kPer][kPer] = {};
  for (int64_t row = begin; row < end; row += kDepth) {
    for (int e = t; e < kDepth * kWidth; e += kThreads) {
      const bool inside = row + e / kWidth < end;
      left[e] = inside ? a[row * kWidth + e] : 0;
      right[e] = inside ? block[row * kWidth + e] : 0;
    }
    __syncthreads();
    for (int r = 0; r < kDepth; ++r)
#pragma unroll
      for (int i = 0; i < kPer; ++i)
#pragma unroll
        for (int j = 0; j < kPer; ++j)
          sums[i][j] += static_cast<Sum>(left[r * kWidth + y + i * kSide]) * right[r * kWidth + x + j * kSide];
    __syncthreads();
  }
  Sum* to = partials + (slab * gridDim.y + panel) * kWidth * kWidth;
#pragma unroll
  for (int i = 0; i < kPer; ++i)
#pragma unroll
    for (int j = 0; j < kPer; ++j) to[(y + i * kSide) * kWidth + x + j * kSide] = sums[i][j];
}

template <class Sum>
__global__ void AddSlabs(const Sum* partials, int64_t n_slabs, int64_t n_values, double* sums) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (e >= n_values) return;
  double sum = 0;
  for (int64_t s = 0; s < n_slabs; ++s) sum += partials[s * n_values + e];
  sums[e] = sum;
}

// out = (kAdd ? out : 0) + sign a s over the panels of a, for 64 rows and kPer * 16 columns a block. a may be out where
// one block has all columns.
template <int kPer, bool kAdd, class Small>
__global__ void __launch_bounds__(kThreads)
    MultiplyTiles(const float* a, int64_t n_panels, int64_t width, const Small* s, int64_t s_width, float sign,
                  int64_t n_rows, float* out) {
  constexpr int kColumns = kPer * kSide, kRows = kTileRows / kSide;
  KINDRED_SHARED(float, left, kTileRows*(kSide + 1));
  KINDRED_SHARED(float, right, kSide* kColumns);
  const int t = static_cast<int>(threadIdx.x), x = t % kSide, y = t / kSide;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kTileRows,
                column = static_cast<int64_t>(blockIdx.y) * kColumns;
  float sums[kRows][kPer] = {};
  for (int64_t p = 0; p < n_panels; ++p) {
    for (int64_t k = 0; k < width; k += kSide) {
      for (int e = t; e < kTileRows * kSide; e += kThreads) {
        const int r = e / kSide, c = e % kSide;
        left[r * (kSide + 1) + c] = row + r < n_rows ? a[(p * n_rows + row + r) * width + k + c] : 0;
      }
      for (int e = t; e < kSide * kColumns; e += kThreads) {
        const int64_t c = column + e % kColumns;
        right[e] = c < s_width ? static_cast<float>(s[(p * width + k + e / kColumns) * s_width + c]) : 0;
      }
      __syncthreads();
      for (int d = 0; d < kSide; ++d)
#pragma unroll
        for (int i = 0; i < kRows; ++i)
#pragma unroll
          for (int j = 0; j < kPer; ++j)
            sums[i][j] += left[(y + i * kSide) * (kSide + 1) + d] * right[d * kColumns + x + j * kSide];
      __syncthreads();
    }
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int64_t r = row + y + i * kSide;
#pragma unroll
    for (int j = 0; j < kPer; ++j) {
      const int64_t c = column + x + j * kSide;
      if (r < n_rows && c < s_width) out[r * s_width + c] = (kAdd ? out[r * s_width + c] : 0) + sign * sums[i][j];
    }
  }
}

// gram = Rt R with R upper triangular, and R's inverse. A pivot that is not above the square of `least`, times the
// column's entry in `lengths` where that is not null, makes row i of R and column i of the inverse zero. One block.
__global__ void FactorOrDrop(const double* gram, int width, double least, const double* lengths, double* r_out,
                             double* inverse) {
  KINDRED_DYNAMIC_SHARED(double, r);  // width x width
  const int t = static_cast<int>(threadIdx.x);
  for (int e = t; e < width * width; e += static_cast<int>(blockDim.x)) r[e] = 0;
  __syncthreads();
  for (int i = 0; i < width; ++i) {
    double sum = 0;
    if (t >= i && t < width) {
      sum = gram[i * width + t];
      for (int k = 0; k < i; ++k) sum -= r[k * width + i] * r[k * width + t];
      r[i * width + t] = sum;
    }
    __syncthreads();
    const double pivot = r[i * width + i];
    const double floor = least * least * (lengths == nullptr ? 1 : lengths[i * width + i]);
    __syncthreads();
    if (t >= i && t < width) r[i * width + t] = pivot > floor ? sum / sqrt(pivot) : 0;
    __syncthreads();
  }
  for (int e = t; e < width * width; e += static_cast<int>(blockDim.x)) r_out[e] = r[e];
  if (t >= width) return;
  for (int k = width - 1; k >= 0; --k) {
    double x = 0;
    if (k <= t && r[k * width + k] != 0 && r[t * width + t] != 0) {
      x = k == t ? 1 : 0;
      for (int j = k + 1; j <= t; ++j) x -= r[k * width + j] * inverse[j * width + t];
      x /= r[k * width + k];
    }
    inverse[k * width + t] = x;
  }
}

// coefficients = first + second r1 over r2 r1.
__global__ void Compose(const double* first, const double* second, const double* r1, const double* r2, int64_t n_basis,
                        int width, double* coefficients, unsigned long long* flag) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t i = e / width, j = e % width;
  if (i >= n_basis + width) return;
  double sum = i < n_basis ? first[e] : 0;
  const double* left = i < n_basis ? second + i * width : r2 + (i - n_basis) * width;
  for (int64_t k = 0; k < width; ++k) sum += left[k] * r1[k * width + j];
  coefficients[e] = sum;
  if (sum * 0 != 0 || first[e] * 0 != 0) atomicMin(flag, 0ULL);
}

template <bool kAdd, class Small>
void LaunchProduct(const float* a, int64_t n_panels, int64_t width, const Small* s, int64_t s_width, float sign,
                   int64_t n_rows, float* out, StreamHandle stream) {
  const auto launch = [&](auto kernel, int64_t columns) {
    Launch(kernel, dim3(Blocks(n_rows, kTileRows), Blocks(s_width, columns)), dim3(kThreads), 0, stream, a, n_panels,
           width, s, s_width, sign, n_rows, out);
  };
  if (s_width <= 16) return launch(MultiplyTiles<1, kAdd, Small>, 16);
  if (s_width <= 32) return launch(MultiplyTiles<2, kAdd, Small>, 32);
  if (s_width <= 48) return launch(MultiplyTiles<3, kAdd, Small>, 48);
  launch(MultiplyTiles<4, kAdd, Small>, 64);
}

// The passes of Orthonormalize.
class Passes {
 public:
  Passes(CudaContext& context, const Panels& basis, MatrixView<float> block, char* workspace)
      : stream_(context.stream()), basis_(basis), block_(block), width_(block.n_cols) {
    Arena arena(workspace);
    const int64_t n_values = (basis.n_panels + 1) * width_ * width_;
    first = arena.Take<double>(n_values);
    second = arena.Take<double>(n_values);
    for (double** square : {&gram, &r1, &r2, &inverse}) *square = arena.Take<double>(width_ * width_);
    partials_ = arena.Take<char>(PartialsBytes(basis.n_panels, block.n_rows, width_));
  }

  static int64_t WorkspaceBytes(int64_t n_panels, int64_t n_rows, int64_t width) {
    const int64_t n_values = (n_panels + 1) * width * width;
    return 2 * Arena::Bytes<double>(n_values) + 4 * Arena::Bytes<double>(width * width) +
           Arena::Bytes<char>(PartialsBytes(n_panels, n_rows, width));
  }

  /// [basis block]t block.
  void Project(double* to) { Multiply<float>(basis_.n_panels, to); }

  /// block := block - basis c.
  void Subtract(const double* c) {
    if (basis_.n_panels > 0 && block_.n_rows > 0)
      LaunchProduct<true>(basis_.stacked.data, basis_.n_panels, width_, c, width_, -1, block_.n_rows, block_.data,
                          stream_.handle());
  }

  /// Factors blockt block and makes block := block R^-1.
  void Factor(double least, const double* lengths, double* r) {
    Multiply<double>(0, gram);
    Launch(FactorOrDrop, dim3(1), dim3(64), static_cast<size_t>(width_ * width_) * sizeof(double), stream_.handle(),
           gram, static_cast<int>(width_), least, lengths, r, inverse);
    if (block_.n_rows > 0)
      LaunchProduct<false>(block_.data, 1, width_, inverse, width_, 1, block_.n_rows, block_.data, stream_.handle());
  }

  double *first, *second, *gram, *r1, *r2, *inverse;

 private:
  static int64_t PartialsBytes(int64_t n_panels, int64_t n_rows, int64_t width) {
    return CountSlabs(n_rows) * width * width * std::max<int64_t>((n_panels + 1) * 4, 8);
  }

  template <class Sum>
  void Multiply(int64_t n_panels, double* to) {
    const int64_t n_slabs = CountSlabs(block_.n_rows), n_values = (n_panels + 1) * width_ * width_;
    auto* partials = reinterpret_cast<Sum*>(partials_);
    const auto launch = [&](auto kernel) {
      Launch(kernel, dim3(static_cast<unsigned>(n_slabs), static_cast<unsigned>(n_panels + 1)), dim3(kThreads), 0,
             stream_.handle(), basis_.stacked.data, n_panels, block_.data, block_.n_rows, SlabRows(block_.n_rows),
             partials);
    };
    if (n_slabs > 0) {
      if (width_ == 16) launch(MultiplySlabs<1, Sum>);
      if (width_ == 32) launch(MultiplySlabs<2, Sum>);
      if (width_ == 48) launch(MultiplySlabs<3, Sum>);
      if (width_ == 64) launch(MultiplySlabs<4, Sum>);
    }
    Launch(AddSlabs<Sum>, dim3(Blocks(n_values, kThreads)), dim3(kThreads), 0, stream_.handle(), partials, n_slabs,
           n_values, to);
  }

  Stream& stream_;
  const Panels& basis_;
  MatrixView<float> block_;
  int64_t width_;
  char* partials_;
};

}  // namespace

void CudaBackend::MultiplyPanels(Context& context, const Panels& a, MatrixView<const float> s,
                                 MatrixView<float> product) {
  RequirePanelProductShapes(a, s, product);
  if (product.size() == 0) return;
  LaunchProduct<false>(a.stacked.data, a.n_panels, a.stacked.n_cols, s.data, s.n_cols, 1, product.n_rows, product.data,
                       static_cast<CudaContext&>(context).stream().handle());
}

void CudaBackend::Orthonormalize(Context& context, const Panels& basis, MatrixView<float> block,
                                 MatrixView<double> coefficients) {
  RequireOrthonormalizeShapes(basis, block, coefficients);
  auto& cuda = static_cast<CudaContext&>(context);
  const int64_t width = block.n_cols, n_basis = basis.n_panels * width;
  Passes passes(cuda, basis, block, cuda.Reserve(Passes::WorkspaceBytes(basis.n_panels, block.n_rows, width)));
  unsigned long long* flag = cuda.NewFlag([](unsigned long long) {
    return Error(ErrorCode::kNumeric,
                 "Orthonormalize: the block has values that are not finite, or too large to square");
  });
  passes.Project(passes.first);
  passes.Subtract(passes.first);
  passes.Factor(kDependent, passes.first + n_basis * width, passes.r1);
  passes.Project(passes.second);
  passes.Subtract(passes.second);
  passes.Factor(kLostInSecond, nullptr, passes.r2);
  Launch(Compose, dim3(Blocks((n_basis + width) * width, kThreads)), dim3(kThreads), 0, cuda.stream().handle(),
         passes.first, passes.second, passes.r1, passes.r2, n_basis, static_cast<int>(width), coefficients.data, flag);
}

}  // namespace kindred::cuda
