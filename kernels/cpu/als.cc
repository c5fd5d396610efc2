// The ALS half-step: short rows in the dual (simd.cc), long rows in the primal by Cholesky.
//
// Both work in the eigenbasis of the fixed side's Gram matrix, where a0 YtY is a diagonal, so that any
// regularization a row has costs nothing. Each row is solved by one thread from start to end.
#include <Eigen/Dense>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kTaskCost = 4096;  // entries, with a constant a row, that make a task worth taking
constexpr int64_t kRowCost = 16;
constexpr float kTinyEigenvalue = 1e-6f;  // of min(D) against max(D): below it the dual loses its digits

class CpuSparseRows : public SparseRows {
 public:
  CpuSparseRows(const CsrView& rows, std::span<const float> targets_in, std::shared_ptr<const void> keep_in)
      : SparseRows(rows.n_rows, rows.n_cols, rows.nnz()),
        weights(rows),
        targets(targets_in.empty() ? rows.values : targets_in),
        keep(std::move(keep_in)) {
    order.resize(static_cast<size_t>(n_rows()));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return Degree(a) > Degree(b); });
    int64_t cost = kTaskCost;
    for (size_t i = 0; i < order.size(); ++i) {
      if (cost >= kTaskCost) {
        tasks.push_back(i);
        cost = 0;
      }
      cost += Degree(order[i]) + kRowCost;
    }
    tasks.push_back(order.size());
  }

  int64_t Degree(int64_t row) const { return weights.indptr[row + 1] - weights.indptr[row]; }

  CsrView weights;
  std::span<const float> targets;
  std::shared_ptr<const void> keep;
  std::vector<int64_t> order;  // rows, longest first
  std::vector<size_t> tasks;   // where each task starts in `order`, and the end
};

// The first singular row of a step, whichever thread meets it.
class FirstFailure {
 public:
  void Report(int64_t row) {
    int64_t seen = row_.load();
    while (row < seen && !row_.compare_exchange_weak(seen, row)) {
    }
  }
  int64_t row() const { return row_; }

 private:
  std::atomic<int64_t> row_ = INT64_MAX;
};

struct Row {
  const AlsHalfStep& step;
  std::span<const int32_t> indices;
  std::span<const float> weights;
  std::span<const float> targets;
  float regularization;
  float* solution;
  double loss = 0;

  int64_t n_factors() const { return step.fixed.n_cols; }
  int64_t n_entries() const { return static_cast<int64_t>(indices.size()); }
};

// min(D) / max(D) of D = a0 e + l; e is descending.
bool WellConditioned(const Row& row) {
  const float a0 = row.step.unobserved_weight;
  const float* e = row.step.eigenvalues.data;
  const float smallest = a0 * e[row.n_factors() - 1] + row.regularization;
  const float largest = a0 * e[0] + row.regularization;
  return smallest > kTinyEigenvalue * largest;
}

// The primal again in double, for the few rows that float32 cannot tell from singular ones.
bool SolveInDouble(Row& row) {
  const int64_t f = row.n_factors();
  Eigen::MatrixXd system = Eigen::MatrixXd::Zero(f, f);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(f);
  double constant = 0;
  for (size_t e = 0; e < row.indices.size(); ++e) {
    const Eigen::Map<const Eigen::VectorXf> y(row.step.fixed.data + static_cast<int64_t>(row.indices[e]) * f, f);
    const double w = row.weights[e], b = row.targets[e];
    system.selfadjointView<Eigen::Lower>().rankUpdate(y.cast<double>(), w);
    right += b * y.cast<double>();
    if (w > 0) constant += b * b / w;
  }
  for (int64_t k = 0; k < f; ++k)
    system(k, k) += double{row.step.unobserved_weight} * row.step.eigenvalues.data[k] + row.regularization;
  const Eigen::VectorXd diagonal = system.diagonal();
  const Eigen::LLT<Eigen::MatrixXd> factor(system);
  if (factor.info() != Eigen::Success) return false;
  const Eigen::VectorXd pivots = factor.matrixLLT().diagonal();
  const double smallest = std::sqrt(static_cast<double>(f)) * 0x1p-44;  // kRounding of simd.cc, for double
  for (int64_t k = 0; k < f; ++k)
    if (!(pivots[k] * pivots[k] > smallest * diagonal[k])) return false;
  const Eigen::VectorXd x = factor.solve(right);
  Eigen::Map<Eigen::VectorXf>(row.solution, f) = x.cast<float>();
  row.loss = constant - x.dot(right);
  return Eigen::Map<const Eigen::VectorXf>(row.solution, f).allFinite();
}

