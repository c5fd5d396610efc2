#include "host/clustering/linkage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <numeric>
#include <optional>

#include "host/clustering/linkage_steps.h"
#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

constexpr LinkageMethod kMethods[] = {LinkageMethod::kWard, LinkageMethod::kAverage, LinkageMethod::kComplete,
                                      LinkageMethod::kSingle};

struct Points {
  int64_t n = 0;
  int64_t n_features = 0;
  std::vector<float> values = {};
  std::vector<double> weights = {};

  HostMatrix<const float> view() const { return {values.data(), n, n_features}; }
};

std::vector<Merge> Link(const Points& points, LinkageMethod method, ThreadPool* pool = nullptr) {
  return Linkage(points.view(), points.weights, method, pool);
}

/// What the definition says: the two nearest of all clusters, again and again, by the formulas of Lance and Williams
/// over the whole matrix.
std::vector<Merge> ReferenceMerges(const Points& points, LinkageMethod method) {
  const auto n = static_cast<size_t>(points.n);
  std::vector<double> sizes = points.weights.empty() ? std::vector<double>(n, 1) : points.weights;
  std::vector<std::vector<double>> d(n, std::vector<double>(n));
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < n; ++j) {
      double sum = 0;
      for (size_t f = 0; f < static_cast<size_t>(points.n_features); ++f) {
        const double apart = static_cast<double>(points.view().row(static_cast<int64_t>(i))[f]) -
                             points.view().row(static_cast<int64_t>(j))[f];
        sum += apart * apart;
      }
      d[i][j] = method == LinkageMethod::kWard ? sum * 2 * sizes[i] * sizes[j] / (sizes[i] + sizes[j]) : std::sqrt(sum);
    }
  std::vector<size_t> there(n);
  std::iota(there.begin(), there.end(), 0);
  std::vector<int32_t> numbers(there.begin(), there.end());
  std::vector<Merge> merges;
  while (there.size() > 1) {
    size_t a = there[0], b = there[1];
    for (const size_t i : there)
      for (const size_t j : there)
        if (i < j && d[i][j] < d[a][b]) a = i, b = j;
    there.erase(std::find(there.begin(), there.end(), a));
    for (const size_t k : there) {
      if (k == b) continue;
      double& to = d[k][b];
      const double sum = sizes[a] + sizes[b];
      switch (method) {
        case LinkageMethod::kWard:
          to = ((sizes[a] + sizes[k]) * d[k][a] + (sizes[b] + sizes[k]) * to - sizes[k] * d[a][b]) / (sum + sizes[k]);
          break;
        case LinkageMethod::kAverage:
          to = (sizes[a] * d[k][a] + sizes[b] * to) / sum;
          break;
        case LinkageMethod::kComplete:
          to = std::max(to, d[k][a]);
          break;
        case LinkageMethod::kSingle:
          to = std::min(to, d[k][a]);
          break;
      }
      d[b][k] = to;
    }
    sizes[b] += sizes[a];
    merges.push_back({std::min(numbers[a], numbers[b]), std::max(numbers[a], numbers[b]),
                      method == LinkageMethod::kWard ? std::sqrt(d[a][b]) : d[a][b], sizes[b]});
    numbers[b] = static_cast<int32_t>(n + merges.size() - 1);
  }
  return merges;
}

/// Two merges a cluster, sizes that add up, heights that do not fall.
void ExpectSound(const Points& points, const std::vector<Merge>& merges) {
  ASSERT_EQ(static_cast<int64_t>(merges.size()), std::max<int64_t>(0, points.n - 1));
  std::vector<double> sizes = points.weights;
  sizes.resize(static_cast<size_t>(points.n), 1);
  std::vector<bool> merged(static_cast<size_t>(2 * points.n));
  double last = 0;
  for (const Merge& merge : merges) {
    ASSERT_GE(merge.a, 0);
    ASSERT_LT(merge.a, merge.b);
    ASSERT_LT(merge.b, static_cast<int32_t>(sizes.size()));
    EXPECT_FALSE(merged[static_cast<size_t>(merge.a)] || merged[static_cast<size_t>(merge.b)]);
    merged[static_cast<size_t>(merge.a)] = merged[static_cast<size_t>(merge.b)] = true;
    EXPECT_GE(merge.height, last);
    last = merge.height;
    const double size = sizes[static_cast<size_t>(merge.a)] + sizes[static_cast<size_t>(merge.b)];
    EXPECT_NEAR(merge.size, size, 1e-12 * size);
    sizes.push_back(merge.size);
  }
}

