// Tall panels: their products, and blocks made orthonormal to them.
//
// A sweep goes over the rows in tiles that fit a cache and does all there is to do with a tile; inner products are
// summed in float32 within a tile, and in double, in a fixed order, beyond.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kTileRows = 512;
constexpr int64_t kMaxParts = 64;  // double accumulators held at once; a constant, so that bits are too
static_assert(kSimdPanelColumns == kPanelColumns);
constexpr double kDependent = 1e-6;    // of a column's length: what float32's rounding may leave of nothing
constexpr double kLostInSecond = 0.5;  // a column of length 1 that the second pass leaves less of was rounding

// Row-major.
struct Square {
  explicit Square(int64_t size) : n(size), values(static_cast<size_t>(size * size), 0.0) {}
  double& operator()(int64_t i, int64_t j) { return values[static_cast<size_t>(i * n + j)]; }
  double operator()(int64_t i, int64_t j) const { return values[static_cast<size_t>(i * n + j)]; }

  int64_t n;
  std::vector<double> values;
};

// gram = Rt R with R upper triangular, and R's inverse. A pivot that is not above floor[i] makes row i of R and column
// i of the inverse zero.
void FactorOrDrop(const Square& gram, const std::vector<double>& floor, Square* r, Square* inverse) {
  const int64_t n = gram.n;
  for (int64_t i = 0; i < n; ++i) {
    double pivot = gram(i, i);
    for (int64_t k = 0; k < i; ++k) pivot -= (*r)(k, i) * (*r)(k, i);
    if (!(pivot > floor[static_cast<size_t>(i)])) continue;
    const double root = std::sqrt(pivot);
    (*r)(i, i) = root;
    for (int64_t j = i + 1; j < n; ++j) {
      double sum = gram(i, j);
      for (int64_t k = 0; k < i; ++k) sum -= (*r)(k, i) * (*r)(k, j);
      (*r)(i, j) = sum / root;
    }
    // Column i of the inverse: R x = e_i, over the columns that are kept.
    (*inverse)(i, i) = 1 / root;
    for (int64_t k = i - 1; k >= 0; --k) {
      if ((*r)(k, k) == 0) continue;
      double sum = 0;
      for (int64_t j = k + 1; j <= i; ++j) sum -= (*r)(k, j) * (*inverse)(j, i);
      (*inverse)(k, i) = sum / (*r)(k, k);
    }
  }
}

std::vector<float> ToFloat(const std::vector<double>& values, double scale = 1) {
  std::vector<float> floats(values.size());
  std::transform(values.begin(), values.end(), floats.begin(),
                 [scale](double v) { return static_cast<float>(scale * v); });
  return floats;
}

// The block's passes over its rows.
class Sweeps {
 public:
  Sweeps(CpuContext& context, const SimdProducts& simd, const Panels& basis, MatrixView<float> block)
      : context_(context), simd_(simd), basis_(basis), block_(block), width_(block.n_cols) {}

  // basist block, after block := block inverse where there is one; `lengths`, where not null, gets the squared lengths
  // of the block's columns. [basis.n_cols() x width]
  std::vector<double> Project(const Square* inverse, std::vector<double>* lengths) {
    const std::vector<float> by = inverse == nullptr ? std::vector<float>() : ToFloat(inverse->values);
    const int64_t n_products = basis_.n_cols() * width_;
    std::vector<double> all = Sum(n_products + width_, [&](int64_t row, int64_t n_rows, float* memory, double* sums) {
      float* rows = block_.data + row * width_;
      if (inverse != nullptr) Times(rows, n_rows, by, memory);
      std::fill(memory, memory + n_products, 0.0f);
      for (int64_t p = 0; p < basis_.n_panels; ++p)
        simd_.add_transposed_product(Panel(p, row), width_, rows, width_, n_rows, memory + p * width_ * width_);
      for (int64_t i = 0; i < n_products; ++i) sums[i] += memory[i];
      for (int64_t r = 0; lengths != nullptr && r < n_rows; ++r)
        for (int64_t c = 0; c < width_; ++c)
          sums[n_products + c] += double{rows[r * width_ + c]} * rows[r * width_ + c];
    });
    if (lengths != nullptr) lengths->assign(all.begin() + n_products, all.end());
    all.resize(static_cast<size_t>(n_products));
    return all;
  }

  // block := block - basis c; blockt block.
  Square Subtract(const std::vector<double>& c) {
    const std::vector<float> minus = ToFloat(c, -1);
    Square gram(width_);
    gram.values = Sum(width_ * width_, [&](int64_t row, int64_t n_rows, float*, double* sums) {
      float* rows = block_.data + row * width_;
      for (int64_t p = 0; p < basis_.n_panels; ++p)
        simd_.add_product(Panel(p, row), width_, minus.data() + p * width_ * width_, width_, n_rows, rows);
      simd_.add_gram_in_double(rows, width_, n_rows, sums);
    });
    return gram;
  }

