#include "host/models/explicit_als.h"

#include <bit>
#include <cmath>
#include <string>

#include "host/data/interactions.h"
#include "host/data/random.h"

namespace kindred {
namespace {

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += double{a[k]} * b[k];
  return sum;
}

template <class T>
std::vector<T> Downloaded(Backend& backend, Context& context, const Resident<T>& from) {
  std::vector<T> to(static_cast<size_t>(from.n_rows() * from.n_cols()));
  from.Download(backend, context, std::span<T>(to));
  context.Wait();
  return to;
}

CsrView WithValues(const CsrView& pattern, std::span<const float> values) {
  return {pattern.n_rows, pattern.n_cols, pattern.indptr, pattern.indices, values};
}

std::vector<float> RowRegularizations(const CsrView& rows, const AlsObjective& objective) {
  std::vector<float> regularization(static_cast<size_t>(rows.n_rows));
  for (int64_t r = 0; r < rows.n_rows; ++r)
    regularization[r] = objective.RowRegularization(static_cast<int64_t>(rows.row(r).size()), rows.n_cols);
  return regularization;
}

void CheckRatings(const CsrView& ratings, const AlsObjective& objective) {
  const auto refuse = [](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, "explicit ALS: " + what);
  };
  if (objective.unobserved_weight != 0)
    refuse("unobserved_weight is " + std::to_string(objective.unobserved_weight) + "; expected 0");
  if (!(objective.bias_regularization >= 0) || !std::isfinite(objective.bias_regularization))
    refuse("bias_regularization is " + std::to_string(objective.bias_regularization) +
           "; expected a finite number >= 0");
  for (int64_t row = 0; row < ratings.n_rows; ++row)
    for (const float rating : ratings.row_values(row))
      if (!std::isfinite(rating))
        refuse("row " + std::to_string(row) + " has the rating " + std::to_string(rating) +
               "; expected a finite number");
}

// One side of the factorization with what its half-step needs.
struct Side {
  Side(Backend& backend, const CsrView& rows, const AlsOptions& options)
      : ratings(rows),
        targets(static_cast<size_t>(rows.nnz())),
        regularization(RowRegularizations(rows, options.objective)),
        factors(backend, rows.n_rows, options.n_factors),
        resident_regularization(backend, rows.n_rows),
        loss(backend, rows.n_rows),
        squared_norm(backend, rows.n_rows) {}

  CsrView ratings;  // a row of this side each
  std::vector<float> targets;
  std::unique_ptr<SparseRows> observed;
  std::vector<float> regularization;
  Resident<float> factors;
  Resident<float> resident_regularization;
  Resident<double> loss;
  Resident<double> squared_norm;
};

class ExplicitFit {
 public:
  ExplicitFit(Backend& backend, const CsrView& ratings, const CsrView& transpose, const AlsOptions& options,
              ThreadPool* pool, int64_t max_entry_bytes)
      : backend_(backend),
        context_(backend.NewContext()),
        options_(options),
        pool_(pool),
        max_entry_bytes_(max_entry_bytes),
        ones_(static_cast<size_t>(ratings.nnz()), 1.0f),
        users_(std::make_unique<Side>(backend, ratings, options)),
        items_(std::make_unique<Side>(backend, transpose, options)),
        eigenvalues_(backend, options.n_factors) {
    for (Side* side : {users_.get(), items_.get()})
      side->resident_regularization.Upload(backend_, *context_, side->regularization);
    std::vector<float> start(static_cast<size_t>(ratings.n_cols * options.n_factors));
    const double scale = 0.1 / std::sqrt(static_cast<double>(options.n_factors));
    for (size_t i = 0; i < start.size(); ++i) start[i] = static_cast<float>(scale * RandomNormal(options.seed, i));
    items_->factors.Upload(backend_, *context_, start);
    context_->Wait();
    biases_ = FitRatingBiases(ratings, options.objective.bias_regularization, pool);
    Retarget();
  }

