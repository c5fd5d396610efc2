// Top-N: a scan of 8-bit codes whose error is bounded (item_codes.h, top_n_scan.h), and the defined score of what the
// bounds leave, which is few more than n.
//
// Bytes to move: half of the codes of the items whose length may be enough, and the rest of those that this does not
// rule out; then the factors of the few. Batches read a chunk of codes once for a tile of queries. An index with an
// item-item part keeps the order of the items, as the rows of S have it; what a history adds is the definition's own
// sum, for the bound as well. Where few items are eligible they are scored by the definition and nothing is scanned.
#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/item_codes.h"
#include "kernels/cpu/top_n_scan.h"
#include "kernels/cpu/top_n_sparse.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kQueryTile = 48;
static_assert(kQueryTile <= kCodeItems);          // of which Encode takes no more
constexpr int64_t kPartBytes = int64_t{2} << 20;  // codes that are worth another thread
constexpr int64_t kListedOneIn = 64;              // a filter with no more eligible items lists them

class CpuItemIndex : public ItemIndex {
 public:
  CpuItemIndex(MatrixView<const float> factors_in, const ItemItemView& item_item_in, ItemCodes codes_in)
      : ItemIndex(factors_in.n_rows, factors_in.n_cols, !item_item_in.empty()),
        factors(factors_in),
        item_item(item_item_in),
        codes(std::move(codes_in)) {}

  MatrixView<const float> factors;
  ItemItemView item_item;
  ItemCodes codes;
};

bool Bit(const std::vector<uint64_t>& bits, int64_t i) {
  return (bits[static_cast<size_t>(i / 64)] >> i % 64 & 1) != 0;
}

class CpuItemFilter : public ItemFilter {
 public:
  CpuItemFilter(const CpuItemIndex& index, int64_t n_eligible_in, std::span<const uint64_t> eligible)
      : ItemFilter(index, n_eligible_in), items(eligible.begin(), eligible.end()) {
    if (n_eligible_in <= index.n_items() / kListedOneIn) {
      for (int32_t i = 0; i < index.n_items(); ++i)
        if (Bit(items, i)) listed.push_back(i);
    }
    const std::vector<int32_t>& order = index.codes.order();
    places.resize(static_cast<size_t>(index.codes.n_blocks()));
    for (size_t place = 0; place < order.size(); ++place)
      if (order[place] >= 0 && Bit(items, order[place]))
        places[place / kCodeItems] |= uint64_t{1} << place % kCodeItems;
  }

  bool is_listed() const { return static_cast<int64_t>(listed.size()) == n_eligible(); }

  std::vector<uint64_t> items, places;  // a bit an item, and a bit a place of the codes
  std::vector<int32_t> listed;
};

class Search {
 public:
  Search(CpuContext& context, const CpuItemIndex& index, const TopNRequest& request, const SimdKernels& simd,
         const SimdCodes& codes)
      : context_(context),
        index_(index),
        request_(request),
        filter_(static_cast<const CpuItemFilter*>(request.eligible)),
        simd_(simd),
        simd_codes_(codes),
        n_(std::min(request.items.n_cols, index.n_items())),
        n_parts_(CountParts()),
        parts_(static_cast<size_t>(CountTiles() * n_parts_)) {
    for (int64_t q = 0; n_parts_ > 1 && q < n_queries(); ++q) shared_.emplace_back(n_parts_);
  }

  void Run() {
    context_.Run(CountTiles() * n_parts_, [this](int64_t task, int worker) {
      const int64_t first = task / n_parts_ * kQueryTile;
      Collect(first, std::min(n_queries(), first + kQueryTile), task % n_parts_, parts_[static_cast<size_t>(task)],
              worker);
      if (n_parts_ == 1) Answer(task);
    });
    if (n_parts_ == 1) return;
    context_.Run(CountTiles(), [this](int64_t tile, int) { Answer(tile); });
  }

 private:
  /// What a part of the catalogue has for the queries of a tile.
  struct Part {
    std::vector<Candidates> candidates;
    std::vector<int64_t> n_scanned;
  };

  int64_t n_queries() const { return request_.queries.n_rows; }
  int64_t n_factors() const { return index_.n_factors(); }
  int64_t CountTiles() const { return (n_queries() + kQueryTile - 1) / kQueryTile; }
  const float* QueryOf(int64_t q) const { return request_.queries.data + q * n_factors(); }
  const float* FactorsOf(int32_t item) const { return index_.factors.data + item * n_factors(); }

  // The answer is the same for any number of parts: each leaves all that may be in it.
  int64_t CountParts() const {
    if (CountTiles() >= 2 * context_.max_threads()) return 1;
    const int64_t bytes = index_.n_items() * n_factors() * std::min(n_queries(), kQueryTile);
    return std::clamp<int64_t>(bytes / kPartBytes, 1, context_.max_threads());
  }

  std::span<const int32_t> Excluded(int64_t q) const {
    if (request_.excluded_indptr.empty()) return {};
    const int64_t begin = request_.excluded_indptr.data[q], end = request_.excluded_indptr.data[q + 1];
    return {request_.excluded_items.data + begin, static_cast<size_t>(end - begin)};
  }

