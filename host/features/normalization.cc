#include "host/features/normalization.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kMadOfNormal = 1.4826;  // what the MAD of a normal distribution is multiplied with for its deviation
constexpr double kFences = 3;
constexpr double kQuantileLevels[] = {0, .1, .25, .5, .75, .9, .99, 1};
constexpr int64_t kRowsPerTask = 4096;

double Log(double x) {
  return std::copysign(std::log1p(std::abs(x)), x);
}
double InverseLog(double t) {
  return std::copysign(std::expm1(std::abs(t)), t);
}

/// The piecewise linear function through the knots.
double Level(const FeatureNormalization& feature, double x) {
  const std::vector<double>& knots = feature.knots;
  if (x < knots.front()) return 0;
  if (x > knots.back()) return 1;
  const size_t above = static_cast<size_t>(std::lower_bound(knots.begin(), knots.end(), x) - knots.begin());
  if (knots[above] == x) return feature.levels[above];
  const double part = (.5 * x - .5 * knots[above - 1]) / (.5 * knots[above] - .5 * knots[above - 1]);
  return feature.levels[above - 1] + part * (feature.levels[above] - feature.levels[above - 1]);
}

double Transform(const FeatureNormalization& feature, double x) {
  if (feature.rule.kind == NormalizationKind::kLog) return Log(x);
  if (feature.rule.kind == NormalizationKind::kQuantile) return Level(feature, x);
  return x;
}

/// The power of two that numbers are divided by, so that their squares and sums are in range.
int ExponentOf(std::span<const double> increasing) {
  const double largest = increasing.empty() ? 0 : std::max(std::abs(increasing.front()), std::abs(increasing.back()));
  return largest > 0 ? std::ilogb(largest) : 0;
}

double Mean(std::span<const double> increasing) {
  if (increasing.empty()) return 0;
  const int exponent = ExponentOf(increasing);
  double sum = 0;
  for (const double x : increasing) sum += std::scalbn(x, -exponent);
  const double mean = std::scalbn(sum / static_cast<double>(increasing.size()), exponent);
  return std::clamp(mean, increasing.front(), increasing.back());  // so that equal values have no deviation
}

/// The root of the mean square of the distances to the center.
double Deviation(std::span<const double> increasing, double center) {
  if (increasing.empty()) return 0;
  const int exponent = ExponentOf(increasing);
  const double middle = std::scalbn(center, -exponent);
  double sum = 0;
  for (const double x : increasing) {
    const double distance = std::scalbn(x, -exponent) - middle;
    sum += distance * distance;
  }
  return std::scalbn(std::sqrt(sum / static_cast<double>(increasing.size())), exponent);
}

double MedianDistance(std::span<const double> increasing, double center) {
  std::vector<double> halves;  // which are numbers whatever the distances
  for (const double x : increasing) halves.push_back(std::abs(.5 * x - .5 * center));
  std::sort(halves.begin(), halves.end());
  return 2 * Quantile(halves, .5);
}

/// Fits one feature, on the values of a column.
class ColumnFit {
 public:
  ColumnFit(const NormalizationRule& rule, std::vector<double> values) : values_(std::move(values)) {
    fitted_.rule = rule;
    fitted_.n_values = static_cast<int64_t>(values_.size());
  }

  FeatureNormalization Fit() {
    std::erase_if(values_, [](double x) { return !std::isfinite(x); });
    fitted_.n_missing = fitted_.n_values - static_cast<int64_t>(values_.size());
    std::sort(values_.begin(), values_.end());
    for (size_t i = 0; i < fitted_.quantiles.size(); ++i) fitted_.quantiles[i] = Quantile(values_, kQuantileLevels[i]);
    Clip();
    fitted_.impute = std::clamp(ImputedValue(), fitted_.clip_low, fitted_.clip_high);
    values_.insert(std::upper_bound(values_.begin(), values_.end(), fitted_.impute),
                   static_cast<size_t>(fitted_.n_missing), fitted_.impute);
    fitted_.mean = Mean(values_);
    fitted_.std = Deviation(values_, fitted_.mean);
    if (fitted_.rule.kind == NormalizationKind::kQuantile) SetKnots();
    for (double& x : values_) x = Transform(fitted_, x);  // still increasing
    fitted_.constant = values_.empty() || values_.front() == values_.back();
    if (!fitted_.constant) Scale();
    return std::move(fitted_);
  }

 private:
  void Clip() {
    const NormalizationRule& rule = fitted_.rule;
    if (rule.clip == ClipKind::kNone || values_.empty()) return;
    if (rule.clip == ClipKind::kQuantiles) {
      fitted_.clip_low = Quantile(values_, rule.clip_low);
      fitted_.clip_high = Quantile(values_, rule.clip_high);
    } else {
      SetFences();
    }
    for (double& x : values_) {
      const double clipped = std::clamp(x, fitted_.clip_low, fitted_.clip_high);
      fitted_.n_clipped += clipped != x ? 1 : 0;
      x = clipped;
    }
  }

  void SetFences() {
    const bool log = fitted_.rule.kind == NormalizationKind::kLog;
    std::vector<double> logs;
    if (log)
      for (const double x : values_) logs.push_back(Log(x));
    const std::span<const double> in = log ? logs : values_;
    const double q1 = Quantile(in, .25), q3 = Quantile(in, .75);
    if (q1 == q3) return;
    const double low = q1 - kFences * (q3 - q1), high = q3 + kFences * (q3 - q1);
    fitted_.clip_low = log ? InverseLog(low) : low;
    fitted_.clip_high = log ? InverseLog(high) : high;
  }

