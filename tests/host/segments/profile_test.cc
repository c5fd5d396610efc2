#include "host/segments/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/data/random.h"
#include "host/segments/lineage.h"
#include "host/segments/segments_json.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Users with values that some lack, points and labels.
struct Population {
  int64_t n_features;
  std::vector<double> values;
  std::vector<float> points;
  std::vector<int32_t> labels;
  std::vector<float> centroids;

  SegmentedUsers view() {
    const auto n = std::ssize(labels);
    return {{values.data(), n, n_features},
            {points.data(), n, n_features},
            labels,
            {centroids.data(), n_features == 0 ? 0 : std::ssize(centroids) / n_features, n_features}};
  }
};

Population RandomPopulation(int64_t n_users, int64_t n_features, int n_segments, uint64_t seed) {
  Population users = {n_features, {}, {}, {}, {}};
  for (int64_t i = 0; i < n_users * n_features; ++i) {
    const auto at = static_cast<uint64_t>(i);
    const double value = std::exp(RandomNormal(seed, at));
    users.values.push_back(RandomUniform(seed + 1, at) < 0.1 ? kNan : value);
    users.points.push_back(static_cast<float>(RandomNormal(seed + 2, at)));
  }
  for (int64_t user = 0; user < n_users; ++user)
    users.labels.push_back(
        static_cast<int32_t>(RandomUniform(seed + 3, static_cast<uint64_t>(user)) * (n_segments + 1)) - 1);
  users.centroids = MeansOfSegments({users.points.data(), n_users, n_features}, users.labels, n_segments);
  return users;
}

std::vector<ProfiledFeature> Features(int64_t n) {
  std::vector<ProfiledFeature> features;
  for (int64_t f = 0; f < n; ++f) features.push_back({"f" + std::to_string(f), "count"});
  return features;
}

/// The header's formulas, a segment and a feature at a time.
FeatureProfile Reference(const Population& users, int32_t segment, int64_t f) {
  std::vector<double> own;
  long double sum = 0, points = 0, all = 0, squares = 0;
  int64_t n_points = 0, n_all = 0;
  const auto each = [&](const auto& visit) {
    for (size_t user = 0; user < users.labels.size(); ++user) {
      const size_t at = user * static_cast<size_t>(users.n_features) + static_cast<size_t>(f);
      if (users.labels[user] >= 0) visit(users.labels[user], users.values[at], users.points[at]);
    }
  };
  each([&](int32_t label, double value, long double point) {
    all += point;
    ++n_all;
    if (label != segment) return;
    points += point;
    ++n_points;
    if (!std::isfinite(value)) return;
    own.push_back(value);
    sum += value;
  });
  each([&](int32_t, double, long double point) { squares += (point - all / n_all) * (point - all / n_all); });
  if (own.empty()) return {0, kNan, kNan, kNan};
  std::sort(own.begin(), own.end());
  const auto n = static_cast<int64_t>(own.size());
  const double median = (own[static_cast<size_t>((n - 1) / 2)] + own[static_cast<size_t>(n / 2)]) / 2;
  const long double deviation = std::sqrt(squares / n_all);
  return {n, static_cast<double>(sum / n), median,
          deviation > 0 ? static_cast<double>((points / n_points - all / n_all) / deviation) : 0};
}

void ExpectSame(double found, double expected, const std::string& where) {
  if (std::isnan(expected))
    EXPECT_TRUE(std::isnan(found)) << where;
  else
    EXPECT_NEAR(found, expected, 1e-12 * std::max(1.0, std::fabs(expected))) << where;
}

TEST(SegmentProfile, IsThatOfTheFormulas) {
  uint64_t seed = 100;
  for (const int64_t n_users : {0, 1, 2, 31, 32, 33, 300})
    for (const int64_t n_features : {1, 3})
      for (const int n_segments : {1, 2, 7}) {
        Population users = RandomPopulation(n_users, n_features, n_segments, ++seed);
        const SegmentProfiles profiles = MeasureProfiles(users.view(), Features(n_features));
        ASSERT_EQ(std::ssize(profiles.segments), n_segments);
        int64_t n = 0;
        for (int32_t s = 0; s < n_segments; ++s) {
          const SegmentProfile& profile = profiles.segments[static_cast<size_t>(s)];
          EXPECT_EQ(profile.size, std::count(users.labels.begin(), users.labels.end(), s));
          n += profile.size;
          for (int64_t f = 0; f < n_features; ++f) {
            const FeatureProfile& found = profile.features[static_cast<size_t>(f)];
            const FeatureProfile expected = Reference(users, s, f);
            const std::string where = "seed " + std::to_string(seed) + " segment " + std::to_string(s);
            EXPECT_EQ(found.n, expected.n) << where;
            ExpectSame(found.mean, expected.mean, where + " mean");
            ExpectSame(found.median, expected.median, where + " median");
            ExpectSame(found.deviations, expected.deviations, where + " deviations");
          }
        }
        EXPECT_EQ(profiles.n_users, n);
        for (const SegmentProfile& profile : profiles.segments)
          EXPECT_DOUBLE_EQ(profile.share * static_cast<double>(std::max<int64_t>(n, 1)),
                           static_cast<double>(profile.size));
      }
}

