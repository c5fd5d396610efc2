#include "host/segments/pca.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <set>

#include "host/data/random.h"

namespace kindred {
namespace {

using testing::ElementsAre;

std::vector<float> RandomPoints(int64_t n, int64_t n_features, uint64_t seed) {
  std::vector<float> points;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t f = 0; f < n_features; ++f)
      points.push_back(static_cast<float>(5 + RandomNormal(seed, static_cast<uint64_t>(i * n_features + f)) /
                                                  static_cast<double>(1 + f)));
  return points;
}

TEST(PrincipalComponents, AreEigenvectorsOfTheCovariance) {
  for (const int64_t n : {2, 31, 33, 1024, 1025, 2500})
    for (const int64_t n_features : {1, 2, 5}) {
      std::vector<float> points = RandomPoints(n, n_features, static_cast<uint64_t>(n));
      std::vector<int32_t> labels(static_cast<size_t>(n), 0);
      labels[0] = n > 2 ? -1 : 0;
      const PrincipalComponents found = FitPrincipalComponents({points.data(), n, n_features}, labels);
      // C plainly, and C v = l v with l = explained x trace.
      const auto d = static_cast<size_t>(n_features);
      std::vector<long double> mean(d, 0), covariance(d * d, 0);
      const auto n_used = static_cast<long double>(std::count(labels.begin(), labels.end(), 0));
      const auto each = [&](const auto& visit) {
        for (size_t i = 0; i < labels.size(); ++i)
          if (labels[i] >= 0) visit(&points[i * d]);
      };
      each([&](const float* x) {
        for (size_t f = 0; f < d; ++f) mean[f] += x[f] / n_used;
      });
      each([&](const float* x) {
        for (size_t a = 0; a < d; ++a)
          for (size_t b = 0; b < d; ++b) covariance[a * d + b] += (x[a] - mean[a]) * (x[b] - mean[b]) / n_used;
      });
      long double trace = 0;
      for (size_t f = 0; f < d; ++f) trace += covariance[f * d + f];
      for (size_t c = 0; c < std::min<size_t>(2, d); ++c) {
        const std::vector<double>& v = found.loadings[c];
        EXPECT_NEAR(std::inner_product(v.begin(), v.end(), v.begin(), 0.0), 1, 1e-12);
        EXPECT_GT(*std::max_element(v.begin(), v.end(), [](double a, double b) { return std::fabs(a) < std::fabs(b); }),
                  0);
        for (size_t a = 0; a < d; ++a) {
          long double product = 0;
          for (size_t b = 0; b < d; ++b) product += covariance[a * d + b] * v[b];
          EXPECT_NEAR(static_cast<double>(product), static_cast<double>(found.explained[c] * trace * v[a]), 1e-10)
              << n << " x " << n_features;
        }
      }
      EXPECT_GE(found.explained[0], found.explained[1]);
      EXPECT_LE(found.explained[0] + found.explained[1], 1 + 1e-12);
    }
}

TEST(PrincipalComponents, OfPointsThatDoNotDiffer) {
  for (const int64_t n : {0, 1, 5}) {
    const std::vector<float> points(static_cast<size_t>(3 * n), 0.1F);
    const std::vector<int32_t> labels(static_cast<size_t>(n), 0);
    const PrincipalComponents found = FitPrincipalComponents({points.data(), n, 3}, labels);
    EXPECT_THAT(found.explained, ElementsAre(0, 0));
    for (const MapPoint& point : MapOf(found, {points.data(), n, 3}, labels)) EXPECT_EQ(point.x + point.y, 0);
  }
  const PrincipalComponents nothing = FitPrincipalComponents({nullptr, 4, 0}, std::vector<int32_t>(4, 0));
  EXPECT_EQ(MapOf(nothing, {nullptr, 4, 0}, std::vector<int32_t>(4, 0)).size(), 4u);
}

TEST(PrincipalComponents, PlacesPointsAlongThem) {
  // On the line (1, -1): sizes are equal, so the sign is the first's.
  const std::vector<float> points = {-2, 2, 0, 0, 2, -2};
  const PrincipalComponents found = FitPrincipalComponents({points.data(), 3, 2}, std::vector<int32_t>{0, 0, 0});
  EXPECT_NEAR(found.loadings[0][0], std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(found.loadings[0][1], -std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(found.explained[0], 1, 1e-12);
  const std::vector<MapPoint> map = MapOf(found, {points.data(), 3, 2}, std::vector<int32_t>{0, -1, 1});
  ASSERT_EQ(map.size(), 2u);
  EXPECT_NEAR(map[0].x, -std::sqrt(8), 1e-12);
  EXPECT_NEAR(map[1].x, std::sqrt(8), 1e-12);
  EXPECT_EQ(map[1].segment, 1);
}

TEST(MapOf, HasAFixedSample) {
  const auto users_of = [](int64_t n, size_t most) {
    const std::vector<float> points(static_cast<size_t>(n), 1);
    const std::vector<int32_t> labels(static_cast<size_t>(n), 0);
    std::vector<int32_t> users;
    for (const MapPoint& point :
         MapOf(FitPrincipalComponents({points.data(), n, 1}, labels), {points.data(), n, 1}, labels, most))
      users.push_back(point.user);
    return users;
  };
  EXPECT_EQ(users_of(33, 33).size(), 33u);
  const std::vector<int32_t> sample = users_of(5000, 500), again = users_of(5000, 500), more = users_of(5100, 500);
  EXPECT_EQ(sample.size(), 500u);
  EXPECT_EQ(sample, again);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  const std::set<int32_t> before(sample.begin(), sample.end());
  EXPECT_GT(std::count_if(more.begin(), more.end(), [&](int32_t user) { return before.contains(user); }), 470);
  EXPECT_NEAR(std::accumulate(sample.begin(), sample.end(), 0.0) / 500, 2500, 250) << "from all of them alike";
}

}  // namespace
}  // namespace kindred