/// Heights, and where no distances are equal, so that there is one tree only, what is merged.
void ExpectAsReference(const Points& points, bool one_tree = false) {
  for (const LinkageMethod method : kMethods) {
    SCOPED_TRACE(testing::Message() << Text(method) << " of " << points.n << " x " << points.n_features
                                    << (points.weights.empty() ? "" : ", weighted"));
    const std::vector<Merge> merges = Link(points, method);
    ExpectSound(points, merges);
    const std::vector<Merge> expected = ReferenceMerges(points, method);
    const double largest = expected.empty() ? 0 : expected.back().height;
    for (size_t m = 0; m < merges.size(); ++m) {
      SCOPED_TRACE(testing::Message() << "merge " << m);
      EXPECT_NEAR(merges[m].height, expected[m].height, 1e-11 * expected[m].height + 1e-14 * largest);
      if (!one_tree) continue;
      EXPECT_EQ(merges[m].a, expected[m].a);
      EXPECT_EQ(merges[m].b, expected[m].b);
    }
  }
}

std::vector<double> Weights(int64_t n) {
  std::vector<double> weights;
  for (const float value : RandomNormal(n, 99)) weights.push_back(std::ceil(10 * std::fabs(value)) + 1);
  return weights;
}

Points Random(int64_t n, int64_t n_features, uint64_t seed) {
  return {n, n_features, RandomNormal(n * n_features, seed)};
}

TEST(Linkage, OverShapes) {
  for (const int64_t n : {0, 1, 2, 3, 31, 32, 33, 64, 65, 100, 200})
    for (const int64_t n_features : {1, 7, 64}) {
      Points points = Random(n, n_features, static_cast<uint64_t>(n + n_features));
      ExpectAsReference(points, true);
      points.weights = Weights(n);
      ExpectAsReference(points, true);
    }
}

TEST(Linkage, OfManySeeds) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    ExpectAsReference(Random(40, 2, seed), true);
  }
}

TEST(Linkage, WithoutFeaturesAllPointsAreEqual) {
  for (const LinkageMethod method : kMethods) {
    const Points points = {4, 0};
    const std::vector<Merge> merges = Link(points, method);
    ExpectSound(points, merges);
    EXPECT_EQ(merges.back().height, 0);
    EXPECT_EQ(merges.back().size, 4);
  }
}

TEST(Linkage, EqualPointsAreMergedFirstInOrder) {
  const Points points = {6, 1, {3, 1, 3, 1, -0.0f, 3}};
  for (const LinkageMethod method : kMethods) {
    const std::vector<Merge> merges = Link(points, method);
    ExpectSound(points, merges);
    EXPECT_EQ(std::pair(merges[0].a, merges[0].b), std::pair(0, 2));
    EXPECT_EQ(std::pair(merges[1].a, merges[1].b), std::pair(1, 3));
    EXPECT_EQ(std::pair(merges[2].a, merges[2].b), std::pair(5, 6));
    EXPECT_EQ(merges[2].height, 0);
    EXPECT_EQ(merges[3].size, 3);  // 0, 1 and 1
  }
}

TEST(Linkage, DuplicatesCountAsManyPoints) {
  Points points = Random(40, 3, 5);
  for (int64_t i = 0; i < 60; ++i)
    for (int64_t f = 0; f < 3; ++f) points.values.push_back(points.values[static_cast<size_t>(i * i % 40 * 3 + f)]);
  points.n = 100;
  ExpectAsReference(points);
}

TEST(Linkage, AllEqual) {
  ExpectAsReference({33, 2, std::vector<float>(66, 1e30f)});
}