  int64_t HistoryLength(int64_t q) const {
    return request_.history_indptr.empty() ? 0 : request_.history_indptr.data[q + 1] - request_.history_indptr.data[q];
  }

  HistoryWalk WalkHistory(int64_t q, int64_t first_item) const {
    const auto begin = request_.history_indptr.data[q];
    const auto n = static_cast<size_t>(HistoryLength(q));
    return {index_.item_item,
            {request_.history_items.data + begin, n},
            {request_.history_weights.data + begin, n},
            first_item};
  }

  /// A part's chunks of kItemTile items where they are walked in order.
  std::pair<int64_t, int64_t> ChunksOf(int64_t part) const {
    const int64_t n_chunks = (index_.n_items() + kItemTile - 1) / kItemTile;
    return {part * n_chunks / n_parts_, (part + 1) * n_chunks / n_parts_};
  }

  bool IsListed() const { return filter_ != nullptr && filter_->is_listed(); }
  bool IsEligible(int32_t item) const { return filter_ == nullptr || Bit(filter_->items, item); }
  bool IsRegular(int32_t item) const {
    return !std::binary_search(index_.codes.irregular().begin(), index_.codes.irregular().end(), item);
  }

  void Collect(int64_t first, int64_t last, int64_t part, Part& result, int worker);
  void CollectListed(Candidates& candidates, int64_t part) const;
  void CollectAll(int64_t q, Candidates& candidates, int64_t part) const;
  void CollectFirst(Candidates& candidates) const;
  void CollectWithHistory(CodeScan& scan, CodeScan::Query& query, int64_t q, int64_t part) const;
  void OfferIrregular(Candidates& candidates, int64_t begin, int64_t end, const double* from_history) const;
  void Answer(int64_t tile);

  CpuContext& context_;
  const CpuItemIndex& index_;
  const TopNRequest& request_;
  const CpuItemFilter* filter_;
  const SimdKernels& simd_;
  const SimdCodes& simd_codes_;
  int64_t n_, n_parts_;
  std::vector<Part> parts_;             // of each tile, n_parts_
  std::deque<SharedThreshold> shared_;  // of each query, where there are several parts
};

void Search::Collect(int64_t first, int64_t last, int64_t part, Part& result, int worker) {
  const auto n = static_cast<size_t>(last - first);
  for (int64_t q = first; q < last; ++q) {
    result.candidates.emplace_back(n_, Excluded(q), DefinedScores(simd_codes_, index_.factors, QueryOf(q)));
    if (n_parts_ > 1) result.candidates.back().Share(shared_[static_cast<size_t>(q)], static_cast<size_t>(part));
  }
  result.n_scanned.resize(n);
  if (n_ == 0) return;
  if (IsListed() && request_.history_indptr.empty()) {
    for (Candidates& candidates : result.candidates) CollectListed(candidates, part);
    return;
  }
  const ItemCodes& codes = index_.codes;
  const int64_t code_floats = (last - first) * CodeScan::CodedBytes(codes) / 4;
  float* workspace = context_.ScratchOf(worker, kCodeItems * (n_factors() + codes.stride()) + code_floats + 16);
  std::vector<CodedQuery> coded(n);
  CodeScan::Encode(codes, simd_, QueryOf(first), last - first, reinterpret_cast<int8_t*>(workspace), coded,
                   workspace + (code_floats + 15) / 16 * 16);
  CodeScan scan(codes, simd_codes_, filter_ == nullptr ? nullptr : filter_->places.data());
  std::vector<CodeScan::Query> scanned;
  std::vector<size_t> place_of;
  for (size_t i = 0; i < n; ++i) {
    const int64_t q = first + static_cast<int64_t>(i);
    Candidates& candidates = result.candidates[i];
    CodeScan::Query query = {coded[i], &candidates};
    const bool has_history = HistoryLength(q) > 0;
    if (!has_history && IsListed()) {
      CollectListed(candidates, part);
    } else if (!std::isfinite(coded[i].norm)) {
      CollectAll(q, candidates, part);
    } else if (has_history) {
      CollectWithHistory(scan, query, q, part);
      result.n_scanned[i] = query.n_scanned;
    } else if (coded[i].norm == 0) {
      if (part == 0) CollectFirst(candidates);
    } else {
      if (part == 0) OfferIrregular(candidates, 0, index_.n_items(), nullptr);
      scanned.push_back(query);
      place_of.push_back(i);
    }
  }
  scan.Run(scanned, part, n_parts_);
  for (size_t i = 0; i < scanned.size(); ++i) result.n_scanned[place_of[i]] = scanned[i].n_scanned;
}

void Search::CollectListed(Candidates& candidates, int64_t part) const {
  const auto n = std::ssize(filter_->listed);
  for (int64_t i = part * n / n_parts_; i < (part + 1) * n / n_parts_; ++i)
    candidates.OfferUnbounded(filter_->listed[static_cast<size_t>(i)], 0);
}

