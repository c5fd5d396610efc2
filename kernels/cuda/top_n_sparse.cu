// The item-item part of the top-N: what the histories touch is scored by the definition.
//
// Method: a block a query and split of the range, 4096 items at a time. The rows of S of the query's history are cut to
// those items by a search a thread; then the block adds row after row to sums in shared memory, with a barrier between,
// so that each sum is made in double in the order of the history, without atomics. What is touched gets its bit, which
// keeps the scan off it. A touched item whose sum and norm cannot bring it to the n-th best is dropped; the others are
// scored and appended to the list of the scan's block of the same split, which starts with the n best of them.
// Bytes: 8 for each entry of the rows, a bit for each query and item, f floats for each item that is scored. Beside
// them two binary searches for each row and 4096 items, of log2 of the row's length reads each, which wait for one
// another: for rows of few entries these are most of the time. Not yet measured on a GPU.
#include "kernels/cuda/top_n_kernels.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kSumItems = 4096;  // whose sums are in shared memory at once
constexpr int kSumWords = kSumItems / 32;

/// A block's query in shared memory.
struct Shared {
  double* sums;       // [kSumItems]
  unsigned* touched;  // [kSumWords]
  int64_t* begins;    // [kThreads] of the entries that rows of S have among the items
  int64_t* ends;      // [kThreads]
  float* weights;     // [kThreads] of these rows
  float* threshold;   // [1] n items are known to score at least this
  int* place;         // [1] where the list's next candidate goes
  int* histogram;     // [256]
};

/// The sums of the items [first, last), and which of them are touched, for every thread to read. By the whole block,
/// after a barrier.
__device__ void SumRows(const TopNArguments& a, const Shared& shared, int64_t query, int64_t first, int64_t last) {
  const int t = static_cast<int>(threadIdx.x);
  for (int i = t; i < kSumItems; i += kThreads) shared.sums[i] = 0;
  if (t < kSumWords) shared.touched[t] = 0;
  const int64_t end = a.history_indptr[query + 1];
  int64_t base = a.history_indptr[query];
  do {
    const int n_rows = static_cast<int>(min(end - base, int64_t{kThreads}));
    if (t < n_rows) {
      const int64_t row = a.history_items[base + t], row_end = a.row_indptr[row + 1];
      shared.begins[t] = LowerBound(a.row_items, a.row_indptr[row], row_end, first);
      shared.ends[t] = LowerBound(a.row_items, shared.begins[t], row_end, last);
      shared.weights[t] = a.history_weights[base + t];
    }
    __syncthreads();
    for (int r = 0; r < n_rows; ++r) {
      const int64_t row_end = shared.ends[r];
      if (shared.begins[r] == row_end) continue;
      for (int64_t e = shared.begins[r] + t; e < row_end; e += kThreads) {
        const auto i = static_cast<int>(a.row_items[e] - first);
        shared.sums[i] += static_cast<double>(shared.weights[r]) * static_cast<double>(a.row_values[e]);
        atomicOr(&shared.touched[i >> 5], 1u << (i & 31));
      }
      __syncthreads();  // the next row comes after this one in every sum
    }
    base += kThreads;
    if (base < end) __syncthreads();  // every thread has seen the last rows before others are found
  } while (base < end);
}

/// Scores what a list has from the scans of other ranges, keeps the n best, and lets the other splits know the n-th
/// score. Returns how many are left. By the whole block, after a barrier; ends with one.
__device__ int KeepBest(const TopNArguments& a, const Shared& shared, int64_t query, Candidate* list, int filled) {
  const int t = static_cast<int>(threadIdx.x);
  for (int i = t; i < filled; i += kThreads)  // the thread that reads it again
    if ((list[i].item & kExact) == 0) list[i] = {DefinedScore(a, query, list[i].item), list[i].item | kExact};
  unsigned long long nth = 1;  // of what is a number
  if (filled >= a.n) {
    const auto visit = [=](const auto& call) {
      for (int i = t; i < filled; i += kThreads) call(KeyOf(list[i]));
    };
    nth = max(nth, NthLargest<false>(visit, a.n, 0, shared.histogram));
  }
  if (t == 0) {
    shared.place[0] = 0;
    if (nth > 1) {
      shared.threshold[0] = max(shared.threshold[0], KeyScore(nth));
      atomicMax(&a.thresholds[query], Ordered(shared.threshold[0]));
    }
  }
  for (int base = 0; base < filled; base += kThreads) {
    Candidate candidate = {0, 0};
    if (base + t < filled) candidate = list[base + t];
    __syncthreads();  // every thread has read before one writes
    if (base + t < filled && KeyOf(candidate) >= nth) list[atomicAdd(&shared.place[0], 1)] = candidate;
  }
  __syncthreads();
  const int kept = shared.place[0];
  __syncthreads();
  return kept;
}

