// Answers under rules: what requests say comes to the ranking, and what it has done to the answer.
#include "serving/query_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "serving/recommender.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::HasSubstr;

constexpr int64_t kNow = kFirstEvent + 10 * kDay;

std::vector<std::string> Ids(const Recommendation& result) {
  std::vector<std::string> ids;
  for (const ScoredItem& item : result.items) ids.emplace_back(item.item_id);
  return ids;
}

class QueryRulesTest : public BackendTest {
 protected:
  void SetUp() override { Use({.described = true, .calibrated = true}); }

  void Use(const TinyModelOptions& options) {
    ranker_.reset();
    model_ = std::make_unique<TinyModel>(backend(), options);
    ranker_ = std::make_unique<const Ranker>(backend(), model_->view(), nullptr);
    filters_ = std::make_unique<FilterCache>(model().user_columns);
    now_ = {ItemTable::From(model().item_columns, nullptr), filters_.get(), &rules_, kNow};
  }

  const ModelView& model() const { return ranker_->model(); }
  Recommendation Ask(const RecommendQuery& query) { return Recommend(context(), *ranker_, query, now_); }

  AttributeValue Of(std::string_view item, std::string_view attribute) const {
    return now_.items->columns()[static_cast<size_t>(now_.items->Find(attribute))]->Value(model().items.Find(item));
  }
  bool IsOf(std::string_view item, const char* category) const {
    return Of(item, "category") == AttributeValue(std::string(category));
  }

  /// The whole catalogue without the history, as the user gets it without rules.
  Recommendation Everything(RecommendQuery query) {
    query.n = 1000;
    query.rules = {};
    return Ask(query);
  }

  void ExpectRefused(const RecommendQuery& query, ErrorCode code, const std::string& part) {
    ExpectError(code, part, [&] { Ask(query); });
  }

  std::unique_ptr<TinyModel> model_;
  std::unique_ptr<const Ranker> ranker_;
  std::unique_ptr<FilterCache> filters_;
  RuleCache rules_;
  ItemsNow now_;
};
KINDRED_ON_ALL_BACKENDS(QueryRulesTest);

TEST_P(QueryRulesTest, BoostsMultiplyProbabilities) {
  for (RecommendQuery query :
       {RecommendQuery{"u5", {}, 6}, {"u5", {{"i1", 1}}, 6}, {"", {{"i1", 1}}, 6}, {"stranger", {}, 6}}) {
    SCOPED_TRACE(query.user_id);
    Recommendation all = Everything(query);
    const auto value = [&](const ScoredItem& item) {
      const double probability = item.probability
                                     ? double{*item.probability}
                                     : static_cast<double>(item.score) / static_cast<double>(model().n_users());
      return probability * (IsOf(item.item_id, "hats") ? 3 : 1);
    };
    std::ranges::stable_sort(all.items, [&](const auto& a, const auto& b) { return value(a) > value(b); });
    all.items.resize(6);
    query.rules.boosts = {{"category = \"hats\"", 3}};
    const Recommendation found = Ask(query);
    EXPECT_EQ(Ids(found), Ids(all));
    EXPECT_EQ(found.items[0].score, all.items[0].score);
    EXPECT_EQ(found.items[0].probability, all.items[0].probability);
    ASSERT_TRUE(found.rules);
    EXPECT_EQ(found.rules->n_eligible, model().n_items());
  }
}

TEST_P(QueryRulesTest, RulesReadTheUserAndTheRequest) {
  RecommendQuery query = {"u4", {}, 3};  // likes "bags", as 4 % 3 is 1
  query.rules.promotions = {{"liked", "category = user.likes", 2, {}}};
  Recommendation found = Ask(query);
  EXPECT_TRUE(IsOf(found.items[0].item_id, "bags"));
  EXPECT_TRUE(IsOf(found.items[1].item_id, "bags"));
  EXPECT_EQ(found.items[0].promotion, "liked");
  EXPECT_EQ(found.rules->n_promoted, 2);
  query.rules.promotions = {{"wanted", "category = context.wanted", 1, {}}};
  query.conditions.context = {{"wanted", "hats"}};
  found = Ask(query);
  EXPECT_TRUE(IsOf(found.items[0].item_id, "hats"));
  query.conditions.filter = "category != \"hats\"";  // which goes before
  EXPECT_EQ(Ask(query).rules->n_promoted, 0);
}

TEST_P(QueryRulesTest, CapsAndTheMinimumSayWhatTheyLeaveOut) {
  RecommendQuery query = {"u5", {}, 20};
  query.rules.max_per_attribute = {{"category", 1}};
  Recommendation found = Ask(query);
  std::map<std::string, int> n_of;
  int n_missing = 0;
  for (const ScoredItem& item : found.items) {
    const AttributeValue category = Of(item.item_id, "category");
    if (const auto* text = std::get_if<std::string>(&category))
      ++n_of[*text];
    else
      ++n_missing;
  }
  for (const auto& [category, n] : n_of) EXPECT_EQ(n, 1) << category;
  EXPECT_GT(n_missing, 1);
  EXPECT_GT(found.rules->n_passed_over, 0);
  ASSERT_TRUE(found.shortfall);
  const int64_t n_left = found.rules->n_eligible - found.rules->n_excluded;
  EXPECT_THAT(found.shortfall->reason, HasSubstr("and the other " + std::to_string(n_left - std::ssize(found.items)) +
                                                 " are kept out by diversity.max_per_attribute"));

  query.rules = {};
  const Recommendation all = Everything(query);
  query.rules.min_score = all.items[4].score;
  found = Ask(query);
  EXPECT_EQ(found.items.size(), 5u);
  EXPECT_THAT(found.shortfall->reason, HasSubstr(", and the other " + std::to_string(n_left - 5) + " score below "));
  query.n = 5;
  EXPECT_FALSE(Ask(query).shortfall);
}

