// From lists to answers: the merge of a scan's lists, and the sort of everything for a very large n.
//
// Merge: a block a query. The n-th largest lower bound of all lists rules out what it can; the rest is scored by the
// definition and sorted in shared memory, n best kept, as many keys at once as fit. Appending is in no fixed order, but
// keys are distinct and sorted. Bytes: the lists five times, f floats a survivor.
// Sort: every score by its definition into global memory, then a bitonic network of the form in which every comparator
// points the same way, 2048 keys at a time in shared memory where steps are that short. Bytes: 16 a key for each
// of about log2(n_items)^2 / 2 - 60 long steps. Measured before histories: bench/results/gpu_h200.md; with them not yet
// on a GPU.
#include "kernels/cuda/top_n_kernels.h"

namespace kindred::cuda {
namespace {

__device__ void Write(unsigned long long key, int64_t at, int32_t* items, float* scores) {
  items[at] = key != 0 ? KeyItem(key) : -1;
  scores[at] = key != 0 ? KeyScore(key) : 0.0f;
}

/// Sorts keys [filled], in memory for the next power of two. By the whole block, after a barrier; ends with one.
__device__ void SortFilled(unsigned long long* keys, int filled) {
  int size = 2;
  while (size < filled) size *= 2;
  for (int i = filled + static_cast<int>(threadIdx.x); i < size; i += kMergeThreads) keys[i] = 0;
  __syncthreads();
  BlockSortDescending(keys, size);
}

/// The scores that a query's n best are known to reach.
__device__ float FindBound(const TopNArguments& a, int64_t query, int* histogram) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const int* const counts = a.counts + query * a.n_splits;
  int total = 0;
  for (int64_t split = lane; split < a.n_splits; split += 32) total += counts[split];
  total = __reduce_add_sync(kAllLanes, total);
  const float known = FromOrdered(a.thresholds[query]);
  if (total < a.n) return known;
  const auto visit = [=, &a](const auto& call) {
    for (int64_t split = warp; split < a.n_splits; split += kMergeThreads / 32)
      for (int i = lane; i < counts[split]; i += 32)
        call(KeyOf(a.lists[(query * a.n_splits + split) * a.capacity + i]));
  };
  return max(known, KeyScore(NthLargest<false>(visit, a.n, 32, histogram)));
}

__global__ void __launch_bounds__(kMergeThreads)
    MergeTopN(TopNArguments a, int capacity, int64_t width, int32_t* items, float* scores) {
  KINDRED_DYNAMIC_SHARED(unsigned long long, keys);  // capacity
  KINDRED_SHARED(int, histogram, 256);
  KINDRED_SHARED(int, place, 1);
  const int t = static_cast<int>(threadIdx.x), lane = t & 31, warp = t >> 5;
  const int64_t query = blockIdx.x;
  const int n = static_cast<int>(a.n);
  float bound = FindBound(a, query, histogram);
  if (t == 0) place[0] = 0;

  int filled = 0;
  for (int64_t first = 0; first < a.n_splits; first += kMergeThreads / 32) {
    const int64_t split = first + warp;
    const int count = split < a.n_splits ? a.counts[query * a.n_splits + split] : 0;
    for (int i = lane; __syncthreads_or(i - lane < count); i += 32) {
      Candidate candidate = {0, 0};
      if (i < count) candidate = a.lists[(query * a.n_splits + split) * a.capacity + i];
      const bool survives = i < count && !(Upper(a, a.query_norms[query], candidate) < bound);
      if (survives) {
        if ((candidate.item & kExact) == 0) candidate.lower = DefinedScore(a, query, candidate.item);
        keys[atomicAdd(&place[0], 1)] = KeyOf(candidate);
      }
      filled += __syncthreads_count(survives);
      if (filled <= capacity - kMergeThreads) continue;
      SortFilled(keys, filled);
      filled = n;  // some of them perhaps 0, which is no key
      if (t == 0) place[0] = n;
      if (keys[n - 1] != 0) bound = max(bound, KeyScore(keys[n - 1]));
    }
  }
  SortFilled(keys, filled);
  for (int64_t i = t; i < width; i += kMergeThreads)
    Write(i < min(n, filled) ? keys[i] : 0, query * width + i, items, scores);
}

/// What a query's history adds to an item. Cost: a search in a row for each item of the history.
__device__ double HistorySum(const TopNArguments& a, int64_t query, int64_t item) {
  double sum = 0;
  if (a.history_indptr == nullptr) return sum;
  for (int64_t place = a.history_indptr[query]; place < a.history_indptr[query + 1]; ++place) {
    const int64_t row = a.history_items[place], end = a.row_indptr[row + 1];
    const int64_t e = LowerBound(a.row_items, a.row_indptr[row], end, item);
    if (e < end && a.row_items[e] == item)
      sum += static_cast<double>(a.history_weights[place]) * static_cast<double>(a.row_values[e]);
  }
  return sum;
}

/// Keys of items [first, first + n) of each query, to keys[query * size + at ...]; 0 where there is none.
__global__ void ScoreItems(TopNArguments a, int64_t first, int64_t n, int64_t at, int64_t size,
                           unsigned long long* keys) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, query = blockIdx.y;
  if (i >= n) return;
  unsigned long long key = 0;
  if (first + i < a.n_items && !IsExcluded(a, query, first + i))
    key = RankKey(DefinedScore(a, query, first + i, HistorySum(a, query, first + i)), static_cast<unsigned>(first + i));
  keys[query * size + at + i] = key;
}