  // block := block inverse.
  void Scale(const Square& inverse) {
    const std::vector<float> by = ToFloat(inverse.values);
    const int64_t n_tiles = (block_.n_rows + kTileRows - 1) / kTileRows;
    context_.Run(n_tiles, [&](int64_t t, int worker) {
      const int64_t n_rows = std::min(kTileRows, block_.n_rows - t * kTileRows);
      Times(block_.data + t * kTileRows * width_, n_rows, by, context_.ScratchOf(worker, kTileRows * width_));
    });
  }

 private:
  const float* Panel(int64_t p, int64_t row) const { return basis_.stacked.data + (p * block_.n_rows + row) * width_; }

  void Times(float* rows, int64_t n_rows, const std::vector<float>& by, float* memory) const {
    std::copy(rows, rows + n_rows * width_, memory);
    std::fill(rows, rows + n_rows * width_, 0.0f);
    simd_.add_product(memory, width_, by.data(), width_, n_rows, rows);
  }

  // Adds up n_values sums over the tiles of rows; `visit` adds a tile's, with memory for as many floats, or for the
  // tile.
  template <class Visit>
  std::vector<double> Sum(int64_t n_values, const Visit& visit) {
    const int64_t n_tiles = (block_.n_rows + kTileRows - 1) / kTileRows, n_parts = std::min(n_tiles, kMaxParts);
    std::vector<std::vector<double>> parts(static_cast<size_t>(n_parts));
    context_.Run(n_parts, [&](int64_t part, int worker) {
      std::vector<double>& sums = parts[static_cast<size_t>(part)];
      sums.assign(static_cast<size_t>(n_values), 0);
      float* memory = context_.ScratchOf(worker, std::max(kTileRows * width_, n_values));
      for (int64_t t = n_tiles * part / n_parts; t < n_tiles * (part + 1) / n_parts; ++t)
        visit(t * kTileRows, std::min(kTileRows, block_.n_rows - t * kTileRows), memory, sums.data());
    });
    std::vector<double> all(static_cast<size_t>(n_values), 0);
    for (const std::vector<double>& part : parts)
      for (size_t i = 0; i < all.size(); ++i) all[i] += part[i];
    return all;
  }

  CpuContext& context_;
  const SimdProducts& simd_;
  const Panels& basis_;
  MatrixView<float> block_;
  int64_t width_;
};

}  // namespace

void CpuBackend::MultiplyPanels(Context& context, const Panels& a, MatrixView<const float> s,
                                MatrixView<float> product) {
  RequirePanelProductShapes(a, s, product);
  constexpr int64_t kRows = 128;
  const int64_t n_rows = product.n_rows, width = a.stacked.n_cols;
  static_cast<CpuContext&>(context).Run((n_rows + kRows - 1) / kRows, [&](int64_t tile, int) {
    const int64_t row = tile * kRows, count = std::min(kRows, n_rows - row);
    float* to = product.data + row * s.n_cols;
    std::fill(to, to + count * s.n_cols, 0.0f);
    for (int64_t p = 0; p < a.n_panels; ++p)
      products_.add_product(a.stacked.data + (p * n_rows + row) * width, width, s.data + p * width * s.n_cols, s.n_cols,
                            count, to);
  });
}

void CpuBackend::Orthonormalize(Context& context, const Panels& basis, MatrixView<float> block,
                                MatrixView<double> coefficients) {
  RequireOrthonormalizeShapes(basis, block, coefficients);
  CpuContext& cpu = static_cast<CpuContext&>(context);
  const int64_t width = block.n_cols, n_basis = basis.n_cols();
  Sweeps sweeps(cpu, products_, basis, block);
  std::vector<double> floor;
  const std::vector<double> first = sweeps.Project(nullptr, &floor);
  double finite = 0;
  for (double& squared : floor) {
    finite += squared * 0;
    squared *= kDependent * kDependent;
  }
  Square r1(width), inverse1(width), r2(width), inverse2(width);
  FactorOrDrop(sweeps.Subtract(first), floor, &r1, &inverse1);
  const std::vector<double> second = sweeps.Project(&inverse1, nullptr);
  std::fill(floor.begin(), floor.end(), kLostInSecond * kLostInSecond);
  FactorOrDrop(sweeps.Subtract(second), floor, &r2, &inverse2);
  sweeps.Scale(inverse2);

  // block = basis (first + second r1) + V r2 r1
  for (int64_t i = 0; i < n_basis + width; ++i) {
    for (int64_t j = 0; j < width; ++j) {
      double sum = i < n_basis ? first[static_cast<size_t>(i * width + j)] : 0;
      for (int64_t k = 0; k < width; ++k)
        sum += (i < n_basis ? second[static_cast<size_t>(i * width + k)] : r2(i - n_basis, k)) * r1(k, j);
      coefficients.data[i * width + j] = sum;
      finite += sum * 0;
    }
  }
  if (finite != 0)
    cpu.Fail(
        Error(ErrorCode::kNumeric, "Orthonormalize: the block has values that are not finite, or too large to square"));
}

}  // namespace kindred
