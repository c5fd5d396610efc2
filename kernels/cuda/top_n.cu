// Top-N: a scan in bf16 on tensor cores whose error is bounded, then the defined score for what the bound leaves.
//
// Method: an item goes to its query's list unless its upper bound is below the n-th largest lower bound seen; a list
// that fills up is cut down to what the bounds leave (top_n_scan.cu); what is left in the end is scored by the
// definition and sorted (top_n_merge.cu). Only items that are provably out are dropped, so that neither the order of
// appending nor the cuts into splits, waves and ranges have any part in the answer. The score matrix is never written.
// With histories, the items that they touch come first: they are scored by the definition (top_n_sparse.cu), and the
// scan leaves them out, so that its bound is that of the factors alone.
// Bytes to move: the items' bf16 copy once for every 128 queries; of lists, 8 for each candidate, of which a query has
// about n ln(n_items / n), and a few times that at a time in each split; flops: 2 f a score.
// Measured before histories: bench/results/gpu_h200.md; with them not yet on a GPU.
#include "kernels/cuda/top_n.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "kernels/cuda/backend.h"
#include "kernels/cuda/top_n_kernels.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int64_t kAlignment = 256;
constexpr int kPackThreads = 256;
constexpr int64_t kTouchedBytes = kTile / 8;  // a query's of a tile

int64_t RoundUp(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

int64_t PowerOfTwo(int64_t at_least) {
  return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(at_least)));
}

/// Rows packed to bf16 in pairs, zeros after their end, and at least the norm of each row, or the largest of each
/// kTile rows. One block of kPackThreads for each kTile rows, a warp a row.
__global__ void __launch_bounds__(kPackThreads)
    Pack(const float* rows, int64_t first_row, int64_t n_rows, int64_t f, int64_t words, uint32_t* packed,
         float* row_norms, float* tile_norms) {
  KINDRED_SHARED(float, largest, kPackThreads / 32);
  const int lane = static_cast<int>(threadIdx.x) & 31, warp = static_cast<int>(threadIdx.x) >> 5;
  float of_tile = 0;
  for (int r = warp; r < kTile; r += kPackThreads / 32) {
    const int64_t at = static_cast<int64_t>(blockIdx.x) * kTile + r, row = first_row + at;
    double sum = 0;
    for (int64_t w = lane; w < words; w += 32) {
      const float low = row < n_rows && 2 * w < f ? rows[row * f + 2 * w] : 0.0f;
      const float high = row < n_rows && 2 * w + 1 < f ? rows[row * f + 2 * w + 1] : 0.0f;
      if (packed != nullptr) packed[at * words + w] = PackBf16(low, high);
      sum += static_cast<double>(low) * low + static_cast<double>(high) * high;
    }
    for (int offset = 16; offset > 0; offset >>= 1) sum += __shfl_xor_sync(kAllLanes, sum, offset);
    float norm = static_cast<float>(sqrt(sum)) * 1.000001f + 0x1p-126f;
    if (!(norm < 0x1p126f)) norm = INFINITY;  // an entry may round to infinity; or one is not finite
    if (lane == 0 && row_norms != nullptr) row_norms[at] = norm;
    of_tile = max(of_tile, norm);
  }
  if (tile_norms == nullptr) return;
  if (lane == 0) largest[warp] = of_tile;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (int w = 1; w < kPackThreads / 32; ++w) of_tile = max(of_tile, largest[w]);
  tile_norms[blockIdx.x] = of_tile;
}

void LaunchPack(StreamHandle stream, const float* rows, int64_t first_row, int64_t n_rows, int64_t n_tiles, int64_t f,
                int64_t words, uint32_t* packed, float* row_norms, float* tile_norms) {
  Launch(Pack, dim3(static_cast<unsigned>(n_tiles)), dim3(kPackThreads), 0, stream, rows, first_row, n_rows, f, words,
         packed, row_norms, tile_norms);
}

