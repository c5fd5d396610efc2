// A fit that is stopped after any half-step and goes on elsewhere is the fit that never stopped, bit for bit.
#include <algorithm>
#include <cmath>
#include <limits>

#include "host/models/als.h"
#include "host/models/explicit_als.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/interactions.h"

namespace kindred {
namespace {

struct Stop {};

void ExpectSame(const AlsState& found, const AlsState& expected) {
  EXPECT_EQ(found.factors.user_factors, expected.factors.user_factors);
  EXPECT_EQ(found.factors.item_factors, expected.factors.item_factors);
  EXPECT_EQ(found.factors.eigenvalues, expected.factors.eigenvalues);
  EXPECT_EQ(found.factors.loss, expected.factors.loss);
  EXPECT_EQ(found.biases.mean, expected.biases.mean);
  EXPECT_EQ(found.biases.users, expected.biases.users);
  EXPECT_EQ(found.biases.items, expected.biases.items);
}

const AlsOptions kOfConfidences = {9, {0.1f, 0.02f, 0.9f}, 3, 4};
// Biases are fitted before the first epoch, and after the 2nd and the 4th.
const AlsOptions kOfRatings = {9, {0, 0.3f, 0.5f, Feedback::kExplicit, 3}, 5, 4};

class AlsStateTest : public BackendTest {
 protected:
  using OnEpoch = std::function<void(const AlsEpoch&)>;

  /// `test` on fits of either kind of feedback.
  template <class Test>
  void OfBoth(const Test& test) {
    for (const AlsOptions& options : {kOfConfidences, kOfRatings}) {
      SCOPED_TRACE(options.objective.has_ratings() ? "explicit" : "implicit");
      options_ = options;
      test();
    }
  }

  AlsState Fit(Backend& backend, const OnEpoch& on_epoch = {}, AlsState start = {}, const AlsHook& hook = {}) const {
    AlsState done;
    done.n_half_steps = 2 * options_.epochs + 1;
    if (options_.objective.has_ratings()) {
      ExplicitFactors found =
          FitExplicitAls(backend, interactions_.view(), options_, nullptr, on_epoch, std::move(start), hook);
      done.factors = std::move(found.factors);
      done.biases = std::move(found.biases);
    } else {
      done.factors = FitAls(backend, interactions_.view(), options_, on_epoch, std::move(start), hook);
    }
    return done;
  }

  /// The state after some half-steps of a fit that ends there.
  AlsState StoppedAfter(int64_t n_half_steps, AlsState start = {}) {
    AlsState stopped;
    const AlsHook stop = [&](int64_t n, const std::function<AlsState()>& state) {
      if (n < n_half_steps) return;
      stopped = state();
      throw Stop();
    };
    EXPECT_THROW(Fit(backend(), {}, std::move(start), stop), Stop);
    EXPECT_EQ(stopped.n_half_steps, n_half_steps);
    return stopped;
  }

