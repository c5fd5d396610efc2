// Thresholds: quantiles of the population, steps, and what a version keeps of them.
#include "host/segments/thresholds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "kernels/error.h"

namespace kindred {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<std::string> kFeatures = {"recency", "monetary"};
// Four users with a monetary, one without.
const std::vector<double> kValues = {1, 30, 2, 10, 3, kNan, 4, 20, 5, 40};

FeatureTable Table(std::vector<double> values, std::vector<std::string> names = kFeatures) {
  FeatureTable table;
  table.names = std::move(names);
  table.values = std::move(values);
  table.n_users = std::ssize(table.values) / table.n_features();
  table.n_events.assign(static_cast<size_t>(table.n_users), 1);
  return table;
}

Threshold One(const ThresholdSpec& spec, std::span<const Threshold> last = {}) {
  return SetThresholds({&spec, 1}, Table(kValues), last)[0];
}

TEST(Thresholds, FixedOnesAndQuantilesOfThoseWhoHaveTheFeature) {
  EXPECT_EQ(One({.name = "big", .value = 500}).value, 500);
  for (const auto& [quantile, value] :
       std::vector<std::pair<double, double>>{{0, 10}, {1, 40}, {0.5, 25}, {1.0 / 3, 20}, {0.25, 17.5}, {0.9, 37}})
    EXPECT_DOUBLE_EQ(One({.name = "big", .of = "monetary", .quantile = quantile}).value, value) << quantile;
}

TEST(Thresholds, QuantilesAreThoseOfASortedPopulation) {
  for (const size_t n : {1, 2, 31, 32, 33, 1000}) {
    std::mt19937_64 random(n);
    std::vector<double> values(n);
    for (double& value : values) value = static_cast<double>(random() % 50);
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (const double q : {0.0, 0.1, 0.5, 0.9, 0.99, 1.0}) {
      const ThresholdSpec spec = {.name = "t", .of = "x", .quantile = q};
      const double place = q * static_cast<double>(n - 1), part = place - std::floor(place);
      const auto below = static_cast<size_t>(place);
      const double expected = sorted[below] * (1 - part) + sorted[std::min(below + 1, n - 1)] * part;
      EXPECT_NEAR(SetThresholds({&spec, 1}, Table(values, {"x"}), {})[0].value, expected, 1e-9)
          << "n " << n << ", q " << q;
    }
  }
}

TEST(Thresholds, QuantilesAreOfUsersWithEvents) {
  FeatureTable table = Table({1, 0, 2, 10, 3, 0, 4, 20, 5, 0});
  table.n_events = {0, 3, 0, 1, 0};
  const ThresholdSpec spec = {.name = "big", .of = "monetary", .quantile = 0.5};
  EXPECT_EQ(SetThresholds({&spec, 1}, table, {})[0].value, 15);
  table.n_events.assign(5, 0);
  EXPECT_THROW(SetThresholds({&spec, 1}, table, {}), Error);
}

TEST(Thresholds, MoveByAStepAtMost) {
  const ThresholdSpec spec = {.name = "big", .of = "monetary", .quantile = 0.5, .max_step = 0.1};
  const auto from = [&](double value) {
    const Threshold last = {
        .name = "big", .value = value, .wanted = value, .last = {}, .of = "monetary", .quantile = 0.5};
    return One(spec, {&last, 1});
  };
  EXPECT_DOUBLE_EQ(from(20).value, 22);
  EXPECT_TRUE(from(20).held());
  EXPECT_EQ(from(20).wanted, 25);
  EXPECT_EQ(from(20).last, 20);
  EXPECT_DOUBLE_EQ(from(100).value, 90);
  EXPECT_DOUBLE_EQ(from(24).value, 25);
  EXPECT_FALSE(from(24).held());
  EXPECT_DOUBLE_EQ(from(-10).value, -9);  // a tenth of 10
  EXPECT_EQ(from(0).value, 25);           // no share of 0 leads away from it

  Threshold last = from(20);  // and on, until it is there
  for (int version = 0; version < 2; ++version) last = One(spec, {&last, 1});
  EXPECT_EQ(last.value, 25);
}

TEST(Thresholds, AnotherDefinitionBeginsAnew) {
  const Threshold last = {.name = "big", .value = 10, .wanted = 10, .last = {}, .of = "monetary", .quantile = 0.5};
  for (const ThresholdSpec& spec : {ThresholdSpec{.name = "other", .of = "monetary", .quantile = 0.5, .max_step = 0.1},
                                    ThresholdSpec{.name = "big", .of = "monetary", .quantile = 0.75, .max_step = 0.1},
                                    ThresholdSpec{.name = "big", .of = "recency", .quantile = 0.5, .max_step = 0.1}}) {
    const Threshold threshold = One(spec, {&last, 1});
    EXPECT_EQ(threshold.last, std::nullopt);
    EXPECT_EQ(threshold.value, threshold.wanted);
  }
  const ThresholdSpec still = {.name = "big", .of = "monetary", .quantile = 0.5, .max_step = 0};
  EXPECT_EQ(One(still, {&last, 1}).value, 10);
}

TEST(Thresholds, Refusals) {
  const auto refusal = [](std::vector<ThresholdSpec> specs, std::vector<double> values = kValues) -> std::string {
    try {
      SetThresholds(specs, Table(std::move(values)), {});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal({{.name = "big", .of = "monetry", .quantile = 0.5, .place = "f: line 2, column 1: "}}),
            "f: line 2, column 1: threshold 'big': unknown feature 'monetry'; the nearest is 'monetary'");
  EXPECT_THAT(refusal({{.name = "big"}}), HasSubstr("expected one of 'value' and 'quantile'"));
  EXPECT_THAT(refusal({{.name = "big", .value = 1, .of = "monetary", .quantile = 1}}), HasSubstr("expected one of"));
  EXPECT_THAT(refusal({{.name = "big", .value = kNan}}), HasSubstr("expected a finite 'value'"));
  EXPECT_THAT(refusal({{.name = "big", .value = 1, .max_step = 1}}), HasSubstr("has no 'max_step'"));
  EXPECT_THAT(refusal({{.name = "big", .of = "monetary", .quantile = 1.5}}),
              HasSubstr("'quantile' is 1.5; expected 0 to 1"));
  EXPECT_THAT(refusal({{.name = "big", .quantile = 0.5}}), HasSubstr("none is named"));
  EXPECT_THAT(refusal({{.name = "big", .of = "monetary", .quantile = 0.5, .max_step = -1}}),
              HasSubstr("'max_step' is -1"));
  EXPECT_THAT(refusal({{.name = "big one", .value = 1}}), HasSubstr("expected a name of letters"));
  EXPECT_THAT(refusal({{.name = "big", .value = 1}, {.name = "big", .value = 2}}),
              HasSubstr("threshold 'big': is there twice"));
  EXPECT_THAT(refusal({{.name = "big", .of = "monetary", .quantile = 0.5}}, {1, kNan}),
              HasSubstr("no user has a value of 'monetary'"));
}

TEST(Thresholds, AVersionKeepsThem) {
  const std::vector<ThresholdSpec> specs = {{.name = "big", .of = "monetary", .quantile = 0.9, .max_step = 0.1},
                                            {.name = "fixed", .value = 0.1}};
  const std::vector<Threshold> first = SetThresholds(specs, Table(kValues), {});
  const std::vector<Threshold> second = SetThresholds(specs, Table({1, 300, 2, 500}), first);
  const nlohmann::json json = nlohmann::json::parse(ThresholdsJson(second).dump());
  EXPECT_NEAR(json["big"]["moved"].get<double>(), 3.7, 1e-12);
  EXPECT_EQ(json["fixed"]["of"], nullptr);
  const std::vector<Threshold> again = ParseThresholds(json, "manifest");
  ASSERT_EQ(again.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(again[i].name, second[i].name);
    EXPECT_EQ(again[i].value, second[i].value);
    EXPECT_EQ(again[i].wanted, second[i].wanted);
    EXPECT_EQ(again[i].last, second[i].last);
    EXPECT_EQ(again[i].of, second[i].of);
    EXPECT_EQ(again[i].quantile, second[i].quantile);
  }
  for (const char* key : {"value", "wanted", "last", "of", "quantile"}) {
    nlohmann::json broken = json;
    broken["big"].erase(key);
    EXPECT_THROW(ParseThresholds(broken, "manifest"), Error) << key;
    broken["big"][key] = nlohmann::json::array();
    EXPECT_THROW(ParseThresholds(broken, "manifest"), Error) << key;
  }
  for (const char* broken : {"[]", "3", "{\"big\": 3}", "{\"big\": {\"value\": null}}"})
    EXPECT_THROW(ParseThresholds(nlohmann::json::parse(broken), "manifest"), Error) << broken;
}

}  // namespace
}  // namespace kindred
