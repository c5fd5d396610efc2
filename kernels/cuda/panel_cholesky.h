// Cholesky of one system in shared memory and the solves around it, by a whole block, in float32.
//
// Method: panels of 16 columns, each stored from its diagonal block on, so that only the lower triangle takes room; 16
// values of a row and 4 unused, so that 16-byte reads of 8 rows fall into different banks. One warp factors a diagonal
// block in registers while the others still update the panels behind it. A thread solves each row below the block, and
// 16 more invert it into its upper triangle, which turns the way back into products. Two barriers a panel each way,
// n^3/3 multiply-adds, in float32 or, but for the panels themselves, on tensor cores from bf16 parts. The right-hand
// side is one more row and comes out solved by L. The order is fixed.
#pragma once

#include "kernels/cuda/device.h"

namespace kindred::cuda {

/// The bf16 parts of the pair (x, y): what rounding keeps, and the rounded rest.
__device__ __forceinline__ void Split(float x, float y, uint32_t& high, uint32_t& rest) {
  high = PackBf16(x, y);
  rest = PackBf16(x - Bf16Value(high & 0xffffu), y - Bf16Value(high >> 16));
}

template <bool kBf16x3>
class PanelMatrix {
 public:
  static constexpr int kPanel = 16, kStride = kPanel + 4;

  /// n rounded up to whole panels: the rows there are, the last of them those of the identity.
  __host__ __device__ static constexpr int Padded(int n) { return (n + kPanel - 1) / kPanel * kPanel; }
  /// What a system of n unknowns takes.
  __host__ __device__ static constexpr int Floats(int n) {
    return Offset(Padded(n) / kPanel, Padded(n) + 1) + (kBf16x3 ? Padded(n) * kPartStride : 0);
  }

  /// `data`: shared, 16-byte aligned, Floats(n).
  __device__ PanelMatrix(float* data, int n) : data_(data), n_rows_(Padded(n)), n_panels_(n_rows_ / kPanel) {}

  __device__ int n_rows() const { return n_rows_; }
  /// Row r, column c <= r.
  __device__ float& At(int r, int c) const {
    return Panel(c / kPanel)[(r - c / kPanel * kPanel) * kStride + c % kPanel];
  }
  /// The right-hand side.
  __device__ float& Right(int c) const { return At(n_rows_, c); }

  /// a becomes L with a = L Lt (for Backward), the right-hand side L^-1 of itself. False, for every thread, at a pivot
  /// that is not above its entry of `floors` (n_rows; null: 0). Call after a barrier.
  __device__ __forceinline__ bool Factor(const float* floors) const {
    const int t = static_cast<int>(threadIdx.x), warp = t >> 5, n_threads = static_cast<int>(blockDim.x);
    bool good = true;
    if (warp == 0) good = FactorDiagonal(Panel(0), floors);
    for (int p = 0;; ++p) {
      if (__syncthreads_or(good ? 0 : 1) != 0) return false;
      float* block = Panel(p);
      float v[kPanel];
      for (int r = kPanel + t; r <= n_rows_ - p * kPanel; r += n_threads) {
        LoadRow(block + r * kStride, v);
        SolveRow(block, v);
        StoreRow(v, block + r * kStride);
        if constexpr (kBf16x3)
          if (r < n_rows_ - p * kPanel) StoreParts(v, p * kPanel + r);
      }
      const int inverted = t - (n_threads - kPanel);  // the row of the block that this thread inverts, if >= 0
      if (inverted >= 0) {
#pragma unroll
        for (int j = 0; j < kPanel; ++j) v[j] = j == inverted ? 1.0f : 0.0f;
        SolveRow(block, v);
      }
      __syncthreads();
      if (inverted >= 0) {
        float* to = block + inverted * kStride;
#pragma unroll
        for (int j = 0; j < kPanel; ++j)
          if (j > inverted) to[j] = v[j];
      }
      if (p + 1 == n_panels_) return true;
      if (warp == 0) {
        UpdateTile(p, p + 1, 0);
        __syncwarp();
        good = FactorDiagonal(Panel(p + 1), floors != nullptr ? floors + (p + 1) * kPanel : nullptr);
      }
      UpdateOthers(p);
    }
  }

  /// x := L^-t of the right-hand side, after Factor. `x`: n_rows values, `sums`: 16 a warp, both shared. Ends with a
  /// barrier.
  __device__ KINDRED_NOINLINE void Backward(float* x, float* sums) const {
    const int t = static_cast<int>(threadIdx.x), lane = t & 31, warp = t >> 5, column = t & (kPanel - 1);
    const int n_threads = static_cast<int>(blockDim.x);
    for (int p = n_panels_ - 1; p >= 0; --p) {
      __syncthreads();
      const float* block = Panel(p);
      float sum = 0;
      for (int r = kPanel + t / kPanel; r < n_rows_ - p * kPanel; r += n_threads / kPanel)
        sum = fmaf(block[r * kStride + column], x[p * kPanel + r], sum);
      sum += __shfl_xor_sync(kAllLanes, sum, kPanel);
      if (lane < kPanel) sums[warp * kPanel + lane] = sum;
      __syncthreads();
      if (warp > 0) continue;
      float right = Right(p * kPanel + column), value = 0;
      for (int w = 0; w < n_threads / 32; ++w) right -= sums[w * kPanel + column];
#pragma unroll
      for (int j = 0; j < kPanel; ++j) {
        const float other = __shfl_sync(kAllLanes, right, j);
        if (j >= column) value = fmaf(block[column * kStride + j], other, value);
      }
      if (lane < kPanel) x[p * kPanel + lane] = value;
    }
    __syncthreads();
  }

