#include "host/clustering/point_filter.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/random.h"

namespace kindred {
namespace {

/// Nothing is ruled out that is as near as asked for, be it by nothing at all; what is 2 % further mostly is.
void ExpectSafe(const WeightedPoints& points, bool sharp) {
  PointFilter filter(points);
  const int64_t n_blocks = (points.n + kBlockPoints - 1) / kBlockPoints;
  std::vector<uint64_t> near(static_cast<size_t>(n_blocks));
  int64_t n_kept = 0, n_asked = 0;
  for (int64_t i = 0; i < points.n; i += 3) {
    const PointFilter::Query query = filter.MakeQuery(i);
    for (int64_t j = 0; j < points.n; ++j) {
      const double square = SquaredDistance(points.row(i), points.row(j), points.n_features) * filter.squared_scale();
      const auto bit = [&](double constant, double factor) {
        filter.FindNear(query, 0, n_blocks, constant, factor, near.data());
        return (near[static_cast<size_t>(j / kBlockPoints)] >> (j % kBlockPoints) & 1) != 0;
      };
      filter.SetFactor(j, 1);
      EXPECT_TRUE(bit(square, 0)) << i << " " << j;
      EXPECT_TRUE(bit(0, square)) << i << " " << j;
      if (i != j) n_kept += bit(square / 1.04, 0), ++n_asked;
    }
  }
  if (sharp) {
    EXPECT_LE(20 * n_kept, n_asked);
  }
}

WeightedPoints Random(int64_t n, int64_t n_features, uint64_t seed) {
  WeightedPoints points = {n, n_features};
  for (const float value : RandomNormal(2 * n * n_features, seed)) {  // of 48 bits
    if (points.values.size() < static_cast<size_t>(n * n_features))
      points.values.push_back(value);
    else
      points.values[points.weights.size()] += 0x1p-24 * value, points.weights.push_back(1);
  }
  return points;
}

TEST(PointFilter, OverShapes) {
  for (const int64_t n : {1, 2, 63, 64, 65, 130})
    for (const int64_t n_features : {1, 3, 16, 33, 100}) {
      SCOPED_TRACE(testing::Message() << n << " x " << n_features);
      ExpectSafe(Random(n, n_features, static_cast<uint64_t>(n * n_features)), true);
    }
}

TEST(PointFilter, FarFromTheCentre) {
  for (const double offset : {1e3, 1e6, 1e9}) {
    WeightedPoints points = Random(130, 2, 7);
    for (int64_t i = 70; i < 130; ++i) points.values[static_cast<size_t>(2 * i)] += offset;
    ExpectSafe(points, false);
  }
}

TEST(PointFilter, OffsetsOfAllAndAnyScale) {
  for (const double scale : {1e-45, 1e-30, 1.0, 1e30, 1e38}) {
    WeightedPoints points = Random(100, 4, 8);
    for (double& value : points.values) value = (value + 1e6) * scale;
    ExpectSafe(points, true);
    points.values[5] = -6e38;
    ExpectSafe(points, false);
  }
}

}  // namespace
}  // namespace kindred
