// Top-N: a scan in bf16 on tensor cores whose error is bounded, then the defined score for what the bound leaves.
//
// Method: a block holds 64 queries against tiles of 64 items; the score matrix lives in registers. bf16 rounds with
// u = 2^-9, so |scan - q.y| <= (2^-8 + 2^-18 + c f 2^-22) |q||y| (c covers accumulators that truncate). An item goes
// to its query's list unless its upper bound is below the n-th largest lower bound seen; excluded items never enter.
// A full list is cut down to what the bounds leave; a query whose list stays full (thousands of ties) is answered by
// scoring every item by the definition. What is left is scored by the definition and sorted. Appending is in no
// fixed order, but only items that are provably out are dropped, so the answer does not depend on it.
// Bytes to move: the items' bf16 copy once for every 64 queries. Not measured on a GPU yet.
#include <algorithm>
#include <cmath>

#include "kernels/cuda/backend.h"
#include "kernels/cuda/block.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kTile = 64, kPanelWords = 32, kStride = kPanelWords + 4, kScanThreads = 128;
constexpr int64_t kWaveBlocks = 256;  // lists of so many blocks at once

struct Candidate {
  float lower, upper;
  int32_t item;
};

class CudaItemIndex : public ItemIndex {
 public:
  CudaItemIndex(MatrixView<const float> factors_in)
      : ItemIndex(factors_in.n_rows, factors_in.n_cols),
        factors(factors_in.data),
        words((factors_in.n_cols + 2 * kPanelWords - 1) / (2 * kPanelWords) * kPanelWords),
        n_tiles((factors_in.n_rows + kTile - 1) / kTile),
        bf16(n_tiles * kTile * words * 4),
        norms(n_tiles * 4) {}

  const float* factors;
  int64_t words;  // of a packed row: two factors each, padded with zeros
  int64_t n_tiles;
  DeviceMemory bf16;   // [n_tiles * kTile x words]
  DeviceMemory norms;  // [n_tiles] at least the largest |y| of each tile
};

// Rows packed to bf16, and at least the largest |row| of each group of `group` rows. One block a group.
__global__ void Pack(const float* rows, int64_t n_rows, int64_t f, int64_t words, int group, uint32_t* packed,
                     float* norms) {
  KINDRED_SHARED(float, largest, 32);
  const int64_t first = static_cast<int64_t>(blockIdx.x) * group;
  for (int64_t e = threadIdx.x; e < group * words; e += blockDim.x) {
    const int64_t row = first + e / words, k = e % words * 2;
    const float low = row < n_rows && k < f ? rows[row * f + k] : 0.0f;
    const float high = row < n_rows && k + 1 < f ? rows[row * f + k + 1] : 0.0f;
    packed[row * words + e % words] = PackBf16(low, high);
  }
  float norm = 0;
  for (int64_t row = first + threadIdx.x; row < first + group && row < n_rows; row += blockDim.x) {
    double sum = 0;
    for (int64_t k = 0; k < f; ++k) sum += static_cast<double>(rows[row * f + k]) * rows[row * f + k];
    const float size = sum * 0 == 0 ? static_cast<float>(sqrt(sum)) * 1.000001f : INFINITY;
    norm = size > norm ? size : norm;
  }
  for (int offset = 16; offset > 0; offset >>= 1) {
    const float other = __shfl_xor_sync(kAllLanes, norm, offset);
    norm = other > norm ? other : norm;
  }
  if ((threadIdx.x & 31) == 0) largest[threadIdx.x >> 5] = norm;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (unsigned w = 1; w < blockDim.x / 32; ++w) norm = largest[w] > norm ? largest[w] : norm;
  norms[blockIdx.x] = norm;
}

// The definition (kernels/backend.h).
__device__ float DefinedScore(const float* query, const float* item, int64_t f) {
  double sum = 0;
  for (int64_t k = 0; k < f; ++k) sum += static_cast<double>(query[k]) * static_cast<double>(item[k]);
  return static_cast<float>(sum) + 0.0f;
}

struct ScanArguments {
  const float* queries;
  const uint32_t* packed_queries;
  const float* query_norms;
  const float* items;
  const uint32_t* packed_items;
  const float* tile_norms;
  const int64_t* excluded_indptr;  // or null
  const int32_t* excluded_items;
  int64_t n_queries, n_items, f, words, n_tiles, n_splits, first_query_tile;
  int n, capacity;
  Candidate* lists;          // [blocks, kTile, capacity]
  unsigned long long* keys;  // out: [n_queries, n_splits, n]
  int* overflowed;           // out: [n_queries]
};

