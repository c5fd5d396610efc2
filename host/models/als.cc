#include "host/models/als.h"

#include <cmath>
#include <string>
#include <utility>

#include "host/data/interactions.h"
#include "host/data/random.h"

namespace kindred {
namespace {

void CheckStart(const AlsState& start, const CsrView& interactions, const AlsOptions& options) {
  const auto expect = [](const std::string& what, int64_t found, int64_t least, int64_t most) {
    if (found < least || found > most)
      throw Error(ErrorCode::kInvalidArgument, "ALS: the start has " + std::to_string(found) + " " + what +
                                                   "; expected " + std::to_string(least) +
                                                   (least < most ? " to " + std::to_string(most) : ""));
  };
  const auto& [users, items, eigenvalues, loss] = start.factors;
  const auto size = [](const std::vector<float>& values) { return static_cast<int64_t>(values.size()); };
  if (start.n_half_steps == 0 && users.empty() && items.empty()) return;
  const int64_t f = options.n_factors;
  expect("half-steps", start.n_half_steps, 0, 2 * options.epochs + 1);
  expect("values in its user factors", size(users), interactions.n_rows * f, interactions.n_rows * f);
  expect("values in its item factors", size(items), interactions.n_cols * f, interactions.n_cols * f);
  if (start.n_half_steps > 0) expect("eigenvalues", size(eigenvalues), f, f);
}

// One side of the factorization with what its half-step needs.
struct Side {
  Side(std::string name_in, Backend& backend, const CsrView& rows, const AlsOptions& options, int64_t max_entry_bytes)
      : name(std::move(name_in)),
        observed(backend.NewSparseRows(rows, {}, nullptr, max_entry_bytes)),
        factors(backend, rows.n_rows, options.n_factors),
        resident_regularization(backend, rows.n_rows),
        loss(backend, rows.n_rows),
        squared_norm(backend, rows.n_rows) {
    for (int64_t r = 0; r < rows.n_rows; ++r)
      regularization.push_back(options.objective.RowRegularization(rows.indptr[r + 1] - rows.indptr[r], rows.n_cols));
  }

  std::string name;
  std::unique_ptr<SparseRows> observed;
  std::vector<float> regularization;
  Resident<float> factors;
  Resident<float> resident_regularization;
  Resident<double> loss;
  Resident<double> squared_norm;
  double penalty = 0;  // sum of l |x|^2, once it was solved
};

class AlsFit {
 public:
  AlsFit(Backend& backend, const CsrView& interactions, const CsrView& transpose, const AlsOptions& options,
         int64_t max_entry_bytes)
      : backend_(backend),
        context_(backend.NewContext()),
        options_(options),
        users_("user", backend, interactions, options, max_entry_bytes),
        items_("item", backend, transpose, options, max_entry_bytes),
        eigenvalues_(backend, options.n_factors) {
    users_.resident_regularization.Upload(backend_, *context_, users_.regularization);
    items_.resident_regularization.Upload(backend_, *context_, items_.regularization);
    context_->Wait();
  }

  void Begin(AlsState start) {
    n_half_steps_ = start.n_half_steps;
    AlsFactors& factors = start.factors;
    if (factors.item_factors.empty()) factors.item_factors = RandomFactors(options_, items_.factors.n_rows());
    if (!factors.user_factors.empty()) users_.factors.Upload(backend_, *context_, factors.user_factors);
    items_.factors.Upload(backend_, *context_, factors.item_factors);
    context_->Wait();
    (n_half_steps_ % 2 == 1 ? users_ : items_).penalty = start.penalty;
  }

  AlsFactors Run(const std::function<void(const AlsEpoch&)>& on_epoch, const AlsHook& on_half_step) {
    while (n_half_steps_ <= 2 * options_.epochs) {
      const bool of_users = n_half_steps_ % 2 == 0;
      const bool last = n_half_steps_ == 2 * options_.epochs;  // the factors that are stored are exact
      AlsSolver solver = last ? AlsSolver() : options_.solver;
      solver.warm = n_half_steps_ > 0;  // users have no factors yet
      of_users ? Solve(users_, items_, solver) : Solve(items_, users_, solver);
      ++n_half_steps_;
      if (!of_users && on_epoch) on_epoch({n_half_steps_ / 2, loss_});
      if (on_half_step)
        on_half_step(n_half_steps_, [this] {
          return AlsState{n_half_steps_, (n_half_steps_ % 2 == 1 ? users_ : items_).penalty, Factors()};
        });
    }
    return Factors();
  }

 private:
  void Solve(Side& solved, const Side& fixed, const AlsSolver& solver) {
    const bool starts_from_it = solver.method != AlsMethod::kExact && solver.warm;
    backend_.Diagonalize(*context_, fixed.factors.matrix(), eigenvalues_.view(),
                         starts_from_it ? solved.factors.matrix() : MatrixView<float>());
    backend_.SolveAls(*context_, {solved.observed.get(), fixed.factors.matrix(), eigenvalues_.view(),
                                  options_.objective.unobserved_weight, solved.resident_regularization.view(),
                                  solved.factors.matrix(), solved.loss.view(), solved.squared_norm.view(), solver});
    try {
      context_->Wait();
    } catch (const Error& error) {
      const std::string message = error.what() + (" (solving the " + solved.name + " side)");
      if (error.row() >= 0) throw AlsRowError(message, error.row(), &solved == &users_);
      throw Error(error.code(), message);
    }
    Account(solved, fixed);
  }

