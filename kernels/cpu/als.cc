// The ALS half-step: short rows in the dual (simd_dual.cc), long rows in the primal by Cholesky (simd_primal.cc).
//
// Both work in the eigenbasis of the fixed side's Gram matrix, where a0 YtY is a diagonal, so that any
// regularization a row has costs nothing. Each row is solved by one thread from start to end, but for huge ones, which
// are cut into parts.
#include <Eigen/Dense>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "kernels/cpu/als_approximate.h"
#include "kernels/cpu/backend.h"
#include "kernels/cpu/host_memory.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kTaskCost = 4096;  // entries, with a constant a row, that make a task worth taking
constexpr int64_t kRowCost = 16;
constexpr size_t kRowsAhead = 16;
constexpr int64_t kPartEntries = 8192;    // of a huge row
constexpr int64_t kPartFloats = 1 << 24;  // what the systems of such parts may take
constexpr float kTinyEigenvalue = 1e-6f;  // of min(D) against max(D): below it the dual loses its digits

class CpuSparseRows : public CsrRows {
 public:
  CpuSparseRows(const CsrView& rows, std::span<const float> targets_in, std::shared_ptr<const void> keep_in)
      : CsrRows(rows), targets(targets_in.empty() ? rows.values : targets_in), keep(std::move(keep_in)) {
    order.resize(static_cast<size_t>(n_rows()));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return Degree(a) > Degree(b); });
    while (n_huge < order.size() && Degree(order[n_huge]) > 2 * kPartEntries) ++n_huge;
    int64_t cost = kTaskCost;
    for (size_t i = n_huge; i < order.size(); ++i) {
      if (cost >= kTaskCost) {
        tasks.push_back(i);
        cost = 0;
      }
      cost += Degree(order[i]) + kRowCost;
    }
    tasks.push_back(order.size());
  }

  int64_t Degree(int64_t row) const { return weights.indptr[row + 1] - weights.indptr[row]; }

  std::span<const float> targets;
  std::shared_ptr<const void> keep;
  std::vector<int64_t> order;  // rows, longest first
  size_t n_huge = 0;           // of them, those solved in parts
  std::vector<size_t> tasks;   // where each task of the rest starts in `order`, and the end
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

// min(D) / max(D) of D = a0 e + l; e is descending.
bool WellConditioned(const AlsHalfStep& step, float regularization) {
  const float a0 = step.unobserved_weight;
  const float* e = step.eigenvalues.data;
  const float smallest = a0 * e[step.fixed.n_cols - 1] + regularization;
  const float largest = a0 * e[0] + regularization;
  return smallest > kTinyEigenvalue * largest;
}

// The primal again in double, for the few rows that float32 cannot tell from singular ones.
bool SolveInDouble(const AlsHalfStep& step, float regularization, AlsRow& row) {
  const int64_t f = step.fixed.n_cols;
  Eigen::MatrixXd system = Eigen::MatrixXd::Zero(f, f);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(f);
  double constant = 0;
  for (int64_t e = 0; e < row.n_entries; ++e) {
    const Eigen::Map<const Eigen::VectorXf> y(step.fixed.data + static_cast<int64_t>(row.indices[e]) * f, f);
    const double w = row.weights[e], b = row.targets[e];
    system.selfadjointView<Eigen::Lower>().rankUpdate(y.cast<double>(), w);
    right += b * y.cast<double>();
    if (w > 0) constant += b * b / w;
  }
  for (int64_t k = 0; k < f; ++k)
    system(k, k) += double{step.unobserved_weight} * step.eigenvalues.data[k] + regularization;
  const Eigen::VectorXd diagonal = system.diagonal();
  const Eigen::LLT<Eigen::MatrixXd> factor(system);
  if (factor.info() != Eigen::Success) return false;
  const Eigen::VectorXd pivots = factor.matrixLLT().diagonal();
  const double smallest = std::sqrt(static_cast<double>(f)) * 0x1p-44;  // kRounding of simd_dense.h, for double
  for (int64_t k = 0; k < f; ++k)
    if (!(pivots[k] * pivots[k] > smallest * diagonal[k])) return false;
  const Eigen::VectorXd x = factor.solve(right);
  Eigen::Map<Eigen::VectorXf> solution(row.solution, f);
  solution = x.cast<float>();
  row.loss = constant - x.dot(right);
  row.squared_norm = solution.cast<double>().squaredNorm();
  return solution.allFinite();
}

