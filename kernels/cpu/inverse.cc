// The inverse of a positive definite matrix, in place: Gauss-Jordan by blocks, without pivoting.
//
// One step for each block k of columns, with A_kk = L Lt, U_i = A_ik L^-t and V_i = U_i L^-1:
//
//   A_ij -= U_i U_jt,   A_ik = V_i,   A_kk = -L^-t L^-1       for all i, j other than k,
//
// on the lower triangle. What a step leaves in its columns is minus the inverse so far, and the inverse when all are
// through; a block that is still to come is a Schur complement, whose pivots are those of Cholesky. So each of its sums
// only grows, and the error is Cholesky's. Every step updates the whole triangle: one kind of work, cut into equal
// tasks, n^3 flops in all like factoring, inverting and multiplying triangles one after the other.
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kBlock = 2 * kPanelWidth;   // a panel of so many rows fits the first cache
constexpr int64_t kTaskColumns = 4 * kBlock;  // of an update, by one block of rows

class Inverse {
 public:
  Inverse(CpuContext& cpu, const SimdKernels& simd, MatrixView<float> a)
      : cpu_(cpu),
        simd_(simd),
        a_(a.data),
        n_(a.n_rows),
        least_(LeastPivot(n_)),
        n_blocks_((n_ + kBlock - 1) / kBlock) {
    for (int64_t i = 0; i < n_; ++i) diagonal_.push_back(a_[i * n_ + i]);
    for (int64_t i = n_blocks_ - 1; i >= 0; --i)
      for (int64_t c = 0; c < std::min(n_, (i + 1) * kBlock); c += kTaskColumns) updates_.push_back({i, c});
    rows_ = rows_memory_.Get(n_ * kBlock);
    panels_ = panels_memory_.Get(n_blocks_ * kBlock * kBlock);
  }

  void Run() {
    for (int64_t k = 0; k < n_blocks_; ++k) {
      const int64_t lost = Factor(k);
      if (lost >= 0) return cpu_.Fail(LostPivot(lost));
      cpu_.Run(n_blocks_, [&](int64_t i, int worker) {
        float* memory = cpu_.ScratchOf(worker, 2 * kBlock * kBlock);
        if (i == k)
          InvertDiagonal(k, memory);
        else
          Eliminate(k, i, memory);
      });
      cpu_.Run(static_cast<int64_t>(updates_.size()), [&](int64_t task, int) {
        const Update& update = updates_[static_cast<size_t>(task)];
        const int64_t end = std::min(End(update.block), update.column + kTaskColumns);
        if (update.block == k) return;
        Subtract(k, update.block, update.column, std::min(end, Begin(k)));
        Subtract(k, update.block, std::max(update.column, End(k)), end);
      });
    }
    cpu_.Run(n_blocks_, [&](int64_t task, int) { Finish(n_blocks_ - 1 - task); });
  }

 private:
  /// Columns [column, column + kTaskColumns) of a block of rows, as far as the triangle goes.
  struct Update {
    int64_t block, column;
  };

  int64_t Begin(int64_t block) const { return block * kBlock; }
  int64_t End(int64_t block) const { return std::min(n_, (block + 1) * kBlock); }
  int64_t Size(int64_t block) const { return End(block) - Begin(block); }

