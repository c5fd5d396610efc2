// Top-N: a float32 scan whose error is bounded, and the defined score for what the bound cannot rule out.
//
// For float32 dot products in any order of summation |fl(q.y) - q.y| <= gamma |q||y|, gamma = f u / (1 - f u)
// with u = 2^-24 (Higham 2002, section 3.1, with Cauchy-Schwarz), where nothing overflows: d, the scan's, is within
// e = (f + 4) u |q||y|, and a little where numbers are denormal, of D, the definition's in double. The item-item part s
// is the definition's in the scan as well. So the scan has R(d + s) and the definition R(D + s), where R rounds to
// double and then to float32, and never falls. Items come in increasing order, so one that enters a list whose worst
// score is v must score more, D + s > v; it is then scanned at R(v - e) or more, however large s is.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/top_n_sparse.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kQueryTile = 32;
constexpr int64_t kItemsPerSplit = 8 * kItemTile;  // few queries are cut into splits of no fewer items
constexpr int64_t kEnoughTasks = 32;               // query tiles that need no splits

int64_t CountTiles(int64_t n_items) {
  return (n_items + kItemTile - 1) / kItemTile;
}

class CpuItemIndex : public ItemIndex {
 public:
  CpuItemIndex(MatrixView<const float> factors_in, const ItemItemView& item_item_in)
      : ItemIndex(factors_in.n_rows, factors_in.n_cols, !item_item_in.empty()),
        factors(factors_in),
        item_item(item_item_in) {}

  MatrixView<const float> factors;
  ItemItemView item_item;
  std::unique_ptr<float[]> panels;  // the factors again, packed for multiply_panels
  std::vector<double> tile_norm;    // the largest |y| of each tile of items; infinite where one is not finite
};

class CpuItemFilter : public ItemFilter {
 public:
  CpuItemFilter(const ItemIndex& index, int64_t n_eligible_in, std::span<const uint64_t> eligible)
      : ItemFilter(index, n_eligible_in), bits(eligible.begin(), eligible.end()) {}

  std::vector<uint64_t> bits;
};

struct Candidate {
  float score;
  int32_t item;
};

bool Better(const Candidate& a, const Candidate& b) {
  return a.score > b.score || (a.score == b.score && a.item < b.item);
}

double Norm(const float* x, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(x[k]) * x[k];
  return std::isfinite(sum) ? std::sqrt(sum) : std::numeric_limits<double>::infinity();
}

// The definition (kernels/backend.h); -0 becomes 0, so that equal scores have equal bits.
float DefinedScore(const float* query, const float* item, int64_t n_factors, double from_history) {
  double sum = 0;
  for (int64_t k = 0; k < n_factors; ++k) sum += static_cast<double>(query[k]) * static_cast<double>(item[k]);
  return static_cast<float>(sum + from_history) + 0.0f;
}

// The best candidates of one query so far: a heap with the worst on top.
class Best {
 public:
  Best(int64_t n, double query_norm, int64_t n_factors, std::span<const int32_t> excluded, const uint64_t* eligible)
      : n_(static_cast<size_t>(n)),
        query_norm_(query_norm),
        n_factors_(n_factors),
        excluded_(excluded),
        eligible_(eligible) {
    heap_.reserve(n_);
  }

  /// The scanned score below which an item of a tile with this norm cannot be in the answer.
  float Threshold(double tile_norm) const {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const double size = query_norm_ * tile_norm, terms = static_cast<double>(n_factors_);
    if (heap_.size() < n_ || !(size < 0x1p126)) return -kInfinity;         // or sums might overflow
    if (size == 0) return std::nextafter(heap_.front().score, kInfinity);  // the scan is exact, and ties are out
    const double error = (terms + 4) * 0x1p-24 * size + (terms + 2) * 0x1p-148;
    return static_cast<float>(heap_.front().score - error);
  }

  /// Takes the item in if it is among the best; true where the threshold has moved.
  bool Offer(const float* query, const float* item_factors, double from_history, int32_t item) {
    if (eligible_ != nullptr && (eligible_[item / 64] >> (item % 64) & 1) == 0) return false;
    ++n_rescored_;
    const Candidate candidate = {DefinedScore(query, item_factors, n_factors_, from_history), item};
    if (std::isnan(candidate.score)) return false;
    if (heap_.size() == n_ && !Better(candidate, heap_.front())) return false;
    if (std::binary_search(excluded_.begin(), excluded_.end(), item)) return false;
    if (heap_.size() == n_) {
      std::pop_heap(heap_.begin(), heap_.end(), Better);
      heap_.back() = candidate;
    } else {
      heap_.push_back(candidate);
    }
    std::push_heap(heap_.begin(), heap_.end(), Better);
    return heap_.size() == n_;
  }

