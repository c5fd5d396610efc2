// The scan of the top-N: bf16 products on tensor cores, compared in registers, survivors appended to lists.
//
// Method: a block holds 128 queries (4 warps of 32) against a split of the item tiles; few queries are held 16 to a
// warp, which then is a block of its own. Packed queries stay in shared memory where they fit; panels of 64 items x 64
// factors pass through a ring of cp.async stages with one barrier a panel. A 16-byte chunk c of row r lies at place
// c ^ 4 (r % 2), so that loads of 16 bytes meet no bank twice; such a load is two k-steps of a fragment, since the
// order of factors within a product is free as long as both sides share it. Lists belong to a warp: a full one is cut
// down by its warp alone while the others go on. Splits tell each other the bounds they have found.
// Bytes: the items' bf16 copy once for each tile of queries, from L2 where tiles run together; flops: 2 f a score.
// Shared memory: 1.5 wavefronts of loads for each mma of 32 x 64 a warp. Measured before histories:
// bench/results/gpu_h200.md; with them not yet on a GPU.
#include "kernels/cuda/top_n_kernels.h"

namespace kindred::cuda {
namespace {

constexpr int kRefresh = 16;  // tiles between looks at what other splits have found

template <int kWarps_, int kRowBlocks_, bool kResident_>
struct Shape {
  static constexpr int kWarps = kWarps_, kRowBlocks = kRowBlocks_;  // of 16 queries, in a warp
  static constexpr bool kResident = kResident_;
  static constexpr int kRows = 16 * kRowBlocks, kQueries = kRows * kWarps, kThreads = 32 * kWarps;
  static constexpr int kStages = kWarps == 1 ? 4 : 3;
  static constexpr int kItemWords = kTile * kPanelWords, kQueryWords = kQueries * kPanelWords;
  static constexpr int kStageWords = kItemWords + (kResident ? 0 : kQueryWords);
  /// A histogram a warp; norm, threshold, count and clean count of each query.
  static constexpr int64_t kStateWords = kWarps * 256 + kQueries * 4;
  static constexpr int64_t SharedBytes(int64_t words) {
    return 4 * (kStages * kStageWords + kStateWords + (kResident ? kQueries * words : 0));
  }
};

/// A block's queries in shared memory.
struct State {
  float* norms;
  float* thresholds;  // n items of the catalogue are known to score at least this
  int* counts;        // of the query's list
  int* clean;         // how many of them are known to be neither excluded nor touched
  int* histogram;     // this warp's
};

/// Where a warp's lists are; see TopNArguments.
struct WarpQueries {
  int row;        // of the block's first query of this warp
  int64_t query;  // of the wave, likewise
  int64_t split;
};

__device__ __forceinline__ int ChunkAt(int row, int chunk) {
  return row * kPanelWords + ((chunk ^ ((row & 1) << 2)) << 2);
}

/// A panel of packed rows [n_rows x kPanelWords] on its way to shared memory.
template <int kThreads>
__device__ __forceinline__ void LoadPanel(const uint32_t* packed, int n_rows, int64_t first_row, int64_t words,
                                          int64_t panel, uint32_t* to) {
  for (int e = static_cast<int>(threadIdx.x); e < n_rows * 8; e += kThreads)
    CopyAsync16(to + ChunkAt(e >> 3, e & 7),
                packed + (first_row + (e >> 3)) * words + panel * kPanelWords + (e & 7) * 4);
}

/// sums += queries items_t over one panel: kRowBlocks * 16 rows of queries, 64 items.
template <int kRowBlocks>
__device__ __forceinline__ void MultiplyPanel(const uint32_t* queries, const uint32_t* items,
                                              float (&sums)[kRowBlocks][8][4]) {
  const int lane = static_cast<int>(threadIdx.x) & 31, group = lane >> 2, quad = lane & 3;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint4 left[kRowBlocks][2];
#pragma unroll
    for (int m = 0; m < kRowBlocks; ++m) {
#pragma unroll
      for (int r = 0; r < 2; ++r)
        left[m][r] = *reinterpret_cast<const uint4*>(queries + ChunkAt(m * 16 + r * 8 + group, half * 4 + quad));
    }
#pragma unroll
    for (int j = 0; j < 8; ++j) {
      const uint4 right = *reinterpret_cast<const uint4*>(items + ChunkAt(j * 8 + group, half * 4 + quad));
      const uint32_t first[2] = {right.x, right.y}, second[2] = {right.z, right.w};
#pragma unroll
      for (int m = 0; m < kRowBlocks; ++m) {
        const uint4 &top = left[m][0], &bottom = left[m][1];
        const uint32_t first_left[4] = {top.x, bottom.x, top.y, bottom.y};
        const uint32_t second_left[4] = {top.z, bottom.z, top.w, bottom.w};
        MmaBf16(sums[m][j], first_left, first);
        MmaBf16(sums[m][j], second_left, second);
      }
    }
  }
}

/// Keeps what `keep(place, candidate)` says of list[from..count), in order. By a warp; returns the new count.
template <class Keep>
__device__ int Compact(Candidate* list, int from, int count, const Keep& keep) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  int kept = from;
  for (int base = from; base < count; base += 32) {
    Candidate candidate = {0, 0};
    if (base + lane < count) candidate = list[base + lane];
    const bool stays = base + lane < count && keep(candidate);
    const unsigned ballot = __ballot_sync(kAllLanes, stays);
    __syncwarp();  // every lane has read before one writes
    if (stays) list[kept + __popc(ballot & ((1u << lane) - 1))] = candidate;
    kept += __popc(ballot);
  }
  __syncwarp();
  return kept;
}