TEST(Linkage, OffsetsOutliersAndExtremeScales) {
  const Points plain = Random(70, 4, 8);
  for (const float scale : {1e-38f, 1e-20f, 1.f, 1e15f, 1e38f}) {
    Points points = plain;
    for (float& value : points.values) value = std::clamp(value, -3.f, 3.f) * scale;
    ExpectAsReference(points);
    points.values[0] = 3.3e38f;  // so far that others are one point in float32
    ExpectAsReference(points);
  }
  Points points = plain;
  for (size_t i = 0; i < points.values.size(); ++i) points.values[i] += i % 4 == 1 ? 1e5f : 0;
  ExpectAsReference(points);
}

TEST(Linkage, LinesWhereEveryPointIsNearestToTheNext) {
  Points points = {100, 1};
  float at = 0, step = 1;
  for (int i = 0; i < 100; ++i) points.values.push_back(at), at += step, step *= 0.97f;
  ExpectAsReference(points);
  std::reverse(points.values.begin(), points.values.end());
  ExpectAsReference(points);
}

// Heights depend on what is merged first where distances are equal, but merges must be sound, and those of single
// linkage are the same in any order.
TEST(Linkage, GridsFullOfTies) {
  Points points = {900, 2};
  for (int i = 0; i < 900; ++i)
    points.values.push_back(static_cast<float>(i % 30) * 0.1f),
        points.values.push_back(static_cast<float>(i / 30) * 0.1f);
  for (const LinkageMethod method : kMethods) {
    const std::vector<Merge> merges = Link(points, method);
    ExpectSound(points, merges);
    EXPECT_NEAR(merges[0].height, 0.1, 1e-6);
    if (method == LinkageMethod::kSingle) {
      EXPECT_NEAR(merges.back().height, 0.1, 1e-6);
    }
  }
}

/// Clusters that are anywhere when they are merged, so that others may become nearer.
struct Jumping {
  std::vector<std::complex<double>> at;
  std::vector<std::complex<double>> next;
  std::vector<double> sizes;

  double Value(int32_t a, int32_t b) const { return std::abs(at[static_cast<size_t>(a)] - at[static_cast<size_t>(b)]); }
  double Height(double value) const { return value; }
  Nearest Search(int32_t id, Nearest nearest) const {
    for (int32_t other = 0; other < static_cast<int32_t>(at.size()); ++other)
      if (other != id && sizes[static_cast<size_t>(other)] > 0) nearest.Take({Value(id, other), other});
    return nearest;
  }
  void Merge(int32_t a, int32_t b) {
    const auto from = static_cast<size_t>(a), to = static_cast<size_t>(b);
    at[to] = next.back();
    next.pop_back();
    sizes[to] += sizes[from];
    sizes[from] = 0;
  }
};

// What rounding may do to a chain, in the large.
TEST(Linkage, AChainWhoseDistancesBecomeLess) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Jumping clusters;
    const std::vector<float> at = RandomNormal(240, seed);
    for (size_t i = 0; i < 120; ++i) (i < 60 ? clusters.at : clusters.next).emplace_back(at[2 * i], at[2 * i + 1]);
    clusters.sizes.assign(60, 1);
    const std::vector<PairMerge> merges = MergeByChain(60, clusters);
    std::vector<bool> gone(60);
    ASSERT_EQ(merges.size(), 59u);
    for (const PairMerge& merge : merges) {
      ASSERT_LT(merge.a, merge.b);
      ASSERT_FALSE(gone[static_cast<size_t>(merge.a)] || gone[static_cast<size_t>(merge.b)]) << "seed " << seed;
      gone[static_cast<size_t>(merge.a)] = true;
    }
  }
}

TEST(Linkage, AWeightIsSoManyPoints) {
  Points weighted = Random(20, 3, 6), repeated = {0, 3};
  for (int64_t i = 0; i < 20; ++i) {
    weighted.weights.push_back(static_cast<double>(i % 4 + 1));
    for (int64_t k = 0; k <= i % 4; ++k, ++repeated.n)
      repeated.values.insert(repeated.values.end(), weighted.values.begin() + i * 3,
                             weighted.values.begin() + i * 3 + 3);
  }
  for (const LinkageMethod method : kMethods) {
    const std::vector<Merge> a = Link(weighted, method), b = Link(repeated, method);
    for (size_t m = 0; m < a.size(); ++m) {
      const Merge& other = b[b.size() - a.size() + m];
      EXPECT_EQ(a[m].height, other.height);
      EXPECT_EQ(a[m].size, other.size);
    }
  }
}

