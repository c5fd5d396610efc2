#include "host/segments/drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/data/random.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const std::vector<std::string> kOne = {"recency"};

std::vector<StabilityBins> Bins(const std::vector<double>& values) {
  return MakeStabilityBins({values.data(), std::ssize(values), 1}, std::vector<int32_t>(values.size(), 0), kOne);
}

FeatureDrift Drift(const std::vector<double>& values, const std::vector<StabilityBins>& last) {
  return MeasureDrift({values.data(), std::ssize(values), 1}, std::vector<int32_t>(values.size(), 0), kOne, last)[0];
}

std::vector<double> Upto(int n) {
  std::vector<double> values;
  for (int i = 1; i <= n; ++i) values.push_back(i);
  return values;
}

TEST(StabilityBins, EndAtDeciles) {
  const StabilityBins bins = Bins(Upto(20))[0];
  EXPECT_EQ(bins.n_users, 20);
  EXPECT_THAT(bins.ends, ElementsAre(2, 4, 6, 8, 10, 12, 14, 16, 18));
  for (size_t b = 0; b < 10; ++b) EXPECT_DOUBLE_EQ(bins.shares[b], 0.1);
  EXPECT_EQ(bins.shares[10], 0) << "nobody lacks one";
}

TEST(StabilityBins, FewDifferentValuesMakeFewBins) {
  const StabilityBins bins = Bins({0, 0, 0, 0, 0, 0, 0, 1, 1, kNan})[0];
  EXPECT_THAT(bins.ends, ElementsAre(0, 1));
  EXPECT_THAT(bins.shares, ElementsAre(0.7, 0.2, 0, 0.1));
  EXPECT_THAT(Bins({3, 3})[0].ends, ElementsAre(3));
  EXPECT_THAT(Bins({kNan, kNan})[0].shares, ElementsAre(0, 1));
  EXPECT_THAT(Bins({})[0].shares, ElementsAre(0, 0));
}

TEST(StabilityBins, LeaveOutUsersInNone) {
  const std::vector<double> values = {1, 2, 3, 100};
  const auto bins = MakeStabilityBins({values.data(), 4, 1}, std::vector<int32_t>{0, 1, 0, -1}, kOne);
  EXPECT_EQ(bins[0].n_users, 3);
  EXPECT_EQ(bins[0].ends.back(), 3);
}

TEST(Drift, IsTheIndexOfTheFormula) {
  const std::vector<StabilityBins> last = {{"recency", {1, 2}, {0.5, 0.3, 0.2, 0}, 100}};
  const double found = Drift({1, 2, 2, 2, 3, 3, 4, 9, kNan, -5}, last).psi;
  double expected = 0;
  const double p[] = {0.5, 0.3, 0.2, kLeastShare}, q[] = {0.2, 0.3, 0.4, 0.1};
  for (int b = 0; b < 4; ++b) expected += (q[b] - p[b]) * std::log(q[b] / p[b]);
  EXPECT_DOUBLE_EQ(found, expected);
}

TEST(Drift, OfTheSamePopulationIsWhatChanceGives) {
  double sum = 0, by_chance = 0;
  constexpr int kTimes = 200;
  for (uint64_t seed = 0; seed < kTimes; ++seed) {
    std::vector<double> before, now;
    for (uint64_t i = 0; i < 400; ++i) {
      before.push_back(RandomNormal(seed, i));
      now.push_back(RandomNormal(seed, 1000 + i));
    }
    const FeatureDrift drift = Drift(now, Bins(before));
    sum += drift.psi / kTimes;
    by_chance += drift.by_chance / kTimes;
  }
  EXPECT_NEAR(by_chance, 9.0 * (1.0 / 400 + 1.0 / 400), 1e-9);
  EXPECT_NEAR(sum, by_chance, 0.15 * by_chance);
}

