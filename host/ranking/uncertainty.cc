#include "host/ranking/uncertainty.h"

#include "host/ranking/row_system.h"
#include "kernels/error.h"

namespace kindred {

bool HasVariances(const ModelView& model) {
  return model.has_factors() && model.algorithm == kAls && !model.has_ratings();
}

std::vector<double> ScoreVariances(const ModelView& model, double noise_variance, const CsrView& histories,
                                   const CsrView& items, ThreadPool* pool) {
  if (!HasVariances(model))
    throw Error(ErrorCode::kInvalidArgument, "variances of scores: the model is none of implicit ALS");
  std::vector<double> variances(static_cast<size_t>(items.nnz()));
  const auto row = [&](int64_t r, int) {
    const RowSystem system(model, histories.row(r), histories.row_values(r));
    for (int64_t e = items.indptr[r]; e < items.indptr[r + 1]; ++e)
      variances[e] = noise_variance * system.Square(model.item_factors.row(items.indices[e]));
  };
  if (pool != nullptr)
    pool->Run(histories.n_rows, pool->n_threads(), row);
  else
    for (int64_t r = 0; r < histories.n_rows; ++r) row(r, 0);
  return variances;
}

}  // namespace kindred
