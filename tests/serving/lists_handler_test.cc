// Lists of users, what is popular, and what answers took, as replies.
#include <gmock/gmock.h>

#include "kernels/cpu/backend.h"
#include "serving/handlers.h"
#include "serving/ranked_users.h"
#include "tests/serving/tiny_model.h"

namespace kindred {
namespace {

class ListsHandlerTest : public testing::Test {
 protected:
  ListsHandlerTest() : failover_(Chosen(std::make_unique<CpuBackend>(1)), 1), context_(failover_.NewContext()) {
    Use({.calibrated = true});
  }

  void Use(const TinyModelOptions& options) {
    served_.reset();
    model_ = std::make_unique<TinyModel>(backend_, options);
    served_ = model_->Serve(failover_);
  }

  CpuBackend backend_{1};
  Failover failover_;
  std::unique_ptr<CallContext> context_;
  std::unique_ptr<TinyModel> model_;
  std::unique_ptr<ServedModel> served_;
};

TEST_F(ListsHandlerTest, UsersForAnItem) {
  v1::UsersForItemRequest request;
  v1::UsersForItemReply reply;
  request.set_item_id("i3");
  request.set_n(1000);
  ASSERT_TRUE(HandleUsersForItem(*context_, served_.get(), request, &reply).ok());
  EXPECT_EQ(reply.model().name(), "tiny");
  EXPECT_EQ(reply.model().version(), 7);
  const RankedUsers expected = served_->ranker->Ask(*context_, [](Context& context, const Ranker& ranker) {
    return UsersForItem(context, ranker, {"i3", 1000});
  });
  ASSERT_EQ(reply.users_size(), std::ssize(expected.users));
  for (int i = 0; i < reply.users_size(); ++i) {
    const ScoredUser& user = expected.users[static_cast<size_t>(i)];
    EXPECT_EQ(reply.users(i).user_id(), user.user_id);
    EXPECT_EQ(reply.users(i).score(), user.score);
    EXPECT_EQ(reply.users(i).probability(), *user.probability);
  }
  EXPECT_EQ(reply.shortfall().returned(), reply.users_size());
  request.set_include_users_with_item(true);
  reply.Clear();
  ASSERT_TRUE(HandleUsersForItem(*context_, served_.get(), request, &reply).ok());
  EXPECT_EQ(reply.users_size(), 39);
  request.set_item_id("x");
  EXPECT_EQ(HandleUsersForItem(*context_, served_.get(), request, &reply).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(HandleUsersForItem(*context_, nullptr, request, &reply).error_code(), grpc::StatusCode::UNAVAILABLE);
  Use({.algorithm = "popular"});
  request.set_item_id("i3");
  EXPECT_EQ(HandleUsersForItem(*context_, served_.get(), request, &reply).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(ListsHandlerTest, SimilarUsers) {
  v1::SimilarUsersRequest request;
  v1::SimilarUsersReply reply;
  request.set_user_id("u5");
  ASSERT_TRUE(HandleSimilarUsers(*context_, served_.get(), request, &reply).ok());
  EXPECT_EQ(reply.users_size(), 10);
  EXPECT_EQ(reply.why(), "");
  EXPECT_FALSE(reply.users(0).has_probability());
  EXPECT_FALSE(reply.has_shortfall());
  EXPECT_EQ(reply.model().version(), 7);
  request.set_user_id("x");
  EXPECT_EQ(HandleSimilarUsers(*context_, served_.get(), request, &reply).error_code(), grpc::StatusCode::NOT_FOUND);
  Use({.algorithm = "popularity"});
  request.set_user_id("u0");
  reply.Clear();
  ASSERT_TRUE(HandleSimilarUsers(*context_, served_.get(), request, &reply).ok());
  EXPECT_THAT(reply.why(), testing::HasSubstr("by the cosine of histories"));
  EXPECT_EQ(reply.users_size(), 0);
  EXPECT_EQ(reply.shortfall().reason(), "user 'u0' has no history in the model");
}

TEST_F(ListsHandlerTest, WhatIsPopular) {
  v1::GetPopularRequest request;
  v1::GetPopularReply reply;
  const auto ask = [&] {
    reply.Clear();
    return HandleGetPopular(*context_, served_.get(), request, &reply);
  };
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(reply.served_by(), v1::POPULAR);
  EXPECT_EQ(reply.why(), "by the number of users who have an item in their history");
  EXPECT_EQ(reply.group_attribute(), "");
  EXPECT_EQ(reply.groups_size(), 0);
  ASSERT_EQ(reply.items_size(), 10);
  for (int i = 0; i < 10; ++i) {
    const int32_t item = model_->view().items.Find(reply.items(i).item_id());
    EXPECT_EQ(reply.items(i).score(), model_->view().popularity[static_cast<size_t>(item)]);
    EXPECT_LE(reply.items(i).score(), reply.items(i > 0 ? i - 1 : 0).score());
    EXPECT_FALSE(reply.items(i).has_probability());
  }
  request.set_n(31);
  ASSERT_TRUE(ask().ok());
  EXPECT_EQ(reply.shortfall().reason(), "the model has 30 items");
  request.set_n(1001);
  EXPECT_EQ(ask().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.set_n(4);
  request.set_group("DE");
  EXPECT_EQ(ask().error_message(), "group: the model has no lists of groups");

  Use({.algorithm = "popular"});
  const std::pair<const char*, int> lists[] = {{"", 0}, {"DE", 1}, {"FR", 2}};
  for (const auto& [group, first] : lists) {
    request.set_group(group);
    ASSERT_TRUE(ask().ok());
    ASSERT_EQ(reply.items_size(), 4);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(reply.items(i).item_id(), "i" + std::to_string(first + i));
    EXPECT_EQ(reply.why(), first == 0 ? "what is popular with all users"
                                      : "what is popular with users whose country is '" + std::string(group) + "'");
    EXPECT_EQ(reply.group_attribute(), "country");
    EXPECT_THAT(reply.groups(), testing::ElementsAre("DE", "FR"));
  }
  request.set_group("XX");
  const grpc::Status status = ask();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "group: users whose country is 'XX' have no list of their own");
}

TEST_F(ListsHandlerTest, WhatAnswersTook) {
  v1::BatchRecommendRequest batch;
  for (const char* user : {"u5", "u6", "", "u7"}) batch.add_requests()->set_user_id(user);
  batch.mutable_requests(3)->add_history()->set_item_id("i2");
  for (int i : {0, 2, 3}) batch.mutable_requests(i)->set_explain_cost(true);
  v1::BatchRecommendReply replies;
  ASSERT_TRUE(HandleBatchRecommend(*context_, served_.get(), batch, &replies).ok());
  for (int i = 0; i < 4; ++i) {
    v1::RecommendReply alone;
    ASSERT_TRUE(HandleRecommend(*context_, served_.get(), batch.requests(i), &alone).ok());
    for (const v1::RecommendReply& reply : {alone, replies.results(i).reply()}) {
      ASSERT_EQ(reply.has_cost(), i != 1);
      if (i == 1) continue;
      EXPECT_EQ(reply.cost().items(), 30);
      EXPECT_EQ(reply.cost().scanned() + reply.cost().pruned(), 30);
      EXPECT_GE(reply.cost().scanned(), 0);
      EXPECT_GE(reply.cost().pruned(), 0);
      EXPECT_GE(reply.cost().rescored(), reply.items_size());
      EXPECT_EQ(reply.cost().selectivity(), 1);
      EXPECT_GT(reply.cost().microseconds(), 0);
    }
    alone.clear_cost();
    replies.mutable_results(i)->mutable_reply()->clear_cost();
    EXPECT_EQ(alone.SerializeAsString(), replies.results(i).reply().SerializeAsString());
  }
}

}  // namespace
}  // namespace kindred