TEST(WhyRulesLeaveOut, OneOrMany) {
  RequestedRules requested;
  RuledList list;
  list.n_eligible = 3;
  list.items.resize(1);
  EXPECT_EQ(WhyRulesLeaveOut(requested, list), ", and the other 2 have no score");
  list.n_excluded = 1;
  EXPECT_EQ(WhyRulesLeaveOut(requested, list), ", and the other one has no score");
  requested.min_score = 0.5f;
  EXPECT_EQ(WhyRulesLeaveOut(requested, list), ", and the other one scores below 0.5");
  requested.max_per_attribute = {{"brand", 1}};
  EXPECT_EQ(WhyRulesLeaveOut(requested, list), ", and the other one is kept out by diversity.max_per_attribute");
  list.cut_by_minimum = true;
  EXPECT_EQ(WhyRulesLeaveOut(requested, list),
            ", and the other one scores below 0.5 or is kept out by diversity.max_per_attribute");
  list.n_excluded = 2;
  EXPECT_EQ(WhyRulesLeaveOut(requested, list), "");
}

TEST_P(QueryRulesTest, DiversityIsSaidSo) {
  RecommendQuery query = {"u5", {}, 5};
  query.rules.diversity = 0.5f;
  EXPECT_TRUE(Ask(query).rules->diversified);
  query.rules.diversity = 0;
  EXPECT_FALSE(Ask(query).rules);
}

TEST_P(QueryRulesTest, InABatchTheSame) {
  std::vector<RecommendQuery> queries;
  for (const char* user : {"u2", "u3", "u4", "u5", "stranger", "u6"})
    for (const int rule : {0, 1, 2, 3, 4, 5}) {
      RecommendQuery& query = queries.emplace_back(RecommendQuery{user, {}, 4});
      if (rule == 1) query.rules.boosts = {{"category = user.likes", 2}};
      if (rule == 2) query.rules.boosts = {{"category = user.likes", 2.5f}};
      if (rule == 3) query.rules.promotions = {{"a", "in_stock", {}, 50}};
      if (rule == 4) query.rules.promotions = {{"a", "price < 50", -1, {}}};
      if (rule == 5) query.rules.max_per_attribute = {{"in_stock", 1}};
    }
  const std::vector<RecommendOutcome> outcomes = RecommendAll(context(), *ranker_, queries, now_);
  for (size_t i = 0; i < queries.size(); ++i) {
    const RecommendOutcome alone = std::move(RecommendAll(context(), *ranker_, {&queries[i], 1}, now_)[0]);
    ASSERT_EQ(alone.index(), outcomes[i].index()) << i;
    if (const auto* found = std::get_if<Recommendation>(&alone))
      EXPECT_EQ(Ids(*found), Ids(std::get<Recommendation>(outcomes[i]))) << i;
    else
      EXPECT_THAT(std::get<Error>(outcomes[i]).what(), HasSubstr("promotions[0].slots: is -1"));
  }
}

TEST_P(QueryRulesTest, WhatIsWrongIsNamed) {
  RecommendQuery query = {"u5", {}, 5};
  const auto refused = [&](const RequestedRules& rules, const std::string& part) {
    query.rules = rules;
    ExpectRefused(query, ErrorCode::kInvalidArgument, part);
  };
  RequestedRules rules;
  rules.boosts = {{"prize > 3", 2}};
  refused(rules, "boosts[0].filter: line 1, column 1: ");
  rules.boosts = {{"price > 3", -1}};
  refused(rules, "boosts[0].factor: is -1");
  rules = {};
  rules.promotions = {{"a", "in_stock", 6, {}}};
  refused(rules, "promotions[0].slots: is 6, expected 1 to n, which is 5");
  rules = {};
  rules.max_per_attribute = {{"brand", 1}};
  refused(rules, "diversity.max_per_attribute['brand']: unknown attribute");
  rules.max_per_attribute = {{"category", 0}};
  refused(rules, "diversity.max_per_attribute['category']: is 0, expected 1 or more");
  rules = {};
  rules.diversity = 2;
  refused(rules, "diversity.strength: is 2, expected 0 to 1");
  Use({.described = true});
  query.rules = {};
  query.rules.boosts = {{"price > 3", 2}};
  for (const char* user : {"u5", "stranger"}) {
    query.user_id = user;
    ExpectRefused(query, ErrorCode::kUnsupported, "boosts: they multiply the calibrated probability");
  }
}

}  // namespace
}  // namespace kindred
