#include "kernels/require.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

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
  for (int64_t r = 0; r < rows.n_rows; ++r) {
    int64_t last = -1;
    for (int32_t index : rows.row(r)) {
      Require(index >= 0 && index < rows.n_cols, "sparse rows: a column out of range");
      Require(index > last, "sparse rows: the columns of a row do not increase");
      last = index;
    }
  }
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
  Require(step.solver.n_steps >= 1 && step.solver.n_steps <= AlsSolver::kMaxSteps,
          "ALS: the solver does not take 1 to 1000 steps");
  const int64_t block_size = step.solver.block_size;
  Require(block_size >= 8 && block_size <= AlsSolver::kMaxBlockSize && block_size % 8 == 0,
          "ALS: the solver's blocks are not of a multiple of 8 factors up to 64");
}

void RequireGramShapes(MatrixView<const float> a, MatrixView<const float> gramian) {
  Require(gramian.n_rows == a.n_cols && gramian.n_cols == a.n_cols, "Gram: the gramian is not n_cols x n_cols");
}

void RequireDiagonalizeShapes(MatrixView<const float> a, View<const float> eigenvalues,
                              MatrixView<const float> companion) {
  Require(eigenvalues.size == a.n_cols, "Diagonalize: not one eigenvalue a column");
  Require(companion.n_rows == 0 || companion.n_cols == a.n_cols, "Diagonalize: the companion has other columns");
}

void RequireSparseProductShapes(const SparseRows& a, MatrixView<const float> b, MatrixView<float> product) {
  Require(a.n_cols() == b.n_rows && a.n_rows() == product.n_rows && b.n_cols == product.n_cols,
          "sparse product: the matrices do not fit");
}

void RequireSparseTopKShapes(const SparseTopK& request) {
  Require(request.left->n_cols() == request.right->n_rows(), "sparse top-k: the factors do not fit each other");
  Require(request.right->n_cols() <= INT32_MAX, "sparse top-k: more than 2^31 - 1 columns");
  Require(request.column_scale.empty() || request.column_scale.size == request.right->n_cols(),
          "sparse top-k: not one scale a column");
  Require(request.items.n_rows == request.left->n_rows() && request.values.n_rows == request.items.n_rows &&
              request.values.n_cols == request.items.n_cols,
          "sparse top-k: the outputs do not fit the rows");
}

void RequireInverseShape(MatrixView<const float> a) {
  Require(a.n_rows == a.n_cols, "inverse: the matrix is not square");
  Require(a.n_rows <= kMaxInverseRows, "inverse: the matrix has more than 46,340 rows");
}

float LeastPivot(int64_t n_rows) {
  return std::max(0x1p-20f, std::sqrt(static_cast<float>(n_rows)) * 0x1p-22f);
}

Error LostPivot(int64_t row) {
  return Error(ErrorCode::kNumeric,
               "inverse: the matrix is not positive definite in float32: the pivot of row " + std::to_string(row) +
                   " is lost to rounding",
               row);
}

void RequirePanelProductShapes(const Panels& a, MatrixView<const float> s, MatrixView<float> product) {
  Require(a.n_panels > 0 && a.stacked.n_rows % a.n_panels == 0, "panel product: the panels do not have equal rows");
  Require(a.n_cols() == s.n_rows && a.n_rows() == product.n_rows && s.n_cols == product.n_cols,
          "panel product: the matrices do not fit");
  Require(a.stacked.n_cols % kPanelColumns == 0 && s.n_cols % kPanelColumns == 0,
          "panel product: a width is no multiple of 16");
}

void RequireOrthonormalizeShapes(const Panels& basis, MatrixView<float> block, MatrixView<double> coefficients) {
  const int64_t width = block.n_cols;
  Require(width > 0 && width % kPanelColumns == 0 && width <= kMaxBlockColumns,
          "orthonormalize: the block's width is not 16, 32, 48 or 64");
  Require(
      basis.n_panels == 0 || (basis.stacked.n_cols == width && basis.stacked.n_rows == basis.n_panels * block.n_rows),
      "orthonormalize: the basis is not of panels like the block");
  Require(coefficients.n_rows == basis.n_panels * width + width && coefficients.n_cols == width,
          "orthonormalize: the coefficients do not fit basis and block");
}

void RequireItemCount(int64_t n_items) {
  Require(n_items <= INT32_MAX, "item index: more than 2^31 - 1 items");
}

void RequireItemIndexShapes(MatrixView<const float> item_factors, const ItemItemView& item_item) {
  RequireItemCount(item_factors.n_rows);
  Require(item_factors.n_cols > 0, "item index: no factors");
  Require(item_factors.n_cols <= kMaxIndexFactors, "item index: more than 65,536 factors");
  Require(item_item.items.size == item_item.values.size && (!item_item.empty() || item_item.items.empty()),
          "item index: not one item and value an entry of the item-item matrix");
}

