#include "host/data/normal_distribution.h"

#include <gtest/gtest.h>

namespace kindred {
namespace {

TEST(NormalDistribution, IsThatOfTables) {
  EXPECT_NEAR(NormalQuantile(0.975), 1.959963984540054, 1e-12);
  EXPECT_NEAR(NormalQuantile(0.5), 0, 1e-12);
  EXPECT_NEAR(NormalQuantile(0.01), -2.326347874040841, 1e-12);
  EXPECT_NEAR(NormalQuantile(1e-20), -9.262340089798408, 1e-12);
  EXPECT_EQ(NormalProbability(0), 0.5);
  EXPECT_NEAR(NormalProbability(-1), 0.15865525393145705, 1e-16);
}

TEST(NormalDistribution, QuantilesComeBack) {
  for (const double x : {-30.0, -3.0, -1e-3, 0.0, 0.5, 5.0}) EXPECT_NEAR(NormalQuantile(NormalProbability(x)), x, 1e-9);
}

}  // namespace
}  // namespace kindred