  /// Sets L^-t and L^-1, made in double, as what rows are multiplied with. Returns the first row whose pivot is lost,
  /// or -1.
  int64_t Factor(int64_t k) {
    const int64_t n = Size(k), first = Begin(k);
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> upper(n, n), inverse(n, n);  // Lt, L^-1
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = r; c < n; ++c) upper(r, c) = a_[(first + c) * n_ + first + r];
    inverse.setIdentity();
    for (int64_t c = 0; c < n; ++c) {
      const double pivot = upper(c, c);
      if (!(pivot > 0 && pivot > least_ * diagonal_[static_cast<size_t>(first + c)] && std::isfinite(pivot)))
        return first + c;
      upper.row(c).tail(n - c) /= std::sqrt(pivot);
      inverse.row(c).head(c + 1) /= upper(c, c);
      for (int64_t r = c + 1; r < n; ++r) {
        upper.row(r).tail(n - r) -= upper(c, r) * upper.row(c).tail(n - r);
        inverse.row(r).head(c + 1) -= upper(c, r) * inverse.row(c).head(c + 1);
      }
    }
    to_u_.assign(kBlock * kBlock, 0);
    to_v_.assign(kBlock * kBlock, 0);
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c <= r; ++c)
        to_u_[static_cast<size_t>(PanelOffset(n, c, r))] = to_v_[static_cast<size_t>(PanelOffset(n, r, c))] =
            static_cast<float>(inverse(r, c));
    return -1;
  }

  /// A_kk, which is V for U = L^-t, with its sign.
  void InvertDiagonal(int64_t k, float* memory) {
    const int64_t n = Size(k);
    float *u = memory, *v = memory + kBlock * kBlock, *block = a_ + Begin(k) * n_ + Begin(k);
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c < n; ++c) u[r * kBlock + c] = to_u_[static_cast<size_t>(PanelOffset(n, r, c))];
    simd_.multiply_panels(u, n, kBlock, n, to_v_.data(), CountPanels(n), v, kBlock);
    for (int64_t r = 0; r < n; ++r)
      for (int64_t c = 0; c <= r; ++c) block[r * n_ + c] = -v[r * kBlock + c];
  }

  /// U_i, by rows and by panels of columns of its transpose, and V_i in A_ik's place.
  void Eliminate(int64_t k, int64_t i, float* memory) {
    const int64_t n_rows = Size(i), n = Size(k);
    float *w = memory, *v = memory + kBlock * kBlock, *u = rows_ + Begin(i) * kBlock;
    // A_ik, or, above the diagonal, A_ki transposed.
    const int64_t row_stride = i > k ? n_ : 1, column_stride = i > k ? 1 : n_;
    float* block = a_ + (i > k ? Begin(i) * n_ + Begin(k) : Begin(k) * n_ + Begin(i));
    for (int64_t r = 0; r < n_rows; ++r)
      for (int64_t c = 0; c < n; ++c) w[r * kBlock + c] = block[r * row_stride + c * column_stride];
    simd_.multiply_panels(w, n_rows, kBlock, n, to_u_.data(), CountPanels(n), u, kBlock);
    simd_.multiply_panels(u, n_rows, kBlock, n, to_v_.data(), CountPanels(n), v, kBlock);
    for (int64_t r = 0; r < n_rows; ++r)
      for (int64_t c = 0; c < n; ++c) block[r * row_stride + c * column_stride] = v[r * kBlock + c];
    float* panels = panels_ + Begin(i) * n;
    for (int64_t r = 0; r < CountPanels(n_rows) * kPanelWidth; ++r)
      for (int64_t c = 0; c < n; ++c) panels[PanelOffset(n, c, r)] = r < n_rows ? u[r * kBlock + c] : 0;
  }

  void Subtract(int64_t k, int64_t i, int64_t begin, int64_t end) {
    if (begin >= end) return;
    simd_.subtract_panels(rows_ + Begin(i) * kBlock, Size(i), kBlock, Size(k), panels_ + begin * Size(k), end - begin,
                          a_ + Begin(i) * n_ + begin, n_);
  }

  /// Rows of a block of the triangle: the sign, and the triangle above.
  void Finish(int64_t i) {
    for (int64_t tile = 0; tile < End(i); tile += kPanelWidth)
      for (int64_t r = Begin(i); r < End(i); ++r)
        for (int64_t c = tile; c < std::min(r + 1, tile + kPanelWidth); ++c)
          a_[c * n_ + r] = a_[r * n_ + c] = -a_[r * n_ + c];
  }

  CpuContext& cpu_;
  const SimdKernels& simd_;
  float* a_;
  int64_t n_;
  double least_;  // part of a diagonal entry that a pivot is above
  int64_t n_blocks_;
  std::vector<float> diagonal_;  // of a as it came
  std::vector<Update> updates_;
  std::vector<float> to_u_, to_v_;       // L^-t and L^-1 in panels
  Scratch rows_memory_, panels_memory_;  // U as [n x kBlock], and its transpose in panels
  float *rows_ = nullptr, *panels_ = nullptr;
};

}  // namespace

void CpuBackend::InvertPositiveDefinite(Context& context, MatrixView<float> a) {
  RequireInverseShape(a);
  if (a.n_rows > 0) Inverse(static_cast<CpuContext&>(context), simd_, a).Run();
}

}  // namespace kindred