/// Scores a list by the definition and keeps its n best, for lists that the bounds do not thin out: ties, or scores
/// that cancel. By a warp; returns the new count, at most n.
__device__ int KeepExact(const TopNArguments& a, int64_t query, Candidate* list, int count, float* threshold,
                         int* histogram) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  for (int i = lane; i < count; i += 32)  // the lane that Compact has read it
    if ((list[i].item & kExact) == 0) list[i] = {DefinedScore(a, query, list[i].item), list[i].item | kExact};
  count = Compact(list, 0, count, [](const Candidate& candidate) { return KeyOf(candidate) != 0; });
  if (count < a.n) return count;
  const auto visit = [=](const auto& call) {
    for (int i = lane; i < count; i += 32) call(KeyOf(list[i]));
  };
  const unsigned long long nth = NthLargest<true>(visit, a.n, 0, histogram);
  *threshold = max(*threshold, KeyScore(nth));
  return Compact(list, 0, count, [=](const Candidate& candidate) { return KeyOf(candidate) >= nth; });
}

/// Drops the excluded, what its history touches, and what is provably not among the n best from one query's list, and
/// raises its threshold. By a warp, after a barrier of it; ends with one.
__device__ void Shrink(const TopNArguments& a, const State& state, const WarpQueries& warp, int row) {
  const int lane = static_cast<int>(threadIdx.x) & 31, place = warp.row + row;
  const int64_t query = warp.query + row;
  Candidate* const list = a.lists + (query * a.n_splits + warp.split) * a.capacity;
  const float norm = state.norms[place];
  float threshold = state.thresholds[place];
  int count = state.counts[place];
  if (a.excluded_indptr != nullptr || a.history_indptr != nullptr)
    count = Compact(list, state.clean[place], count, [&](const Candidate& candidate) {
      return !IsExcluded(a, query, candidate.item) && !IsTouched(a, query, candidate.item);
    });
  if (count >= a.n) {
    const auto visit = [=](const auto& call) {
      for (int i = lane; i < count; i += 32) call(KeyOf(list[i]));
    };
    threshold = max(threshold, KeyScore(NthLargest<true>(visit, a.n, 32, state.histogram)));
  }
  unsigned known = 0;
  if (lane == 0) known = atomicMax(&a.thresholds[query], Ordered(threshold));
  threshold = max(threshold, FromOrdered(__shfl_sync(kAllLanes, known, 0)));
  count = Compact(list, 0, count, [&](const Candidate& candidate) { return !(Upper(a, norm, candidate) < threshold); });
  if (count > a.n + (a.capacity - a.n) / 2) count = KeepExact(a, query, list, count, &threshold, state.histogram);
  if (lane == 0) {
    state.counts[place] = state.clean[place] = count;
    state.thresholds[place] = threshold;
  }
  __syncwarp();
}

/// Takes in what other splits have found, for the first n_rows queries of this warp. Ends with a barrier of it.
__device__ void Refresh(const TopNArguments& a, const State& state, const WarpQueries& warp, int n_rows) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  if (lane < n_rows) {
    float& threshold = state.thresholds[warp.row + lane];
    threshold = max(threshold, FromOrdered(atomicMax(&a.thresholds[warp.query + lane], Ordered(threshold))));
  }
  __syncwarp();
}

/// A tile whose norm is below this has, for each of the warp's first n_rows queries, no item above its threshold.
__device__ float Reach(const State& state, const WarpQueries& warp, int n_rows) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  float reach = INFINITY;
  if (lane < n_rows) {  // |score| <= |q||y|; 2^-18 and 2^-100 stay clear of roundings
    reach = state.thresholds[warp.row + lane] / state.norms[warp.row + lane] * (1 - 0x1p-18f);
    if (!(state.thresholds[warp.row + lane] > 0x1p-100f) || !(reach > 0x1p-100f)) reach = -INFINITY;
  }
  for (int offset = 16; offset > 0; offset >>= 1) reach = min(reach, __shfl_xor_sync(kAllLanes, reach, offset));
  return reach;
}