  double ImputedValue() const {
    const NormalizationRule& rule = fitted_.rule;
    if (rule.impute == ImputeKind::kNumber) return rule.impute_with;
    if (values_.empty() || rule.impute == ImputeKind::kZero) return 0;
    if (rule.impute == ImputeKind::kMin) return values_.front();
    if (rule.impute == ImputeKind::kMax) return values_.back();
    return rule.impute == ImputeKind::kMean ? Mean(values_) : Quantile(values_, .5);
  }

  void SetKnots() {
    const int64_t n = std::min<int64_t>(kMaxQuantileKnots, static_cast<int64_t>(values_.size()));
    int64_t n_same = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double level = n == 1 ? 0 : static_cast<double>(i) / static_cast<double>(n - 1);
      const double knot = Quantile(values_, level);
      if (fitted_.knots.empty() || knot > fitted_.knots.back()) {
        fitted_.knots.push_back(knot);
        fitted_.levels.push_back(level);
        n_same = 0;
      } else {  // the middle of the levels that share the knot
        ++n_same;
        fitted_.levels.back() = level - .5 * static_cast<double>(n_same) / static_cast<double>(n - 1);
      }
    }
  }

  void Scale() {
    double& scale = fitted_.scale;
    if (fitted_.rule.kind == NormalizationKind::kNone) return;
    if (fitted_.rule.kind == NormalizationKind::kRobust) {
      fitted_.center = Quantile(values_, .5);
      scale = kMadOfNormal * MedianDistance(values_, fitted_.center);
      if (scale == 0) scale = Deviation(values_, fitted_.center);
    } else {
      fitted_.center = Mean(values_);
      scale = Deviation(values_, fitted_.center);
    }
    scale = std::clamp(scale, std::numeric_limits<double>::min(), std::numeric_limits<double>::max());
  }

  std::vector<double> values_;  // increasing, once they are sorted
  FeatureNormalization fitted_;
};

}  // namespace

double Quantile(std::span<const double> increasing, double p) {
  if (increasing.empty()) return 0;
  const double place = p * static_cast<double>(increasing.size() - 1);
  const auto below = static_cast<size_t>(place);
  const double low = increasing[below], high = increasing[std::min(below + 1, increasing.size() - 1)];
  const double part = place - std::floor(place);
  // Each end by its part, so that their difference need not be a number; never beyond them by rounding.
  return part == 0 || low == high ? low : std::clamp((1 - part) * low + part * high, low, high);
}

double FeatureNormalization::Clipped(double raw) const {
  return std::isfinite(raw) ? std::clamp(raw, clip_low, clip_high) : impute;
}

float FeatureNormalization::Apply(double raw) const {
  if (constant) return 0;
  const double t = Transform(*this, Clipped(raw));
  const double z = (.5 * t - .5 * center) / (.5 * scale) * rule.weight;  // halves: differences stay in range
  constexpr double kMost = kLargestNormalized;
  return static_cast<float>(std::clamp(z, -kMost, kMost));
}

double FeatureNormalization::Deviations(double raw) const {
  if (constant || rule.weight == 0) return 0;
  const bool is_transformed = rule.kind == NormalizationKind::kLog || rule.kind == NormalizationKind::kQuantile;
  const double middle = is_transformed ? center : mean, width = is_transformed ? scale : std;
  if (width == 0) return 0;
  const double deviations = (.5 * Transform(*this, Clipped(raw)) - .5 * middle) / (.5 * width);
  return std::clamp<double>(deviations, -kLargestNormalized, kLargestNormalized);
}

Normalization Normalization::Fit(const FeatureTable& table, std::span<const NormalizationRule> rules,
                                 std::span<const uint8_t> keep, ThreadPool& pool) {
  const int64_t n_features = table.n_features();
  if (static_cast<int64_t>(rules.size()) != n_features)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("{} rules of normalization for {} features", rules.size(), n_features));
  Normalization fitted;
  fitted.names_ = table.names;
  fitted.features_.resize(static_cast<size_t>(n_features));
  pool.Run(n_features, pool.n_threads(), [&](int64_t feature, int) {
    std::vector<double> column;
    for (int64_t user = 0; user < table.n_users; ++user)
      if (keep.empty() || keep[static_cast<size_t>(user)] != 0)
        column.push_back(table.row(user)[static_cast<size_t>(feature)]);
    const auto at = static_cast<size_t>(feature);
    fitted.features_[at] = ColumnFit(rules[at], std::move(column)).Fit();
  });
  return fitted;
}

void Normalization::Apply(std::span<const double> raw, std::span<float> normalized) const {
  for (size_t feature = 0; feature < features_.size(); ++feature)
    normalized[feature] = features_[feature].Apply(raw[feature]);
}

std::vector<float> Normalization::Apply(const FeatureTable& table, ThreadPool& pool) const {
  if (table.names != names_)
    throw Error(ErrorCode::kInvalidArgument, "the features are not those that the normalization was fitted on");
  std::vector<float> normalized(table.values.size());
  const int64_t n_tasks = (table.n_users + kRowsPerTask - 1) / kRowsPerTask;
  pool.Run(n_tasks, pool.n_threads(), [&](int64_t task, int) {
    const int64_t end = std::min(table.n_users, (task + 1) * kRowsPerTask);
    for (int64_t user = task * kRowsPerTask; user < end; ++user)
      Apply(table.row(user), {normalized.data() + user * n_features(), features_.size()});
  });
  return normalized;
}

}  // namespace kindred
