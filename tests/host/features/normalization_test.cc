#include "host/features/normalization.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

FeatureTable Table(const std::vector<std::vector<double>>& columns) {
  FeatureTable table;
  table.n_users = columns.empty() ? 0 : static_cast<int64_t>(columns[0].size());
  for (size_t c = 0; c < columns.size(); ++c) table.names.push_back("f" + std::to_string(c));
  for (int64_t user = 0; user < table.n_users; ++user)
    for (const auto& column : columns) table.values.push_back(column[static_cast<size_t>(user)]);
  return table;
}

class NormalizationTest : public testing::Test {
 protected:
  FeatureNormalization Fit(std::vector<double> column, NormalizationRule rule, std::vector<uint8_t> keep = {}) {
    const FeatureTable table = Table({std::move(column)});
    const std::vector<NormalizationRule> rules = {rule};
    normalization_ = Normalization::Fit(table, rules, keep, pool_);
    normalized_ = normalization_.Apply(table, pool_);
    for (const float value : normalized_) EXPECT_TRUE(std::isfinite(value)) << value;
    const auto json = nlohmann::json::parse(normalization_.ToJson().dump());
    EXPECT_EQ(Normalization::FromJson(json, "x").Apply(table, pool_), normalized_);
    EXPECT_EQ(Normalization::FromJson(json, "x").ToJson(), normalization_.ToJson());
    return normalization_.features()[0];
  }

  ThreadPool pool_{2};
  Normalization normalization_;
  std::vector<float> normalized_;
};

std::vector<double> RandomColumn(uint32_t seed, size_t n) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> values(2, 1.5);
  std::vector<double> column(n);
  for (double& x : column) x = random() % 4 == 0 ? std::floor(values(random)) : values(random);
  return column;
}

TEST_F(NormalizationTest, ZIsTheDistanceToTheMeanInDeviations) {
  const FeatureNormalization fitted = Fit({1, 2, 3, 6}, {.weight = .5});
  EXPECT_EQ(fitted.center, 3);
  EXPECT_DOUBLE_EQ(fitted.scale, std::sqrt((4 + 1 + 0 + 9) / 4.0));
  EXPECT_EQ(normalized_[3], static_cast<float>(3 / fitted.scale * .5));
  EXPECT_EQ(fitted.mean, 3);
  EXPECT_EQ(fitted.std, fitted.scale);
}

TEST_F(NormalizationTest, EachKindByItsFormula) {
  for (const size_t n : {2u, 31u, 32u, 33u, 500u, 1000u, 1001u, 5000u}) {
    const std::vector<double> column = RandomColumn(static_cast<uint32_t>(n), n);
    std::vector<double> sorted = column;
    std::sort(sorted.begin(), sorted.end());
    for (const NormalizationKind kind : {NormalizationKind::kNone, NormalizationKind::kZ, NormalizationKind::kLog}) {
      Fit(column, {.kind = kind});
      std::vector<double> t = column;
      double mean = 0, square = 0;
      for (double& x : t) x = kind == NormalizationKind::kLog ? std::log(1 + x) : x;
      for (const double x : t) mean += x / static_cast<double>(n);
      for (const double x : t) square += (x - mean) * (x - mean) / static_cast<double>(n);
      for (size_t i = 0; i < n; ++i) {
        const double expected = kind == NormalizationKind::kNone ? t[i] : (t[i] - mean) / std::sqrt(square);
        EXPECT_NEAR(normalized_[i], expected, 1e-6 * (1 + std::abs(expected))) << n << " " << NameOf(kind);
      }
    }
    Fit(column, {.kind = NormalizationKind::kRobust});
    const auto median_of = [](std::vector<double> values) {
      std::sort(values.begin(), values.end());
      return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
    };
    const double median = median_of(column);
    std::vector<double> distances;
    for (const double x : column) distances.push_back(std::abs(x - median));
    const double mad = 1.4826 * median_of(distances);
    for (size_t i = 0; i < n; ++i)
      EXPECT_NEAR(normalized_[i], (column[i] - median) / mad, 1e-6 * (1 + std::abs(column[i] - median) / mad)) << n;
  }
}