 private:
  static constexpr int kPartStride = kPanel + 8;  // of bf16, so that 16-byte reads of 8 rows fall into different banks

  // Of panel p among panels that have n_rows rows in all.
  __host__ __device__ static constexpr int Offset(int p, int n_rows) {
    return kStride * (p * n_rows - kPanel / 2 * p * (p - 1));
  }
  __device__ float* Panel(int p) const {
    return data_ + Offset(p, n_rows_ + 1);
  }
  // Row r's bf16 parts in the panel that is being taken off.
  __device__ uint16_t* High(int r) const {
    return reinterpret_cast<uint16_t*>(Panel(n_panels_)) + r * kPartStride;
  }
  __device__ uint16_t* Rest(int r) const {
    return High(n_rows_ + r);
  }
  __device__ __forceinline__ void StoreParts(const float (&v)[kPanel], int r) const {
#pragma unroll
    for (int c = 0; c < kPanel; c += 8) {
      uint4 high, rest;
      Split(v[c], v[c + 1], high.x, rest.x);
      Split(v[c + 2], v[c + 3], high.y, rest.y);
      Split(v[c + 4], v[c + 5], high.z, rest.z);
      Split(v[c + 6], v[c + 7], high.w, rest.w);
      *reinterpret_cast<uint4*>(High(r) + c) = high;
      *reinterpret_cast<uint4*>(Rest(r) + c) = rest;
    }
  }

  __device__ __forceinline__ static void LoadRow(const float* from, float (&v)[kPanel]) {
#pragma unroll
    for (int c = 0; c < kPanel; c += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + c);
      v[c] = four.x, v[c + 1] = four.y, v[c + 2] = four.z, v[c + 3] = four.w;
    }
  }
  __device__ __forceinline__ static void StoreRow(const float (&v)[kPanel], float* to) {
#pragma unroll
    for (int c = 0; c < kPanel; c += 4)
      *reinterpret_cast<float4*>(to + c) = make_float4(v[c], v[c + 1], v[c + 2], v[c + 3]);
  }

  // The lower triangle becomes that of L, with 1 / L[j][j] on the diagonal; by one warp, both of whose halves do it.
  __device__ __forceinline__ static bool FactorDiagonal(float* block, const float* floors) {
    const int lane = static_cast<int>(threadIdx.x) & 31, r = lane & (kPanel - 1);
    float row[kPanel], pivots[kPanel];  // every lane follows all pivots: a pivot is no message
    LoadRow(block + r * kStride, row);
#pragma unroll
    for (int j = 0; j < kPanel; ++j) pivots[j] = block[j * kStride + j];
    bool good = true;
#pragma unroll
    for (int j = 0; j < kPanel; ++j) {
      good = good && pivots[j] > (floors != nullptr ? floors[j] : 0.0f);
      const float inverse = rsqrtf(pivots[j]);
      row[j] *= inverse;
#pragma unroll
      for (int c = j + 1; c < kPanel; ++c) {
        const float other = __shfl_sync(kAllLanes, row[j], c);
        pivots[c] = fmaf(-other, other, pivots[c]);
        row[c] = fmaf(-row[j], other, row[c]);
      }
      if (r == j) row[j] = inverse;
    }
    __syncwarp();
    if (lane < kPanel) StoreRow(row, block + r * kStride);
    return good;
  }

  // v := L^-1 v.
  __device__ __forceinline__ static void SolveRow(const float* block, float (&v)[kPanel]) {
#pragma unroll
    for (int j = 0; j < kPanel; ++j) {
      float l[kPanel];
#pragma unroll
      for (int c = 0; c <= j; c += 4) {
        const float4 four = *reinterpret_cast<const float4*>(block + j * kStride + c);
        l[c] = four.x, l[c + 1] = four.y, l[c + 2] = four.z, l[c + 3] = four.w;
      }
      float value = v[j];
#pragma unroll
      for (int k = 0; k < j; ++k) value = fmaf(-v[k], l[k], value);
      v[j] = value * l[j];
    }
  }

