// What both kinds of long rows share: the tile of sum w y yt that a block assembles, and the solve at its end.
//
// Tensor cores multiply bf16 parts (rest high + high rest + high high), or plain float32 does. Gathered rows come in
// stages of 16 or 32 entries, two stages ahead, by 16-byte asynchronous copies whose indices were read a stage earlier;
// the thread that copied a piece weighs and splits it, and sums the right-hand side on the way. Two stages of weighed
// rows take turns, so that a stage costs one barrier. A warp multiplies blocks of 32 x 32, each piece of which it loads
// once for 24 products on tensor cores.
#pragma once

#include "kernels/cuda/als.h"
#include "kernels/cuda/block.h"
#include "kernels/cuda/panel_cholesky.h"

namespace kindred::cuda {

/// A pivot below it, times sqrt(f), of its diagonal entry is lost (kernels/cpu/simd.cc).
constexpr float kLostPivot = 0x1p-15f;
__device__ inline float PivotFloor(int64_t n_factors, float diagonal) {
  return sqrtf(static_cast<float>(n_factors)) * kLostPivot * diagonal;
}

/// sum w y yt over entries of one row, for kWidth columns from `left` against kWidth columns from `top`: the lower
/// triangle of left against itself, or, kSquare, all of it. In blocks of 32 x 32, one a warp.
template <int kWidth, bool kSquare, bool kBf16x3>
class GramTile {
 public:
  static constexpr int kSide = kWidth / 32, kBlocks = kSquare ? kSide * kSide : kSide * (kSide + 1) / 2;
  static constexpr int kThreads = kBlocks * 32;
  static constexpr int kPanels = kSquare ? 2 : 1, kEntries = kSquare ? 16 : 32, kColumns = kPanels * kWidth;
  static constexpr int kQuads = kColumns / 4, kAtOnce = kThreads / kQuads >= 8 ? 8 : 4, kRounds = kEntries / kAtOnce;
  static constexpr int kLoaders = kQuads * kAtOnce;                                  // threads that copy and weigh
  static constexpr int kPackedStride = kColumns + 8, kWeighedStride = kColumns + 4;  // of bf16, of float
  static constexpr int kRaw = kEntries * kColumns;
  static constexpr int kReady = kBf16x3 ? kEntries * kPackedStride : kEntries * kWeighedStride;
  static constexpr int kRights = 2 * (kRaw + kReady) + 4 * 3 * kEntries, kConstants = kRights + 4 * kLoaders;
  static constexpr int kFloats = kConstants + 2 * (kEntries + 1);

  __device__ __forceinline__ GramTile(const AlsArguments& a, float* memory, int left, int top)
      : a_(a), memory_(memory), first_((T() % kQuads * 4 < kWidth ? left : top - kWidth) + T() % kQuads * 4) {}

  /// The sums over entries [begin, end), counted from the tile's first. Call after a barrier.
  __device__ __forceinline__ void Assemble(int64_t begin, int64_t end) {
    const int n = static_cast<int>(end - begin);
    if (T() < kLoaders) *Share() = {};
    if (T() < kEntries) Constants()[T()] = 0;
    if (T() == 0) *Begin() = begin;
    for (int s = 0; s < 3; ++s) Keep(s, Load(begin, s * kEntries, n));
    __syncthreads();
    Issue(0, n);
    Issue(1, n);
    for (int s = 0; s * kEntries < n; ++s) {
      const Entry next = Load(*Begin(), (s + 3) * kEntries, n);
      WaitForCopies<1>();
      Weigh(s);
      Issue(s + 2, n);
      Keep(s + 3, next);
      __syncthreads();
      if constexpr (kBf16x3)
        MultiplyBf16x3(s);
      else
        MultiplyFloat32(s);
    }
  }

  /// Calls visit(row, column, value) for each of this thread's entries, counted within the tile.
  template <class Visit>
  __device__ __forceinline__ void ForEach(const Visit& visit) const {
    const int lane = T() & 31, group = lane >> 2, quad = lane & 3;
#pragma unroll
    for (int j = 0; j < 8; ++j)
#pragma unroll
      for (int r = 0; r < 4; ++r)
        visit(Row() + j / 4 * 16 + group + (r >> 1) * 8, Column() + j % 4 * 8 + quad * 2 + (r & 1), sums_[j][r]);
  }

  /// sum b y, of a column of `left`; and this thread's share of sum b^2/w over w > 0. Call after a barrier; what lies
  /// before kRights may be written over.
  __device__ float Right(int column) const {
    float sum = 0;
    for (int i = 0; i < kAtOnce; ++i) sum += memory_[kRights + i * kWidth + column];
    return sum;
  }
  __device__ double Constant() const {
    return T() < kEntries ? Constants()[T()] : 0;
  }