// Solves rows in batches of one way, for one worker.
class RowSolver {
 public:
  RowSolver(const AlsHalfStep& step, const CpuSparseRows& rows, const SimdKernels& simd, float* scratch,
            FirstFailure& failure)
      : step_(step),
        rows_(rows),
        simd_(simd),
        failure_(failure),
        diagonals_(scratch),
        workspace_(scratch + DiagonalsSize(step.fixed.n_cols)) {}

  static int64_t DiagonalsSize(int64_t f) { return kBatchRows * PaddedFactors(f); }
  static int64_t ScratchSize(int64_t f) { return DiagonalsSize(f) + AlsWorkspace(f); }

  /// Row r is added soon: rows of one length lie anywhere in memory.
  void Announce(int64_t r) const {
    const AlsRow row = RowOf(r, 0, rows_.Degree(r), nullptr);
    for (int64_t e = 0; e < row.n_entries; e += kLine) {
      __builtin_prefetch(row.indices + e);
      __builtin_prefetch(row.weights + e);
      __builtin_prefetch(row.targets + e);
    }
    for (int64_t k = 0; k < step_.fixed.n_cols; k += kLine) __builtin_prefetch(row.solution + k, 1);
  }

  /// Flush solves what has been added and not yet solved.
  void Add(int64_t r) {
    if (rows_.Degree(r) == 0) return FinishEmpty(r);
    if (IsApproximate(step_, rows_.Degree(r)) && SolvedApproximately(r)) return;
    const float l = step_.regularization.data[r];
    const AlsWay way = FastestWay(rows_.Degree(r), step_.fixed.n_cols, WellConditioned(step_, l));
    if (n_rows_ == (way == AlsWay::kLanes ? simd_.n_lanes : kBatchRows) || way != way_) Flush();
    way_ = way;
    ids_[n_rows_] = r;
    batch_[n_rows_++] = RowOf(r, 0, rows_.Degree(r), Diagonal(l, way == AlsWay::kPrimal));
  }

  void Flush() {
    const FixedSide fixed = {step_.fixed.data, step_.fixed.n_cols};
    const auto solve = way_ == AlsWay::kLanes  ? simd_.solve_lanes
                       : way_ == AlsWay::kDual ? simd_.solve_dual
                                               : simd_.solve_primal;
    if (n_rows_ > 0) solve(fixed, batch_, n_rows_, workspace_);
    for (int64_t i = 0; i < n_rows_; ++i) Finish(ids_[i], batch_[i]);
    n_rows_ = 0;
  }

  /// Entries [begin, end) of row r added up, and the row solved from the sum over all of them.
  double GatherPart(int64_t r, int64_t begin, int64_t end, float* system) {
    return simd_.gather_primal({step_.fixed.data, step_.fixed.n_cols}, RowOf(r, begin, end, nullptr), system,
                               workspace_);
  }
  void SolveGathered(int64_t r, float* system, double constant) {
    AlsRow row = RowOf(r, 0, rows_.Degree(r), Diagonal(step_.regularization.data[r], true));
    simd_.solve_gathered({step_.fixed.data, step_.fixed.n_cols}, row, system, constant, workspace_);
    Finish(r, row);
  }

 private:
  static constexpr int64_t kBatchRows = 16, kLine = 16;  // of memory, in values

  AlsRow RowOf(int64_t r, int64_t begin, int64_t end, const float* diagonal) const {
    const int64_t first = rows_.weights.indptr[r] + begin;
    return {rows_.weights.indices.data() + first,
            rows_.weights.values.data() + first,
            rows_.targets.data() + first,
            end - begin,
            diagonal,
            step_.solved.data + r * step_.fixed.n_cols};
  }

  // Rows of one length mostly have one regularization: D is kept until another is asked for.
  const float* Diagonal(float l, bool primal) {
    const int64_t f = step_.fixed.n_cols;
    if (l == last_regularization_ && primal == last_primal_ && last_ >= 0) return diagonals_ + last_ * PaddedFactors(f);
    last_ = (last_ + 1) % kBatchRows;
    last_regularization_ = l;
    last_primal_ = primal;
    float* diagonal = diagonals_ + last_ * PaddedFactors(f);
    for (int64_t k = 0; k < f; ++k) {
      const float d = step_.unobserved_weight * step_.eigenvalues.data[k] + l;
      diagonal[k] = primal ? d : 1.0f / std::sqrt(d);
    }
    return diagonal;
  }

