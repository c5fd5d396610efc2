#include "host/segments/association.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/data/random.h"

namespace kindred {
namespace {

/// P(X <= x) of the central distribution: the series of the incomplete gamma function.
double ChiSquared(double x, double df) {
  double term = std::exp(-x / 2 + df / 2 * std::log(x / 2) - std::lgamma(df / 2 + 1)), sum = 0;
  for (int k = 1; k < 2000; ++k) {
    sum += term;
    term *= x / (df + 2 * k);
  }
  return sum;
}

/// The non-central one as a mixture over a Poisson variable.
double Exact(double x, double df, double non_centrality) {
  if (non_centrality == 0) return ChiSquared(x, df);
  double sum = 0;
  for (int j = 0; j < 400; ++j)
    sum += std::exp(-non_centrality / 2 + j * std::log(non_centrality / 2) - std::lgamma(j + 1)) *
           ChiSquared(x, df + 2 * j);
  return sum;
}

TEST(NonCentralChiSquared, IsNearTheExactOne) {
  for (const double df : {1, 2, 4, 12, 40})
    for (const double non_centrality : {0.0, 0.5, 3.0, 20.0, 100.0})
      for (const double of_mean : {0.3, 0.7, 1.0, 1.5, 2.5}) {
        const double x = of_mean * (df + non_centrality);
        const double exact = Exact(x, df, non_centrality), tolerance = exact < 0.05 || exact > 0.95 ? 0.004 : 0.01;
        EXPECT_NEAR(NonCentralChiSquared(x, df, non_centrality), exact, tolerance)
            << x << " " << df << " " << non_centrality;
      }
}

TEST(Association, OfAKnownTable) {
  // chi^2 = 60 (25 x 20 - 5 x 10)^2 / (30 x 30 x 35 x 25) = 15.428571...; one degree of freedom.
  const Association found = AssociationOf({{25, 5}, {10, 20}});
  const double phi = 15.428571428571429 / 60 - 1.0 / 59, most = 1 - 1.0 / 59;
  EXPECT_EQ(found.n, 60);
  EXPECT_NEAR(found.v, std::sqrt(phi / most), 1e-12);
  EXPECT_LT(found.low, found.v);
  EXPECT_GT(found.high, found.v);
  EXPECT_GT(found.low, 0);
}

TEST(Association, IsNoneWhereNothingGoesTogetherAndOneWhereAllDoes) {
  const Association none = AssociationOf({{50, 50}, {50, 50}, {0, 0}});
  EXPECT_EQ(none.v, 0);
  EXPECT_EQ(none.low, 0);
  const Association all = AssociationOf({{500, 0, 0}, {0, 500, 0}, {0, 0, 500}});
  EXPECT_NEAR(all.v, 1, 1e-3);
  EXPECT_GT(all.low, 0.9);
  EXPECT_LE(all.high, 1);
  const Association many = AssociationOf({{int64_t{1} << 40, 1}, {7, int64_t{1} << 41}});
  EXPECT_NEAR(many.v, 1, 1e-6);
  EXPECT_TRUE(std::isfinite(many.low));
}

TEST(Association, OfTablesThatSayNothing) {
  for (const auto& table : std::vector<std::vector<std::vector<int64_t>>>{
           {}, {{}}, {{5}}, {{5, 5}}, {{5}, {5}}, {{5, 0}, {6, 0}}, {{1, 0}, {0, 1}}, {{0, 0}, {0, 0}}}) {
    const Association found = AssociationOf(table);
    EXPECT_TRUE(std::isnan(found.v) || (found.v >= 0 && found.v <= 1));
    EXPECT_EQ(std::isnan(found.v), std::isnan(found.low));
  }
  EXPECT_TRUE(std::isnan(AssociationOf({{5, 0}, {6, 0}}).v));
}

TEST(Association, ItsIntervalHasTheTrueValueAsOftenAsItSays) {
  constexpr int kTimes = 400;
  // Users of two groups over three segments; the population's own V from its probabilities.
  for (const double off : {0.0, 0.03, 0.09}) {
    const double p[2][3] = {{0.3 - off, 0.1, 0.1 + off}, {0.3 + off, 0.1, 0.1 - off}};
    double phi = 0;
    for (int g = 0; g < 2; ++g)
      for (int s = 0; s < 3; ++s) {
        const double expected = 0.5 * (p[0][s] + p[1][s]), difference = p[g][s] - expected;
        phi += difference * difference / expected;
      }
    const double v = std::sqrt(phi);
    int n_within = 0;
    double mean = 0;
    for (uint64_t seed = 0; seed < kTimes; ++seed) {
      std::vector<std::vector<int64_t>> table(2, std::vector<int64_t>(3, 0));
      for (uint64_t user = 0; user < 500; ++user) {
        double drawn = RandomUniform(seed, user);
        int cell = 0;
        for (; cell < 5 && drawn >= p[cell / 3][cell % 3]; ++cell) drawn -= p[cell / 3][cell % 3];
        ++table[static_cast<size_t>(cell / 3)][static_cast<size_t>(cell % 3)];
      }
      const Association found = AssociationOf(table);
      n_within += found.low <= v && v <= found.high;
      mean += found.v / kTimes;
    }
    EXPECT_GE(n_within, 0.92 * kTimes) << "V is " << v;
    EXPECT_LE(n_within, (off == 0.03 ? 0.98 : 1) * kTimes) << "V is " << v;
    EXPECT_NEAR(mean, v, 0.03);
  }
}

}  // namespace
}  // namespace kindred