bool Solve(Row& row, const SimdKernels& simd, float* workspace) {
  const int64_t f = row.n_factors();
  const bool dual = row.n_entries() <= f && WellConditioned(row);
  float* diagonal = workspace;  // D, or D^-1/2
  for (int64_t k = 0; k < f; ++k) {
    const float d = row.step.unobserved_weight * row.step.eigenvalues.data[k] + row.regularization;
    diagonal[k] = dual ? 1.0f / std::sqrt(d) : d;
  }
  const auto solve = [&](auto system, auto* solver) {
    const bool solved = solver(system);
    row.loss = system.loss;
    return solved;
  };
  float* rest = workspace + (f + 15) / 16 * 16;
  const float* fixed = row.step.fixed.data;
  if (dual)
    return solve(DualRow{fixed, f, row.indices.data(), row.weights.data(), row.targets.data(), row.n_entries(),
                         diagonal, rest, row.solution, 0},
                 simd.solve_dual);
  return solve(PrimalRow{fixed, f, row.indices.data(), row.weights.data(), row.targets.data(), row.n_entries(),
                         diagonal, rest, row.solution, 0},
               simd.solve_primal);
}

double SquaredNorm(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]) * x[k];
  return sum;
}

int64_t Workspace(int64_t f) {
  return (f + 15) / 16 * 16 + std::max(DualWorkspace(f, f), PrimalWorkspace(f));
}

}  // namespace

std::unique_ptr<SparseRows> CpuBackend::NewSparseRows(const CsrView& rows, std::span<const float> targets,
                                                      std::shared_ptr<const void> keep, int64_t) {
  RequireSparseRows(rows, targets);
  return std::make_unique<CpuSparseRows>(rows, targets, std::move(keep));
}

AlsPlan CpuBackend::PlanAls(const AlsShape& shape) const {
  const int64_t n_rows = shape.n_users + shape.n_items;
  const int64_t each_row = shape.n_factors * 4 + 4 + 8 + 8 + static_cast<int64_t>(sizeof(int64_t));
  return {n_rows * each_row + pool_.n_threads() * Workspace(shape.n_factors) * 4, Describe().memory_bytes, INT64_MAX,
          false};
}

void CpuBackend::SolveAls(Context& context, const AlsHalfStep& step) {
  RequireAlsShapes(step);
  const CpuSparseRows& rows = static_cast<const CpuSparseRows&>(*step.observed);
  const int64_t f = step.fixed.n_cols;
  CpuContext& cpu = static_cast<CpuContext&>(context);
  FirstFailure failure;
  cpu.Run(static_cast<int64_t>(rows.tasks.size()) - 1, [&](int64_t task, int worker) {
    float* workspace = cpu.ScratchOf(worker, Workspace(f));
    for (size_t i = rows.tasks[static_cast<size_t>(task)]; i < rows.tasks[static_cast<size_t>(task) + 1]; ++i) {
      const int64_t r = rows.order[i];
      const size_t begin = static_cast<size_t>(rows.weights.indptr[r]), count = static_cast<size_t>(rows.Degree(r));
      Row row = {step,
                 rows.weights.row(r),
                 rows.weights.row_values(r),
                 rows.targets.subspan(begin, count),
                 step.regularization.data[r],
                 step.solved.data + r * f};
      bool solved = true;
      if (count == 0) {
        std::fill(row.solution, row.solution + f, 0.0f);
      } else {
        solved = Solve(row, simd_, workspace) || SolveInDouble(row);
      }
      if (!solved) failure.Report(r);
      if (!step.loss.empty()) step.loss.data[r] = row.loss;
      if (!step.squared_norm.empty()) step.squared_norm.data[r] = SquaredNorm(row.solution, f);
    }
  });
  if (failure.row() == INT64_MAX) return;
  cpu.Fail(Error(ErrorCode::kNumeric, "ALS: the system of row " + std::to_string(failure.row()) + " (" +
                                          std::to_string(rows.Degree(failure.row())) + " entries, n_factors " +
                                          std::to_string(f) + ", regularization " +
                                          std::to_string(step.regularization.data[failure.row()]) +
                                          ") is singular; a larger regularization helps"));
}

}  // namespace kindred
