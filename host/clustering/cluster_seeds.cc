#include "host/clustering/cluster_seeds.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

int64_t TrialsOf(const KMeansOptions& options, int64_t k) {
  if (options.n_trials > 0) return options.n_trials;
  return std::min<int64_t>(16, 2 + static_cast<int64_t>(std::log(static_cast<double>(k))));
}

std::vector<std::vector<int32_t>> PlusPlus(const ClusteredPoints& points, const KMeansOptions& options) {
  Backend& backend = points.backend();
  Context& context = points.context();
  const int64_t k = std::min<int64_t>(options.n_clusters.back(), points.n_points());
  const int64_t n_trials = TrialsOf(options, k);
  std::vector<uint64_t> draws(static_cast<size_t>(options.restarts * k * n_trials));
  for (size_t i = 0; i < draws.size(); ++i) draws[i] = RandomBits(options.seed, i);
  const Resident<uint64_t> on_device(backend, options.restarts, k * n_trials);
  const Resident<int32_t> chosen(backend, options.restarts, k);
  on_device.Upload(backend, context, draws);
  backend.SeedClusters(context, {&points.resident(), n_trials, on_device.matrix(), chosen.matrix()});
  std::vector<int32_t> found(static_cast<size_t>(options.restarts * k));
  chosen.Download(backend, context, std::span<int32_t>(found));
  context.Wait();
  std::vector<std::vector<int32_t>> seeds;
  for (int64_t r = 0; r < options.restarts; ++r) {
    const auto own = std::span<const int32_t>(found).subspan(static_cast<size_t>(r * k), static_cast<size_t>(k));
    seeds.emplace_back(own.begin(), std::ranges::find(own, -1));
  }
  return seeds;
}

double SquaredDistance(std::span<const float> x, std::span<const float> y) {
  double sum = 0;
  for (size_t j = 0; j < x.size(); ++j) {
    const double way = static_cast<double>(x[j]) - static_cast<double>(y[j]);
    sum += way * way;
  }
  return sum;
}

/// One restart of k-means||. Random numbers are counted up over all of it.
class ParallelSeeds {
 public:
  ParallelSeeds(const ClusteredPoints& points, const KMeansOptions& options, int64_t restart)
      : points_(points),
        options_(options),
        k_(std::min<int64_t>(options.n_clusters.back(), points.n_points())),
        seed_(RandomBits(options.seed, static_cast<uint64_t>(restart))),
        nearest_(static_cast<size_t>(points.n_points()), kInfinity),
        owner_(nearest_.size(), 0) {}

  std::vector<int32_t> Find() {
    std::vector<int32_t> next = {
        static_cast<int32_t>(RandomUniform(seed_, counter_++) * static_cast<double>(points_.n_points()))};
    for (int64_t round = 0; round <= options_.n_rounds || std::ssize(candidates_) < k_; ++round) {
      Add(next);
      next = Sample();
      if (next.empty()) {
        if (total_ == 0) break;  // no point is away from the candidates
        next = {static_cast<int32_t>(std::ranges::max_element(nearest_) - nearest_.begin())};
      }
    }
    return Reduce();
  }

 private:
  void Add(const std::vector<int32_t>& added) {
    std::vector<float> rows;
    for (int32_t p : added) rows.insert(rows.end(), points_.host().row(p).begin(), points_.host().row(p).end());
    const Clustering found = AssignToCentroids(points_, rows);
    total_ = 0;
    for (size_t p = 0; p < nearest_.size(); ++p) {
      if (found.distances[p] < nearest_[p]) {
        nearest_[p] = found.distances[p];
        owner_[p] = static_cast<int32_t>(std::ssize(candidates_)) + found.labels[p];
      }
      total_ += nearest_[p];
    }
    candidates_.insert(candidates_.end(), added.begin(), added.end());
  }

  std::vector<int32_t> Sample() {
    std::vector<int32_t> sampled;
    if (total_ == 0) return sampled;
    const double often = 2 * static_cast<double>(k_) / total_;
    for (size_t p = 0; p < nearest_.size(); ++p)
      if (RandomUniform(seed_, counter_ + p) < often * nearest_[p]) sampled.push_back(static_cast<int32_t>(p));
    counter_ += nearest_.size();
    return sampled;
  }

  // k-means++ over the candidates, each as many times as points are nearest to it.
  std::vector<int32_t> Reduce() {
    std::vector<double> weights(candidates_.size()), away(candidates_.size(), kInfinity);
    for (int32_t owner : owner_) ++weights[static_cast<size_t>(owner)];
    std::vector<int32_t> seeds;
    while (std::ssize(seeds) < k_) {
      double total = 0;
      for (size_t c = 0; c < weights.size(); ++c) total += weights[c] * (seeds.empty() ? 1 : away[c]);
      if (total == 0) break;
      double before = RandomUniform(seed_, counter_++) * total;
      size_t chosen = weights.size();
      for (size_t c = 0; c < weights.size(); ++c) {
        const double weight = weights[c] * (seeds.empty() ? 1 : away[c]);
        if (weight == 0) continue;
        chosen = c;
        if (before < weight) break;
        before -= weight;
      }
      seeds.push_back(candidates_[chosen]);
      for (size_t c = 0; c < weights.size(); ++c)
        away[c] = std::min(
            away[c], SquaredDistance(points_.host().row(candidates_[c]), points_.host().row(candidates_[chosen])));
    }
    return seeds;
  }

  const ClusteredPoints& points_;
  const KMeansOptions& options_;
  const int64_t k_;
  const uint64_t seed_;
  uint64_t counter_ = 0;
  std::vector<int32_t> candidates_;  // points
  std::vector<double> nearest_;      // squared distance of each point to the nearest candidate
  std::vector<int32_t> owner_;       // which that is
  double total_ = 0;                 // of nearest_
};

}  // namespace

std::vector<std::vector<int32_t>> SeedKMeans(const ClusteredPoints& points, const KMeansOptions& options) {
  if (options.seeds == ClusterSeeds::kPlusPlus) return PlusPlus(points, options);
  std::vector<std::vector<int32_t>> seeds;
  for (int64_t r = 0; r < options.restarts; ++r) seeds.push_back(ParallelSeeds(points, options, r).Find());
  return seeds;
}

}  // namespace kindred
