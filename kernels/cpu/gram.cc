// Gram matrix and its eigenbasis. Float32 products of slabs of rows, added up in double in a fixed order;
// the eigendecomposition, of n_cols x n_cols, in double.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kSlabRows = 512;    // rows added up in float32
constexpr int64_t kMaxPartials = 16;  // double accumulators held at once; a constant, so that bits are too
constexpr int64_t kRotateRows = 64;

// The lower triangle of at a, in double.
Eigen::MatrixXd GramInDouble(CpuContext& context, const SimdKernels& simd, MatrixView<const float> a) {
  const int64_t f = a.n_cols, width = (f + 15) / 16 * 16;
  const int64_t n_slabs = (a.n_rows + kSlabRows - 1) / kSlabRows;
  const int64_t n_partials = std::min(n_slabs, kMaxPartials);
  std::vector<Eigen::MatrixXd> partials(static_cast<size_t>(n_partials));
  context.Run(n_partials, [&](int64_t part, int worker) {
    Eigen::MatrixXd& sum = partials[static_cast<size_t>(part)];
    sum.setZero(f, f);
    float* product = context.ScratchOf(worker, width * width + kSlabRows * width);
    float* rows = product + width * width;
    for (int64_t slab = n_slabs * part / n_partials; slab < n_slabs * (part + 1) / n_partials; ++slab) {
      const int64_t n_rows = std::min(kSlabRows, a.n_rows - slab * kSlabRows);
      for (int64_t r = 0; r < n_rows; ++r) {
        const float* from = a.data + (slab * kSlabRows + r) * f;
        std::fill(std::copy(from, from + f, rows + r * width), rows + (r + 1) * width, 0.0f);
      }
      std::fill(product, product + width * width, 0.0f);
      simd.rank_update(rows, n_rows, width, product);
      for (int64_t r = 0; r < f; ++r)
        for (int64_t c = r; c < f; ++c) sum(c, r) += product[r * width + c];
    }
  });
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(f, f);
  for (const Eigen::MatrixXd& part : partials) gram += part;
  return gram;
}

// a := a q, tile by tile.
void Rotate(CpuContext& context, const SimdKernels& simd, MatrixView<float> a, const Eigen::MatrixXf& q) {
  if (a.n_rows == 0) return;
  const int64_t f = a.n_cols, n_panels = CountPanels(f), stride = n_panels * kPanelWidth;
  std::vector<float> panels(static_cast<size_t>(f * stride), 0.0f);
  for (int64_t k = 0; k < f; ++k)
    for (int64_t c = 0; c < f; ++c) panels[static_cast<size_t>(PanelOffset(f, k, c))] = q(k, c);
  const int64_t n_tiles = (a.n_rows + kRotateRows - 1) / kRotateRows;
  context.Run(n_tiles, [&](int64_t tile, int worker) {
    const int64_t n_rows = std::min(kRotateRows, a.n_rows - tile * kRotateRows);
    float* rows = a.data + tile * kRotateRows * f;
    float* rotated = context.ScratchOf(worker, kRotateRows * stride);
    simd.multiply_panels(rows, n_rows, f, f, panels.data(), n_panels, rotated, stride);
    for (int64_t r = 0; r < n_rows; ++r) std::copy(rotated + r * stride, rotated + r * stride + f, rows + r * f);
  });
}

}  // namespace

int64_t DiagonalizeWorkspaceBytes(int64_t n_rows, int64_t n_cols) {
  constexpr int64_t kOfEigen = 4;  // the sum, its copy in the solver, the vectors and their float32
  const int64_t n_partials = std::min((n_rows + kSlabRows - 1) / kSlabRows, kMaxPartials);
  return (n_partials + kOfEigen) * n_cols * n_cols * static_cast<int64_t>(sizeof(double));
}

void CpuBackend::Gram(Context& context, MatrixView<const float> a, MatrixView<float> gramian) {
  RequireGramShapes(a, gramian);
  const Eigen::MatrixXd gram = GramInDouble(static_cast<CpuContext&>(context), simd_, a);
  for (int64_t r = 0; r < a.n_cols; ++r)
    for (int64_t c = 0; c <= r; ++c)
      gramian.data[r * a.n_cols + c] = gramian.data[c * a.n_cols + r] = static_cast<float>(gram(r, c));
}

void CpuBackend::Diagonalize(Context& context, MatrixView<float> a, View<float> eigenvalues,
                             MatrixView<float> companion) {
  RequireDiagonalizeShapes(a, eigenvalues, companion);
  CpuContext& cpu = static_cast<CpuContext&>(context);
  const Eigen::MatrixXd gram = GramInDouble(cpu, simd_, a);
  if (!gram.allFinite()) {
    cpu.Fail(
        Error(ErrorCode::kNumeric, "Diagonalize: the matrix has values that are not finite, or too large to square"));
    return;
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram);  // reads the lower triangle; ascending
  const int64_t f = a.n_cols;
  Eigen::MatrixXf q(f, f);
  for (int64_t c = 0; c < f; ++c) {
    const auto column = solver.eigenvectors().col(f - 1 - c);
    Eigen::Index largest = 0;
    column.cwiseAbs().maxCoeff(&largest);
    q.col(c) = (column[largest] < 0 ? -column : Eigen::VectorXd(column)).cast<float>();
    eigenvalues.data[c] = static_cast<float>(std::max(0.0, solver.eigenvalues()[f - 1 - c]));
  }
  Rotate(cpu, simd_, a, q);
  Rotate(cpu, simd_, companion, q);
}

}  // namespace kindred
