// Pages of a list, and cursors of every kind of harm.
#include "serving/paging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kernels/cpu/backend.h"
#include "serving/cursor.h"
#include "serving/handlers.h"
#include "tests/serving/tiny_model.h"

namespace kindred {
namespace {

using testing::HasSubstr;

class PagingTest : public testing::Test {
 protected:
  PagingTest() : failover_(Chosen(std::make_unique<CpuBackend>(1)), 1), context_(failover_.NewContext()) { Use({}); }

  void Use(const TinyModelOptions& options) {
    served_.reset();
    model_ = std::make_unique<TinyModel>(backend_, options);
    served_ = model_->Serve(failover_);
    served_->digest = "of the first";
  }

  grpc::Status Ask(const v1::RecommendRequest& request, v1::RecommendReply* reply) {
    reply->Clear();
    return HandleRecommend(*context_, served_.get(), request, reply);
  }
  v1::RecommendReply Answer(const v1::RecommendRequest& request) {
    v1::RecommendReply reply;
    const grpc::Status status = Ask(request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }
  void ExpectRefused(const v1::RecommendRequest& request, grpc::StatusCode code, const std::string& message) {
    v1::RecommendReply reply;
    const grpc::Status status = Ask(request, &reply);
    EXPECT_EQ(status.error_code(), code) << request.cursor();
    EXPECT_THAT(status.error_message(), HasSubstr(message)) << request.cursor();
    v1::BatchRecommendRequest batch;
    v1::BatchRecommendReply replies;
    batch.add_requests()->set_user_id("u6");
    *batch.add_requests() = request;
    ASSERT_TRUE(HandleBatchRecommend(*context_, served_.get(), batch, &replies).ok());
    EXPECT_TRUE(replies.results(0).has_reply());
    EXPECT_EQ(replies.results(1).error().code(), code);
    EXPECT_EQ(replies.results(1).error().message(), status.error_message());
  }

  CpuBackend backend_{1};
  Failover failover_;
  std::unique_ptr<CallContext> context_;
  std::unique_ptr<TinyModel> model_;
  std::unique_ptr<ServedModel> served_;
};

v1::RecommendRequest Request(const std::string& user, int32_t n) {
  v1::RecommendRequest request;
  request.set_user_id(user);
  request.set_n(n);
  return request;
}

/// A personal one, one that is folded in, and one of what is popular.
std::vector<v1::RecommendRequest> EveryKind() {
  std::vector<v1::RecommendRequest> requests = {Request("u5", 1000), Request("u5", 1000), Request("", 1000)};
  requests[1].add_history()->set_item_id("i2");
  return requests;
}

TEST_F(PagingTest, AllPagesTogetherAreTheList) {
  for (const char* algorithm : {"als", "popular", "popularity"}) {
    Use({.algorithm = algorithm});
    for (const v1::RecommendRequest& whole : EveryKind()) {
      const v1::RecommendReply list = Answer(whole);
      EXPECT_EQ(list.next_cursor(), "") << "the list ends";
      for (const int32_t n : {1, 7, 22, 30}) {
        SCOPED_TRACE(std::string(algorithm) + ", " + std::to_string(n) + " a page");
        v1::RecommendRequest request = whole;
        v1::RecommendReply pages;
        for (int page = 0; page < 40; ++page) {
          request.set_n(n + page % 2);  // pages need not be alike
          const v1::RecommendReply reply = Answer(request);
          EXPECT_EQ(reply.served_by(), list.served_by());
          pages.mutable_items()->MergeFrom(reply.items());
          EXPECT_EQ(reply.next_cursor().empty(), reply.has_shortfall());
          request.set_cursor(reply.next_cursor());
          if (reply.next_cursor().empty()) break;
        }
        ASSERT_EQ(pages.items_size(), list.items_size());
        for (int i = 0; i < list.items_size(); ++i)
          EXPECT_EQ(pages.items(i).SerializeAsString(), list.items(i).SerializeAsString()) << i;
      }
    }
  }
}

TEST_F(PagingTest, ThePageAfterTheLastSaysWhyItIsEmpty) {
  const int seen = static_cast<int>(model_->view().history.row(5).size());
  v1::RecommendRequest request = Request("u5", 30 - seen);
  request.set_cursor(Answer(request).next_cursor());
  const v1::RecommendReply reply = Answer(request);
  EXPECT_EQ(reply.items_size(), 0);
  EXPECT_EQ(reply.shortfall().reason(), "the model has 30 items, and " + std::to_string(seen) +
                                            " of them are in the user's history, " + std::to_string(30 - seen) +
                                            " on earlier pages");
}

TEST_F(PagingTest, PagesInABatchAreThoseOfSingleCalls) {
  v1::BatchRecommendRequest batch;
  for (const v1::RecommendRequest& whole : EveryKind())
    for (const int32_t n : {3, 5}) {
      v1::RecommendRequest request = whole;
      request.set_n(n);
      *batch.add_requests() = request;
      request.set_cursor(Answer(request).next_cursor());
      *batch.add_requests() = request;
    }
  v1::BatchRecommendReply replies;
  ASSERT_TRUE(HandleBatchRecommend(*context_, served_.get(), batch, &replies).ok());
  for (int i = 0; i < batch.requests_size(); ++i)
    EXPECT_EQ(replies.results(i).reply().SerializeAsString(), Answer(batch.requests(i)).SerializeAsString()) << i;
}

TEST_F(PagingTest, ListsEndAtTheirLastPlace) {
  Use({.algorithm = "popularity", .n_users = 2, .n_items = kMaxDepth + 5, .max_history = 1});
  v1::RecommendRequest request = Request("", 999);
  std::set<std::string> ids;
  v1::RecommendReply reply;
  for (int page = 0; page < 11; ++page) {
    reply = Answer(request);
    for (const v1::ScoredItem& item : reply.items()) EXPECT_TRUE(ids.insert(item.item_id()).second);
    request.set_cursor(reply.next_cursor());
  }
  EXPECT_EQ(ids.size(), size_t{kMaxDepth});
  EXPECT_EQ(reply.items_size(), 10);
  EXPECT_EQ(reply.next_cursor(), "");
  EXPECT_EQ(reply.shortfall().requested(), 999);
  EXPECT_EQ(reply.shortfall().reason(), "lists end at place 10000");

  request = Request("", 1000);
  for (int page = 0; page < 10; ++page) {
    reply = Answer(request);
    EXPECT_FALSE(reply.has_shortfall());
    EXPECT_EQ(reply.next_cursor().empty(), page == 9);
    request.set_cursor(reply.next_cursor());
  }
}

TEST_F(PagingTest, ACursorIsOfOneVersionAndOneRequest) {
  const v1::RecommendRequest first = Request("u5", 4);
  v1::RecommendRequest request = first;
  request.set_cursor(Answer(first).next_cursor());
  request.set_explain_cost(true);
  request.set_n(9);
  EXPECT_EQ(Answer(request).items_size(), 9);

  v1::RecommendRequest other = request;
  other.set_user_id("u6");
  ExpectRefused(other, grpc::StatusCode::INVALID_ARGUMENT, "cursor: is of another request");
  other = request;
  other.add_history()->set_item_id("i2");
  ExpectRefused(other, grpc::StatusCode::INVALID_ARGUMENT, "cursor: is of another request");

  served_->version = 8;
  ExpectRefused(request, grpc::StatusCode::FAILED_PRECONDITION,
                "cursor: is of version 7 of a model, and version 8 of 'tiny' is served now");
  served_->version = 7;
  served_->digest = "of the second";
  ExpectRefused(request, grpc::StatusCode::FAILED_PRECONDITION, "cursor: is of version 7");
  served_->digest = "of the first";
  served_->name = "other";
  ExpectRefused(request, grpc::StatusCode::FAILED_PRECONDITION, "version 7 of 'other' is served now");
  served_->name = "tiny";
  EXPECT_EQ(Answer(request).items_size(), 9);
}

TEST_F(PagingTest, WhatIsNoCursorIsRefused) {
  const std::string good = Answer(Request("u5", 4)).next_cursor();
  const auto expect_none = [&](const std::string& text) {
    v1::RecommendRequest request = Request("u5", 4);
    request.set_cursor(text);
    v1::RecommendReply reply;
    const grpc::Status status = Ask(request, &reply);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << text;
    EXPECT_THAT(status.error_message(), HasSubstr("cursor: is none")) << text;
  };
  for (const std::string& text : {std::string("x"), std::string(80, '0'), std::string(80, 'f'), good + "0",
                                  good.substr(1), " " + good.substr(1), std::string(1 << 20, '0')})
    expect_none(text);
}

}  // namespace
}  // namespace kindred