  void FinishEmpty(int64_t r) {
    AlsRow row = RowOf(r, 0, 0, nullptr);
    std::fill(row.solution, row.solution + step_.fixed.n_cols, 0.0f);
    row.solved = true;
    Finish(r, row);
  }

  // In the workspace, which a batch only uses while it is solved.
  bool SolvedApproximately(int64_t r) {
    AlsRow row = RowOf(r, 0, rows_.Degree(r), nullptr);
    const auto n = static_cast<size_t>(row.n_entries);
    row.solved = SolveApproximately(step_, r, {row.indices, n}, {row.weights, n}, {row.targets, n}, simd_, workspace_,
                                    &row.loss);
    if (!row.solved) return false;
    const Eigen::Map<const Eigen::VectorXf> x(row.solution, step_.fixed.n_cols);
    row.squared_norm = x.cast<double>().squaredNorm();
    Finish(r, row);
    return true;
  }

  void Finish(int64_t r, AlsRow& row) {
    if (!row.solved && !SolveInDouble(step_, step_.regularization.data[r], row)) failure_.Report(r);
    if (!step_.loss.empty()) step_.loss.data[r] = row.loss;
    if (!step_.squared_norm.empty()) step_.squared_norm.data[r] = row.squared_norm;
  }

  const AlsHalfStep& step_;
  const CpuSparseRows& rows_;
  const SimdKernels& simd_;
  FirstFailure& failure_;
  float* diagonals_;  // the last kBatchRows
  float* workspace_;
  int64_t last_ = -1;
  float last_regularization_ = 0;
  bool last_primal_ = false;
  AlsWay way_ = AlsWay::kLanes;
  int64_t n_rows_ = 0;
  int64_t ids_[kBatchRows];
  AlsRow batch_[kBatchRows];
};

// Huge rows in parts, whose sums are added up in order: so many parts at a time, by n_factors alone.
int64_t PartsAtOnce(int64_t n_factors) {
  return std::clamp<int64_t>(kPartFloats / PrimalSystemSize(n_factors), 16, 256);
}

struct Part {
  int64_t row, begin, end;
  float* system;
  double constant;
};

// Appends the parts of row r.
void Cut(int64_t r, int64_t degree, int64_t most, std::vector<Part>& parts) {
  const int64_t n = std::min(most, (degree + kPartEntries - 1) / kPartEntries);
  for (int64_t p = 0; p < n; ++p) parts.push_back({r, degree * p / n, degree * (p + 1) / n, nullptr, 0});
}

void AddSystem(const float* from, int64_t f, float* to) {
  const int64_t width = PaddedFactors(f);
  for (int64_t i = 0; i <= width; ++i)  // the right-hand side is row `width`, whole
    for (int64_t k = i < width ? i : 0; k < width; ++k) to[i * width + k] += from[i * width + k];
}