 private:
  __device__ __forceinline__ static int T() {
    return static_cast<int>(threadIdx.x);
  }
  // The first row and column of this warp's block.
  __device__ __forceinline__ static int Row() {
    const int id = T() >> 5;
    if constexpr (kSquare) return id / kSide * 32;
    int row = 0;
#pragma unroll
    for (int r = 1; r < kSide; ++r) row += id >= r * (r + 1) / 2 ? 1 : 0;
    return row * 32;
  }
  __device__ __forceinline__ static int Column() {
    const int id = T() >> 5, row = Row() / 32;
    return (kSquare ? id % kSide : id - row * (row + 1) / 2) * 32;
  }

  // What is known of an entry: where its factors lie (or -1), the root of its weight, and its target.
  struct Entry {
    int index;
    float root, target;
  };

  __device__ __forceinline__ Entry Load(int64_t begin, int first, int n) const {
    if (T() >= kEntries || first + T() >= n) return {-1, 0, 0};
    const int64_t at = begin + first + T();
    const float w = a_.weights[at], b = a_.targets[at], g = w > 0 ? b * rsqrtf(w) : 0.0f;
    Constants()[T()] += static_cast<double>(g) * g;
    return {a_.indices[at], sqrtf(w), b};
  }
  __device__ __forceinline__ void Keep(int stage, const Entry& entry) const {
    if (T() >= kEntries) return;
    float* to = Entries(stage) + T();
    to[0] = __int_as_float(entry.index);
    to[kEntries] = entry.root;
    to[2 * kEntries] = entry.target;
  }

  // A thread copies what it will weigh, so that only it waits for it.
  __device__ __forceinline__ void Issue(int stage, int n) const {
    const int64_t f = a_.n_factors;
    const float* entry = Entries(stage) + T() / kQuads;
    float* to = Raw(stage) + T() * 4;  // kQuads pieces an entry
    if (T() >= kLoaders || stage * kEntries >= n) {
    } else if (f % 4 == 0) {
      const int bytes = first_ < f ? 16 : 0;
      const float* from = a_.fixed + (first_ < f ? first_ : 0);
#pragma unroll
      for (int j = 0; j < kRounds; ++j) {
        const int index = __float_as_int(entry[j * kAtOnce]);
        CopyAsync16(to + j * kLoaders * 4, from + max(index, 0) * f, index >= 0 ? bytes : 0);
      }
    } else {
      for (int j = 0; j < kRounds; ++j) {
        const int index = __float_as_int(entry[j * kAtOnce]);
        for (int q = 0; q < 4; ++q)
          to[j * kLoaders * 4 + q] = index >= 0 && first_ + q < f ? a_.fixed[index * f + first_ + q] : 0.0f;
      }
    }
    CommitCopies();
  }

  __device__ __forceinline__ void Weigh(int stage) const {
    if (T() >= kLoaders) return;
    const int e = T() / kQuads, place = T() % kQuads * 4;
    const float* entry = Entries(stage) + kEntries + e;
    float4 right = *Share();
#pragma unroll
    for (int j = 0; j < kRounds; ++j) {
      float4 y = *reinterpret_cast<const float4*>(Raw(stage) + T() * 4 + j * kLoaders * 4);
      const float root = entry[j * kAtOnce], target = entry[kEntries + j * kAtOnce];
      if constexpr (!kSquare) {
        right.x = fmaf(target, y.x, right.x);
        right.y = fmaf(target, y.y, right.y);
        right.z = fmaf(target, y.z, right.z);
        right.w = fmaf(target, y.w, right.w);
      }
      y.x *= root;
      y.y *= root;
      y.z *= root;
      y.w *= root;
      if constexpr (kBf16x3) {
        uint2 high, rest;
        Split(y.x, y.y, high.x, rest.x);
        Split(y.z, y.w, high.y, rest.y);
        uint16_t* to = High(stage) + e * kPackedStride + place + j * kAtOnce * kPackedStride;
        *reinterpret_cast<uint2*>(to) = high;
        *reinterpret_cast<uint2*>(to + kReady) = rest;
      } else {
        *reinterpret_cast<float4*>(Ready(stage) + (e + j * kAtOnce) * kWeighedStride + place) = y;
      }
    }
    if constexpr (!kSquare) *Share() = right;
  }