  std::vector<Candidate>& heap() { return heap_; }
  int64_t n_rescored() const { return n_rescored_; }

 private:
  size_t n_;
  double query_norm_;
  int64_t n_factors_;
  std::span<const int32_t> excluded_;
  const uint64_t* eligible_;
  int64_t n_rescored_ = 0;
  std::vector<Candidate> heap_;
};

struct Scan {
  const CpuItemIndex& index;
  const TopNRequest& request;
  const SimdKernels& simd;

  int64_t n_factors() const { return index.n_factors(); }
  const float* Query(int64_t q) const { return request.queries.data + q * n_factors(); }

  std::span<const int32_t> Excluded(int64_t q) const {
    if (request.excluded_indptr.empty()) return {};
    const int64_t begin = request.excluded_indptr.data[q], end = request.excluded_indptr.data[q + 1];
    return {request.excluded_items.data + begin, static_cast<size_t>(end - begin)};
  }

  const uint64_t* Eligible() const {
    return request.eligible == nullptr ? nullptr : static_cast<const CpuItemFilter*>(request.eligible)->bits.data();
  }

  // A query's history, ready for items from first_item on.
  HistoryWalk WalkHistory(int64_t q, int64_t first_item) const {
    if (request.history_indptr.empty()) return {};
    const int64_t begin = request.history_indptr.data[q], end = request.history_indptr.data[q + 1];
    const auto n = static_cast<size_t>(end - begin);
    return {index.item_item,
            {request.history_items.data + begin, n},
            {request.history_weights.data + begin, n},
            first_item};
  }

  // Scans items [first_item, last_item) for the queries that `best` stands for.
  void Run(int64_t first_query, std::span<Best> best, int64_t first_item, int64_t last_item, float* scores) const {
    const auto n_queries = static_cast<int64_t>(best.size());
    std::vector<HistoryWalk> histories;
    for (int64_t q = 0; q < n_queries; ++q) histories.push_back(WalkHistory(first_query + q, first_item));
    HistorySums sums;
    for (int64_t tile = first_item; tile < last_item; tile += kItemTile) {
      const int64_t n_items = std::min(kItemTile, last_item - tile);
      simd.multiply_panels(Query(first_query), n_queries, n_factors(), n_factors(),
                           index.panels.get() + tile * n_factors(), CountPanels(n_items), scores, kItemTile);
      const double tile_norm = index.tile_norm[static_cast<size_t>(tile / kItemTile)];
      for (int64_t q = 0; q < n_queries; ++q) {
        histories[static_cast<size_t>(q)].Add(tile, n_items, sums);
        Select(Query(first_query + q), best[static_cast<size_t>(q)], tile, n_items, tile_norm, scores + q * kItemTile,
               sums);
      }
    }
  }

  void Select(const float* query, Best& best, int64_t tile, int64_t n_items, double tile_norm, float* scores,
              HistorySums& sums) const {
    float threshold = best.Threshold(tile_norm);
    for (int64_t group = 0; group < n_items; group += kItemGroup) {
      const int64_t end = std::min(n_items, group + kItemGroup);
      const bool touched = sums.touched[group / kItemGroup];
      if (touched)
        for (int64_t i = group; i < end; ++i)
          scores[i] = static_cast<float>(static_cast<double>(scores[i]) + sums.of_item[i]);
      int n_survivors = 0;
      for (int64_t i = group; i < end; ++i) n_survivors += !(scores[i] < threshold);
      for (int64_t i = group; n_survivors > 0 && i < end; ++i) {
        if (scores[i] < threshold) continue;
        const int64_t item = tile + i;
        if (best.Offer(query, index.factors.data + item * n_factors(), sums.of_item[i], static_cast<int32_t>(item)))
          threshold = best.Threshold(tile_norm);
      }
      if (touched) sums.Clear(group);
    }
  }
};

void Write(std::vector<Candidate>& candidates, const TopNRequest& request, int64_t query) {
  std::sort(candidates.begin(), candidates.end(), Better);
  const int64_t n = request.items.n_cols;
  for (int64_t place = 0; place < n; ++place) {
    const bool filled = place < static_cast<int64_t>(candidates.size());
    request.items.data[query * n + place] = filled ? candidates[static_cast<size_t>(place)].item : -1;
    request.scores.data[query * n + place] = filled ? candidates[static_cast<size_t>(place)].score : 0;
  }
}

}  // namespace