template <class NewSolver>
void SolveHugeRows(CpuContext& cpu, const CpuSparseRows& rows, int64_t f, const NewSolver& new_solver) {
  const int64_t size = PrimalSystemSize(f), most = PartsAtOnce(f);
  Scratch systems;
  for (size_t next = 0; next < rows.n_huge;) {
    std::vector<Part> parts;
    std::vector<size_t> firsts;  // of each row, and the end
    while (next < rows.n_huge) {
      const size_t n_before = parts.size();
      Cut(rows.order[next], rows.Degree(rows.order[next]), most, parts);
      if (static_cast<int64_t>(parts.size()) > most) {
        parts.resize(n_before);
        break;
      }
      firsts.push_back(n_before);
      ++next;
    }
    firsts.push_back(parts.size());
    float* memory = systems.Get(static_cast<int64_t>(parts.size()) * size);
    for (size_t p = 0; p < parts.size(); ++p) parts[p].system = memory + static_cast<int64_t>(p) * size;
    cpu.Run(static_cast<int64_t>(parts.size()), [&](int64_t p, int worker) {
      Part& part = parts[static_cast<size_t>(p)];
      part.constant = new_solver(worker).GatherPart(part.row, part.begin, part.end, part.system);
    });
    cpu.Run(static_cast<int64_t>(firsts.size()) - 1, [&](int64_t i, int worker) {
      Part& sum = parts[firsts[static_cast<size_t>(i)]];
      for (size_t p = firsts[static_cast<size_t>(i)] + 1; p < firsts[static_cast<size_t>(i) + 1]; ++p) {
        AddSystem(parts[p].system, f, sum.system);
        sum.constant += parts[p].constant;
      }
      new_solver(worker).SolveGathered(sum.row, sum.system, sum.constant);
    });
  }
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
  const bool has_huge = std::min(shape.longest_row, shape.nnz) > 2 * kPartEntries;
  const int64_t n_parts = has_huge ? std::min(PartsAtOnce(shape.n_factors), shape.nnz / kPartEntries) : 0;
  int64_t scratch = RowSolver::ScratchSize(shape.n_factors);
  if (shape.method != AlsMethod::kExact)
    scratch = std::max(scratch, RowSolver::DiagonalsSize(shape.n_factors) +
                                    ApproximateStepWorkspace(std::max(shape.n_users, shape.n_items), shape.n_factors));
  scratch *= pool_.n_threads();
  AlsPlan plan;
  plan.peak_bytes = n_rows * each_row + (scratch + n_parts * PrimalSystemSize(shape.n_factors)) * 4 +
                    DiagonalizeWorkspaceBytes(std::max(shape.n_users, shape.n_items), shape.n_factors);
  plan.available_bytes = AvailableMemory();
  plan.max_entry_bytes = INT64_MAX;
  if (plan.available_bytes > 0 && plan.peak_bytes > plan.available_bytes)
    throw Error(ErrorCode::kOutOfMemory,
                "ALS of " + std::to_string(shape.n_users) + " users x " + std::to_string(shape.n_items) +
                    " items with n_factors " + std::to_string(shape.n_factors) + " needs " + GiB(plan.peak_bytes) +
                    " GiB of memory beside its entries; " + GiB(plan.available_bytes) + " GiB are there");
  return plan;
}

void CpuBackend::SolveAls(Context& context, const AlsHalfStep& step) {
  RequireAlsShapes(step);
  const CpuSparseRows& rows = static_cast<const CpuSparseRows&>(*step.observed);
  const int64_t f = step.fixed.n_cols;
  CpuContext& cpu = static_cast<CpuContext&>(context);
  const int64_t longest = rows.order.empty() ? 0 : rows.Degree(rows.order[0]);
  const bool approximate = IsApproximate(step, longest);
  const int64_t n_floats =
      std::max(RowSolver::ScratchSize(f),
               approximate ? RowSolver::DiagonalsSize(f) + ApproximateStepWorkspace(longest, f) : int64_t{0});
  FirstFailure failure;
  const auto solver = [&](int worker) {
    return RowSolver(step, rows, simd_, cpu.ScratchOf(worker, n_floats), failure);
  };
  if (approximate)
    cpu.Run(static_cast<int64_t>(rows.n_huge), [&](int64_t i, int worker) {
      RowSolver mine = solver(worker);
      mine.Add(rows.order[static_cast<size_t>(i)]);
      mine.Flush();
    });
  else
    SolveHugeRows(cpu, rows, f, solver);
  cpu.Run(static_cast<int64_t>(rows.tasks.size()) - 1, [&](int64_t task, int worker) {
    RowSolver mine = solver(worker);
    const size_t begin = rows.tasks[static_cast<size_t>(task)], end = rows.tasks[static_cast<size_t>(task) + 1];
    for (size_t i = begin; i < end; ++i) {
      if (i + kRowsAhead < end) mine.Announce(rows.order[i + kRowsAhead]);
      mine.Add(rows.order[i]);
    }
    mine.Flush();
  });
  if (failure.row() == INT64_MAX) return;
  cpu.Fail(Error(ErrorCode::kNumeric,
                 "ALS: the system of row " + std::to_string(failure.row()) + " (" +
                     std::to_string(rows.Degree(failure.row())) + " entries, n_factors " + std::to_string(f) +
                     ", regularization " + std::to_string(step.regularization.data[failure.row()]) +
                     ") is singular; a larger regularization helps",
                 failure.row()));
}

}  // namespace kindred
