#include "training/trial_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr int64_t kCandidates = 64;
constexpr int64_t kLeastGood = 2;                                // trials in the better density
constexpr double kLeastWidth = 0.05, kLoneWidth = 0.2;           // of kernels, of a range of 1
constexpr int64_t kMostSpread = 10'000;                          // places of the sequence that are looked at
constexpr int64_t kPrimes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23};  // a base a parameter

double RadicalInverse(int64_t n, int64_t base) {
  double inverse = 0, digit = 1.0 / static_cast<double>(base);
  for (; n > 0; n /= base, digit /= static_cast<double>(base)) inverse += digit * static_cast<double>(n % base);
  return inverse;
}

std::vector<double> SpreadUnits(size_t n_parameters, int64_t place, uint64_t seed) {
  std::vector<double> units;
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

/// Equal parts of a kernel around each point and of the uniform density, over [0, 1] in each parameter that is free.
class Density {
 public:
  Density(const SearchSpace& space, std::vector<std::vector<double>> points) : points_(std::move(points)) {
    const auto n = static_cast<double>(points_.size());
    for (const SearchParameter& parameter : space.parameters) {
      const size_t p = widths_.size();
      double sum = 0, squares = 0;
      for (const std::vector<double>& point : points_) {
        sum += point[p];
        squares += point[p] * point[p];
      }
      const double deviation = n > 1 ? std::sqrt(std::max(0.0, squares / n - sum / n * (sum / n))) : kLoneWidth;
      const double scott = std::pow(std::max(n, 1.0), -1 / (static_cast<double>(space.n_free()) + 4));
      widths_.push_back(parameter.is_fixed() ? 0 : std::max(kLeastWidth, deviation * scott));
    }
  }

  double At(std::span<const double> units) const {
    double sum = 1;  // the uniform density
    for (const std::vector<double>& point : points_) {
      double product = 1;
      for (size_t p = 0; p < widths_.size(); ++p)
        if (widths_[p] > 0) product *= Kernel(units[p], point[p], widths_[p]);
      sum += product;
    }
    return sum / static_cast<double>(points_.size() + 1);
  }

  /// Draws a point by `random`, numbers in [0, 1).
  template <class Random>
  std::vector<double> Draw(const Random& random) const {
    const auto component = static_cast<size_t>(random() * static_cast<double>(points_.size() + 1));
    std::vector<double> units;
    for (size_t p = 0; p < widths_.size(); ++p) {
      const double first = random(), second = random();
      if (component >= points_.size() || widths_[p] == 0) {
        units.push_back(first);
        continue;
      }
      const double normal = std::sqrt(-2 * std::log(1 - first)) * std::cos(2 * std::numbers::pi * second);
      double unit = points_[component][p] + widths_[p] * normal;
      if (unit < 0 || unit > 1) unit = std::fabs(unit - 2 * std::floor(unit / 2 + 0.5));  // reflected at the ends
      units.push_back(unit);
    }
    return units;
  }

 private:
  /// Of a normal density, what lies in [0, 1].
  static double Kernel(double at, double middle, double width) {
    const auto below = [&](double end) { return 0.5 * std::erfc((middle - end) / width * std::numbers::sqrt2 / 2); };
    const double z = (at - middle) / width;
    return std::exp(-z * z / 2) / (width * std::sqrt(2 * std::numbers::pi) * (below(1) - below(0)));
  }

  std::vector<std::vector<double>> points_;
  std::vector<double> widths_;  // 0: a fixed parameter
};

/// The best quarter of the trials that are complete, and all others.
std::pair<Density, Density> GoodAndBad(const SearchSpace& space, std::span<const Trial> trials) {
  std::vector<const Trial*> complete;
  std::vector<std::vector<double>> good, bad;
  for (const Trial& trial : trials)
    if (trial.state == TrialState::kComplete)
      complete.push_back(&trial);
    else
      bad.push_back(space.Units(trial.point));
  std::ranges::stable_sort(complete, [](const Trial* a, const Trial* b) { return a->value > b->value; });
  const int64_t n_good = std::max(kLeastGood, (std::ssize(complete) + 3) / 4);
  for (const Trial* trial : complete) (std::ssize(good) < n_good ? good : bad).push_back(space.Units(trial->point));
  return {Density(space, std::move(good)), Density(space, std::move(bad))};
}

}  // namespace

std::optional<SearchPoint> NextPoint(const SearchSpace& space, std::span<const Trial> trials, int64_t n_spread,
                                     uint64_t seed) {
  if (trials.empty()) return space.Defaults();
  const auto n_complete = std::ranges::count(trials, TrialState::kComplete, &Trial::state);
  if (std::ssize(trials) < n_spread || n_complete < kLeastGood) return NextSpread(space, trials, seed);
  const auto [good, bad] = GoodAndBad(space, trials);
  uint64_t counter = 0;
  const uint64_t trial_seed = RandomBits(seed, trials.size());
  const auto random = [&] { return RandomUniform(trial_seed, counter++); };
  std::optional<SearchPoint> best;
  double best_ratio = 0;
  for (int64_t c = 0; c < kCandidates; ++c) {
    SearchPoint point = space.At(good.Draw(random));
    const std::vector<double> units = space.Units(point);
    const double ratio = good.At(units) / bad.At(units);
    if (!(ratio > best_ratio) || IsTried(point, trials)) continue;
    best = std::move(point);
    best_ratio = ratio;
  }
  return best ? best : NextSpread(space, trials, seed);
}

}  // namespace kindred