std::unique_ptr<ItemIndex> CpuBackend::NewItemIndex(Context& context, MatrixView<const float> item_factors,
                                                    const ItemItemView& item_item) {
  RequireItemIndexShapes(item_factors, item_item);
  auto index = std::make_unique<CpuItemIndex>(item_factors, item_item);
  const int64_t n_tiles = CountTiles(item_factors.n_rows);
  index->tile_norm.resize(static_cast<size_t>(n_tiles));
  index->panels.reset(
      new float[static_cast<size_t>(CountPanels(item_factors.n_rows) * kPanelWidth * item_factors.n_cols)]);
  static_cast<CpuContext&>(context).Run(n_tiles, [&](int64_t tile, int) {
    const int64_t f = item_factors.n_cols, end = std::min(item_factors.n_rows, (tile + 1) * kItemTile);
    double largest = 0;
    for (int64_t i = tile * kItemTile; i < CountPanels(end) * kPanelWidth; ++i) {
      for (int64_t k = 0; k < f; ++k)
        index->panels[static_cast<size_t>(PanelOffset(f, k, i))] = i < end ? item_factors.data[i * f + k] : 0;
      if (i < end) largest = std::max(largest, Norm(item_factors.data + i * f, f));
    }
    index->tile_norm[static_cast<size_t>(tile)] = largest;
  });
  return index;
}

std::unique_ptr<ItemFilter> CpuBackend::NewItemFilter(Context&, const ItemIndex& index,
                                                      std::span<const uint64_t> eligible) {
  return std::make_unique<CpuItemFilter>(index, CountEligible(index, eligible), eligible);
}

void CpuBackend::TopN(Context& context, const ItemIndex& item_index, const TopNRequest& request) {
  RequireTopNShapes(item_index, request);
  const CpuItemIndex& index = static_cast<const CpuItemIndex&>(item_index);
  const int64_t n_queries = request.queries.n_rows, n_items = index.n_items(), f = index.n_factors();
  CpuContext& cpu = static_cast<CpuContext&>(context);
  const int64_t n = std::min(request.items.n_cols, n_items);
  const Scan scan = {index, request, simd_};
  const int64_t n_tiles = (n_queries + kQueryTile - 1) / kQueryTile;
  // Each split starts with an empty list and costs memory, so there are none that no thread waits for.
  const int64_t n_splits = cpu.max_threads() == 1 ? 1
                                                  : std::clamp<int64_t>(kEnoughTasks / std::max<int64_t>(n_tiles, 1), 1,
                                                                        std::max<int64_t>(n_items / kItemsPerSplit, 1));
  const int64_t tiles_per_split = (CountTiles(n_items) + n_splits - 1) / n_splits;
  // Splits differ between shapes, but no answer does: each is exact, and so is their merge.
  std::vector<std::vector<Best>> bests(static_cast<size_t>(n_tiles * n_splits));
  cpu.Run(n_tiles * n_splits, [&](int64_t task, int worker) {
    const int64_t first = task / n_splits * kQueryTile, last = std::min(n_queries, first + kQueryTile);
    const int64_t split = task % n_splits;
    std::vector<Best>& best = bests[static_cast<size_t>(task)];
    best.reserve(static_cast<size_t>(last - first));
    for (int64_t q = first; q < last; ++q)
      best.emplace_back(n, Norm(scan.Query(q), f), f, scan.Excluded(q), scan.Eligible());
    const int64_t per_split = tiles_per_split * kItemTile;
    if (n > 0)
      scan.Run(first, best, std::min(n_items, split * per_split), std::min(n_items, (split + 1) * per_split),
               cpu.ScratchOf(worker, kQueryTile * kItemTile));
    if (n_splits > 1) return;
    for (int64_t q = first; q < last && !request.costs.empty(); ++q)
      request.costs.data[q] = {n > 0 ? n_items : 0, best[static_cast<size_t>(q - first)].n_rescored()};
    for (int64_t q = first; q < last; ++q) Write(best[static_cast<size_t>(q - first)].heap(), request, q);
    best = {};
  });
  if (n_splits == 1) return;
  cpu.Run(n_queries, [&](int64_t q, int) {
    std::vector<Candidate> all;
    TopNCost cost = {n > 0 ? n_items : 0, 0};
    for (int64_t split = 0; split < n_splits; ++split) {
      Best& best = bests[static_cast<size_t>(q / kQueryTile * n_splits + split)][static_cast<size_t>(q % kQueryTile)];
      const auto& heap = best.heap();
      cost.rescored += best.n_rescored();
      all.insert(all.end(), heap.begin(), heap.end());
    }
    std::sort(all.begin(), all.end(), Better);
    all.resize(std::min(all.size(), static_cast<size_t>(n)));
    Write(all, request, q);
    if (!request.costs.empty()) request.costs.data[q] = cost;
  });
}

}  // namespace kindred
