#include "serving/recommender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class RecommenderTest : public BackendTest {
 protected:
  void SetUp() override { Use({}); }

  void Use(const TinyModelOptions& options) {
    ranker_.reset();
    model_ = std::make_unique<TinyModel>(backend(), options);
    ranker_ = std::make_unique<const Ranker>(backend(), model_->view(), nullptr);
  }

  const Ranker& ranker() const { return *ranker_; }
  const ModelView& model() const { return ranker().model(); }
  Recommendation Ask(const RecommendQuery& query) { return Recommend(context(), ranker(), query); }

  /// Whether an item is in a user's stored history.
  bool Seen(int user, std::string_view item) const {
    const auto row = model().history.row(user);
    return std::binary_search(row.begin(), row.end(), model().items.Find(item));
  }

 private:
  std::unique_ptr<TinyModel> model_;
  std::unique_ptr<const Ranker> ranker_;
};
KINDRED_ON_ALL_BACKENDS(RecommenderTest);

std::vector<std::string> Ids(const Recommendation& result) {
  std::vector<std::string> ids;
  for (const ScoredItem& item : result.items) ids.emplace_back(item.item_id);
  return ids;
}

void ExpectSame(const Recommendation& a, const Recommendation& b) {
  EXPECT_EQ(Ids(a), Ids(b));
  for (size_t i = 0; i < a.items.size(); ++i) EXPECT_EQ(a.items[i].score, b.items[i].score) << i;
  EXPECT_EQ(a.served_by, b.served_by);
  EXPECT_EQ(a.why, b.why);
  EXPECT_EQ(a.unknown_history_items, b.unknown_history_items);
  ASSERT_EQ(a.shortfall.has_value(), b.shortfall.has_value());
  if (a.shortfall) {
    EXPECT_EQ(a.shortfall->reason, b.shortfall->reason);
  }
}

TEST_P(RecommenderTest, KnownUserGetsTheBestUnseenItemsOfTheStoredFactors) {
  const Recommendation result = Ask({"u5", {}, 4});
  EXPECT_EQ(result.served_by, ServedBy::kPersonal);
  EXPECT_EQ(result.why, "");
  ASSERT_EQ(result.items.size(), 4u);
  std::vector<std::pair<float, int32_t>> expected;
  for (int32_t item = 0; item < 30; ++item) {
    if (Seen(5, model().items.Id(item))) continue;
    double score = 0;
    for (int64_t k = 0; k < model().n_factors(); ++k)
      score += double{model().user_factors.row(5)[k]} * double{model().item_factors.row(item)[k]};
    expected.push_back({-static_cast<float>(score), item});
  }
  std::sort(expected.begin(), expected.end());
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(result.items[i].item_id, model().items.Id(expected[i].second));
    EXPECT_EQ(result.items[i].score, -expected[i].first);
  }
}

TEST_P(RecommenderTest, ProbabilitiesGoWithScoresByFactorsAndWithNoOthers) {
  for (const ScoredItem& item : Ask({"u5", {}, 4}).items) EXPECT_FALSE(item.probability) << "no calibration";
  TinyModelOptions calibrated;
  calibrated.calibrated = true;
  Use(calibrated);
  for (const RecommendQuery& query : {RecommendQuery{"u5", {}, 20}, {"u5", {{"i1", 1}}, 20}, {"", {{"i1", 1}}, 20}}) {
    const Recommendation found = Ask(query);
    ASSERT_FALSE(found.items.empty());
    for (const ScoredItem& item : found.items) {
      ASSERT_TRUE(item.probability);
      EXPECT_EQ(*item.probability, std::clamp(item.score, 0.0f, 1.0f));
    }
  }
  for (const ScoredItem& item : Ask({"", {}, 4}).items) EXPECT_FALSE(item.probability) << "popular";
  for (const ScoredItem& item : SimilarItems(context(), ranker(), "i0", 4).items) EXPECT_FALSE(item.probability);
}

