#include "host/models/explicit_als.h"

#include <cmath>

#include "host/data/interactions.h"
#include "host/data/random.h"
#include "tests/support/backends.h"

namespace kindred {
namespace {

double Dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

// Ratings of a planted model: mean 2.5, biases of deviation 0.7, two factors and noise; about one pair in `sparsity`.
// User 0 has rated everything, user 1 and item 1 have no ratings, user 2 has one. Ratings are fractions, some negative.
struct Planted {
  Planted(int64_t n_users, int64_t n_items, uint64_t sparsity, double noise, uint64_t seed) {
    const auto normal = [&](uint64_t of, int64_t at) { return RandomNormal(seed + of, static_cast<uint64_t>(at)); };
    for (auto* side : {&trained, &held_out}) {
      side->n_rows = n_users;
      side->n_cols = n_items;
    }
    for (int64_t u = 0; u < n_users; ++u) {
      for (int64_t i = 0; i < n_items; ++i) {
        const int64_t at = u * n_items + i;
        const bool only_one = u == 2 && i != 3;
        if (u == 1 || i == 1 || only_one) continue;
        const double rating = 2.5 + 0.7 * normal(1, u) + 0.7 * normal(2, i) + normal(3, 2 * u) * normal(4, 2 * i) +
                              normal(3, 2 * u + 1) * normal(4, 2 * i + 1) + noise * normal(5, at);
        const bool observed = u == 0 || u == 2 || RandomBits(seed, static_cast<uint64_t>(at)) % sparsity == 0;
        Csr& to = observed ? trained : held_out;
        to.indices.push_back(static_cast<int32_t>(i));
        to.values.push_back(static_cast<float>(rating));
      }
      for (auto* side : {&trained, &held_out}) side->indptr.push_back(static_cast<int64_t>(side->indices.size()));
    }
  }
  Csr trained, held_out;
};

AlsOptions Options(int64_t n_factors, float regularization, float exponent, int64_t epochs) {
  return {n_factors, {0, regularization, exponent, Feedback::kExplicit, 3.0f}, epochs, 3};
}

HostMatrix<const float> Rows(const std::vector<float>& values, int64_t n_factors) {
  return {values.data(), static_cast<int64_t>(values.size()) / n_factors, n_factors};
}

double Predicted(const ExplicitFactors& model, int64_t f, int64_t u, int64_t i) {
  return double{model.biases.mean} + model.biases.users[u] + model.biases.items[i] +
         Dot(Rows(model.factors.user_factors, f).row(u), Rows(model.factors.item_factors, f).row(i));
}

template <class Predict>
double Rmse(const Csr& ratings, const Predict& predict) {
  double sum = 0;
  for (int64_t u = 0; u < ratings.n_rows; ++u)
    for (int64_t e = ratings.indptr[u]; e < ratings.indptr[u + 1]; ++e)
      sum += std::pow(ratings.values[e] - predict(u, ratings.indices[e]), 2);
  return std::sqrt(sum / static_cast<double>(ratings.indices.size()));
}

// The objective of host/models/explicit_als.h, term by term.
double Objective(const Csr& ratings, const ExplicitFactors& model, const AlsOptions& options) {
  const int64_t f = options.n_factors;
  const auto weight = [&](int64_t n) {
    return options.objective.regularization *
           std::pow(static_cast<double>(n), static_cast<double>(options.objective.regularization_exponent));
  };
  std::vector<int64_t> n_of_item(static_cast<size_t>(ratings.n_cols));
  double loss = 0;
  for (int64_t u = 0; u < ratings.n_rows; ++u) {
    for (int64_t e = ratings.indptr[u]; e < ratings.indptr[u + 1]; ++e) {
      ++n_of_item[ratings.indices[e]];
      loss += std::pow(ratings.values[e] - Predicted(model, f, u, ratings.indices[e]), 2);
    }
    const auto x = Rows(model.factors.user_factors, f).row(u);
    loss += weight(ratings.indptr[u + 1] - ratings.indptr[u]) * Dot(x, x);
  }
  for (int64_t i = 0; i < ratings.n_cols; ++i) {
    const auto y = Rows(model.factors.item_factors, f).row(i);
    loss += weight(n_of_item[i]) * Dot(y, y);
  }
  for (const auto* biases : {&model.biases.users, &model.biases.items})
    loss += options.objective.bias_regularization * Dot(*biases, *biases);
  return loss;
}

class ExplicitAlsTest : public BackendTest {};

TEST_P(ExplicitAlsTest, TheLossIsTheObjectiveAndFalls) {
  for (int64_t f : {1, 7, 33}) {
    for (float exponent : {0.0f, 0.5f, 1.0f}) {
      SCOPED_TRACE(testing::Message() << "f " << f << " exponent " << exponent);
      const Csr ratings = Planted(50, 40, 4, 0.3, 1).trained;
      const AlsOptions options = Options(f, 0.3f, exponent, Allowance(9, 3));
      std::vector<double> losses;
      const ExplicitFactors model = FitExplicitAls(backend(), ratings.view(), options, nullptr,
                                                   [&](const AlsEpoch& epoch) { losses.push_back(epoch.loss); });
      ASSERT_EQ(losses.size(), static_cast<size_t>(options.epochs));
      for (size_t e = 1; e < losses.size(); ++e) EXPECT_LE(losses[e], losses[e - 1] * (1 + 1e-6));
      EXPECT_LE(model.factors.loss, losses.back() * (1 + 1e-6));
      const double objective = Objective(ratings, model, options);
      EXPECT_NEAR(model.factors.loss, objective, 2e-5 * objective);
      if (Allowance(1, 0) == 0) return;
    }
  }
}

// No step of a user's factors and bias makes the objective smaller: its gradient is 0 there.
TEST_P(ExplicitAlsTest, StoredUsersAreTheMinimum) {
  const int64_t f = 5;
  const Csr ratings = Planted(30, 25, 3, 0.3, 2).trained;
  const AlsOptions options = Options(f, 0.2f, 0.7f, 3);
  const ExplicitFactors model = FitExplicitAls(backend(), ratings.view(), options);
  for (int64_t u = 0; u < ratings.n_rows; ++u) {
    const auto x = Rows(model.factors.user_factors, f).row(u);
    const auto items = ratings.view().row(u);
    const double l = options.objective.RowRegularization(static_cast<int64_t>(items.size()), ratings.n_cols);
    std::vector<double> gradient(static_cast<size_t>(f));
    double bias_gradient = options.objective.bias_regularization * double{model.biases.users[u]};
    for (int64_t k = 0; k < f; ++k) gradient[k] = l * x[k];
    for (size_t e = 0; e < items.size(); ++e) {
      const double miss = ratings.view().row_values(u)[e] - Predicted(model, f, u, items[e]);
      for (int64_t k = 0; k < f; ++k) gradient[k] -= miss * Rows(model.factors.item_factors, f).row(items[e])[k];
      bias_gradient -= miss;
    }
    for (const double part : gradient) EXPECT_NEAR(part, 0, 1e-3) << "user " << u;
    EXPECT_NEAR(bias_gradient, 0, 1e-3) << "user " << u;
  }
  for (const float value : Rows(model.factors.user_factors, f).row(1)) EXPECT_EQ(value, 0);
  EXPECT_EQ(model.biases.users[1], 0);
  EXPECT_EQ(model.biases.items[1], 0);
  for (const float value : Rows(model.factors.item_factors, f).row(1)) EXPECT_EQ(value, 0);
}

TEST_P(ExplicitAlsTest, APlantedModelIsFoundToItsNoise) {
  const double noise = 0.25;
  const bool small = Allowance(1, 0) == 0;
  const Planted planted(small ? 60 : 300, small ? 50 : 200, 2, noise, 3);
  const AlsOptions options = Options(2, 0.02f, 1, small ? 8 : 15);
  const ExplicitFactors model = FitExplicitAls(backend(), planted.trained.view(), options);
  const RatingBiases biases = FitRatingBiases(planted.trained.view(), options.objective.bias_regularization, nullptr);
  // Nobody knows the planted user and item that have no ratings, nor all of the user with one.
  Csr held_out = planted.held_out;
  const double by_model = Rmse(held_out, [&](int64_t u, int64_t i) { return Predicted(model, 2, u, i); });
  const double by_biases =
      Rmse(held_out, [&](int64_t u, int64_t i) { return double{biases.mean} + biases.users[u] + biases.items[i]; });
  const double by_mean = Rmse(held_out, [&](int64_t, int64_t) { return double{biases.mean}; });
  EXPECT_LT(by_model, (small ? 1.5 : 1.1) * noise);
  EXPECT_LT(by_model, 0.5 * by_biases);
  EXPECT_LT(by_biases, 0.95 * by_mean);
}

// Biases that were fitted once, before there were factors, would be far off what the factors leave.
TEST_P(ExplicitAlsTest, TheItemsBiasesAnswerToTheFactors) {
  const int64_t f = 3;
  const Csr ratings = Planted(60, 30, 3, 0.3, 8).trained;
  const AlsOptions options = Options(f, 0.3f, 1, 16);
  const ExplicitFactors model = FitExplicitAls(backend(), ratings.view(), options);
  std::vector<double> gradient(30);
  for (size_t i = 0; i < 30; ++i) gradient[i] = options.objective.bias_regularization * double{model.biases.items[i]};
  for (int64_t u = 0; u < ratings.n_rows; ++u)
    for (int64_t e = ratings.indptr[u]; e < ratings.indptr[u + 1]; ++e)
      gradient[ratings.indices[e]] -= ratings.values[e] - Predicted(model, f, u, ratings.indices[e]);
  double largest = 0;
  for (const double part : gradient) largest = std::max(largest, std::abs(part));
  EXPECT_LT(largest, 0.5);
}

TEST_P(ExplicitAlsTest, EqualRatingsLeaveNothingToExplain) {
  for (const float rating : {4.0f, 0.0f, -1.5f}) {
    Csr ratings = Planted(20, 15, 3, 0, 4).trained;
    ratings.values.assign(ratings.values.size(), rating);
    const AlsOptions options = Options(4, 0.1f, 1, 3);
    const ExplicitFactors model = FitExplicitAls(backend(), ratings.view(), options);
    EXPECT_EQ(model.biases.mean, rating);
    for (int64_t u = 0; u < 20; ++u)
      for (int64_t i = 0; i < 15; ++i) EXPECT_NEAR(Predicted(model, 4, u, i), rating, 1e-6);
    EXPECT_NEAR(model.factors.loss, 0, 1e-6);
  }
}

TEST_P(ExplicitAlsTest, ExtremesOfShape) {
  for (const auto& [n_users, n_items] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 40}, {40, 1}, {3, 3}}) {
    SCOPED_TRACE(testing::Message() << n_users << " x " << n_items);
    Csr ratings;
    ratings.n_rows = n_users;
    ratings.n_cols = n_items;
    for (int64_t u = 0; u < n_users; ++u) {
      for (int64_t i = 0; i < n_items; ++i) {
        ratings.indices.push_back(static_cast<int32_t>(i));
        ratings.values.push_back(static_cast<float>(1 + (u + i) % 5));
      }
      ratings.indptr.push_back(static_cast<int64_t>(ratings.indices.size()));
    }
    const ExplicitFactors model = FitExplicitAls(backend(), ratings.view(), Options(8, 0.05f, 1, 3));
    for (float v : model.factors.user_factors) EXPECT_TRUE(std::isfinite(v));
    for (float v : model.factors.item_factors) EXPECT_TRUE(std::isfinite(v));
    for (float v : model.biases.users) EXPECT_TRUE(std::isfinite(v));
  }
}

