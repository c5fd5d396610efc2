#include "host/ranking/uncertainty.h"

#include <gtest/gtest.h>

#include "host/models/als.h"
#include "host/ranking/explanation.h"
#include "kernels/cpu/backend.h"
#include "tests/host/ranking/dense.h"
#include "tests/support/errors.h"
#include "tests/support/interactions.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

constexpr int64_t kUsers = 30, kItems = 50, kFactors = 12;

class UncertaintyTest : public testing::Test {
 protected:
  UncertaintyTest() : history_(RandomInteractions(kUsers, kItems, 6, 8)) {
    view_.algorithm = "als";
    view_.history = history_.view();
    view_.objective = {0.1f, 0.02f, 1.0f};
    CpuBackend backend(1);
    factors_ = FitAls(backend, view_.history, {kFactors, view_.objective, 3, 1});
    view_.user_factors = {factors_.user_factors.data(), kUsers, kFactors};
    view_.item_factors = {factors_.item_factors.data(), kItems, kFactors};
    view_.eigenvalues = factors_.eigenvalues;
  }

  double Inverse(int64_t user, int32_t item) const {
    const std::vector<double> y = ToDouble(view_.item_factors.row(item));
    return DotDense(y, SolveDense(RowMatrix(view_, history_.view().row(user), history_.view().row_values(user)), y));
  }

  Csr history_;
  AlsFactors factors_;
  ModelView view_;
};

TEST_F(UncertaintyTest, VariancesAreThoseOfTheInverse) {
  Csr asked = {kUsers, kItems, {0}, {}, {}};
  for (int32_t user = 0; user < kUsers; ++user) {
    for (int32_t t = 0; t < user % 4; ++t) asked.indices.push_back((user * 7 + 20 * t) % kItems);  // in any order
    asked.indptr.push_back(std::ssize(asked.indices));
  }
  ThreadPool pool(3);
  const std::vector<double> found = ScoreVariances(view_, 2.5, history_.view(), asked.view(), &pool);
  ASSERT_EQ(found.size(), asked.indices.size());
  for (int64_t user = 0; user < kUsers; ++user)
    for (int64_t e = asked.indptr[user]; e < asked.indptr[user + 1]; ++e) {
      const double expected = 2.5 * Inverse(user, asked.indices[e]);
      EXPECT_NEAR(found[e], expected, 1e-10 * expected) << user;
    }
  EXPECT_EQ(found, ScoreVariances(view_, 2.5, history_.view(), asked.view()));
  EXPECT_TRUE(ScoreVariances(view_, 1, {0, kItems, {asked.indptr.data(), 1}, {}, {}}, {}).empty());
}

TEST_F(UncertaintyTest, MoreHistoryLeavesLess) {
  const Csr none = {1, kItems, {0, 0}, {}, {}}, one = {1, kItems, {0, 1}, {7}, {1}},
            two = {1, kItems, {0, 2}, {7, 9}, {1, 3}};
  view_.objective.regularization_exponent = 0;  // or a longer history weighs more on the factors as well
  const Csr asked = {1, kItems, {0, 4}, {7, 9, 20, 30}, {}};
  const auto without = ScoreVariances(view_, 1, none.view(), asked.view());
  const auto with_one = ScoreVariances(view_, 1, one.view(), asked.view());
  const auto with_two = ScoreVariances(view_, 1, two.view(), asked.view());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_GT(with_two[i], 0);
    EXPECT_LT(with_two[i], with_one[i]);
    EXPECT_LT(with_one[i], without[i]);
  }
}

TEST_F(UncertaintyTest, ExplanationsHaveThemWhereTheModelHasTheNoise) {
  view_.noise_variance = 0.75;
  const std::vector<int32_t> items = {1, 30};
  const auto parts = TakeApart(view_, {view_.history.row(5), view_.history.row_values(5)}, items);
  for (size_t at = 0; at < 2; ++at) {
    ASSERT_TRUE(parts[at].variance);
    EXPECT_NEAR(*parts[at].variance, 0.75 * Inverse(5, items[at]), 1e-12);
  }
}

TEST_F(UncertaintyTest, OtherModelsHaveNone) {
  ModelView svd = view_;
  svd.algorithm = "svd";
  SmallModel rated;
  rated.Rate();
  EXPECT_TRUE(HasVariances(view_));
  for (const ModelView& model : {svd, rated.view(), SmallModel(5, 7, 0).view()}) {
    EXPECT_FALSE(HasVariances(model));
    ExpectError(ErrorCode::kInvalidArgument, "implicit ALS", [&] { ScoreVariances(model, 1, model.history, {}); });
  }
}

}  // namespace
}  // namespace kindred
