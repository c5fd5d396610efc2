// Evaluating among some of the items: who is to tell new items apart is not helped by knowing which are popular.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "host/evaluation/metrics.h"

namespace kindred {

/// A model and a holdout as if there were no other items than these, which increase. Users answer by their stored
/// factors. The model must live as long, and have factors and no item-item part.
class ItemSubset {
 public:
  ItemSubset(const ModelView& model, const Holdout& holdout, std::span<const int32_t> items);
  ItemSubset(const ItemSubset&) = delete;  // view_ points into it
  ItemSubset& operator=(const ItemSubset&) = delete;

  const ModelView& view() const { return view_; }
  const Holdout& holdout() const { return holdout_; }
  /// What is popular among them is then what these say.
  void SetPopularity(std::vector<float> popularity);

 private:
  Csr history_;
  std::vector<float> item_factors_, popularity_;
  std::vector<int64_t> no_features_;  // makes users without a history known by their factors
  Holdout holdout_;
  ModelView view_;
};

/// The metrics of lists of cold items alone: those that no history has. The baseline lists them in an order by chance,
/// the same for all users. Nothing where the model has an item-item part, or no factors for any of them, or none is
/// held out. Throws as Evaluate does.
std::optional<Evaluation> EvaluateColdItems(Backend& backend, const ModelView& model, const Holdout& holdout, int64_t k,
                                            const EvaluationOptions& options = {});

/// {"cold_recall_at_20", "popularity_cold_recall_at_20", "cold_ndcg_at_20", ...}
nlohmann::json ColdMetricsJson(const Evaluation& evaluation);

}  // namespace kindred
