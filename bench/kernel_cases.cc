#include "bench/kernel_cases.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "kernels/error.h"

namespace kindred {
namespace {

// An epoch: both half-steps, each with the eigenbasis of the side it holds fixed, as host/models/als.cc does it.
class AlsEpochCase : public KernelCase {
 public:
  AlsEpochCase(KernelBench& bench, int64_t n_factors, const AlsSolver& solver)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        f_(n_factors),
        solver_(solver),
        users_(bench, bench.Interactions(), n_factors),
        items_(bench, TransposeOf(bench.Interactions()), n_factors),
        eigenvalues_(backend_, n_factors) {
    const SyntheticMatrix& entries = bench.Interactions();
    shape = Thousands(entries.n_rows()) + " x " + Thousands(entries.n_cols) + ", " + Thousands(entries.nnz()) +
            " entries, f = " + std::to_string(f_);
    parameters = {{"n_factors", f_}, {"n_users", entries.n_rows()}, {"n_items", entries.n_cols}};
    bench.Share("als_indptr", entries.indptr);
    bench.Share("als_indices", entries.indices);
    bench.Share("als_values", entries.values);
    const double scale = 0.1 / std::sqrt(static_cast<double>(f_));
    const std::vector<float> start = NewFactors(bench.pool(), entries.n_cols * f_, scale, /*seed=*/4);
    items_.factors.Upload(backend_, *context_, start);
    const std::vector<float> none(static_cast<size_t>(entries.n_rows() * f_), 0.0f);
    users_.factors.Upload(backend_, *context_, none);
    context_->Wait();
    Count(users_, bench.bf16x3());
    Count(items_, bench.bf16x3());
  }

  void Run() override {
    Solve(users_, items_);
    Solve(items_, users_);
    context_->Wait();
  }

  // Item rows of all lengths, solved again in double from what the last half-step was given.
  Check Verify() override {
    const std::vector<float> fixed = ToHost(backend_, *context_, users_.factors);
    const std::vector<float> solved = ToHost(backend_, *context_, items_.factors);
    const std::vector<float> e = ToHost(backend_, *context_, eigenvalues_);
    const SyntheticMatrix& entries = items_.entries;
    std::vector<int64_t> order(static_cast<size_t>(entries.n_rows()));
    std::iota(order.begin(), order.end(), 0);
    const auto length = [&](int64_t r) { return entries.view().row(r).size(); };
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return length(a) > length(b); });
    constexpr int64_t kRows = 12;
    Check check{0, 1e-3, "relative error of rows against a solve in double"};
    if (solver_.method != AlsMethod::kExact)
      check = {0, 0.05, "excess of rows' objectives over their minimum in double, relative to x . sum b y"};
    for (int64_t k = 0; k < kRows; ++k) {
      const auto place = static_cast<size_t>((entries.n_rows() - 1) * k / (kRows - 1));
      check.error = std::max(check.error, RowError(order[place], fixed, e, solved));
    }
    return check;
  }

 private:
  static constexpr float kUnobservedWeight = 0.03f;

  struct Side {
    Side(KernelBench& bench, SyntheticMatrix matrix, int64_t f)
        : entries(std::move(matrix)),
          rows(bench.backend().NewSparseRows(entries.view(), {}, nullptr)),
          factors(bench.backend(), entries.n_rows(), f),
          resident_regularization(bench.backend(), entries.n_rows()),
          loss(bench.backend(), entries.n_rows()),
          squared_norm(bench.backend(), entries.n_rows()) {
      for (int64_t r = 0; r < entries.n_rows(); ++r)
        regularization.push_back(0.003f * (static_cast<float>(entries.view().row(r).size()) +
                                           kUnobservedWeight * static_cast<float>(entries.n_cols)));
      const auto context = bench.backend().NewContext();
      resident_regularization.Upload(bench.backend(), *context, regularization);
      context->Wait();
    }

    SyntheticMatrix entries;
    std::unique_ptr<SparseRows> rows;
    std::vector<float> regularization;
    Resident<float> factors, resident_regularization;
    Resident<double> loss, squared_norm;
  };

  void Solve(const Side& solved, const Side& fixed) {
    const bool exact = solver_.method == AlsMethod::kExact;
    backend_.Diagonalize(*context_, fixed.factors.matrix(), eigenvalues_.view(),
                         exact ? MatrixView<float>() : solved.factors.matrix());
    backend_.SolveAls(*context_, {solved.rows.get(), fixed.factors.matrix(), eigenvalues_.view(), kUnobservedWeight,
                                  solved.resident_regularization.view(), solved.factors.matrix(), solved.loss.view(),
                                  solved.squared_norm.view(), solver_});
  }