TEST_F(NormalizationTest, QuantilesAreRanks) {
  for (const size_t n : {3u, 1000u, 2999u}) {
    std::vector<double> column;
    for (size_t i = 0; i < n; ++i) column.push_back(std::exp(.01 * static_cast<double>(i)));
    const FeatureNormalization fitted = Fit(column, {.kind = NormalizationKind::kQuantile});
    EXPECT_LE(fitted.knots.size(), 1000u);
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; ++i) {
      const double level = normalized_[i] * fitted.scale + fitted.center;
      EXPECT_NEAR(level, static_cast<double>(i) / static_cast<double>(n - 1), 1e-5) << i;
      sum += normalized_[i];
      square += normalized_[i] * normalized_[i];
    }
    EXPECT_NEAR(sum / static_cast<double>(n), 0, 1e-5);
    EXPECT_NEAR(square / static_cast<double>(n), 1, 1e-5);
    EXPECT_NEAR(fitted.Apply(-1) * fitted.scale + fitted.center, 0, 1e-6);
    EXPECT_NEAR(fitted.Apply(1e300) * fitted.scale + fitted.center, 1, 1e-6);
  }
  // Equal values share the middle of their ranks.
  const FeatureNormalization ties = Fit({0, 0, 0, 5, 9}, {.kind = NormalizationKind::kQuantile});
  EXPECT_THAT(ties.knots, ElementsAre(0, 5, 9));
  EXPECT_THAT(ties.levels, ElementsAre(.25, .75, 1));
}

TEST_F(NormalizationTest, DeviationsAreOfWhatIsScaledAboutItsMean) {
  const std::vector<double> column = {1, 2, 3, 8, 30, 400};
  for (const NormalizationKind kind : {NormalizationKind::kNone, NormalizationKind::kZ, NormalizationKind::kRobust,
                                       NormalizationKind::kLog, NormalizationKind::kQuantile}) {
    const FeatureNormalization fitted = Fit(column, {.kind = kind, .weight = 2.5});
    double sum = 0, squares = 0;
    for (const float z : normalized_) sum += z;
    for (const float z : normalized_) squares += (z - sum / 6) * (z - sum / 6);
    for (size_t i = 0; i < column.size(); ++i)
      EXPECT_NEAR(fitted.Deviations(column[i]), (normalized_[i] - sum / 6) / std::sqrt(squares / 6), 1e-6)
          << NameOf(kind) << " of " << column[i];
  }
  EXPECT_EQ(Fit({1, 2, 3}, {.weight = 0}).Deviations(3), 0);
  EXPECT_EQ(Fit({2, 2, 2}, {}).Deviations(3), 0);
  EXPECT_EQ(Fit({0, 1e-300}, {}).Deviations(1e300), double{kLargestNormalized});
}

TEST_F(NormalizationTest, NegativeValuesHaveLogarithmsToo) {
  Fit({-3, 0, 3}, {.kind = NormalizationKind::kLog});
  EXPECT_EQ(normalized_[0], -normalized_[2]);
  EXPECT_EQ(normalized_[1], 0);
}

TEST_F(NormalizationTest, ClippedAtQuantiles) {
  const FeatureNormalization fitted =
      Fit({0, 10, 20, 30, 1000, kNan},
          {.clip = ClipKind::kQuantiles, .clip_low = .125, .clip_high = .75, .impute = ImputeKind::kMax});
  EXPECT_EQ(fitted.clip_low, 5);
  EXPECT_EQ(fitted.clip_high, 30);
  EXPECT_EQ(fitted.n_clipped, 2);
  EXPECT_EQ(fitted.n_missing, 1);
  EXPECT_EQ(fitted.impute, 30);
  EXPECT_EQ(fitted.mean, (5 + 10 + 20 + 30 + 30 + 30) / 6.0);
  EXPECT_EQ(fitted.quantiles[7], 1000);
  EXPECT_EQ(normalized_[3], normalized_[4]);
  EXPECT_EQ(normalized_[3], normalized_[5]);
  EXPECT_EQ(fitted.Apply(1e9), normalized_[3]);
  EXPECT_EQ(fitted.Clipped(1e9), 30);
  EXPECT_EQ(fitted.Clipped(kNan), 30);
  EXPECT_EQ(fitted.Clipped(kInfinity), 30);
}

