// Ranked lists from a model on a backend: the one place evaluation and serving both ask.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/models/model.h"
#include "kernels/backend.h"

namespace kindred {

/// n items a query, best first, by the defined score; unfilled places have item -1.
struct RankedLists {
  int64_t n = 0;  // places a query
  std::vector<int32_t> items;
  std::vector<float> scores;

  /// The filled places of one query.
  std::span<const int32_t> Items(int64_t query) const;
  std::span<const float> Scores(int64_t query) const;
};

/// Item lists a query must not return: increasing within a query; empty indptr means none at all.
struct Exclusions {
  std::vector<int64_t> indptr;
  std::vector<int32_t> items;

  /// Adds the next query's list, sorting it and dropping repeats.
  void Add(std::span<const int32_t> list);
};

class Ranker {
 public:
  /// Makes the model resident. `keep` holds the memory behind the view.
  Ranker(Backend& backend, const ModelView& model, std::shared_ptr<const void> keep);
  ~Ranker();

  const ModelView& model() const { return model_; }
  Backend& backend() const { return backend_; }

  /// What a query is made of: a user's factors x, with score x.y_i; or for a model of ratings [x, 1, mean + b_u], with
  /// score x.y_i + b_i + mean + b_u, the rating that is expected.
  int64_t query_length() const;
  /// Adds the query of a user of the model. Needs factors.
  void AppendQuery(int64_t user, std::vector<float>* queries) const;

  /// By the score above, one query a row. Needs factors.
  RankedLists ByFactors(Context& context, HostMatrix<const float> queries, const Exclusions& excluded, int64_t n) const;
  /// By popularity, the same score for every query.
  RankedLists ByPopularity(Context& context, int64_t n_queries, const Exclusions& excluded, int64_t n) const;
  /// By cosine of item factors with the query items, which are themselves left out; for a model without
  /// factors, by popularity.
  RankedLists Similar(Context& context, std::span<const int32_t> items, int64_t n) const;

  /// Queries of histories the model has not seen, one row each, by the solve that training ends with (als) or the
  /// product with the item factors (svd), so a stored history gives the stored user. Needs factors.
  std::vector<float> FoldIn(Context& context, const CsrView& histories) const;

 private:
  struct Resident;

  Backend& backend_;
  ModelView model_;
  std::unique_ptr<Resident> resident_;
};

}  // namespace kindred
