// Small dense algebra on vectors, shared by the files of one instruction set (simd.h). Matrices are row-major; widths
// and strides are multiples of kLanes.
#pragma once

#include "kernels/cpu/simd.h"
#include "kernels/cpu/simd_vector.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {

/// Below it, times sqrt(n), of its diagonal entry a pivot is lost: 512 times 2^-24, rounding grown by the conditioning
/// of what came before.
inline constexpr float kRounding = 0x1p-15f;

/// gram[r][c] = m[r] . m[c] for r <= c, and for some c below; n_rows a multiple of 4, zero rows filling up.
void RowGram(const float* m, int64_t n_rows, int64_t width, float* gram, int64_t stride);

/// c += at a on and right of the diagonal's blocks of kLanes: kUpdateRows rows of c from row i on, or all.
inline constexpr int64_t kUpdateRows = kManyRegisters ? 8 : 4;
void RankUpdateRows(const float* a, int64_t n_rows, int64_t width, int64_t i, float* c);
void RankUpdate(const float* a, int64_t n_rows, int64_t width, float* c);

/// Rows [begin, begin + kLanes) of u, from column begin to `width`, less what the rows above take off in Ut U.
void SubtractRowsAbove(float* u, int64_t begin, int64_t width, int64_t stride);

/// Solves K x = g by K = Ut U in place, from the upper triangle of K. u has RoundUp(n, kLanes) rows and columns, of
/// which the last are filled up here. `right`: g, then Ut^-1 g; both it and x have RoundUp(n, kLanes) floats.
/// False at a pivot that is not above `floor` times its own diagonal entry: lost to rounding.
bool SolvePositive(float* u, int64_t n, int64_t stride, float floor, float* right, float* x);

/// Floats of a triangle of n rows, each with the right-hand side as its last column, of kLanes systems.
inline constexpr int64_t LaneTriangle(int n) {
  return static_cast<int64_t>(n + 1) * (n + 2) / 2 * kLanes;
}

/// Row i of such a triangle, so that column j >= i is at [j * kLanes] and the right-hand side at [n * kLanes].
inline float* LaneRow(float* triangle, int n, int i) {
  return triangle + (static_cast<int64_t>(i) * (n + 1) - static_cast<int64_t>(i) * (i + 1) / 2) * kLanes;
}

/// Solves (I + K) y = g for kLanes systems of n rows, a multiple of 4. `systems` has the kLanes matrices K one after
/// another, n rows of `stride` floats, upper triangles; g is in the triangle, which is overwritten. y is [n x kLanes].
/// norms: |Ut^-1 g|^2 = g . y of each. A system that has no solution ends in NaN or infinity.
void SolveLanes(const float* const* systems, int n, int64_t stride, float* triangle, float* y, double* norms);

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
