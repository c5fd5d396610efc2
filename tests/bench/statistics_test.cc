#include "bench/statistics.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace kindred {
namespace {

TEST(Statistics, Spreads) {
  const Spread odd = SpreadOf({3, 1, 2});
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.max, 3);
  EXPECT_EQ(odd.all, (std::vector<double>{3, 1, 2})) << "in the order they came";
  EXPECT_EQ(SpreadOf({4, 1, 3, 2}).median, 2.5);
  EXPECT_EQ(SpreadOf({7}).median, 7);
  EXPECT_THROW(SpreadOf({}), Error);
}

TEST(Statistics, RatiosAreOfPairs) {
  const Spread ratio = RatioOf({1, 10, 3}, {2, 10, 1});
  EXPECT_EQ(ratio.all, (std::vector<double>{0.5, 1, 3}));
  EXPECT_EQ(ratio.median, 1);
  EXPECT_EQ(RatioOf({1, 2}, {2}).all, std::vector<double>{0.5});
  EXPECT_THROW(RatioOf({}, {1}), Error);
}

TEST(Statistics, QuantilesAreNearestRanks) {
  std::vector<float> values;
  for (int i = 1; i <= 100; ++i) values.push_back(static_cast<float>(i));
  EXPECT_EQ(QuantileOf(values, 0), 1);
  EXPECT_EQ(QuantileOf(values, 0.5), 50);
  EXPECT_EQ(QuantileOf(values, 0.99), 99);
  EXPECT_EQ(QuantileOf(values, 1), 100);
  EXPECT_EQ(QuantileOf({5}, 0.99), 5);
  EXPECT_THROW(QuantileOf({}, 0.5), Error);
}

}  // namespace
}  // namespace kindred
