#include "serving/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/backend.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

using testing::HasSubstr;

class ExplainItemsTest : public BackendTest {
 protected:
  void SetUp() override { Use({}); }

  void Use(const TinyModelOptions& options) {
    ranker_.reset();
    model_ = std::make_unique<TinyModel>(backend(), options);
    ranker_ = std::make_unique<const Ranker>(backend(), model_->view(), nullptr);
  }

  const ModelView& model() const { return ranker_->model(); }
  Explanation Ask(const ExplainQuery& query) { return ExplainItems(context(), *ranker_, query); }

  /// That it explains what Recommend answers, place by place.
  void ExpectTheAnswer(const ExplainQuery& query, ServedBy served_by) {
    const Explanation found = Ask(query);
    const Recommendation answer = Recommend(context(), *ranker_, {query.user_id, query.history, query.n.value_or(3)});
    EXPECT_EQ(found.served_by, served_by);
    EXPECT_EQ(answer.served_by, served_by);
    EXPECT_EQ(found.why, answer.why);
    EXPECT_EQ(found.unknown_history_items, answer.unknown_history_items);
    EXPECT_EQ(found.shortfall.has_value(), answer.shortfall.has_value());
    ASSERT_EQ(found.items.size(), answer.items.size());
    for (size_t i = 0; i < found.items.size(); ++i) {
      const ItemExplanation& one = found.items[i].explanation;
      EXPECT_EQ(model().items.Id(one.item), answer.items[i].item_id);
      EXPECT_EQ(one.score, answer.items[i].score);
      EXPECT_EQ(one.position, static_cast<int64_t>(i) + 1);
      EXPECT_EQ(found.items[i].events.size(), one.contributions.size());
      double sum = one.base + one.others;
      for (const Contribution& by : one.contributions) sum += by.amount;
      EXPECT_NEAR(sum, one.score, 1e-5 * (1 + std::abs(one.score)));
    }
  }

  std::unique_ptr<TinyModel> model_;
  std::unique_ptr<const Ranker> ranker_;
};
KINDRED_ON_ALL_BACKENDS(ExplainItemsTest);

TEST_P(ExplainItemsTest, ExplainsWhatRecommendAnswers) {
  for (const bool ratings : {false, true}) {
    SCOPED_TRACE(ratings);
    TinyModelOptions options;
    options.ratings = ratings;
    Use(options);
    ExpectTheAnswer({.user_id = "u5"}, ServedBy::kPersonal);
    ExpectTheAnswer({.user_id = "u5", .n = 10, .max_contributions = 20}, ServedBy::kPersonal);
    ExpectTheAnswer({.user_id = "u5", .history = {{"i1", 2.0f}, {"x", 1.0f}}}, ServedBy::kFoldedIn);
    ExpectTheAnswer({.user_id = "new", .history = {{"i1", 2.0f}, {"i2", 1.0f}, {"i1", 3.0f}}}, ServedBy::kFoldedIn);
    ExpectTheAnswer({.history = {{"i7", 1.0f}}}, ServedBy::kFoldedIn);
    ExpectTheAnswer({.user_id = "u0"}, ServedBy::kPopular);
    ExpectTheAnswer({}, ServedBy::kPopular);
    ExpectTheAnswer({.user_id = "u1"}, ServedBy::kPersonal);  // has everything
  }
  Use({.algorithm = "popularity"});
  ExpectTheAnswer({.user_id = "u5"}, ServedBy::kPopular);
  ExpectTheAnswer({.user_id = "u5", .history = {{"i3", 1.0f}}}, ServedBy::kPopular);
}

TEST_P(ExplainItemsTest, GivenItemsComeInTheirOrder) {
  const Recommendation all = Recommend(context(), *ranker_, {"u5", {}, 20});
  const std::vector<std::string_view> ids = {all.items[12].item_id, all.items[0].item_id, all.items[12].item_id};
  const Explanation found = Ask({.user_id = "u5", .item_ids = ids, .max_contributions = 2});
  ASSERT_EQ(found.items.size(), 3u);
  for (size_t i = 0; i < ids.size(); ++i) {
    const ItemExplanation& one = found.items[i].explanation;
    EXPECT_EQ(model().items.Id(one.item), ids[i]);
    EXPECT_EQ(one.position, i == 1 ? 1 : 13);
    EXPECT_EQ(one.contributions.size(), 2u);
    EXPECT_EQ(one.n_others, std::ssize(model().history.row(5)) - 2);
  }
  EXPECT_FALSE(found.shortfall);
}

// A user without a history, whose attributes are all there is.
TEST_P(ExplainItemsTest, AttributesSpeakForUsersWithoutAHistory) {
  Use({.by_attributes = true});
  ExpectTheAnswer({.user_id = "u0"}, ServedBy::kPersonal);
  for (const ExplainedItem& item : Ask({.user_id = "u0"}).items) {
    EXPECT_TRUE(item.explanation.contributions.empty());
    ASSERT_EQ(item.explanation.attributes.size(), 1u);
    const AttributeContribution& by = item.explanation.attributes[0];
    EXPECT_EQ(by.name, "country: de");
    EXPECT_TRUE(by.is_of_user);
    EXPECT_NEAR(by.contribution, item.explanation.score, 1e-6);
  }
  for (const ExplainedItem& item : Ask({.user_id = "u3"}).items) EXPECT_TRUE(item.explanation.attributes.empty());
}

