#include <cmath>
#include <limits>
#include <random>

#include "tests/reference/clusters.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

struct Points {
  int64_t n = 0, d = 0;
  std::vector<float> values;

  HostMatrix<const float> view() const { return {values.data(), n, d}; }
};

/// Around n_groups places, some points twice.
Points NewPoints(int64_t n, int64_t d, int64_t n_groups, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> places(static_cast<size_t>(n_groups * d));
  for (float& x : places) x = 5 * normal(engine);
  Points points = {n, d, {}};
  for (int64_t p = 0; p < n; ++p) {
    const bool again = p > 0 && engine() % 8 == 0;
    const auto group = static_cast<int64_t>(engine() % static_cast<uint64_t>(n_groups));
    for (int64_t j = 0; j < d; ++j)
      points.values.push_back(again ? points.values[points.values.size() - static_cast<size_t>(d)]
                                    : places[static_cast<size_t>(group * d + j)] + normal(engine));
  }
  return points;
}

/// Whole numbers from -2 to 2: many points alike, many as far from two centroids.
Points NewLattice(int64_t n, int64_t d, uint64_t seed) {
  std::mt19937_64 engine(seed);
  Points points = {n, d, {}};
  for (int64_t e = 0; e < n * d; ++e) points.values.push_back(static_cast<float>(static_cast<int>(engine() % 5) - 2));
  return points;
}