class CudaItemIndex : public ItemIndex {
 public:
  CudaItemIndex(MatrixView<const float> factors_in, const ItemItemView& item_item_in, const ItemIndexPlan& plan_in,
                int64_t first_item_in)
      : ItemIndex(factors_in.n_rows, factors_in.n_cols, !item_item_in.empty()),
        plan(plan_in),
        factors(factors_in.data),
        item_item(item_item_in),
        first_item(first_item_in),
        norms(plan_in.norm_bytes) {}

  ItemIndexPlan plan;
  const float* factors;
  ItemItemView item_item;
  int64_t first_item;  // a multiple of kTile
  DeviceMemory norms;  // [n_tiles] at least the largest |y| of each tile
  DeviceMemory copy;   // [n_tiles * kTile x words], or nothing
};

class CudaItemFilter : public ItemFilter {
 public:
  CudaItemFilter(const ItemIndex& index, int64_t n_eligible_in, std::span<const uint64_t> eligible, Stream& stream)
      : ItemFilter(index, n_eligible_in), bits(std::max<int64_t>(std::ssize(eligible), 1) * 8) {
    if (eligible.empty()) return;
    std::vector<uint64_t> of_items(eligible.begin(), eligible.end());
    if (index.n_items() % 64 != 0) of_items.back() &= (uint64_t{1} << index.n_items() % 64) - 1;
    stream.CopyToDevice(bits.data(), of_items.data(), std::ssize(of_items) * 8);
    stream.Synchronize();
  }

  DeviceMemory bits;
};

/// The parts of the workspace.
struct Workspace {
  int64_t packed_queries, query_norms, packed_items, touched, n_scanned, thresholds, counts, lists, sort_keys, bytes;
};

Workspace LayOut(const TopNPlan& plan, int64_t words, bool index_keeps_copy, bool has_histories) {
  Workspace at{};
  const auto take = [&at](int64_t bytes) {
    const int64_t offset = at.bytes;
    at.bytes += RoundUp(bytes, kAlignment);
    return offset;
  };
  if (plan.sorts_everything) {
    at.sort_keys = take(plan.wave_queries * plan.sort_size * 8);
    return at;
  }
  const int64_t wave = plan.wave_queries, padded = RoundUp(wave, kTile);
  at.packed_queries = take(padded * words * 4);
  at.query_norms = take(padded * 4);
  at.packed_items = take(index_keeps_copy ? 0 : plan.range_tiles * kTile * words * 4);
  at.touched = take(has_histories ? wave * plan.range_tiles * kTouchedBytes : 0);
  at.n_scanned = take(wave * 8);
  at.thresholds = take(wave * 4);
  at.counts = take(wave * plan.n_splits * 4);
  at.lists = take(wave * plan.n_splits * plan.capacity * static_cast<int64_t>(sizeof(Candidate)));
  return at;
}

/// The wave's size where each query takes `per_query` bytes of `budget`: whole tiles, all waves about alike.
int64_t Wave(int64_t n_queries, int64_t tile, int64_t per_query, int64_t budget) {
  const int64_t most = std::max(budget / per_query / tile * tile, tile);
  const int64_t n_waves = (n_queries + most - 1) / most;
  return RoundUp((n_queries + n_waves - 1) / n_waves, tile);
}

void PlanSort(TopNPlan& plan, int64_t n_queries, int64_t n_items, int64_t n, int64_t budget) {
  const int64_t all = std::max<int64_t>(PowerOfTwo(n_items), kSortTile);
  const int64_t fits = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(std::max<int64_t>(budget / 8, 1))));
  plan.sorts_everything = true;
  plan.sort_size = std::clamp(fits, std::min(all, PowerOfTwo(2 * n)), all);
  plan.wave_queries = std::min<int64_t>(Wave(n_queries, 1, plan.sort_size * 8, budget), 65535);
}

}  // namespace

ItemIndexPlan PlanItemIndex(int64_t n_items, int64_t n_factors, const TopNDevice& device) {
  RequireItemCount(n_items);
  ItemIndexPlan plan;
  plan.words = RoundUp(n_factors, 2 * kPanelWords) / 2;
  plan.n_tiles = (n_items + kTile - 1) / kTile;
  plan.copy_bytes = plan.n_tiles * kTile * plan.words * 4;
  plan.norm_bytes = plan.n_tiles * 4;
  plan.keeps_copy = plan.copy_bytes + plan.norm_bytes <= device.free_bytes / 4 * 3;
  return plan;
}