  // Three products into sums that start at 0, added in float32: a long row's sums would lose digits in tensor cores.
  __device__ __forceinline__ void MultiplyBf16x3(int stage) {
    const int lane = T() & 31, matrix = lane >> 3;
#pragma unroll 1
    for (int step = 0; step < kEntries; step += 16) {
      // Rows of `left` go by columns first, those of `top` by entries (the fragments of MmaBf16).
      const int entry = (step + (lane & 7)) * kPackedStride;
      const int left = entry + (matrix >> 1) * 8 * kPackedStride + (matrix & 1) * 8 + Row();
      const int top = entry + (matrix & 1) * 8 * kPackedStride + (matrix >> 1) * 8 + kColumns - kWidth + Column();
      uint32_t high[2][4], rest[2][4];
#pragma unroll
      for (int strip = 0; strip < 2; ++strip) {
        LoadMatricesTransposed(high[strip], High(stage) + left + strip * 16);
        LoadMatricesTransposed(rest[strip], Rest(stage) + left + strip * 16);
      }
#pragma unroll
      for (int pair = 0; pair < 2; ++pair) {
        uint32_t top_high[4], top_rest[4];
        LoadMatricesTransposed(top_high, High(stage) + top + pair * 16);
        LoadMatricesTransposed(top_rest, Rest(stage) + top + pair * 16);
#pragma unroll
        for (int strip = 0; strip < 2; ++strip) {
          float products[2][4] = {};
          const auto multiply = [&](const uint32_t(&rows)[4], const uint32_t(&columns)[4]) {
#pragma unroll
            for (int tile = 0; tile < 2; ++tile) {
              const uint32_t two[2] = {columns[2 * tile], columns[2 * tile + 1]};
              MmaBf16(products[tile], rows, two);
            }
          };
          multiply(rest[strip], top_high);
          multiply(high[strip], top_rest);
          multiply(high[strip], top_high);
#pragma unroll
          for (int tile = 0; tile < 2; ++tile)
#pragma unroll
            for (int r = 0; r < 4; ++r) sums_[strip * 4 + pair * 2 + tile][r] += products[tile][r];
        }
      }
    }
  }

  __device__ __forceinline__ void MultiplyFloat32(int stage) {
    const int lane = T() & 31, group = lane >> 2, quad = lane & 3;
#pragma unroll 2
    for (int e = 0; e < kEntries; ++e) {
      const float* line = Ready(stage) + e * kWeighedStride;
      float2 top[4];
#pragma unroll
      for (int j = 0; j < 4; ++j)
        top[j] = *reinterpret_cast<const float2*>(line + kColumns - kWidth + Column() + j * 8 + quad * 2);
#pragma unroll
      for (int half = 0; half < 4; ++half) {
        const float left = line[Row() + half * 8 + group];
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          float* sum = sums_[half / 2 * 4 + j] + half % 2 * 2;
          sum[0] = fmaf(left, top[j].x, sum[0]);
          sum[1] = fmaf(left, top[j].y, sum[1]);
        }
      }
    }
  }

  // Copied rows and weighed rows of two stages, entries of four; what Multiply does not need is kept out of registers.
  __device__ __forceinline__ float* Raw(int stage) const {
    return memory_ + (stage & 1) * kRaw;
  }
  __device__ __forceinline__ float* Ready(int stage) const {
    return memory_ + 2 * kRaw + (stage & 1) * kReady;
  }
  __device__ __forceinline__ uint16_t* High(int stage) const {
    return reinterpret_cast<uint16_t*>(Ready(stage));
  }
  __device__ __forceinline__ uint16_t* Rest(int stage) const {
    return High(stage) + kReady;
  }
  __device__ __forceinline__ float* Entries(int stage) const {
    return memory_ + 2 * (kRaw + kReady) + (stage & 3) * 3 * kEntries;
  }
  // This thread's part of sum b y over the entries it weighs; kAtOnce threads share a column.
  __device__ __forceinline__ float4* Share() const {
    return reinterpret_cast<float4*>(memory_ + kRights) + T();
  }
  __device__ __forceinline__ double* Constants() const {
    return reinterpret_cast<double*>(memory_ + kConstants);
  }

  __device__ __forceinline__ int64_t* Begin() const {
    return reinterpret_cast<int64_t*>(memory_ + kConstants) + kEntries;
  }

  const AlsArguments& a_;
  float* memory_;
  int first_;  // of the four columns this thread copies
  float sums_[8][4] = {};
};

/// Solves the assembled system, and ends the row. `x` has the system's rows, `sums` 16 values a warp; both are shared.
/// constant(): this thread's share of sum b^2/w.
template <bool kBf16x3, class Constant>
__device__ __forceinline__ void SolveSystem(const AlsArguments& a, int64_t row, const PanelMatrix<kBf16x3>& system,
                                            const float* floors, float* x, float* sums, const Constant& constant,
                                            double* scratch) {
  const int f = static_cast<int>(a.n_factors), t = static_cast<int>(threadIdx.x);
  const int n_threads = static_cast<int>(blockDim.x);
  const bool solved = system.Factor(floors);
  double loss = constant();
  if (solved)
    for (int k = t; k < f; k += n_threads) loss -= static_cast<double>(system.Right(k)) * system.Right(k);
  loss = BlockSum(loss, scratch);
  if (t == 0 && a.loss != nullptr) a.loss[row] = loss;
  double norm = 0;
  if (solved) {
    system.Backward(x, sums);
    for (int k = t; k < f; k += n_threads) {
      a.solved[row * f + k] = x[k];
      norm += static_cast<double>(x[k]) * x[k];
    }
  }
  FinishRow(a, row, solved, BlockSum(norm, scratch));
}

}  // namespace kindred::cuda
