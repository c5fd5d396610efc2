#include "training/trial_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "host/data/normal_distribution.h"
#include "host/data/random.h"

namespace kindred {
namespace {

constexpr int64_t kPrimes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23};  // a base of the sequence for each parameter
constexpr int64_t kMostSpread = 10'000;                          // places of the sequence that are looked at
constexpr size_t kMostObserved = 200;                            // trials that the process sees, the best
constexpr int kDraws = 64;                                       // of lengths and noise
constexpr double kLeastWeight = 0.02;                            // of draws that count, of the likeliest
constexpr int64_t kFarCandidates = 512, kNearCandidates = 64;    // all over the space; around each of the best
constexpr size_t kNearBest = 4;
constexpr double kNearest = 0.02, kFarthest = 0.2;  // deviation of near ones, of a range of 1

using Units = std::vector<double>;

double RadicalInverse(int64_t n, int64_t base) {
  double inverse = 0, digit = 1.0 / static_cast<double>(base);
  for (; n > 0; n /= base, digit /= static_cast<double>(base)) inverse += digit * static_cast<double>(n % base);
  return inverse;
}

Units SpreadUnits(size_t n_parameters, int64_t place, uint64_t seed) {
  Units units;
  for (size_t p = 0; p < n_parameters; ++p) {
    const double shifted = RadicalInverse(place, kPrimes[p % std::size(kPrimes)]) + RandomUniform(seed, p);
    units.push_back(shifted - std::floor(shifted));
  }
  return units;
}

bool IsTried(const SearchPoint& point, std::span<const Trial> trials) {
  return std::ranges::any_of(trials, [&](const Trial& trial) { return trial.point == point; });
}

std::optional<SearchPoint> NextSpread(const SearchSpace& space, std::span<const Trial> trials, uint64_t seed) {
  for (int64_t place = std::ssize(trials); place < std::ssize(trials) + kMostSpread; ++place) {
    SearchPoint point = space.At(SpreadUnits(space.parameters.size(), place, seed));
    if (!IsTried(point, trials)) return point;
  }
  return std::nullopt;
}

/// Best first: complete ones, stopped ones, failed ones.
std::vector<const Trial*> Ranked(std::span<const Trial> trials) {
  std::vector<const Trial*> ranked;
  for (const Trial& trial : trials) ranked.push_back(&trial);
  std::ranges::stable_sort(ranked, [](const Trial* a, const Trial* b) {
    if (a->state != b->state) return a->state < b->state;
    if (a->state == TrialState::kFailed) return false;
    return a->state == TrialState::kComplete ? a->value > b->value : a->sample_value > b->sample_value;
  });
  return ranked;
}

/// A Gaussian process with given lengths and noise.
class Process {
 public:
  Process(std::span<const Units> at, std::span<const double> values, Units lengths, double noise)
      : at_(at), lengths_(std::move(lengths)), n_(values.size()), factor_(n_ * n_, 0) {
    for (size_t r = 0; r < n_; ++r)
      for (size_t c = 0; c <= r; ++c) {
        double sum = Covariance(at_[r], at_[c]) + (r == c ? noise : 0);
        for (size_t k = 0; k < c; ++k) sum -= factor_[r * n_ + k] * factor_[c * n_ + k];
        factor_[r * n_ + c] = r == c ? std::sqrt(std::max(sum, 1e-12)) : sum / factor_[c * n_ + c];
      }
    weights_.assign(values.begin(), values.end());
    Forward(weights_);
    log_likelihood_ = 0;
    for (size_t r = 0; r < n_; ++r) log_likelihood_ -= weights_[r] * weights_[r] / 2 + std::log(factor_[r * n_ + r]);
  }

  double log_likelihood() const { return log_likelihood_; }

  /// By how much the value at a point is expected to be above `best`, where it is.
  double ExpectedImprovement(const Units& point, double best) const {
    std::vector<double> covariance;
    for (const Units& other : at_) covariance.push_back(Covariance(point, other));
    Forward(covariance);
    double mean = 0, variance = 1;
    for (size_t r = 0; r < n_; ++r) {
      mean += covariance[r] * weights_[r];
      variance -= covariance[r] * covariance[r];
    }
    const double deviation = std::sqrt(std::max(variance, 1e-12)), z = (mean - best) / deviation;
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
    return deviation * (z * NormalProbability(z) + density);
  }

 private:
  double Covariance(const Units& a, const Units& b) const {
    double squared = 0;
    for (size_t p = 0; p < lengths_.size(); ++p) squared += std::pow((a[p] - b[p]) / lengths_[p], 2);
    const double r = std::sqrt(5 * squared);
    return (1 + r + r * r / 3) * std::exp(-r);
  }

