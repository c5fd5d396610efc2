// Clusters of users by each algorithm, and how many there are, on every backend.
#include "host/segments/user_clusters.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "host/clustering/dendrogram.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr ClusterAlgorithm kAll[] = {ClusterAlgorithm::kKMeans,   ClusterAlgorithm::kMiniBatchKMeans,
                                     ClusterAlgorithm::kWard,     ClusterAlgorithm::kAverage,
                                     ClusterAlgorithm::kComplete, ClusterAlgorithm::kSingle};
constexpr int64_t kFeatures = 3;

/// Users around the corners of a cube, dealt out in turn.
std::vector<float> Planted(int64_t n_users, int64_t n_groups, uint64_t seed, float spread = 0.05f) {
  std::mt19937_64 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (int64_t u = 0; u < n_users; ++u)
    for (int64_t j = 0; j < kFeatures; ++j)
      values.push_back(static_cast<float>(u % n_groups >> j & 1) * 5 + spread * normal(engine));
  return values;
}

HostMatrix<const float> Matrix(const std::vector<float>& values) {
  return {values.data(), std::ssize(values) / kFeatures, kFeatures};
}

class UserClustersTest : public BackendTest {
 protected:
  UserClusters Find(const std::vector<float>& values, const ClusterSpec& spec, const TreeLimits& limits = {}) {
    UserClusters found = ClusterUsers(backend(), Matrix(values), spec, pool_, {}, limits);
    ExpectWhole(values, found);
    return found;
  }

  /// What the header says of every result.
  static void ExpectWhole(const std::vector<float>& values, const UserClusters& found) {
    const HostMatrix<const float> points = Matrix(values);
    const int64_t n = points.n_rows;
    ASSERT_EQ(std::ssize(found.labels), n);
    ASSERT_EQ(std::ssize(found.centroids), found.k * kFeatures);
    std::set<int32_t> used(found.labels.begin(), found.labels.end());
    EXPECT_EQ(std::ssize(used), found.k);
    EXPECT_EQ(*used.begin(), 0);
    EXPECT_EQ(*used.rbegin(), found.k - 1);
    double inertia = 0;
    for (int64_t u = 0; u < n; ++u)
      for (size_t j = 0; j < kFeatures; ++j) {
        const double way =
            double{points.row(u)[j]} -
            double{found.centroids[static_cast<size_t>(found.labels[static_cast<size_t>(u)]) * kFeatures + j]};
        inertia += way * way;
      }
    EXPECT_NEAR(found.inertia, inertia, 1e-9 * (1 + inertia));
    EXPECT_EQ(found.silhouettes.size(), found.silhouette_users.size());
    EXPECT_THAT(found.curves.k, Contains(found.k));
    EXPECT_EQ(found.curves.k.size(), found.curves.inertia.size());
    EXPECT_EQ(found.curves.k.size(), found.curves.silhouette.size());
    EXPECT_TRUE(std::ranges::is_sorted(found.curves.k));
  }

  ThreadPool pool_{2};
};
KINDRED_ON_ALL_BACKENDS(UserClustersTest);

TEST_P(UserClustersTest, PlantedGroupsAreFoundByEveryAlgorithmAndChoice) {
  const int64_t n = Allowance(400, 64), n_groups = 4;
  const std::vector<float> values = Planted(n, n_groups, 1);
  for (const ClusterAlgorithm algorithm : kAll)
    for (const ChooseK choose : {ChooseK::kSilhouette, ChooseK::kElbow, ChooseK::kFixed}) {
      SCOPED_TRACE(std::string(NameOf(algorithm)) + ", " + NameOf(choose));
      const UserClusters found =
          Find(values, {.algorithm = algorithm, .choose = choose, .k = 4, .k_max = 7, .restarts = 5, .batch_size = 50});
      ASSERT_EQ(found.k, n_groups);
      for (size_t u = 0; u < found.labels.size(); ++u) ASSERT_EQ(found.labels[u], found.labels[u % n_groups]);
      EXPECT_EQ(found.curves.chosen_by, NameOf(choose));
      EXPECT_EQ(found.curves.k.size(), choose == ChooseK::kFixed ? 1u : 6u);
      EXPECT_EQ(found.n_nearer_elsewhere, 0);
      EXPECT_THAT(found.warnings, IsEmpty());
      EXPECT_FALSE(found.sampled);
      ASSERT_EQ(std::ssize(found.silhouettes), n);
      EXPECT_GT(*std::ranges::min_element(found.silhouettes), 0.9);
      EXPECT_EQ(found.tree.has_value(), LinkageOf(algorithm).has_value());
      if (found.tree) {
        EXPECT_EQ(found.tree->n_leaves, n);
        EXPECT_EQ(std::ssize(found.tree->merges), n - 1);
      }
    }
}

