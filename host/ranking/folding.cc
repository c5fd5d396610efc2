#include "host/ranking/folding.h"

#include "host/models/explicit_als.h"
#include "host/models/linear_model.h"

namespace kindred {
namespace {

constexpr int64_t kBiasColumns = 2;  // of RatingItems

void AddRatingQuery(const ModelView& model, std::span<const float> factors, float bias, Queries* queries) {
  std::vector<float> query(factors.begin(), factors.end());
  query.insert(query.end(), {1.0f, model.rating_mean + bias});
  queries->Add(query);
}

}  // namespace

void Queries::Add(std::span<const float> factors, std::span<const int32_t> items, std::span<const float> weights) {
  factors_.insert(factors_.end(), factors.begin(), factors.end());
  history_items_.insert(history_items_.end(), items.begin(), items.end());
  history_weights_.insert(history_weights_.end(), weights.begin(), weights.end());
  history_indptr_.push_back(std::ssize(history_items_));
}

void Queries::Add(const Queries& from, int64_t query) {
  const CsrView histories = from.histories(0);
  Add(from.Factors(query), histories.row(query), histories.row_values(query));
}

std::span<const float> Queries::Factors(int64_t query) const {
  return factors().row(query);
}

HostMatrix<const float> Queries::factors() const {
  return {factors_.data(), size(), size() > 0 ? std::ssize(factors_) / size() : 0};
}

CsrView Queries::histories(int64_t n_columns) const {
  return {size(), n_columns, history_indptr_, history_items_, history_weights_};
}

Folding::Folding(Backend& backend, const ModelView& model, const std::shared_ptr<const void>& keep)
    : backend_(backend), model_(model) {
  if (model.n_factors() == 0) return;
  const HostMatrix<const float> factors = model.is_linear() ? model.history_factors : model.item_factors;
  if (factors.n_rows > 0) factors_ = Resident<float>::Import(backend, factors, keep);
  if (model.eigenvalues.empty()) return;
  eigenvalues_ = Resident<float>::Import(backend, {model.eigenvalues.data(), model.n_factors(), 1}, keep);
}

void Folding::AddUser(int64_t user, Queries* queries) const {
  const std::span<const float> factors = model_.user_factors.row(user);
  if (model_.has_ratings())
    AddRatingQuery(model_, factors, model_.user_biases[static_cast<size_t>(user)], queries);
  else if (model_.has_item_item())
    queries->Add(factors, model_.history.row(user), model_.history.row_values(user));
  else
    queries->Add(factors);
}

Queries Folding::FoldIn(Context& context, const CsrView& histories) const {
  if (model_.has_ratings()) return FoldRatings(context, histories);
  Queries queries;
  const MatrixView<const float> factors = factors_.n_rows() > 0 ? factors_.matrix() : MatrixView<float>();
  const std::vector<float> folded =
      model_.is_linear() ? FoldInLinearly(backend_, context, histories, factors, model_.base_query, model_.n_factors())
                         : Solve(context, histories);
  const HostMatrix<const float> rows = {folded.data(), histories.n_rows, model_.n_factors()};
  for (int64_t row = 0; row < histories.n_rows; ++row)
    if (model_.has_item_item())
      queries.Add(rows.row(row), histories.row(row), histories.row_values(row));
    else
      queries.Add(rows.row(row));
  return queries;
}

Queries Folding::FoldRatings(Context& context, const CsrView& histories) const {
  const RatingUsers users = SolveRatingUsers(
      backend_, context,
      {model_.item_factors, factors_.matrix(), eigenvalues_.view(), model_.item_biases, model_.rating_mean}, histories,
      model_.objective);
  const HostMatrix<const float> factors = {users.factors.data(), histories.n_rows, model_.n_factors()};
  Queries queries;
  for (int64_t row = 0; row < histories.n_rows; ++row)
    AddRatingQuery(model_, factors.row(row), users.biases[static_cast<size_t>(row)], &queries);
  return queries;
}

std::vector<float> Folding::Solve(Context& context, const CsrView& histories) const {
  std::vector<float> regularization;
  for (int64_t r = 0; r < histories.n_rows; ++r)
    regularization.push_back(
        model_.objective.RowRegularization(static_cast<int64_t>(histories.row(r).size()), model_.n_items()));
  const auto observed = backend_.NewSparseRows(histories, {}, nullptr);
  const Resident<float> resident_regularization(backend_, histories.n_rows);
  const Resident<float> solved(backend_, histories.n_rows, model_.n_factors());
  std::vector<float> factors(static_cast<size_t>(histories.n_rows * model_.n_factors()));
  resident_regularization.Upload(backend_, context, regularization);
  backend_.SolveAls(context, {observed.get(),
                              factors_.matrix(),
                              eigenvalues_.view(),
                              model_.objective.unobserved_weight,
                              resident_regularization.view(),
                              solved.matrix(),
                              {},
                              {}});
  solved.Download(backend_, context, std::span<float>(factors));
  context.Wait();
  return factors;
}

std::vector<float> RatingItems(const ModelView& model) {
  std::vector<float> rows;
  rows.reserve(static_cast<size_t>(model.n_items() * (model.n_factors() + kBiasColumns)));
  for (int64_t item = 0; item < model.n_items(); ++item) {
    const std::span<const float> factors = model.item_factors.row(item);
    rows.insert(rows.end(), factors.begin(), factors.end());
    rows.insert(rows.end(), {model.item_biases[static_cast<size_t>(item)], 1.0f});
  }
  return rows;
}

}  // namespace kindred
