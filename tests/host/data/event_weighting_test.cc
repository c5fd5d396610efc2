#include "host/data/event_weighting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/support/errors.h"

namespace kindred {
namespace {

using nlohmann::json;
using Names = std::vector<std::string>;
using testing::ElementsAre;
using testing::Pair;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

EventWeighting All() {
  return {.event_weights = {{"view", 0.1}, {"*", 2}}, .value_cap = 5, .confidence_cap = 10.5, .half_life = 86400};
}

TEST(EventWeighting, ComesBackFromJson) {
  EXPECT_EQ(WeightingJson({}), json::parse(R"({"event_weights": null, "value_cap": null, "confidence_cap": null,
                                               "half_life_seconds": null})"));
  EXPECT_EQ(WeightingJson(All()), json::parse(R"({"event_weights": {"view": 0.1, "*": 2.0}, "value_cap": 5.0,
                                                  "confidence_cap": 10.5, "half_life_seconds": 86400.0})"));
  for (const EventWeighting& weighting : {EventWeighting(), All()})
    EXPECT_EQ(ParseWeighting(json::parse(WeightingJson(weighting).dump()), "x"), weighting);
  EXPECT_EQ(ParseWeighting(nullptr, "x"), EventWeighting());
  EXPECT_EQ(ParseWeighting(json::object(), "x"), EventWeighting());
  EXPECT_EQ(ParseWeighting({{"half_life_seconds", 7}, {"reference_time", 8}}, "x").half_life, 7);
}

TEST(EventWeighting, JsonThatIsNoneIsRefused) {
  const auto refused = [](const std::string& part, const std::string& text) {
    ExpectError(ErrorCode::kCorrupt, part, [&] { ParseWeighting(json::parse(text), "here"); });
  };
  refused("here: weighting: expected an object", "[]");
  refused("expected an object", "1");
  refused("'event_weights' is no object", R"({"event_weights": [1]})");
  refused("'view' is no number", R"({"event_weights": {"view": "1"}})");
  refused("the weight of 'view' is -1; expected a number from 0 to 1e+30", R"({"event_weights": {"view": -1}})");
  refused("the weight of 'view' is 1e+31", R"({"event_weights": {"view": 1e31}})");
  refused("the value cap is 0; expected a number > 0", R"({"value_cap": 0})");
  refused("'value_cap' is no number", R"({"value_cap": true})");
  refused("the confidence cap is -2", R"({"confidence_cap": -2})");
  refused("the half-life is 0", R"({"half_life_seconds": 0})");
  refused("'half_life_seconds' is no number", R"({"half_life_seconds": "30d"})");
}

TEST(EventWeighting, ChangesReplaceWhatTheyHave) {
  EXPECT_EQ(WeightingChanges().Of(All()), All());
  WeightingChanges changes;
  changes.half_life = kNoLimit;
  changes.event_weights = TypeWeights{{"buy", 3}};
  EventWeighting expected = All();
  expected.half_life = kNoLimit;
  expected.event_weights = {{"buy", 3}};
  EXPECT_EQ(changes.Of(All()), expected);
  changes = {.event_weights = TypeWeights(), .value_cap = 1, .confidence_cap = kNoLimit, .half_life = 2};
  EXPECT_EQ(changes.Of(All()), (EventWeighting{.value_cap = 1, .half_life = 2}));
}

TEST(EventWeighting, AWeightIsThatOfTheNameOrOfAllOthers) {
  EXPECT_EQ(EventWeighting().WeightOf("x"), 1);
  EXPECT_EQ(All().WeightOf("view"), 0.1);
  EXPECT_EQ(All().WeightOf("x"), 2);
  EXPECT_EQ(All().WeightOf(""), 2);
  EXPECT_EQ(EventWeighting{.event_weights = TypeWeights({{"a", 0}})}.WeightOf("a"), 0);
  EXPECT_EQ(EventWeighting{.event_weights = TypeWeights({{"a", 0}})}.WeightOf("b"), std::nullopt);
}

TEST(EventWeighting, MustFitTheTypesAndTimes) {
  const Names types = {"view", "cart"};
  const auto weights = [](TypeWeights w) { return EventWeighting{.event_weights = std::move(w)}; };
  const auto fits = [](const EventWeighting& weighting, const Names& names, bool has_times) {
    EXPECT_NO_THROW(CheckWeighting(weighting, names, has_times)) << WeightingJson(weighting);
  };
  const auto refused = [](const std::string& part, const EventWeighting& weighting, const Names& names,
                          bool has_times = true) {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { CheckWeighting(weighting, names, has_times); });
  };
  fits({}, {}, false);
  fits({.value_cap = 1, .confidence_cap = 1e-9}, {}, false);
  fits(weights({{"view", 0}, {"cart", 1e30}}), types, false);
  fits(weights({{"view", 1}, {"*", 0}}), types, false);
  fits(weights({{"*", 0}}), types, false);
  fits(weights({{"", 1}, {"view", 2}}), {"view", ""}, false);
  fits({.half_life = 1e-300}, {}, true);