  const Csr interactions_ = RandomInteractions(45, 37, 5, 5);
  AlsOptions options_;
};

TEST_P(AlsStateTest, GoesOnFromAnyHalfStep) {
  OfBoth([&] {
    std::vector<double> losses;
    const AlsState expected = Fit(backend(), [&](const AlsEpoch& epoch) { losses.push_back(epoch.loss); });
    const auto other = NewTestBackend(GetParam(), 3);
    for (int64_t stop = 1; stop <= 2 * options_.epochs + 1; ++stop) {
      SCOPED_TRACE(testing::Message() << stop << " half-steps");
      std::vector<AlsEpoch> rest;
      const AlsState done = Fit(
          *other, [&](const AlsEpoch& epoch) { rest.push_back(epoch); }, StoppedAfter(stop));
      ExpectSame(done, expected);
      ASSERT_EQ(static_cast<int64_t>(rest.size()), options_.epochs - stop / 2);
      for (const AlsEpoch& epoch : rest) EXPECT_EQ(epoch.loss, losses[static_cast<size_t>(epoch.epoch) - 1]);
    }
  });
}

TEST_P(AlsStateTest, StopsAgainAndAgain) {
  OfBoth([&] {
    const AlsState expected = Fit(backend());
    AlsState state;
    for (int64_t stop = 1; stop <= 2 * options_.epochs; ++stop) state = StoppedAfter(stop, std::move(state));
    ExpectSame(Fit(backend(), {}, std::move(state)), expected);
  });
}

TEST_P(AlsStateTest, AFinishedFitIsGivenBack) {
  OfBoth([&] {
    const AlsState expected = Fit(backend());
    const AlsState state = StoppedAfter(2 * options_.epochs + 1);
    ExpectSame(state, expected);
    const auto never = [](const AlsEpoch&) { ADD_FAILURE() << "an epoch was done"; };
    ExpectSame(Fit(backend(), never, state), expected);
  });
}

TEST_P(AlsStateTest, FactorsWithoutHalfStepsAreAWarmStart) {
  OfBoth([&] {
    std::vector<double> warm;
    AlsState first = Fit(backend());
    const double loss = first.factors.loss;
    Fit(backend(), [&](const AlsEpoch& epoch) { warm.push_back(epoch.loss); }, {0, 0, std::move(first.factors)});
    EXPECT_LT(warm[0], loss * (1 + 1e-6));
  });
}

TEST_P(AlsStateTest, AStartOfAnotherShapeIsRefused) {
  OfBoth([&] {
    const AlsState good = StoppedAfter(2);
    const auto refused = [&](const std::string& part, auto change) {
      AlsState start = good;
      change(start);
      ExpectError(ErrorCode::kInvalidArgument, part, [&] { Fit(backend(), {}, start); });
    };
    refused("has 396 values in its user factors; expected 405",
            [](AlsState& s) { s.factors.user_factors.resize(396); });
    refused("has 0 values in its item factors", [](AlsState& s) { s.factors.item_factors.clear(); });
    refused("has 8 eigenvalues; expected 9", [](AlsState& s) { s.factors.eigenvalues.resize(8); });
    refused("half-steps; expected 0 to " + std::to_string(2 * options_.epochs + 1),
            [&](AlsState& s) { s.n_half_steps = 2 * options_.epochs + 2; });
    refused("half-steps", [](AlsState& s) { s.n_half_steps = -1; });
    // A fit of confidences takes no state of one of ratings, nor the other way round.
    refused("user biases; expected ", [&](AlsState& s) { s.biases.users.resize(s.biases.users.empty() ? 45 : 0); });
    refused("item biases; expected ", [&](AlsState& s) { s.biases.items.resize(s.biases.items.empty() ? 37 : 36); });
  });
}

TEST_P(AlsStateTest, WhatIsNotFiniteNamesItsRowAndNoStateIsGiven) {
  const AlsHook never = [](int64_t, const std::function<AlsState()>&) { ADD_FAILURE() << "a half-step was done"; };
  OfBoth([&] {
    AlsState start = StoppedAfter(4);
    start.factors.item_factors[3 * 9 + 2] = std::numeric_limits<float>::infinity();
    EXPECT_THROW(Fit(backend(), {}, start, never), Error);
  });
  const Csr few = RandomInteractions(20, 20, 5, 5);
  const auto singular = [&](const auto& fit) {
    try {
      fit();
      FAIL() << "no error";
    } catch (const AlsRowError& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNumeric);
      EXPECT_TRUE(error.is_user());
      EXPECT_NE(std::string(error.what()).find("row " + std::to_string(error.row()) + " "), std::string::npos);
      EXPECT_NE(std::string(error.what()).find("(solving the user side)"), std::string::npos);
    }
  };
  singular([&] { FitAls(backend(), few.view(), {16, {0, 0, 1}, 2, 1}, {}, {}, never); });
  const AlsOptions of_ratings = {16, {0, 0, 1, Feedback::kExplicit, 3}, 2, 1};
  singular([&] { FitExplicitAls(backend(), few.view(), of_ratings, nullptr, {}, {}, never); });
  options_ = kOfRatings;
  AlsState start = StoppedAfter(10);  // what is left are the users' factors and biases together
  std::fill(start.factors.item_factors.begin(), start.factors.item_factors.end(), 0.0f);
  options_.objective.regularization = 0;
  singular([&] { Fit(backend(), {}, start, never); });
}

// A bias that is not finite leaves targets that are not; one that just is, factors that are not where those that are
// fixed are small.
TEST_P(AlsStateTest, RatingsThatAreNotFiniteNameTheirRow) {
  options_ = kOfRatings;
  options_.objective.regularization = 1e-6f;
  const AlsHook never = [](int64_t, const std::function<AlsState()>&) { ADD_FAILURE() << "a half-step was done"; };
  const auto named = [&](int64_t stop, std::vector<float> RatingBiases::*side, bool is_user, int64_t row) {
    for (const float bias : {std::numeric_limits<float>::infinity(), 3e38f}) {
      SCOPED_TRACE(testing::Message() << stop << " half-steps, bias " << bias);
      AlsState start = StoppedAfter(stop);
      for (auto factors : {&AlsFactors::user_factors, &AlsFactors::item_factors})
        for (float& value : start.factors.*factors) value *= 1e-3f;
      (start.biases.*side)[5] = bias;
      try {
        Fit(backend(), {}, start, never);
        ADD_FAILURE() << "no error";
      } catch (const AlsRowError& error) {
        EXPECT_EQ(error.is_user(), is_user) << error.what();
        EXPECT_EQ(error.row(), row) << error.what();
      } catch (const Error& error) {
        ADD_FAILURE() << "no row: " << error.what();
      }
    }
  };
  named(2, &RatingBiases::users, true, 5);
  named(10, &RatingBiases::items, true, 0);  // the users at the end; user 0 is the first who has rated item 5
}

// A user's bias is found beside the factors: each is finite, and their product is not.
TEST_P(AlsStateTest, AUserWhoseBiasIsTooLargeForItsFactorsIsNamed) {
  options_ = kOfRatings;
  options_.objective.regularization = 1e-6f;
  AlsState start = StoppedAfter(10);
  std::fill(start.factors.item_factors.begin(), start.factors.item_factors.end(), 0.0f);
  start.factors.item_factors[5 * 9] = 1e-3f;
  for (size_t item = 0; item < start.biases.items.size(); ++item) start.biases.items[item] = item == 5 ? 0 : 3e38f;
  try {
    Fit(backend(), {}, start);
    ADD_FAILURE() << "no error";
  } catch (const AlsRowError& error) {
    EXPECT_EQ(error.row(), 0);
    EXPECT_STREQ(error.what(), "ALS: row 0 of the user side is not finite in epoch 6");
  }
}

TEST_P(AlsStateTest, OnResidentInteractionsEveryFitHasTheBitsOfOneAlone) {
  const ResidentInteractions resident(backend(), interactions_.view());
  for (const float regularization : {0.02f, 0.1f, 0.02f}) {
    AlsOptions options = kOfConfidences;
    options.objective.regularization = regularization;
    const AlsFactors expected = FitAls(backend(), interactions_.view(), options);
    const AlsFactors found = FitAls(backend(), resident, options);
    EXPECT_EQ(found.user_factors, expected.user_factors);
    EXPECT_EQ(found.item_factors, expected.item_factors);
    EXPECT_EQ(found.loss, expected.loss);
  }
}

KINDRED_ON_ALL_BACKENDS(AlsStateTest);

}  // namespace
}  // namespace kindred