TopNPlan PlanTopN(int64_t n_queries, int64_t n_items, int64_t n_factors, int64_t n, bool index_keeps_copy,
                  bool has_histories, const TopNDevice& device) {
  const ItemIndexPlan index = PlanItemIndex(n_items, n_factors, device);
  const int64_t budget = std::min(int64_t{1} << 30, device.free_bytes / 4);
  n_queries = std::max<int64_t>(n_queries, 1);
  TopNPlan plan;
  if (n > kMaxScanN) {
    PlanSort(plan, n_queries, n_items, n, budget);
    plan.peak_bytes = LayOut(plan, index.words, index_keeps_copy, has_histories).bytes;
    return plan;
  }
  plan.query_tile = n_queries <= 16 ? 16 : 128;
  plan.resident = ScanSharedBytes(plan.query_tile, true, index.words) <= device.shared_bytes;
  plan.scan_shared_bytes = ScanSharedBytes(plan.query_tile, plan.resident, index.words);
  plan.capacity = 4 * n + 4 * kTile;
  plan.merge_capacity = PowerOfTwo(std::max(2 * n, n + kMergeThreads));

  const int64_t tile_bytes = kTile * index.words * 4;
  plan.range_tiles = index_keeps_copy
                         ? index.n_tiles
                         : std::clamp<int64_t>(budget / 2 / tile_bytes, 1, std::max<int64_t>(index.n_tiles, 1));
  if (has_histories)
    plan.range_tiles = std::min(plan.range_tiles, std::max<int64_t>(budget / 4 / (plan.query_tile * kTouchedBytes), 1));
  const int64_t left = budget - (index_keeps_copy ? 0 : plan.range_tiles * tile_bytes);
  const int64_t list_bytes = plan.capacity * static_cast<int64_t>(sizeof(Candidate)) + 4;
  const int64_t query_bytes = index.words * 4 + 16 + (has_histories ? plan.range_tiles * kTouchedBytes : 0);
  plan.wave_queries = Wave(n_queries, plan.query_tile, query_bytes + list_bytes, left);

  // Enough blocks for every multiprocessor, but splits long enough that their lists are short against them.
  const int64_t blocks_of_one =
      std::clamp<int64_t>(device.shared_bytes / (plan.scan_shared_bytes + 1024), 1, plan.query_tile == 16 ? 8 : 3);
  const int64_t blocks = device.n_multiprocessors * blocks_of_one;
  const int64_t most =
      std::min((left / plan.wave_queries - query_bytes) / list_bytes, plan.range_tiles / std::max<int64_t>(16, n / 2));
  plan.n_splits = std::clamp<int64_t>(blocks / (plan.wave_queries / plan.query_tile), 1, std::max<int64_t>(most, 1));
  plan.peak_bytes = LayOut(plan, index.words, index_keeps_copy, has_histories).bytes;
  return plan;
}

std::unique_ptr<ItemIndex> NewItemIndexFor(Context& context, MatrixView<const float> item_factors,
                                           const ItemItemView& item_item, const TopNDevice& device,
                                           int64_t first_item) {
  RequireItemIndexShapes(item_factors, item_item);
  const ItemIndexPlan plan = PlanItemIndex(item_factors.n_rows, item_factors.n_cols, device);
  auto index = std::make_unique<CudaItemIndex>(item_factors, item_item, plan, first_item / kTile * kTile);
  const int64_t first_tile = index->first_item / kTile;
  if (plan.keeps_copy) index->copy = DeviceMemory(plan.copy_bytes);
  if (first_tile < plan.n_tiles)
    LaunchPack(static_cast<CudaContext&>(context).stream().handle(), item_factors.data, index->first_item,
               item_factors.n_rows, plan.n_tiles - first_tile, item_factors.n_cols, plan.words,
               plan.keeps_copy ? index->copy.as<uint32_t>() + index->first_item * plan.words : nullptr, nullptr,
               index->norms.as<float>() + first_tile);
  return index;
}