TEST_P(RecommenderTest, UnsetNIsTen) {
  EXPECT_EQ(Ask({"u5", {}, {}}).items.size(), 10u);
}

TEST_P(RecommenderTest, NOutOfRangeIsRefusedByName) {
  for (int32_t n : {0, -1, 1001, 1'000'000'000, std::numeric_limits<int32_t>::min()}) {
    SCOPED_TRACE(n);
    ExpectError(ErrorCode::kInvalidArgument, "n: is " + std::to_string(n) + ", expected 1 to 1000", [&] {
      Ask({"u5", {}, n});
    });
    ExpectError(ErrorCode::kInvalidArgument, "n: is", [&] { SimilarItems(context(), ranker(), "i0", n); });
  }
  EXPECT_EQ(Ask({"u5", {}, 1}).items.size(), 1u);
  EXPECT_FALSE(Ask({"u5", {}, 1000}).items.empty());
}

TEST_P(RecommenderTest, StoredHistoryOfAnUnknownUserGivesTheStoredAnswer) {
  std::vector<HistoryEntry> history;
  const auto row = model().history.row(5);
  for (size_t i = 0; i < row.size(); ++i)
    history.push_back({model().items.Id(row[i]), model().history.row_values(5)[i]});
  const Recommendation folded = Ask({"stranger", history, 8});
  EXPECT_EQ(folded.served_by, ServedBy::kFoldedIn);
  EXPECT_THAT(folded.why, HasSubstr("unknown user 'stranger'"));
  const Recommendation stored = Ask({"u5", {}, 8});
  EXPECT_EQ(Ids(folded), Ids(stored));
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(folded.items[i].score, stored.items[i].score, 1e-5);
}

TEST_P(RecommenderTest, HistoryOfAKnownUserCountsTogetherWithTheStoredOne) {
  const std::string item = Ids(Ask({"u5", {}, 1}))[0];
  const Recommendation result = Ask({"u5", {{item, 2}}, 30});
  EXPECT_EQ(result.served_by, ServedBy::kFoldedIn);
  EXPECT_EQ(result.why, "user 'u5', with its stored history and 1 of 1 given entries");
  EXPECT_THAT(Ids(result), Not(testing::Contains(item)));
  for (const std::string& id : Ids(result)) EXPECT_FALSE(Seen(5, id)) << id;

  std::vector<HistoryEntry> together = {{item, 1}, {item, 1}};  // repeats add up
  const auto row = model().history.row(5);
  for (size_t i = 0; i < row.size(); ++i)
    together.push_back({model().items.Id(row[i]), model().history.row_values(5)[i]});
  const Recommendation alone = Ask({{}, together, 30});
  EXPECT_EQ(Ids(result), Ids(alone));
  for (size_t i = 0; i < result.items.size(); ++i) EXPECT_EQ(result.items[i].score, alone.items[i].score);
}

TEST_P(RecommenderTest, AModelOfRatingsAnswersWithExpectedRatings) {
  Use({.ratings = true});
  const Recommendation stored = Ask({"u5", {}, 8});
  EXPECT_EQ(stored.served_by, ServedBy::kPersonal);
  for (const ScoredItem& item : stored.items) {
    EXPECT_FALSE(Seen(5, item.item_id)) << "rated items are left out, liked or not";
    const int32_t index = model().items.Find(item.item_id);
    double rating = double{model().rating_mean} + model().user_biases[5] + model().item_biases[index];
    for (int64_t k = 0; k < model().n_factors(); ++k)
      rating += double{model().user_factors.row(5)[k]} * model().item_factors.row(index)[k];
    EXPECT_NEAR(item.score, rating, 1e-6);
  }

  std::vector<HistoryEntry> history;
  const auto row = model().history.row(5);
  for (size_t i = 0; i < row.size(); ++i)
    history.push_back({model().items.Id(row[i]), model().history.row_values(5)[i]});
  const Recommendation folded = Ask({"stranger", history, 8});
  EXPECT_EQ(folded.served_by, ServedBy::kFoldedIn);
  EXPECT_EQ(Ids(folded), Ids(stored));
  for (size_t i = 0; i < 8; ++i) EXPECT_NEAR(folded.items[i].score, stored.items[i].score, 1e-5);
  // Without ratings it is the mean and popularity that count, not biases.
  EXPECT_EQ(Ask({"stranger", {}, 3}).served_by, ServedBy::kPopular);
}

TEST_P(RecommenderTest, TheLastRatingOfAnItemCounts) {
  Use({.ratings = true});
  const auto row = model().history.row(5);
  const std::string_view first = model().items.Id(row[0]);
  const Recommendation again = Ask({"u5", {{first, 1}, {first, 4}}, 30});
  std::vector<HistoryEntry> history = {{first, 4}};
  for (size_t i = 1; i < row.size(); ++i)
    history.push_back({model().items.Id(row[i]), model().history.row_values(5)[i]});
  const Recommendation alone = Ask({{}, history, 30});
  EXPECT_EQ(Ids(again), Ids(alone));
  for (size_t i = 0; i < again.items.size(); ++i) EXPECT_EQ(again.items[i].score, alone.items[i].score);
}

TEST_P(RecommenderTest, RatingsOfARequestAreChecked) {
  Use({.ratings = true});
  const auto refused = [&](const std::string& part, std::optional<float> value) {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { Ask({"u5", {{"i1", 2}, {"i2", value}}, 5}); });
  };
  refused("history[1].value: is not set, expected the rating", std::nullopt);
  refused("history[1].value: is nan, expected a rating from -1e+09 to 1e+09", NAN);
  refused("history[1].value: is -2000000000", -2e9f);
  refused("history[1].value: is inf", INFINITY);
  for (const float value : {0.0f, -1.0f, 2.5f, -1e9f}) Ask({"u5", {{"i1", value}}, 5});
}

