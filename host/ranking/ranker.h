// Ranked lists from a model on a backend: the one place evaluation and serving both ask.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/models/model.h"
#include "host/ranking/catalogue.h"
#include "host/ranking/folding.h"
#include "kernels/backend.h"

namespace kindred {

class UserRanking;

class Ranker {
 public:
  /// Makes the model resident. `keep` holds the memory behind the view.
  Ranker(Backend& backend, const ModelView& model, std::shared_ptr<const void> keep);
  ~Ranker();

  const ModelView& model() const { return model_; }
  Backend& backend() const { return backend_; }

  /// Adds the query of a user of the model: the stored factors x, with score x.y_i, and where there is an item-item
  /// part the stored history; of a blend the weighted queries of its parts; for a model of ratings [x, 1, mean + b_u],
  /// with score x.y_i + b_i + mean + b_u, the rating that is expected. Needs factors.
  void AddUser(int64_t user, Queries* queries) const;

  /// By the model's score. Needs factors.
  RankedLists ByModel(Context& context, const Queries& queries, const Exclusions& excluded, int64_t n,
                      const RankOptions& options = {}) const;
  /// By popularity, the same score for every query.
  RankedLists ByPopularity(Context& context, int64_t n_queries, const Exclusions& excluded, int64_t n,
                           const RankOptions& options = {}) const;
  /// Items like each of the query items, which are themselves left out: of a model with an item-item part, and of every
  /// blend, as it scores a history of nothing else, else by cosine of item factors; for a model without factors by
  /// popularity, and for one of lists by that of all users.
  RankedLists Similar(Context& context, std::span<const int32_t> items, int64_t n,
                      const RankOptions& options = {}) const;

  /// Queries of histories the model has not seen, one row each, by the solve that training ends with (als) or the
  /// sum that makes a linear model's queries, so a stored history gives the stored user. Needs factors.
  Queries FoldIn(Context& context, const CsrView& histories) const;

  /// Its users, ranked; made when first asked for, while others who ask wait (host/ranking/user_ranking.h).
  const UserRanking& users() const;

  /// What ByModel ranks, for a model with factors: what a query's factors are multiplied with, and the item-item
  /// matrix that its history names rows of (of a blend, those of its parts).
  HostMatrix<const float> scored_items() const;
  CsrView item_item() const;

 private:
  struct Resident;

  Backend& backend_;
  ModelView model_;
  std::unique_ptr<Resident> resident_;
};

}  // namespace kindred