  ExplicitFactors Run(const std::function<void(const AlsEpoch&)>& on_epoch) {
    for (int64_t epoch = 1; epoch <= options_.epochs; ++epoch) {
      Solve(*users_, *items_, "user");
      Solve(*items_, *users_, "item");
      const double loss = Sum(Downloaded(backend_, *context_, items_->loss)) + Regularization(*users_) +
                          BiasRegularization(biases_.users) + BiasRegularization(biases_.items);
      if (!std::isfinite(loss))
        throw Error(ErrorCode::kNumeric, "ALS: the loss is not finite after epoch " + std::to_string(epoch));
      if (on_epoch) on_epoch({epoch, loss});
      if (epoch > 1 && std::has_single_bit(static_cast<uint64_t>(epoch))) FitBiasesAgain();
    }
    return Finish();
  }

 private:
  void Solve(const Side& solved, const Side& fixed, const char* name) {
    backend_.Diagonalize(*context_, fixed.factors.matrix(), eigenvalues_.view());
    backend_.SolveAls(*context_, {solved.observed.get(), fixed.factors.matrix(), eigenvalues_.view(), 0,
                                  solved.resident_regularization.view(), solved.factors.matrix(), solved.loss.view(),
                                  solved.squared_norm.view()});
    WaitForSide(name);
  }

  void WaitForSide(const char* name) {
    try {
      context_->Wait();
    } catch (const Error& error) {
      throw SolvingSide(error, name);
    }
  }

  static Error SolvingSide(const Error& error, const char* name) {
    return {error.code(), std::string(error.what()) + " (solving the " + name + " side)"};
  }

  /// Fills a side's targets with value(entry's rating, row, column).
  template <class Value>
  void FillTargets(Side& side, const Value& value) {
    side.observed.reset();  // it may read the targets in place
    ForEachRow(pool_, side.ratings.n_rows, [&](int64_t row) {
      for (int64_t e = side.ratings.indptr[row]; e < side.ratings.indptr[row + 1]; ++e)
        side.targets[e] = static_cast<float>(value(side.ratings.values[e], row, side.ratings.indices[e]));
    });
  }

  /// Targets: what the biases leave of the ratings.
  void Retarget() {
    const auto left = [this](double rating, int64_t user, int64_t item) {
      return rating - biases_.mean - biases_.users[user] - biases_.items[item];
    };
    FillTargets(*users_, left);
    FillTargets(*items_, [&](double rating, int64_t item, int64_t user) { return left(rating, user, item); });
    for (Side* side : {users_.get(), items_.get()})
      side->observed =
          backend_.NewSparseRows(WithValues(side->ratings, ones_), side->targets, nullptr, max_entry_bytes_);
  }

  /// To what the factors leave.
  void FitBiasesAgain() {
    const std::vector<float> users = Downloaded(backend_, *context_, users_->factors);
    const std::vector<float> items = Downloaded(backend_, *context_, items_->factors);
    const int64_t f = options_.n_factors;
    const HostMatrix<const float> x = {users.data(), users_->ratings.n_rows, f};
    const HostMatrix<const float> y = {items.data(), items_->ratings.n_rows, f};
    const auto left = [&](double rating, int64_t user, int64_t item) {
      return rating - biases_.mean - Dot(x.row(user), y.row(item));
    };
    FillTargets(*users_, left);
    FillTargets(*items_, [&](double rating, int64_t item, int64_t user) { return left(rating, user, item); });
    FitBiases(WithValues(users_->ratings, users_->targets), WithValues(items_->ratings, items_->targets),
              options_.objective.bias_regularization, pool_, &biases_);
    Retarget();
  }

  ExplicitFactors Finish() {
    ExplicitFactors result;
    const double fixed = Regularization(*items_) + BiasRegularization(biases_.items);
    const CsrView ratings = users_->ratings;
    users_.reset();  // its memory is for the solve below
    items_->observed.reset();
    backend_.Diagonalize(*context_, items_->factors.matrix(), eigenvalues_.view());
    result.factors.item_factors = Downloaded(backend_, *context_, items_->factors);
    result.factors.eigenvalues = Downloaded(backend_, *context_, eigenvalues_);
    const HostMatrix<const float> host_items = {result.factors.item_factors.data(), ratings.n_cols, options_.n_factors};
    RatingUsers users;
    try {
      users = SolveRatingUsers(backend_, *context_,
                               {host_items, items_->factors.matrix(), eigenvalues_.view(), biases_.items, biases_.mean},
                               ratings, options_.objective, pool_, max_entry_bytes_);
    } catch (const Error& error) {
      throw SolvingSide(error, "user");
    }
    result.factors.user_factors = std::move(users.factors);
    biases_.users = std::move(users.biases);
    result.factors.loss = Sum(users.losses) + fixed;
    result.biases = std::move(biases_);
    return result;
  }

