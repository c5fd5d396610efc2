// What both kinds of long rows share: the tile of sum w y yt that a block assembles, and the solve at its end.
//
// Tensor cores multiply bf16 parts (rest high + high rest + high high, accumulated in float32), or plain float32 does.
// Gathered rows come in stages of 16 or 32 entries through a ring of three, by 16-byte asynchronous copies whose
// indices were read one stage earlier; each value is weighed and split once, and the right-hand side is summed on the
// way.
#pragma once

#include "kernels/cuda/als.h"
#include "kernels/cuda/block.h"
#include "kernels/cuda/cholesky.h"

namespace kindred::cuda {

/// A pivot below it, times sqrt(f), of its diagonal entry is lost (kernels/cpu/simd.cc).
constexpr float kLostPivot = 0x1p-15f;
__device__ inline float PivotFloor(int64_t n_factors, float diagonal) {
  return sqrtf(static_cast<float>(n_factors)) * kLostPivot * diagonal;
}

/// The bf16 parts of the pair (x, y): what rounding keeps, and the rounded rest.
__device__ inline void Split(float x, float y, uint32_t& high, uint32_t& rest) {
  high = PackBf16(x, y);
  rest = PackBf16(x - Bf16Value(high & 0xffffu), y - Bf16Value(high >> 16));
}

/// sum w y yt over entries of one row, for kWidth columns from `left` against kWidth columns from `top`: the lower
/// triangle of left against itself, or, kSquare, all of it. Fragments of 16 x 8, shared out to the warps in row order.
template <int kWidth, bool kSquare, bool kBf16x3>
class GramTile {
 public:
  static constexpr int kWarps = kWidth / 16, kThreads = kWarps * 32;
  static constexpr int kPanels = kSquare ? 2 : 1, kEntries = kSquare ? 16 : 32, kStages = 3;
  static constexpr int kStrips = kWidth / 16, kColumnTiles = kWidth / 8;
  static constexpr int kEach = (kSquare ? kStrips * kColumnTiles : kStrips * (kStrips + 1)) / kWarps;
  static constexpr int kRawStride = kPanels * kWidth, kCopies = kEntries * kRawStride / 4 / kThreads;
  static constexpr int kPackedStride = kWidth + 8, kPacked = kPanels * kEntries / 2 * kPackedStride;
  static constexpr int kFloats = kStages * kEntries * kRawStride + (kBf16x3 ? 2 * kPacked : 0) + 4 * kEntries;

  __device__ __forceinline__ GramTile(const AlsArguments& a, float* memory, int64_t left, int64_t top)
      : a_(a),
        memory_(memory),
        left_(static_cast<int>(left)),
        top_(static_cast<int>(top)),
        t_(static_cast<int>(threadIdx.x)) {}

  /// Adds entries [begin, end), counted from the tile's first. Call after a barrier.
  __device__ __forceinline__ void Add(int64_t begin, int64_t end) {
    const int n_stages = static_cast<int>((end - begin + kEntries - 1) / kEntries);
    for (int s = 0; s < kStages - 1; ++s) {
      Prefetch(begin + s * kEntries, end);
      Issue(s, s < n_stages);
    }
    Prefetch(begin + (kStages - 1) * kEntries, end);
    LoadEntries(begin, end, 0);
    for (int s = 0; s < n_stages; ++s) {
      WaitForCopies<kStages - 2>();
      __syncthreads();
      Issue((s + kStages - 1) % kStages, s + kStages - 1 < n_stages);
      Prefetch(begin + static_cast<int64_t>(s + kStages) * kEntries, end);
      LoadEntries(begin + static_cast<int64_t>(s + 1) * kEntries, end, (s + 1) & 1);
      float* stage = Stage(s % kStages);
      Convert(stage, s & 1);
      __syncthreads();
      Multiply(stage);
    }
  }

