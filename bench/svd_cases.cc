// The cases of bench_kernels that a truncated SVD is made of.
#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "bench/kernel_cases.h"

namespace kindred {
namespace {

// Sparse rows times a dense panel: the users' rows, and then the items'.
class SparseProductCase : public KernelCase {
 public:
  SparseProductCase(KernelBench& bench, int64_t width)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        width_(width),
        users_(bench.Interactions()),
        items_(TransposeOf(bench.Interactions())),
        user_rows_(backend_.NewSparseRows(users_.view(), {}, nullptr)),
        item_rows_(backend_.NewSparseRows(items_.view(), {}, nullptr)),
        values_(NewFactors(bench.pool(), users_.n_cols * width, 1, /*seed=*/8)),
        dense_(backend_, users_.n_cols, width),
        product_(backend_, users_.n_rows(), width),
        back_(backend_, users_.n_cols, width) {
    shape = Thousands(users_.n_rows()) + " x " + Thousands(users_.n_cols) + ", " + Thousands(users_.nnz()) +
            " entries, both ways, width " + std::to_string(width);
    parameters = {{"n_users", users_.n_rows()}, {"n_items", users_.n_cols}, {"width", width}};
    const auto nnz = static_cast<double>(users_.nnz()), w = static_cast<double>(width);
    work.bytes = 2 * nnz * (4 * w + 8) + 4 * w * static_cast<double>(users_.n_rows() + users_.n_cols);
    work.fp32_flops = 4 * nnz * w;
    dense_.Upload(backend_, *context_, values_);
    context_->Wait();
  }

  void Run() override {
    backend_.MultiplySparse(*context_, *user_rows_, dense_.matrix(), product_.matrix());
    backend_.MultiplySparse(*context_, *item_rows_, product_.matrix(), back_.matrix());
    context_->Wait();
  }

  // Rows of both products, from the first and the longest on, again in double.
  Check Verify() override {
    const std::vector<float> product = ToHost(backend_, *context_, product_), back = ToHost(backend_, *context_, back_);
    Check check{0, 2e-5, "sampled rows against double, relative to the sum of their terms' sizes"};
    const auto compare = [&](const SyntheticMatrix& rows, const std::vector<float>& dense,
                             const std::vector<float>& found) {
      int64_t longest = 0;
      for (int64_t r = 0; r < rows.n_rows(); ++r)
        if (rows.view().row(r).size() > rows.view().row(longest).size()) longest = r;
      for (int64_t r : {int64_t{0}, longest, rows.n_rows() / 2, rows.n_rows() - 1}) {
        for (int64_t c = 0; c < width_; ++c) {
          double sum = 0, size = 1e-30;
          for (size_t e = 0; e < rows.view().row(r).size(); ++e) {
            const double term =
                double{rows.view().row_values(r)[e]} * dense[static_cast<size_t>(rows.view().row(r)[e] * width_ + c)];
            sum += term;
            size += std::abs(term);
          }
          const double error = std::abs(found[static_cast<size_t>(r * width_ + c)] - sum) / size;
          check.error = std::max(check.error, std::isfinite(error) ? error : std::numeric_limits<double>::max());
        }
      }
    };
    compare(users_, values_, product);
    compare(items_, product, back);
    return check;
  }

