// A fit that is stopped after any half-step and goes on elsewhere is the fit that never stopped, bit for bit.
#include <cmath>
#include <limits>

#include "host/data/interactions.h"
#include "host/data/random.h"
#include "host/models/als.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

struct Stop {};

/// Confidences of n_users x n_items; user 0 has every item, user 1 and item 1 nothing.
Csr SomeInteractions(int64_t n_users, int64_t n_items) {
  Csr matrix;
  matrix.n_rows = n_users;
  matrix.n_cols = n_items;
  for (int64_t u = 0; u < n_users; ++u) {
    for (int64_t i = 0; i < n_items; ++i) {
      const auto at = static_cast<uint64_t>(u * n_items + i);
      if (u == 1 || i == 1 || (u != 0 && RandomBits(5, at) % 5 != 0)) continue;
      matrix.indices.push_back(static_cast<int32_t>(i));
      matrix.values.push_back(static_cast<float>(1 + RandomBits(6, at) % 4));
    }
    matrix.indptr.push_back(static_cast<int64_t>(matrix.indices.size()));
  }
  return matrix;
}

void ExpectSame(const AlsFactors& found, const AlsFactors& expected) {
  EXPECT_EQ(found.user_factors, expected.user_factors);
  EXPECT_EQ(found.item_factors, expected.item_factors);
  EXPECT_EQ(found.eigenvalues, expected.eigenvalues);
  EXPECT_EQ(found.loss, expected.loss);
}

class AlsStateTest : public BackendTest {
 protected:
  /// The state after some half-steps of a fit that ends there.
  AlsState StoppedAfter(int64_t n_half_steps, AlsState start = {}) {
    AlsState stopped;
    const AlsHook stop = [&](int64_t n, const std::function<AlsState()>& state) {
      if (n < n_half_steps) return;
      stopped = state();
      throw Stop();
    };
    EXPECT_THROW(FitAls(backend(), interactions_.view(), options_, {}, std::move(start), stop), Stop);
    EXPECT_EQ(stopped.n_half_steps, n_half_steps);
    return stopped;
  }

  const Csr interactions_ = SomeInteractions(45, 37);
  AlsOptions options_ = {9, {0.1f, 0.02f, 0.9f}, 3, 4};
};

TEST_P(AlsStateTest, GoesOnFromAnyHalfStep) {
  std::vector<double> losses;
  const AlsFactors expected =
      FitAls(backend(), interactions_.view(), options_, [&](const AlsEpoch& epoch) { losses.push_back(epoch.loss); });
  const auto other = NewTestBackend(GetParam(), 3);
  for (int64_t stop = 1; stop <= 2 * options_.epochs + 1; ++stop) {
    SCOPED_TRACE(testing::Message() << stop << " half-steps");
    std::vector<AlsEpoch> rest;
    const AlsFactors factors = FitAls(
        *other, interactions_.view(), options_, [&](const AlsEpoch& epoch) { rest.push_back(epoch); },
        StoppedAfter(stop));
    ExpectSame(factors, expected);
    ASSERT_EQ(static_cast<int64_t>(rest.size()), options_.epochs - stop / 2);
    for (const AlsEpoch& epoch : rest) EXPECT_EQ(epoch.loss, losses[static_cast<size_t>(epoch.epoch) - 1]);
  }
}

TEST_P(AlsStateTest, StopsAgainAndAgain) {
  const AlsFactors expected = FitAls(backend(), interactions_.view(), options_);
  AlsState state;
  for (int64_t stop = 1; stop <= 2 * options_.epochs; ++stop) state = StoppedAfter(stop, std::move(state));
  ExpectSame(FitAls(backend(), interactions_.view(), options_, {}, std::move(state)), expected);
}

TEST_P(AlsStateTest, AFinishedFitIsGivenBack) {
  const AlsFactors expected = FitAls(backend(), interactions_.view(), options_);
  const AlsState state = StoppedAfter(2 * options_.epochs + 1);
  ExpectSame(state.factors, expected);
  const auto never = [](const AlsEpoch&) { ADD_FAILURE() << "an epoch was done"; };
  ExpectSame(FitAls(backend(), interactions_.view(), options_, never, state), expected);
}

TEST_P(AlsStateTest, FactorsWithoutHalfStepsAreAWarmStart) {
  std::vector<double> cold, warm;
  const AlsFactors first =
      FitAls(backend(), interactions_.view(), options_, [&](const AlsEpoch& epoch) { cold.push_back(epoch.loss); });
  FitAls(backend(), interactions_.view(), options_, [&](const AlsEpoch& epoch) { warm.push_back(epoch.loss); },
         {0, 0, first});
  EXPECT_LT(warm[0], cold.back() * (1 + 1e-6));
}

TEST_P(AlsStateTest, AStartOfAnotherShapeIsRefused) {
  const AlsState good = StoppedAfter(2);
  const auto refused = [&](const std::string& part, auto change) {
    AlsState start = good;
    change(start);
    ExpectError(ErrorCode::kInvalidArgument, part,
                [&] { FitAls(backend(), interactions_.view(), options_, {}, start); });
  };
  refused("has 396 values in its user factors; expected 405", [](AlsState& s) { s.factors.user_factors.resize(396); });
  refused("has 0 values in its item factors", [](AlsState& s) { s.factors.item_factors.clear(); });
  refused("has 8 eigenvalues; expected 9", [](AlsState& s) { s.factors.eigenvalues.resize(8); });
  refused("has 8 half-steps; expected 0 to 7", [](AlsState& s) { s.n_half_steps = 8; });
  refused("half-steps", [](AlsState& s) { s.n_half_steps = -1; });
}

TEST_P(AlsStateTest, WhatIsNotFiniteNamesItsRowAndNoStateIsGiven) {
  AlsState start = StoppedAfter(4);
  start.factors.item_factors[3 * 9 + 2] = std::numeric_limits<float>::infinity();
  const AlsHook never = [](int64_t, const std::function<AlsState()>&) { ADD_FAILURE() << "a half-step was done"; };
  EXPECT_THROW(FitAls(backend(), interactions_.view(), options_, {}, start, never), Error);
  const Csr few = SomeInteractions(20, 20);
  AlsOptions singular = {16, {0, 0, 1}, 2, 1};
  try {
    FitAls(backend(), few.view(), singular, {}, {}, never);
    FAIL() << "no error";
  } catch (const AlsRowError& error) {
    EXPECT_TRUE(error.is_user());
    EXPECT_NE(std::string(error.what()).find("row " + std::to_string(error.row()) + " "), std::string::npos);
  }
}

KINDRED_ON_ALL_BACKENDS(AlsStateTest);

}  // namespace
}  // namespace kindred