/// Appends what may be among the n best of a tile's scores to the lists of the warp's queries.
/// True for every lane where a list may have to be cut down.
template <int kRowBlocks>
__device__ __forceinline__ bool Append(const TopNArguments& a, const State& state, const WarpQueries& warp,
                                       int64_t tile, const float (&sums)[kRowBlocks][8][4]) {
  const int lane = static_cast<int>(threadIdx.x) & 31, group = lane >> 2, quad = lane & 3;
  const float norm = a.tile_norms[tile];
  float errors[kRowBlocks][2], cuts[kRowBlocks][2];
  bool survives = false;
#pragma unroll
  for (int m = 0; m < kRowBlocks; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int place = warp.row + m * 16 + r * 8 + group;
      errors[m][r] = state.norms[place] > 0 ? ScanError(state.norms[place], norm, a.f) : 0;  // 0: no query is there
      cuts[m][r] = state.thresholds[place] - errors[m][r];
#pragma unroll
      for (int j = 0; j < 8; ++j)
        survives = survives || !(sums[m][j][r * 2] < cuts[m][r]) || !(sums[m][j][r * 2 + 1] < cuts[m][r]);
    }
  }
  if (!__any_sync(kAllLanes, survives)) return false;
  const uint64_t eligible = EligibleOf(a, tile - a.first_tile);
#pragma unroll
  for (int m = 0; m < kRowBlocks; ++m) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = m * 16 + r * 8 + group;
      Candidate* const list = a.lists + ((warp.query + row) * a.n_splits + warp.split) * a.capacity;
#pragma unroll
      for (int e = 0; e < 16; ++e) {
        const float score = sums[m][e >> 1][r * 2 + (e & 1)];
        const int64_t item = tile * kTile + (e >> 1) * 8 + quad * 2 + (e & 1);
        if (score < cuts[m][r] || item >= a.n_items || (eligible >> (item % kTile) & 1) == 0) continue;
        const float lower = errors[m][r] < INFINITY ? score - errors[m][r] : -INFINITY;
        list[atomicAdd(&state.counts[warp.row + row], 1)] = {lower, static_cast<uint32_t>(item)};
      }
    }
  }
  __syncwarp();
  return true;
}

template <class S>
__device__ void StartQueries(const TopNArguments& a, const State& state, int64_t first_query) {
  for (int q = static_cast<int>(threadIdx.x); q < S::kQueries; q += S::kThreads) {
    const int64_t query = first_query + q;
    const bool real = query < a.n_queries;
    state.norms[q] = real ? a.query_norms[query] : 0.0f;
    state.thresholds[q] = real ? FromOrdered(atomicMax(&a.thresholds[query], 0u)) : INFINITY;  // nothing passes
    state.counts[q] = state.clean[q] = real ? a.counts[query * a.n_splits + blockIdx.y] : 0;
  }
}

/// Cuts every list of the warp down once more and writes its length.
__device__ void FinishQueries(const TopNArguments& a, const State& state, const WarpQueries& warp, int n_rows) {
  const int lane = static_cast<int>(threadIdx.x) & 31;
  for (int row = 0; row < n_rows; ++row)
    if (state.counts[warp.row + row] > state.clean[warp.row + row]) Shrink(a, state, warp, row);
  if (lane < n_rows) a.counts[(warp.query + lane) * a.n_splits + warp.split] = state.counts[warp.row + lane];
}