TEST(Linkage, WeightsOfAnySize) {
  Points points = Random(50, 2, 7);
  points.weights = Weights(50);
  for (const double scale : {1e-30, 1e-3, 1e28}) {
    Points scaled = points;
    for (double& weight : scaled.weights) weight *= scale;
    const std::vector<Merge> a = Link(points, LinkageMethod::kAverage), b = Link(scaled, LinkageMethod::kAverage);
    for (size_t m = 0; m < a.size(); ++m) EXPECT_NEAR(a[m].height, b[m].height, 1e-12 * a[m].height);
    const std::vector<Merge> c = Link(points, LinkageMethod::kWard), d = Link(scaled, LinkageMethod::kWard);
    for (size_t m = 0; m < c.size(); ++m) EXPECT_NEAR(c[m].height * std::sqrt(scale), d[m].height, 1e-12 * d[m].height);
  }
  points.weights[7] = 1e30;
  points.weights[8] = 1e-30;
  ExpectAsReference(points);
}

TEST(Linkage, ThreadsChangeNoBit) {
  const Points points = Random(4500, 130, 11);  // several tasks a search
  ThreadPool one(1), three(3);
  for (const LinkageMethod method : {LinkageMethod::kWard, LinkageMethod::kSingle}) {
    const std::vector<Merge> a = Link(points, method), b = Link(points, method, &one), c = Link(points, method, &three);
    for (size_t m = 0; m < a.size(); ++m) {
      ASSERT_TRUE(a[m].a == b[m].a && a[m].b == b[m].b && a[m].height == b[m].height) << m;
      ASSERT_TRUE(a[m].a == c[m].a && a[m].b == c[m].b && a[m].height == c[m].height) << m;
    }
  }
  const Points fewer = Random(5000, 2, 12);
  for (const LinkageMethod method : {LinkageMethod::kAverage, LinkageMethod::kComplete}) {
    const std::vector<Merge> a = Link(fewer, method), c = Link(fewer, method, &three);
    for (size_t m = 0; m < a.size(); ++m)
      ASSERT_TRUE(a[m].a == c[m].a && a[m].b == c[m].b && a[m].height == c[m].height) << m;
  }
}

TEST(Linkage, WhatCannotBeLinked) {
  const Points plain = Random(5, 2, 1);
  for (const float value : {HUGE_VALF, -HUGE_VALF, NAN}) {
    Points points = plain;
    points.values[7] = value;
    ExpectError(ErrorCode::kInvalidArgument, "point 3, feature 1", [&] { Link(points, LinkageMethod::kWard); });
  }
  for (const double weight : {0.0, -1.0, 1e-31, 1e31, static_cast<double>(NAN), HUGE_VAL}) {
    Points points = plain;
    points.weights = {1, 1, weight, 1, 1};
    ExpectError(ErrorCode::kInvalidArgument, "point 2: its weight is", [&] { Link(points, LinkageMethod::kWard); });
  }
  Points points = plain;
  points.weights = {1, 2};
  ExpectError(ErrorCode::kInvalidArgument, "2 weights for 5 points", [&] { Link(points, LinkageMethod::kWard); });
}

TEST(Linkage, MatricesHaveALimit) {
  Points points = {kMostMatrixPoints + 1, 1};
  for (int64_t i = 0; i < points.n; ++i) points.values.push_back(static_cast<float>(i));
  for (const LinkageMethod method : {LinkageMethod::kAverage, LinkageMethod::kComplete})
    ExpectError(ErrorCode::kOutOfMemory, "linkage of 32769 different points needs 4.0 GiB",
                [&] { Link(points, method); });
  for (float& value : points.values) value = std::fmod(value, 3.f);  // three different ones
  EXPECT_EQ(Link(points, LinkageMethod::kAverage).back().size, static_cast<double>(points.n));
}

