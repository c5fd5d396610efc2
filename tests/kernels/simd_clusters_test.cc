#include "kernels/cpu/simd_clusters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/random.h"
#include "tests/support/simd_levels.h"

namespace kindred {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr auto kWidth = static_cast<size_t>(kPanelWidth);

/// Numbers whose products and sums float32 has exactly.
std::vector<float> Whole(int64_t n, uint64_t seed) {
  std::vector<float> values = RandomNormal(n, seed);
  for (float& value : values) value = std::round(4 * value);
  return values;
}

struct Comparison {
  const SimdClusters& simd;
  int64_t n_features, n;
  std::vector<float> centroids, starts;
  alignas(64) float panel[3 * kWidth];

  /// Of point p with centroid c.
  float Product(size_t p, int64_t c) const {
    float sum = 0;
    for (int64_t j = 0; j < n_features; ++j)
      sum += centroids[static_cast<size_t>(c * n_features + j)] * panel[static_cast<size_t>(j * kPanelWidth) + p];
    return sum;
  }
};

template <class Check>
void OnEachLevelOfAnyNumber(const Check& check) {
  for (const SimdLevel level : SimdLevels())
    for (const int64_t n_features : {1, 3})
      for (int64_t n = 1; n <= 20; ++n) {
        SCOPED_TRACE(testing::Message() << "level " << static_cast<int>(level) << ", " << n << " centroids of "
                                        << n_features);
        Comparison of = {SimdClustersOf(level), n_features, n, Whole(n * n_features, 2), Whole(n, 3), {}};
        std::ranges::copy(Whole(n_features * kPanelWidth, 1), of.panel);
        check(of);
      }
}

TEST(SimdClusters, TheNearestTwoOfAnyNumber) {
  alignas(64) float best[kWidth], second[kWidth];
  alignas(64) int32_t index[kWidth];
  OnEachLevelOfAnyNumber([&](const Comparison& of) {
    of.simd.nearest_two(of.panel, of.n_features, of.centroids.data(), of.n, of.starts.data(), best, second, index);
    for (size_t p = 0; p < kWidth; ++p) {
      std::vector<float> sums = of.starts;
      for (int64_t c = 0; c < of.n; ++c) sums[static_cast<size_t>(c)] += of.Product(p, c);
      const auto largest = std::max_element(sums.begin(), sums.end());
      EXPECT_EQ(best[p], *largest) << p;
      EXPECT_EQ(index[p], largest - sums.begin()) << p;
      *largest = -kInfinity;
      EXPECT_EQ(second[p], *std::max_element(sums.begin(), sums.end())) << p;
    }
  });
}

TEST(SimdClusters, TheNearestInDoubleOfAnyNumber) {
  alignas(64) double least[kWidth], next[kWidth];
  alignas(64) int32_t index[kWidth];
  OnEachLevelOfAnyNumber([&](const Comparison& of) {
    const std::vector<double> squared(of.starts.begin(), of.starts.end());
    of.simd.nearest_in_double(of.panel, of.n_features, of.centroids.data(), of.n, squared.data(), least, next, index);
    for (size_t p = 0; p < kWidth; ++p) {
      std::vector<double> keys = squared;
      for (int64_t c = 0; c < of.n; ++c) keys[static_cast<size_t>(c)] -= 2 * static_cast<double>(of.Product(p, c));
      const auto smallest = std::min_element(keys.begin(), keys.end());
      EXPECT_EQ(least[p], *smallest) << p;
      EXPECT_EQ(index[p], smallest - keys.begin()) << p;
      *smallest = static_cast<double>(kInfinity);
      EXPECT_EQ(next[p], *std::min_element(keys.begin(), keys.end())) << p;
    }
  });
}

TEST(SimdClusters, WhatIsUnsettled) {
  alignas(64) float best[kWidth], second[kWidth], norms[kWidth];
  alignas(64) int32_t index[kWidth], labels[kWidth];
  for (const SimdLevel level : SimdLevels()) {
    SCOPED_TRACE(testing::Message() << "level " << static_cast<int>(level));
    for (size_t p = 0; p < kWidth; ++p) best[p] = 5, second[p] = 1, norms[p] = 1, index[p] = labels[p] = 7;
    const auto unsettled = [&] { return SimdClustersOf(level).unsettled(best, second, index, norms, labels, 1, 0.5); };
    EXPECT_EQ(unsettled(), 0u);
    for (size_t p = 0; p < kWidth; ++p) {
      const uint64_t bit = uint64_t{1} << p;
      labels[p] = 6;
      EXPECT_EQ(unsettled(), bit) << "another label";
      labels[p] = 7;
      second[p] = 3.5;
      EXPECT_EQ(unsettled(), bit) << "as near as the error";
      second[p] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_EQ(unsettled(), bit) << "sums that are no numbers";
      second[p] = 1;
      // Of sums that left float32 none says which is the largest.
      best[p] = kInfinity;
      norms[p] = 2 * kLargestError;
      EXPECT_EQ(unsettled(), bit) << "a large error";
      best[p] = 5, norms[p] = 1;
      EXPECT_EQ(unsettled(), 0u);
    }
  }
}

}  // namespace
}  // namespace kindred
