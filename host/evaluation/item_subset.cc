#include "host/evaluation/item_subset.h"

#include <algorithm>
#include <string>
#include <utility>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr uint64_t kOrderSeed = 0xc01d;

/// The columns of these items, which increase, and no others.
Csr SelectColumns(const CsrView& matrix, std::span<const int32_t> place_of, int64_t n_cols) {
  Csr out;
  out.n_rows = matrix.n_rows;
  out.n_cols = n_cols;
  for (int64_t row = 0; row < matrix.n_rows; ++row) {
    for (size_t e = 0; e < matrix.row(row).size(); ++e) {
      const int32_t place = place_of[static_cast<size_t>(matrix.row(row)[e])];
      if (place < 0) continue;
      out.indices.push_back(place);
      out.values.push_back(matrix.row_values(row)[e]);
    }
    out.indptr.push_back(std::ssize(out.indices));
  }
  return out;
}

}  // namespace

ItemSubset::ItemSubset(const ModelView& model, const Holdout& holdout, std::span<const int32_t> items)
    : no_features_(static_cast<size_t>(model.n_users()) + 1, 0), view_(model) {
  const int64_t n_items = std::ssize(items);
  std::vector<int32_t> place_of(static_cast<size_t>(model.n_items()), -1);
  for (const int32_t item : items) {
    place_of[static_cast<size_t>(item)] = static_cast<int32_t>(popularity_.size());
    popularity_.push_back(model.popularity[static_cast<size_t>(item)]);
    const auto factors = model.item_factors.row(item);
    item_factors_.insert(item_factors_.end(), factors.begin(), factors.end());
  }
  history_ = SelectColumns(model.history, place_of, n_items);
  holdout_ = BeginHoldout(model.n_users(), n_items);
  holdout_.relevant = SelectColumns(holdout.relevant.view(), place_of, n_items);
  view_.items = {};
  view_.history = history_.view();
  view_.popularity = popularity_;
  view_.item_factors = {item_factors_.data(), n_items, model.n_factors()};
  view_.item_codes = {};
  view_.history_factors = {};
  view_.item_attributes = {};
  view_.item_columns = {};
  view_.user_attributes.features = {model.n_users(), 0, no_features_, {}, {}};
}

void ItemSubset::SetPopularity(std::vector<float> popularity) {
  popularity_ = std::move(popularity);
  view_.popularity = popularity_;
}

std::optional<Evaluation> EvaluateColdItems(Backend& backend, const ModelView& model, const Holdout& holdout, int64_t k,
                                            const EvaluationOptions& options) {
  if (!model.has_factors() || model.has_item_item() || model.has_ratings()) return std::nullopt;
  std::vector<int32_t> cold;
  bool has_factors = false;
  for (int64_t item = 0; item < model.n_items(); ++item) {
    if (model.popularity[static_cast<size_t>(item)] > 0) continue;
    cold.push_back(static_cast<int32_t>(item));
    has_factors = has_factors || std::ranges::any_of(model.item_factors.row(item), [](float v) { return v != 0; });
  }
  if (!has_factors) return std::nullopt;
  ItemSubset subset(model, holdout, cold);
  if (subset.holdout().relevant.indices.empty()) return std::nullopt;
  std::vector<float> order;
  for (const int32_t item : cold)
    order.push_back(static_cast<float>(RandomUniform(kOrderSeed, static_cast<uint64_t>(item))));
  subset.SetPopularity(std::move(order));
  return Evaluate(Ranker(backend, subset.view(), nullptr), subset.holdout(), k,
                  {options.pool, {}, options.before_block});
}

nlohmann::json ColdMetricsJson(const Evaluation& evaluation) {
  const std::string at_k = "_at_" + std::to_string(evaluation.k);
  return {{"cold_recall" + at_k, evaluation.model.recall},
          {"cold_ndcg" + at_k, evaluation.model.ndcg},
          {"popularity_cold_recall" + at_k, evaluation.popularity.recall},
          {"popularity_cold_ndcg" + at_k, evaluation.popularity.ndcg}};
}

}  // namespace kindred
