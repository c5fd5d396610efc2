#include "host/models/rating_biases.h"

#include <gtest/gtest.h>

#include <cmath>

#include "host/data/interactions.h"
#include "host/data/random.h"

namespace kindred {
namespace {

// user 0 rates items 0 and 1, user 1 item 0, user 2 nothing; item 2 has no rating.
Csr ThreeRatings() {
  return {3, 3, {0, 2, 3, 3}, {0, 1, 0}, {5, 2, 3}};
}

TEST(RatingBiases, TheGradientIsZero) {
  Csr ratings;
  ratings.n_rows = 700;
  ratings.n_cols = 60;
  for (int64_t u = 0; u < ratings.n_rows; ++u) {
    for (int64_t i = 0; i < ratings.n_cols; ++i) {
      const auto at = static_cast<uint64_t>(u * ratings.n_cols + i);
      if (RandomBits(1, at) % 9 != 0) continue;
      ratings.indices.push_back(static_cast<int32_t>(i));
      ratings.values.push_back(static_cast<float>(RandomNormal(2, at) + static_cast<double>(u % 3)));
    }
    ratings.indptr.push_back(static_cast<int64_t>(ratings.indices.size()));
  }
  const double regularization = 2;
  ThreadPool pool(3);
  const RatingBiases biases = FitRatingBiases(ratings.view(), regularization, &pool);
  EXPECT_NEAR(biases.mean, 1, 0.1);
  std::vector<double> users(biases.users.begin(), biases.users.end());
  std::vector<double> items(biases.items.begin(), biases.items.end());
  for (double& bias : users) bias *= regularization;
  for (double& bias : items) bias *= regularization;
  for (int64_t u = 0; u < ratings.n_rows; ++u)
    for (int64_t e = ratings.indptr[u]; e < ratings.indptr[u + 1]; ++e) {
      const int32_t i = ratings.indices[e];
      const double miss = double{ratings.values[e]} - biases.mean - biases.users[u] - biases.items[i];
      users[u] -= miss;
      items[i] -= miss;
    }
  for (const double part : users) EXPECT_NEAR(part, 0, 2e-4);
  for (const double part : items) EXPECT_NEAR(part, 0, 2e-3);
  const RatingBiases alone = FitRatingBiases(ratings.view(), regularization, nullptr);
  EXPECT_EQ(alone.users, biases.users);
  EXPECT_EQ(alone.items, biases.items);
}

TEST(RatingBiases, WithoutRegularizationTheyExplainWhatTheyCan) {
  const Csr ratings = ThreeRatings();
  const RatingBiases biases = FitRatingBiases(ratings.view(), 0, nullptr);
  EXPECT_FLOAT_EQ(biases.mean, 10.0f / 3);
  for (int64_t u = 0; u < 3; ++u)
    for (int64_t e = ratings.indptr[u]; e < ratings.indptr[u + 1]; ++e)
      EXPECT_NEAR(biases.mean + biases.users[u] + biases.items[ratings.indices[e]], ratings.values[e], 1e-5);
  EXPECT_EQ(biases.users[2], 0);
  EXPECT_EQ(biases.items[2], 0);
}

TEST(RatingBiases, RegularizationIsRatingsOfAverageHeight) {
  const Csr ratings = {2, 1, {0, 1, 2}, {0, 0}, {4, 0}};
  const RatingBiases biases = FitRatingBiases(ratings.view(), 3, nullptr);
  EXPECT_EQ(biases.mean, 2);
  EXPECT_NEAR(biases.users[0], 2.0 / 4, 1e-6);
  EXPECT_NEAR(biases.users[1], -2.0 / 4, 1e-6);
  EXPECT_NEAR(biases.items[0], 0, 1e-6);
}

TEST(RatingBiases, NoRatings) {
  const Csr ratings = {2, 2, {0, 0, 0}, {}, {}};
  const RatingBiases biases = FitRatingBiases(ratings.view(), 0, nullptr);
  EXPECT_EQ(biases.mean, 0);
  EXPECT_EQ(biases.users, (std::vector<float>{0, 0}));
}

}  // namespace
}  // namespace kindred
