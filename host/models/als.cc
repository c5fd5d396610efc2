#include "host/models/als.h"

#include <cmath>
#include <string>
#include <utility>

#include "host/data/random.h"
#include "host/models/als_side.h"

namespace kindred {
namespace {

class AlsFit {
 public:
  AlsFit(Backend& backend, const ResidentInteractions& interactions, const AlsOptions& options)
      : backend_(backend),
        context_(backend.NewContext()),
        options_(options),
        users_(backend, *context_, interactions.by_user(), options, true),
        items_(backend, *context_, interactions.by_item(), options, false),
        eigenvalues_(backend, options.n_factors) {
    users_.observed = interactions.users();
    items_.observed = interactions.items();
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
      loss_ = SolveSide(backend_, *context_, of_users ? users_ : items_, of_users ? items_ : users_,
                        eigenvalues_.view(), options_.objective.unobserved_weight, solver, n_half_steps_ / 2 + 1);
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
  AlsFactors Factors() const {
    return {Downloaded(backend_, *context_, users_.factors), Downloaded(backend_, *context_, items_.factors),
            Downloaded(backend_, *context_, eigenvalues_), loss_};
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  AlsOptions options_;
  AlsSide users_;
  AlsSide items_;
  Resident<float> eigenvalues_;
  int64_t n_half_steps_ = 0;
  double loss_ = 0;
};

}  // namespace

void AlsFactors::SetIn(ModelView* view) const {
  const int64_t f = std::ssize(eigenvalues);
  view->user_factors = {user_factors.data(), std::ssize(user_factors) / f, f};
  view->item_factors = {item_factors.data(), std::ssize(item_factors) / f, f};
  view->eigenvalues = eigenvalues;
}

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
  CheckAlsStart(start, interactions, options, false);
  if (start.n_half_steps == 2 * options.epochs + 1) return std::move(start.factors);
  const AlsPlan plan = backend.PlanAls(
      {interactions.n_rows, interactions.n_cols, interactions.nnz(), options.n_factors, false, options.solver.method});
  return FitAls(backend, ResidentInteractions(backend, interactions, plan.max_entry_bytes), options, on_epoch,
                std::move(start), on_half_step);
}

AlsFactors FitAls(Backend& backend, const ResidentInteractions& interactions, const AlsOptions& options,
                  const std::function<void(const AlsEpoch&)>& on_epoch, AlsState start, const AlsHook& on_half_step) {
  CheckAlsOptions(options);
  CheckAlsStart(start, interactions.by_user(), options, false);
  if (start.n_half_steps == 2 * options.epochs + 1) return std::move(start.factors);
  AlsFit fit(backend, interactions, options);
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
