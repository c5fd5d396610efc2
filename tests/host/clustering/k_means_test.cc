#include "host/clustering/k_means.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

#include "host/clustering/cluster_seeds.h"
#include "host/clustering/silhouette.h"
#include "tests/reference/clusters.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

/// n points around n_groups places that are far apart, `spread` wide, dealt out in turn.
std::vector<float> Groups(int64_t n, int64_t d, int64_t n_groups, float spread, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> places(static_cast<size_t>(n_groups * d)), values;
  for (float& x : places) x = 10 * normal(engine);
  for (int64_t p = 0; p < n; ++p)
    for (int64_t j = 0; j < d; ++j)
      values.push_back(places[static_cast<size_t>(p % n_groups * d + j)] + spread * normal(engine));
  return values;
}

class KMeansTest : public BackendTest {
 protected:
  HostMatrix<const float> Matrix(const std::vector<float>& values, int64_t d) {
    return {values.data(), std::ssize(values) / d, d};
  }
  std::vector<KMeansFit> Fit(const std::vector<float>& values, int64_t d, const KMeansOptions& options) {
    const ClusteredPoints points(backend(), Matrix(values, d));
    return FitKMeans(points, options);
  }
};

bool Same(const KMeansFit& a, const KMeansFit& b) {
  return a.n_asked == b.n_asked && a.centroids == b.centroids && a.inertia == b.inertia &&
         a.n_iterations == b.n_iterations && a.converged == b.converged && a.restart == b.restart;
}

TEST_P(KMeansTest, GroupsThatAreFarApartAreFound) {
  const int64_t n = Allowance(2000, 150), d = 3, n_groups = 5;
  const std::vector<float> values = Groups(n, d, n_groups, 0.1f, 1);
  for (const ClusterSeeds seeds : {ClusterSeeds::kPlusPlus, ClusterSeeds::kParallel}) {
    const ClusteredPoints points(backend(), Matrix(values, d));
    const auto fits = FitKMeans(points, {.n_clusters = {5}, .restarts = 3, .seeds = seeds});
    ASSERT_EQ(std::ssize(fits[0].centroids), n_groups * d);
    EXPECT_TRUE(fits[0].converged);
    const Clustering found = AssignToCentroids(points, fits[0].centroids);
    for (size_t p = 0; p < found.labels.size(); ++p)
      ASSERT_EQ(found.labels[p], found.labels[p % static_cast<size_t>(n_groups)]) << "point " << p;
    const auto expected = reference::Assign(Matrix(values, d), Matrix(fits[0].centroids, d));
    EXPECT_EQ(found.labels, expected.labels);
    EXPECT_NEAR(fits[0].inertia, std::accumulate(expected.distances.begin(), expected.distances.end(), 0.0),
                1e-9 * fits[0].inertia);
  }
}

// Together, one k at a time, and in parties of a few runs.
TEST_P(KMeansTest, ASweepIsItsFits) {
  const int64_t n = Allowance(900, 90), d = 4;
  const std::vector<float> values = Groups(n, d, 6, 3, 2);
  const KMeansOptions options = {.n_clusters = {1, 2, 3, 5, 9}, .restarts = 4, .n_trials = 2, .seed = 7};
  const auto sweep = Fit(values, d, options);
  ASSERT_EQ(sweep.size(), 5u);
  for (size_t i = 0; i < sweep.size(); ++i) {
    EXPECT_EQ(sweep[i].n_asked, options.n_clusters[i]);
    if (i > 0) {
      EXPECT_LE(sweep[i].inertia, sweep[i - 1].inertia);
    }
  }
  KMeansOptions in_parties = options;
  in_parties.most_run_bytes = 12 * n * 3;
  const auto again = Fit(values, d, in_parties);
  for (size_t i = 0; i < sweep.size(); ++i) EXPECT_TRUE(Same(again[i], sweep[i])) << "k = " << sweep[i].n_asked;
  const auto alone = Fit(values, d, {.n_clusters = {9}, .restarts = 4, .n_trials = 2, .seed = 7});
  EXPECT_TRUE(Same(alone[0], sweep[4]));
}

TEST_P(KMeansTest, OneClusterIsTheMean) {
  const int64_t d = 2;
  const std::vector<float> values = {1, 2, 3, 4, 5, 12};
  const auto fits = Fit(values, d, {.n_clusters = {1}});
  EXPECT_EQ(fits[0].centroids, (std::vector<float>{3, 6}));
  EXPECT_EQ(fits[0].inertia, 4 + 16 + 0 + 4 + 4 + 36);
}

