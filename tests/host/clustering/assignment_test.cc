#include "host/clustering/assignment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/support/errors.h"
#include "tests/support/random.h"

namespace kindred {
namespace {

/// The least cost over all orders of the longer side.
double LeastCost(const std::vector<double>& costs, int64_t n_rows, int64_t n_cols) {
  const int64_t fewer = std::min(n_rows, n_cols), more = std::max(n_rows, n_cols);
  std::vector<int64_t> order(static_cast<size_t>(more));
  std::iota(order.begin(), order.end(), 0);
  double least = HUGE_VAL;
  do {
    double cost = 0;
    for (int64_t i = 0; i < fewer; ++i) {
      const int64_t other = order[static_cast<size_t>(i)];
      cost += costs[static_cast<size_t>(n_rows <= n_cols ? i * n_cols + other : other * n_cols + i)];
    }
    least = std::min(least, cost);
  } while (std::next_permutation(order.begin(), order.end()));
  return least;
}

void ExpectLeast(const std::vector<double>& costs, int64_t n_rows, int64_t n_cols) {
  SCOPED_TRACE(testing::Message() << n_rows << " x " << n_cols);
  const std::vector<int32_t> columns = Assign({costs.data(), n_rows, n_cols});
  ASSERT_EQ(static_cast<int64_t>(columns.size()), n_rows);
  std::vector<bool> used(static_cast<size_t>(n_cols));
  double cost = 0;
  int64_t n = 0;
  for (int64_t r = 0; r < n_rows; ++r) {
    const int32_t c = columns[static_cast<size_t>(r)];
    if (c < 0) continue;
    ASSERT_LT(c, n_cols);
    EXPECT_FALSE(used[static_cast<size_t>(c)]);
    used[static_cast<size_t>(c)] = true;
    cost += costs[static_cast<size_t>(r * n_cols + c)];
    ++n;
  }
  EXPECT_EQ(n, std::min(n_rows, n_cols));
  EXPECT_NEAR(cost, LeastCost(costs, n_rows, n_cols), 1e-9);
}

TEST(Assign, AsAllOrdersTried) {
  for (int64_t n_rows = 0; n_rows <= 7; ++n_rows)
    for (int64_t n_cols = 0; n_cols <= 7; ++n_cols)
      for (uint64_t seed = 0; seed < 4; ++seed) {
        const std::vector<float> random = RandomNormal(n_rows * n_cols, 100 * seed + 10 * n_rows + n_cols);
        std::vector<double> costs(random.begin(), random.end());
        if (seed == 1)  // full of ties
          for (double& cost : costs) cost = std::round(cost);
        if (seed == 2) costs.assign(costs.size(), -3);
        ExpectLeast(costs, n_rows, n_cols);
      }
}

TEST(Assign, FarApartCosts) {
  ExpectLeast({1e15, 1, 2, 1, 1e-9, 1e15, 3, 2, 1}, 3, 3);
}

TEST(Assign, OverlapsAreMatchedWhereNegated) {
  const std::vector<double> overlaps = {-90, -10, 0, -5, -5, -80};  // 3 old clusters, 2 new ones
  EXPECT_EQ(Assign({overlaps.data(), 3, 2}), (std::vector<int32_t>{0, -1, 1}));
}

TEST(Assign, ManyOnTheDiagonal) {
  constexpr int64_t kN = 200;
  std::vector<double> costs(kN * kN);
  for (int64_t r = 0; r < kN; ++r)
    for (int64_t c = 0; c < kN; ++c) costs[r * kN + c] = static_cast<double>((r + 1) * (c + 1));
  const std::vector<int32_t> columns = Assign({costs.data(), kN, kN});  // the largest with the smallest
  for (int64_t r = 0; r < kN; ++r) EXPECT_EQ(columns[static_cast<size_t>(r)], kN - 1 - r);
}

TEST(Assign, CostsMustBeFinite) {
  for (const double cost : {HUGE_VAL, -HUGE_VAL, static_cast<double>(NAN)}) {
    const std::vector<double> costs = {0, 1, 2, cost};
    ExpectError(ErrorCode::kInvalidArgument, "row 1, column 1: a cost of", [&] { Assign({costs.data(), 2, 2}); });
  }
}

}  // namespace
}  // namespace kindred
