#include "host/evaluation/calibration.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

namespace kindred {
namespace {

constexpr int64_t kMostBins = 200, kLeastPairs = 50;
constexpr int64_t kReliabilityBins = 15;
constexpr double kWilson = 1.959963984540054;  // the normal distribution's 97.5 %

struct Block {
  double score_sum = 0;
  double n = 0;
  double n_hits = 0;

  void Add(const Block& other) {
    score_sum += other.score_sum;
    n += other.n;
    n_hits += other.n_hits;
  }
  double rate() const { return n_hits / n; }
  float score() const { return static_cast<float>(score_sum / n); }
};

/// Places of the pairs with finite scores, in order of score.
std::vector<size_t> InOrder(const ScoredPairs& pairs) {
  std::vector<size_t> order;
  for (size_t i = 0; i < pairs.scores.size(); ++i)
    if (std::isfinite(pairs.scores[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return pairs.scores[a] != pairs.scores[b] ? pairs.scores[a] < pairs.scores[b] : a < b;
  });
  return order;
}

/// Cuts the pairs, in order, into runs of at least `least` that do not part equal keys; the last may take in what is
/// left.
template <class Key, class Take>
void CutInOrder(std::span<const size_t> order, size_t least, const Key& key, const Take& take) {
  for (size_t first = 0; first < order.size();) {
    size_t last = std::min(first + least, order.size());
    while (last < order.size() && key(order[last]) == key(order[last - 1])) ++last;
    if (order.size() - last < least) last = order.size();
    take(order.subspan(first, last - first));
    first = last;
  }
}

}  // namespace

Calibration LearnCalibration(const ScoredPairs& pairs) {
  const std::vector<size_t> order = InOrder(pairs);
  const auto n = static_cast<int64_t>(order.size());
  const auto least = static_cast<size_t>(std::max(kLeastPairs, (n + kMostBins - 1) / kMostBins));
  std::vector<Block> blocks;
  CutInOrder(
      order, least, [&](size_t i) { return pairs.scores[i]; },
      [&](std::span<const size_t> run) {
        Block block;
        for (const size_t i : run) block.Add({pairs.scores[i], 1, pairs.hits[i] != 0 ? 1.0 : 0.0});
        while (!blocks.empty() && (blocks.back().rate() >= block.rate() || blocks.back().score() >= block.score())) {
          block.Add(blocks.back());
          blocks.pop_back();
        }
        blocks.push_back(block);
      });
  Calibration calibration;
  for (const Block& block : blocks) {
    calibration.scores.push_back(block.score());
    calibration.probabilities.push_back(static_cast<float>(block.rate()));
  }
  return calibration;
}

Reliability MeasureReliability(const CalibrationView& calibration, const ScoredPairs& pairs) {
  const std::vector<size_t> order = InOrder(pairs);
  const auto probability = [&](size_t i) { return calibration.Probability(pairs.scores[i]); };
  Reliability result;
  result.n = static_cast<int64_t>(order.size());
  const auto least = static_cast<size_t>((result.n + kReliabilityBins - 1) / kReliabilityBins);
  CutInOrder(order, least, probability, [&](std::span<const size_t> run) {
    ReliabilityBin bin;
    for (const size_t i : run) {
      const double p = probability(i), hit = pairs.hits[i] != 0 ? 1 : 0;
      bin.predicted += p;
      bin.n_hits += pairs.hits[i] != 0 ? 1 : 0;
      result.brier += (p - hit) * (p - hit);
    }
    bin.n = static_cast<int64_t>(run.size());
    const auto size = static_cast<double>(bin.n);
    bin.predicted /= size;
    bin.observed = static_cast<double>(bin.n_hits) / size;
    const double z2 = kWilson * kWilson, middle = bin.observed + z2 / (2 * size);
    const double half = kWilson * std::sqrt((bin.observed * (1 - bin.observed) + z2 / (4 * size)) / size);
    bin.low = std::max(0.0, (middle - half) / (1 + z2 / size));
    bin.high = std::min(1.0, (middle + half) / (1 + z2 / size));
    result.n_hits += bin.n_hits;
    result.expected_error += size * std::fabs(bin.predicted - bin.observed);
    result.bins.push_back(bin);
  });
  if (result.n == 0) return result;
  const auto size = static_cast<double>(result.n), base = static_cast<double>(result.n_hits) / size;
  result.brier /= size;
  result.brier_of_base = base * (1 - base);
  result.expected_error /= size;
  return result;
}

}  // namespace kindred