namespace {

/// The scan of one wave over all ranges, and its merge.
void ScanWave(CudaContext& context, const CudaItemIndex& index, const TopNPlan& plan, TopNArguments a, char* memory,
              MatrixView<int32_t> items, MatrixView<float> scores) {
  Stream& stream = context.stream();
  const Workspace at = LayOut(plan, a.words, index.plan.keeps_copy, a.history_indptr != nullptr);
  auto* packed_queries = reinterpret_cast<uint32_t*>(memory + at.packed_queries);
  auto* query_norms = reinterpret_cast<float*>(memory + at.query_norms);
  auto* packed_items = reinterpret_cast<uint32_t*>(memory + at.packed_items);
  a.packed_queries = packed_queries;
  a.query_norms = query_norms;
  a.n_scanned = reinterpret_cast<unsigned long long*>(memory + at.n_scanned);
  a.thresholds = reinterpret_cast<unsigned*>(memory + at.thresholds);
  a.counts = reinterpret_cast<int*>(memory + at.counts);
  a.lists = reinterpret_cast<Candidate*>(memory + at.lists);
  a.touched = reinterpret_cast<uint32_t*>(memory + at.touched);
  stream.Zero(a.n_scanned, at.lists - at.n_scanned);  // and the thresholds and counts
  LaunchPack(stream.handle(), a.queries, 0, a.n_queries, RoundUp(RoundUp(a.n_queries, plan.query_tile), kTile) / kTile,
             a.f, a.words, packed_queries, query_norms, nullptr);
  for (int64_t tile = index.first_item / kTile; tile < index.plan.n_tiles; tile += plan.range_tiles) {
    a.first_tile = tile;
    a.n_tiles = std::min(plan.range_tiles, index.plan.n_tiles - tile);
    if (index.plan.keeps_copy) {
      a.packed_items = index.copy.as<uint32_t>() + tile * kTile * a.words;
    } else {
      LaunchPack(stream.handle(), a.items, tile * kTile, a.n_items, a.n_tiles, a.f, a.words, packed_items, nullptr,
                 nullptr);
      a.packed_items = packed_items;
    }
    if (a.history_indptr != nullptr) LaunchTouched(stream.handle(), a);
    LaunchScan(stream.handle(), plan, a);
  }
  LaunchMerge(stream.handle(), plan, a, items.n_cols, items.data, scores.data);
}

/// Of a wave: the lists that its scan left were scored; without a scan every eligible item was.
__global__ void WriteCosts(int64_t n_queries, int64_t n_items, const unsigned long long* n_scanned, const int* counts,
                           int64_t n_splits, int64_t n_eligible, TopNCost* costs) {
  const int64_t query = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (query >= n_queries) return;
  if (n_scanned == nullptr) {
    costs[query] = {0, n_eligible};
    return;
  }
  int64_t rescored = 0;
  for (int64_t split = 0; split < n_splits; ++split) rescored += counts[query * n_splits + split];
  costs[query] = {min(static_cast<int64_t>(n_scanned[query]), n_items), rescored};
}

__global__ void WriteUnfilled(int64_t n, int32_t* items, float* scores) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  items[i] = -1;
  scores[i] = 0;
}

}  // namespace