TEST_P(RecommenderTest, WithNothingKnownTheAnswerIsPopularAndSaysWhy) {
  const Recommendation nobody = Ask({{}, {}, 5});
  EXPECT_EQ(nobody.served_by, ServedBy::kPopular);
  EXPECT_EQ(nobody.why, "no user and no history");
  for (size_t i = 0; i < nobody.items.size(); ++i) {
    EXPECT_EQ(nobody.items[i].score, model().popularity[model().items.Find(nobody.items[i].item_id)]);
    EXPECT_LE(nobody.items[i].score, nobody.items[i > 0 ? i - 1 : 0].score);
  }

  const Recommendation stranger = Ask({"stranger", {}, 5});
  EXPECT_EQ(stranger.why, "unknown user 'stranger' and no history");
  EXPECT_EQ(Ids(stranger), Ids(nobody));

  const Recommendation lost = Ask({"stranger", {{"x", 1}, {"y", 1}, {"x", 3}}, 5});
  EXPECT_EQ(lost.served_by, ServedBy::kPopular);
  EXPECT_THAT(lost.why, HasSubstr("no item of the history is known"));
  EXPECT_THAT(lost.unknown_history_items, testing::ElementsAre("x", "y"));

  const Recommendation empty_user = Ask({"u0", {}, 5});
  EXPECT_EQ(empty_user.served_by, ServedBy::kPopular);
  EXPECT_EQ(empty_user.why, "user 'u0' has no history in the model");
}