  refused("events of type 'cart' and no weight for them, only for 'view'; *=WEIGHT", weights({{"view", 1}}), types);
  refused("weight for 'vew', which is no type of event; this dataset has 'view', 'cart'", weights({{"vew", 1}}), types);
  refused("weight for 'c\\x01t'", weights({{"view", 1}, {"cart", 1}, {"c\x01t", 1}}), types);
  refused("events of type '' and no weight", weights({{"view", 1}}), {"view", ""});
  refused("this dataset has none; prepare it with --event-column", weights({{"*", 1}}), {});
  refused("this dataset has none; prepare it with --time-column", {.half_life = 1}, types, false);
  for (const double wrong : {-1.0, -0.1, kNan, kNoLimit, 1e31})
    refused("the weight of 'view' is ", weights({{"view", wrong}, {"cart", 1}}), types);
  for (const double wrong : {0.0, -1.0, kNan}) {
    refused("the value cap is ", {.value_cap = wrong}, types);
    refused("the confidence cap is ", {.confidence_cap = wrong}, types);
    refused("the half-life is ", {.half_life = wrong}, types);
  }
  Names many;
  for (int i = 0; i < 40; ++i) many.push_back("t" + std::to_string(i));
  refused("'t29' and 10 more", weights({{"x", 1}}), many);
}

TEST(EventWeighting, WeightsAreReadFromTexts) {
  const auto read = [](const Names& texts) { return ParseTypeWeights(texts); };
  EXPECT_THAT(read({"view=1,cart=3.5", "buy=5e0"}), ElementsAre(Pair("buy", 5), Pair("cart", 3.5), Pair("view", 1)));
  EXPECT_THAT(read({"*=0"}), ElementsAre(Pair("*", 0)));
  EXPECT_THAT(read({"a=b=2"}), ElementsAre(Pair("a=b", 2)));
  EXPECT_THAT(read({"=2"}), ElementsAre(Pair("", 2)));
  EXPECT_THAT(read({"x=1e30,y=0.1"}), ElementsAre(Pair("x", 1e30), Pair("y", 0.1)));
  const auto refused = [&](const std::string& part, const Names& texts) {
    ExpectError(ErrorCode::kUsage, part, [&] { read(texts); });
  };
  refused("'view': expected TYPE=WEIGHT", {"view"});
  refused("'': expected TYPE=WEIGHT", {""});
  refused("'': expected TYPE=WEIGHT", {"view=1,"});
  refused("'cart': expected TYPE=WEIGHT", {"view=1,cart,buy=2"});
  for (const char* weight : {"", "-1", "-0.5", "nan", "inf", "1e31", "1e400", "x", "1x", " 1", "0x1"})
    refused("expected a number from 0 to 1e+30", {std::string("view=") + weight});
  refused("'view' has two weights", {"view=1,view=1"});
  refused("'view' has two weights", {"view=1", "cart=1,view=2"});
}

TEST(EventWeighting, CapsAndDurationsAreReadFromTexts) {
  EXPECT_EQ(ParseCap("10"), 10);
  EXPECT_EQ(ParseCap("0.5"), 0.5);
  for (const char* text : {"", "0", "-1", "nan", "inf", "1e400", "x", "1 "})
    ExpectError(ErrorCode::kUsage, "expected a number > 0", [&] { ParseCap(text); });
  EXPECT_EQ(ParseDuration("90s"), 90);
  EXPECT_EQ(ParseDuration("15m"), 900);
  EXPECT_EQ(ParseDuration("12h"), 43200);
  EXPECT_EQ(ParseDuration("30d"), 2592000);
  EXPECT_EQ(ParseDuration("2w"), 1209600);
  EXPECT_EQ(ParseDuration("1.5h"), 5400);
  for (const char* text : {"", "30", "d", "0d", "-30d", "30 d", "30D", "30y", "30days", "nand", "infd", "1e300d", "x"})
    ExpectError(ErrorCode::kUsage, "expected a number > 0 and its unit", [&] { ParseDuration(text); });
}

TEST(EventWeights, MultiplyTypeValueAndDecay) {
  const std::vector<int64_t> indptr = {0, 5}, times = {0, 100, 200, 200, -1000000};
  const std::vector<int32_t> items(5, 0);
  const std::vector<float> values = {1, 2, 8, 0, 1};
  const std::vector<uint8_t> types = {0, 1, 1, 0, 0};
  const Names names = {"view", "cart"};
  const EventsView events = {indptr, items, values, times, types, names};
  const EventWeights plain({}, events, std::nullopt);
  for (size_t e = 0; e < 5; ++e) EXPECT_EQ(plain(e), values[e]);
  const EventWeights all({.event_weights = {{"view", 1}, {"cart", 3}}, .value_cap = 4, .half_life = 100}, events, 200);
  EXPECT_EQ(all(0), 0.25);
  EXPECT_EQ(all(1), 3 * 2 * 0.5);
  EXPECT_EQ(all(2), 3 * 4);
  EXPECT_EQ(all(3), 0);
  EXPECT_EQ(all(4), 0);  // 10,002 half-lives ago
  EXPECT_THROW(EventWeights({.event_weights = {{"view", 1}}}, events, 0), Error);
}

TEST(EventWeights, NoTimeGivesWhatIsNoNumber) {
  const int64_t far = std::numeric_limits<int64_t>::max();
  const std::vector<int64_t> indptr = {0, 3}, times = {-far, 0, far};
  const std::vector<int32_t> items(3, 0);
  const std::vector<float> values(3, std::numeric_limits<float>::max());
  const EventsView events = {indptr, items, values, times};
  for (const double half_life : {1e-300, 1.0, 1e10, 1e18, 1e300}) {
    const EventWeights weights({.half_life = half_life}, events, far);
    for (size_t e = 0; e < 3; ++e) EXPECT_TRUE(weights(e) >= 0 && weights(e) <= values[e]) << half_life << " " << e;
    EXPECT_EQ(weights(2), values[2]);
  }
}

}  // namespace
}  // namespace kindred