TEST(Linkage, MethodsByName) {
  for (const LinkageMethod method : kMethods) EXPECT_EQ(ParseLinkageMethod(Text(method)), method);
  ExpectError(ErrorCode::kInvalidArgument, "'centroid' is no linkage; expected ward, average, complete or single",
              [] { ParseLinkageMethod("centroid"); });
}

// scipy.cluster.hierarchy.linkage of SciPy 1.17.1.
TEST(Linkage, AsSciPyHasIt) {
  const Points points = {
      12, 3, {2.375f,   9.875f,   7.0625f,  19.6875f, 15.6875f, 1.6875f,  13.125f,  13.6875f, 13.25f,
              5.375f,   21.8125f, 22.9375f, 17.75f,   3.75f,    14.0625f, 21.4375f, 18.0625f, 23.9375f,
              21.0625f, 22.875f,  10.375f,  11.125f,  5.9375f,  19.4375f, 10.4375f, 3.375f,   14.4375f,
              21.5625f, 17.625f,  8.5f,     7.75f,    6.5625f,  24.625f,  6.375f,   3.1875f,  16.6875f}};
  const std::vector<std::vector<Merge>> expected = {
      {{8, 11, 4.647748110644551, 2},
       {6, 9, 5.5971532943095275, 2},
       {7, 10, 6.220241655273531, 2},
       {12, 14, 10.170710858882972, 4},
       {1, 13, 10.552695153371957, 3},
       {2, 4, 10.991118573648453, 2},
       {15, 17, 15.011692491465888, 6},
       {3, 5, 16.524721064211644, 2},
       {0, 18, 18.086005878329036, 7},
       {19, 20, 27.916521188320303, 9},
       {16, 21, 36.566583342733985, 12}},
      {{8, 11, 4.647748110644551, 2},
       {6, 9, 5.5971532943095275, 2},
       {7, 12, 5.899660222599069, 3},
       {10, 14, 8.654003785987763, 4},
       {1, 13, 9.342745365252947, 3},
       {4, 15, 10.660281546226214, 5},
       {2, 17, 11.847265333464383, 6},
       {0, 18, 15.06096441710327, 7},
       {3, 5, 16.524721064211644, 2},
       {19, 20, 19.1518556893866, 9},
       {16, 21, 20.18842359476267, 12}},
      {{8, 11, 4.647748110644551, 2},
       {6, 9, 5.5971532943095275, 2},
       {7, 12, 6.139014578904337, 3},
       {2, 4, 10.991118573648453, 2},
       {10, 14, 11.007632295366701, 4},
       {1, 13, 11.35884842314572, 3},
       {15, 16, 14.814741391600462, 6},
       {3, 5, 16.524721064211644, 2},
       {0, 18, 18.66292280164069, 7},
       {17, 19, 26.3424710543639, 5},
       {20, 21, 27.42076653742561, 12}},
      {{8, 11, 4.647748110644551, 2},
       {6, 9, 5.5971532943095275, 2},
       {7, 12, 5.6603058662937995, 3},
       {10, 14, 6.220241655273531, 4},
       {1, 13, 7.326642307360173, 3},
       {4, 15, 7.331705548506432, 5},
       {2, 17, 10.116701846451738, 6},
       {16, 18, 10.452646196059638, 9},
       {0, 19, 12.383992944523184, 10},
       {5, 20, 14.228876888215739, 11},
       {3, 21, 14.829894849593506, 12}},
  };
  for (size_t method = 0; method < std::size(kMethods); ++method) {
    const std::vector<Merge> merges = Link(points, kMethods[method]);
    ASSERT_EQ(merges.size(), expected[method].size());
    for (size_t m = 0; m < merges.size(); ++m) {
      SCOPED_TRACE(testing::Message() << Text(kMethods[method]) << ", merge " << m);
      EXPECT_EQ(merges[m].a, expected[method][m].a);
      EXPECT_EQ(merges[m].b, expected[method][m].b);
      EXPECT_NEAR(merges[m].height, expected[method][m].height, 1e-13 * merges[m].height);
      EXPECT_EQ(merges[m].size, expected[method][m].size);
    }
  }
}

}  // namespace
}  // namespace kindred