void TopNFor(Context& context, const ItemIndex& item_index, const TopNRequest& request, const TopNDevice& device) {
  RequireTopNShapes(item_index, request);
  const auto& index = static_cast<const CudaItemIndex&>(item_index);
  auto& cuda = static_cast<CudaContext&>(context);
  const StreamHandle stream = cuda.stream().handle();
  const int64_t n_queries = request.queries.n_rows, width = request.items.n_cols;
  const int64_t n = std::min(width, index.n_items());
  if (!request.costs.empty()) cuda.stream().Zero(request.costs.data, request.costs.size * int64_t{sizeof(TopNCost)});
  if (n_queries == 0 || width == 0) return;
  if (n == 0) {
    Launch(WriteUnfilled, dim3(Blocks(request.items.size(), 256)), dim3(256), 0, stream, request.items.size(),
           request.items.data, request.scores.data);
    return;
  }
  const TopNPlan plan = PlanTopN(n_queries, index.n_items(), index.n_factors(), n, index.plan.keeps_copy,
                                 !request.history_indptr.empty(), device);
  char* memory = cuda.Reserve(plan.peak_bytes);
  for (int64_t first = 0; first < n_queries; first += plan.wave_queries) {
    TopNArguments a{};
    a.queries = request.queries.data + first * index.n_factors();
    a.items = index.factors;
    a.tile_norms = index.norms.as<float>();
    a.excluded_indptr = request.excluded_indptr.empty() ? nullptr : request.excluded_indptr.data + first;
    a.excluded_items = request.excluded_items.data;
    if (request.eligible != nullptr)
      a.eligible = static_cast<const CudaItemFilter*>(request.eligible)->bits.as<uint64_t>();
    a.row_indptr = index.item_item.indptr.data;
    a.row_items = index.item_item.items.data;
    a.row_values = index.item_item.values.data;
    a.history_indptr = request.history_indptr.empty() ? nullptr : request.history_indptr.data + first;
    a.history_items = request.history_items.data;
    a.history_weights = request.history_weights.data;
    a.n_queries = std::min(plan.wave_queries, n_queries - first);
    a.n_items = index.n_items();
    a.f = index.n_factors();
    a.words = index.plan.words;
    a.n_splits = plan.n_splits;
    a.n = n;
    a.capacity = plan.capacity;
    const MatrixView<int32_t> items = {request.items.data + first * width, a.n_queries, width};
    const MatrixView<float> scores = {request.scores.data + first * width, a.n_queries, width};
    if (plan.sorts_everything) {
      LaunchSortEverything(stream, plan, a, index.first_item, reinterpret_cast<unsigned long long*>(memory), width,
                           items.data, scores.data);
    } else {
      ScanWave(cuda, index, plan, a, memory, items, scores);
    }
    if (request.costs.empty()) continue;
    const Workspace at = LayOut(plan, a.words, index.plan.keeps_copy, a.history_indptr != nullptr);
    Launch(WriteCosts, dim3(Blocks(a.n_queries, 256)), dim3(256), 0, stream, a.n_queries, a.n_items,
           plan.sorts_everything ? nullptr : reinterpret_cast<const unsigned long long*>(memory + at.n_scanned),
           reinterpret_cast<const int*>(memory + at.counts), a.n_splits,
           request.eligible != nullptr ? request.eligible->n_eligible() : a.n_items, request.costs.data + first);
  }
}

std::unique_ptr<ItemIndex> CudaBackend::NewItemIndex(Context& context, MatrixView<const float> item_factors,
                                                     const ItemItemView& item_item, const ItemCodesView*) {
  return NewItemIndexFor(context, item_factors, item_item,
                         {facts_.n_multiprocessors, facts_.shared_bytes, FreeMemory()});
}

std::unique_ptr<ItemFilter> CudaBackend::NewItemFilter(Context& context, const ItemIndex& index,
                                                       std::span<const uint64_t> eligible) {
  return std::make_unique<CudaItemFilter>(index, CountEligible(index, eligible), eligible,
                                          static_cast<CudaContext&>(context).stream());
}

void CudaBackend::TopN(Context& context, const ItemIndex& index, const TopNRequest& request) {
  constexpr int64_t kSmall = int64_t{16} << 20;
  TopNDevice device = {facts_.n_multiprocessors, facts_.shared_bytes, facts_.memory_bytes};
  const int64_t n = std::min(request.items.n_cols, index.n_items());
  // To ask the driver what is free takes as long as a small call.
  const bool keeps_copy = static_cast<const CudaItemIndex&>(index).plan.keeps_copy;
  const TopNPlan plan = PlanTopN(request.queries.n_rows, index.n_items(), index.n_factors(), n, keeps_copy,
                                 !request.history_indptr.empty(), device);
  if (plan.peak_bytes > kSmall) device.free_bytes = FreeMemory();
  TopNFor(context, index, request, device);
}

}  // namespace kindred::cuda
