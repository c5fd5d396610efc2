// Logistic regression beside its definition: the gradient of the objective, written down again, is 0 at what it gives.
#include "host/segments/logistic_regression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "host/data/random.h"
#include "kernels/error.h"

namespace kindred {
namespace {

struct Data {
  std::vector<float> x;
  std::vector<int8_t> labels;
  int64_t d = 0;
};

/// Features of different scales; labels by odds that the first two move; some without a label.
Data Random(int64_t n, int64_t d, uint64_t seed) {
  Data data = {.x = {}, .labels = {}, .d = d};
  for (int64_t i = 0; i < n; ++i) {
    double odds = -0.5;
    for (int64_t j = 0; j < d; ++j) {
      const double value = RandomNormal(seed, static_cast<uint64_t>(i * d + j));
      if (j < 2) odds += (j == 0 ? 1.5 : -0.7) * value;
      data.x.push_back(
          static_cast<float>(100 * static_cast<double>(j) + std::pow(10, static_cast<double>(j % 3)) * value));
    }
    const double coin = RandomUniform(seed + 1000, static_cast<uint64_t>(i));
    data.labels.push_back(i % 11 == 10 ? int8_t{-1} : static_cast<int8_t>(coin < 1 / (1 + std::exp(-odds))));
  }
  data.labels[0] = 0;
  data.labels[1] = 1;
  return data;
}

/// The objective's gradient, with respect to the standardized coefficients and the intercept, over the number of rows.
std::vector<long double> Gradient(const Data& data, const LogisticModel& model, double l2) {
  const auto d = static_cast<size_t>(data.d);
  std::vector<long double> gradient(d + 1), means(d), deviations(d);
  long double n = 0;
  for (size_t i = 0; i < data.labels.size(); ++i) n += data.labels[i] >= 0;
  for (size_t j = 0; j < d; ++j) {
    for (size_t i = 0; i < data.labels.size(); ++i)
      if (data.labels[i] >= 0) means[j] += data.x[i * d + j] / n;
    for (size_t i = 0; i < data.labels.size(); ++i)
      if (data.labels[i] >= 0) deviations[j] += std::pow(data.x[i * d + j] - means[j], 2.0L) / n;
    deviations[j] = std::sqrt(deviations[j]);
    gradient[j] = l2 * model.coefficients[j] / n;
  }
  for (size_t i = 0; i < data.labels.size(); ++i) {
    if (data.labels[i] < 0) continue;
    long double t = model.intercept;
    for (size_t j = 0; j < d; ++j)
      if (deviations[j] > 0) t += model.coefficients[j] * (data.x[i * d + j] - means[j]) / deviations[j];
    const long double miss = 1 / (1 + std::exp(-t)) - data.labels[i];
    for (size_t j = 0; j < d; ++j)
      if (deviations[j] > 0) gradient[j] += miss * (data.x[i * d + j] - means[j]) / deviations[j] / n;
    gradient[d] += miss / n;
  }
  return gradient;
}

TEST(LogisticRegression, IsWhereTheGradientIsZero) {
  ThreadPool pool(3);
  for (const int64_t n : {2, 31, 32, 33, 1024, 1025, 3000})
    for (const int64_t d : {0, 1, 3, 17})
      for (const double l2 : {1e-2, 1.0, 100.0}) {
        const Data data = Random(n, d, static_cast<uint64_t>(n + d));
        const LogisticFit fit = FitLogistic(data.x, data.labels, d, l2, pool);
        for (const long double g : Gradient(data, fit.model, l2))
          EXPECT_NEAR(static_cast<double>(g), 0, 1e-9) << "n " << n << ", d " << d << ", l2 " << l2;
      }
}

TEST(LogisticRegression, OneFeatureOfTwoValuesIsKnown) {
  // Of 8 with x = 0, 2 are 1; of 8 with x = 1, 6 are: without a penalty the log odds are -log 3 and log 3.
  Data data = {.x = {}, .labels = {}, .d = 1};
  for (int i = 0; i < 16; ++i) {
    data.x.push_back(i < 8 ? 0.f : 1.f);
    data.labels.push_back(i < 8 ? i < 2 : i < 14);
  }
  ThreadPool pool(1);
  const LogisticModel model = FitLogistic(data.x, data.labels, 1, 1e-12, pool).model;
  EXPECT_EQ(model.means[0], 0.5);
  EXPECT_EQ(model.deviations[0], 0.5);
  EXPECT_NEAR(model.coefficients[0], std::log(3), 1e-9);
  EXPECT_NEAR(model.intercept, 0, 1e-9);
  const float zero[] = {0}, one[] = {1};
  EXPECT_NEAR(Sigmoid(model.LogOdds(zero)), 0.25, 1e-9);
  EXPECT_NEAR(Sigmoid(model.LogOdds(one)), 0.75, 1e-9);
}

TEST(LogisticRegression, BitsDoNotDependOnTheThreads) {
  const Data data = Random(5000, 7, 1);
  ThreadPool one(1), many(4);
  const LogisticFit a = FitLogistic(data.x, data.labels, 7, 1, one), b = FitLogistic(data.x, data.labels, 7, 1, many);
  EXPECT_EQ(a.model.coefficients, b.model.coefficients);
  EXPECT_EQ(a.model.intercept, b.model.intercept);
  EXPECT_EQ(a.loss, b.loss);
}

TEST(LogisticRegression, ConstantAndRepeatedFeatures) {
  Data data = Random(500, 1, 2);
  std::vector<float> x;
  for (const float value : data.x) x.insert(x.end(), {value, 1e6f, value});
  ThreadPool pool(2);
  const LogisticFit fit = FitLogistic(x, data.labels, 3, 1, pool);
  EXPECT_EQ(fit.model.deviations[1], 0);
  EXPECT_EQ(fit.model.coefficients[1], 0);
  EXPECT_NEAR(fit.model.coefficients[0], fit.model.coefficients[2], 1e-9);  // they share it
  EXPECT_GT(fit.model.coefficients[0], 0.3);
  EXPECT_FALSE(fit.separable);
}

TEST(LogisticRegression, SeparableDataHaveAnOptimumToo) {
  Data data = {.x = {}, .labels = {}, .d = 1};
  for (int i = 0; i < 100; ++i) {
    data.x.push_back(static_cast<float>(i));
    data.labels.push_back(i >= 60);
  }
  ThreadPool pool(1);
  for (const double l2 : {1.0, 1e-4}) {
    const LogisticFit fit = FitLogistic(data.x, data.labels, 1, l2, pool);
    EXPECT_TRUE(fit.separable);
    for (const long double g : Gradient(data, fit.model, l2)) EXPECT_NEAR(static_cast<double>(g), 0, 1e-9);
  }
}

TEST(LogisticRegression, HugeValues) {
  Data data = Random(200, 2, 3);
  data.x[20] = 3e38f;
  ThreadPool pool(1);
  for (const double value : FitLogistic(data.x, data.labels, 2, 1, pool).model.coefficients)
    EXPECT_TRUE(std::isfinite(value));
  EXPECT_EQ(Sigmoid(-1e308), 0);
  EXPECT_EQ(Sigmoid(1e308), 1);
  EXPECT_EQ(Sigmoid(0), 0.5);
}

TEST(LogisticRegression, Refusals) {
  ThreadPool pool(1);
  const auto refusal = [&](std::vector<float> x, std::vector<int8_t> labels, double l2 = 1) -> std::string {
    try {
      FitLogistic(x, labels, 1, l2, pool);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal({1, 2}, {0, 0}), testing::HasSubstr("0 rows have the label 1 and 2 the label 0"));
  EXPECT_THAT(refusal({1, 2, 3}, {1, 1, -1}), testing::HasSubstr("2 rows have the label 1 and 0 the label 0"));
  EXPECT_THAT(refusal({}, {}), testing::HasSubstr("expected some of both"));
  EXPECT_THAT(refusal({1, std::numeric_limits<float>::quiet_NaN()}, {0, 1}),
              testing::HasSubstr("feature 0 of row 1 is nan"));
  EXPECT_THAT(refusal({1, 2}, {0, 1}, 0), testing::HasSubstr("a penalty of 0"));
}

}  // namespace
}  // namespace kindred