TEST_P(RecommenderTest, AUserWithoutAHistoryIsAnsweredByAttributes) {
  Use({.by_attributes = true});
  const Recommendation result = Ask({"u0", {}, 5});
  EXPECT_EQ(result.served_by, ServedBy::kPersonal);
  EXPECT_EQ(result.why, "user 'u0' has no history in the model: answered by attributes");
  ASSERT_EQ(result.items.size(), 5u);
  double score = 0;
  const int32_t first = model().items.Find(result.items[0].item_id);
  for (int64_t k = 0; k < model().n_factors(); ++k)
    score += double{model().user_factors.row(2)[k]} * model().item_factors.row(first)[k];
  EXPECT_EQ(result.items[0].score, static_cast<float>(score));
  EXPECT_EQ(Ask({"u5", {}, 5}).why, "");
  EXPECT_EQ(Ask({"u0", {{"x", 1}}, 5}).served_by, ServedBy::kPersonal) << "the given item is not known";
  EXPECT_EQ(Ask({"u0", {{"i3", 1}}, 5}).served_by, ServedBy::kFoldedIn);
  EXPECT_EQ(Ask({"stranger", {}, 5}).served_by, ServedBy::kPopular);
}

TEST_P(RecommenderTest, UnknownHistoryItemsAreReportedBesideAPersonalAnswer) {
  const Recommendation result = Ask({"u5", {{"x", 1}}, 5});
  EXPECT_EQ(result.served_by, ServedBy::kPersonal);
  EXPECT_THAT(result.unknown_history_items, testing::ElementsAre("x"));
}

TEST_P(RecommenderTest, FewerThanAskedForComesWithAReason) {
  const Recommendation result = Ask({"u5", {}, 30});
  const size_t seen = model().history.row(5).size();
  EXPECT_EQ(result.items.size(), 30 - seen);
  ASSERT_TRUE(result.shortfall.has_value());
  EXPECT_EQ(result.shortfall->requested, 30);
  EXPECT_EQ(result.shortfall->returned, static_cast<int32_t>(30 - seen));
  EXPECT_EQ(result.shortfall->reason,
            "the model has 30 items, and " + std::to_string(seen) + " of them are in the user's history");
  for (const std::string& id : Ids(result)) EXPECT_FALSE(Seen(5, id)) << id;

  const Recommendation everything_seen = Ask({"u1", {}, 3});
  EXPECT_THAT(everything_seen.items, IsEmpty());
  ASSERT_TRUE(everything_seen.shortfall.has_value());
  EXPECT_EQ(everything_seen.shortfall->returned, 0);
}

TEST_P(RecommenderTest, BadHistoryIsRefusedByName) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  for (float value : {0.0f, -1.0f, nan, infinity, 2e9f}) {
    SCOPED_TRACE(value);
    ExpectError(ErrorCode::kInvalidArgument, "history[1].value: is ", [&] {
      Ask({{}, {{"i1", 1}, {"i2", value}}, 5});
    });
  }
  ExpectError(ErrorCode::kInvalidArgument, "history[0].item_id: is empty", [&] { Ask({{}, {{"", 1}}, 5}); });
  const std::vector<HistoryEntry> long_history(10001, {"i1", 1});
  ExpectError(ErrorCode::kInvalidArgument, "history: has 10001 entries, expected at most 10000", [&] {
    Ask({{}, long_history, 5});
  });
}

TEST_P(RecommenderTest, TheLargestValuesFoldIn) {
  std::vector<HistoryEntry> history(5000, {"i1", kMaxHistoryValue});
  history.push_back({"i2", std::numeric_limits<float>::denorm_min()});
  const RecommendQuery queries[] = {{{}, history, 5}, {"u5", {}, 5}};
  const auto outcomes = RecommendAll(context(), ranker(), queries);
  EXPECT_EQ(std::get<Recommendation>(outcomes[0]).items.size(), 5u);
  ExpectSame(std::get<Recommendation>(outcomes[1]), Ask({"u5", {}, 5}));
}