  void Forward(std::vector<double>& solved) const {
    for (size_t r = 0; r < n_; ++r) {
      for (size_t k = 0; k < r; ++k) solved[r] -= factor_[r * n_ + k] * solved[k];
      solved[r] /= factor_[r * n_ + r];
    }
  }

  std::span<const Units> at_;
  Units lengths_;
  size_t n_;
  std::vector<double> factor_;   // the lower Cholesky factor of the covariances
  std::vector<double> weights_;  // its inverse times the values
  double log_likelihood_ = 0;
};

/// Numbers in [0, 1) and normal ones, one after the other.
class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  double Uniform() { return RandomUniform(seed_, counter_++); }
  double Normal() { return RandomNormal(seed_ + 1, counter_++); }

 private:
  uint64_t seed_, counter_ = 0;
};

/// Processes over the trials, each with the weight of its likelihood.
class Surrogate {
 public:
  Surrogate(const SearchSpace& space, std::span<const Trial* const> ranked, Random& random) {
    const auto n = static_cast<double>(ranked.size());
    for (size_t r = 0; r < ranked.size(); ++r) {
      at_.push_back(space.Units(ranked[r]->point));
      values_.push_back(-NormalQuantile((static_cast<double>(r) + 0.5) / n));
    }
    for (int draw = 0; draw < kDraws; ++draw) {
      Units lengths;
      for (size_t p = 0; p < space.parameters.size(); ++p) lengths.push_back(0.5 * std::exp(0.8 * random.Normal()));
      const double noise = 0.05 * std::exp(1.2 * random.Normal());
      processes_.emplace_back(at_, values_, std::move(lengths), noise);
    }
    double most = -std::numeric_limits<double>::infinity();
    for (const Process& process : processes_) most = std::max(most, process.log_likelihood());
    std::erase_if(processes_,
                  [&](const Process& process) { return process.log_likelihood() < most + std::log(kLeastWeight); });
    for (const Process& process : processes_) weights_.push_back(std::exp(process.log_likelihood() - most));
  }

  double ExpectedImprovement(const Units& point) const {
    double sum = 0;
    for (size_t p = 0; p < processes_.size(); ++p)
      sum += weights_[p] * processes_[p].ExpectedImprovement(point, values_.front());
    return sum;
  }

 private:
  std::vector<Units> at_;
  std::vector<double> values_;  // descending
  std::vector<Process> processes_;
  std::vector<double> weights_;
};

/// Points that the next trial is chosen from.
std::vector<Units> Candidates(const SearchSpace& space, std::span<const Trial* const> ranked, Random& random) {
  std::vector<Units> candidates;
  const size_t n_parameters = space.parameters.size();
  for (int64_t c = 0; c < kFarCandidates; ++c) {
    Units& units = candidates.emplace_back();
    for (size_t p = 0; p < n_parameters; ++p) units.push_back(random.Uniform());
  }
  for (size_t best = 0; best < std::min(kNearBest, ranked.size()); ++best)
    for (int64_t c = 0; c < kNearCandidates; ++c) {
      const double deviation = kNearest * std::pow(kFarthest / kNearest, random.Uniform());
      Units& units = candidates.emplace_back(space.Units(ranked[best]->point));
      for (double& unit : units) unit = std::clamp(unit + deviation * random.Normal(), 0.0, 1.0);
    }
  return candidates;
}

}  // namespace

std::optional<SearchPoint> NextPoint(const SearchSpace& space, std::span<const Trial> trials, int64_t n_spread,
                                     uint64_t seed) {
  if (trials.empty()) return space.Defaults();
  if (std::ssize(trials) < n_spread) return NextSpread(space, trials, seed);
  std::vector<const Trial*> ranked = Ranked(trials);
  if (ranked.size() > kMostObserved) ranked.resize(kMostObserved);
  Random random(RandomBits(seed, trials.size()));
  const Surrogate surrogate(space, ranked, random);
  std::optional<SearchPoint> best;
  double most = -1;
  for (const Units& units : Candidates(space, ranked, random)) {
    SearchPoint point = space.At(units);
    if (IsTried(point, trials)) continue;
    const double improvement = surrogate.ExpectedImprovement(space.Units(point));
    if (improvement <= most) continue;
    best = std::move(point);
    most = improvement;
  }
  return best ? best : NextSpread(space, trials, seed);
}

}  // namespace kindred
