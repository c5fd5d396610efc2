// Queries of a model without a blend: of its own users, and of histories that it has not seen.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/models/model.h"
#include "kernels/backend.h"

namespace kindred {

/// For whom to rank, one query after the other.
class Queries {
 public:
  /// Adds a query of these factors, with the history that a model's item-item part reads: increasing rows of it.
  void Add(std::span<const float> factors, std::span<const int32_t> items = {}, std::span<const float> weights = {});
  /// Adds a query of others.
  void Add(const Queries& from, int64_t query);

  int64_t size() const { return std::ssize(history_indptr_) - 1; }
  std::span<const float> Factors(int64_t query) const;
  HostMatrix<const float> factors() const;
  /// The histories, as rows over so many columns.
  CsrView histories(int64_t n_columns) const;

 private:
  std::vector<float> factors_;  // alike many a query
  std::vector<int64_t> history_indptr_ = {0};
  std::vector<int32_t> history_items_;
  std::vector<float> history_weights_;
};

class Folding {
 public:
  /// What folding takes becomes resident. Without factors a model has no queries.
  Folding(Backend& backend, const ModelView& model, const std::shared_ptr<const void>& keep);

  /// The query of a user of the model; see Ranker::AddUser.
  void AddUser(int64_t user, Queries* queries) const;
  /// Queries of histories, one a row; see Ranker::FoldIn.
  Queries FoldIn(Context& context, const CsrView& histories) const;

 private:
  Queries FoldRatings(Context& context, const CsrView& histories) const;
  std::vector<float> Solve(Context& context, const CsrView& histories) const;

  Backend& backend_;
  ModelView model_;
  Resident<float> factors_;  // of the items, or of the histories of a linear model; empty where those are zeros
  Resident<float> eigenvalues_;
};

/// What a model of ratings scores by: a query is [x, 1, mean + b_u], an item [y, b_i, 1].
std::vector<float> RatingItems(const ModelView& model);

}  // namespace kindred
