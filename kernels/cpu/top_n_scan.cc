// Bounds. Of a block with figures a, e, m (unit, error, norm) and a query with figures b, g (unit, error), the product
// d of their codes has
//
//   | q . y  -  a b d |  <=  |q| e  +  g m
//
// and the definition's sum of f terms in double is off from q . y by less than f 2^-53 |q||y|. The defined score rounds
// that to float32, and rounding never changes an order, so that it is between the rounded bounds.
#include "kernels/cpu/top_n_scan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "kernels/cpu/rounded_row.h"

namespace kindred {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kOfDefinition = 1e-11;  // more than f 2^-53, of up to kMaxIndexFactors
constexpr size_t kTooMany = 512;         // candidates that bounds should have ruled out
constexpr int64_t kEnoughLanes = 1024;   // that tell whether the head alone decides

// What a sum must have to round to this score or more.
double Reach(float score) {
  if (score == kInfinity) return std::numeric_limits<float>::max();
  return static_cast<double>(score) - std::abs(static_cast<double>(score)) * 0x1p-23 - 0x1p-148;
}

double Half(const CodedQuery& query, const CodeBlock& block) {
  return query.norm * block.error + query.error * block.norm + kOfDefinition * query.norm * block.item_norm;
}

// Products of at least this, or a little less; INT32_MAX, which no product has, where there are none.
int32_t AtLeast(double product, int32_t offset) {
  const double least = product + offset - 0x1p-10;  // more than the roundings of a number below 2^31
  if (!(least > INT32_MIN)) return INT32_MIN;
  return least < INT32_MAX ? static_cast<int32_t>(std::floor(least)) : INT32_MAX;
}

// Keys in the order of lower bounds, then of items, the best the largest.
uint64_t KeyOf(const Candidate& candidate) {
  const auto bits = std::bit_cast<uint32_t>(candidate.lower + 0.0f);  // -0 becomes 0
  const uint32_t ordered = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(ordered) << 32 | ~static_cast<uint32_t>(candidate.item);
}
float LowerOf(uint64_t key) {
  const auto ordered = static_cast<uint32_t>(key >> 32);
  return std::bit_cast<float>((ordered & 0x80000000u) != 0 ? ordered & 0x7fffffffu : ~ordered);
}
int32_t ItemOf(uint64_t key) {
  return static_cast<int32_t>(~static_cast<uint32_t>(key));
}

}  // namespace

int64_t DefinedScores::Score(std::vector<Candidate>& candidates) const {
  constexpr size_t kAtOnce = 64;
  std::array<const float*, kAtOnce> rows = {};
  std::array<double, kAtOnce> sums;
  std::array<Candidate*, kAtOnce> open;
  size_t n_open = 0;
  int64_t n_scored = 0;
  const auto score = [&] {
    simd_->defined_sums(query_, items_.n_cols, rows.data(), static_cast<int64_t>(n_open), sums.data());
    for (size_t i = 0; i < n_open; ++i)
      open[i]->lower = open[i]->upper = static_cast<float>(sums[i] + open[i]->from_history) + 0.0f;  // -0 becomes 0
    n_scored += static_cast<int64_t>(n_open);
    n_open = 0;
  };
  for (Candidate& candidate : candidates) {
    if (candidate.lower == candidate.upper) continue;
    rows[n_open] = items_.data + candidate.item * items_.n_cols;
    open[n_open++] = &candidate;
    if (n_open == kAtOnce) score();
  }
  score();
  std::erase_if(candidates, [](const Candidate& candidate) { return std::isnan(candidate.lower); });
  return n_scored;
}

void SharedThreshold::Publish(size_t part, std::span<const uint64_t> best) {
  const std::lock_guard lock(mutex_);
  best_[part].assign(best.begin(), best.end());
  all_.clear();
  for (const std::vector<uint64_t>& keys : best_) all_.insert(all_.end(), keys.begin(), keys.end());
  const auto nth = all_.begin() + std::ssize(best) - 1;
  std::nth_element(all_.begin(), nth, all_.end(), std::greater<>());
  threshold_.store(std::max(Get(), LowerOf(*nth)), std::memory_order_relaxed);
}

uint64_t Candidates::NthKey() {
  keys_.clear();
  for (const Candidate& candidate : list_) keys_.push_back(KeyOf(candidate));
  const auto nth = keys_.begin() + static_cast<std::ptrdiff_t>(n_ - 1);
  std::nth_element(keys_.begin(), nth, keys_.end(), std::greater<>());
  return *nth;
}

void Candidates::CutByBounds() {
  if (list_.size() < n_ || n_ == 0) return;
  const uint64_t nth = NthKey();
  if (const float lower = LowerOf(nth); lower > -kInfinity && lower >= threshold_) {
    threshold_ = lower;
    last_at_threshold_ = ItemOf(nth);
  }
  if (shared_ != nullptr) {
    shared_->Publish(part_, std::span(keys_).first(n_));
    Refresh();
  }
  std::erase_if(list_, [this](const Candidate& candidate) { return IsOut(candidate); });
}

