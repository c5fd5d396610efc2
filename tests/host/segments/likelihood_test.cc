// The likelihood of a purchase: labels, what it learns, on whom it is measured, who is likely, what it says of bad
// data.
#include "host/segments/likelihood.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "host/data/random.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kDay = 86400;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const LikelihoodSpec kSpec = {.event = "purchases", .place = "segments.toml: line 9, column 1: "};

struct Shop {
  IdMapBuilder users;
  std::vector<int8_t> labels;
  std::vector<float> features;
  std::vector<std::string> names;

  LikelihoodInputs inputs() {
    view = users.view();
    return {.users = &view, .labels = labels, .features = features, .feature_names = names};
  }
  IdMap view;
};

/// Log odds of a purchase: -1 + 1.5 x0 - 0.8 x1, of standard normal features; the others say nothing.
Shop MakeShop(int64_t n, int64_t d, uint64_t seed, double strength = 1) {
  Shop shop;
  for (int64_t j = 0; j < d; ++j) shop.names.push_back("f" + std::to_string(j));
  for (int64_t i = 0; i < n; ++i) {
    shop.users.Intern("user " + std::to_string(seed) + " " + std::to_string(i));
    double odds = -1;
    for (int64_t j = 0; j < d; ++j) {
      const double value = RandomNormal(seed, static_cast<uint64_t>(i * d + j));
      odds += strength * (j == 0 ? 1.5 : j == 1 ? -0.8 : 0) * value;
      shop.features.push_back(static_cast<float>(value));
    }
    shop.labels.push_back(RandomUniform(seed + 77, static_cast<uint64_t>(i)) < Sigmoid(odds));
  }
  return shop;
}

TEST(Likelihood, LabelsAreWhatComesBehindTheSplit) {
  // Types: 0 view, 1 buy. The split is at 100, the horizon 10.
  const std::vector<std::vector<std::pair<int64_t, uint8_t>>> users = {{{90, 0}, {105, 1}},  // buys
                                                                       {{100, 1}},  // bought before, at the split
                                                                       {{100, 0}, {101, 1}},
                                                                       {{90, 0}, {110, 1}},
                                                                       {{90, 0}, {111, 1}},
                                                                       {{90, 0}, {105, 0}},
                                                                       {{101, 1}},  // was not there yet
                                                                       {}};
  EventArrays events;
  for (const auto& user : users) {
    for (const auto& [time, type] : user) {
      events.items.push_back(0);
      events.times.push_back(time);
      events.types.push_back(type);
    }
    events.indptr.push_back(std::ssize(events.items));
  }
  const std::vector<int> buy = {1}, both = {0, 1};
  EXPECT_THAT(LikelihoodLabels(events.view(), buy, 100, 10), ElementsAre(1, 0, 1, 1, 0, 0, -1, -1));
  EXPECT_THAT(LikelihoodLabels(events.view(), both, 100, 10), ElementsAre(1, 0, 1, 1, 0, 1, -1, -1));
  events.types.clear();
  EXPECT_THAT(LikelihoodLabels(events.view(), {}, 100, 10), ElementsAre(1, 0, 1, 1, 0, 1, -1, -1));
}