TEST_F(NormalizationTest, ClippedAtTukeysFences) {
  const FeatureNormalization plain = Fit({0, 1, 2, 3, 4, 100}, {.clip = ClipKind::kIqr});
  EXPECT_EQ(plain.clip_low, 1.25 - 3 * 2.5);
  EXPECT_EQ(plain.clip_high, 3.75 + 3 * 2.5);
  EXPECT_EQ(plain.n_clipped, 1);
  const FeatureNormalization log =
      Fit({0, 1, 3, 7, 15, 1e9}, {.kind = NormalizationKind::kLog, .clip = ClipKind::kIqr});
  const double q1 = 1.25 * std::log(2), q3 = 3.75 * std::log(2);  // log1p: 0, 1, 2, 3, 4 times log 2
  EXPECT_NEAR(log.clip_high, std::expm1(q3 + 3 * (q3 - q1)), 1e-6);
  EXPECT_NEAR(log.clip_low, -std::expm1(-(q1 - 3 * (q3 - q1))), 1e-9);
  const FeatureNormalization bulk = Fit({1, 1, 1, 1, 1, 1, 9}, {.clip = ClipKind::kIqr});
  EXPECT_EQ(bulk.n_clipped, 0);
  EXPECT_EQ(bulk.clip_high, kInfinity);
  EXPECT_FALSE(bulk.constant);
}

TEST_F(NormalizationTest, MissingValuesAreImputed) {
  const std::vector<double> column = {kNan, 4, 1, 10, kInfinity};
  const auto imputed = [&](ImputeKind kind, double number = 0) {
    const FeatureNormalization fitted = Fit(column, {.impute = kind, .impute_with = number});
    EXPECT_EQ(fitted.n_missing, 2);
    EXPECT_EQ(fitted.n_values, 5);
    EXPECT_EQ(fitted.mean, (15 + 2 * fitted.impute) / 5);
    EXPECT_EQ(normalized_[0], normalized_[4]);
    EXPECT_EQ(fitted.Apply(kNan), fitted.Apply(fitted.impute));
    return fitted.impute;
  };
  EXPECT_EQ(imputed(ImputeKind::kMedian), 4);
  EXPECT_EQ(imputed(ImputeKind::kMean), 5);
  EXPECT_EQ(imputed(ImputeKind::kMin), 1);
  EXPECT_EQ(imputed(ImputeKind::kMax), 10);
  EXPECT_EQ(imputed(ImputeKind::kZero), 0);
  EXPECT_EQ(imputed(ImputeKind::kNumber, -7), -7);
}

TEST_F(NormalizationTest, ConstantsAreZeroAndSaidToBeConstant) {
  for (const auto kind : {NormalizationKind::kNone, NormalizationKind::kZ, NormalizationKind::kRobust,
                          NormalizationKind::kLog, NormalizationKind::kQuantile})
    for (const auto& column : std::vector<std::vector<double>>{
             {.1, .1, .1}, {kNan, kNan}, {7}, {kNan}, {}, {.1, kNan, .1}, {1e308, 1e308}}) {
      const FeatureNormalization fitted = Fit(column, {.kind = kind, .clip = ClipKind::kIqr});
      EXPECT_TRUE(fitted.constant) << NameOf(kind);
      EXPECT_THAT(normalized_, Each(0));
      EXPECT_EQ(fitted.Apply(123), 0);
      EXPECT_EQ(fitted.std, 0);
    }
  EXPECT_FALSE(Fit({1, 2}, {}).constant);
}

TEST_F(NormalizationTest, AColumnOfNothingIsZeroOrTheNumber) {
  EXPECT_EQ(Fit({kNan, kNan}, {.impute = ImputeKind::kMean}).mean, 0);
  EXPECT_EQ(Fit({kNan, kNan}, {.impute = ImputeKind::kNumber, .impute_with = 4}).mean, 4);
}

TEST_F(NormalizationTest, OneHugeValueOverflowsNothing) {
  for (const double huge : {1e30, 1e200, 1.7e308, -1.7e308})
    for (const auto kind : {NormalizationKind::kNone, NormalizationKind::kZ, NormalizationKind::kRobust,
                            NormalizationKind::kLog, NormalizationKind::kQuantile}) {
      const FeatureNormalization fitted = Fit({1, 2, 3, 4, huge}, {.kind = kind});
      EXPECT_FALSE(fitted.constant);
      EXPECT_TRUE(std::isfinite(fitted.scale) && std::isfinite(fitted.std) && std::isfinite(fitted.mean));
      EXPECT_LE(std::abs(normalized_[4]), kLargestNormalized);
      if (kind == NormalizationKind::kZ) {
        EXPECT_NEAR(std::abs(normalized_[4]), 2, 1e-6);  // sqrt(n - 1)
      }
      if (kind == NormalizationKind::kRobust) {
        EXPECT_NEAR(normalized_[0], huge < 0 ? -1 / 1.4826 : -2 / 1.4826, 1e-6);
      }
    }
  Fit({-1.7e308, 1.7e308}, {});
  EXPECT_THAT(normalized_, ElementsAre(-1, 1));
  Fit({-1.7e308, 1.7e308}, {.kind = NormalizationKind::kRobust});
  Fit({0, 5e-324}, {});
}

