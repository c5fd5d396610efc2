// The k largest entries of each row of a sparse product.
//
// Method: Gustavson's, a block a row of the result on a dense row of sums in global memory, in double. A block takes
// the row's entries one after the other, so that every sum has the defined order; its threads share the columns of the
// right factor's row, which are distinct, and a barrier ends each entry. The sums above 0 are then gathered as keys in
// increasing columns, a radix select finds the k-th, and what is not below it is written in that order. Blocks draw
// rows, the longest first, until there are no more.
// Predicted, not yet measured on a GPU. Bytes: 8 an entry added, and 16 for its sum, which the second cache would hold
// where n_cols times 8 times the blocks fit; 16 n_cols a row for reading and clearing its sums, 8 to 72 for each of
// them that is not 0. What a row should wait for is a round trip to the cache for each of its entries. Flops are few.
#include <algorithm>

#include "kernels/cuda/als.h"
#include "kernels/cuda/top_n_kernels.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;
constexpr int64_t kBlocksOfOne = 8;  // of a multiprocessor
constexpr int64_t kMostBytes = int64_t{2} << 30;

struct TopKArguments {
  AlsArguments left, right;  // indptr, indices and weights; of the left also its order and first entry
  const float* column_scale = nullptr;
  bool skip_diagonal = false;
  int64_t n_rows = 0;  // of the tile
  int64_t n_cols = 0, k = 0;
  unsigned* n_drawn = nullptr;         // rows of the tile that blocks have taken
  double* sums = nullptr;              // [blocks x n_cols], all 0 between rows
  unsigned long long* keys = nullptr;  // [blocks x n_cols]
  int32_t* items = nullptr;
  float* values = nullptr;
};

/// Adds the products of a row's entries to the block's sums. Ends with a barrier, unless there are none.
__device__ void AddRow(const TopKArguments& a, int64_t row, double* sums) {
  KINDRED_SHARED(int64_t, begins, kThreads);
  KINDRED_SHARED(int64_t, ends, kThreads);
  KINDRED_SHARED(float, weights, kThreads);
  const int t = static_cast<int>(threadIdx.x);
  const int64_t begin = a.left.indptr[row] - a.left.first_entry, end = a.left.indptr[row + 1] - a.left.first_entry;
  for (int64_t first = begin; first < end; first += kThreads) {
    if (first + t < end) {
      const int64_t inner = a.left.indices[first + t];
      begins[t] = a.right.indptr[inner];
      ends[t] = a.right.indptr[inner + 1];
      weights[t] = a.left.weights[first + t];
    }
    __syncthreads();
    const int n = static_cast<int>(min(static_cast<int64_t>(kThreads), end - first));
    for (int e = 0; e < n; ++e) {
      const double by = weights[e];
      for (int64_t at = begins[e] + t; at < ends[e]; at += kThreads)
        sums[a.right.indices[at]] += by * static_cast<double>(a.right.weights[at]);
      __syncthreads();
    }
  }
}

/// The place of each thread that has something, after `filled`, in the order of threads; `filled` grows by their
/// number. `counts` holds kWarps, and is not to be that of the call before.
__device__ int64_t TakePlace(bool has, int64_t& filled, int* counts) {
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  const unsigned mask = __ballot_sync(kAllLanes, has);
  if (lane == 0) counts[warp] = __popc(mask);
  __syncthreads();
  int64_t place = filled + __popc(mask & ((1u << lane) - 1));
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) place += counts[w];
    filled += counts[w];
  }
  return place;
}

/// The values above 0 as keys, in increasing columns; the sums become 0. Returns how many there are.
__device__ int64_t GatherKeys(const TopKArguments& a, int64_t row, double* sums, unsigned long long* keys,
                              int* counts) {
  int64_t filled = 0;
  for (int64_t first = 0; first < a.n_cols; first += kThreads) {
    const int64_t column = first + threadIdx.x;
    unsigned long long key = 0;
    if (column < a.n_cols && sums[column] != 0) {
      const double scale = a.column_scale == nullptr ? 1 : a.column_scale[column];
      const auto value = static_cast<float>(scale * sums[column]);
      sums[column] = 0;
      if (value > 0 && !(a.skip_diagonal && column == row)) key = RankKey(value, static_cast<unsigned>(column));
    }
    const int64_t place = TakePlace(key != 0, filled, counts + first / kThreads % 2 * kWarps);
    if (key != 0) keys[place] = key;
  }
  return filled;
}