__device__ bool IsExcluded(const ScanArguments& a, int64_t query, int32_t item) {
  if (a.excluded_indptr == nullptr) return false;
  int64_t low = a.excluded_indptr[query], high = a.excluded_indptr[query + 1];
  const int64_t end = high;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (a.excluded_items[middle] < item) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < end && a.excluded_items[low] == item;
}

// The largest lower bounds of a list, sorted: raises the threshold to the n-th, and drops what is below it.
// By the whole block; returns the new count.
__device__ int Shrink(Candidate* list, int count, int n, int capacity, unsigned long long* keys, float* threshold,
                      int* shared_count) {
  for (int i = static_cast<int>(threadIdx.x); i < capacity; i += kScanThreads)
    keys[i] = i < count ? RankKey(list[i].lower, 0) : 0;
  __syncthreads();
  BlockSortDescending(keys, capacity);
  if (threadIdx.x < 32) {
    const int lane = static_cast<int>(threadIdx.x);
    float bound = *threshold;
    if (count >= n && keys[n - 1] != 0) {
      const float nth = KeyScore(keys[n - 1]);
      bound = nth > bound ? nth : bound;
    }
    int kept = 0;
    for (int base = 0; base < count; base += 32) {
      Candidate candidate = {0, 0, 0};
      if (base + lane < count) candidate = list[base + lane];
      const bool keep = base + lane < count && !(candidate.upper < bound);
      const unsigned ballot = __ballot_sync(kAllLanes, keep);
      __syncwarp();  // every lane has read before one writes
      if (keep) list[kept + __popc(ballot & ((1u << lane) - 1))] = candidate;
      kept += __popc(ballot);
      __syncwarp();
    }
    __syncwarp();
    if (lane == 0) {
      *threshold = bound;
      *shared_count = kept;
    }
  }
  __syncthreads();
  return *shared_count;
}

// One panel of packed rows [kTile x kPanelWords] to shared memory.
__device__ void LoadPanel(const uint32_t* packed, int64_t first_row, int64_t words, int64_t panel, uint32_t* to) {
  for (int e = static_cast<int>(threadIdx.x); e < kTile * kPanelWords / 4; e += kScanThreads) {
    const int row = e / (kPanelWords / 4), word = e % (kPanelWords / 4) * 4;
    CopyAsync16(to + row * kStride + word, packed + (first_row + row) * words + panel + word);
  }
}