TEST(SegmentProfile, ConstantMissingAndHugeValues) {
  // Columns: 0.1 for all; missing for all; one that is 1, 2 and huge; values near the largest double.
  Population users = {4,
                      {0.1, kNan, 1, 1.7e308, 0.1, HUGE_VAL, 2, -1.7e308, 0.1, -HUGE_VAL, 1e300, 1.7e308},
                      {0.1F, 0, 0, 1e15F, 0.1F, 0, 1, -1e15F, 0.1F, 0, 5, 1e15F},
                      {0, 0, 1},
                      std::vector<float>(8, 0)};
  const SegmentProfiles profiles = MeasureProfiles(users.view(), Features(4));
  for (const SegmentProfile& profile : profiles.segments) {
    EXPECT_EQ(profile.features[0].deviations, 0) << "rounding is no deviation";
    EXPECT_EQ(profile.features[1].n, 0);
    EXPECT_TRUE(std::isnan(profile.features[1].mean));
    EXPECT_TRUE(std::isnan(profile.features[1].deviations));
  }
  const double deviation = std::sqrt((4 + 1 + 9) / 3.0);  // of 0, 1 and 5 about 2: of points, not of values
  EXPECT_DOUBLE_EQ(profiles.segments[0].features[2].deviations, -1.5 / deviation);
  EXPECT_DOUBLE_EQ(profiles.segments[1].features[2].deviations, 3 / deviation);
  EXPECT_EQ(profiles.segments[1].features[2].mean, 1e300);
  EXPECT_EQ(profiles.segments[0].features[3].mean, 0) << "the sum of absolutes would overflow";
  EXPECT_DOUBLE_EQ(profiles.segments[1].features[3].deviations, std::sqrt(0.5));
}

TEST(SegmentProfile, ExamplesAreNearestThenOneAtTheBorder) {
  // On a line: segment 0 around 0, segment 1 around 10.
  Population users = {1, {}, {0, 1, -2, 4.5F, 9, 10, 14}, {0, 0, 0, 0, 1, 1, 1}, {0, 10}};
  users.values.assign(7, 1);
  const SegmentProfiles profiles = MeasureProfiles(users.view(), Features(1), 2);
  const auto ids = [](const SegmentProfile& profile) {
    std::vector<int> users_of;
    for (const ExampleUser& example : profile.examples) users_of.push_back(example.user);
    return users_of;
  };
  EXPECT_EQ(ids(profiles.segments[0]), (std::vector<int>{0, 1, 3}));
  EXPECT_EQ(profiles.segments[0].examples[2].next, 1);
  EXPECT_FLOAT_EQ(static_cast<float>(profiles.segments[0].examples[2].distance), 4.5F);
  EXPECT_EQ(ids(profiles.segments[1]), (std::vector<int>{5, 4})) << "the one at the border is shown already";
  EXPECT_DOUBLE_EQ(profiles.segments[1].inertia, 1 + 16);
  EXPECT_EQ(ids(MeasureProfiles(users.view(), Features(1), 9).segments[0]), (std::vector<int>{0, 1, 2, 3}));
  EXPECT_THAT(ids(MeasureProfiles(users.view(), Features(1), 0).segments[0]), testing::IsEmpty());

  users.labels.assign(7, 0);
  users.centroids = {0};
  EXPECT_EQ(ids(MeasureProfiles(users.view(), Features(1), 2).segments[0]), (std::vector<int>{0, 1}))
      << "of one segment nobody is at the border";
}

TEST(SegmentProfile, RefusesWhatDoesNotFit) {
  Population users = RandomPopulation(5, 2, 3, 7);
  EXPECT_THROW(MeasureProfiles(users.view(), Features(3)), Error);
  users.labels[2] = 3;
  EXPECT_THROW(MeasureProfiles(users.view(), Features(2)), Error);
  users.labels[2] = -2;
  EXPECT_THROW(MeasureProfiles(users.view(), Features(2)), Error);
  users.labels.pop_back();
  EXPECT_THROW(MeasureProfiles(users.view(), Features(2)), Error);
}

TEST(SegmentsJson, HasNoNumberThatIsNone) {
  Population users = {2, {1, kNan, 2, kNan, 3, kNan}, std::vector<float>(6, 0), {0, 0, 1}, std::vector<float>(6, 0)};
  std::vector<ProfiledFeature> features = Features(2);
  features[0].name = "\xff<";
  const SegmentProfiles profiles = MeasureProfiles(users.view(), features);
  const Lineage lineage = FirstLineage(users.labels, 3);
  const std::vector<SegmentName> names = NameSegments(profiles, features, lineage.ids);
  const nlohmann::json json = SegmentsJson({profiles, features, names, lineage, users.view().values},
                                           [](int32_t user) { return "\xfeu" + std::to_string(user); });
  EXPECT_NO_THROW(json.dump());
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[0]["id"], "1");
  EXPECT_EQ(json[0]["size"], 2);
  EXPECT_TRUE(json[0]["kept_from"].is_null());
  EXPECT_TRUE(json[0]["profile"][1]["mean"].is_null());
  EXPECT_EQ(json[0]["examples"][0]["user"], "\\xfeu0");
  EXPECT_EQ(json[0]["examples"][0]["values"]["\\xff<"], 1);
  EXPECT_TRUE(json[0]["examples"][0]["values"]["f1"].is_null());
  EXPECT_EQ(json[2]["size"], 0);
  EXPECT_EQ(json[2]["in_words"], "No users.");
}

}  // namespace
}  // namespace kindred