/// Sorts each aligned group of kSortTile keys, descending; or, of groups that are bitonic, does the steps that are
/// left.
__global__ void __launch_bounds__(kMergeThreads) SortTiles(unsigned long long* keys, int64_t size, bool bitonic) {
  KINDRED_SHARED(unsigned long long, tile, kSortTile);
  unsigned long long* const from = keys + blockIdx.y * size + static_cast<int64_t>(blockIdx.x) * kSortTile;
  const int t = static_cast<int>(threadIdx.x);
  for (int i = t; i < kSortTile; i += kMergeThreads) tile[i] = from[i];
  __syncthreads();
  if (bitonic) {
    for (int step = kSortTile / 2; step > 0; step >>= 1) {
      for (int e = t; e < kSortTile / 2; e += kMergeThreads) {
        const int i = 2 * e - (e & (step - 1)), j = i + step;
        const unsigned long long a = tile[i], b = tile[j];
        tile[i] = max(a, b);
        tile[j] = min(a, b);
      }
      __syncthreads();
    }
  } else {
    BlockSortDescending(tile, kSortTile);
  }
  for (int i = t; i < kSortTile; i += kMergeThreads) from[i] = tile[i];
}

/// One step of merging sorted runs: the larger key first, of each pair `step` apart; in the first step of a merge
/// (`mirrored`) of each pair that lies symmetrically in a group of 2 step.
__global__ void CompareFar(unsigned long long* keys, int64_t size, int64_t step, bool mirrored) {
  const int64_t e = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t within = e & (step - 1), i = 2 * e - within;
  const int64_t j = mirrored ? i - within + 2 * step - 1 - within : i + step;
  unsigned long long* const of_query = keys + blockIdx.y * size;
  const unsigned long long a = of_query[i], b = of_query[j];
  if (a >= b) return;
  of_query[i] = b;
  of_query[j] = a;
}

__global__ void WriteSorted(const unsigned long long* keys, int64_t n, int64_t size, int64_t width, int32_t* items,
                            float* scores) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x, query = blockIdx.y;
  if (i < width) Write(i < n ? keys[query * size + i] : 0, query * width + i, items, scores);
}

dim3 Grid(int64_t n, int64_t of_block, int64_t n_queries) {
  return dim3(static_cast<unsigned>((n + of_block - 1) / of_block), static_cast<unsigned>(n_queries));
}

void Sort(StreamHandle stream, unsigned long long* keys, int64_t size, int64_t n_queries) {
  const dim3 tiles = Grid(size, kSortTile, n_queries), pairs = Grid(size / 2, kMergeThreads, n_queries);
  Launch(SortTiles, tiles, dim3(kMergeThreads), 0, stream, keys, size, false);
  for (int64_t run = kSortTile; run < size; run *= 2) {
    for (int64_t step = run; step >= kSortTile; step /= 2)
      Launch(CompareFar, pairs, dim3(kMergeThreads), 0, stream, keys, size, step, step == run);
    Launch(SortTiles, tiles, dim3(kMergeThreads), 0, stream, keys, size, true);
  }
}

}  // namespace

void LaunchMerge(StreamHandle stream, const TopNPlan& plan, const TopNArguments& a, int64_t width, int32_t* items,
                 float* scores) {
  Launch(MergeTopN, dim3(static_cast<unsigned>(a.n_queries)), dim3(kMergeThreads),
         static_cast<size_t>(plan.merge_capacity) * 8, stream, a, static_cast<int>(plan.merge_capacity), width, items,
         scores);
}

void LaunchSortEverything(StreamHandle stream, const TopNPlan& plan, const TopNArguments& a, int64_t first_item,
                          unsigned long long* keys, int64_t width, int32_t* items, float* scores) {
  int64_t carried = 0;  // the n best so far come first
  for (int64_t first = first_item; first < a.n_items;) {
    const int64_t n = plan.sort_size - carried;
    Launch(ScoreItems, Grid(n, kMergeThreads, a.n_queries), dim3(kMergeThreads), 0, stream, a, first, n, carried,
           plan.sort_size, keys);
    Sort(stream, keys, plan.sort_size, a.n_queries);
    first += n;
    carried = a.n;
  }
  Launch(WriteSorted, Grid(width, kMergeThreads, a.n_queries), dim3(kMergeThreads), 0, stream, keys, a.n,
         plan.sort_size, width, items, scores);
}

}  // namespace kindred::cuda
