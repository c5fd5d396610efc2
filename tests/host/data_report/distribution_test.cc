#include "host/data_report/distribution.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

namespace kindred {
namespace {

std::vector<int64_t> Numbers(int n, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<int64_t> numbers;
  for (int i = 0; i < n; ++i)  // some beyond the table of small ones
    numbers.push_back(random() % 10 == 0 ? random() % 1'000'000 : random() % 20);
  return numbers;
}

TEST(Distribution, AgreesWithASort) {
  for (const int n : {1, 2, 31, 32, 33, 99, 100, 101, 5000}) {
    SCOPED_TRACE(n);
    std::vector<int64_t> numbers = Numbers(n, static_cast<unsigned>(n));
    const Distribution found(numbers);
    std::sort(numbers.begin(), numbers.end());
    const int64_t total = std::accumulate(numbers.begin(), numbers.end(), int64_t{0});
    for (const int percent : {0, 1, 10, 25, 50, 75, 90, 99, 100}) {
      // The least number that at least `percent` % do not exceed.
      int64_t expected = numbers.front();
      for (size_t i = 0; i < numbers.size(); ++i) {
        expected = numbers[i];
        if (100 * std::count_if(numbers.begin(), numbers.end(), [&](int64_t x) { return x <= expected; }) >=
            percent * n)
          break;
      }
      EXPECT_EQ(found.Percentile(percent), expected) << percent;
    }
    for (const int64_t least : {0, 1, 2, 19, 20, 65535, 65536, 999'999})
      EXPECT_EQ(found.AtLeast(least),
                std::count_if(numbers.begin(), numbers.end(), [&](auto x) { return x >= least; }));
    int64_t sum = 0, n_half = 0;
    while (2 * sum < total) sum += numbers[static_cast<size_t>(n - 1 - n_half++)];
    EXPECT_EQ(found.NumberWithHalf(), n_half);
    const int64_t n_top = (n + 9) / 10;
    EXPECT_DOUBLE_EQ(found.TopShare(10), total == 0 ? 0
                                                    : static_cast<double>(std::accumulate(numbers.end() - n_top,
                                                                                          numbers.end(), int64_t{0})) /
                                                          static_cast<double>(total));
    double differences = 0;  // Gini by its definition
    for (const int64_t a : numbers)
      for (const int64_t b : numbers) differences += std::fabs(static_cast<double>(a - b));
    EXPECT_NEAR(found.Gini(), total == 0 ? 0 : differences / 2 / n / static_cast<double>(total), 1e-12);
    EXPECT_DOUBLE_EQ(found.Quantiles()["mean"].get<double>(), static_cast<double>(total) / n);
  }
}

TEST(Distribution, QuantilesAreNearestRanks) {
  const std::vector<int64_t> numbers = {4, 1, 3, 2};
  EXPECT_EQ(Distribution(numbers).Quantiles(),
            nlohmann::json::parse(R"({"min": 1, "p10": 1, "p25": 1, "median": 2, "p75": 3, "p90": 4, "p99": 4, "max": 4,
                                      "mean": 2.5})"));
}

TEST(Distribution, NothingOneAndZeros) {
  const Distribution nothing(std::vector<int64_t>{});
  EXPECT_EQ(nothing.Quantiles(), nullptr);
  EXPECT_EQ(nothing.Tail(), nlohmann::json::array());
  EXPECT_EQ(nothing.Gini(), 0);
  EXPECT_EQ(nothing.TopShare(1), 0);
  EXPECT_EQ(nothing.NumberWithHalf(), 0);

  const Distribution one(std::vector<int64_t>{7});
  EXPECT_EQ(one.Percentile(0), 7);
  EXPECT_EQ(one.Percentile(100), 7);
  EXPECT_EQ(one.NumberWithHalf(), 1);
  EXPECT_EQ(one.Gini(), 0);
  EXPECT_EQ(one.TopShare(1), 1);

  const Distribution zeros(std::vector<int64_t>{0, 0, 0});
  EXPECT_EQ(zeros.Percentile(99), 0);
  EXPECT_EQ(zeros.Gini(), 0);
  EXPECT_EQ(zeros.NumberWithHalf(), 0);
  EXPECT_EQ(zeros.Tail(), nlohmann::json::array());
}

TEST(Distribution, TheTailIsExactWhereItIsGiven) {
  const std::vector<int64_t> numbers = Numbers(2000, 5);
  const Distribution found(numbers);
  const nlohmann::json tail = found.Tail();
  ASSERT_LT(tail.size(), 120u);
  EXPECT_EQ(tail[0][0], 1);
  EXPECT_EQ(tail[1][0], 2);
  EXPECT_EQ(tail.back()[0], *std::max_element(numbers.begin(), numbers.end()));
  int64_t last = 0;
  for (const nlohmann::json& point : tail) {
    EXPECT_GT(point[0].get<int64_t>(), last);
    last = point[0];
    EXPECT_EQ(point[1], std::count_if(numbers.begin(), numbers.end(), [&](int64_t x) { return x >= last; }));
  }
}

}  // namespace
}  // namespace kindred
