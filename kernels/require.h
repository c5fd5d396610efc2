// Checks of arguments and pivots at the seam, the same on every backend.
#pragma once

#include "kernels/backend.h"

namespace kindred {

/// Throws kInvalidArgument with `message` unless `holds`.
void Require(bool holds, const char* message);

/// What NewSparseRows promises: offsets that start at 0 and do not fall, indices in range that increase strictly within
/// a row, finite weights >= 0. One pass.
void RequireSparseRows(const CsrView& weights, std::span<const float> targets);
/// That the shapes of a step or a request fit each other.
void RequireAlsShapes(const AlsHalfStep& step);
void RequireSparseProductShapes(const SparseRows& a, MatrixView<const float> b, MatrixView<float> product);
void RequireSparseTopKShapes(const SparseTopK& request);
void RequireInverseShape(MatrixView<const float> a);
void RequirePanelProductShapes(const Panels& a, MatrixView<const float> s, MatrixView<float> product);
void RequireOrthonormalizeShapes(const Panels& basis, MatrixView<float> block, MatrixView<double> coefficients);
void RequireGramShapes(MatrixView<const float> a, MatrixView<const float> gramian);
void RequireDiagonalizeShapes(MatrixView<const float> a, View<const float> eigenvalues,
                              MatrixView<const float> companion);
/// That int32 indices can name so many items.
void RequireItemCount(int64_t n_items);
void RequireItemIndexShapes(MatrixView<const float> item_factors, const ItemItemView& item_item);
void RequireTopNShapes(const ItemIndex& index, const TopNRequest& request);
/// How many of the index's items are. Throws kInvalidArgument where there is not one bit an item.
int64_t CountEligible(const ItemIndex& index, std::span<const uint64_t> eligible);

void RequireClusterPoints(MatrixView<const float> points);
/// The rows of all runs' centroids together.
int64_t RequireClusterRuns(std::span<const int32_t> n_clusters);
void RequireClusterSeeding(const ClusterSeeding& seeding);
void RequireClusterStep(const ClusterStep& step);
void RequireClusterAssignment(const ClusterAssignment& assignment);
void RequireClusterSilhouette(const ClusterSilhouette& silhouette);
/// What Wait throws where a coordinate of this point is not finite.
Error NotFinitePoint(int64_t row);
/// The largest power of two by which a finite value remains below 2^b of kernels/clusters.h; 0 for 0.
int ClusterScale(double largest, int64_t n_points);

/// max(2^-20, sqrt(n) 2^-22): the part of its diagonal entry that a pivot of InvertPositiveDefinite is above, or it is
/// lost. A pivot is what is left of the entry after up to n subtractions, each rounded to 2^-24 of what it leaves.
float LeastPivot(int64_t n_rows);
/// What Wait throws where the pivot of this row is lost.
Error LostPivot(int64_t row);

}  // namespace kindred
