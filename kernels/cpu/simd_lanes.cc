// Many small positive definite systems at once, one in each lane. See simd.h: compiled once for each instruction set.
#include "kernels/cpu/simd_dense.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

constexpr int kRows = kManyRegisters ? 4 : 2;  // of a block of accumulators, as wide as high or twice

inline Vec& At(float* row, int j) {
  return *reinterpret_cast<Vec*>(row + j * kLanes);
}

// The triangle's rows, one system a lane, from those of the systems.
void Interleave(const float* const* systems, int n, int64_t stride, float* triangle) {
  for (int i = 0; i < n; ++i) {
    float* row = LaneRow(triangle, n, i);
    for (int tile = i / kLanes * kLanes; tile < n; tile += kLanes) {
      Vec v[kLanes];
#pragma GCC unroll 16
      for (int l = 0; l < kLanes; ++l) v[l] = Load(systems[l] + i * stride + tile);
      Transpose(v);
      for (int l = 0; l < kLanes; ++l)
        if (tile + l >= i && tile + l < n) At(row, tile + l) = v[l];
    }
    At(row, i) += Splat(1.0f);
  }
}

// Rows [i, i + kRows), kColumns columns from j on, less what the rows above take off.
template <int kColumns>
inline void SubtractAbove(float* triangle, int n, int i, int j, Vec (&block)[kRows][kColumns]) {
#pragma GCC unroll 4
  for (int a = 0; a < kRows; ++a)
#pragma GCC unroll 4
    for (int b = 0; b < kColumns; ++b) block[a][b] = At(LaneRow(triangle, n, i + a), j + b);
  for (int k = 0; k < i; ++k) {
    float* row = LaneRow(triangle, n, k);
    Vec right[kColumns];
#pragma GCC unroll 4
    for (int b = 0; b < kColumns; ++b) right[b] = At(row, j + b);
#pragma GCC unroll 4
    for (int a = 0; a < kRows; ++a) {
      const Vec left = At(row, i + a);
#pragma GCC unroll 4
      for (int b = 0; b < kColumns; ++b) block[a][b] -= left * right[b];
    }
  }
}

template <int kColumns>
inline void Solve(float* triangle, int n, int i, int j) {
  Vec block[kRows][kColumns];
  SubtractAbove<kColumns>(triangle, n, i, j, block);
#pragma GCC unroll 4
  for (int a = 0; a < kRows; ++a) {
    float* row = LaneRow(triangle, n, i + a);
#pragma GCC unroll 4
    for (int b = 0; b < kColumns; ++b) {
      block[a][b] *= At(row, i + a);
      At(row, j + b) = block[a][b];
#pragma GCC unroll 4
      for (int q = a + 1; q < kRows; ++q) block[q][b] -= block[a][b] * At(row, i + q);
    }
  }
}

// The block of the diagonal, which is left inverted.
void Factor(float* triangle, int n, int i) {
  Vec block[kRows][kRows];
#pragma GCC unroll 4
  for (int a = 0; a < kRows; ++a)
#pragma GCC unroll 4
    for (int b = a; b < kRows; ++b) block[a][b] = At(LaneRow(triangle, n, i + a), i + b);
  for (int k = 0; k < i; ++k) {
    float* above = LaneRow(triangle, n, k);
#pragma GCC unroll 4
    for (int a = 0; a < kRows; ++a)
#pragma GCC unroll 4
      for (int b = a; b < kRows; ++b) block[a][b] -= At(above, i + a) * At(above, i + b);
  }
#pragma GCC unroll 4
  for (int a = 0; a < kRows; ++a) {
    float* row = LaneRow(triangle, n, i + a);
    const Vec inverse = InverseRoot(block[a][a]);
    At(row, i + a) = inverse;
#pragma GCC unroll 4
    for (int b = a + 1; b < kRows; ++b) {
      block[a][b] *= inverse;
      At(row, i + b) = block[a][b];
    }
#pragma GCC unroll 4
    for (int q = a + 1; q < kRows; ++q)
#pragma GCC unroll 4
      for (int b = q; b < kRows; ++b) block[q][b] -= block[a][q] * block[a][b];
  }
}

void BackSubstitute(float* triangle, int n, float* y) {
  for (int i = n - kRows; i >= 0; i -= kRows) {
    Vec rest[kRows];
#pragma GCC unroll 4
    for (int a = 0; a < kRows; ++a) rest[a] = At(LaneRow(triangle, n, i + a), n);
    for (int c = i + kRows; c < n; ++c)
#pragma GCC unroll 4
      for (int a = 0; a < kRows; ++a) rest[a] -= At(LaneRow(triangle, n, i + a), c) * At(y, c);
#pragma GCC unroll 4
    for (int a = kRows - 1; a >= 0; --a) {
      rest[a] *= At(LaneRow(triangle, n, i + a), i + a);
      At(y, i + a) = rest[a];
#pragma GCC unroll 4
      for (int q = 0; q < a; ++q) rest[q] -= At(LaneRow(triangle, n, i + q), i + a) * rest[a];
    }
  }
}

}  // namespace

void SolveLanes(const float* const* systems, int n, int64_t stride, float* triangle, float* y, double* norms) {
  Interleave(systems, n, stride, triangle);
  for (int i = 0; i < n; i += kRows) {
    Factor(triangle, n, i);
    int j = i + kRows;
    for (; j + 4 <= n; j += 4) Solve<4>(triangle, n, i, j);
    for (; j < n; j += kRows) Solve<kRows>(triangle, n, i, j);
    Solve<1>(triangle, n, i, n);
  }
  for (int l = 0; l < kLanes; ++l) norms[l] = 0;
  for (int i = 0; i < n; ++i) {
    const float* z = LaneRow(triangle, n, i) + n * kLanes;
    for (int l = 0; l < kLanes; ++l) norms[l] += static_cast<double>(z[l]) * z[l];
  }
  BackSubstitute(triangle, n, y);
}

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
