// Cholesky and the solve after it, by a whole block, on a matrix in shared or global memory.
//
// Method: right-looking by blocks of 32 columns. One warp factors the diagonal block in registers, a thread solves each
// row below it, and each warp updates 16 x 32 tiles of what is left, so that 32 columns cost three barriers. A
// right-hand side written as one more row comes out solved by L. n^3/3 multiply-adds; the order is fixed.
#pragma once

#include "kernels/cuda/device.h"

namespace kindred::cuda {

constexpr int kCholeskyBlock = 32;
/// Of the panel: odd, so that the rows of a column lie in different banks.
constexpr int kCholeskyPanelStride = kCholeskyBlock + 1;

/// The leading n x n of a (row stride ld, n <= 32) becomes L, by the first warp. False, for its lanes, at a pivot that
/// is not above its floor.
template <class T>
__device__ bool FactorDiagonal(T* a, int n, int ld, const T* floors) {
  const int lane = static_cast<int>(threadIdx.x);
  T row[kCholeskyBlock];
#pragma unroll
  for (int c = 0; c < kCholeskyBlock; ++c) row[c] = lane < n && c <= lane ? a[lane * ld + c] : T{0};
  bool good = true;
#pragma unroll
  for (int j = 0; j < kCholeskyBlock; ++j) {
    if (j >= n) continue;
    const T pivot = __shfl_sync(kAllLanes, row[j], j);
    good = good && pivot > (floors != nullptr ? floors[j] : T{0});
    row[j] /= sqrt(pivot);
#pragma unroll
    for (int c = j + 1; c < kCholeskyBlock; ++c)
      if (c < n) row[c] = fma(-row[j], __shfl_sync(kAllLanes, row[j], c), row[c]);
  }
#pragma unroll
  for (int c = 0; c < kCholeskyBlock; ++c)
    if (lane < n && c <= lane) a[lane * ld + c] = row[c];
  return good;
}

/// Row := L^-1 row, for the row's `n` columns of a diagonal block; written to `copy` too, if not null.
template <class T>
__device__ void SolveRow(const T* l, int n, int ld, T* row, T* copy) {
  T v[kCholeskyBlock];
#pragma unroll
  for (int j = 0; j < kCholeskyBlock; ++j) {
    if (j >= n) continue;
    T value = row[j];
#pragma unroll
    for (int k = 0; k < j; ++k) value = fma(-v[k], l[j * ld + k], value);
    v[j] = value / l[j * ld + j];
  }
#pragma unroll
  for (int j = 0; j < kCholeskyBlock; ++j) {
    if (j >= n) continue;
    row[j] = v[j];
    if (copy != nullptr) copy[j] = v[j];
  }
}

/// a[r][c] -= panel[r] . panel[c] for rows r < n_rows and columns c < n_columns, c <= r, over 32 columns of the panel.
template <class T>
__device__ void UpdateTrailing(T* a, int n_rows, int n_columns, int ld, const T* panel, int panel_ld) {
  constexpr int kRows = 16, kColumns = 32;
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int n_warps = static_cast<int>(blockDim.x) >> 5, wide = (n_columns + kColumns - 1) / kColumns;
  const int n_tiles = (n_rows + kRows - 1) / kRows * wide;
  for (int tile = warp; tile < n_tiles; tile += n_warps) {
    const int first_row = tile / wide * kRows, first_column = tile % wide * kColumns;
    if (first_column >= first_row + kRows) continue;
    const int r = first_row + lane / 8, c = first_column + lane % 8;
    T sums[4][4] = {};
    for (int k = 0; k < kCholeskyBlock; ++k) {
      T left[4], top[4];
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        left[e] = r + 4 * e < n_rows ? panel[(r + 4 * e) * panel_ld + k] : T{0};
        top[e] = c + 8 * e < n_columns ? panel[(c + 8 * e) * panel_ld + k] : T{0};
      }
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] = fma(left[i], top[j], sums[i][j]);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int row = r + 4 * i, column = c + 8 * j;
        if (row < n_rows && column < n_columns && column <= row) a[row * ld + column] -= sums[i][j];
      }
  }
}

/// The leading n x n of a (row stride ld, lower triangle) becomes L with a = L Lt; rows n to n_rows - 1 become L^-1
/// row. False, for every thread, at a pivot that is not above its entry of `floors` (null: 0). `panel`, if not null, is
/// shared memory for (n_rows - 32) x kCholeskyPanelStride values, for a matrix that lies elsewhere. Offsets within a
/// matrix are 32-bit: n_rows ld < 2^31. Call after a barrier, which rows n and on need not have seen; ends with one.
template <class T>
__device__ bool BlockCholesky(T* a, int n, int n_rows, int ld, const T* floors, T* panel) {
  const int t = static_cast<int>(threadIdx.x), n_threads = static_cast<int>(blockDim.x);
  for (int first = 0; first < n; first += kCholeskyBlock) {
    T* diagonal = a + first * ld + first;
    const int width = n - first < kCholeskyBlock ? n - first : kCholeskyBlock, next = first + kCholeskyBlock;
    bool good = true;
    if (t < 32) good = FactorDiagonal(diagonal, width, ld, floors != nullptr ? floors + first : nullptr);
    if (__syncthreads_or(good ? 0 : 1) != 0) return false;
    T* below = a + next * ld + first;
    for (int r = (next < n ? next : n) + t; r < n_rows; r += n_threads)
      SolveRow(diagonal, width, ld, a + r * ld + first,
               panel != nullptr && next < n ? panel + (r - next) * kCholeskyPanelStride : nullptr);
    __syncthreads();
    if (next >= n) break;
    UpdateTrailing(a + next * ld + next, n_rows - next, n - next, ld, panel != nullptr ? panel : below,
                   panel != nullptr ? kCholeskyPanelStride : ld);
    __syncthreads();
  }
  return true;
}

/// x := L^-t x, x in shared memory. Call after a barrier; ends with one.
template <class T>
__device__ void BlockBackward(const T* l, int n, int ld, T* x) {
  const int t = static_cast<int>(threadIdx.x), n_threads = static_cast<int>(blockDim.x);
  for (int first = (n - 1) / kCholeskyBlock * kCholeskyBlock; first >= 0; first -= kCholeskyBlock) {
    const int width = n - first < kCholeskyBlock ? n - first : kCholeskyBlock;
    if (t < 32) {
      const T* diagonal = l + first * ld + first;
      T value = t < width ? x[first + t] : T{0};
      const T inverse = t < width ? 1 / diagonal[t * ld + t] : T{0};
      for (int j = width - 1; j >= 0; --j) {
        const T solved = __shfl_sync(kAllLanes, value * inverse, j);
        if (t == j) value = solved;
        if (t < j) value = fma(-diagonal[j * ld + t], solved, value);
      }
      if (t < width) x[first + t] = value;
    }
    __syncthreads();
    if (first == 0) break;
    for (int i = t; i < first; i += n_threads) {
      T sum = 0;
      for (int k = 0; k < width; ++k) sum = fma(l[(first + k) * ld + i], x[first + k], sum);
      x[i] -= sum;
    }
    __syncthreads();
  }
}

}  // namespace kindred::cuda