  /// Calls visit(row, column, value) for each of this thread's entries, counted within the tile.
  template <class Visit>
  __device__ __forceinline__ void ForEach(const Visit& visit) const {
    const int lane = t_ & 31, group = lane >> 2, quad = lane & 3;
    int strip, column;
    First(strip, column);
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
#pragma unroll
      for (int r = 0; r < 4; ++r)
        visit(strip * 16 + group + (r >> 1) * 8, column * 8 + quad * 2 + (r & 1), sums_[i][r]);
      Advance(strip, column);
    }
  }

  /// This thread's share of sum b y for column t % kWidth of `left`: threads t and t + kWidth have one each.
  __device__ float right() const {
    return right_;
  }
  /// This thread's share of sum b^2/w over w > 0.
  __device__ double constant() const {
    return constant_;
  }

 private:
  __device__ __forceinline__ void First(int& strip, int& column) const {
    const int id = (t_ >> 5) * kEach;
    strip = 0;
    if constexpr (kSquare) {
      strip = id / kColumnTiles;
      column = id % kColumnTiles;
    } else {
      while ((strip + 1) * (strip + 2) <= id) ++strip;
      column = id - strip * (strip + 1);
    }
  }
  __device__ __forceinline__ static void Advance(int& strip, int& column) {
    if (++column < (kSquare ? kColumnTiles : 2 * (strip + 1))) return;
    column = 0;
    ++strip;
  }

  __device__ __forceinline__ void Prefetch(int64_t entry, int64_t end) {
#pragma unroll
    for (int j = 0; j < kCopies; ++j) {
      const int64_t at = entry + (t_ + j * kThreads) / (kRawStride / 4);
      index_[j] = at < end ? a_.indices[at] : -1;
    }
  }

  __device__ __forceinline__ void Issue(int slot, bool any) {
    if (any) {
      float* stage = Stage(slot);
#pragma unroll
      for (int j = 0; j < kCopies; ++j) {
        const int id = t_ + j * kThreads, place = id % (kRawStride / 4) * 4;
        const int f = static_cast<int>(a_.n_factors), k = place < kWidth ? left_ + place : top_ + place - kWidth;
        float* to = stage + id / (kRawStride / 4) * kRawStride + place;
        const float* from = a_.fixed + index_[j] * a_.n_factors + k;
        if (f % 4 == 0) {
          const bool inside = index_[j] >= 0 && k < f;
          CopyAsync16(to, inside ? from : a_.fixed, inside ? 16 : 0);
        } else {
          for (int q = 0; q < 4; ++q) to[q] = index_[j] >= 0 && k + q < f ? from[q] : 0.0f;
        }
      }
    }
    CommitCopies();
  }

  __device__ __forceinline__ void LoadEntries(int64_t entry, int64_t end, int parity) {
    if (t_ >= kEntries) return;
    const bool inside = entry + t_ < end;
    const float w = inside ? a_.weights[entry + t_] : 0.0f, b = inside ? a_.targets[entry + t_] : 0.0f;
    Roots(parity)[t_] = sqrtf(w);
    Targets(parity)[t_] = b;
    if (w > 0) constant_ += static_cast<double>(b) * b / w;
  }

  // Weighs the stage, and splits it for the tensor cores; word (pair, column) has entries 2 pair and 2 pair + 1.
  __device__ __forceinline__ void Convert(float* stage, int parity) {
    const float *roots = Roots(parity), *targets = Targets(parity);
    const int m = t_ % kWidth;
#pragma unroll
    for (int i = 0; i < kEntries / 4; ++i) {
      const int pair = t_ / kWidth + 2 * i;
#pragma unroll
      for (int p = 0; p < kPanels; ++p) {
        float* x = stage + 2 * pair * kRawStride + p * kWidth + m;
        float* y = x + kRawStride;
        if (p == 0) right_ = fmaf(targets[2 * pair + 1], *y, fmaf(targets[2 * pair], *x, right_));
        const float weighed_x = *x * roots[2 * pair], weighed_y = *y * roots[2 * pair + 1];
        if constexpr (kBf16x3) {
          const int word = (p * kEntries / 2 + pair) * kPackedStride + m;
          Split(weighed_x, weighed_y, High()[word], Rest()[word]);
        } else {
          *x = weighed_x;
          *y = weighed_y;
        }
      }
    }
  }

