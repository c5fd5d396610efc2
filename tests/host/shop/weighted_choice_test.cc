#include "host/shop/weighted_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/data/random.h"

namespace kindred {
namespace {

TEST(WeightedChoice, DrawsInProportion) {
  const std::vector<double> weights = {0, 1, 0, 3, 0};
  const WeightedChoice choice(weights);
  EXPECT_EQ(choice.Draw(0), 1);
  EXPECT_EQ(choice.Draw(0.249), 1);
  EXPECT_EQ(choice.Draw(0.25), 3);
  EXPECT_EQ(choice.Draw(0.999999999), 3);
  EXPECT_EQ(choice.DrawOfFirst(3, 0.999999999), 1);
  EXPECT_EQ(choice.DrawOfFirst(4, 0.25), 3);
}

TEST(WeightedChoice, IsInversion) {
  for (const size_t n : {1u, 2u, 3u, 31u, 32u, 33u, 1000u}) {
    for (const double skew : {0.0, 1.0, 30.0}) {
      std::vector<double> weights(n);
      for (size_t i = 0; i < n; ++i)
        weights[i] = RandomUniform(n, i) < 0.2 && i > 0 ? 0 : std::exp(skew * RandomNormal(n, 1000 + i));
      const WeightedChoice choice(weights);
      std::vector<double> cumulative(n);
      std::partial_sum(weights.begin(), weights.end(), cumulative.begin());
      for (uint64_t draw = 0; draw < 2000; ++draw) {
        const double uniform = draw == 0 ? 0 : draw == 1 ? 1 - 0x1p-53 : RandomUniform(7, draw);
        for (const size_t first : {n, (n + 1) / 2, size_t{1}}) {
          const auto end = cumulative.begin() + static_cast<std::ptrdiff_t>(first);
          const auto found = std::upper_bound(cumulative.begin(), end - 1, uniform * *(end - 1));
          ASSERT_EQ(choice.DrawOfFirst(static_cast<int64_t>(first), uniform), found - cumulative.begin())
              << n << " weights, the first " << first << ", skew " << skew << ", uniform " << uniform;
        }
        const double point = choice.DrawPoint(uniform);
        ASSERT_EQ(static_cast<int64_t>(point), choice.Draw(uniform));
      }
    }
  }
}

TEST(WeightedChoice, PointsLieEvenlyInAWeight) {
  const std::vector<double> weights = {1, 0, 3};
  const WeightedChoice choice(weights);
  EXPECT_DOUBLE_EQ(choice.DrawPoint(0), 0);
  EXPECT_DOUBLE_EQ(choice.DrawPoint(0.125), 0.5);
  EXPECT_DOUBLE_EQ(choice.DrawPoint(0.25), 2);
  EXPECT_DOUBLE_EQ(choice.DrawPoint(0.625), 2.5);
  EXPECT_LT(choice.DrawPoint(1 - 0x1p-53), 3);
}

}  // namespace
}  // namespace kindred
