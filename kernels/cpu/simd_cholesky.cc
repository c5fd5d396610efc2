// Positive definite systems, one at a time, in blocks of kLanes rows. See simd.h: compiled once for each instruction
// set.
#include "kernels/cpu/simd_dense.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

// Rows and columns [n, RoundUp(n, kLanes)) become the identity's.
void FillUp(float* u, int64_t n, int64_t stride) {
  const int64_t padded = RoundUp(n, kLanes);
  for (int64_t i = 0; i < padded; ++i)
    for (int64_t c = n; c < padded; ++c) u[i * stride + c] = i == c ? 1.0f : 0.0f;
}

// The block of the diagonal, with its part of the right-hand side: first as LDLt, where only one division a
// row lies on the critical path, then scaled. The diagonal is left inverted.
bool FactorDiagonal(float* block, int64_t stride, const float* floors, float* right) {
  float pivots[kLanes], solved[kLanes];
  Vec rows[kLanes];
  Vec rest = Load(right);
#pragma GCC unroll 16
  for (int p = 0; p < kLanes; ++p) rows[p] = Load(block + p * stride);
#pragma GCC unroll 16
  for (int p = 0; p < kLanes; ++p) {
    float* row = block + p * stride;
    Store(row, rows[p]);
    pivots[p] = row[p];
    const Vec scaled = rows[p] * Splat(1.0f / row[p]);
    float rest_lanes[kLanes];
    Store(rest_lanes, rest);
    solved[p] = rest_lanes[p];
    rest -= scaled * Splat(solved[p]);
#pragma GCC unroll 16
    for (int q = p + 1; q < kLanes; ++q) rows[q] -= scaled * Splat(row[q]);
  }
  bool positive = true;
  for (int p = 0; p < kLanes; ++p) positive &= pivots[p] > floors[p] && pivots[p] > 0;
  float inverse[kLanes];
  Store(inverse, InverseRoot(Load(pivots)));
#pragma GCC unroll 16
  for (int p = 0; p < kLanes; ++p) {
    Store(block + p * stride, rows[p] * Splat(inverse[p]));
    block[p * stride + p] = inverse[p];
  }
  Store(right, Load(solved) * Load(inverse));
  return positive;
}

// The columns right of a block of the diagonal: its transposed inverse times each.
void SolveBeside(const float* block, int64_t stride, float* beside, int64_t n_columns) {
  for (int64_t c = 0; c < n_columns; c += kLanes) {
    Vec x[kLanes];
#pragma GCC unroll 16
    for (int p = 0; p < kLanes; ++p) x[p] = Load(beside + p * stride + c);
#pragma GCC unroll 16
    for (int p = 0; p < kLanes; ++p) {
      const float* row = block + p * stride;
      x[p] *= Splat(row[p]);
      Store(beside + p * stride + c, x[p]);
#pragma GCC unroll 16
      for (int q = p + 1; q < kLanes; ++q) x[q] -= x[p] * Splat(row[q]);
    }
  }
}

// right[begin..] less the rows above times what they have been solved to.
void SubtractSolved(const float* u, int64_t begin, int64_t stride, float* right) {
  Vec sums[4] = {};
  for (int64_t k = 0; k < begin; k += 4)
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums[j] += Splat(right[k + j]) * Load(u + (k + j) * stride + begin);
  Store(right + begin, Load(right + begin) - ((sums[0] + sums[1]) + (sums[2] + sums[3])));
}

// x = U^-1 z, block by block from the end.
void BackSubstitute(const float* u, int64_t padded, int64_t stride, const float* z, float* x) {
  for (int64_t begin = padded - kLanes; begin >= 0; begin -= kLanes) {
    const float* rows = u + begin * stride;
    Vec sums[kLanes] = {};
    for (int64_t c = begin + kLanes; c < padded; c += kLanes) {
      const Vec known = Load(x + c);
#pragma GCC unroll 16
      for (int p = 0; p < kLanes; ++p) sums[p] += Load(rows + p * stride + c) * known;
    }
    Vec rest = Load(z + begin) - SumLanes(sums);
    Vec columns[kLanes];
#pragma GCC unroll 16
    for (int p = 0; p < kLanes; ++p) columns[p] = Load(rows + p * stride + begin);
    Transpose(columns);
#pragma GCC unroll 16
    for (int p = kLanes - 1; p >= 0; --p) {
      float lanes[kLanes];
      Store(lanes, rest);
      x[begin + p] = lanes[p] * rows[p * stride + begin + p];
      rest -= columns[p] * Splat(x[begin + p]);
    }
  }
}

}  // namespace

bool SolvePositive(float* u, int64_t n, int64_t stride, float floor, float* right, float* x) {
  const int64_t padded = RoundUp(n, kLanes);
  FillUp(u, n, stride);
  for (int64_t i = n; i < padded; ++i) right[i] = 0;
  for (int64_t begin = 0; begin < padded; begin += kLanes) {
    float* block = u + begin * stride + begin;
    float floors[kLanes];
    for (int p = 0; p < kLanes; ++p) floors[p] = floor * block[p * stride + p];
    SubtractRowsAbove(u, begin, padded, stride);
    SubtractSolved(u, begin, stride, right);
    if (!FactorDiagonal(block, stride, floors, right + begin)) return false;
    SolveBeside(block, stride, block + kLanes, padded - begin - kLanes);
  }
  BackSubstitute(u, padded, stride, right, x);
  return true;
}

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