// One block: 64 queries against one split of the item tiles.
__global__ void __launch_bounds__(kScanThreads, 4) ScanTopN(ScanArguments a) {
  KINDRED_DYNAMIC_SHARED(unsigned long long, keys);  // capacity
  KINDRED_SHARED(uint32_t, query_panel, kTile * kStride);
  KINDRED_SHARED(uint32_t, item_panel, kTile * kStride);
  KINDRED_SHARED(float, thresholds, kTile);
  KINDRED_SHARED(int, counts, kTile);
  const int t = static_cast<int>(threadIdx.x), lane = t & 31, warp = t >> 5, group = lane >> 2, quad = lane & 3;
  const int64_t split = blockIdx.y, first_query = (a.first_query_tile + blockIdx.x) * kTile;
  Candidate* lists = a.lists + (static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x) * kTile * a.capacity;
  const float slack = 0x1.02p-8f + static_cast<float>(a.f) * 0x1p-21f;
  if (t < kTile) {
    thresholds[t] = -INFINITY;
    counts[t] = 0;
  }
  __syncthreads();

  for (int64_t tile = a.n_tiles * split / a.n_splits; tile < a.n_tiles * (split + 1) / a.n_splits; ++tile) {
    float sums[8][4] = {};
    for (int64_t panel = 0; panel < a.words; panel += kPanelWords) {
      LoadPanel(a.packed_queries, first_query, a.words, panel, query_panel);
      LoadPanel(a.packed_items, tile * kTile, a.words, panel, item_panel);
      CommitCopies();
      WaitForCopies<0>();
      __syncthreads();
      for (int k = 0; k < kPanelWords; k += 8) {
        uint32_t left[4];
#pragma unroll
        for (int r = 0; r < 4; ++r)
          left[r] = query_panel[(warp * 16 + group + (r & 1) * 8) * kStride + k + quad + (r >> 1) * 4];
#pragma unroll
        for (int j = 0; j < 8; ++j) {
          const uint32_t right[2] = {item_panel[(j * 8 + group) * kStride + k + quad],
                                     item_panel[(j * 8 + group) * kStride + k + quad + 4]};
          MmaBf16(sums[j], left, right);
        }
      }
      __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const int q = warp * 16 + group + (r >> 1) * 8;
      const int64_t query = first_query + q;
      if (query >= a.n_queries) continue;
      const float error = slack * a.query_norms[query] * a.tile_norms[tile] + static_cast<float>(a.f) * 0x1p-120f;
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        const int64_t item = tile * kTile + j * 8 + quad * 2 + (r & 1);
        const float upper = sums[j][r] + error;
        if (item >= a.n_items || upper < thresholds[q] || IsExcluded(a, query, static_cast<int32_t>(item))) continue;
        lists[q * a.capacity + atomicAdd(&counts[q], 1)] = {sums[j][r] - error, upper, static_cast<int32_t>(item)};
      }
    }
    __syncthreads();
    for (int q = 0; q < kTile; ++q) {
      if (counts[q] <= a.capacity - kTile) continue;
      const int left = Shrink(lists + q * a.capacity, counts[q], a.n, a.capacity, keys, &thresholds[q], &counts[q]);
      if (left > a.capacity - kTile) {
        __syncthreads();
        if (t == 0) {
          atomicExch(&a.overflowed[first_query + q], 1);
          thresholds[q] = INFINITY;
          counts[q] = 0;
        }
        __syncthreads();
      }
    }
  }

  for (int q = 0; q < kTile && first_query + q < a.n_queries; ++q) {
    Candidate* list = lists + q * a.capacity;
    const int count = Shrink(list, counts[q], a.n, a.capacity, keys, &thresholds[q], &counts[q]);
    const float* query = a.queries + (first_query + q) * a.f;
    for (int i = t; i < a.capacity; i += kScanThreads)
      keys[i] = i < count ? RankKey(DefinedScore(query, a.items + list[i].item * a.f, a.f),
                                    static_cast<unsigned>(list[i].item))
                          : 0;
    __syncthreads();
    BlockSortDescending(keys, a.capacity);
    for (int i = t; i < a.n; i += kScanThreads) a.keys[((first_query + q) * a.n_splits + split) * a.n + i] = keys[i];
    __syncthreads();
  }
}

// Keeps the n best of `keys` [capacity] in its first n places. By the whole block.
__device__ void KeepBest(unsigned long long* keys, int capacity) {
  __syncthreads();
  BlockSortDescending(keys, capacity);
}

__device__ void WriteBest(const unsigned long long* keys, int n, int64_t query, int64_t width, int32_t* items,
                          float* scores) {
  for (int64_t place = threadIdx.x; place < width; place += blockDim.x) {
    const bool filled = place < n && keys[place] != 0;
    items[query * width + place] = filled ? KeyItem(keys[place]) : -1;
    scores[query * width + place] = filled ? KeyScore(keys[place]) : 0.0f;
  }
}

// The best of all splits; for a query whose list overflowed, of every item by the definition. One block a query.
__global__ void MergeTopN(ScanArguments a, int64_t width, int32_t* items, float* scores) {
  KINDRED_DYNAMIC_SHARED(unsigned long long, keys);  // capacity >= 2 n
  const int64_t query = blockIdx.x;
  const bool every_item = a.overflowed[query] != 0;
  const int64_t n_keys = every_item ? a.n_items : a.n_splits * a.n;
  for (int i = static_cast<int>(threadIdx.x); i < a.n; i += static_cast<int>(blockDim.x)) keys[i] = 0;
  for (int64_t first = 0; first < n_keys; first += a.capacity - a.n) {
    for (int64_t i = threadIdx.x; i < a.capacity - a.n; i += blockDim.x) {
      const int64_t at = first + i;
      unsigned long long key = 0;
      if (at < n_keys && !every_item) key = a.keys[query * a.n_splits * a.n + at];
      if (at < n_keys && every_item && !IsExcluded(a, query, static_cast<int32_t>(at)))
        key = RankKey(DefinedScore(a.queries + query * a.f, a.items + at * a.f, a.f), static_cast<unsigned>(at));
      keys[a.n + i] = key;
    }
    KeepBest(keys, a.capacity);
  }
  __syncthreads();
  WriteBest(keys, a.n, query, width, items, scores);
}