/// Appends the touched items from `first` on that may be among the n best to the list, which has `filled`; returns how
/// many it has then. By the whole block, after a barrier; ends with one.
__device__ int AppendTouched(const TopNArguments& a, const Shared& shared, int64_t query, int64_t first,
                             Candidate* list, int filled) {
  const int t = static_cast<int>(threadIdx.x);
  for (int base = 0; base < kSumItems; base += kThreads) {
    if (filled > a.capacity - kThreads) filled = KeepBest(a, shared, query, list, filled);
    const float threshold = shared.threshold[0];
    const int i = base + t;
    const int64_t item = first + i;
    bool taken = false;
    if ((shared.touched[i >> 5] >> (i & 31) & 1) != 0) {
      // |query . y| <= |q||y|, and what rounds the sum to the score never falls.
      const double most = static_cast<double>(a.query_norms[query]) * static_cast<double>(a.tile_norms[item / kTile]);
      if (!(static_cast<float>(shared.sums[i] + most) < threshold) && !IsExcluded(a, query, item)) {
        const float score = DefinedScore(a, query, item, shared.sums[i]);
        taken = score >= threshold;  // NaN is not
        if (taken) list[atomicAdd(&shared.place[0], 1)] = {score, static_cast<uint32_t>(item) | kExact};
      }
    }
    filled += __syncthreads_count(taken);
  }
  return filled;
}

/// Marks, scores and lists what a query's history touches of one split of the range.
__global__ void __launch_bounds__(kThreads) ScoreTouched(TopNArguments a) {
  KINDRED_SHARED(double, sums, kSumItems);
  KINDRED_SHARED(unsigned, touched, kSumWords);
  KINDRED_SHARED(int64_t, begins, kThreads);
  KINDRED_SHARED(int64_t, ends, kThreads);
  KINDRED_SHARED(float, weights, kThreads);
  KINDRED_SHARED(float, threshold, 1);
  KINDRED_SHARED(int, place, 1);
  KINDRED_SHARED(int, histogram, 256);
  const Shared shared = {sums, touched, begins, ends, weights, threshold, place, histogram};
  const int t = static_cast<int>(threadIdx.x);
  const int64_t query = blockIdx.x, split = blockIdx.y;
  const int64_t range = a.first_tile * kTile;
  const int64_t begin = range + a.n_tiles * split / a.n_splits * kTile,
                end = range + a.n_tiles * (split + 1) / a.n_splits * kTile;
  Candidate* const list = a.lists + (query * a.n_splits + split) * a.capacity;
  if (a.history_indptr[query] == a.history_indptr[query + 1]) {  // touches nothing
    unsigned* const words = a.touched + query * a.n_tiles * kTile / 32;
    for (int64_t word = (begin - range) / 32 + t; word < (end - range) / 32; word += kThreads) words[word] = 0;
    return;
  }
  const int known = a.counts[query * a.n_splits + split];
  int filled = known;
  if (t == 0) place[0] = filled;
  for (int64_t first = begin; first < end; first += kSumItems) {
    const int64_t last = min(first + kSumItems, end);
    if (t == 0) threshold[0] = FromOrdered(atomicMax(&a.thresholds[query], 0u));
    SumRows(a, shared, query, first, last);
    const bool marks = t * 32 < last - first;
    if (marks) a.touched[(query * a.n_tiles * kTile + first - range) / 32 + t] = touched[t];
    if (!__syncthreads_or(marks && touched[t] != 0)) continue;
    filled = AppendTouched(a, shared, query, first, list, filled);
  }
  if (filled != known && filled >= a.n) filled = KeepBest(a, shared, query, list, filled);
  if (t == 0) a.counts[query * a.n_splits + split] = filled;
}

}  // namespace

void LaunchTouched(StreamHandle stream, const TopNArguments& a) {
  Launch(ScoreTouched, dim3(static_cast<unsigned>(a.n_queries), static_cast<unsigned>(a.n_splits)), dim3(kThreads), 0,
         stream, a);
}

}  // namespace kindred::cuda