TEST(Drift, OfWhatIsNotThere) {
  EXPECT_EQ(Drift(Upto(50), Bins(Upto(50))).psi, 0);
  EXPECT_TRUE(std::isnan(Drift(Upto(5), {}).psi));
  EXPECT_TRUE(std::isnan(Drift({}, Bins(Upto(5))).psi));
  EXPECT_TRUE(std::isnan(Drift(Upto(5), Bins({})).psi));
  EXPECT_GT(Drift({kNan, kNan, kNan}, Bins(Upto(5))).psi, 5) << "all of a column missing at once";
  EXPECT_EQ(Drift({4, 4, 4}, Bins({4, 4, 4})).psi, 0) << "constant";
  const nlohmann::json json = DriftJson(std::vector<FeatureDrift>{Drift(Upto(5), {})});
  EXPECT_TRUE(json[0]["psi"].is_null());
}

TEST(StabilityBins, GoThroughJson) {
  std::vector<StabilityBins> bins = Bins({1, 2, 5, kNan});
  const std::vector<StabilityBins> back = StabilityBinsOf(nlohmann::json::parse(StabilityBinsJson(bins).dump()));
  ASSERT_EQ(back.size(), 1u);
  EXPECT_EQ(back[0].feature, bins[0].feature);
  EXPECT_EQ(back[0].ends, bins[0].ends);
  EXPECT_EQ(back[0].shares, bins[0].shares);
  EXPECT_EQ(back[0].n_users, 4);
  for (const char* wrong : {"{}", "[1]", R"([{"feature": 1, "n_users": 1, "ends": [], "shares": [1, 0]}])",
                            R"([{"feature": "a", "n_users": -1, "ends": [], "shares": [1, 0]}])",
                            R"([{"feature": "a", "n_users": 1, "ends": [], "shares": [1]}])",
                            R"([{"feature": "a", "n_users": 1, "ends": [2, 2], "shares": [1, 0, 0, 0]}])",
                            R"([{"feature": "a", "n_users": 1, "ends": [1], "shares": [1, 0, 2]}])",
                            R"([{"feature": "a", "n_users": 1, "ends": ["x"], "shares": [1, 0, 0]}])",
                            R"([{"feature": "a", "n_users": 1, "shares": [1, 0]}])"})
    EXPECT_THROW(StabilityBinsOf(nlohmann::json::parse(wrong)), Error) << wrong;
}

TEST(DriftGate, SaysWhatIsBeyondItsLimits) {
  Lineage lineage;
  lineage.n_in_both = 1000;
  lineage.n_movers = 300;
  lineage.share_movers = 0.3;
  const std::vector<FeatureDrift> drift = {{"recency", 0.25, 0.001}, {"new", kNan, kNan}};
  EXPECT_THAT(BeyondLimits(lineage, drift, {0.25, 0.3}), IsEmpty()) << "at a limit is within it";
  const auto reasons = BeyondLimits(lineage, drift, {0.2, 0.29});
  ASSERT_EQ(reasons.size(), 2u);
  EXPECT_EQ(reasons[0],
            "the values of 'recency' have drifted: their population stability index is 0.25, above max_psi 0.2");
  EXPECT_EQ(reasons[1], "300 of 1,000 users in both versions moved to another segment (30 %), above max_movers 29 %");
  EXPECT_THAT(BeyondLimits(lineage, std::vector<FeatureDrift>{{"f", 0.4, 0.2}}, {0.25, 1})[0],
              HasSubstr("of so few users, 0.2 is to be expected by chance"));
}

TEST(LineageJson, HasTheDriftToo) {
  const LastVersion last = {3, 2, {{"1", "typical", 2}}, {0, 0}};
  const Lineage lineage = TraceSegments(std::vector<int32_t>{0, 0}, 1, last);
  const std::vector<FeatureDrift> drift = {{"recency", 0.5, 0.1}, {"new", kNan, kNan}};
  const std::vector<std::string> reasons = {"why"};
  const nlohmann::json json = LineageJson(lineage, last, drift, reasons, true);
  EXPECT_EQ(json["kept"], nlohmann::json{"1"});
  EXPECT_EQ(json["psi"][0]["psi"], 0.5);
  EXPECT_TRUE(json["psi"][1]["by_chance"].is_null());
  EXPECT_EQ(json["reasons"], nlohmann::json{"why"});
  EXPECT_EQ(json["held"], true);
}

}  // namespace
}  // namespace kindred