  // Rows gathered once, and the product and rotation of the side, which as a fixed side is n_rows long, too; what
  // starts from its factors rotates them once more.
  void Count(const Side& side, bool bf16x3) {
    const auto f = static_cast<double>(f_), n_rows = static_cast<double>(side.entries.n_rows());
    for (int64_t r = 0; r < side.entries.n_rows(); ++r) {
      const auto n = static_cast<double>(side.entries.view().row(r).size());
      if (static_cast<int64_t>(n) > solver_.MaxExactEntries(f_)) {
        CountApproximate(n, bf16x3);
        continue;
      }
      work.fp32_flops += n <= f ? n * n * f + n * n * n / 3 : f * f * f / 3;
      if (n > f) (bf16x3 ? work.bf16_flops : work.fp32_flops) += (bf16x3 ? 3 : 1) * n * f * f;
    }
    work.bytes += static_cast<double>(side.entries.nnz()) * (4 * f + 8) + n_rows * f * 4 * 4;
    const bool exact = solver_.method == AlsMethod::kExact;
    if (!exact) work.bytes += n_rows * f * 4 * 3;
    work.fp32_flops += (exact ? 4 : 6) * n_rows * f * f;
  }

  void CountApproximate(double n, bool bf16x3) {
    const auto f = static_cast<double>(f_), steps = static_cast<double>(solver_.n_steps);
    const auto block = static_cast<double>(solver_.block_size);
    if (solver_.method == AlsMethod::kConjugateGradient) {
      work.fp32_flops += 4 * n * f * (steps + 1);
      return;
    }
    work.fp32_flops += steps * (4 * n * f + f * block * block / 3);
    (bf16x3 ? work.bf16_flops : work.fp32_flops) += steps * (bf16x3 ? 3 : 1) * n * f * block;
  }

  double RowError(int64_t row, const std::vector<float>& fixed, const std::vector<float>& e,
                  const std::vector<float>& solved) const {
    const CsrView entries = items_.entries.view();
    const auto columns = entries.row(row);
    const auto weights = entries.row_values(row);
    Eigen::MatrixXd scaled(f_, static_cast<Eigen::Index>(columns.size()));
    Eigen::VectorXd right = Eigen::VectorXd::Zero(f_);
    for (size_t n = 0; n < columns.size(); ++n) {
      const Eigen::Map<const Eigen::VectorXf> y(&fixed[static_cast<size_t>(columns[n] * f_)], f_);
      right += weights[n] * y.cast<double>();
      scaled.col(static_cast<Eigen::Index>(n)) = std::sqrt(static_cast<double>(weights[n])) * y.cast<double>();
    }
    Eigen::MatrixXd system = Eigen::MatrixXd::Zero(f_, f_);
    system.selfadjointView<Eigen::Lower>().rankUpdate(scaled);
    const Eigen::Map<const Eigen::VectorXf> eigenvalues(e.data(), f_);
    system.diagonal() += kUnobservedWeight * eigenvalues.cast<double>();
    system.diagonal().array() += items_.regularization[static_cast<size_t>(row)];
    const Eigen::VectorXd expected = system.selfadjointView<Eigen::Lower>().llt().solve(right);
    const Eigen::Map<const Eigen::VectorXf> found(&solved[static_cast<size_t>(row * f_)], f_);
    const Eigen::VectorXd difference = found.cast<double>() - expected;
    const double error = solver_.method == AlsMethod::kExact
                             ? difference.norm() / std::max(expected.norm(), 1e-30)
                             : difference.dot(system.selfadjointView<Eigen::Lower>() * difference) /
                                   std::max(expected.dot(right), 1e-30);
    return std::isfinite(error) ? error : std::numeric_limits<double>::max();
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  int64_t f_;
  AlsSolver solver_;
  Side users_, items_;
  Resident<float> eigenvalues_;
};

class TopNCase : public KernelCase {
 public:
  TopNCase(KernelBench& bench, int64_t batch)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        batch_(batch),
        n_items_(bench.Scaled(1'000'000, 2 * kN)),
        items_(bench.ItemFactors(kFactors)),
        queries_(NewFactors(bench.pool(), batch * kFactors, 1, /*seed=*/6)),
        resident_items_(backend_, n_items_, kFactors),
        resident_queries_(backend_, batch, kFactors),
        found_(backend_, batch, kN),
        scores_(backend_, batch, kN) {
    shape = Thousands(n_items_) + " items x " + std::to_string(kFactors) + ", N = " + std::to_string(kN) + ", batch " +
            std::to_string(batch);
    parameters = {{"n_items", n_items_}, {"n_factors", kFactors}, {"batch", batch}, {"n", kN}};
    bench.Share("top_n_queries_" + std::to_string(batch), queries_);
    resident_items_.Upload(backend_, *context_, items_);
    resident_queries_.Upload(backend_, *context_, queries_);
    index_ = backend_.NewItemIndex(*context_, resident_items_.matrix());
    context_->Wait();
    const auto items = static_cast<double>(n_items_), f = static_cast<double>(kFactors);
    work.bytes = items * f * 2 + static_cast<double>(batch) * (f * 4 + kN * 8);  // the items once, as bf16
    work.bf16_flops = 2 * static_cast<double>(batch) * items * f;
    share_ = [&bench, batch](const std::vector<int32_t>& ids) {
      bench.Share("top_n_ids_" + std::to_string(batch), ids);
    };
  }