TEST_P(RecommenderTest, ABatchGivesTheAnswersOfSingleCalls) {
  std::vector<RecommendQuery> queries;
  for (int i = 0; i < 33; ++i) {
    const std::string_view user = model().users.Id(i);
    queries.push_back({user, {}, i % 7 + 1});
    queries.push_back({user, {{model().items.Id(i % 30), 2}, {"x", 1}}, i + 1});
    queries.push_back({"stranger", {{model().items.Id(i % 30), 1}, {model().items.Id(i * 7 % 30), 3}}, {}});
    queries.push_back({"stranger", {}, i + 1});
    queries.push_back({user, {}, i == 3 ? 0 : 1000});
    queries.push_back({user, {{"i1", i == 4 ? -1.0f : 1.0f}}, 5});
  }
  const auto outcomes = RecommendAll(context(), ranker(), queries);
  ASSERT_EQ(outcomes.size(), queries.size());
  for (size_t i = 0; i < queries.size(); ++i) {
    SCOPED_TRACE(i);
    const auto single = RecommendAll(context(), ranker(), {&queries[i], 1});
    ASSERT_EQ(outcomes[i].index(), single[0].index());
    if (const auto* error = std::get_if<Error>(&outcomes[i]))
      EXPECT_STREQ(error->what(), std::get<Error>(single[0]).what());
    else
      ExpectSame(std::get<Recommendation>(outcomes[i]), std::get<Recommendation>(single[0]));
  }
}

TEST_P(RecommenderTest, AnEmptyBatchIsEmpty) {
  EXPECT_THAT(RecommendAll(context(), ranker(), {}), IsEmpty());
}

TEST_P(RecommenderTest, APopularityModelAnswersPopularWithoutWhatWasSeen) {
  Use({.algorithm = "popularity"});
  const Recommendation result = Ask({"u5", {{"i3", 1}}, 30});
  EXPECT_EQ(result.served_by, ServedBy::kPopular);
  EXPECT_EQ(result.why, "the model ranks by popularity");
  EXPECT_THAT(Ids(result), Not(testing::Contains("i3")));
  for (const std::string& id : Ids(result)) EXPECT_FALSE(Seen(5, id)) << id;

  const Recommendation similar = SimilarItems(context(), ranker(), "i3", 30);
  EXPECT_EQ(similar.served_by, ServedBy::kPopular);
  EXPECT_EQ(similar.items.size(), 29u);
  EXPECT_THAT(Ids(similar), Not(testing::Contains("i3")));
}

TEST_P(RecommenderTest, AModelOfListsAnswersPopularWithTheListOfTheGroup) {
  Use({.algorithm = "popular"});
  // User 0 has no history and is of no group, user 2 of the second, user 3 of none; i0, i1 and i2 begin the lists.
  const auto expect = [&](const RecommendQuery& query, const char* why, int first) {
    const Recommendation result = Ask(query);
    EXPECT_EQ(result.served_by, ServedBy::kPopular);
    EXPECT_EQ(result.why, why);
    std::vector<std::string> expected;
    const int user = model().users.Find(query.user_id);
    for (int i = 0; i < 30 && expected.size() < 4; ++i) {
      const std::string id = "i" + std::to_string((first + i) % 30);
      const bool given =
          std::ranges::any_of(query.history, [&](const HistoryEntry& entry) { return entry.item_id == id; });
      if (!given && (user < 0 || !Seen(user, id))) expected.push_back(id);
    }
    EXPECT_EQ(Ids(result), expected);
    EXPECT_EQ(result.items[0].probability, std::nullopt);
  };
  expect({"u0", {}, 4},
         "what is popular with all users: user 'u0' is in no group by country that has a list of its own", 0);
  expect({"u2", {}, 4}, "what is popular with users whose country is 'FR'", 2);
  expect({"u4", {}, 4}, "what is popular with users whose country is 'DE'", 1);
  expect({"u4", {{"i1", 1}, {"i2", 5}, {"nowhere", 1}}, 4}, "what is popular with users whose country is 'DE'", 1);
  expect({"stranger", {}, 4}, "what is popular with all users: unknown user 'stranger'", 0);
  expect({"stranger", {{"i0", 1}}, 4}, "what is popular with all users: unknown user 'stranger'", 0);
  expect({"", {{"i0", 1}}, 4}, "what is popular with all users: no user", 0);
  EXPECT_EQ(Ask({"u4", {{"nowhere", 1}}, 4}).unknown_history_items.size(), 1u);
  ASSERT_TRUE(Ask({"u1", {}, 4}).shortfall.has_value()) << "who has every item";

  const std::vector<RecommendQuery> queries = {{"u2", {}, 3}, {"stranger", {}, 5}, {"u4", {}, 1}};
  const auto outcomes = RecommendAll(context(), ranker(), queries);
  for (size_t i = 0; i < queries.size(); ++i)
    ExpectSame(std::get<Recommendation>(outcomes[i]), Recommend(context(), ranker(), queries[i]));

  const Recommendation similar = SimilarItems(context(), ranker(), "i0", 2);
  EXPECT_EQ(similar.served_by, ServedBy::kPopular);
  EXPECT_EQ(similar.why, "the model's lists ('popular') compare no items: this is the list of all users");
  EXPECT_THAT(Ids(similar), testing::ElementsAre("i1", "i2"));
}

