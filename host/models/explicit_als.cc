#include "host/models/explicit_als.h"

#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "host/data/interactions.h"
#include "host/models/als_side.h"
#include "host/models/dot.h"

namespace kindred {
namespace {

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

struct RatingSide : AlsSide {
  RatingSide(Backend& backend, Context& context, const CsrView& rows, const AlsOptions& options, bool users)
      : AlsSide(backend, context, rows, options, users), ratings(rows), targets(static_cast<size_t>(rows.nnz())) {}

  CsrView ratings;  // a row of this side each
  std::vector<float> targets;
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
        users_(std::make_unique<RatingSide>(backend, *context_, ratings, options, true)),
        items_(std::make_unique<RatingSide>(backend, *context_, transpose, options, false)),
        eigenvalues_(backend, options.n_factors) {}

  void Begin(AlsState start) {
    n_half_steps_ = start.n_half_steps;
    AlsFactors& factors = start.factors;
    const bool with_factors = !factors.item_factors.empty();
    if (with_factors)
      users_->factors.Upload(backend_, *context_, factors.user_factors);
    else
      factors.item_factors = RandomFactors(options_, items_->ratings.n_rows);
    items_->factors.Upload(backend_, *context_, factors.item_factors);
    context_->Wait();
    (n_half_steps_ % 2 == 1 ? users_ : items_)->penalty = start.penalty;
    if (n_half_steps_ > 0)
      biases_ = std::move(start.biases);
    else
      biases_ = FitRatingBiases(users_->ratings, options_.objective.bias_regularization, pool_);
    n_half_steps_ == 0 && with_factors ? FitBiasesAgain() : Retarget();
  }

  ExplicitFactors Run(const std::function<void(const AlsEpoch&)>& on_epoch, const AlsHook& on_half_step) {
    while (n_half_steps_ < 2 * options_.epochs) {
      const bool of_users = n_half_steps_ % 2 == 0;
      Solve(of_users ? *users_ : *items_, of_users ? *items_ : *users_);
      ++n_half_steps_;
      if (!of_users) {
        const int64_t epoch = n_half_steps_ / 2;
        if (on_epoch) on_epoch({epoch, loss_});
        if (epoch > 1 && std::has_single_bit(static_cast<uint64_t>(epoch))) FitBiasesAgain();
      }
      if (on_half_step) on_half_step(n_half_steps_, [this] { return State(); });
    }
    ExplicitFactors result = Finish();
    if (on_half_step)
      on_half_step(n_half_steps_ + 1, [&] { return AlsState{n_half_steps_ + 1, 0, result.factors, result.biases}; });
    return result;
  }

 private:
  void Solve(RatingSide& solved, const RatingSide& fixed) {
    loss_ = SolveSide(backend_, *context_, solved, fixed, eigenvalues_.view(), 0, {}, n_half_steps_ / 2 + 1) +
            BiasRegularization(biases_.users) + BiasRegularization(biases_.items);
  }

  AlsState State() const {
    return {n_half_steps_,
            (n_half_steps_ % 2 == 1 ? users_ : items_)->penalty,
            {Downloaded(backend_, *context_, users_->factors), Downloaded(backend_, *context_, items_->factors),
             Downloaded(backend_, *context_, eigenvalues_), loss_},
            biases_};
  }

  /// Fills a side's targets with value(entry's rating, row, column). Throws AlsRowError for what no float holds.
  template <class Value>
  void FillTargets(RatingSide& side, const Value& value) {
    side.observed.reset();  // it may read the targets in place
    const std::span<const int64_t> indptr = side.ratings.indptr;
    ForEachRow(pool_, side.ratings.n_rows, [&](int64_t row) {
      for (int64_t e = indptr[row]; e < indptr[row + 1]; ++e) {
        const double target = value(side.ratings.values[e], row, side.ratings.indices[e]);
        const bool held = std::abs(target) <= std::numeric_limits<float>::max();
        side.targets[e] = held ? static_cast<float>(target) : std::numeric_limits<float>::quiet_NaN();
      }
    });
    for (int64_t row = 0; row < side.ratings.n_rows; ++row)
      for (int64_t e = indptr[row]; e < indptr[row + 1]; ++e)
        if (std::isnan(side.targets[e])) throw NotFinite(row, side.of_users, n_half_steps_ / 2 + 1);
  }

  /// Targets: what the biases leave of the ratings.
  void Retarget() {
    const auto left = [this](double rating, int64_t user, int64_t item) {
      return rating - biases_.mean - biases_.users[user] - biases_.items[item];
    };
    FillTargets(*users_, left);
    FillTargets(*items_, [&](double rating, int64_t item, int64_t user) { return left(rating, user, item); });
    for (RatingSide* side : {users_.get(), items_.get()})
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
      ThrowOfSide(error, true);
    }
    result.factors.loss = SumFinite(users) + (items_->penalty + BiasRegularization(biases_.items));
    result.factors.user_factors = std::move(users.factors);
    biases_.users = std::move(users.biases);
    result.biases = std::move(biases_);
    return result;
  }

  double SumFinite(const RatingUsers& users) const {
    const HostMatrix<const float> factors = {users.factors.data(), std::ssize(users.losses), options_.n_factors};
    double sum = 0;
    for (int64_t row = 0; row < factors.n_rows; ++row) {
      if (!std::isfinite(users.losses[row] + users.biases[row] + Dot(factors.row(row), factors.row(row))))
        throw NotFinite(row, true, options_.epochs + 1);
      sum += users.losses[row];
    }
    return sum;
  }

  double BiasRegularization(std::span<const float> biases) const {
    return options_.objective.bias_regularization * Dot(biases, biases);
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  AlsOptions options_;
  ThreadPool* pool_;
  int64_t max_entry_bytes_;
  std::vector<float> ones_;  // the weights
  RatingBiases biases_;
  std::unique_ptr<RatingSide> users_, items_;
  Resident<float> eigenvalues_;
  int64_t n_half_steps_ = 0;
  double loss_ = 0;
};

}  // namespace

ExplicitFactors FitExplicitAls(Backend& backend, const CsrView& ratings, const AlsOptions& options, ThreadPool* pool,
                               const std::function<void(const AlsEpoch&)>& on_epoch, AlsState start,
                               const AlsHook& on_half_step) {
  CheckAlsOptions(options);
  CheckRatings(ratings, options.objective);
  CheckAlsStart(start, ratings, options, true);
  if (start.n_half_steps == 2 * options.epochs + 1) return {std::move(start.factors), std::move(start.biases)};
  const AlsPlan plan = backend.PlanAls({ratings.n_rows, ratings.n_cols, ratings.nnz(), options.n_factors, true});
  const Csr transpose = Transpose(ratings);
  ExplicitFit fit(backend, ratings, transpose.view(), options, pool, plan.max_entry_bytes);
  fit.Begin(std::move(start));
  return fit.Run(on_epoch, on_half_step);
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
