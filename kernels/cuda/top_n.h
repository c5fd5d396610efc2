// How the CUDA top-N is cut to a device: pure arithmetic, and the operation itself with the device's limits as
// arguments. Plain C++, so that tests can ask for devices that are not there.
#pragma once

#include <cstdint>
#include <memory>

#include "kernels/backend.h"

namespace kindred::cuda {

/// What the plans depend on.
struct TopNDevice {
  int64_t n_multiprocessors = 1;
  int64_t shared_bytes = 0;  // the most a block may ask for
  int64_t free_bytes = 0;    // of the device's memory
};

/// The catalogue as the scan reads it: bf16 in pairs, n_factors padded to whole panels, items to whole tiles of 64.
struct ItemIndexPlan {
  int64_t words = 0;    // of 32 bits, of a packed row
  int64_t n_tiles = 0;  // of 64 items
  int64_t copy_bytes = 0;
  int64_t norm_bytes = 0;
  bool keeps_copy = false;  // else TopN packs ranges of items into its workspace in turn
};

/// The copy is kept where it leaves a quarter of the free memory.
/// Throws kInvalidArgument for more than 2^31 - 1 items, which int32 indices could not name.
ItemIndexPlan PlanItemIndex(int64_t n_items, int64_t n_factors, const TopNDevice& device);

/// One call of TopN. Queries are answered in waves; a wave passes over the items in ranges, its lists carried over.
struct TopNPlan {
  // A request for more than kMaxScanN items a query is not scanned: every score is computed by its definition, then
  // sorted, `sort_size` keys at a time.
  bool sorts_everything = false;
  int64_t sort_size = 0;  // a power of two

  int64_t query_tile = 0;    // queries of a block: 16 or 128
  int64_t wave_queries = 0;  // whole tiles, or with sorts_everything any number
  int64_t range_tiles = 0;   // items packed at once, and marked for histories, in tiles
  int64_t n_splits = 0;      // blocks that share the items of a range
  int64_t capacity = 0;      // of a query's list in a split
  bool resident = false;     // the packed queries stay in shared memory for the whole scan
  int64_t scan_shared_bytes = 0;
  int64_t merge_capacity = 0;  // keys sorted at once, in shared memory
  int64_t peak_bytes = 0;      // of workspace
};

constexpr int64_t kMaxScanN = 4096;

/// `n` at most n_items; `has_histories`: of the request. The workspace stays within 1 GiB and a quarter of the free
/// memory, unless a single tile of queries needs more.
TopNPlan PlanTopN(int64_t n_queries, int64_t n_items, int64_t n_factors, int64_t n, bool index_keeps_copy,
                  bool has_histories, const TopNDevice& device);

/// Backend::NewItemIndex and Backend::TopN on a device like this; the items before `first_item` are left out.
/// `context` is a CudaContext.
std::unique_ptr<ItemIndex> NewItemIndexFor(Context& context, MatrixView<const float> item_factors,
                                           const ItemItemView& item_item, const TopNDevice& device,
                                           int64_t first_item = 0);
void TopNFor(Context& context, const ItemIndex& index, const TopNRequest& request, const TopNDevice& device);

}  // namespace kindred::cuda
