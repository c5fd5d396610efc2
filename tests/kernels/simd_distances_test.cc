#include "kernels/cpu/simd_distances.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "tests/support/random.h"
#include "tests/support/simd_levels.h"

namespace kindred {
namespace {

template <class T>
struct alignas(64) Line {
  T values[64 / sizeof(T)];
};

template <class T>
std::vector<Line<T>> Aligned(const std::vector<float>& values) {
  constexpr size_t kPerLine = 64 / sizeof(T);
  std::vector<Line<T>> lines((values.size() + kPerLine - 1) / kPerLine);
  for (size_t i = 0; i < values.size(); ++i) lines[i / kPerLine].values[i % kPerLine] = values[i];
  return lines;
}

double Square(const std::vector<float>& blocks, int64_t n_features, int64_t block, int64_t point, const float* query) {
  double sum = 0;
  for (int64_t f = 0; f < n_features; ++f) {
    const double apart = static_cast<double>(blocks[(block * n_features + f) * kBlockPoints + point]) - query[f];
    sum += apart * apart;
  }
  return sum;
}

TEST(SimdDistances, FindsWhatIsNear) {
  constexpr int64_t kBlocks = 3;
  for (const SimdLevel level : SimdLevels())
    for (const int64_t n_features : {0, 1, 2, 15, 16, 17, 33, 100}) {
      SCOPED_TRACE(testing::Message() << "level " << static_cast<int>(level) << ", features " << n_features);
      const std::vector<float> blocks = RandomNormal(kBlocks * n_features * kBlockPoints, 1);
      const std::vector<float> query = RandomNormal(n_features, 2);
      const std::vector<float> factors = RandomNormal(kBlocks * kBlockPoints, 3);
      const std::vector<float> slacks = RandomNormal(kBlocks * kBlockPoints, 4);
      const auto aligned_blocks = Aligned<float>(blocks), aligned_factors = Aligned<float>(factors),
                 aligned_slacks = Aligned<float>(slacks);
      const DistanceLimits limits = {2.f * static_cast<float>(n_features), 0.5f, aligned_factors.data()->values,
                                     aligned_slacks.data()->values};
      uint64_t near[kBlocks];
      SimdDistancesOf(level).find_near(aligned_blocks.empty() ? nullptr : aligned_blocks.data()->values, kBlocks,
                                       n_features, query.data(), limits, near);
      for (int64_t b = 0; b < kBlocks; ++b)
        for (int64_t p = 0; p < kBlockPoints; ++p) {
          const auto at = static_cast<size_t>(b * kBlockPoints + p);
          const double square = Square(blocks, n_features, b, p, query.data());
          const double limit = limits.constant + 0.5 * factors[at] + slacks[at];
          if (std::fabs(square - limit) > 1e-4) {
            EXPECT_EQ((near[b] >> p & 1) != 0, square < limit) << b << " " << p;
          }
        }
    }
}

TEST(SimdDistances, WhatIsNoNumberIsNear) {
  const std::vector<float> blocks(kBlockPoints, std::numeric_limits<float>::infinity());
  const auto aligned = Aligned<float>(blocks), zeros = Aligned<float>(std::vector<float>(kBlockPoints, 0));
  const float query = std::numeric_limits<float>::infinity();
  for (const SimdLevel level : SimdLevels()) {
    uint64_t near = 0;
    SimdDistancesOf(level).find_near(aligned.data()->values, 1, 1, &query,
                                     {0, 0, zeros.data()->values, zeros.data()->values}, &near);
    EXPECT_EQ(near, ~uint64_t{0});
  }
}

TEST(SimdDistances, SquaresInDouble) {
  for (const SimdLevel level : SimdLevels())
    for (const int64_t n_features : {0, 1, 3, 64})
      for (const int64_t n_queries : {1, 3, 4, 5, 9}) {
        const std::vector<float> block = RandomNormal(n_features * kBlockPoints, 1);
        const std::vector<float> queries = RandomNormal(n_queries * n_features, 2);
        const std::vector<double> wide(queries.begin(), queries.end());
        std::vector<const double*> rows;
        for (int64_t q = 0; q < n_queries; ++q) rows.push_back(wide.data() + q * n_features);
        const auto aligned = Aligned<double>(block);
        std::vector<double> squares(static_cast<size_t>(n_queries * kBlockPoints), -1);
        SimdDistancesOf(level).square_distances(aligned.empty() ? nullptr : aligned.data()->values, n_features,
                                                rows.data(), n_queries, squares.data());
        for (int64_t q = 0; q < n_queries; ++q)
          for (int64_t p = 0; p < kBlockPoints; ++p) {
            const double expected = Square(block, n_features, 0, p, queries.data() + q * n_features);
            EXPECT_NEAR(squares[static_cast<size_t>(q * kBlockPoints + p)], expected, 1e-13 * (1 + expected));
          }
      }
}

}  // namespace
}  // namespace kindred