  double Regularization(const Side& side) {
    const std::vector<double> squared_norms = Downloaded(backend_, *context_, side.squared_norm);
    double total = 0;
    for (size_t r = 0; r < squared_norms.size(); ++r) total += side.regularization[r] * squared_norms[r];
    return total;
  }

  double BiasRegularization(std::span<const float> biases) const {
    return options_.objective.bias_regularization * Dot(biases, biases);
  }

  static double Sum(const std::vector<double>& terms) {
    double total = 0;
    for (const double term : terms) total += term;
    return total;
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  AlsOptions options_;
  ThreadPool* pool_;
  int64_t max_entry_bytes_;
  std::vector<float> ones_;  // the weights
  RatingBiases biases_;
  std::unique_ptr<Side> users_, items_;
  Resident<float> eigenvalues_;
};

}  // namespace

ExplicitFactors FitExplicitAls(Backend& backend, const CsrView& ratings, const AlsOptions& options, ThreadPool* pool,
                               const std::function<void(const AlsEpoch&)>& on_epoch) {
  CheckAlsOptions(options);
  CheckRatings(ratings, options.objective);
  const AlsPlan plan = backend.PlanAls({ratings.n_rows, ratings.n_cols, ratings.nnz(), options.n_factors, true});
  const Csr transpose = Transpose(ratings);
  return ExplicitFit(backend, ratings, transpose.view(), options, pool, plan.max_entry_bytes).Run(on_epoch);
}

RatingUsers SolveRatingUsers(Backend& backend, Context& context, const RatedItems& items, const CsrView& ratings,
                             const AlsObjective& objective, ThreadPool* pool, int64_t max_entry_bytes) {
  const int64_t f = items.factors.n_cols;
  const std::vector<float> ones(static_cast<size_t>(ratings.nnz()), 1.0f);
  std::vector<float> targets(ones.size());
  for (size_t e = 0; e < targets.size(); ++e)
    targets[e] = static_cast<float>(double{ratings.values[e]} - items.mean - items.biases[ratings.indices[e]]);
  const std::vector<float> regularization = RowRegularizations(ratings, objective);
  const Resident<float> resident_regularization(backend, ratings.n_rows);
  resident_regularization.Upload(backend, context, regularization);
  const Resident<float> solved(backend, ratings.n_rows, f);
  const Resident<double> loss(backend, ratings.n_rows);
  const auto solve = [&](std::span<const float> of) {
    const auto observed = backend.NewSparseRows(WithValues(ratings, ones), of, nullptr, max_entry_bytes);
    backend.SolveAls(context, {observed.get(),
                               items.resident,
                               items.eigenvalues,
                               0,
                               resident_regularization.view(),
                               solved.matrix(),
                               loss.view(),
                               {}});
    return Downloaded(backend, context, solved);
  };
  RatingUsers users;
  users.factors = solve(targets);
  users.losses = Downloaded(backend, context, loss);
  users.biases.assign(static_cast<size_t>(ratings.n_rows), 0);
  const std::vector<float> constant = solve({});

  const HostMatrix<float> p = {users.factors.data(), ratings.n_rows, f};
  const HostMatrix<const float> q = {constant.data(), ratings.n_rows, f};
  ForEachRow(pool, ratings.n_rows, [&](int64_t row) {
    double above = 0, below = objective.bias_regularization;
    for (int64_t e = ratings.indptr[row]; e < ratings.indptr[row + 1]; ++e) {
      const std::span<const float> y = items.factors.row(ratings.indices[e]);
      above += targets[e] - Dot(y, p.row(row));
      below += 1 - Dot(y, q.row(row));
    }
    const auto n_entries = static_cast<double>(ratings.row(row).size());
    if (!(below > 1e-6 * n_entries)) return;  // no bias is needed beside the factors
    const auto bias = static_cast<float>(above / below);
    users.biases[row] = bias;
    users.losses[row] -= 2 * bias * above - bias * (bias * below);
    for (int64_t k = 0; k < f; ++k) p.row(row)[k] -= bias * q.row(row)[k];
  });
  return users;
}

}  // namespace kindred