int64_t Capacity(int64_t n) {
  int64_t capacity = 256;
  while (capacity < 2 * n + 2 * kTile) capacity *= 2;
  return capacity;
}

}  // namespace

std::unique_ptr<ItemIndex> CudaBackend::NewItemIndex(Context& context, MatrixView<const float> item_factors) {
  Require(item_factors.n_rows <= INT32_MAX, "item index: more than 2^31 - 1 items");
  auto index = std::make_unique<CudaItemIndex>(item_factors);
  if (index->n_tiles > 0)
    Launch(Pack, dim3(static_cast<unsigned>(index->n_tiles)), dim3(128), 0,
           static_cast<CudaContext&>(context).stream().handle(), item_factors.data, item_factors.n_rows,
           item_factors.n_cols, index->words, kTile, index->bf16.as<uint32_t>(), index->norms.as<float>());
  return index;
}

void CudaBackend::TopN(Context& context, const ItemIndex& item_index, const TopNRequest& request) {
  RequireTopNShapes(item_index, request);
  const auto& index = static_cast<const CudaItemIndex&>(item_index);
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  const int64_t n_queries = request.queries.n_rows, width = request.items.n_cols;
  const int64_t n = std::min(width, index.n_items());
  if (n_queries == 0 || width == 0) return;
  const int64_t capacity = Capacity(n);
  Require(capacity * 8 + 24 * 1024 <= facts_.shared_bytes,
          "top-N: n is larger than this device's shared memory allows");

  const int64_t n_query_tiles = (n_queries + kTile - 1) / kTile;
  const int64_t n_splits =
      std::clamp<int64_t>(kWaveBlocks / n_query_tiles, 1, std::max<int64_t>(1, index.n_tiles / 16));
  const int64_t wave = std::max<int64_t>(1, std::min(n_query_tiles, kWaveBlocks / n_splits));
  char* memory = cuda.Reserve(n_queries * n_splits * n * 8 + n_query_tiles * kTile * (index.words * 4 + 8) +
                              wave * n_splits * kTile * capacity * static_cast<int64_t>(sizeof(Candidate)) + 1024);
  const auto take = [&](int64_t bytes) {
    char* taken = memory;
    memory += (bytes + 255) / 256 * 256;
    return taken;
  };
  ScanArguments a;
  a.queries = request.queries.data;
  a.items = index.factors;
  a.packed_items = index.bf16.as<uint32_t>();
  a.tile_norms = index.norms.as<float>();
  a.excluded_indptr = request.excluded_indptr.empty() ? nullptr : request.excluded_indptr.data;
  a.excluded_items = request.excluded_items.data;
  a.n_queries = n_queries;
  a.n_items = index.n_items();
  a.f = index.n_factors();
  a.words = index.words;
  a.n_tiles = index.n_tiles;
  a.n_splits = n_splits;
  a.n = static_cast<int>(n);
  a.capacity = static_cast<int>(capacity);
  auto* packed_queries = reinterpret_cast<uint32_t*>(take(n_query_tiles * kTile * index.words * 4));
  a.packed_queries = packed_queries;
  auto* query_norms = reinterpret_cast<float*>(take(n_query_tiles * kTile * 4));
  a.query_norms = query_norms;
  a.overflowed = reinterpret_cast<int*>(take(n_queries * 4));
  a.keys = reinterpret_cast<unsigned long long*>(take(n_queries * n_splits * n * 8));
  a.lists = reinterpret_cast<Candidate*>(take(0));
  stream.Zero(a.overflowed, n_queries * 4);
  Launch(Pack, dim3(static_cast<unsigned>(n_query_tiles * kTile)), dim3(32), 0, stream.handle(), a.queries, n_queries,
         a.f, a.words, 1, packed_queries, query_norms);
  const size_t shared = static_cast<size_t>(capacity) * 8;
  for (int64_t tile = 0; n > 0 && tile < n_query_tiles; tile += wave) {
    a.first_query_tile = tile;
    const dim3 blocks(static_cast<unsigned>(std::min(wave, n_query_tiles - tile)), static_cast<unsigned>(n_splits));
    Launch(ScanTopN, blocks, dim3(kScanThreads), shared, stream.handle(), a);
  }
  Launch(MergeTopN, dim3(static_cast<unsigned>(n_queries)), dim3(256), shared, stream.handle(), a, width,
         request.items.data, request.scores.data);
}

}  // namespace kindred::cuda
