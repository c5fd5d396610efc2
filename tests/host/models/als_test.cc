#include "host/models/als.h"

#include <cmath>

#include "host/data/interactions.h"
#include "tests/reference/reference.h"
#include "tests/support/backends.h"
#include "tests/support/interactions.h"

namespace kindred {
namespace {

// The objective of host/models/als.h, term by term.
double Objective(const CsrView& interactions, const AlsFactors& factors, const AlsOptions& options) {
  const int64_t f = options.n_factors, n_users = interactions.n_rows, n_items = interactions.n_cols;
  const double a0 = options.objective.unobserved_weight;
  std::vector<int64_t> item_entries(static_cast<size_t>(n_items), 0);
  for (int32_t item : interactions.indices) ++item_entries[static_cast<size_t>(item)];
  const auto regularization = [&](int64_t n, int64_t other) {
    return options.objective.regularization * std::pow(static_cast<double>(n) + a0 * static_cast<double>(other),
                                                       options.objective.regularization_exponent);
  };
  const HostMatrix<const float> x = {factors.user_factors.data(), n_users, f};
  const HostMatrix<const float> y = {factors.item_factors.data(), n_items, f};
  const auto dot = [&](std::span<const float> a, std::span<const float> b) {
    double sum = 0;
    for (size_t k = 0; k < a.size(); ++k) sum += static_cast<double>(a[k]) * b[k];
    return sum;
  };
  double loss = 0;
  for (int64_t u = 0; u < n_users; ++u) {
    const auto items = interactions.row(u);
    for (size_t e = 0; e < items.size(); ++e) {
      const double miss = 1 - dot(x.row(u), y.row(items[e]));
      loss += interactions.row_values(u)[e] * miss * miss;
    }
    for (int64_t i = 0; i < n_items; ++i) loss += a0 * std::pow(dot(x.row(u), y.row(i)), 2);
    loss += regularization(static_cast<int64_t>(items.size()), n_items) * dot(x.row(u), x.row(u));
  }
  for (int64_t i = 0; i < n_items; ++i)
    loss += regularization(item_entries[static_cast<size_t>(i)], n_users) * dot(y.row(i), y.row(i));
  return loss;
}

class AlsFitTest : public BackendTest {};

TEST_P(AlsFitTest, TheLossIsTheObjectiveAndFalls) {
  for (int64_t f : {1, 7, 16, 33}) {
    SCOPED_TRACE(testing::Message() << "f " << f);
    const Csr interactions = RandomInteractions(90, 70, 6, 1);
    const AlsOptions options = {f, {0.05f, 0.02f, 0.8f}, 6, 3};
    std::vector<double> losses;
    const AlsFactors factors =
        FitAls(backend(), interactions.view(), options, [&](const AlsEpoch& epoch) { losses.push_back(epoch.loss); });
    ASSERT_EQ(losses.size(), 6u);
    for (size_t e = 1; e < losses.size(); ++e) EXPECT_LE(losses[e], losses[e - 1] * (1 + 1e-6));
    EXPECT_LE(factors.loss, losses.back() * (1 + 1e-6));
    const double objective = Objective(interactions.view(), factors, options);
    EXPECT_NEAR(factors.loss, objective, 2e-5 * objective);
  }
}

TEST_P(AlsFitTest, ApproximateSolversComeAsFarAsTheExactOne) {
  const Csr interactions = RandomInteractions(90, 70, 2, 8);
  AlsOptions options = {24, {0.05f, 0.02f, 0.8f}, 10, 3};
  const double exact = FitAls(backend(), interactions.view(), options).loss;
  for (const AlsSolver& solver : {AlsSolver{AlsMethod::kConjugateGradient, 3}, AlsSolver{AlsMethod::kBlocks, 1, 8}}) {
    SCOPED_TRACE(testing::Message() << "method " << static_cast<int>(solver.method));
    options.solver = solver;
    std::vector<double> losses;
    const AlsFactors factors =
        FitAls(backend(), interactions.view(), options, [&](const AlsEpoch& epoch) { losses.push_back(epoch.loss); });
    for (size_t e = 1; e < losses.size(); ++e) EXPECT_LE(losses[e], losses[e - 1] * (1 + 1e-6));
    EXPECT_LE(factors.loss, losses.back() * (1 + 1e-6));
    EXPECT_NEAR(factors.loss, exact, 0.03 * exact);
    EXPECT_NE(factors.loss, exact);
    const double objective = Objective(interactions.view(), factors, options);
    EXPECT_NEAR(factors.loss, objective, 1e-4 * objective);
    for (int64_t u = 0; u < 90; ++u) {  // solved exactly at the end
      const auto history = interactions.view().row(u);
      const auto confidences = interactions.view().row_values(u);
      const auto expected =
          reference::AlsRow({factors.item_factors.data(), 70, 24}, history, confidences, confidences, 0.05,
                            options.objective.RowRegularization(static_cast<int64_t>(history.size()), 70));
      for (size_t k = 0; k < 24; ++k)
        ASSERT_NEAR(factors.user_factors[static_cast<size_t>(u) * 24 + k], expected[k], 1e-4) << "user " << u;
    }
  }
}

TEST_P(AlsFitTest, StoredUsersAnswerToStoredItems) {
  const Csr interactions = RandomInteractions(60, 50, 5, 2);
  const AlsOptions options = {12, {0.1f, 0.03f, 1.0f}, 4, 7};
  const AlsFactors factors = FitAls(backend(), interactions.view(), options);
  const HostMatrix<const float> items = {factors.item_factors.data(), 50, 12};
  const auto gram = reference::Gram(items);
  for (size_t i = 0; i < 12; ++i)
    for (size_t j = 0; j < 12; ++j)
      EXPECT_NEAR(gram[i * 12 + j], i == j ? factors.eigenvalues[i] : 0, 1e-5 * factors.eigenvalues[0]);
  for (int64_t u = 0; u < 60; ++u) {
    const auto history = interactions.view().row(u);
    const auto expected =
        reference::AlsRow(items, history, interactions.view().row_values(u), interactions.view().row_values(u),
                          options.objective.unobserved_weight,
                          options.objective.RowRegularization(static_cast<int64_t>(history.size()), 50));
    for (size_t k = 0; k < 12; ++k)
      EXPECT_NEAR(factors.user_factors[static_cast<size_t>(u) * 12 + k], expected[k], 2e-5);
  }
}

TEST_P(AlsFitTest, ExtremesOfShape) {
  for (const auto& [n_users, n_items] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 40}, {40, 1}, {3, 3}}) {
    SCOPED_TRACE(testing::Message() << n_users << " x " << n_items);
    Csr interactions;
    interactions.n_rows = n_users;
    interactions.n_cols = n_items;
    for (int64_t u = 0; u < n_users; ++u) {
      for (int64_t i = 0; i < n_items; ++i) interactions.indices.push_back(static_cast<int32_t>(i));
      interactions.indptr.push_back(static_cast<int64_t>(interactions.indices.size()));
    }
    interactions.values.assign(interactions.indices.size(), 2.0f);
    const AlsFactors factors = FitAls(backend(), interactions.view(), {8, {0.1f, 0.01f, 1.0f}, 3, 1});
    for (float v : factors.user_factors) EXPECT_TRUE(std::isfinite(v));
    for (float v : factors.item_factors) EXPECT_TRUE(std::isfinite(v));
  }
}