std::vector<float> FirstRows(const Points& points, int64_t k) {
  std::vector<float> rows;
  for (int64_t c = 0; c < k; ++c) {
    const auto row = points.view().row(c * points.n / k);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

class ClustersTest : public BackendTest {
 protected:
  struct Ready {
    Resident<float> values;
    std::unique_ptr<ClusterPoints> points;
  };
  Ready MakeReady(const Points& points) {
    Ready ready;
    ready.values = ToBackend(points.values, points.n, points.d);
    ready.points = backend().NewClusterPoints(context(), ready.values.matrix());
    context().Wait();
    return ready;
  }

  /// Runs of these numbers of clusters, side by side, against each of them alone and by the book. Runs that have come
  /// to rest are left out of later steps.
  void ExpectSteps(const Points& points, const std::vector<int32_t>& n_clusters, int n_steps,
                   std::vector<float> begin = {}) {
    SCOPED_TRACE(testing::Message() << points.n << " x " << points.d << ", " << n_clusters.size()
                                    << " runs, first k = " << n_clusters[0]);
    const Ready ready = MakeReady(points);
    const auto runs = backend().NewClusterRuns(context(), *ready.points, n_clusters);
    std::vector<reference::Lloyd> expected;
    std::vector<float> centroids;
    for (int32_t k : n_clusters) {
      std::vector<float> rows = begin.empty() ? FirstRows(points, k) : begin;
      expected.emplace_back(points.view(), rows);
      centroids.insert(centroids.end(), rows.begin(), rows.end());
    }
    const auto on_device = ToBackend(centroids, runs->n_centroids(), points.d);
    const Resident<int64_t> n_changed(backend(), runs->n_runs());
    const Resident<double> shift(backend(), runs->n_runs());
    std::vector<int32_t> active;
    for (size_t r = 0; r < n_clusters.size(); ++r) active.push_back(static_cast<int32_t>(r));
    for (int step = 0; step < n_steps && !active.empty(); ++step) {
      SCOPED_TRACE(step);
      backend().StepClusters(context(), {runs.get(), active, on_device.matrix(), n_changed.view(), shift.view()});
      const auto changed = ToHost(n_changed);
      const auto shifted = ToHost(shift);
      std::vector<int32_t> next;
      for (int32_t r : active) {
        const auto i = static_cast<size_t>(r);
        ASSERT_EQ(changed[i], expected[i].Step()) << "run " << r;
        ASSERT_EQ(shifted[i], expected[i].shift()) << "run " << r;
        if (changed[i] > 0) next.push_back(r);
      }
      std::vector<float> all;
      for (const reference::Lloyd& lloyd : expected)
        all.insert(all.end(), lloyd.centroids().begin(), lloyd.centroids().end());
      ASSERT_EQ(ToHost(on_device), all);
      active = next;
    }
  }

  void ExpectAssignment(const Points& points, const std::vector<float>& centroids) {
    const int64_t k = std::ssize(centroids) / points.d;
    SCOPED_TRACE(testing::Message() << points.n << " x " << points.d << ", k = " << k);
    const Ready ready = MakeReady(points);
    const auto rows = ToBackend(centroids, k, points.d);
    const Resident<int32_t> labels(backend(), points.n);
    const Resident<double> distances(backend(), points.n), others(backend(), points.n), inertia(backend(), 1);
    backend().AssignClusters(
        context(), {ready.points.get(), rows.matrix(), labels.view(), distances.view(), others.view(), inertia.view()});
    const auto expected = reference::Assign(points.view(), {centroids.data(), k, points.d});
    EXPECT_EQ(ToHost(labels), expected.labels);
    EXPECT_EQ(ToHost(distances), expected.distances);
    EXPECT_EQ(ToHost(others), expected.other_distances);
    double total = 0;
    for (size_t first = 0; first < expected.distances.size(); first += 256) {
      double sum = 0;
      for (size_t p = first; p < std::min(expected.distances.size(), first + 256); ++p) sum += expected.distances[p];
      total += sum;
    }
    EXPECT_EQ(ToHost(inertia)[0], total);
  }

  void ExpectSeeds(const Points& points, int64_t k, int64_t n_trials, int64_t n_seedings, uint64_t seed) {
    SCOPED_TRACE(testing::Message() << points.n << " x " << points.d << ", k = " << k << ", " << n_trials
                                    << " trials, seed " << seed);
    const Ready ready = MakeReady(points);
    std::mt19937_64 engine(seed);
    std::vector<uint64_t> draws(static_cast<size_t>(n_seedings * k * n_trials));
    for (uint64_t& draw : draws) draw = engine();
    draws[0] = std::numeric_limits<uint64_t>::max();
    const auto on_device = ToBackend(draws, n_seedings, k * n_trials);
    const Resident<int32_t> chosen(backend(), n_seedings, k);
    backend().SeedClusters(context(), {ready.points.get(), n_trials, on_device.matrix(), chosen.matrix()});
    std::vector<int32_t> expected;
    for (int64_t s = 0; s < n_seedings; ++s) {
      const auto own = std::span<const uint64_t>(draws).subspan(static_cast<size_t>(s * k * n_trials),
                                                                static_cast<size_t>(k * n_trials));
      const auto seeds = reference::Seeds(points.view(), own, k, n_trials);
      expected.insert(expected.end(), seeds.begin(), seeds.end());
    }
    EXPECT_EQ(ToHost(chosen), expected);
  }

  std::vector<double> Silhouettes(const Points& points, const std::vector<int32_t>& labels, int64_t n_clusters) {
    const Ready ready = MakeReady(points);
    const auto on_device = ToBackend(labels, points.n);
    const Resident<double> silhouettes(backend(), points.n);
    backend().SilhouetteOfClusters(context(), {ready.points.get(), on_device.view(), n_clusters, silhouettes.view()});
    return ToHost(silhouettes);
  }
  void ExpectSilhouettes(const Points& points, const std::vector<int32_t>& labels, int64_t n_clusters) {
    SCOPED_TRACE(testing::Message() << points.n << " x " << points.d << ", " << n_clusters << " clusters");
    const auto found = Silhouettes(points, labels, n_clusters);
    const auto expected = reference::Silhouettes(points.view(), labels, n_clusters);
    for (size_t p = 0; p < found.size(); ++p) ASSERT_NEAR(found[p], expected[p], 2e-6) << "point " << p;
  }
};

TEST_P(ClustersTest, StepsEqualTheReferenceOverShapes) {
  uint64_t seed = 1;
  for (int64_t n : {1, 31, 32, 33, 64, 65, 700})
    for (int64_t d : {1, 3, 16, 33}) {
      std::vector<int32_t> n_clusters;
      for (int32_t k : {1, 2, 3, 7, 31, 32, 33})
        if (k <= n) n_clusters.push_back(k);
      ExpectSteps(NewPoints(std::min(n, Allowance(700, 140)), d, 5, ++seed), n_clusters, Allowance(12, 4));
    }
}

TEST_P(ClustersTest, StepsUntilNothingMoves) {
  const int64_t n = Allowance(3000, 200);
  ExpectSteps(NewPoints(n, 8, 6, 20), {2, 3, 4, 5, 6, 7, 8, 9, 10, 40}, 100);
  ExpectSteps(NewPoints(n, 2, 12, 21), {6, 12, 30}, 100);
}

// So many clusters that points are passed over by bounds, begun where they have far to go.
TEST_P(ClustersTest, BoundsNeverKeepAPointThatMoves) {
  uint64_t seed = 25;
  for (int64_t d : {1, 2, 4, 8}) {
    const int64_t k = 1 + 1024 / d, n = Allowance(3 * k, 0);
    if (n == 0) continue;  // no bounds there
    Points points = NewPoints(n, d, 1, ++seed);
    std::vector<float> begin = FirstRows(points, k);
    for (size_t e = 0; e < begin.size(); ++e) begin[e] = 0.2f * begin[e] + points.values[e % static_cast<size_t>(d)];
    ExpectSteps(points, {static_cast<int32_t>(k)}, 30, begin);
  }
}

// Points as far from one centroid as from another, points alike, centroids alike.
TEST_P(ClustersTest, OfEqualDistancesTheFirstCentroidIsTaken) {
  const int64_t n = Allowance(600, 130);
  ExpectSteps(NewLattice(n, 2, 30), {2, 5, 9, 24}, 10);
  ExpectSteps(NewLattice(n, 5, 31), {3, 8, 40}, 10);
  ExpectAssignment(NewLattice(n, 3, 32), {0, 0, 0, 1, 1, 1, 0, 0, 0, -1, -1, -1});
}

TEST_P(ClustersTest, EmptyClustersTakeWhatIsFarthest) {
  const Points points = NewPoints(Allowance(400, 100), 3, 4, 40);
  std::vector<float> begin = FirstRows(points, 2);
  for (int c = 0; c < 5; ++c) begin.insert(begin.end(), {1e6f, 1e6f + static_cast<float>(c), 1e6f});
  ExpectSteps(points, {7}, 8, begin);
  ExpectSteps({6, 1, {1, 1, 1, 1, 2, 2}}, {5}, 4, {1, 50, 60, 70, 80});
  ExpectSteps({5, 2, {3, 3, 3, 3, 3, 3, 3, 3, 3, 3}}, {3}, 3, {0, 0, 9, 9, 9, 9});
  ExpectSteps({4, 1, {0, 100, 100, 101}}, {3}, 4, {5, 100, 1e6f});  // the farthest is the only one of its cluster
}

TEST_P(ClustersTest, NumbersOfAnySize) {
  for (float scale : {1e-30f, 1e-12f, 1e12f, 1e18f}) {
    Points points = NewPoints(Allowance(300, 100), 4, 4, 50);
    for (float& x : points.values) x *= scale;
    ExpectSteps(points, {2, 5}, 6);
    ExpectAssignment(points, FirstRows(points, 7));
    ExpectSeeds(points, 6, 2, 1, 51);
  }
  Points apart = NewPoints(Allowance(300, 100), 4, 4, 52);  // far from 0, where float32 tells little apart
  for (float& x : apart.values) x += 4000;
  ExpectSteps(apart, {2, 5, 9}, 8);
  Points one_huge = NewPoints(Allowance(300, 100), 4, 4, 53);
  one_huge.values[9] = 3e30f;
  ExpectSteps(one_huge, {2, 5}, 6);
  ExpectSeeds(one_huge, 6, 3, 1, 54);
}

TEST_P(ClustersTest, NoPoints) {
  const Ready ready = MakeReady({0, 3, {}});
  const std::vector<int32_t> n_clusters = {2};
  const auto runs = backend().NewClusterRuns(context(), *ready.points, n_clusters);
  const auto centroids = ToBackend<float>({1, 2, 3, 4, 5, 6}, 2, 3);
  const Resident<int64_t> n_changed(backend(), 1);
  const Resident<double> shift(backend(), 1);
  const std::vector<int32_t> active = {0};
  backend().StepClusters(context(), {runs.get(), active, centroids.matrix(), n_changed.view(), shift.view()});
  EXPECT_EQ(ToHost(n_changed)[0], 0);
  EXPECT_EQ(ToHost(shift)[0], 0);
  EXPECT_EQ(ToHost(centroids), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  ExpectAssignment({0, 3, {}}, {1, 2, 3});
  ExpectSeeds({0, 3, {}}, 2, 2, 2, 1);
}

TEST_P(ClustersTest, AssignmentsEqualTheReferenceOverShapes) {
  uint64_t seed = 60;
  for (int64_t n : {1, 31, 32, 33, 300})
    for (int64_t d : {1, 5, 33})
      for (int64_t k : {1, 2, 17, 33}) {
        const Points points = NewPoints(std::min(n, Allowance(300, 70)), d, 5, ++seed);
        ExpectAssignment(points, NewPoints(k, d, 2, ++seed).values);
      }
}

// Sums of 256 points, and then more than 256 of them.
TEST_P(ClustersTest, InertiasAreAddedInOrder) {
  for (int64_t n : {600, 66'000}) ExpectAssignment(NewPoints(n, 1, 5, 59), {0.5f});
}

TEST_P(ClustersTest, SeedsEqualTheReferenceOverShapes) {
  uint64_t seed = 80;
  for (int64_t n : {1, 31, 32, 33, 1500})
    for (int64_t d : {1, 7, 33})
      for (int64_t n_trials : {1, 2, 5}) {
        const Points points = NewPoints(std::min(n, Allowance(1500, 150)), d, 6, ++seed);
        ExpectSeeds(points, std::min<int64_t>(n, 9), n_trials, 3, ++seed);
      }
}

// Where there are fewer points than seeds that differ, the rest are none.
TEST_P(ClustersTest, SeedsOfFewDistinctPoints) {
  ExpectSeeds({5, 2, {3, 3, 3, 3, 3, 3, 3, 3, 3, 3}}, 3, 2, 2, 1);
  ExpectSeeds(NewLattice(60, 1, 90), 9, 3, 4, 2);
  ExpectSeeds({2, 1, {1, 2}}, 4, 1, 3, 3);
}

TEST_P(ClustersTest, SilhouettesEqualTheReferenceOverShapes) {
  uint64_t seed = 100;
  for (int64_t n : {1, 2, 31, 32, 33, 400})
    for (int64_t d : {1, 6, 33})
      for (int32_t k : {1, 2, 3, 33}) {
        const Points points = NewPoints(std::min(n, Allowance(400, 90)), d, 3, ++seed);
        std::mt19937_64 engine(++seed);
        std::vector<int32_t> labels(static_cast<size_t>(points.n));
        for (int32_t& label : labels) label = static_cast<int32_t>(engine() % static_cast<uint64_t>(k + 1)) - 1;
        ExpectSilhouettes(points, labels, k);
      }
}

TEST_P(ClustersTest, SilhouettesOfPointsAlike) {
  const Points points = {6, 1, {1, 1, 1, 1, 2, 2}};
  EXPECT_EQ(Silhouettes(points, {0, 0, 1, 1, 2, 2}, 3), (std::vector<double>{0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(Silhouettes(points, {0, 0, 0, 0, 0, 0}, 4), std::vector<double>(6));
  EXPECT_EQ(Silhouettes({0, 1, {}}, {}, 1), std::vector<double>());
}

TEST_P(ClustersTest, PointsThatAreNotFiniteAreRefused) {
  for (float bad : {INFINITY, -INFINITY, NAN}) {
    Points points = NewPoints(600, 3, 2, 110);
    points.values[571 * 3 + 1] = bad;
    points.values[599 * 3] = bad;
    const auto values = ToBackend(points.values, points.n, points.d);
    const auto ready = backend().NewClusterPoints(context(), values.matrix());
    try {
      context().Wait();
      FAIL() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNumeric);
      EXPECT_EQ(error.row(), 571);
    }
  }
}

TEST_P(ClustersTest, BitsDoNotDependOnTheThreads) {
  const Points points = NewPoints(Allowance(5000, 300), 8, 7, 120);
  const auto centroids_after = [&](int n_threads) {
    const auto other = NewTestBackend(GetParam(), n_threads);
    const auto queue = other->NewContext();
    const Resident<float> values(*other, points.n, points.d), centroids(*other, 12, points.d);
    values.Upload(*other, *queue, points.values);
    const std::vector<float> begin = FirstRows(points, 12);
    centroids.Upload(*other, *queue, begin);
    const auto ready = other->NewClusterPoints(*queue, values.matrix());
    const std::vector<int32_t> n_clusters = {12}, active = {0};
    const auto runs = other->NewClusterRuns(*queue, *ready, n_clusters);
    const Resident<int64_t> n_changed(*other, 1);
    const Resident<double> shift(*other, 1);
    for (int step = 0; step < 5; ++step)
      other->StepClusters(*queue, {runs.get(), active, centroids.matrix(), n_changed.view(), shift.view()});
    std::vector<float> found(begin.size());
    centroids.Download(*other, *queue, std::span<float>(found));
    queue->Wait();
    return found;
  };
  EXPECT_EQ(centroids_after(1), centroids_after(4));
}

TEST_P(ClustersTest, WhatDoesNotFitIsRefusedAtTheCall) {
  const Points points = NewPoints(10, 3, 2, 130);
  const Ready ready = MakeReady(points);
  const std::vector<int32_t> none = {0}, two = {2, 3}, twice = {1, 1}, beyond = {2}, first = {0};
  const auto refused = [](const char* part, const auto& call) { ExpectError(ErrorCode::kInvalidArgument, part, call); };
  refused("not 1 to 1,048,576 clusters", [&] { backend().NewClusterRuns(context(), *ready.points, none); });
  const auto runs = backend().NewClusterRuns(context(), *ready.points, two);
  const Resident<float> five(backend(), 5, 3), four(backend(), 4, 3);
  const Resident<int64_t> n_changed(backend(), 2);
  const Resident<double> shift(backend(), 2), one(backend(), 1), ten(backend(), 10);
  const auto step = [&](std::span<const int32_t> active, const Resident<float>& rows, const Resident<double>& shifts) {
    backend().StepClusters(context(), {runs.get(), active, rows.matrix(), n_changed.view(), shifts.view()});
  };
  refused("do not fit the runs", [&] { step(first, four, shift); });
  refused("not one figure a run", [&] { step(first, five, one); });
  refused("do not increase", [&] { step(twice, five, shift); });
  refused("do not increase", [&] { step(beyond, five, shift); });
  const Resident<int32_t> labels(backend(), 9), chosen(backend(), 1, 3);
  refused("does not fit the points", [&] {
    backend().AssignClusters(context(), {ready.points.get(), five.matrix(), labels.view(), {}, {}, {}});
  });
  const Resident<uint64_t> draws(backend(), 1, 5);
  refused("not one draw a trial", [&] {
    backend().SeedClusters(context(), {ready.points.get(), 2, draws.matrix(), chosen.matrix()});
  });
  refused("not one label a point", [&] {
    backend().SilhouetteOfClusters(context(), {ready.points.get(), labels.view(), 2, ten.view()});
  });
}

KINDRED_ON_ALL_BACKENDS(ClustersTest);

}  // namespace
}  // namespace kindred