// A user's ratings are folded in with others, in another order and on other threads: the same to rounding.
TEST_P(ExplicitAlsTest, FoldingInAStoredHistoryGivesTheStoredUser) {
  const int64_t f = 9;
  const Csr ratings = Planted(40, 30, 3, 0.3, 5).trained;
  const AlsOptions options = Options(f, 0.1f, 1, 4);
  const ExplicitFactors model = FitExplicitAls(backend(), ratings.view(), options);
  const auto items = ToBackend(model.factors.item_factors, ratings.n_cols, f);
  const auto eigenvalues = ToBackend(model.factors.eigenvalues, f);
  for (int64_t u : {0, 1, 2, 7, 39}) {
    const auto columns = ratings.view().row(u);
    const auto values = ratings.view().row_values(u);
    const std::vector<int64_t> indptr = {0, static_cast<int64_t>(columns.size())};
    const RatingUsers folded = SolveRatingUsers(backend(), context(),
                                                {Rows(model.factors.item_factors, f), items.matrix(),
                                                 eigenvalues.view(), model.biases.items, model.biases.mean},
                                                {1, ratings.n_cols, indptr, columns, values}, options.objective);
    EXPECT_NEAR(folded.biases[0], model.biases.users[u], 1e-5) << "user " << u;
    for (int64_t k = 0; k < f; ++k)
      EXPECT_NEAR(folded.factors[k], Rows(model.factors.user_factors, f).row(u)[k], 1e-5) << "user " << u;
  }
}

