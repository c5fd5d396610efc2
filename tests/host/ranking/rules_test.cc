// What rules mean to whoever sets them, on lists small enough to be read, and which are refused.
#include "host/ranking/rules.h"

#include <numeric>

#include "host/ranking/ruled_ranking.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

using Items = std::vector<int32_t>;

/// A hundred items that score 100, 99, ... for one user; the probability is a thousandth of it.
class Rules : public ::testing::Test {
 protected:
  static constexpr int64_t kItems = 100;

  Rules() : backend_(NewTestBackend("cpu_baseline", 1)), context_(backend_->NewContext()), model_(1, kItems, 2) {
    for (int64_t i = 0; i < kItems; ++i) {
      model_.item_factors[static_cast<size_t>(2 * i)] = static_cast<float>(kItems - i);
      model_.item_factors[static_cast<size_t>(2 * i + 1)] = 0;
    }
    model_.user_factors = {1, 0};
    model_.calibration_scores = {0, 1000};
    model_.calibration_probabilities = {0, 1};
  }

  static ItemSet SetOf(const Items& items) { return std::make_shared<const ItemBits>(kItems, items); }

  RuledList Answer(const RankingRules& rules, int64_t n) {
    const Ranker ranker(*backend_, model_.view(), nullptr);
    Queries queries;
    ranker.AddUser(0, &queries);
    return RankByModel(*context_, ranker, queries, {}, n, rules)[0];
  }

  Items ItemsOf(const RankingRules& rules, int64_t n) {
    Items items;
    for (const RuledItem& item : Answer(rules, n).items) items.push_back(item.item);
    return items;
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Context> context_;
  SmallModel model_;
};

TEST_F(Rules, NoneAtAllAreTheBest) {
  EXPECT_EQ(ItemsOf({}, 3), (Items{0, 1, 2}));
}

TEST_F(Rules, ABoostMultipliesTheProbability) {
  const auto some = SetOf({10, 60}), more = SetOf({60});
  RankingRules rules;
  rules.boosts = {{some, 1.105f}};  // of 90 / 1000 and 40 / 1000
  EXPECT_EQ(ItemsOf(rules, 3), (Items{0, 10, 1}));
  rules.boosts = {{some, 1.105f}, {more, 2.5f}};
  EXPECT_EQ(ItemsOf(rules, 3), (Items{60, 0, 10}));
  const auto least = SetOf({0, 1});
  rules.boosts = {{least, 0.5f}};
  EXPECT_EQ(ItemsOf(rules, 3), (Items{2, 3, 4}));
}

TEST_F(Rules, ASetIsAskedForNoMoreItemsThanItHas) {
  RankingRules rules;
  rules.boosts = {{SetOf({10, 60}), 2}, {SetOf({60}), 3}};
  const CalibrationView calibration = model_.view().calibration;
  BoostClassCache cache(1 << 20);
  const BoostedOrder order(rules, calibration, kItems, cache);
  std::vector<std::pair<int64_t, int64_t>> asked;  // of how many items, for how many
  order.Best(1, 20, *order.Parts(nullptr), nullptr, [&](const ItemSet& items, int64_t n) {
    asked.emplace_back(items->n_set, n);
    RankedLists none;
    none.n = n;
    none.items.assign(static_cast<size_t>(n), -1);
    none.scores.resize(static_cast<size_t>(n));
    return none;
  });
  EXPECT_EQ(asked, (std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 1}, {98, 20}}));
}

// Where a calibration is level, the order stays that of the scores.
TEST_F(Rules, BoostedItemsOfOneProbabilityGoByScore) {
  model_.calibration_scores = {0, 10};
  const auto some = SetOf({50, 40});
  RankingRules rules;
  rules.boosts = {{some, 2}};
  EXPECT_EQ(ItemsOf(rules, 4), (Items{40, 50, 0, 1}));
}

TEST_F(Rules, TheMinimumIsOfTheScore) {
  RankingRules rules;
  rules.min_score = 98;
  EXPECT_EQ(ItemsOf(rules, 5), (Items{0, 1, 2}));
  EXPECT_TRUE(Answer(rules, 5).cut_by_minimum);
  EXPECT_FALSE(Answer(rules, 3).cut_by_minimum);
  const auto last = SetOf({99});
  rules.boosts = {{last, 1000}};  // a boost lifts no score
  EXPECT_EQ(ItemsOf(rules, 5), (Items{0, 1, 2}));
}