TEST_F(NormalizationTest, RobustWhereMostAreTheSame) {
  const FeatureNormalization fitted = Fit({3, 3, 3, 3, 8}, {.kind = NormalizationKind::kRobust});
  EXPECT_EQ(fitted.center, 3);
  EXPECT_DOUBLE_EQ(fitted.scale, std::sqrt(5.0));
}

TEST_F(NormalizationTest, RowsToFitOn) {
  const FeatureNormalization fitted = Fit({1, 3, 1000}, {}, {1, 1, 0});
  EXPECT_EQ(fitted.center, 2);
  EXPECT_EQ(fitted.scale, 1);
  EXPECT_EQ(normalized_[2], 998);
}

TEST_F(NormalizationTest, ManyColumnsKeepTheirPlaces) {
  const FeatureTable table = Table({{1, 2, 3}, {5, 5, 5}, {-1, 0, kNan}});
  const std::vector<NormalizationRule> rules = {{.kind = NormalizationKind::kNone}, {}, {.impute = ImputeKind::kZero}};
  const Normalization fitted = Normalization::Fit(table, rules, {}, pool_);
  std::vector<float> row(3);
  fitted.Apply(table.row(1), row);
  const std::vector<float> all = fitted.Apply(table, pool_);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(all[3 + i], row[i]);
  EXPECT_EQ(row[0], 2);
  EXPECT_EQ(row[1], 0);
  FeatureTable other = table;
  other.names[0] = "g";
  ExpectError(ErrorCode::kInvalidArgument, "not those", [&] { fitted.Apply(other, pool_); });
  ExpectError(ErrorCode::kInvalidArgument, "2 rules of normalization for 3 features", [&] {
    Normalization::Fit(table, {rules.data(), 2}, {}, pool_);
  });
}

TEST_F(NormalizationTest, JsonThatIsNone) {
  Fit({1, 2, 3, 3}, {.kind = NormalizationKind::kQuantile});
  const nlohmann::json json = normalization_.ToJson();
  const auto refuse = [&](const char* pointer, const nlohmann::json& value, const std::string& message) {
    nlohmann::json changed = json;
    changed[nlohmann::json::json_pointer(pointer)] = value;
    SCOPED_TRACE(pointer);
    ExpectError(ErrorCode::kCorrupt, message, [&] { Normalization::FromJson(changed, "here"); });
  };
  refuse("/0", 1, "here: feature 0: found number; expected an object");
  refuse("/0/normalize", "x", "'normalize' is not a name that is known");
  refuse("/0/fitted/scale", 0, "here: feature 0: fitted: 'scale' is not a number from");
  refuse("/0/fitted/center", nullptr, "'center' is not a number");
  refuse("/0/fitted/clip", {2, 1}, "'clip' is not increasing");
  refuse("/0/fitted/clip", {1}, "'clip' is not two numbers");
  refuse("/0/fitted/knots", {1}, "'levels' is not one for each");
  refuse("/0/fitted/knots", {3, 2, 1}, "'knots' is not increasing");
  refuse("/0/fitted/levels", {0, .5, 1.5}, "'levels' is not from 0 to 1");
  refuse("/0/n_missing", 5, "'n_missing' is not a whole number from 0 to 4");
  refuse("/0/quantiles", {1}, "'quantiles' is not eight numbers");
  refuse("/1", json[0], "here: feature 1: 'name' is not one of its own");
  ExpectError(ErrorCode::kCorrupt, "here", [] { Normalization::FromJson(1, "here"); });
}

TEST(Quantiles, BetweenTwoLinearly) {
  EXPECT_EQ(Quantile({}, .5), 0);
  const std::vector<double> values = {1, 2, 4};
  EXPECT_EQ(Quantile(values, 0), 1);
  EXPECT_EQ(Quantile(values, .25), 1.5);
  EXPECT_EQ(Quantile(values, .75), 3);
  EXPECT_EQ(Quantile(values, 1), 4);
}

}  // namespace
}  // namespace kindred
