#include "serving/ranked_users.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "kernels/cpu/backend.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"

namespace kindred {
namespace {

class RankedUsersTest : public testing::Test {
 protected:
  RankedUsersTest() { Use({}); }

  void Use(const TinyModelOptions& options) {
    ranker_.reset();
    model_ = std::make_unique<TinyModel>(backend_, options);
    ranker_ = std::make_unique<const Ranker>(backend_, model_->view(), nullptr);
  }

  const ModelView& model() const { return ranker_->model(); }
  RankedUsers Like(std::string_view user, std::optional<int32_t> n = {}) {
    return SimilarUsers(*context_, *ranker_, user, n);
  }
  RankedUsers For(const UsersForItemQuery& query) { return UsersForItem(*context_, *ranker_, query); }

  CpuBackend backend_{1};
  std::unique_ptr<Context> context_ = backend_.NewContext(1);
  std::unique_ptr<TinyModel> model_;
  std::unique_ptr<const Ranker> ranker_;
};

std::vector<std::string_view> Ids(const RankedUsers& list) {
  std::vector<std::string_view> ids;
  for (const ScoredUser& user : list.users) ids.push_back(user.user_id);
  return ids;
}

TEST_F(RankedUsersTest, AnItemsUsersHaveTheScoresThatRecommendGivesThem) {
  TinyModelOptions rated, calibrated;
  rated.ratings = calibrated.calibrated = true;
  for (const TinyModelOptions& options : {TinyModelOptions(), rated, calibrated}) {
    Use(options);
    const RankedUsers list = For({"i3", 1000});
    std::set<std::string_view> listed;
    for (size_t place = 0; place < list.users.size(); ++place) {
      const ScoredUser& user = list.users[place];
      listed.insert(user.user_id);
      EXPECT_LE(user.score, list.users[place > 0 ? place - 1 : 0].score);
      const Recommendation own = Recommend(*context_, *ranker_, {user.user_id, {}, 1000});
      const auto item = std::ranges::find(own.items, "i3", &ScoredItem::item_id);
      ASSERT_NE(item, own.items.end()) << user.user_id;
      EXPECT_EQ(user.score, item->score);
      EXPECT_EQ(user.probability, item->probability);
      EXPECT_EQ(user.probability.has_value(), options.calibrated);
    }
    for (int64_t user = 0; user < model().n_users(); ++user) {
      const bool has_it = std::ranges::binary_search(model().history.row(user), 3);
      EXPECT_EQ(listed.contains(model().users.Id(user)), model().Knows(user) && !has_it) << user;
    }
    ASSERT_TRUE(list.shortfall);
    EXPECT_EQ(list.shortfall->requested, 1000);
    EXPECT_EQ(list.shortfall->returned, std::ssize(list.users));
    EXPECT_EQ(list.shortfall->reason, "the model knows no other user who does not have the item");
    EXPECT_EQ(For({"i3", {}}).users.size(), 10u);
    EXPECT_FALSE(For({"i3", 1}).shortfall);
  }
}

TEST_F(RankedUsersTest, WhoHasTheItemIsListedWhereAskedFor) {
  const RankedUsers all = For({"i3", 1000, true});
  EXPECT_EQ(all.users.size(), 39u) << "all but user 0, who has no history";
  EXPECT_THAT(Ids(all), testing::Contains("u1"));
  EXPECT_THAT(Ids(For({"i3", 1000})), testing::Not(testing::Contains("u1")));
  EXPECT_EQ(all.shortfall->reason, "the model knows no other user");
}

TEST_F(RankedUsersTest, SimilarUsersByFactorsOrByHistories) {
  const RankedUsers by_factors = Like("u5", 1000);
  EXPECT_EQ(by_factors.users.size(), 38u);
  EXPECT_EQ(by_factors.why, "");
  EXPECT_THAT(Ids(by_factors), testing::Not(testing::Contains("u5")));
  EXPECT_EQ(by_factors.shortfall->reason, "the model knows no other user");
  EXPECT_EQ(Like("u5").users.size(), 10u);

  for (const char* algorithm : {"popularity", "popular"}) {
    Use({.algorithm = algorithm, .n_users = 60, .n_items = 90, .max_history = 3});
    const RankedUsers by_histories = Like("u5", 1000);
    EXPECT_NE(by_histories.why, "");
    ASSERT_FALSE(by_histories.users.empty());
    for (const ScoredUser& user : by_histories.users) EXPECT_GT(user.score, 0);
    EXPECT_EQ(by_histories.shortfall->reason, "no other user has an item in common with this one");
    EXPECT_LT(by_histories.users.size(), 59u);
  }
}

TEST_F(RankedUsersTest, AUserWithoutAHistoryIsLikeNobody) {
  const RankedUsers list = Like("u0", 3);
  EXPECT_TRUE(list.users.empty());
  EXPECT_EQ(list.shortfall->requested, 3);
  EXPECT_EQ(list.shortfall->reason, "user 'u0' has no history in the model");
  Use({.by_attributes = true});
  EXPECT_EQ(Ids(Like("u0", 1)), std::vector<std::string_view>{"u2"}) << "whose factors are the same";
}

TEST_F(RankedUsersTest, WhatCannotBeAnsweredIsRefusedByName) {
  for (const int32_t n : {0, -1, 1001, std::numeric_limits<int32_t>::min()}) {
    const std::string message = "n: is " + std::to_string(n) + ", expected 1 to 1000";
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { Like("u5", n); });
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { For({"i3", n}); });
  }
  ExpectError(ErrorCode::kInvalidArgument, "user_id: is empty", [&] { Like(""); });
  ExpectError(ErrorCode::kNotFound, "user_id: the model has no user 'x'", [&] { Like("x"); });
  ExpectError(ErrorCode::kInvalidArgument, "item_id: is empty", [&] { For({}); });
  ExpectError(ErrorCode::kNotFound, "item_id: the model has no item 'x'", [&] { For({"x"}); });
  for (const char* algorithm : {"popularity", "popular"}) {
    Use({.algorithm = algorithm});
    ExpectError(ErrorCode::kUnsupported, "of the algorithm '" + std::string(algorithm), [&] { For({"i3"}); });
  }
}

TEST_F(RankedUsersTest, AnIdThatNoReplyCanHaveIsRefused) {
  SmallModel small(1);
  small.users.Intern("caf\xe9");
  small.history = {2, 7, {0, 2, 4}, {0, 1, 0, 2}, {1, 1, 1, 1}};
  small.user_factors.assign(6, 1);
  const Ranker ranker(backend_, small.view(), nullptr);
  ExpectError(ErrorCode::kUnsupported, "user 1: its id 'caf\\xe9' is not UTF-8",
              [&] { SimilarUsers(*context_, ranker, "u0", {}); });
}

TEST_F(RankedUsersTest, OneUserAndOneItem) {
  Use({.n_users = 2, .n_items = 1, .n_factors = 1});
  EXPECT_TRUE(Like("u1").users.empty());
  EXPECT_TRUE(For({"i0"}).users.empty());
  EXPECT_EQ(Ids(For({"i0", 5, true})), std::vector<std::string_view>{"u1"});
  Use({.n_users = 1, .n_items = 1, .n_factors = 1});
  EXPECT_TRUE(For({"i0", 5, true}).users.empty());
}

}  // namespace
}  // namespace kindred
