// Models whose queries are linear in the history (host/models/model.h): their memory, and folding users in.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/data/interactions.h"
#include "host/models/model.h"
#include "kernels/backend.h"

namespace kindred {

/// A fitted linear model with the memory behind its view. Parts that are absent are empty.
struct LinearModel {
  int64_t n_factors = 0;
  std::vector<float> user_factors;     // [n_users x n_factors]
  std::vector<float> item_factors;     // [n_items x n_factors]
  std::vector<float> history_factors;  // [n_items x n_factors]
  std::vector<float> base_query;       // [n_factors]
  Csr item_item;                       // n_items x n_items

  /// Sets the parts of `view`. Needs factors.
  void SetIn(ModelView* view) const;
};

/// base_query + histories times history_factors: queries of histories, n_factors each. `history_factors` is resident;
/// without columns it stands for zeros, as an empty base query does. Cost: 2 nnz n_factors flops.
std::vector<float> FoldInLinearly(Backend& backend, Context& context, const CsrView& histories,
                                  MatrixView<const float> history_factors, std::span<const float> base_query,
                                  int64_t n_factors);

/// Sets the user factors to the queries of these histories.
void FoldInUsers(Backend& backend, const CsrView& histories, LinearModel* model);

/// The model of an item-item matrix alone. Its one factor makes items that no item of a history speaks for follow by
/// popularity: it adds kPopularityPrior times the largest entry's magnitude times the share of the most popular item.
inline constexpr float kPopularityPrior = 1e-6f;
LinearModel MakeItemItemModel(Csr item_item, std::span<const float> popularity, int64_t n_users);

}  // namespace kindred
