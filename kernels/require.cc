#include "kernels/require.h"

#include <cmath>

namespace kindred {

void Require(bool holds, const char* message) {
  if (!holds) throw Error(ErrorCode::kInvalidArgument, message);
}

void RequireSparseRows(const CsrView& rows, std::span<const float> targets) {
  const auto nnz = static_cast<size_t>(rows.nnz());
  Require(static_cast<int64_t>(rows.indptr.size()) == rows.n_rows + 1 && rows.indptr[0] == 0,
          "sparse rows: indptr must have n_rows + 1 offsets that start at 0");
  Require(rows.indices.size() == nnz && rows.values.size() == nnz && (targets.empty() || targets.size() == nnz),
          "sparse rows: not one index, weight and target an entry");
  for (int64_t r = 0; r < rows.n_rows; ++r) Require(rows.indptr[r] <= rows.indptr[r + 1], "sparse rows: indptr falls");
  for (int32_t index : rows.indices) Require(index >= 0 && index < rows.n_cols, "sparse rows: a column out of range");
  for (float w : rows.values)
    Require(w >= 0 && std::isfinite(w), "sparse rows: a weight that is negative or not finite");
  for (float b : targets) Require(std::isfinite(b), "sparse rows: a target that is not finite");
}

void RequireAlsShapes(const AlsHalfStep& step) {
  const int64_t f = step.fixed.n_cols, n_rows = step.observed->n_rows();
  Require(f > 0 && step.solved.n_cols == f && step.eigenvalues.size == f,
          "ALS: the sides do not have the same n_factors");
  Require(step.observed->n_cols() == step.fixed.n_rows && n_rows == step.solved.n_rows &&
              step.regularization.size == n_rows,
          "ALS: the observed rows do not fit the factors");
  Require(step.loss.empty() || step.loss.size == n_rows, "ALS: not one loss a row");
  Require(step.squared_norm.empty() || step.squared_norm.size == n_rows, "ALS: not one norm a row");
  Require(step.unobserved_weight >= 0, "ALS: the unobserved weight is negative");
}

void RequireTopNShapes(const ItemIndex& index, const TopNRequest& request) {
  const int64_t n_queries = request.queries.n_rows;
  Require(request.queries.n_cols == index.n_factors(), "top-N: the queries do not have the items' n_factors");
  Require(request.items.n_rows == n_queries && request.scores.n_rows == n_queries &&
              request.items.n_cols == request.scores.n_cols,
          "top-N: the outputs do not fit the queries");
  Require(request.excluded_indptr.empty() || request.excluded_indptr.size == n_queries + 1,
          "top-N: the exclusions do not fit the queries");
}

}  // namespace kindred
