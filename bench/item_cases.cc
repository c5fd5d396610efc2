// The cases of bench_kernels that models of items are made of: similarities of items, and EASE's inverse.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "bench/kernel_cases.h"

namespace kindred {
namespace {

// For every item the k others that most weight meets over the users they have in common.
class SparseTopKCase : public KernelCase {
 public:
  SparseTopKCase(KernelBench& bench, int64_t k)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        k_(k),
        users_(bench.Interactions()),
        items_(TransposeOf(bench.Interactions())),
        user_rows_(backend_.NewSparseRows(users_.view(), {}, nullptr)),
        item_rows_(backend_.NewSparseRows(items_.view(), {}, nullptr)),
        found_(backend_, users_.n_cols, k),
        values_(backend_, users_.n_cols, k) {
    double n_added = 0;
    for (int64_t u = 0; u < users_.n_rows(); ++u)
      n_added += std::pow(static_cast<double>(users_.view().row(u).size()), 2);
    shape = Thousands(users_.n_cols) + " x " + Thousands(users_.n_rows()) + " x " + Thousands(users_.n_cols) + ", " +
            Thousands(users_.nnz()) + " entries, k = " + std::to_string(k);
    parameters = {{"n_users", users_.n_rows()}, {"n_items", users_.n_cols}, {"k", k}};
    // The entries that are added; and the sums once, as they need not leave a cache.
    const auto n_items = static_cast<double>(users_.n_cols);
    work.bytes = 8 * n_added + 16 * n_items * n_items + 8 * n_items * static_cast<double>(k);
  }

  void Run() override {
    backend_.MultiplySparseTopK(*context_,
                                {item_rows_.get(), user_rows_.get(), {}, true, found_.matrix(), values_.matrix()});
    context_->Wait();
  }

  // The rows of the first, the last and the most frequent item, by the definition.
  Check Verify() override {
    const std::vector<int32_t> found = ToHost(backend_, *context_, found_);
    const std::vector<float> values = ToHost(backend_, *context_, values_);
    int64_t longest = 0, wrong = 0;
    for (int64_t i = 0; i < items_.n_rows(); ++i)
      if (items_.view().row(i).size() > items_.view().row(longest).size()) longest = i;
    for (int64_t i : {int64_t{0}, longest, items_.n_rows() - 1}) {
      const std::vector<std::pair<int32_t, float>> expected = Best(i);
      for (int64_t place = 0; place < k_; ++place) {
        const auto [item, value] =
            place < std::ssize(expected) ? expected[static_cast<size_t>(place)] : std::pair<int32_t, float>(-1, 0);
        const auto at = static_cast<size_t>(i * k_ + place);
        wrong += found[at] != item || values[at] != value;
      }
    }
    return {static_cast<double>(wrong), 0, "places of sampled rows that differ from the definition"};
  }

 private:
  std::vector<std::pair<int32_t, float>> Best(int64_t item) const {
    std::vector<double> sums(static_cast<size_t>(users_.n_cols), 0);
    const auto users = items_.view().row(item);
    for (size_t e = 0; e < users.size(); ++e) {
      const auto others = users_.view().row(users[e]);
      for (size_t o = 0; o < others.size(); ++o)
        sums[static_cast<size_t>(others[o])] +=
            double{items_.view().row_values(item)[e]} * users_.view().row_values(users[e])[o];
    }
    std::vector<std::pair<int32_t, float>> best;
    for (int32_t c = 0; c < users_.n_cols; ++c)
      if (c != item && sums[static_cast<size_t>(c)] > 0)
        best.emplace_back(c, static_cast<float>(sums[static_cast<size_t>(c)]));
    std::stable_sort(best.begin(), best.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    best.resize(std::min(best.size(), static_cast<size_t>(k_)));
    std::sort(best.begin(), best.end());
    return best;
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  int64_t k_;
  SyntheticMatrix users_, items_;
  std::unique_ptr<SparseRows> user_rows_, item_rows_;
  Resident<int32_t> found_;
  Resident<float> values_;
};

// 50 I + x xt for x of a few columns.
class InverseCase : public KernelCase {
 public:
  InverseCase(KernelBench& bench, int64_t n)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        n_(bench.Scaled(n, 64)),
        a_(static_cast<size_t>(n_ * n_)),
        inverse_(backend_, n_, n_) {
    shape = Thousands(n_) + " x " + Thousands(n_);
    parameters = {{"n", n_}};
    work.bytes = 8 * std::pow(static_cast<double>(n_), 2);
    work.fp32_flops = std::pow(static_cast<double>(n_), 3);
    const std::vector<float> x = NewFactors(bench.pool(), n_ * kColumns, 1, /*seed=*/11);
    bench.pool().Run(n_, bench.pool().n_threads(), [&](int64_t i, int) {
      for (int64_t j = 0; j < n_; ++j) {
        float sum = i == j ? 50 : 0;
        for (int64_t c = 0; c < kColumns; ++c)
          sum += x[static_cast<size_t>(i * kColumns + c)] * x[static_cast<size_t>(j * kColumns + c)];
        a_[static_cast<size_t>(i * n_ + j)] = sum;
      }
    });
  }

  void Prepare() override {
    inverse_.Upload(backend_, *context_, a_);
    context_->Wait();
  }

  void Run() override {
    backend_.InvertPositiveDefinite(*context_, inverse_.matrix());
    context_->Wait();
  }

  // Columns of a times its inverse, against the identity's.
  Check Verify() override {
    const std::vector<float> inverse = ToHost(backend_, *context_, inverse_);
    Check check{0, 1e-3, "entries of sampled columns of the product with the inverse, against 1 and 0"};
    for (int64_t j : {int64_t{0}, n_ / 2, n_ - 1})
      for (int64_t i = 0; i < n_; ++i) {
        double sum = i == j ? -1 : 0;
        for (int64_t c = 0; c < n_; ++c)
          sum += static_cast<double>(a_[static_cast<size_t>(i * n_ + c)]) * inverse[static_cast<size_t>(j * n_ + c)];
        check.error = std::max(check.error, std::isfinite(sum) ? std::abs(sum) : std::numeric_limits<double>::max());
      }
    return check;
  }

 private:
  static constexpr int64_t kColumns = 16;

  Backend& backend_;
  std::unique_ptr<Context> context_;
  int64_t n_;
  std::vector<float> a_;
  Resident<float> inverse_;
};

}  // namespace

void AddItemCases(std::vector<KernelCaseName>& cases) {
  cases.push_back(
      {"sparse_top_k", "k=100", [](KernelBench& bench) { return std::make_unique<SparseTopKCase>(bench, 100); }});
  cases.push_back({"inverse", "n=8192", [](KernelBench& bench) { return std::make_unique<InverseCase>(bench, 8192); }});
}

}  // namespace kindred
