#include "host/models/als.h"

#include <cmath>
#include <string>

#include "host/data/interactions.h"
#include "host/data/random.h"

namespace kindred {
namespace {

void CheckOptions(const AlsOptions& options) {
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
  not_negative("regularization", objective.regularization);
  not_negative("unobserved_weight", objective.unobserved_weight);
  not_negative("regularization_exponent", objective.regularization_exponent);
}

// One side of the factorization with what its half-step needs.
struct Side {
  Side(Backend& backend, const CsrView& rows, const AlsOptions& options, int64_t max_entry_bytes)
      : observed(backend.NewSparseRows(rows, {}, nullptr, max_entry_bytes)),
        factors(backend, rows.n_rows, options.n_factors),
        resident_regularization(backend, rows.n_rows),
        loss(backend, rows.n_rows),
        squared_norm(backend, rows.n_rows) {
    for (int64_t r = 0; r < rows.n_rows; ++r)
      regularization.push_back(options.objective.RowRegularization(rows.indptr[r + 1] - rows.indptr[r], rows.n_cols));
  }

  std::unique_ptr<SparseRows> observed;
  std::vector<float> regularization;
  Resident<float> factors;
  Resident<float> resident_regularization;
  Resident<double> loss;
  Resident<double> squared_norm;
};

class AlsFit {
 public:
  AlsFit(Backend& backend, const CsrView& interactions, const CsrView& transpose, const AlsOptions& options,
         int64_t max_entry_bytes)
      : backend_(backend),
        context_(backend.NewContext()),
        options_(options),
        users_(backend, interactions, options, max_entry_bytes),
        items_(backend, transpose, options, max_entry_bytes),
        eigenvalues_(backend, options.n_factors) {
    users_.resident_regularization.Upload(backend_, *context_, users_.regularization);
    items_.resident_regularization.Upload(backend_, *context_, items_.regularization);
    std::vector<float> start(static_cast<size_t>(interactions.n_cols * options.n_factors));
    const double scale = 0.1 / std::sqrt(static_cast<double>(options.n_factors));
    for (size_t i = 0; i < start.size(); ++i) start[i] = static_cast<float>(scale * RandomNormal(options.seed, i));
    items_.factors.Upload(backend_, *context_, start);
    context_->Wait();
  }

  AlsFactors Run(const std::function<void(const AlsEpoch&)>& on_epoch) {
    for (int64_t epoch = 1; epoch <= options_.epochs; ++epoch) {
      Solve(users_, items_, "user");
      Solve(items_, users_, "item");
      const double loss = Loss(items_, users_);
      if (!std::isfinite(loss))
        throw Error(ErrorCode::kNumeric, "ALS: the loss is not finite after epoch " + std::to_string(epoch));
      if (on_epoch) on_epoch({epoch, loss});
    }
    // The item side is fixed from here on: its norms, then the users that answer to it.
    const std::vector<double> item_norms = Download(items_.squared_norm);
    Solve(users_, items_, "user");
    AlsFactors result;
    result.loss = Total(Download(users_.loss), item_norms, items_.regularization);
    result.user_factors = Download(users_.factors);
    result.item_factors = Download(items_.factors);
    result.eigenvalues = Download(eigenvalues_);
    return result;
  }

 private:
  void Solve(const Side& solved, const Side& fixed, const char* name) {
    backend_.Diagonalize(*context_, fixed.factors.matrix(), eigenvalues_.view());
    backend_.SolveAls(*context_, {solved.observed.get(), fixed.factors.matrix(), eigenvalues_.view(),
                                  options_.objective.unobserved_weight, solved.resident_regularization.view(),
                                  solved.factors.matrix(), solved.loss.view(), solved.squared_norm.view()});
    try {
      context_->Wait();
    } catch (const Error& error) {
      throw Error(error.code(), std::string(error.what()) + " (solving the " + name + " side)");
    }
  }

  // L right after `solved` was: its rows' minima hold all of it but the fixed side's regularization.
  double Loss(const Side& solved, const Side& fixed) {
    return Total(Download(solved.loss), Download(fixed.squared_norm), fixed.regularization);
  }

  static double Total(const std::vector<double>& minima, const std::vector<double>& squared_norms,
                      const std::vector<float>& regularization) {
    double total = 0;
    for (double minimum : minima) total += minimum;
    for (size_t r = 0; r < squared_norms.size(); ++r) total += regularization[r] * squared_norms[r];
    return total;
  }

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
};

}  // namespace

AlsFactors FitAls(Backend& backend, const CsrView& interactions, const AlsOptions& options,
                  const std::function<void(const AlsEpoch&)>& on_epoch) {
  CheckOptions(options);
  const AlsPlan plan =
      backend.PlanAls({interactions.n_rows, interactions.n_cols, interactions.nnz(), options.n_factors});
  const Csr transpose = Transpose(interactions);
  return AlsFit(backend, interactions, transpose.view(), options, plan.max_entry_bytes).Run(on_epoch);
}

std::vector<float> ItemPopularity(const CsrView& interactions) {
  std::vector<float> popularity(static_cast<size_t>(interactions.n_cols), 0);
  for (int32_t item : interactions.indices) popularity[static_cast<size_t>(item)] += 1;
  return popularity;
}

}  // namespace kindred