TEST_P(KMeansTest, FewerDifferentPointsThanClusters) {
  std::vector<float> values;
  for (int i = 0; i < 40; ++i) values.insert(values.end(), {static_cast<float>(i % 3), 1});
  for (const ClusterSeeds seeds : {ClusterSeeds::kPlusPlus, ClusterSeeds::kParallel}) {
    const auto fits = Fit(values, 2, {.n_clusters = {2, 3, 7, 100}, .restarts = 2, .seeds = seeds});
    const std::vector<int64_t> expected = {2, 3, 3, 3};
    for (size_t i = 0; i < fits.size(); ++i) {
      EXPECT_EQ(std::ssize(fits[i].centroids), 2 * expected[i]);
      if (i > 0) {
        EXPECT_EQ(fits[i].inertia, 0);
      }
    }
  }
  const auto one = Fit({5, 5}, 1, {.n_clusters = {1, 2}});
  EXPECT_EQ(one[1].centroids, std::vector<float>{5});
}

TEST_P(KMeansTest, FromGivenCentroidsItIsLloyds) {
  const int64_t n = Allowance(700, 80), d = 3;
  const std::vector<float> values = Groups(n, d, 4, 4, 3);
  const std::vector<float> begin(values.begin(), values.begin() + 6 * d);
  const ClusteredPoints points(backend(), Matrix(values, d));
  const KMeansFit fit = FitKMeansFrom(points, begin, {.tolerance = 0});
  reference::Lloyd expected(Matrix(values, d), begin);
  int64_t n_steps = 1;
  while (expected.Step() > 0) ++n_steps;
  EXPECT_EQ(fit.centroids, expected.centroids());
  EXPECT_EQ(fit.n_iterations, n_steps);
  EXPECT_TRUE(fit.converged);
  const KMeansFit ended = FitKMeansFrom(points, begin, {.max_iterations = 2, .tolerance = 0});
  EXPECT_EQ(ended.n_iterations, 2);
  EXPECT_FALSE(ended.converged);
  EXPECT_GE(ended.inertia, fit.inertia);
  EXPECT_LE(FitKMeansFrom(points, begin, {.tolerance = 0.1}).n_iterations, fit.n_iterations);
}

TEST_P(KMeansTest, SeedsAreDifferentPointsAndDependOnTheSeed) {
  const int64_t n = Allowance(1000, 100), d = 2;
  const std::vector<float> values = Groups(n, d, 50, 1, 4);
  const ClusteredPoints points(backend(), Matrix(values, d));
  for (const ClusterSeeds kind : {ClusterSeeds::kPlusPlus, ClusterSeeds::kParallel}) {
    KMeansOptions options = {.n_clusters = {3, 20}, .restarts = 3, .seeds = kind, .seed = 1};
    const auto seeds = SeedKMeans(points, options);
    ASSERT_EQ(seeds.size(), 3u);
    for (const auto& own : seeds) {
      std::vector<int32_t> sorted = own;
      std::ranges::sort(sorted);
      EXPECT_EQ(std::ranges::adjacent_find(sorted), sorted.end());
      EXPECT_EQ(own.size(), 20u);
    }
    EXPECT_NE(seeds[0], seeds[1]);
    EXPECT_EQ(SeedKMeans(points, options), seeds);
    options.seed = 2;
    EXPECT_NE(SeedKMeans(points, options), seeds);
  }
}

// What k-means|| is for: as good as k-means++, and far better than the first points.
TEST_P(KMeansTest, SeedsAreSpread) {
  const int64_t n = Allowance(3000, 300), d = 2;
  const std::vector<float> values = Groups(n, d, 30, 0.2f, 5);
  const ClusteredPoints points(backend(), Matrix(values, d));
  const auto inertia = [&](const std::vector<int32_t>& seeds) {
    std::vector<float> rows;
    for (int32_t p : seeds) rows.insert(rows.end(), points.host().row(p).begin(), points.host().row(p).end());
    return AssignToCentroids(points, rows).inertia;
  };
  std::vector<int32_t> random(30);
  for (size_t i = 0; i < random.size(); ++i) random[i] = static_cast<int32_t>((i * i + 7 * i) % 30);
  for (const ClusterSeeds kind : {ClusterSeeds::kPlusPlus, ClusterSeeds::kParallel})
    for (const auto& seeds : SeedKMeans(points, {.n_clusters = {30}, .restarts = 3, .seeds = kind}))
      EXPECT_LT(inertia(seeds), inertia(random) / 2);
}