 private:
  Backend& backend_;
  std::unique_ptr<Context> context_;
  int64_t width_;
  SyntheticMatrix users_, items_;
  std::unique_ptr<SparseRows> user_rows_, item_rows_;
  std::vector<float> values_;
  Resident<float> dense_, product_, back_;
};

// What a truncated SVD asks of the device, as host/models/svd.cc does: blocks of a Krylov space, each orthonormal to
// those before it, and the products of k columns that end it. Without the eigenvalues, which are the host's.
class KrylovCase : public KernelCase {
 public:
  KrylovCase(KernelBench& bench, int64_t k)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        users_(bench.Interactions()),
        items_(TransposeOf(bench.Interactions())),
        n_blocks_(std::min<int64_t>(5 * k, users_.n_cols) / kWidth),
        user_rows_(backend_.NewSparseRows(users_.view(), {}, nullptr)),
        item_rows_(backend_.NewSparseRows(items_.view(), {}, nullptr)),
        start_(NewFactors(bench.pool(), users_.n_cols * kWidth, 1, /*seed=*/9)),
        basis_(backend_, (n_blocks_ + 1) * users_.n_cols, kWidth),
        image_(backend_, users_.n_rows(), kWidth),
        coefficients_(backend_, (n_blocks_ + 1) * kWidth, kWidth),
        small_(backend_, n_blocks_ * kWidth, k),
        near_(backend_, users_.n_cols, k),
        far_(backend_, users_.n_rows(), k) {
    shape = Thousands(users_.n_rows()) + " x " + Thousands(users_.n_cols) + ", " + Thousands(users_.nnz()) +
            " entries, k = " + std::to_string(k) + ", " + std::to_string(n_blocks_) + " blocks of " +
            std::to_string(kWidth);
    parameters = {{"n_users", users_.n_rows()}, {"n_items", users_.n_cols}, {"k", k}, {"n_blocks", n_blocks_}};
    const std::vector<float> small = NewFactors(bench.pool(), n_blocks_ * kWidth * k, 0.05, /*seed=*/10);
    small_.Upload(backend_, *context_, small);
    context_->Wait();
    const auto nnz = static_cast<double>(users_.nnz()), columns = static_cast<double>(n_blocks_ * kWidth + k);
    const auto n = static_cast<double>(users_.n_cols);
    work.bytes =
        2 * nnz * (4 * columns + 8 * static_cast<double>(n_blocks_ + 1)) + 2 * n * columns * columns / kWidth * 4;
    work.fp32_flops = 4 * nnz * columns + 4 * n * columns * columns;
  }

  void Run() override {
    backend_.Upload(*context_, std::as_bytes(std::span(start_)),
                    {reinterpret_cast<std::byte*>(basis_.view().data), users_.n_cols * kWidth * 4});
    for (int64_t b = 0; b <= n_blocks_; ++b) {
      if (b > 0) {
        backend_.MultiplySparse(*context_, *user_rows_, Block(b - 1), image_.matrix());
        backend_.MultiplySparse(*context_, *item_rows_, image_.matrix(), Block(b));
      }
      backend_.Orthonormalize(*context_, Blocks(b), Block(b), {coefficients_.view().data, (b + 1) * kWidth, kWidth});
      context_->Wait();  // the host looks at the coefficients
    }
    backend_.MultiplyPanels(*context_, Blocks(n_blocks_), small_.matrix(), near_.matrix());
    backend_.MultiplySparse(*context_, *user_rows_, near_.matrix(), far_.matrix());
    backend_.MultiplySparse(*context_, *item_rows_, far_.matrix(), near_.matrix());
    context_->Wait();
  }

  // Columns of the first, the last and a block between.
  Check Verify() override {
    const std::vector<float> basis = ToHost(backend_, *context_, basis_);
    Check check{0, 2e-5, "inner products of sampled columns of the basis, against 1 and 0"};
    const auto at = [&](int64_t column, int64_t row) {
      return basis[static_cast<size_t>((column / kWidth * users_.n_cols + row) * kWidth + column % kWidth)];
    };
    const int64_t last = n_blocks_ * kWidth - 1, columns[] = {0, 1, last / 2, last - 1, last};
    for (int64_t i : columns)
      for (int64_t j : columns) {
        double product = 0;
        for (int64_t r = 0; r < users_.n_cols; ++r) product += static_cast<double>(at(i, r)) * at(j, r);
        const double error = std::abs(product - (i == j ? 1 : 0));
        check.error = std::max(check.error, std::isfinite(error) ? error : std::numeric_limits<double>::max());
      }
    return check;
  }

 private:
  static constexpr int64_t kWidth = 16;

  MatrixView<float> Block(int64_t b) const {
    return {basis_.view().data + b * users_.n_cols * kWidth, users_.n_cols, kWidth};
  }
  Panels Blocks(int64_t n) const { return {{basis_.view().data, n * users_.n_cols, kWidth}, n}; }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  SyntheticMatrix users_, items_;
  int64_t n_blocks_;
  std::unique_ptr<SparseRows> user_rows_, item_rows_;
  std::vector<float> start_;
  Resident<float> basis_, image_;
  Resident<double> coefficients_;
  Resident<float> small_, near_, far_;
};

}  // namespace

void AddSvdCases(std::vector<KernelCaseName>& cases) {
  for (int64_t width : {16, 64, 128})
    cases.push_back({"sparse_product", "width=" + std::to_string(width),
                     [=](KernelBench& bench) { return std::make_unique<SparseProductCase>(bench, width); }});
  cases.push_back({"krylov", "k=64", [](KernelBench& bench) { return std::make_unique<KrylovCase>(bench, 64); }});
}

}  // namespace kindred