void RequireTopNShapes(const ItemIndex& index, const TopNRequest& request) {
  const int64_t n_queries = request.queries.n_rows;
  Require(request.queries.n_cols == index.n_factors(), "top-N: the queries do not have the items' n_factors");
  Require(request.items.n_rows == n_queries && request.scores.n_rows == n_queries &&
              request.items.n_cols == request.scores.n_cols,
          "top-N: the outputs do not fit the queries");
  Require(request.excluded_indptr.empty() || request.excluded_indptr.size == n_queries + 1,
          "top-N: the exclusions do not fit the queries");
  Require(request.history_indptr.empty() || index.has_item_item(),
          "top-N: histories for an index without an item-item matrix");
  Require(request.history_indptr.empty() || request.history_indptr.size == n_queries + 1,
          "top-N: the histories do not fit the queries");
  Require(request.history_items.size == request.history_weights.size &&
              (!request.history_indptr.empty() || request.history_items.empty()),
          "top-N: not one item and weight an entry of the histories");
  Require(request.eligible == nullptr || &request.eligible->index() == &index,
          "top-N: the filter was made for another index");
  Require(request.costs.empty() || request.costs.size == n_queries, "top-N: not one cost a query");
}

int64_t CountEligible(const ItemIndex& index, std::span<const uint64_t> eligible) {
  const int64_t n_items = index.n_items();
  Require(std::ssize(eligible) == (n_items + 63) / 64, "item filter: not one bit an item");
  int64_t count = 0;
  for (uint64_t word : eligible) count += std::popcount(word);
  if (n_items % 64 != 0) count -= std::popcount(eligible.back() >> n_items % 64);
  return count;
}

void RequireClusterPoints(MatrixView<const float> points) {
  Require(points.n_rows <= INT32_MAX, "clusters: more than 2^31 - 1 points");
  Require(points.n_cols > 0 && points.n_cols <= ClusterPoints::kMaxFeatures,
          "clusters: not 1 to 65,536 features a point");
}

int64_t RequireClusterRuns(std::span<const int32_t> n_clusters) {
  int64_t n_centroids = 0;
  for (int32_t k : n_clusters) {
    Require(k > 0 && k <= ClusterRuns::kMaxClusters, "clusters: a run of not 1 to 1,048,576 clusters");
    n_centroids += k;
  }
  return n_centroids;
}

void RequireClusterSeeding(const ClusterSeeding& seeding) {
  Require(seeding.n_trials >= 1 && seeding.n_trials <= 16, "cluster seeds: not 1 to 16 trials");
  Require(
      seeding.draws.n_rows == seeding.chosen.n_rows && seeding.draws.n_cols == seeding.chosen.n_cols * seeding.n_trials,
      "cluster seeds: not one draw a trial");
}

void RequireClusterStep(const ClusterStep& step) {
  const ClusterRuns& runs = *step.runs;
  Require(step.centroids.n_rows == runs.n_centroids() && step.centroids.n_cols == runs.points().n_features(),
          "cluster step: the centroids do not fit the runs");
  Require(step.n_changed.size == runs.n_runs() && step.shift.size == runs.n_runs(),
          "cluster step: not one figure a run");
  int32_t last = -1;
  for (int32_t run : step.active) {
    Require(run > last && run < runs.n_runs(), "cluster step: the active runs do not increase, or are not there");
    last = run;
  }
}

void RequireClusterAssignment(const ClusterAssignment& assignment) {
  const int64_t n = assignment.points->n_points();
  const auto fits = [n](int64_t size) { return size == 0 || size == n; };
  Require(assignment.centroids.n_rows > 0 && assignment.centroids.n_rows <= ClusterRuns::kMaxClusters &&
              assignment.centroids.n_cols == assignment.points->n_features(),
          "cluster assignment: the centroids do not fit the points");
  Require(fits(assignment.labels.size) && fits(assignment.distances.size) && fits(assignment.other_distances.size) &&
              assignment.inertia.size <= 1,
          "cluster assignment: an output does not fit the points");
}

void RequireClusterSilhouette(const ClusterSilhouette& silhouette) {
  const int64_t n = silhouette.points->n_points();
  Require(silhouette.labels.size == n && silhouette.silhouettes.size == n, "silhouette: not one label a point");
  Require(silhouette.n_clusters > 0 && silhouette.n_clusters <= ClusterRuns::kMaxClusters,
          "silhouette: not 1 to 1,048,576 clusters");
}

Error NotFinitePoint(int64_t row) {
  return Error(ErrorCode::kNumeric, "clusters: point " + std::to_string(row) + " has a coordinate that is not finite",
               row);
}

int ClusterScale(double largest, int64_t n_points) {
  if (largest == 0) return 0;
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent
  return std::min(51, 62 - static_cast<int>(std::bit_width(static_cast<uint64_t>(n_points)))) - exponent;
}

}  // namespace kindred