  // L right after `solved` was: its rows' objectives hold all of it but the fixed side's regularization.
  void Account(Side& solved, const Side& fixed) {
    std::vector<double> objectives(solved.regularization.size()), squared_norms(objectives.size());
    solved.loss.Download(backend_, *context_, std::span<double>(objectives));
    solved.squared_norm.Download(backend_, *context_, std::span<double>(squared_norms));
    context_->Wait();
    loss_ = 0;
    solved.penalty = 0;
    const std::string epoch = "epoch " + std::to_string(n_half_steps_ / 2 + 1);
    for (size_t r = 0; r < objectives.size(); ++r) {
      if (!std::isfinite(objectives[r]) || !std::isfinite(squared_norms[r]))
        throw AlsRowError(
            "ALS: row " + std::to_string(r) + " of the " + solved.name + " side is not finite in " + epoch,
            static_cast<int64_t>(r), &solved == &users_);
      loss_ += objectives[r];
      solved.penalty += solved.regularization[r] * squared_norms[r];
    }
    loss_ += fixed.penalty;
    if (!std::isfinite(loss_) || !std::isfinite(solved.penalty))
      throw Error(ErrorCode::kNumeric, "ALS: the loss is not finite in " + epoch);
  }

  AlsFactors Factors() { return {Download(users_.factors), Download(items_.factors), Download(eigenvalues_), loss_}; }

  template <class T>
  std::vector<T> Download(const Resident<T>& from) {
    std::vector<T> to(static_cast<size_t>(from.n_rows() * from.n_cols()));
    from.Download(backend_, *context_, std::span<T>(to));
    context_->Wait();
    return to;
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  AlsOptions options_;
  Side users_;
  Side items_;
  Resident<float> eigenvalues_;
  int64_t n_half_steps_ = 0;
  double loss_ = 0;
};

}  // namespace

void CheckAlsOptions(const AlsOptions& options) {
  const auto refuse = [](const std::string& what, const std::string& found, const std::string& expected) {
    throw Error(ErrorCode::kInvalidArgument, "ALS: " + what + " is " + found + "; expected " + expected);
  };
  const AlsObjective& objective = options.objective;
  const auto not_negative = [&](const std::string& name, float value) {
    if (!(value >= 0) || !std::isfinite(value)) refuse(name, std::to_string(value), "a finite number >= 0");
  };
  if (options.n_factors < 1 || options.n_factors > 4096)
    refuse("n_factors", std::to_string(options.n_factors), "1 to 4096");
  if (options.epochs < 1) refuse("epochs", std::to_string(options.epochs), "1 or more");
  const AlsSolver& solver = options.solver;
  if (solver.n_steps < 1 || solver.n_steps > AlsSolver::kMaxSteps)
    refuse("n_steps", std::to_string(solver.n_steps), "1 to " + std::to_string(AlsSolver::kMaxSteps));
  if (solver.block_size < 8 || solver.block_size > AlsSolver::kMaxBlockSize || solver.block_size % 8 != 0)
    refuse("block_size", std::to_string(solver.block_size), "a multiple of 8 up to 64");
  not_negative("regularization", objective.regularization);
  not_negative("unobserved_weight", objective.unobserved_weight);
  not_negative("regularization_exponent", objective.regularization_exponent);
}

AlsFactors FitAls(Backend& backend, const CsrView& interactions, const AlsOptions& options,
                  const std::function<void(const AlsEpoch&)>& on_epoch, AlsState start, const AlsHook& on_half_step) {
  CheckAlsOptions(options);
  CheckStart(start, interactions, options);
  if (start.n_half_steps == 2 * options.epochs + 1) return std::move(start.factors);
  const AlsPlan plan = backend.PlanAls(
      {interactions.n_rows, interactions.n_cols, interactions.nnz(), options.n_factors, false, options.solver.method});
  const Csr transpose = Transpose(interactions);
  AlsFit fit(backend, interactions, transpose.view(), options, plan.max_entry_bytes);
  fit.Begin(std::move(start));
  return fit.Run(on_epoch, on_half_step);
}

std::vector<float> RandomFactors(const AlsOptions& options, int64_t n_rows) {
  std::vector<float> factors(static_cast<size_t>(n_rows * options.n_factors));
  const double scale = 0.1 / std::sqrt(static_cast<double>(options.n_factors));
  for (size_t i = 0; i < factors.size(); ++i) factors[i] = static_cast<float>(scale * RandomNormal(options.seed, i));
  return factors;
}

std::vector<float> ItemPopularity(const CsrView& interactions) {
  std::vector<float> popularity(static_cast<size_t>(interactions.n_cols), 0);
  for (int32_t item : interactions.indices) popularity[static_cast<size_t>(item)] += 1;
  return popularity;
}

}  // namespace kindred
