// The scan of coded items for some queries: what may be among their n best, with bounds of each score.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/cpu/item_codes.h"
#include "kernels/cpu/top_n_sparse.h"

namespace kindred {

/// lower <= defined score <= upper.
struct Candidate {
  float lower, upper;
  int32_t item;
  double from_history;
};

/// What the parts of a scan know together of one query.
class SharedThreshold {
 public:
  explicit SharedThreshold(int64_t n_parts) : best_(static_cast<size_t>(n_parts)) {}

  /// At least n items of all parts score this or more.
  float Get() const { return threshold_.load(std::memory_order_relaxed); }
  /// The keys of the n best of one part by their lower bounds, in any order.
  void Publish(size_t part, std::span<const uint64_t> best);

 private:
  std::mutex mutex_;
  std::vector<std::vector<uint64_t>> best_;
  std::vector<uint64_t> all_;
  std::atomic<float> threshold_ = -std::numeric_limits<float>::infinity();
};

/// The scores of one query's candidates, as they are defined.
class DefinedScores {
 public:
  DefinedScores() = default;
  DefinedScores(const SimdCodes& simd, MatrixView<const float> items, const float* query)
      : simd_(&simd), items_(items), query_(query) {}

  /// Makes the score both bounds of those that do not know it; candidates without a number go. Returns how many were
  /// scored.
  int64_t Score(std::vector<Candidate>& candidates) const;

 private:
  const SimdCodes* simd_ = nullptr;
  MatrixView<const float> items_;
  const float* query_ = nullptr;
};

/// What may be among the n best of the items that were offered. Memory: about 100 (n + 256) bytes, whatever is offered.
class Candidates {
 public:
  Candidates() = default;
  /// `excluded` increases.
  Candidates(int64_t n, std::span<const int32_t> excluded, const DefinedScores& scores)
      : n_(static_cast<size_t>(n)), excluded_(excluded), scores_(scores) {
    next_cut_ = NextCut();
  }

  /// From here on this part has a share in what all parts know.
  void Share(SharedThreshold& shared, size_t part) {
    shared_ = &shared;
    part_ = part;
  }

  /// At least n items score this or more; one whose upper bound is less cannot be among the n best. Rises.
  float threshold() const { return threshold_; }
  /// Takes in what other parts have found.
  void Refresh() {
    if (shared_ != nullptr) Raise(shared_->Get());
  }

  void Offer(const Candidate& candidate) {
    if (IsOut(candidate) || IsExcluded(candidate.item)) return;
    list_.push_back(candidate);
    if (list_.size() >= next_cut_) Cut();
  }
  /// An item of which nothing is known but what a history adds to its score.
  void OfferUnbounded(int32_t item, double from_history) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    Offer({-kInfinity, kInfinity, item, from_history});
  }

  /// Takes in what another part of the catalogue left; no more is shared.
  void Append(const Candidates& other) {
    shared_ = nullptr;
    n_rescored_ += other.n_rescored_;
    list_.insert(list_.end(), other.list_.begin(), other.list_.end());
  }
  /// The n best, or as many as there are, the best first: bounds are scores now.
  const std::vector<Candidate>& Best();

  size_t size() const { return list_.size(); }
  /// Items whose score was computed.
  int64_t n_rescored() const { return n_rescored_; }

 private:
  /// Leaves those that the bounds do not rule out; where these are too many, as where scores tie, the n best.
  void Cut();
  void CutByBounds();
  /// The n-th largest key of the list, which has n; the n largest are the first of keys_.
  uint64_t NthKey();
  bool IsExcluded(int32_t item) const {
    return !excluded_.empty() && std::binary_search(excluded_.begin(), excluded_.end(), item);
  }
  // Where the threshold is the n-th lower bound of this part, the n are at least as good as what can only tie with it
  // and has a larger index.
  bool IsOut(const Candidate& candidate) const {
    return candidate.upper < threshold_ || (candidate.upper == threshold_ && candidate.item > last_at_threshold_);
  }
  size_t NextCut() const { return std::max(2 * n_, n_ + 64); }
  void Raise(float threshold) {
    if (!(threshold > threshold_)) return;
    threshold_ = threshold;
    last_at_threshold_ = INT32_MAX;
  }

  size_t n_ = 0;
  std::span<const int32_t> excluded_;
  DefinedScores scores_;
  std::vector<Candidate> list_;
  std::vector<uint64_t> keys_;  // workspace
  size_t next_cut_ = 0;
  float threshold_ = -std::numeric_limits<float>::infinity();
  int32_t last_at_threshold_ = INT32_MAX;  // later items that can only tie with the threshold are out
  int64_t n_rescored_ = 0;
  SharedThreshold* shared_ = nullptr;
  size_t part_ = 0;
};

/// A query as the codes have it: R q = unit c + r, |r| <= error.
struct CodedQuery {
  const int8_t* codes = nullptr;
  double norm = 0;  // at least |q|
  double unit = 0;
  double error = 0;
  double tail = 0;                      // unit |c| of the factors after the head
  int32_t offset = 0, head_offset = 0;  // what the 128 beside each code of an item adds to its product
};

/// One part of a scan, for the queries of a tile. Items without codes are left to the caller.
class CodeScan {
 public:
  static constexpr int64_t kChunkBlocks = kItemTile / kCodeItems;

  /// `eligible`: a bit for each place in the order of the codes, or null.
  CodeScan(const ItemCodes& codes, const SimdCodes& simd, const uint64_t* eligible)
      : codes_(codes), simd_(simd), eligible_(eligible), n_head_steps_(codes.n_head_steps()) {}

  /// `queries` [n x n_factors] as codes, to memory of n * CodedBytes(). `workspace`: kCodeItems (f + stride) floats.
  /// A query whose numbers are not finite must not be scanned. At most kCodeItems queries.
  static int64_t CodedBytes(const ItemCodes& codes) { return codes.n_steps() * kCodeStep; }
  static void Encode(const ItemCodes& codes, const SimdKernels& simd, const float* queries, int64_t n, int8_t* to,
                     std::span<CodedQuery> coded, float* workspace);

  struct Query {
    CodedQuery coded;
    Candidates* candidates = nullptr;
    int64_t n_scanned = 0;  // items
  };
  /// Every n_parts-th chunk of the catalogue, from chunk `part` on: all parts have some of the longest items.
  void Run(std::span<Query> queries, int64_t part, int64_t n_parts);
  /// The blocks of one chunk for one query with a history, whose sums these are, and then are 0. The codes are not
  /// ordered.
  void RunTouched(Query& query, int64_t chunk, HistorySums& sums);

 private:
  struct Limits {
    int32_t head, all;  // products of the head, and of all steps, that may be enough
  };

  void ScanBlock(std::span<Query* const> queries, int64_t b);
  void ScanTouched(Query& query, int64_t b, const double* from_history);
  void Collect(Query& query, int64_t b, uint64_t reached, const int32_t* dots, const double* from_history);
  Limits LimitsOf(const Query& query, const CodeBlock& block) const;
  /// The places of a block that may be answered.
  uint64_t Places(int64_t b) const { return codes_.places(b) & (eligible_ == nullptr ? ~uint64_t{0} : eligible_[b]); }

  const ItemCodes& codes_;
  const SimdCodes& simd_;
  const uint64_t* eligible_;
  int64_t n_head_steps_;
  int64_t n_lanes_ = 0, n_extended_ = 0;  // groups of items whose head was scanned; of them, whose tail was
};

}  // namespace kindred