TEST_F(Rules, APromotionByPercentMovesUpNoFurtherThanItMust) {
  const auto some = SetOf({2, 20, 30, 40});
  RankingRules rules;
  rules.promotions = {{"ours", some, {}, 40}};
  EXPECT_EQ(ItemsOf(rules, 5), (Items{0, 1, 2, 3, 20}));  // 2 of 5, and one was there
  EXPECT_EQ(ItemsOf(rules, 2), (Items{0, 2}));            // 0.8 of 2, rounded up
  EXPECT_EQ(ItemsOf(rules, 10), (Items{0, 1, 2, 3, 4, 5, 6, 20, 30, 40}));
  const RuledList list = Answer(rules, 5);
  EXPECT_EQ(list.items[2].promotion, 0);
  EXPECT_EQ(list.items[3].promotion, -1);
}

TEST_F(Rules, APromotionBySlotsHasTheFirstPlaces) {
  const auto some = SetOf({2, 20, 30}), others = SetOf({0, 2, 50});
  RankingRules rules;
  rules.promotions = {{"ours", some, 2, {}}};
  EXPECT_EQ(ItemsOf(rules, 4), (Items{2, 20, 0, 1}));
  rules.promotions.push_back({"theirs", others, 2, {}});
  EXPECT_EQ(ItemsOf(rules, 5), (Items{2, 20, 0, 50, 1}));
  rules.promotions.push_back({"last", some, {}, 20});
  EXPECT_EQ(ItemsOf(rules, 5), (Items{2, 20, 0, 50, 30}));
}

TEST_F(Rules, PromotionsThatHaveNoItemsLeaveTheirPlaces) {
  const auto few = SetOf({7}), none = SetOf({});
  RankingRules rules;
  rules.promotions = {{"ours", few, 3, {}}, {"none", none, {}, 10}};
  EXPECT_EQ(ItemsOf(rules, 4), (Items{7, 0, 1, 2}));
}

TEST_F(Rules, CapsPassItemsOverAndKeepPromotedOnesFirst) {
  Items brands(kItems);
  for (int32_t i = 0; i < kItems; ++i) brands[static_cast<size_t>(i)] = i < 10 ? 0 : i < 20 ? 1 : -1;
  RankingRules rules;
  rules.caps = {{"brand", brands, 2}};
  EXPECT_EQ(ItemsOf(rules, 6), (Items{0, 1, 10, 11, 20, 21}));
  EXPECT_EQ(Answer(rules, 6).n_passed_over, 4);
  const auto some = SetOf({5, 6, 7, 30});
  rules.promotions = {{"ours", some, {}, 60}};  // 3 places, of which the brand may have 2
  EXPECT_EQ(ItemsOf(rules, 5), (Items{5, 6, 10, 11, 30}));
}

TEST_F(Rules, AnswersEndWhereCapsLeaveNothing) {
  const Items brands(kItems, 3);
  RankingRules rules;
  rules.caps = {{"brand", brands, 2}};
  EXPECT_EQ(ItemsOf(rules, 6), (Items{0, 1}));
}

TEST_F(Rules, DiversityTurnsFromTheBestToTheDifferent) {
  for (const int32_t item : {7, 12}) model_.item_factors[static_cast<size_t>(2 * item + 1)] = 500;
  RankingRules rules;
  rules.diversity = 0.5f;
  EXPECT_EQ(ItemsOf(rules, 2), (Items{0, 7}));
  EXPECT_TRUE(Answer(rules, 2).diversified);
  rules.diversity = 1;
  EXPECT_EQ(ItemsOf(rules, 2), (Items{0, 12}));
  rules.diversity = 0.01f;
  EXPECT_EQ(ItemsOf(rules, 2), (Items{0, 1}));
  EXPECT_EQ(ItemsOf(rules, 1), (Items{0}));
  const auto some = SetOf({90, 91});
  rules.promotions = {{"ours", some, {}, 50}};
  rules.diversity = 0.5f;
  EXPECT_EQ(ItemsOf(rules, 4), (Items{0, 7, 90, 91}));
  rules.promotions = {{"ours", some, 2, {}}};
  EXPECT_EQ(ItemsOf(rules, 3), (Items{90, 91, 7}));
}