// For queries that are not finite.
void Search::CollectAll(int64_t q, Candidates& candidates, int64_t part) const {
  const auto [first, last] = ChunksOf(part);
  HistoryWalk history = HistoryLength(q) > 0 ? WalkHistory(q, first * kItemTile) : HistoryWalk();
  HistorySums sums;
  for (int64_t chunk = first; chunk < last; ++chunk) {
    const int64_t begin = chunk * kItemTile, end = std::min(index_.n_items(), begin + kItemTile);
    history.Add(begin, end - begin, sums);
    for (int64_t item = begin; item < end; ++item)
      if (IsEligible(static_cast<int32_t>(item)))
        candidates.OfferUnbounded(static_cast<int32_t>(item), sums.of_item[item - begin]);
    for (int64_t group = 0; group < kItemTile; group += kItemGroup)
      if (sums.touched[group / kItemGroup]) sums.Clear(group);
  }
}

// For a query of zeros: all scores are 0, and the first n items the best.
void Search::CollectFirst(Candidates& candidates) const {
  for (int32_t item = 0; item < index_.n_items() && static_cast<int64_t>(candidates.size()) < n_; ++item)
    if (IsEligible(item) && IsRegular(item)) candidates.Offer({0, 0, item, 0});
}

void Search::CollectWithHistory(CodeScan& scan, CodeScan::Query& query, int64_t q, int64_t part) const {
  const auto [first, last] = ChunksOf(part);
  HistoryWalk history = WalkHistory(q, first * kItemTile);
  HistorySums sums;
  for (int64_t chunk = first; chunk < last; ++chunk) {
    const int64_t begin = chunk * kItemTile, end = std::min(index_.n_items(), begin + kItemTile);
    history.Add(begin, end - begin, sums);
    OfferIrregular(*query.candidates, begin, end, sums.of_item);
    scan.RunTouched(query, chunk, sums);
  }
}

void Search::OfferIrregular(Candidates& candidates, int64_t begin, int64_t end, const double* from_history) const {
  const std::vector<int32_t>& items = index_.codes.irregular();
  for (auto item = std::lower_bound(items.begin(), items.end(), begin); item != items.end() && *item < end; ++item)
    if (IsEligible(*item)) candidates.OfferUnbounded(*item, from_history == nullptr ? 0 : from_history[*item - begin]);
}

void Search::Answer(int64_t tile) {
  const int64_t first = tile * kQueryTile, last = std::min(n_queries(), first + kQueryTile),
                width = request_.items.n_cols;
  for (int64_t q = first; q < last; ++q) {
    const auto i = static_cast<size_t>(q - first);
    Part* const parts = &parts_[static_cast<size_t>(tile * n_parts_)];
    Candidates& all = parts[0].candidates[i];
    TopNCost cost = {parts[0].n_scanned[i], 0};
    for (int64_t part = 1; part < n_parts_; ++part) {
      all.Append(parts[part].candidates[i]);
      cost.scanned += parts[part].n_scanned[i];
    }
    const std::vector<Candidate>& best = all.Best();
    cost.rescored = all.n_rescored();
    for (int64_t place = 0; place < width; ++place) {
      const bool filled = place < std::ssize(best);
      request_.items.data[q * width + place] = filled ? best[static_cast<size_t>(place)].item : -1;
      request_.scores.data[q * width + place] = filled ? best[static_cast<size_t>(place)].lower : 0;
    }
    if (!request_.costs.empty()) request_.costs.data[q] = cost;
    all = {};
  }
}

}  // namespace

std::unique_ptr<ItemIndex> CpuBackend::NewItemIndex(Context& context, MatrixView<const float> item_factors,
                                                    const ItemItemView& item_item, const ItemCodesView* stored) {
  RequireItemIndexShapes(item_factors, item_item);
  const bool ordered = item_item.empty();
  if (stored == nullptr)
    return std::make_unique<CpuItemIndex>(
        item_factors, item_item, ItemCodes(*this, static_cast<CpuContext&>(context), simd_, item_factors, ordered));
  const std::string wrong = WrongShapeOf(*stored, item_factors.n_rows, item_factors.n_cols, ordered);
  Require(wrong.empty(), ("item index: " + wrong).c_str());
  return std::make_unique<CpuItemIndex>(item_factors, item_item,
                                        ItemCodes(*stored, item_factors.n_rows, item_factors.n_cols, ordered));
}

std::unique_ptr<ItemFilter> CpuBackend::NewItemFilter(Context&, const ItemIndex& index,
                                                      std::span<const uint64_t> eligible) {
  return std::make_unique<CpuItemFilter>(static_cast<const CpuItemIndex&>(index), CountEligible(index, eligible),
                                         eligible);
}

void CpuBackend::TopN(Context& context, const ItemIndex& index, const TopNRequest& request) {
  RequireTopNShapes(index, request);
  Search(static_cast<CpuContext&>(context), static_cast<const CpuItemIndex&>(index), request, simd_, codes_).Run();
}

}  // namespace kindred
