// Raw features as numbers that distances can be taken of: fitted on a table, and then the same for whoever comes later.
//
// A value x goes through these steps, in this order:
//
//   clip       x = min(max(x, low), high). `clip = [p, q]`: low and high are these quantiles of the values that are not
//              missing (between two, linear: Hyndman and Fan 1996, type 7). `clip = "iqr"`: Tukey's far fences,
//              q1 - 3 (q3 - q1) and q3 + 3 (q3 - q1), taken of log1p where the normalization is log; where q1 = q3
//              there are none, as everything but the bulk would be cut to it.
//   impute     a missing value (NaN; infinite ones count as missing) becomes the median, mean, min or max of the
//   clipped
//              ones, 0, or the number that was given, clipped too. Of a column that is missing altogether it is 0, or
//              the number.
//   transform  log:      t = sign(x) log(1 + |x|), so that negative values (refunds) have a place
//              quantile: t = F(x), from 0 to 1: the empirical distribution at up to 1000 quantiles, linear between
//                        them; equal values have the middle of their ranks, those beyond the ends 0 or 1
//              others:   t = x
//   scale      z = (t - center) / scale * weight, as float32
//              none:     0 and 1
//              z, log, quantile: mean and standard deviation (of n, not n - 1)
//              robust:   median and 1.4826 times the median distance to it (MAD); where that is 0, as more than half
//                        of the values are the same, the standard deviation about the median
//
// center and scale are of all rows fitted on, imputed ones too. A feature whose t are all the same is constant: z is 0,
// for users who come later too. z is cut at +-kLargestNormalized, so that squares and sums of them stay float32
// numbers. One huge value: in double nothing overflows (1e308 among ones: sums are scaled by powers of two), but the
// others become as good as equal; clip. With one user every feature is constant; with none it is, too, and all
// statistics are 0.
//
// Sums go in the order of rows within blocks of a fixed size, and these in order: no bit depends on the threads.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/features/feature_table.h"
#include "host/features/normalization_rule.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

inline constexpr float kLargestNormalized = 1e15f;
inline constexpr int64_t kMaxQuantileKnots = 1000;

/// Of one feature: the rule, what was fitted, and what the values were like.
struct FeatureNormalization {
  NormalizationRule rule;
  double clip_low = -std::numeric_limits<double>::infinity();  // raw
  double clip_high = std::numeric_limits<double>::infinity();
  double impute = 0;  // raw
  double center = 0, scale = 1;
  bool constant = false;
  std::vector<double> knots, levels;  // quantile only: increasing values, and F there

  int64_t n_values = 0;      // rows fitted on
  int64_t n_missing = 0;     // of them
  int64_t n_clipped = 0;     // of them
  double mean = 0, std = 0;  // of the clipped and imputed raw values
  /// Min, p10, p25, median, p75, p90, p99 and max of the raw values as they came; zeros where there are none.
  std::array<double, 8> quantiles = {};

  /// Clipped, and imputed where missing.
  double Clipped(double raw) const;
  float Apply(double raw) const;
  /// How far t is from the mean of the t that were fitted on, in their standard deviations: Apply without the weight,
  /// and about the mean where it is about the median (robust). 0 where it is constant or its weight is 0; cut as z is.
  double Deviations(double raw) const;
};

class Normalization {
 public:
  Normalization() = default;

  /// A rule for each column of the table. `keep` (per row, or empty for all) has the rows to fit on. Cost: a sort of
  /// each column; memory of one column a thread.
  static Normalization Fit(const FeatureTable& table, std::span<const NormalizationRule> rules,
                           std::span<const uint8_t> keep, ThreadPool& pool);

  int64_t n_features() const { return static_cast<int64_t>(features_.size()); }
  const std::vector<std::string>& names() const { return names_; }
  const std::vector<FeatureNormalization>& features() const { return features_; }

  /// One user: n_features each.
  void Apply(std::span<const double> raw, std::span<float> normalized) const;
  /// [n_users x n_features], row-major. kInvalidArgument where the table's names are others.
  std::vector<float> Apply(const FeatureTable& table, ThreadPool& pool) const;

  /// A list with an object a feature: "name", the rule (normalize, clip, impute, weight), "fitted": {"clip": [low,
  /// high], each null where there is no such end, "impute", "center", "scale", "knots", "levels"}, "constant",
  /// "n_values", "n_missing", "n_clipped", "mean", "std", "quantiles". Numbers come back the same to the last bit.
  nlohmann::json ToJson() const;
  /// Throws kCorrupt, beginning with `where`.
  static Normalization FromJson(const nlohmann::json& json, const std::string& where);

 private:
  std::vector<std::string> names_;
  std::vector<FeatureNormalization> features_;
};

/// The value below which a part p, from 0 to 1, of the increasing values lies: type 7, as above. None: 0.
double Quantile(std::span<const double> increasing, double p);

}  // namespace kindred