TEST_P(ExplainItemsTest, BadFieldsAreRefusedByName) {
  const std::string_view seen = model().items.Id(model().history.row(5)[0]);
  const auto refused = [&](ErrorCode code, const std::string& message, const ExplainQuery& query) {
    ExpectError(code, message, [&] { Ask(query); });
  };
  const auto bad = ErrorCode::kInvalidArgument;
  refused(ErrorCode::kNotFound, "item_ids[1]: the model has no item 'x'", {.item_ids = {"i1", "x"}});
  refused(bad, "item_ids[0]: is empty", {.item_ids = {""}});
  refused(bad, "item_ids[0]: '" + std::string(seen) + "' is in the user's history",
          {.user_id = "u5", .item_ids = {seen}});
  refused(bad, "item_ids[0]: 'i3' is in the user's history", {.history = {{"i3", 1.0f}}, .item_ids = {"i3"}});
  refused(bad, "item_ids: has 11 entries, expected at most 10", {.item_ids = std::vector<std::string_view>(11, "i1")});
  refused(bad, "n: is set beside item_ids", {.item_ids = {"i1"}, .n = 3});
  for (const int32_t n : {0, -1, 11}) refused(bad, "n: is " + std::to_string(n) + ", expected 1 to 10", {.n = n});
  for (const int32_t n : {-1, 21})
    refused(bad, "max_contributions: is " + std::to_string(n) + ", expected 0 to 20", {.max_contributions = n});
  refused(bad, "history[0].value: is 0", {.history = {{"i1", 0.0f}}});
  EXPECT_EQ(Ask({.max_contributions = 0}).items.size(), 3u);
}

TEST_P(ExplainItemsTest, TheLargestValuesAreExplained) {
  std::vector<HistoryEntry> history(5000, {"i1", kMaxHistoryValue});  // they add up
  history.push_back({"i2", std::numeric_limits<float>::denorm_min()});
  history.push_back({"i3", 1.0f});
  ExpectTheAnswer({.history = history}, ServedBy::kFoldedIn);
  for (const ExplainedItem& item : Ask({.history = history}).items) {
    const std::vector<Contribution>& by = item.explanation.contributions;
    ASSERT_EQ(by.size(), 3u);
    EXPECT_EQ(model().items.Id(by[0].item), "i1");
    EXPECT_EQ(model().items.Id(by[2].item), "i2");
    EXPECT_NE(by[2].amount, 0);
    EXPECT_LT(std::abs(by[2].amount), 1e-40) << "next to nothing";
  }
}

TEST_P(ExplainItemsTest, AHistoryThatCannotBeFoldedInIsRefused) {
  ModelView singular = model_->view();
  singular.objective.regularization = singular.objective.unobserved_weight = 0;
  const Ranker ranker(backend(), singular, nullptr);
  for (const std::vector<std::string_view>& items : {std::vector<std::string_view>{}, {"i5"}})
    ExpectError(ErrorCode::kInvalidArgument, "history: cannot be folded in", [&] {
      ExplainItems(context(), ranker, {.history = {{"i1", 1.0f}}, .item_ids = items});
    });
}

TEST(ExplainEventsTest, AreTheStoredUsersWithEachItem) {
  CpuBackend backend(1);
  const auto context = backend.NewContext(1);
  SmallModel small(5, 12);
  for (int e = 0; e < 3; ++e) {  // 12 events more than they had, for user 4, the last
    for (int t = 0; t < 4; ++t) {
      small.events.items.push_back(small.history.view().row(4)[0]);
      small.events.times.push_back(1'800'000'000 + 4 * e + t);
      small.events.types.push_back(0);
    }
  }
  small.events.indptr.back() += 12;
  const Ranker ranker(backend, small.view(), nullptr);
  const int32_t often = small.history.view().row(4)[0];
  for (const bool with_history : {false, true}) {
    ExplainQuery query = {.user_id = "u4", .max_contributions = 20};
    if (with_history) query.history = {{"i0", 1.0f}};
    int n_often = 0;
    for (const ExplainedItem& item : ExplainItems(*context, ranker, query).items)
      for (size_t c = 0; c < item.events.size(); ++c) {
        const StoredEvents& events = item.events[c];
        const int32_t by = item.explanation.contributions[c].item;
        const auto all = EventsWith(ranker.model(), 4, by);
        EXPECT_EQ(events.n, std::ssize(all));
        EXPECT_EQ(events.last.size(), std::min<size_t>(all.size(), 10));
        if (by != often) continue;
        ++n_often;
        EXPECT_GE(events.n, 13);
        EXPECT_EQ(events.last[0].type, "view");
        EXPECT_EQ(events.last[0].time, 1'800'000'011);
      }
    EXPECT_EQ(n_often, 3);
  }
  for (const ExplainedItem& item : ExplainItems(*context, ranker, {.history = {{"i3", 1.0f}}}).items)
    for (const StoredEvents& events : item.events) EXPECT_EQ(events.n, 0) << "nobody's";
}

}  // namespace
}  // namespace kindred