TEST(Likelihood, TheSplitIsAHorizonBeforeTheReference) {
  EventArrays events;
  events.items = {0, 0};
  events.times = {0, 40 * kDay};
  events.indptr = {0, 2};
  EXPECT_EQ(LikelihoodSplit(kSpec, events.view(), 40 * kDay), 10 * kDay);
  EXPECT_EQ(LikelihoodSplit(kSpec, events.view(), 30 * kDay), 0);
  const auto refusal = [&](LikelihoodSpec spec, const EventsView& view, int64_t reference) -> std::string {
    try {
      LikelihoodSplit(spec, view, reference);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refusal(kSpec, events.view(), 29 * kDay),
            "segments.toml: line 9, column 1: likelihood: a horizon of 30d is longer than the data, which begins at "
            "1970-01-01, 29 days before its end; expected a horizon with events before it");
  EXPECT_THAT(refusal(kSpec, {}, 0), HasSubstr("there are no events"));
  EventsView timeless = events.view();
  timeless.times = {};
  EXPECT_THAT(refusal(kSpec, timeless, 0), HasSubstr("the events have no times"));
  for (const auto& [enter, leave] :
       std::vector<std::pair<double, double>>{{0.4, 0.6}, {1.1, 0.5}, {0.5, 0}, {kNan, 0.1}}) {
    LikelihoodSpec spec = kSpec;
    spec.enter = enter;
    spec.leave = leave;
    EXPECT_THAT(refusal(spec, events.view(), 40 * kDay), HasSubstr("expected 0 < leave <= enter <= 1"));
  }
}

TEST(Likelihood, FindsTheOddsAndIsCalibrated) {
  Shop shop = MakeShop(20'000, 3, 1);
  ThreadPool pool(3);
  const Likelihood likelihood(kSpec, 0, shop.inputs(), pool);
  EXPECT_THAT(likelihood.warnings(), IsEmpty());
  // Deviations are 1, so that coefficients are those of the features; four standard errors.
  EXPECT_NEAR(likelihood.model().coefficients[0], 1.5, 0.15);
  EXPECT_NEAR(likelihood.model().coefficients[1], -0.8, 0.12);
  EXPECT_NEAR(likelihood.model().coefficients[2], 0, 0.1);
  EXPECT_NEAR(likelihood.model().intercept, -1, 0.15);
  const LikelihoodQuality& quality = likelihood.quality();
  EXPECT_NEAR(static_cast<double>(quality.n_test), 5000, 300);
  EXPECT_NEAR(static_cast<double>(quality.n_calibration), 4000, 300);
  EXPECT_EQ(quality.n_train + quality.n_calibration + quality.n_test, 20'000);
  EXPECT_LT(quality.calibration.expected_error, 0.03);
  EXPECT_EQ(quality.calibration.n, quality.n_test);
  // As good as who knows the odds.
  std::vector<double> odds;
  double loss = 0;
  for (size_t i = 0; i < shop.labels.size(); ++i) {
    odds.push_back(-1 + 1.5 * shop.features[3 * i] - 0.8 * shop.features[3 * i + 1]);
    loss -= std::log(Sigmoid(shop.labels[i] != 0 ? odds.back() : -odds.back())) / 20'000;
  }
  EXPECT_NEAR(*quality.auc, *AreaUnderCurve(odds, shop.labels), 0.015);
  EXPECT_NEAR(quality.log_loss, loss, 0.015);
  EXPECT_LT(quality.brier, quality.calibration.brier_of_base);
}

TEST(Likelihood, TheSameInputsGiveTheSameBits) {
  Shop shop = MakeShop(3000, 5, 2);
  ThreadPool one(1), many(4);
  const Likelihood a(kSpec, 0, shop.inputs(), one), b(kSpec, 0, shop.inputs(), many);
  EXPECT_EQ(a.Json(), b.Json());
  EXPECT_EQ(a.Probabilities(shop.features, one), b.Probabilities(shop.features, many));
  for (int64_t user = 0; user < 3000; user += 500)
    EXPECT_EQ(a.Probabilities(shop.features, one)[static_cast<size_t>(user)],
              a.Probability(std::span(shop.features).subspan(static_cast<size_t>(5 * user), 5)));
}

TEST(Likelihood, IsMeasuredOnUsersItHasNotSeen) {
  Shop shop = MakeShop(300, 2, 3);
  ThreadPool pool(1);
  const Likelihood before(kSpec, 0, shop.inputs(), pool);
  int64_t n_test = 0;
  for (int8_t& label : shop.labels) {
    label = static_cast<int8_t>(1 - label);
    const Likelihood after(kSpec, 0, shop.inputs(), pool);
    label = static_cast<int8_t>(1 - label);
    const bool same = after.model().coefficients == before.model().coefficients;
    // Whose label changes nothing is who it is measured on, and nobody else is.
    EXPECT_EQ(same, after.quality().log_loss != before.quality().log_loss &&
                        after.model().intercept == before.model().intercept);
    n_test += same;
  }
  EXPECT_EQ(n_test, before.quality().n_test);
}

TEST(Likelihood, CalibratesWhatIsTooSure) {
  // 40 features that say nothing, of few users: the fit sees a pattern, and the others deny it.
  double too_sure = 0, calibrated = 0;
  for (uint64_t seed = 10; seed < 20; ++seed) {
    Shop shop = MakeShop(600, 40, seed, 0.3);
    ThreadPool pool(1);
    const Likelihood likelihood(kSpec, 0, shop.inputs(), pool);
    // A fit on as many users, as it is.
    std::vector<int8_t> half = shop.labels;
    for (size_t i = 330; i < half.size(); ++i) half[i] = -1;
    const LogisticModel model = FitLogistic(shop.features, half, 40, 1, pool).model;
    for (size_t i = 330; i < shop.labels.size(); ++i) {
      const double odds = model.LogOdds(std::span(shop.features).subspan(40 * i, 40));
      too_sure -= std::log(Sigmoid(shop.labels[i] != 0 ? odds : -odds)) / 270;
    }
    calibrated += likelihood.quality().log_loss;
  }
  EXPECT_LT(calibrated, 0.97 * too_sure);
}

TEST(Likelihood, PartsSayWhatMovesTheOdds) {
  Shop shop = MakeShop(2000, 3, 4);
  ThreadPool pool(1);
  const Likelihood likelihood(kSpec, 0, shop.inputs(), pool);
  const std::vector<float> row = {2, 1, -0.5};
  const std::vector<Likelihood::Part> parts = likelihood.Parts(row);
  ASSERT_EQ(parts.size(), 3u);
  EXPECT_EQ(parts[0].feature, "f0");
  EXPECT_GT(parts[0].log_odds, 0);
  EXPECT_EQ(parts[1].feature, "f1");
  EXPECT_LT(parts[1].log_odds, 0);
  double odds = likelihood.model().intercept;
  for (const Likelihood::Part& part : parts) odds += part.log_odds;
  EXPECT_NEAR(Sigmoid(odds), likelihood.Probability(row), 1e-12);
}

TEST(Likelihood, BadDataAreSaidToBe) {
  ThreadPool pool(1);
  const auto refusal = [&](Shop shop) -> std::string {
    try {
      Likelihood(kSpec, 1'700'000'000, shop.inputs(), pool);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "accepted";
  };
  Shop shop = MakeShop(100, 2, 5);
  std::fill(shop.labels.begin(), shop.labels.end(), int8_t{0});
  EXPECT_EQ(refusal(shop),
            "segments.toml: line 9, column 1: likelihood: none of 100 users has 'purchases' in the 30d behind "
            "2023-11-14T22:13:20Z: there is nothing to learn");
  std::fill(shop.labels.begin(), shop.labels.end(), int8_t{1});
  EXPECT_THAT(refusal(shop), HasSubstr("all 100 users have 'purchases' in the 30d"));
  std::fill(shop.labels.begin(), shop.labels.end(), int8_t{-1});
  EXPECT_THAT(refusal(shop), HasSubstr("no user has an event until 2023-11-14"));
  EXPECT_THAT(refusal(Shop{}), HasSubstr("no user has an event"));
  int n_too_few = 0;
  for (size_t one = 0; one < 20; ++one) {  // one who buys, fitted on or not
    std::fill(shop.labels.begin(), shop.labels.end(), int8_t{0});
    shop.labels[one] = 1;
    const std::string said = refusal(shop);
    EXPECT_THAT(said, testing::AnyOf("accepted", HasSubstr("1 of 100 users have 'purchases'")));
    n_too_few += said != "accepted";
  }
  EXPECT_GT(n_too_few, 0);
  EXPECT_LT(n_too_few, 20);
  shop = MakeShop(100, 2, 5);
  shop.features[7] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal(shop), HasSubstr("'f1' of user 'user 5 3' is inf; expected a finite number"));
  shop.features.pop_back();
  EXPECT_THAT(refusal(shop), HasSubstr("100 labels and 199 numbers of 2 features"));
}

TEST(Likelihood, Warnings) {
  ThreadPool pool(1);
  Shop shop = MakeShop(2000, 2, 6);
  for (size_t i = 0; i < 2000; ++i) shop.features[2 * i + 1] = 5;
  EXPECT_THAT(Likelihood(kSpec, 0, shop.inputs(), pool).warnings(),
              ElementsAre("likelihood: the same for all who are learned from, and so without weight: 'f1'"));
  for (size_t i = 0; i < 2000; ++i) shop.features[2 * i] = shop.labels[i] != 0 ? 1.f : 0.f;
  const Likelihood knows(kSpec, 0, shop.inputs(), pool);
  EXPECT_THAT(knows.warnings(), Contains(HasSubstr("the features tell who buys from who does not without a mistake")));
  EXPECT_EQ(knows.quality().auc, 1);
  shop = MakeShop(100, 10, 7);
  EXPECT_THAT(Likelihood(kSpec, 0, shop.inputs(), pool).warnings(), Contains(HasSubstr("few for 10 features")));
  // All that is learned from says one thing, and the others another.
  shop = MakeShop(4000, 1, 8);
  const Likelihood right(kSpec, 0, shop.inputs(), pool);
  EXPECT_THAT(right.warnings(), IsEmpty());
}

TEST(Likelihood, HysteresisKeepsUsersFromFlapping) {
  const std::vector<double> p = {0.59, 0.6, 0.5, 0.5, 0.4, 0.39, kNan, 1};
  const std::vector<int32_t> was = {0, -1, 0, 1, 1, 1, 1, 0};
  const auto members = [&](const UserBits& bits) {
    std::vector<int> found;
    for (int user = 0; user < 8; ++user)
      if (bits.Has(user)) found.push_back(user);
    EXPECT_EQ(bits.n_members, std::ssize(found));
    return found;
  };
  EXPECT_THAT(members(LikelyUsers(p, kSpec, {})), ElementsAre(1, 7));
  EXPECT_THAT(members(LikelyUsers(p, kSpec, was)), ElementsAre(1, 3, 4, 7));
}

TEST(Likelihood, AreaUnderCurveCountsPairs) {
  for (const int n : {0, 1, 2, 31, 32, 33, 200}) {
    std::mt19937_64 random(static_cast<uint64_t>(n) + 1);
    std::vector<double> odds;
    std::vector<int8_t> labels;
    for (int i = 0; i < n; ++i) {
      odds.push_back(static_cast<double>(random() % 20));  // with ties
      labels.push_back(random() % 3 == 0);
    }
    double above = 0, pairs = 0;
    for (size_t i = 0; i < odds.size(); ++i)
      for (size_t j = 0; j < odds.size(); ++j)
        if (labels[i] == 1 && labels[j] == 0) {
          above += odds[i] > odds[j] ? 1 : odds[i] == odds[j] ? 0.5 : 0;
          ++pairs;
        }
    const std::optional<double> area = AreaUnderCurve(odds, labels);
    ASSERT_EQ(area.has_value(), pairs > 0) << n;
    EXPECT_NEAR(area.value_or(0), pairs > 0 ? above / pairs : 0, 1e-12) << n;
  }
}

TEST(Likelihood, AVersionKeepsIt) {
  Shop shop = MakeShop(1000, 3, 9);
  ThreadPool pool(1);
  const Likelihood likelihood(kSpec, 1'700'000'000, shop.inputs(), pool);
  const nlohmann::json json = nlohmann::json::parse(likelihood.Json().dump());
  const Likelihood again(json, "manifest");
  EXPECT_EQ(again.Json(), likelihood.Json());
  EXPECT_EQ(again.Probabilities(shop.features, pool), likelihood.Probabilities(shop.features, pool));
  EXPECT_EQ(json["coefficients"][0]["odds_ratio"].get<double>(), std::exp(likelihood.model().coefficients[0]));
  for (const auto& [key, value] : json.items()) {
    for (const nlohmann::json& broken : {nlohmann::json(), nlohmann::json("x"), nlohmann::json::array({3})}) {
      nlohmann::json changed = json;
      changed[key] = broken;
      if (key == "auc" && broken.is_null()) continue;
      if ((key == "event" || key == "horizon") && broken.is_string()) continue;
      if (key == "horizon") continue;  // for people; seconds are beside it
      EXPECT_THAT([&] { Likelihood(changed, "manifest"); },
                  testing::ThrowsMessage<Error>(testing::StartsWith("manifest: ")))
          << key << " " << broken;
    }
    if (key == "horizon") continue;
    nlohmann::json less = json;
    less.erase(key);
    EXPECT_THROW(Likelihood(less, "manifest"), Error) << key;
  }
  EXPECT_THROW(Likelihood(nlohmann::json(3), "manifest"), Error);
}

}  // namespace
}  // namespace kindred
