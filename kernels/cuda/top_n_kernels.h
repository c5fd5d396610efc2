// What the kernels of the top-N share: the candidates, the bound on the scan's error, the defined score.
#pragma once

#include "kernels/cuda/block.h"
#include "kernels/cuda/top_n.h"

namespace kindred::cuda {

constexpr int kTile = 64;        // items of a tile
constexpr int kPanelWords = 32;  // of a row that is in shared memory at once: 64 factors
constexpr int kMergeThreads = 256;
constexpr int kSortTile = 2048;  // keys that a block sorts in shared memory

/// An item that may be among a query's n best.
struct alignas(8) Candidate {
  float lower;    // not above the defined score; the score itself where kExact is set
  uint32_t item;  // with kExact
};
constexpr uint32_t kExact = 0x80000000u;

/// A wave of queries against a range of items. Items and tiles are counted from the catalogue's start, packed rows
/// from the range's; queries from the wave's.
struct TopNArguments {
  const float* queries;            // [n_queries x f]
  const uint32_t* packed_queries;  // [whole tiles x words]
  const float* query_norms;        // [whole tiles], at least |q|
  const float* items;              // [n_items x f]
  const uint32_t* packed_items;    // [n_tiles * kTile x words]
  const float* tile_norms;         // of the catalogue: at least the largest |y| of each tile
  const int64_t* excluded_indptr;  // [n_queries + 1], or null
  const int32_t* excluded_items;
  const uint64_t* eligible;   // a bit an item, or null: all are
  const int64_t* row_indptr;  // S, as in ItemItemView
  const int32_t* row_items;
  const float* row_values;
  const int64_t* history_indptr;  // [n_queries + 1], or null
  const int32_t* history_items;
  const float* history_weights;
  int64_t n_queries, n_items, f, words;
  int64_t first_tile, n_tiles;  // the range
  int64_t n_splits, n, capacity;
  Candidate* lists;               // [n_queries x n_splits x capacity]
  int* counts;                    // [n_queries x n_splits]
  unsigned long long* n_scanned;  // [n_queries] items whose bound was computed, with their tiles
  unsigned* thresholds;           // [n_queries] as Ordered: n items score at least this; 0 where nothing is known
  uint32_t* touched;  // [n_queries x n_tiles * 2] with histories: a bit for each item of the range that they add to
};

/// Dynamic shared memory of the scan.
int64_t ScanSharedBytes(int64_t query_tile, bool resident, int64_t words);

/// Queues, of one range: what histories touch, marked, scored and brought to the lists; the scan of the rest. Then the
/// merge of the lists; or the sort of everything (`keys`: n_queries x sort_size).
void LaunchTouched(StreamHandle stream, const TopNArguments& a);
void LaunchScan(StreamHandle stream, const TopNPlan& plan, const TopNArguments& a);
void LaunchMerge(StreamHandle stream, const TopNPlan& plan, const TopNArguments& a, int64_t width, int32_t* items,
                 float* scores);
void LaunchSortEverything(StreamHandle stream, const TopNPlan& plan, const TopNArguments& a, int64_t first_item,
                          unsigned long long* keys, int64_t width, int32_t* items, float* scores);

/// Bits that compare as the floats do. Not for NaN. Never 0.
__device__ inline unsigned Ordered(float x) {
  const unsigned bits = __float_as_uint(x);
  return (bits & 0x80000000u) != 0 ? ~bits : (bits | 0x80000000u);
}
__device__ inline float FromOrdered(unsigned bits) {
  if (bits == 0) return -INFINITY;
  return __uint_as_float((bits & 0x80000000u) != 0 ? (bits & 0x7fffffffu) : ~bits);
}

/// At least |scan - defined score|, for norms of a query and of an item that are not too small.
///
/// bf16 has 8 bits: each operand is off by 2^-8 of itself or, denormal, by 2^-126, their products are exact, and f
/// terms added with truncation are off by 2^-22 f of their sizes' sum. By Cauchy-Schwarz those sums are at most
/// |q||y|: (2^-7 + 2^-16 + 2^-21 f)|q||y| + 2^-125 f (|q| + |y|); 2^-18 is for roundings of bounds and score.
__device__ inline float ScanError(float query_norm, float item_norm, int64_t f) {
  const float size = query_norm * item_norm, terms = static_cast<float>(f);
  if (!(size < 0x1p126f)) return INFINITY;  // sums might overflow
  return (0x1.01p-7f + 0x1p-18f + terms * 0x1p-21f) * size +
         terms * (0x1p-125f * query_norm + 0x1p-125f * item_norm + 0x1p-120f);
}

/// The parts of the definition (kernels/backend.h): double products of float32 entries are exact, so contraction
/// changes nothing.
__device__ inline double FactorSum(const float* query, const float* item, int64_t f) {
  double sum = 0;
  int64_t k = 0;
  if (((reinterpret_cast<uintptr_t>(query) | reinterpret_cast<uintptr_t>(item)) & 15) == 0) {
#pragma unroll 4
    for (; k + 4 <= f; k += 4) {
      const float4 q = *reinterpret_cast<const float4*>(query + k), y = *reinterpret_cast<const float4*>(item + k);
      sum += static_cast<double>(q.x) * static_cast<double>(y.x);
      sum += static_cast<double>(q.y) * static_cast<double>(y.y);
      sum += static_cast<double>(q.z) * static_cast<double>(y.z);
      sum += static_cast<double>(q.w) * static_cast<double>(y.w);
    }
  }
  for (; k < f; ++k) sum += static_cast<double>(query[k]) * static_cast<double>(item[k]);
  return sum;
}

/// The first place in [low, high) that holds `item` or more; else high.
__device__ inline int64_t LowerBound(const int32_t* items, int64_t low, int64_t high, int64_t item) {
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (items[middle] < item) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/// A bit for each item of a tile of the range.
__device__ inline uint64_t EligibleOf(const TopNArguments& a, int64_t tile) {
  static_assert(kTile == 64);
  return a.eligible == nullptr ? ~uint64_t{0} : a.eligible[a.first_tile + tile];
}

/// Whether the query must not be answered with the item: it is not eligible, or excluded.
__device__ inline bool IsExcluded(const TopNArguments& a, int64_t query, int64_t item) {
  if (a.eligible != nullptr && (a.eligible[item / 64] >> (item % 64) & 1) == 0) return true;
  if (a.excluded_indptr == nullptr) return false;
  const int64_t end = a.excluded_indptr[query + 1];
  const int64_t place = LowerBound(a.excluded_items, a.excluded_indptr[query], end, item);
  return place < end && a.excluded_items[place] == item;
}

/// Whether the history has marked an item of the range.
__device__ inline bool IsTouched(const TopNArguments& a, int64_t query, int64_t item) {
  if (a.history_indptr == nullptr) return false;
  const int64_t i = item - a.first_tile * kTile;
  return (a.touched[query * a.n_tiles * (kTile / 32) + i / 32] >> (i % 32) & 1) != 0;
}

__device__ inline float DefinedScore(const TopNArguments& a, int64_t query, int64_t item, double from_history = 0) {
  const double sum = FactorSum(a.queries + query * a.f, a.items + item * a.f, a.f);
  return static_cast<float>(sum + from_history) + 0.0f;
}

/// Not below the defined score.
__device__ inline float Upper(const TopNArguments& a, float query_norm, const Candidate& candidate) {
  if ((candidate.item & kExact) != 0) return candidate.lower;
  return candidate.lower + 2 * ScanError(query_norm, a.tile_norms[candidate.item / kTile], a.f);
}

__device__ inline unsigned long long KeyOf(const Candidate& candidate) {
  return RankKey(candidate.lower, candidate.item & ~kExact);
}

/// A barrier of a group: a warp, or the whole block.
template <bool kWarp>
__device__ inline void SyncGroup() {
  if constexpr (kWarp) {
    __syncwarp();
  } else {
    __syncthreads();
  }
}

/// The n-th largest of at least n keys by a radix select of 8 bits a pass, down to bit `last_bit`; lower bits are 0.
/// `visit(f)` calls f(key) for each key, the group's threads sharing the work; `histogram` is the group's. The group
/// has at least a warp, and every thread gets the result. Call after a barrier; ends with one.
template <bool kWarp, class Visit>
__device__ inline unsigned long long NthLargest(const Visit& visit, int64_t n, int last_bit, int* histogram) {
  const int t = static_cast<int>(threadIdx.x), lane = t & 31;
  const int first = kWarp ? lane : t, n_threads = kWarp ? 32 : static_cast<int>(blockDim.x);
  unsigned long long prefix = 0;
  for (int shift = 56; shift >= last_bit; shift -= 8) {
    for (int bin = first; bin < 256; bin += n_threads) histogram[bin] = 0;
    SyncGroup<kWarp>();
    visit([=](unsigned long long key) {
      if ((key ^ prefix) >> shift < 256) atomicAdd(&histogram[(key >> shift) & 255], 1);
    });
    SyncGroup<kWarp>();
    int mine = 0;  // lane l has the bins 255 - 8 l and the 7 below
    for (int i = 0; i < 8; ++i) mine += histogram[255 - 8 * lane - i];
    int above = mine;
    for (int offset = 1; offset < 32; offset <<= 1) {
      const int other = __shfl_up_sync(kAllLanes, above, offset);
      if (lane >= offset) above += other;
    }
    const int owner = __ffs(static_cast<int>(__ballot_sync(kAllLanes, above >= n))) - 1;
    above = __shfl_sync(kAllLanes, above - mine, owner);
    int bin = 255 - 8 * owner;
    while (above + histogram[bin] < n) above += histogram[bin--];
    n -= above;
    prefix |= static_cast<unsigned long long>(bin) << shift;
    SyncGroup<kWarp>();
  }
  return prefix;
}

}  // namespace kindred::cuda