TEST_P(UserClustersTest, TreesAreCutAtAHeight) {
  const std::vector<float> values = Planted(Allowance(200, 40), 4, 3);
  for (const ClusterAlgorithm algorithm : {ClusterAlgorithm::kWard, ClusterAlgorithm::kSingle}) {
    ClusterSpec spec = {.algorithm = algorithm, .choose = ChooseK::kHeight};
    spec.height = 3;  // corners are 5 apart, users of one less than 1
    EXPECT_EQ(Find(values, spec).k, 4);
    EXPECT_EQ(Find(values, spec).curves.chosen_by, "height");
    spec.height = 1e9;
    EXPECT_EQ(Find(values, spec).k, 1);
  }
}

TEST_P(UserClustersTest, FewerUsersThanK) {
  const std::vector<float> values = Planted(3, 3, 2);
  for (const ClusterAlgorithm algorithm : kAll) {
    SCOPED_TRACE(NameOf(algorithm));
    const UserClusters fixed = Find(values, {.algorithm = algorithm, .choose = ChooseK::kFixed, .k = 5});
    EXPECT_EQ(fixed.k, 3);
    EXPECT_THAT(fixed.warnings, Contains(HasSubstr("5 clusters were asked for, and there are only 3 users")));
    const UserClusters swept =
        Find(values, {.algorithm = algorithm, .choose = ChooseK::kElbow, .k_min = 2, .k_max = 10});
    EXPECT_EQ(swept.curves.k, (std::vector<int64_t>{2, 3}));
    const UserClusters one = Find({1, 2, 3}, {.algorithm = algorithm});
    EXPECT_EQ(one.k, 1);
    EXPECT_THAT(one.warnings, Contains(HasSubstr("2 clusters were asked for, and there is only 1 user")));
    EXPECT_TRUE(std::isnan(one.curves.silhouette[0]));
  }
}

TEST_P(UserClustersTest, UsersWhoAreAllAlike) {
  const std::vector<float> values(20 * kFeatures, 0.25f);
  for (const ClusterAlgorithm algorithm : kAll)
    for (const ChooseK choose : {ChooseK::kSilhouette, ChooseK::kElbow, ChooseK::kFixed}) {
      SCOPED_TRACE(std::string(NameOf(algorithm)) + ", " + NameOf(choose));
      const UserClusters found = Find(values, {.algorithm = algorithm, .choose = choose, .k = 3, .k_max = 4});
      EXPECT_EQ(found.k, 1);
      EXPECT_EQ(found.inertia, 0);
      EXPECT_EQ(found.n_nearer_elsewhere, 0);
      ASSERT_EQ(found.warnings.size(), 1u);
      if (algorithm != ClusterAlgorithm::kMiniBatchKMeans) {
        EXPECT_THAT(found.warnings[0], HasSubstr("clusters were asked for, and all users are alike"));
      }
    }
}

TEST_P(UserClustersTest, FewerUsersDifferThanK) {
  std::vector<float> values;
  for (int u = 0; u < 30; ++u) values.insert(values.end(), kFeatures, static_cast<float>(u % 3));
  for (const ClusterAlgorithm algorithm : kAll) {
    SCOPED_TRACE(NameOf(algorithm));
    const UserClusters found = Find(values, {.algorithm = algorithm, .choose = ChooseK::kSilhouette, .k_max = 6});
    EXPECT_EQ(found.k, 3);
    EXPECT_EQ(found.curves.k, (std::vector<int64_t>{2, 3}));
    ASSERT_EQ(found.warnings.size(), 1u);
    EXPECT_THAT(found.warnings[0], HasSubstr("up to 6 clusters were asked for, and only 3 "));
  }
}

