// Rules in messages: as fields of a request, in scenarios, and over pages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/cpu/backend.h"
#include "serving/handlers.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class RulesHandlerTest : public testing::Test {
 protected:
  RulesHandlerTest() : failover_(Chosen(std::make_unique<CpuBackend>(1)), 1), context_(failover_.NewContext()) {}

  grpc::Status Ask(const v1::RecommendRequest& request, v1::RecommendReply* reply) {
    reply->Clear();
    return HandleRecommend(*context_, served_.get(), request, reply, scenarios_);
  }
  v1::RecommendReply Answer(const v1::RecommendRequest& request) {
    v1::RecommendReply reply;
    const grpc::Status status = Ask(request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply;
  }
  static std::vector<std::string> Ids(const v1::RecommendReply& reply) {
    std::vector<std::string> ids;
    for (const v1::ScoredItem& item : reply.items()) ids.push_back(item.item_id());
    return ids;
  }
  static v1::RecommendRequest Request(int32_t n) {
    v1::RecommendRequest request;
    request.set_user_id("u5");
    request.set_n(n);
    return request;
  }

  CpuBackend backend_{1};
  Failover failover_;
  std::unique_ptr<CallContext> context_;
  TinyModel model_{backend_, {.described = true, .calibrated = true}};
  std::unique_ptr<ServedModel> served_ = model_.Serve(failover_);
  Scenarios scenarios_;
};

TEST_F(RulesHandlerTest, EveryFieldHasItsEffect) {
  const v1::RecommendReply plain = Answer(Request(6));
  EXPECT_FALSE(plain.has_rules());
  v1::RecommendRequest request = Request(6);
  v1::Boost* boost = request.add_boosts();
  boost->set_filter("category = \"hats\"");
  boost->set_factor(1000);
  EXPECT_NE(Ids(Answer(request)), Ids(plain));
  boost->set_factor(1);
  EXPECT_EQ(Ids(Answer(request)), Ids(plain));

  request = Request(6);
  request.set_min_score(plain.items(2).score());
  EXPECT_EQ(Answer(request).items_size(), 3);
  EXPECT_THAT(Answer(request).shortfall().reason(), HasSubstr(" score below "));

  request = Request(6);
  v1::Promotion* promotion = request.add_promotions();
  promotion->set_name("summer");
  promotion->set_filter("category = \"hats\"");
  promotion->set_slots(2);
  v1::RecommendReply reply = Answer(request);
  EXPECT_EQ(reply.items(0).promotion(), "summer");
  EXPECT_EQ(reply.items(1).promotion(), "summer");
  EXPECT_EQ(reply.items(2).promotion(), "");
  EXPECT_EQ(reply.rules().promoted(), 2);
  EXPECT_EQ(reply.rules().eligible(), 30);
  promotion->set_percent(50);
  EXPECT_EQ(Answer(request).rules().promoted(), 3);

  request = Request(6);
  request.mutable_diversity()->set_strength(1);
  EXPECT_TRUE(Answer(request).rules().diversified());
  request = Request(20);
  (*request.mutable_diversity()->mutable_max_per_attribute())["category"] = 1;
  reply = Answer(request);
  EXPECT_LT(reply.items_size(), 20);
  EXPECT_GT(reply.rules().passed_over(), 0);
  EXPECT_FALSE(reply.rules().diversified());
}

TEST_F(RulesHandlerTest, CostsAreThoseOfAllThatWasAsked) {
  v1::RecommendRequest request = Request(6);
  request.set_explain_cost(true);
  v1::Boost* boost = request.add_boosts();
  boost->set_filter("price < 50");
  boost->set_factor(2);
  const v1::RecommendReply reply = Answer(request);
  EXPECT_EQ(reply.cost().items(), 30);
  EXPECT_GT(reply.cost().rescored(), 0);
  EXPECT_GE(reply.cost().pruned(), 0);
}

TEST_F(RulesHandlerTest, PagesFollowWhereLongerAnswersBeginWithShorterOnes) {
  v1::RecommendRequest request = Request(12);
  v1::Boost* boost = request.add_boosts();
  boost->set_filter("category = \"hats\"");
  boost->set_factor(3);
  (*request.mutable_diversity()->mutable_max_per_attribute())["category"] = 3;
  const std::vector<std::string> all = Ids(Answer(request));
  ASSERT_GE(all.size(), 7u);
  request.set_n(3);
  std::vector<std::string> pages;
  for (int page = 0; page < 10; ++page) {
    const v1::RecommendReply reply = Answer(request);
    for (const std::string& id : Ids(reply)) pages.push_back(id);
    if (reply.next_cursor().empty()) break;
    request.set_cursor(reply.next_cursor());
  }
  pages.resize(std::min(pages.size(), all.size()));
  EXPECT_EQ(pages, all);
}

TEST_F(RulesHandlerTest, PromotionsAndDiversityHaveNoNextPage) {
  v1::RecommendRequest request = Request(3);
  const std::string cursor = Answer(request).next_cursor();
  EXPECT_NE(cursor, "");
  request.mutable_diversity()->set_strength(0.5f);
  EXPECT_EQ(Answer(request).next_cursor(), "");
  request.set_cursor(cursor);
  v1::RecommendReply reply;
  EXPECT_EQ(Ask(request, &reply).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(RulesHandlerTest, ScenariosHaveRules) {
  scenarios_ = Scenarios::Parse(R"([scenarios.homepage]
n = 6
boosts = [{ filter = "category = \"hats\"", factor = 1000 }]
promotions = [{ name = "new", filter = "released > 2023-12-01", slots = 1 }]
diversity = { max_per_attribute = { category = 2 } }
)",
                                "s.toml");
  scenarios_.Check(*served_);
  v1::RecommendRequest request;
  request.set_user_id("u5");
  request.set_scenario("homepage");
  const v1::RecommendReply reply = Answer(request);
  EXPECT_EQ(reply.items(0).promotion(), "new");
  EXPECT_TRUE(reply.has_rules());

  const auto misfit = [&](const std::string& rules, const std::string& part) {
    const Scenarios scenarios = Scenarios::Parse("[scenarios.a]\n" + rules, "s.toml");
    ExpectError(ErrorCode::kUsage, part, [&] { scenarios.Check(*served_); });
  };
  misfit("boosts = [{ filter = \"prize > 3\", factor = 2 }]", "line 2, column 23: scenarios.a.boosts.filter: ");
  misfit("n = 5\nboosts = [{ filter = \"price > 3\", factor = -2 }]",
         "line 3, column 10: scenarios.a: boosts[0].factor: is -2, expected more than 0");
  misfit("promotions = [{ name = \"a\", filter = \"in_stock\", slots = 11 }]",
         "promotions[0].slots: is 11, expected 1 to n, which is 10");
  misfit("diversity = { max_per_attribute = { brand = 1 } }", "max_per_attribute['brand']: unknown attribute");
}

TEST_F(RulesHandlerTest, WhatIsWrongIsInvalidAndWhatCannotBeIsUnimplemented) {
  v1::RecommendReply reply;
  v1::RecommendRequest request = Request(3);
  request.add_boosts()->set_filter("price > 3");
  grpc::Status status = Ask(request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), StartsWith("boosts[0].factor: is 0"));
  request.mutable_boosts(0)->set_factor(2);
  const TinyModel uncalibrated(backend_, {.described = true});
  served_ = uncalibrated.Serve(failover_);
  status = Ask(request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_THAT(status.error_message(), StartsWith("boosts: "));
  served_.reset();
}

}  // namespace
}  // namespace kindred