void Candidates::Cut() {
  CutByBounds();
  if (list_.size() > NextCut() + kTooMany) {
    n_rescored_ += scores_.Score(list_);
    CutByBounds();
    if (list_.size() > n_) {
      const uint64_t nth = NthKey();
      std::erase_if(list_, [nth](const Candidate& candidate) { return KeyOf(candidate) < nth; });
    }
  }
  next_cut_ = std::max(NextCut(), 2 * list_.size());
}

const std::vector<Candidate>& Candidates::Best() {
  CutByBounds();
  n_rescored_ += scores_.Score(list_);
  const auto end = list_.begin() + static_cast<std::ptrdiff_t>(std::min(n_, list_.size()));
  std::partial_sort(list_.begin(), end, list_.end(),
                    [](const Candidate& a, const Candidate& b) { return KeyOf(a) > KeyOf(b); });
  list_.erase(end, list_.end());
  return list_;
}

void CodeScan::Encode(const ItemCodes& codes, const SimdKernels& simd, const float* queries, int64_t n, int8_t* to,
                      std::span<CodedQuery> coded, float* workspace) {
  const int64_t f = codes.n_factors(), head = codes.n_head_steps() * kCodeStep;
  float *rows = workspace, *rotated = workspace + kCodeItems * f;
  std::array<int, kCodeItems> exponents;
  for (int64_t q = 0; q < n; ++q) {
    const double norm = Norm(queries + q * f, f) * kRoundUp;
    coded[static_cast<size_t>(q)].norm = norm;
    int& exponent = exponents[static_cast<size_t>(q)];
    exponent = norm > 0 && std::isfinite(norm) ? std::ilogb(norm) : 0;
    const double shift = std::ldexp(1, -exponent);  // to numbers near 1
    for (int64_t k = 0; k < f; ++k) rows[q * f + k] = static_cast<float>(queries[q * f + k] * shift);
  }
  codes.Rotate(simd, rows, n, rotated);
  std::fill_n(to, n * CodedBytes(codes), int8_t{0});
  for (int64_t q = 0; q < n; ++q) {
    CodedQuery& query = coded[static_cast<size_t>(q)];
    if (!std::isfinite(query.norm)) continue;
    const float* x = rotated + q * codes.stride();
    int8_t* code = to + q * CodedBytes(codes);
    const float unit = Largest(x, f) / kLargestCode;
    const RoundedRow row =
        RoundRow(x, f, head, unit, [code](int64_t k, int32_t whole) { code[k] = static_cast<int8_t>(whole); });
    const int exponent = exponents[static_cast<size_t>(q)];
    const double left = LeftOf(row, std::ldexp(query.norm, -exponent), codes.rotation_error(), f);
    query.codes = code;
    query.unit = std::ldexp(static_cast<double>(unit), exponent);
    query.error = std::ldexp(left, exponent);
    query.tail = std::ldexp(unit * std::sqrt(row.squared_tail) * kRoundUp, exponent);
    query.offset = 128 * (row.sum_head + row.sum_tail);
    query.head_offset = 128 * row.sum_head;
  }
}

CodeScan::Limits CodeScan::LimitsOf(const Query& query, const CodeBlock& block) const {
  const CodedQuery& coded = query.coded;
  const float threshold = query.candidates->threshold();
  if (threshold == -kInfinity) return {INT32_MIN, INT32_MIN};
  const double reach = Reach(threshold);
  if (coded.norm * block.item_norm * kRoundUp < reach) return {INT32_MAX, INT32_MAX};
  const double least = reach - Half(coded, block), unit = coded.unit * block.unit;
  if (!(unit > 0)) return least <= 0 ? Limits{INT32_MIN, INT32_MIN} : Limits{INT32_MAX, INT32_MAX};
  const double inverse = 1 / unit;
  return {AtLeast((least - coded.tail * block.tail) * inverse, coded.head_offset),
          AtLeast(least * inverse, coded.offset)};
}

void CodeScan::Run(std::span<Query> queries, int64_t part, int64_t n_parts) {
  std::vector<Query*> active;
  for (Query& query : queries) active.push_back(&query);
  for (int64_t first = part * kChunkBlocks; first < codes_.n_blocks(); first += n_parts * kChunkBlocks) {
    for (Query* query : active) query->candidates->Refresh();
    if (codes_.ordered()) {
      const double longest = codes_.block(first).item_norm * kRoundUp;
      std::erase_if(active, [&](const Query* query) {
        return query->coded.norm * longest < Reach(query->candidates->threshold());
      });
      if (active.empty()) return;
    }
    const int64_t last = std::min(codes_.n_blocks(), first + kChunkBlocks);
    for (size_t q = 0; q < active.size(); q += kCodeQueries)
      for (int64_t b = first; b < last; ++b)
        ScanBlock(std::span(active).subspan(q, std::min<size_t>(kCodeQueries, active.size() - q)), b);
  }
}