TEST_P(UserClustersTest, OneCluster) {
  const std::vector<float> values = Planted(Allowance(100, 40), 4, 3);
  for (const ClusterAlgorithm algorithm : kAll) {
    SCOPED_TRACE(NameOf(algorithm));
    const UserClusters found = Find(values, {.algorithm = algorithm, .choose = ChooseK::kFixed, .k = 1});
    EXPECT_EQ(found.k, 1);
    EXPECT_THAT(found.warnings, IsEmpty());
    EXPECT_TRUE(std::isnan(found.curves.silhouette[0]));
    EXPECT_FALSE(found.curves.silhouette_k.has_value());
    const UserClusters swept =
        Find(values, {.algorithm = algorithm, .choose = ChooseK::kElbow, .k_min = 1, .k_max = 6});
    EXPECT_EQ(swept.k, 4);
    EXPECT_TRUE(std::isnan(swept.curves.silhouette[0]));
  }
}

TEST_P(UserClustersTest, WithoutAKneeTheSilhouetteChooses) {
  const std::vector<float> values = Planted(Allowance(60, 30), 4, 4);
  const UserClusters found = Find(values, {.choose = ChooseK::kElbow, .k_min = 3, .k_max = 4});  // two make no curve
  EXPECT_EQ(found.k, 4);
  EXPECT_EQ(found.curves.chosen_by, "silhouette");
  EXPECT_FALSE(found.curves.elbow_k.has_value());
  EXPECT_THAT(found.warnings, Contains(HasSubstr("the inertia has no knee")));
}

TEST_P(UserClustersTest, SampledSilhouettes) {
  const int64_t n = Allowance(300, 60);
  const std::vector<float> values = Planted(n, 4, 5);
  ClusterSpec spec = {.choose = ChooseK::kFixed, .k = 4, .restarts = 2, .sample_size = 20};
  const UserClusters sampled = Find(values, spec);  // by itself, of so many users
  EXPECT_TRUE(sampled.sampled);
  EXPECT_EQ(sampled.silhouettes.size(), 20u);
  EXPECT_TRUE(std::ranges::is_sorted(sampled.silhouette_users));
  spec.sampled = false;
  const UserClusters exact = Find(values, spec);
  EXPECT_FALSE(exact.sampled);
  EXPECT_EQ(std::ssize(exact.silhouettes), n);
  EXPECT_EQ(exact.labels, sampled.labels);
  spec.sampled.reset();
  const SampledSilhouettes again =
      MeasureSilhouettes(ClusteredPoints(backend(), Matrix(values)), exact.labels, 4, spec);
  EXPECT_EQ(again.points, sampled.silhouette_users);
  EXPECT_EQ(again.silhouettes, sampled.silhouettes);
  spec.sampled = true;
  spec.sample_size = n;
  EXPECT_FALSE(Find(values, spec).sampled) << "a sample of all";
}

// Beyond the limit, over micro-clusters: the tree has these as its leaves, and every user is in one.
TEST_P(UserClustersTest, TreesOverMicroClusters) {
  const int64_t n = Allowance(500, 80);
  const std::vector<float> values = Planted(n, 4, 6);
  for (const ClusterAlgorithm algorithm : kAll) {
    if (!LinkageOf(algorithm)) continue;
    SCOPED_TRACE(NameOf(algorithm));
    const UserClusters found = Find(values, {.algorithm = algorithm, .choose = ChooseK::kSilhouette, .k_max = 6},
                                    {.max_users = n - 1, .n_micro_clusters = 16});
    EXPECT_EQ(found.k, 4);
    for (size_t u = 0; u < found.labels.size(); ++u) ASSERT_EQ(found.labels[u], found.labels[u % 4]);
    ASSERT_TRUE(found.tree.has_value());
    EXPECT_EQ(found.tree->n_leaves, 16);
    EXPECT_EQ(found.tree->merges.back().size, n) << "users, not leaves";
    for (size_t u = 0; u < found.labels.size(); ++u)
      for (size_t v = 0; v < u; ++v)
        if (found.tree->leaf_of[u] == found.tree->leaf_of[v]) {
          ASSERT_EQ(found.labels[u], found.labels[v]);
        }
    const UserClusters exact = Find(values, {.algorithm = algorithm, .choose = ChooseK::kFixed, .k = 4},
                                    {.max_users = n, .n_micro_clusters = 16});
    EXPECT_EQ(exact.tree->n_leaves, n);
  }
}