__global__ void __launch_bounds__(kThreads) MultiplyTopK(TopKArguments a) {
  KINDRED_SHARED(int, histogram, 256);
  KINDRED_SHARED(int, counts, 2 * kWarps);
  KINDRED_SHARED(unsigned, drawn, 1);
  const int t = static_cast<int>(threadIdx.x);
  double* const sums = a.sums + blockIdx.x * a.n_cols;
  unsigned long long* const keys = a.keys + blockIdx.x * a.n_cols;
  while (true) {
    if (t == 0) drawn[0] = atomicAdd(a.n_drawn, 1u);
    __syncthreads();
    if (drawn[0] >= a.n_rows) return;
    const int64_t row = a.left.order[drawn[0]];
    AddRow(a, row, sums);
    const int64_t n = GatherKeys(a, row, sums, keys, counts);
    __syncthreads();
    unsigned long long least = 1;
    if (n > a.k) {
      const auto visit = [=](const auto& call) {
        for (int64_t i = t; i < n; i += kThreads) call(keys[i]);
      };
      least = NthLargest<false>(visit, a.k, 0, histogram);
    }
    int64_t filled = 0;
    int parity = 0;
    for (int64_t first = 0; first < n; first += kThreads, parity ^= 1) {
      const unsigned long long key = first + t < n ? keys[first + t] : 0;
      const int64_t place = TakePlace(key >= least, filled, counts + parity * kWarps);
      if (key < least) continue;
      a.items[row * a.k + place] = KeyItem(key);
      a.values[row * a.k + place] = KeyScore(key);
    }
    for (int64_t i = filled + t; i < a.k; i += kThreads) {
      a.items[row * a.k + i] = -1;
      a.values[row * a.k + i] = 0;
    }
  }
}

}  // namespace

void CudaBackend::MultiplySparseTopK(Context& context, const SparseTopK& request) {
  RequireSparseTopKShapes(request);
  const auto& left = static_cast<const CudaSparseRows&>(*request.left);
  const auto& right = static_cast<const CudaSparseRows&>(*request.right);
  Require(!right.streamed(), "sparse top-k: the right factor is not resident");
  if (request.items.size() == 0) return;
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();

  TopKArguments a;
  a.column_scale = request.column_scale.empty() ? nullptr : request.column_scale.data;
  a.skip_diagonal = request.skip_diagonal;
  a.n_cols = right.n_cols();
  a.k = request.items.n_cols;
  a.items = request.items.data;
  a.values = request.values.data;
  right.Point(a.right);
  if (!left.streamed()) left.Point(a.left);

  // Any number of blocks gives the same answer.
  const int64_t block_bytes = std::max<int64_t>(a.n_cols, 1) * 16;
  const int64_t n_blocks = std::clamp<int64_t>(std::min(kMostBytes, FreeMemory() / 4) / block_bytes, 1,
                                               std::min(facts_.n_multiprocessors * kBlocksOfOne, left.n_rows()));
  const int64_t slot_bytes = Arena::Bytes<char>(left.slot_bytes());
  Arena arena(cuda.Reserve(Arena::Bytes<unsigned>(1) + 2 * Arena::Bytes<double>(n_blocks * a.n_cols) + slot_bytes));
  a.n_drawn = arena.Take<unsigned>(1);
  a.sums = arena.Take<double>(n_blocks * a.n_cols);
  a.keys = arena.Take<unsigned long long>(n_blocks * a.n_cols);
  char* slot = arena.Take<char>(slot_bytes);
  stream.Zero(a.sums, n_blocks * a.n_cols * static_cast<int64_t>(sizeof(double)));
  for (const auto& tile : left.tiles()) {
    if (left.streamed()) left.Copy(tile, stream, slot, a.left);
    stream.Zero(a.n_drawn, sizeof(unsigned));
    a.n_rows = tile.end_row - tile.first_row;
    Launch(MultiplyTopK, dim3(static_cast<unsigned>(std::min(n_blocks, a.n_rows))), dim3(kThreads), 0, stream.handle(),
           a);
  }
}

}  // namespace kindred::cuda