TEST_F(Rules, PlacesOfPromotions) {
  RankingRules rules;
  for (const float percent : {50.0f, 50.0f}) rules.promotions.push_back({"", {}, {}, percent});
  EXPECT_EQ(PromotedPlaces(rules, 5), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(PromotedPlaces(rules, 1), (std::vector<int64_t>{1, 0}));
  rules.promotions.insert(rules.promotions.begin() + 1, {"", {}, 2, {}});
  EXPECT_EQ(PromotedPlaces(rules, 10), (std::vector<int64_t>{5, 2, 3}));
  for (const auto& [percent, n, places] :
       {std::tuple(0.1f, 1000, 1), {0.1f, 10, 1}, {33.3f, 10, 4}, {30, 10, 3}, {100, 7, 7}}) {
    rules.promotions = {{"", {}, {}, percent}};
    EXPECT_EQ(PromotedPlaces(rules, n), (std::vector<int64_t>{places})) << percent << " of " << n;
  }
}

TEST_F(Rules, ContradictionsAreRefused) {
  const auto all = SetOf({1});
  const Items values(kItems);
  const auto refused = [](const std::string& part, const auto& change) {
    RankingRules rules;
    change(rules);
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { CheckRules(rules, kItems, 10); });
  };
  const float nan = std::nanf("");
  for (const float factor : {0.0f, -1.0f, nan, INFINITY, 2e6f})
    refused("boosts[1].factor: is ", [&](RankingRules& rules) { rules.boosts = {{all, 2}, {all, factor}}; });
  refused("boosts: has 9 entries, expected at most 8", [&](RankingRules& rules) { rules.boosts.resize(9, {all, 2}); });
  for (const float score : {nan, INFINITY, -INFINITY})
    refused("min_score: is ", [&](RankingRules& rules) { rules.min_score = score; });
  for (const float strength : {-0.1f, 1.1f, nan})
    refused("diversity.strength: is ", [&](RankingRules& rules) { rules.diversity = strength; });
  for (const int32_t most : {0, -3})
    refused("diversity.max_per_attribute['brand']: is " + std::to_string(most) + ", expected 1 or more",
            [&](RankingRules& rules) {
              rules.caps = {{"brand", values, most}};
            });
  refused("max_per_attribute['brand']: is there twice", [&](RankingRules& rules) {
    rules.caps = {{"brand", values, 1}, {"brand", values, 2}};
  });
  refused("filter: is a set of 7 items, expected of 100",
          [&](RankingRules& rules) { rules.eligible = std::make_shared<const ItemBits>(7); });
  refused("has the values of 3 items, expected 100", [&](RankingRules& rules) {
    rules.caps = {{"brand", std::span(values).first(3), 1}};
  });
}

TEST_F(Rules, PromotionsThatContradictAreRefused) {
  const auto all = SetOf({1});
  const auto refused = [](const std::string& part, const std::vector<Promotion>& promotions) {
    RankingRules rules;
    rules.promotions = promotions;
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { CheckRules(rules, kItems, 10); });
  };
  refused("promotions[0]: has neither percent nor slots, expected one of them", {{"a", all, {}, {}}});
  refused("promotions[0]: has both percent and slots, expected one of them", {{"a", all, 1, 5}});
  refused("promotions[0].name: is empty, expected a name", {{"", all, 1, {}}});
  refused("promotions[1].name: 'a' is there twice", {{"a", all, 1, {}}, {"a", all, 1, {}}});
  for (const int32_t slots : {0, -1, 11})
    refused("promotions[0].slots: is " + std::to_string(slots) + ", expected 1 to n, which is 10",
            {{"a", all, slots, {}}});
  for (const float percent : {0.0f, -1.0f, 101.0f, std::nanf("")})
    refused("promotions[0].percent: is ", {{"a", all, {}, percent}});
  refused("promotions: their percent are 110 together, expected at most 100", {{"a", all, {}, 60}, {"b", all, {}, 50}});
  refused("promotions: 6 slots and 50 percent of 10 places are more than there are",
          {{"a", all, 6, {}}, {"b", all, {}, 50}});
  refused("promotions: 11 slots and 0 percent of 10 places are more than there are",
          {{"a", all, 6, {}}, {"b", all, 5, {}}});
  RankingRules rules;
  rules.promotions = {{"a", all, 5, {}}, {"b", all, {}, 50}};
  EXPECT_NO_THROW(CheckRules(rules, kItems, 10));
}

TEST_F(Rules, BoostsNeedACalibrationAndDiversityVectorsOrAttributes) {
  model_.calibration_scores.clear();
  const auto some = SetOf({10});
  RankingRules rules;
  rules.boosts = {{some, 2}};
  ExpectError(ErrorCode::kUnsupported, "no calibration", [&] { Answer(rules, 3); });
  const SmallModel popularity(1, kItems, 0);
  const Ranker ranker(*backend_, popularity.view(), nullptr);
  rules.diversity = 0.5f;
  ExpectError(ErrorCode::kUnsupported, "no vectors", [&] { RankByPopularity(*context_, ranker, 1, {}, 3, rules); });
  rules.diversity = 0;
  EXPECT_EQ(RankByPopularity(*context_, ranker, 1, {}, 3, rules)[0].items.size(), 3u);
}

}  // namespace
}  // namespace kindred