TEST_P(KMeansTest, MiniBatchesMoveCentroidsToTheMeansOfWhatTheyHad) {
  const int64_t n = Allowance(600, 90), d = 2;
  const std::vector<float> values = Groups(n, d, 3, 0.1f, 6);
  MiniBatchKMeans batches({values.begin(), values.begin() + 3 * d}, d);
  for (int64_t first = 0; first < n; first += 30) {
    const ClusteredPoints batch(backend(), {values.data() + first * d, 30, d});
    batches.Take(batch);
  }
  const std::vector<float> centroids = batches.centroids();
  for (int64_t group = 0; group < 3; ++group) {
    EXPECT_EQ(batches.counts()[static_cast<size_t>(group)], n / 3);
    for (int64_t j = 0; j < d; ++j) {
      double sum = 0;
      for (int64_t p = group; p < n; p += 3) sum += static_cast<double>(values[static_cast<size_t>(p * d + j)]);
      EXPECT_NEAR(centroids[static_cast<size_t>(group * d + j)], sum / static_cast<double>(n / 3), 1e-5);
    }
  }
}

TEST_P(KMeansTest, ThreeKindsOfSilhouettes) {
  const int64_t n = Allowance(400, 80), d = 3;
  const std::vector<float> values = Groups(n, d, 4, 3, 8);
  const ClusteredPoints points(backend(), Matrix(values, d));
  const auto fit = FitKMeans(points, {.n_clusters = {4}, .restarts = 2})[0];
  const Clustering found = AssignToCentroids(points, fit.centroids);
  const auto exact = ExactSilhouettes(points, found.labels, 4);
  const auto expected = reference::Silhouettes(Matrix(values, d), found.labels, 4);
  for (size_t p = 0; p < exact.size(); ++p) ASSERT_NEAR(exact[p], expected[p], 2e-6);
  EXPECT_NEAR(MeanSilhouette(exact), MeanSilhouette(expected), 1e-6 * MeanSilhouette(expected));

  EXPECT_EQ(SampleSilhouettes(points, found.labels, 4, n, 1).silhouettes, exact);
  const SampledSilhouettes sample = SampleSilhouettes(points, found.labels, 4, n / 2, 1);
  ASSERT_EQ(std::ssize(sample.points), n / 2);
  std::vector<float> rows;
  std::vector<int32_t> labels;
  for (int64_t p : sample.points) {
    rows.insert(rows.end(), values.begin() + p * d, values.begin() + (p + 1) * d);
    labels.push_back(found.labels[static_cast<size_t>(p)]);
  }
  const auto of_sample = reference::Silhouettes(Matrix(rows, d), labels, 4);
  for (size_t p = 0; p < of_sample.size(); ++p) ASSERT_NEAR(sample.silhouettes[p], of_sample[p], 2e-6);
  EXPECT_NE(SampleSilhouettes(points, found.labels, 4, n / 2, 2).points, sample.points);

  const auto simplified = SimplifiedSilhouettes(found);
  for (size_t p = 0; p < simplified.size(); ++p) {
    const double a = std::sqrt(found.distances[p]), b = std::sqrt(found.next_distances[p]);
    ASSERT_EQ(simplified[p], (b - a) / b);
  }
  EXPECT_TRUE(std::isnan(MeanSilhouette({})));
  EXPECT_EQ(SimplifiedSilhouettes({{0, 0}, {0, 1}, {INFINITY, INFINITY}, 1}), (std::vector<double>{0, 0}));
}

TEST_P(KMeansTest, ProgressIsTold) {
  const std::vector<float> values = Groups(60, 2, 3, 1, 9);
  std::vector<int64_t> ended;
  Fit(values, 2, {.n_clusters = {2, 3}, .restarts = 2, .progress = [&](int64_t n_ended, int64_t n_runs) {
                    EXPECT_EQ(n_runs, 4);
                    ended.push_back(n_ended);
                  }});
  EXPECT_TRUE(std::ranges::is_sorted(ended));
  EXPECT_EQ(ended.back(), 4);
}

TEST_P(KMeansTest, WhatCannotBeIsRefused) {
  const std::vector<float> values = {1, 2, 3};
  const auto refused = [&](const char* part, const KMeansOptions& options) {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { Fit(values, 1, options); });
  };
  refused("do not ascend", {.n_clusters = {}});
  refused("do not ascend", {.n_clusters = {0}});
  refused("do not ascend", {.n_clusters = {3, 3}});
  refused("no restart", {.restarts = 0});
  refused("no iteration", {.max_iterations = 0});
  refused("tolerance", {.tolerance = -1});
  refused("trials", {.n_trials = 17});
  ExpectError(ErrorCode::kInvalidArgument, "there are no points", [&] { Fit({}, 1, {}); });
  ExpectError(ErrorCode::kNumeric, "point 1 has", [&] { Fit({1, NAN, 2}, 1, {}); });
}

KINDRED_ON_ALL_BACKENDS(KMeansTest);

}  // namespace
}  // namespace kindred