TEST_P(RecommenderTest, SimilarItemsAreThoseOfTheSameDirection) {
  const Recommendation result = SimilarItems(context(), ranker(), "i3", 5);
  EXPECT_EQ(result.served_by, ServedBy::kSimilar);
  ASSERT_EQ(result.items.size(), 5u);
  EXPECT_FALSE(result.shortfall.has_value());
  EXPECT_THAT(Ids(result), Not(testing::Contains("i3")));
  const auto cosine = [&](int32_t a, int32_t b) {
    double product = 0, a_squared = 0, b_squared = 0;
    for (int64_t k = 0; k < model().n_factors(); ++k) {
      const double x = model().item_factors.row(a)[k], y = model().item_factors.row(b)[k];
      product += x * y, a_squared += x * x, b_squared += y * y;
    }
    return product / std::sqrt(a_squared * b_squared);
  };
  for (const ScoredItem& item : result.items)
    EXPECT_NEAR(item.score, cosine(3, model().items.Find(item.item_id)), 1e-5);
  const Recommendation all = SimilarItems(context(), ranker(), "i3", 30);
  ASSERT_TRUE(all.shortfall.has_value());
  EXPECT_EQ(all.shortfall->returned, 29);
  ExpectError(ErrorCode::kNotFound, "item_id: the model has no item 'x'",
              [&] { SimilarItems(context(), ranker(), "x", 5); });
  ExpectError(ErrorCode::kInvalidArgument, "item_id: is empty", [&] { SimilarItems(context(), ranker(), "", 5); });
}

TEST_P(RecommenderTest, OneItemAndOneUser) {
  Use({.n_users = 2, .n_items = 1, .n_factors = 1});
  EXPECT_EQ(Ask({"u0", {}, 10}).items.size(), 1u);
  EXPECT_THAT(Ask({"u1", {}, 10}).items, IsEmpty());
  EXPECT_THAT(Ask({{}, {{"i0", 1}}, 10}).items, IsEmpty());
  EXPECT_THAT(SimilarItems(context(), ranker(), "i0", 10).items, IsEmpty());
}

TEST(CheckServable, NamesAnItemIdThatIsNotUtf8) {
  IdMapBuilder items;
  items.Intern("caf\xc3\xa9");
  ModelView model;
  model.history.n_cols = 1;
  model.items = items.view();
  CheckServable(model);
  items.Intern("caf\xe9");
  model.items = items.view();
  model.history.n_cols = 2;
  ExpectError(ErrorCode::kUnsupported, "item 1: its id 'caf\\xe9' is not UTF-8", [&] { CheckServable(model); });
}

}  // namespace
}  // namespace kindred