TEST_P(AlsFitTest, BitsDependOnTheSeedAndNotOnThreads) {
  const Csr interactions = RandomInteractions(200, 90, 4, 4);
  AlsOptions options = {20, {0.1f, 0.01f, 1.0f}, 3, 11};
  const AlsFactors expected = FitAls(backend(), interactions.view(), options);
  const auto other = NewTestBackend(GetParam(), 5);
  EXPECT_EQ(FitAls(*other, interactions.view(), options).user_factors, expected.user_factors);
  options.seed = 12;
  EXPECT_NE(FitAls(backend(), interactions.view(), options).user_factors, expected.user_factors);
}

TEST_P(AlsFitTest, OptionsOutOfRangeAreNamed) {
  const Csr interactions = RandomInteractions(5, 5, 2, 5);
  const auto refused = [&](const std::string& name, auto change) {
    AlsOptions options;
    change(options);
    try {
      FitAls(backend(), interactions.view(), options);
      ADD_FAILURE() << name << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  };
  refused("n_factors", [](AlsOptions& o) { o.n_factors = 0; });
  refused("n_factors", [](AlsOptions& o) { o.n_factors = 100000; });
  refused("epochs", [](AlsOptions& o) { o.epochs = 0; });
  refused("n_steps", [](AlsOptions& o) { o.solver.n_steps = 0; });
  refused("block_size", [](AlsOptions& o) { o.solver.block_size = 12; });
  refused("regularization", [](AlsOptions& o) { o.objective.regularization = -1; });
  refused("regularization", [](AlsOptions& o) { o.objective.regularization = NAN; });
  refused("unobserved_weight", [](AlsOptions& o) { o.objective.unobserved_weight = -0.1f; });
  refused("unobserved_weight", [](AlsOptions& o) { o.objective.unobserved_weight = INFINITY; });
}

TEST_P(AlsFitTest, ASingularSystemNamesItsRowAndSide) {
  const Csr interactions = RandomInteractions(20, 20, 10, 6);
  try {
    FitAls(backend(), interactions.view(), {16, {0, 0, 1}, 2, 1});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNumeric);
    EXPECT_NE(std::string(error.what()).find("row "), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("solving the "), std::string::npos) << error.what();
  }
}

TEST(ItemPopularity, CountsUsers) {
  Csr matrix;
  matrix.n_rows = 3;
  matrix.n_cols = 4;
  matrix.indptr = {0, 2, 2, 3};
  matrix.indices = {0, 2, 2};
  matrix.values = {5, 1, 1};
  EXPECT_EQ(ItemPopularity(matrix.view()), (std::vector<float>{1, 0, 2, 0}));
}

KINDRED_ON_ALL_BACKENDS(AlsFitTest);

}  // namespace
}  // namespace kindred