  // Panel p's part of panel q's 32 rows (or 16, at the end) from its row 32 k on; by one warp.
  __device__ __forceinline__ void UpdateTile(int p, int q, int k) const {
    const int first = q * kPanel + 32 * k;
    const bool whole = first + kPanel < n_rows_;
    if constexpr (kBf16x3) {
      UpdateOnTensorCores(q, first, whole ? 2 : 1);
    } else if (whole) {
      UpdateRows<4>(p, q, first);
    } else {
      UpdateRows<2>(p, q, first);
    }
  }

  __device__ __forceinline__ void UpdateOnTensorCores(int q, int first, int n_strips) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, matrix = lane >> 3, group = lane >> 2, quad = lane & 3;
    uint32_t top_high[4], top_rest[4];
    const int column = q * kPanel + (lane & 7) + (matrix >> 1) * 8;
    LoadMatrices(top_high, High(column) + (matrix & 1) * 8);
    LoadMatrices(top_rest, Rest(column) + (matrix & 1) * 8);
    for (int strip = 0; strip < n_strips; ++strip) {
      uint32_t high[4], rest[4];
      const int row = first + strip * 16 + (lane & 7) + (matrix & 1) * 8;
      LoadMatrices(high, High(row) + (matrix >> 1) * 8);
      LoadMatrices(rest, Rest(row) + (matrix >> 1) * 8);
      float* to = Panel(q) + (first - q * kPanel + strip * 16 + group) * kStride + quad * 2;
      float products[2][4] = {};
      const auto multiply = [&](const uint32_t(&rows)[4], const uint32_t(&columns)[4]) {
#pragma unroll
        for (int tile = 0; tile < 2; ++tile) {
          const uint32_t two[2] = {columns[2 * tile], columns[2 * tile + 1]};
          MmaBf16(products[tile], rows, two);
        }
      };
      multiply(rest, top_high);
      multiply(high, top_rest);
      multiply(high, top_high);
#pragma unroll
      for (int tile = 0; tile < 2; ++tile)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          auto* two = reinterpret_cast<float2*>(to + half * 8 * kStride + tile * 8);
          *two = make_float2(two->x - products[tile][2 * half], two->y - products[tile][2 * half + 1]);
        }
    }
  }

  template <int kRows>
  __device__ __forceinline__ void UpdateRows(int p, int q, int first) const {
    const int lane = static_cast<int>(threadIdx.x) & 31, r = lane & 7, c = lane >> 3;
    const float* left = Panel(p) + (first - p * kPanel + r) * kStride;
    const float* top = Panel(p) + ((q - p) * kPanel + c) * kStride;
    float sums[kRows][4] = {};
#pragma unroll 1
    for (int k = 0; k < kPanel; k += 4) {
      float4 rows[kRows], columns[4];
#pragma unroll
      for (int i = 0; i < kRows; ++i) rows[i] = *reinterpret_cast<const float4*>(left + 8 * i * kStride + k);
#pragma unroll
      for (int j = 0; j < 4; ++j) columns[j] = *reinterpret_cast<const float4*>(top + 4 * j * kStride + k);
#pragma unroll
      for (int i = 0; i < kRows; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          float& sum = sums[i][j];
          sum = fmaf(rows[i].x, columns[j].x, sum);
          sum = fmaf(rows[i].y, columns[j].y, sum);
          sum = fmaf(rows[i].z, columns[j].z, sum);
          sum = fmaf(rows[i].w, columns[j].w, sum);
        }
    }
    float* to = Panel(q) + (first - q * kPanel + r) * kStride + c;
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) to[8 * i * kStride + 4 * j] -= sums[i][j];
  }

  // All tiles but the first, and the right-hand side, by the warps that do not factor, or the only one.
  __device__ __forceinline__ void UpdateOthers(int p) const {
    const int n_warps = static_cast<int>(blockDim.x) >> 5, n_workers = n_warps > 1 ? n_warps - 1 : 1;
    const int worker = (static_cast<int>(threadIdx.x) >> 5) - (n_warps > 1 ? 1 : 0);
    if (worker < 0) return;
    const auto n_tiles = [&](int q) { return (n_panels_ - q + 1) / 2; };
    int q = p + 1, k = 1 + worker;
    while (true) {
      while (q < n_panels_ && k >= n_tiles(q)) k -= n_tiles(q++);
      if (q >= n_panels_) break;
      UpdateTile(p, q, k);
      k += n_workers;
    }
    const float* block = Panel(p);
    const float* right = block + (n_rows_ - p * kPanel) * kStride;
    for (int c = kPanel + worker * 32 + (static_cast<int>(threadIdx.x) & 31); c < n_rows_ - p * kPanel;
         c += n_workers * 32) {
      float v[kPanel], z[kPanel], sum = 0;
      LoadRow(block + c * kStride, v);
      LoadRow(right, z);
#pragma unroll
      for (int j = 0; j < kPanel; ++j) sum = fmaf(v[j], z[j], sum);
      Right(p * kPanel + c) -= sum;
    }
  }

  float* data_;
  int n_rows_, n_panels_;
};

}  // namespace kindred::cuda