TEST_P(ExplicitAlsTest, BitsDependOnTheSeedAndNotOnThreads) {
  const Csr ratings = Planted(200, 90, 4, 0.3, 6).trained;
  AlsOptions options = Options(20, 0.1f, 1, 3);
  const ExplicitFactors expected = FitExplicitAls(backend(), ratings.view(), options);
  const auto other = NewTestBackend(GetParam(), 5);
  ThreadPool pool(3);
  const ExplicitFactors again = FitExplicitAls(*other, ratings.view(), options, &pool);
  EXPECT_EQ(again.factors.user_factors, expected.factors.user_factors);
  EXPECT_EQ(again.biases.users, expected.biases.users);
  EXPECT_EQ(again.biases.items, expected.biases.items);
  options.seed = 12;
  EXPECT_NE(FitExplicitAls(backend(), ratings.view(), options).factors.user_factors, expected.factors.user_factors);
}

TEST_P(ExplicitAlsTest, WhatDoesNotDoIsNamed) {
  const auto refused = [&](ErrorCode code, const std::string& part, auto change) {
    Csr ratings = Planted(20, 15, 3, 0.3, 7).trained;
    AlsOptions options = Options(4, 0.1f, 1, 2);
    change(ratings, options);
    try {
      FitExplicitAls(backend(), ratings.view(), options);
      ADD_FAILURE() << part << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  constexpr auto kInvalid = ErrorCode::kInvalidArgument;
  refused(kInvalid, "n_factors", [](Csr&, AlsOptions& o) { o.n_factors = 0; });
  refused(kInvalid, "unobserved_weight", [](Csr&, AlsOptions& o) { o.objective.unobserved_weight = 0.1f; });
  refused(kInvalid, "bias_regularization", [](Csr&, AlsOptions& o) { o.objective.bias_regularization = -1; });
  refused(kInvalid, "bias_regularization", [](Csr&, AlsOptions& o) { o.objective.bias_regularization = NAN; });
  refused(kInvalid, "row 0 has the rating nan", [](Csr& r, AlsOptions&) { r.values[3] = NAN; });
  refused(kInvalid, "row 2 has the rating inf", [](Csr& r, AlsOptions&) { r.values[r.indptr[2]] = INFINITY; });
  refused(ErrorCode::kNumeric, "solving the ", [](Csr&, AlsOptions& o) { o.objective.regularization = 0; });
}

KINDRED_ON_ALL_BACKENDS(ExplicitAlsTest);

}  // namespace
}  // namespace kindred