/// One block: S::kQueries queries against one split of the range's tiles.
template <class S>
__global__ void __launch_bounds__(S::kThreads, S::kWarps == 1 ? 12 : 3) ScanTopN(TopNArguments a) {
  KINDRED_DYNAMIC_SHARED(uint32_t, shared);
  const int lane = static_cast<int>(threadIdx.x) & 31, w = static_cast<int>(threadIdx.x) >> 5;
  uint32_t* const ring = shared;
  uint32_t* const resident = ring + S::kStages * S::kStageWords;
  auto* const norms = reinterpret_cast<float*>(resident + (S::kResident ? S::kQueries * a.words : 0));
  auto* const counts = reinterpret_cast<int*>(norms + 2 * S::kQueries);
  const State state = {norms, norms + S::kQueries, counts, counts + S::kQueries, counts + 2 * S::kQueries + w * 256};

  const int64_t first_query = static_cast<int64_t>(blockIdx.x) * S::kQueries;
  const WarpQueries warp = {w * S::kRows, first_query + w * S::kRows, blockIdx.y};
  const int n_rows = static_cast<int>(max(int64_t{0}, min(a.n_queries - warp.query, int64_t{S::kRows})));
  const int64_t first_tile = a.n_tiles * blockIdx.y / a.n_splits, end = a.n_tiles * (blockIdx.y + 1) / a.n_splits;
  // Tiles without an eligible item are not read.
  const auto eligible_from = [&a, end](int64_t tile) {
    while (tile < end && EligibleOf(a, tile) == 0) ++tile;
    return tile;
  };
  if (eligible_from(first_tile) == end) return;
  StartQueries<S>(a, state, first_query);

  const int64_t n_panels = a.words / kPanelWords;
  int64_t load_tile = eligible_from(first_tile), load_panel = 0;
  int load_stage = 0;
  const auto load = [&] {
    if (load_tile < end) {
      uint32_t* const stage = ring + load_stage * S::kStageWords;
      LoadPanel<S::kThreads>(a.packed_items, kTile, load_tile * kTile, a.words, load_panel, stage);
      if constexpr (!S::kResident)
        LoadPanel<S::kThreads>(a.packed_queries, S::kQueries, first_query, a.words, load_panel, stage + S::kItemWords);
    }
    CommitCopies();
    load_stage = load_stage + 1 == S::kStages ? 0 : load_stage + 1;
    if (++load_panel < n_panels) return;
    load_panel = 0;
    load_tile = eligible_from(load_tile + 1);
  };
  if constexpr (S::kResident)
    for (int64_t panel = 0; panel < n_panels; ++panel)
      LoadPanel<S::kThreads>(a.packed_queries, S::kQueries, first_query, a.words, panel,
                             resident + panel * S::kQueryWords);
  for (int s = 0; s < S::kStages - 1; ++s) load();

  float reach = -INFINITY;
  bool skips = false;
  int stage = 0, until_refresh = 0, n_tiles_scanned = 0;
  for (int64_t tile = eligible_from(first_tile); tile < end; tile = eligible_from(tile + 1)) {
    float sums[S::kRowBlocks][8][4] = {};
    for (int64_t panel = 0; panel < n_panels; ++panel) {
      WaitForCopies<S::kStages - 2>();
      __syncthreads();  // this panel is whole, and the one before is free
      load();
      const uint32_t* const items = ring + stage * S::kStageWords;
      const uint32_t* const queries = S::kResident ? resident + panel * S::kQueryWords : items + S::kItemWords;
      stage = stage + 1 == S::kStages ? 0 : stage + 1;
      if (panel == 0) {
        if (until_refresh-- == 0) {
          Refresh(a, state, warp, n_rows);
          reach = Reach(state, warp, n_rows);
          until_refresh = kRefresh - 1;
        }
        skips = n_rows == 0 || a.tile_norms[a.first_tile + tile] < reach;
      }
      if (!skips) MultiplyPanel<S::kRowBlocks>(queries + warp.row * kPanelWords, items, sums);
    }
    n_tiles_scanned += !skips;
    if (skips || !Append<S::kRowBlocks>(a, state, warp, a.first_tile + tile, sums)) continue;
    unsigned full = __ballot_sync(kAllLanes, lane < n_rows && state.counts[warp.row + lane] > a.capacity - kTile);
    if (full == 0) continue;
    for (; full != 0; full &= full - 1) Shrink(a, state, warp, __ffs(static_cast<int>(full)) - 1);
    reach = Reach(state, warp, n_rows);
  }
  if (lane < n_rows)
    atomicAdd(&a.n_scanned[warp.query + lane], static_cast<unsigned long long>(n_tiles_scanned) * kTile);
  FinishQueries(a, state, warp, n_rows);
}

template <class S>
void LaunchShape(StreamHandle stream, const TopNPlan& plan, const TopNArguments& a) {
  const dim3 blocks(static_cast<unsigned>((a.n_queries + S::kQueries - 1) / S::kQueries),
                    static_cast<unsigned>(a.n_splits));
  Launch(ScanTopN<S>, blocks, dim3(S::kThreads), static_cast<size_t>(plan.scan_shared_bytes), stream, a);
}

}  // namespace

int64_t ScanSharedBytes(int64_t query_tile, bool resident, int64_t words) {
  if (query_tile == 16)
    return resident ? Shape<1, 1, true>::SharedBytes(words) : Shape<1, 1, false>::SharedBytes(words);
  return resident ? Shape<4, 2, true>::SharedBytes(words) : Shape<4, 2, false>::SharedBytes(words);
}

void LaunchScan(StreamHandle stream, const TopNPlan& plan, const TopNArguments& a) {
  if (plan.query_tile == 16) {
    plan.resident ? LaunchShape<Shape<1, 1, true>>(stream, plan, a) : LaunchShape<Shape<1, 1, false>>(stream, plan, a);
  } else {
    plan.resident ? LaunchShape<Shape<4, 2, true>>(stream, plan, a) : LaunchShape<Shape<4, 2, false>>(stream, plan, a);
  }
}

}  // namespace kindred::cuda