void CodeScan::ScanBlock(std::span<Query* const> queries, int64_t b) {
  const uint64_t places = Places(b);
  if (places == 0) return;
  const CodeBlock& block = codes_.block(b);
  std::array<const int8_t*, kCodeQueries> codes;
  std::array<int32_t, kCodeQueries> head, all;
  std::array<uint64_t, kCodeQueries> reached;
  std::array<Query*, kCodeQueries> scanned;
  alignas(64) std::array<int32_t, kCodeQueries * kCodeItems> dots;
  size_t n = 0;
  const bool has_tail = n_head_steps_ < codes_.n_steps();
  for (Query* query : queries) {
    const Limits limits = LimitsOf(*query, block);
    if (limits.all == INT32_MAX) continue;
    head[n] = has_tail ? limits.head : limits.all;
    all[n] = limits.all;
    codes[n] = query->coded.codes;
    scanned[n++] = query;
    query->n_scanned += std::popcount(places);
  }
  if (n == 0) return;
  simd_.scan(codes_.codes(b), n_head_steps_, codes.data(), static_cast<int64_t>(n), head.data(), reached.data(),
             dots.data());
  for (size_t r = 0; r < n; ++r) {
    reached[r] &= places;
    if (has_tail) n_lanes_ += kCodeItems / kCodeLanes;
    if (reached[r] == 0) continue;
    int32_t* const of_query = dots.data() + r * kCodeItems;
    if (has_tail) {
      for (int64_t lane = 0; lane < kCodeItems; lane += kCodeLanes) n_extended_ += (reached[r] >> lane & 0xffff) != 0;
      simd_.extend(codes_.codes(b) + n_head_steps_ * kCodeStep * kCodeItems, codes_.n_steps() - n_head_steps_,
                   codes[r] + n_head_steps_ * kCodeStep, reached[r], of_query);
      uint64_t left = 0;
      for (uint64_t bits = reached[r]; bits != 0; bits &= bits - 1) {
        const int i = std::countr_zero(bits);
        left |= static_cast<uint64_t>(of_query[i] >= all[r]) << i;
      }
      reached[r] = left;
    }
    Collect(*scanned[r], b, reached[r], of_query, nullptr);
  }
  // Where most tails are read, it costs less to read all in one go.
  if (n_lanes_ >= kEnoughLanes && n_extended_ * 2 > n_lanes_) n_head_steps_ = codes_.n_steps();
}

void CodeScan::Collect(Query& query, int64_t b, uint64_t reached, const int32_t* dots, const double* from_history) {
  const CodeBlock& block = codes_.block(b);
  const double unit = query.coded.unit * block.unit, half = Half(query.coded, block);
  const int32_t* order = codes_.order().data() + b * kCodeItems;
  for (; reached != 0; reached &= reached - 1) {
    const int i = std::countr_zero(reached);
    const double sum = unit * (dots[i] - query.coded.offset);
    const double history = from_history == nullptr ? 0 : from_history[i];
    if (!std::isfinite(history)) {
      query.candidates->OfferUnbounded(order[i], history);
      continue;
    }
    const double error = half + (std::abs(sum) + std::abs(history)) * 1e-15;
    query.candidates->Offer({static_cast<float>(sum + history - error) + 0.0f,  // -0 becomes 0
                             static_cast<float>(sum + history + error) + 0.0f, order[i], history});
  }
}

void CodeScan::RunTouched(Query& query, int64_t chunk, HistorySums& sums) {
  constexpr int64_t kGroups = kCodeItems / kItemGroup;
  const int64_t first = chunk * kChunkBlocks;
  query.candidates->Refresh();
  for (int64_t b = first; b < std::min(codes_.n_blocks(), first + kChunkBlocks); ++b) {
    bool* const touched = sums.touched + (b - first) * kGroups;
    Query* const one = &query;
    if (std::none_of(touched, touched + kGroups, [](bool t) { return t; })) {
      ScanBlock({&one, 1}, b);
      continue;
    }
    ScanTouched(query, b, sums.of_item + (b - first) * kCodeItems);
    for (int64_t g = 0; g < kGroups; ++g) sums.Clear((b - first) * kCodeItems + g * kItemGroup);
  }
}

void CodeScan::ScanTouched(Query& query, int64_t b, const double* from_history) {
  const uint64_t places = Places(b);
  if (places == 0) return;
  const CodeBlock& block = codes_.block(b);
  alignas(64) std::array<int32_t, kCodeItems> dots;
  const int32_t any = INT32_MIN;
  uint64_t reached = 0;
  simd_.scan(codes_.codes(b), codes_.n_steps(), &query.coded.codes, 1, &any, &reached, dots.data());
  query.n_scanned += std::popcount(places);
  const double unit = query.coded.unit * block.unit;
  const double least = Reach(query.candidates->threshold()) - Half(query.coded, block);
  reached = simd_.reach_with(dots.data(), query.coded.offset, unit, from_history, least);
  Collect(query, b, reached & places, dots.data(), from_history);
}

}  // namespace kindred