  __device__ __forceinline__ void Multiply(const float* stage) {
    if constexpr (kBf16x3)
      MultiplyBf16x3();
    else
      MultiplyFloat32(stage);
  }

  __device__ __forceinline__ void MultiplyBf16x3() {
    const int lane = t_ & 31, group = lane >> 2, quad = lane & 3;
    constexpr int kTop = (kPanels - 1) * kEntries / 2;
#pragma unroll
    for (int step = 0; step < kEntries / 16; ++step) {
      int strip, column;
      First(strip, column);
      uint32_t high[4], rest[4];
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        if (i == 0 || column == 0) {
#pragma unroll
          for (int r = 0; r < 4; ++r) {
            const int word = (step * 8 + quad + (r >> 1) * 4) * kPackedStride + strip * 16 + group + (r & 1) * 8;
            high[r] = High()[word];
            rest[r] = Rest()[word];
          }
        }
        uint32_t top_high[2], top_rest[2];
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const int word = (kTop + step * 8 + quad + r * 4) * kPackedStride + column * 8 + group;
          top_high[r] = High()[word];
          top_rest[r] = Rest()[word];
        }
        MmaBf16(sums_[i], rest, top_high);
        MmaBf16(sums_[i], high, top_rest);
        MmaBf16(sums_[i], high, top_high);
        Advance(strip, column);
      }
    }
  }

  __device__ __forceinline__ void MultiplyFloat32(const float* stage) {
    const int lane = t_ & 31, group = lane >> 2, quad = lane & 3;
    constexpr int kTop = (kPanels - 1) * kWidth;
    for (int k = 0; k < kEntries; ++k) {
      int strip, column;
      First(strip, column);
      const float* line = stage + k * kRawStride;
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
#pragma unroll
        for (int r = 0; r < 4; ++r)
          sums_[i][r] =
              fmaf(line[strip * 16 + group + (r >> 1) * 8], line[kTop + column * 8 + quad * 2 + (r & 1)], sums_[i][r]);
        Advance(strip, column);
      }
    }
  }

  __device__ __forceinline__ float* Stage(int slot) const {
    return memory_ + slot * (kEntries * kRawStride);
  }
  __device__ __forceinline__ float* Roots(int parity) const {
    return Stage(kStages) + parity * kEntries;
  }
  __device__ __forceinline__ float* Targets(int parity) const {
    return Roots(2 + parity);
  }
  __device__ __forceinline__ uint32_t* High() const {
    return reinterpret_cast<uint32_t*>(Roots(4));
  }
  __device__ __forceinline__ uint32_t* Rest() const {
    return High() + kPacked;
  }

  const AlsArguments& a_;
  float* memory_;
  int left_, top_;
  int t_;
  int32_t index_[kCopies] = {};
  float sums_[kEach][4] = {};
  float right_ = 0;
  double constant_ = 0;
};

/// Solves the assembled system whose last row is the right-hand side, and ends the row. `x` lies in shared memory.
__device__ inline void SolveSystem(const AlsArguments& a, int64_t row, float* system, int ld, const float* floors,
                                   float* x, float* panel, double constant, double* scratch) {
  const int f = static_cast<int>(a.n_factors), t = static_cast<int>(threadIdx.x);
  const int n_threads = static_cast<int>(blockDim.x);
  const bool solved = BlockCholesky(system, f, f + 1, ld, floors, panel);
  double gain = 0, norm = 0;
  if (solved) {
    for (int k = t; k < f; k += n_threads) {
      x[k] = system[f * ld + k];
      gain += static_cast<double>(x[k]) * x[k];
    }
    __syncthreads();
    BlockBackward(system, f, ld, x);
    for (int k = t; k < f; k += n_threads) {
      a.solved[row * f + k] = x[k];
      norm += static_cast<double>(x[k]) * x[k];
    }
  }
  FinishRow(a, row, solved, BlockSum(norm, scratch), BlockSum(constant - gain, scratch));
}

}  // namespace kindred::cuda