  void Run() override {
    backend_.TopN(*context_, *index_, {resident_queries_.matrix(), {}, {}, found_.matrix(), scores_.matrix()});
    context_->Wait();
  }

  // The first and the last query, by the definition over all items.
  Check Verify() override {
    const std::vector<int32_t> ids = ToHost(backend_, *context_, found_);
    const std::vector<float> scores = ToHost(backend_, *context_, scores_);
    share_(ids);
    int64_t wrong = 0;
    for (int64_t q : {int64_t{0}, batch_ - 1}) {
      const std::vector<std::pair<float, int32_t>> expected = Best(q);
      for (int64_t k = 0; k < kN; ++k) {
        const auto place = static_cast<size_t>(q * kN + k);
        wrong += ids[place] != expected[static_cast<size_t>(k)].second ||
                 scores[place] != -expected[static_cast<size_t>(k)].first;
      }
    }
    return {static_cast<double>(wrong), 0, "places that differ from a ranking of all items by the defined score"};
  }

 private:
  static constexpr int64_t kFactors = 128, kN = 100;

  // Minus the score, so that ascending is the order of the list.
  std::vector<std::pair<float, int32_t>> Best(int64_t query) const {
    std::vector<std::pair<float, int32_t>> all(static_cast<size_t>(n_items_));
    const float* q = &queries_[static_cast<size_t>(query * kFactors)];
    for (int64_t i = 0; i < n_items_; ++i) {
      const float* y = &items_[static_cast<size_t>(i * kFactors)];
      double score = 0;
      for (int64_t k = 0; k < kFactors; ++k) score += static_cast<double>(q[k]) * y[k];
      all[static_cast<size_t>(i)] = {-static_cast<float>(score), static_cast<int32_t>(i)};
    }
    std::partial_sort(all.begin(), all.begin() + kN, all.end());
    all.resize(kN);
    return all;
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  int64_t batch_, n_items_;
  const std::vector<float>& items_;
  std::vector<float> queries_;
  Resident<float> resident_items_, resident_queries_;
  Resident<int32_t> found_;
  Resident<float> scores_;
  std::unique_ptr<ItemIndex> index_;
  std::function<void(const std::vector<int32_t>&)> share_;
};

// Gram alone, or with the eigenbasis and the rotation.
class GramCase : public KernelCase {
 public:
  GramCase(KernelBench& bench, int64_t n_factors, bool diagonalize)
      : backend_(bench.backend()),
        context_(backend_.NewContext()),
        n_rows_(bench.Scaled(138'000, 64)),
        f_(n_factors),
        diagonalize_(diagonalize),
        values_(NewFactors(bench.pool(), n_rows_ * n_factors, 1, /*seed=*/7)),
        a_(backend_, n_rows_, f_),
        gramian_(backend_, f_, f_),
        eigenvalues_(backend_, f_) {
    shape = Thousands(n_rows_) + " x " + std::to_string(f_);
    parameters = {{"n_rows", n_rows_}, {"n_factors", f_}};
    const double products = 2.0 * static_cast<double>(n_rows_ * f_ * f_),
                 reads = 4.0 * static_cast<double>(n_rows_ * f_);
    work.bytes = (diagonalize ? 3 : 1) * reads;
    work.fp32_flops = (diagonalize ? 2 : 1) * products;
    a_.Upload(backend_, *context_, values_);
    context_->Wait();
  }

  // What is diagonal already would be diagonalized faster.
  void Prepare() override {
    if (!diagonalize_) return;
    a_.Upload(backend_, *context_, values_);
    context_->Wait();
  }

  void Run() override {
    if (diagonalize_)
      backend_.Diagonalize(*context_, a_.matrix(), eigenvalues_.view());
    else
      backend_.Gram(*context_, a_.matrix(), gramian_.matrix());
    context_->Wait();
  }

  // Entries of the Gram matrix in double: of the input against the result, or of the result against a diagonal.
  Check Verify() override {
    const std::vector<float> a = diagonalize_ ? ToHost(backend_, *context_, a_) : values_;
    const std::vector<float> e = diagonalize_ ? ToHost(backend_, *context_, eigenvalues_) : std::vector<float>();
    const std::vector<float> gramian = diagonalize_ ? std::vector<float>() : ToHost(backend_, *context_, gramian_);
    const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> matrix(a.data(),
                                                                                                         n_rows_, f_);
    const Eigen::MatrixXd columns =
        matrix(Eigen::all, {0, 1, static_cast<int>(f_ / 2), static_cast<int>(f_ - 1)}).cast<double>();
    const Eigen::MatrixXd product = columns.transpose() * columns;
    const size_t places[] = {0, 1, static_cast<size_t>(f_ / 2), static_cast<size_t>(f_ - 1)};
    Check check{0, 2e-5, "sampled entries against double, relative to the largest"};
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        const double found =
            diagonalize_ ? (i == j ? e[places[i]] : 0) : gramian[places[i] * static_cast<size_t>(f_) + places[j]];
        const double error = std::abs(found - product(i, j)) / product.diagonal().maxCoeff();
        check.error = std::max(check.error, std::isfinite(error) ? error : std::numeric_limits<double>::max());
      }
    return check;
  }

 private:
  Backend& backend_;
  std::unique_ptr<Context> context_;
  int64_t n_rows_, f_;
  bool diagonalize_;
  std::vector<float> values_;
  Resident<float> a_, gramian_, eigenvalues_;
};

}  // namespace

std::string Thousands(int64_t n) {
  std::string text = std::to_string(n);
  for (size_t place = text.size(); place > 3;) text.insert(place -= 3, ",");
  return text;
}

KernelBench::KernelBench(Backend& backend, bool bf16x3, ThreadPool& pool, double scale, std::filesystem::path data)
    : backend_(backend), bf16x3_(bf16x3), pool_(pool), scale_(scale), data_(std::move(data)) {}

int64_t KernelBench::Scaled(int64_t n, int64_t least) const {
  return std::max(least, static_cast<int64_t>(std::llround(scale_ * static_cast<double>(n))));
}

const SyntheticMatrix& KernelBench::Interactions() {
  if (interactions_.indptr.empty())
    interactions_ = NewInteractions(pool_, Scaled(138'000, 64), Scaled(27'000, 64), Scaled(20'000'000, 1000), 1);
  return interactions_;
}

const std::vector<float>& KernelBench::ItemFactors(int64_t n_factors) {
  if (item_factors_width_ != n_factors) {
    item_factors_ = NewFactors(pool_, Scaled(1'000'000, 200) * n_factors, 1, /*seed=*/5);
    item_factors_width_ = n_factors;
    Share("top_n_items", item_factors_);
  }
  return item_factors_;
}

std::vector<KernelCaseName> KernelCases() {
  std::vector<KernelCaseName> cases;
  const auto add = [&]<class Case, class... Arguments>(std::type_identity<Case>, const std::string& operation,
                                                       const std::string& name, Arguments... arguments) {
    cases.push_back({operation, name, [=](KernelBench& bench) { return std::make_unique<Case>(bench, arguments...); }});
  };
  for (int64_t batch : {1, 64, 4096})
    add(std::type_identity<TopNCase>(), "top_n", "batch=" + std::to_string(batch), batch);
  AddTopNSparseCases(cases);
  const auto name = [](int64_t f) { return "f=" + std::to_string(f); };
  for (int64_t f : {64, 128, 256}) add(std::type_identity<AlsEpochCase>(), "als_epoch", name(f), f, AlsSolver());
  for (int64_t f : {128, 256})
    add(std::type_identity<AlsEpochCase>(), "als_epoch_cg", name(f), f, AlsSolver{AlsMethod::kConjugateGradient, 3});
  add(std::type_identity<AlsEpochCase>(), "als_epoch_blocks", name(256), 256, AlsSolver{AlsMethod::kBlocks, 1, 64});
  for (int64_t f : {64, 128, 256}) add(std::type_identity<GramCase>(), "gram", name(f), f, false);
  for (int64_t f : {64, 128, 256}) add(std::type_identity<GramCase>(), "diagonalize", name(f), f, true);
  AddSvdCases(cases);
  AddItemCases(cases);
  AddClusterCases(cases);
  return cases;
}

}  // namespace kindred
