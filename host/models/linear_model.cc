#include "host/models/linear_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "host/models/sparse_product.h"

namespace kindred {

void LinearModel::SetIn(ModelView* view) const {
  const int64_t n_users = std::ssize(user_factors) / n_factors, n_items = std::ssize(item_factors) / n_factors;
  view->user_factors = {user_factors.data(), n_users, n_factors};
  view->item_factors = {item_factors.data(), n_items, n_factors};
  if (!history_factors.empty()) view->history_factors = {history_factors.data(), n_items, n_factors};
  view->base_query = base_query;
  if (item_item.n_rows > 0) view->item_item = item_item.view();
}

std::vector<float> FoldInLinearly(Backend& backend, Context& context, const CsrView& histories,
                                  MatrixView<const float> history_factors, std::span<const float> base_query,
                                  int64_t n_factors) {
  std::vector<float> queries =
      history_factors.n_cols > 0
          ? MultiplySparseRows(backend, context, *backend.NewSparseRows(histories, {}, nullptr), history_factors)
          : std::vector<float>(static_cast<size_t>(histories.n_rows * n_factors));
  for (size_t e = 0; !base_query.empty() && e < queries.size(); ++e)
    queries[e] += base_query[e % static_cast<size_t>(n_factors)];
  return queries;
}

void FoldInUsers(Backend& backend, const CsrView& histories, LinearModel* model) {
  const auto context = backend.NewContext();
  Resident<float> factors;
  MatrixView<const float> matrix;
  if (!model->history_factors.empty()) {
    factors =
        Resident<float>::Import(backend, {model->history_factors.data(), histories.n_cols, model->n_factors}, nullptr);
    matrix = factors.matrix();
  }
  model->user_factors = FoldInLinearly(backend, *context, histories, matrix, model->base_query, model->n_factors);
}

LinearModel MakeItemItemModel(Csr item_item, std::span<const float> popularity, int64_t n_users) {
  LinearModel model;
  model.n_factors = 1;
  float largest = 0, most_popular = 0;
  for (const float value : item_item.values) largest = std::max(largest, std::abs(value));
  for (const float count : popularity) most_popular = std::max(most_popular, count);
  for (const float count : popularity) model.item_factors.push_back(most_popular > 0 ? count / most_popular : 0.0f);
  model.base_query = {kPopularityPrior * largest};
  model.user_factors.assign(static_cast<size_t>(n_users), model.base_query[0]);
  model.item_item = std::move(item_item);
  return model;
}

}  // namespace kindred