// A chain is one cluster to single linkage, though its ends are nearer to other centroids.
TEST_P(UserClustersTest, WhoIsNearerToAnotherCentroidIsCounted) {
  std::vector<float> values;
  for (int u = 0; u < 30; ++u) values.insert(values.end(), {static_cast<float>(u), 0, 0});
  for (int u = 0; u < 5; ++u) values.insert(values.end(), {0, 3 + 0.1f * static_cast<float>(u), 0});
  const UserClusters found = Find(values, {.algorithm = ClusterAlgorithm::kSingle, .choose = ChooseK::kFixed, .k = 2});
  ASSERT_EQ(found.k, 2);
  EXPECT_NE(found.labels[0], found.labels[34]);
  EXPECT_EQ(found.labels[0], found.labels[29]);
  // Those at the chain's beginning: nearer to (0, 3.2) than to (14.5, 0).
  int64_t expected = 0;
  for (int u = 0; u < 30; ++u) expected += std::hypot(u, 3.2) < std::fabs(u - 14.5) ? 1 : 0;
  EXPECT_EQ(found.n_nearer_elsewhere, expected);
}

TEST_P(UserClustersTest, TheSameOnEveryBackendForAnyNumberOfThreads) {
  const std::vector<float> values = Planted(Allowance(200, 50), 8, 7, 1.5f);
  const auto cpu = NewTestBackend("cpu_baseline", 1);
  ThreadPool one(1);
  for (const ClusterAlgorithm algorithm : kAll) {
    SCOPED_TRACE(NameOf(algorithm));
    const ClusterSpec spec = {
        .algorithm = algorithm, .choose = ChooseK::kSilhouette, .k_max = 5, .restarts = 2, .batch_size = 30};
    const UserClusters here = Find(values, spec), there = ClusterUsers(*cpu, Matrix(values), spec, one);
    EXPECT_EQ(here.labels, there.labels);
    EXPECT_EQ(here.centroids, there.centroids);
    EXPECT_EQ(here.curves.inertia, there.curves.inertia);
    ASSERT_EQ(here.silhouettes.size(), there.silhouettes.size());
    for (size_t u = 0; u < here.silhouettes.size(); ++u)  // distances in float32
      EXPECT_NEAR(here.silhouettes[u], there.silhouettes[u], 1e-6);
  }
}

TEST_P(UserClustersTest, APointThatIsNotFiniteIsRefused) {
  std::vector<float> values = Planted(10, 2, 8);
  values[7] = std::nanf("");
  ExpectError(ErrorCode::kNumeric, "2", [&] { ClusterUsers(backend(), Matrix(values), {}, pool_); });
}

// Groups of the top are the clusters of a plain cut, and its merges those of the tree.
TEST(TreeTop, IsAPlainCut) {
  std::mt19937_64 engine(11);
  for (const int64_t n : {1, 2, 3, 31, 32, 33, 100}) {
    const std::vector<float> values = Planted(n, 8, engine(), 1);
    for (const LinkageMethod method :
         {LinkageMethod::kWard, LinkageMethod::kAverage, LinkageMethod::kComplete, LinkageMethod::kSingle}) {
      const std::vector<Merge> merges = Linkage(Matrix(values), {}, method, nullptr);
      for (const int64_t groups : {int64_t{1}, int64_t{2}, n / 2, n - 1, n}) {
        if (groups < 1 || groups > n) continue;
        SCOPED_TRACE(testing::Message() << n << " leaves, " << groups << " groups");
        const TreeTop top = TopOfTree(merges, n, groups);
        EXPECT_EQ(top.group_of, CutByCount(merges, n, groups));
        ASSERT_EQ(std::ssize(top.merges), groups - 1);
        for (int64_t m = 0; m < groups - 1; ++m) {
          EXPECT_EQ(top.merges[static_cast<size_t>(m)].height, merges[static_cast<size_t>(n - groups + m)].height);
          EXPECT_EQ(top.merges[static_cast<size_t>(m)].size, merges[static_cast<size_t>(n - groups + m)].size);
        }
        for (int64_t k = 1; k <= groups; ++k) {  // cutting the top is cutting the tree, but for the numbers
          const std::vector<int32_t> plain = CutByCount(merges, n, k), cut = CutByCount(top.merges, groups, k);
          std::map<int32_t, int32_t> same;
          for (size_t leaf = 0; leaf < plain.size(); ++leaf) {
            const int32_t of_top = cut[static_cast<size_t>(top.group_of[leaf])];
            ASSERT_EQ(same.emplace(plain[leaf], of_top).first->second, of_top) << k << " clusters, leaf " << leaf;
          }
          EXPECT_EQ(std::ssize(same), k);
        }
      }
    }
  }
}

}  // namespace
}  // namespace kindred
