// Checks of arguments at the seam, the same on every backend.
#pragma once

#include "kernels/backend.h"

namespace kindred {

/// Throws kInvalidArgument with `message` unless `holds`.
void Require(bool holds, const char* message);

/// What NewSparseRows promises: offsets that start at 0 and do not fall, indices in range, finite weights >= 0.
void RequireSparseRows(const CsrView& weights, std::span<const float> targets);
/// That the shapes of a step or a request fit each other.
void RequireAlsShapes(const AlsHalfStep& step);
void RequireSparseProductShapes(const SparseRows& a, MatrixView<const float> b, MatrixView<float> product);
void RequireSparseTopKShapes(const SparseTopK& request);
/// That the columns of every row increase strictly.
void RequireIncreasingColumns(const CsrView& rows);
void RequireInverseShape(MatrixView<const float> a);
void RequirePanelProductShapes(const Panels& a, MatrixView<const float> s, MatrixView<float> product);
void RequireOrthonormalizeShapes(const Panels& basis, MatrixView<float> block, MatrixView<double> coefficients);
void RequireDiagonalizeShapes(MatrixView<const float> a, View<const float> eigenvalues,
                              MatrixView<const float> companion);
void RequireItemIndexShapes(MatrixView<const float> item_factors, const ItemItemView& item_item);
void RequireTopNShapes(const ItemIndex& index, const TopNRequest& request);
/// How many of the index's items are. Throws kInvalidArgument where there is not one bit an item.
int64_t CountEligible(const ItemIndex& index, std::span<const uint64_t> eligible);

}  // namespace kindred
