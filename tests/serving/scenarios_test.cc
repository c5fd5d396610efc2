#include "serving/scenarios.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "serving/event_exclusions.h"
#include "serving/handlers.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kFile = R"([scenarios.homepage]
n = 3
filter = "in_stock and price < context.budget"
exclude_events = ["buy", { event = "view", within_seconds = 60 }]
context = { budget = 60, device = "phone" }

[scenarios.again]
exclude_events = ["*:0"]
candidates = ["i1", "i2"]
)";

class ScenariosTest : public testing::Test {
 protected:
  grpc::Status Recommend(const v1::RecommendRequest& request, v1::RecommendReply* reply) {
    return HandleRecommend(*context_, served_.get(), request, reply, scenarios_);
  }

  std::unique_ptr<Backend> backend_ = NewTestBackend("cpu_baseline", 1);
  Failover failover_{Chosen(NewTestBackend("cpu_baseline", 1))};
  std::unique_ptr<CallContext> context_ = failover_.NewContext();
  TinyModel model_{*backend_, {.described = true}};
  std::unique_ptr<ServedModel> served_ = model_.Serve(failover_);
  Scenarios scenarios_ = Scenarios::Parse(kFile, "s.toml");
};

TEST_F(ScenariosTest, SayWhatARequestDoesNot) {
  v1::RecommendRequest request;
  request.set_user_id("u5");
  request.set_scenario("homepage");
  v1::RecommendRequest asked = scenarios_.Apply(request);
  EXPECT_EQ(asked.user_id(), "u5");
  EXPECT_EQ(asked.scenario(), "");
  EXPECT_EQ(asked.n(), 3);
  EXPECT_EQ(asked.filter(), "in_stock and price < context.budget");
  ASSERT_EQ(asked.exclude_events_size(), 2);
  EXPECT_EQ(asked.exclude_events(0).event(), "buy");
  EXPECT_FALSE(asked.exclude_events(0).has_within_seconds());
  EXPECT_EQ(asked.exclude_events(1).within_seconds(), 60);
  EXPECT_EQ(asked.context().at("budget").number_value(), 60);

  request.set_n(7);
  request.set_filter("price < 5");
  request.add_exclude_events()->set_event("view");
  (*request.mutable_context())["device"].set_string_value("desk");
  asked = scenarios_.Apply(request);
  EXPECT_EQ(asked.n(), 7);
  EXPECT_EQ(asked.filter(), "price < 5");
  ASSERT_EQ(asked.exclude_events_size(), 1);
  EXPECT_EQ(asked.context().at("budget").number_value(), 60);
  EXPECT_EQ(asked.context().at("device").string_value(), "desk");

  v1::SimilarItemsRequest similar;
  similar.set_item_id("i1");
  EXPECT_FALSE(scenarios_.Apply(similar).has_n());
  similar.set_scenario("homepage");
  EXPECT_EQ(scenarios_.Apply(similar).n(), 3);
  EXPECT_EQ(scenarios_.Apply(similar).filter(), "in_stock and price < context.budget");
  EXPECT_EQ(scenarios_.Apply(similar).item_id(), "i1");
}

TEST_F(ScenariosTest, AreAnsweredAsIfTheRequestHadSaidIt) {
  for (const char* name : {"homepage", "again"}) {
    v1::RecommendRequest request;
    request.set_user_id("u5");
    request.set_scenario(name);
    v1::RecommendReply reply, expected, twice;
    ASSERT_TRUE(Recommend(request, &reply).ok());
    ASSERT_TRUE(Recommend(scenarios_.Apply(request), &expected).ok());
    EXPECT_GT(reply.items_size(), 0);
    EXPECT_EQ(reply.SerializeAsString(), expected.SerializeAsString());
    v1::BatchRecommendRequest batch;
    *batch.add_requests() = request;
    batch.add_requests()->set_scenario("homepge");
    *batch.add_requests() = request;
    v1::BatchRecommendReply replies;
    ASSERT_TRUE(HandleBatchRecommend(*context_, served_.get(), batch, &replies, scenarios_).ok());
    EXPECT_EQ(replies.results(0).reply().SerializeAsString(), expected.SerializeAsString());
    EXPECT_EQ(replies.results(1).error().code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(replies.results(2).reply().SerializeAsString(), expected.SerializeAsString());
  }
}

/// Of every field: the scenario's where the request says nothing, else the request's.
TEST_F(ScenariosTest, EveryFieldIsAnsweredAsIfTheRequestHadSaidIt) {
  scenarios_ = Scenarios::Parse(R"([scenarios.all]
n = 6
filter = "price < context.budget and context.device = 'phone'"
exclude_events = ["buy"]
exclude_items = ["i3"]
candidates = ["i1", "i2", "i4", "i5", "i6", "i7", "i8", "i9", "i10", "i11"]
boosts = [{ filter = "in_stock", factor = 100 }]
min_score = -10
diversity = { strength = 0.5, max_per_attribute = { category = 2 } }
explain_cost = true
context = { budget = 1000, device = "phone" }
)",
                                "s.toml");
  const TinyModel calibrated(*backend_, {.described = true, .calibrated = true});
  served_ = calibrated.Serve(failover_);
  scenarios_.Check(*served_);
  v1::RecommendRequest alone, full;
  alone.set_user_id("u5");
  alone.set_scenario("all");
  full = alone;
  full.set_n(2);
  full.set_filter("price < context.budget");
  full.add_exclude_events()->set_event("view");
  full.add_exclude_items("i4");
  for (const char* item : {"i2", "i4", "i6", "i20", "i21"}) full.add_candidates(item);
  full.add_boosts()->set_filter("not in_stock");
  full.mutable_boosts(0)->set_factor(50);
  full.add_promotions()->set_name("p");
  full.mutable_promotions(0)->set_filter("price > 0");
  full.mutable_promotions(0)->set_slots(1);
  full.set_min_score(-20);
  full.mutable_diversity();
  (*full.mutable_context())["budget"].set_number_value(2000);
  std::vector<v1::RecommendRequest> requests = {alone, full};
  std::vector<const google::protobuf::FieldDescriptor*> said;
  full.GetReflection()->ListFields(full, &said);
  for (const auto* field : said) {
    v1::RecommendRequest one = alone, others = full;
    if (field->name() == "scenario") continue;
    others.GetReflection()->ClearField(&others, field);
    v1::RecommendRequest kept = full;
    for (const auto* other : said)
      if (other != field && other->name() != "scenario") kept.GetReflection()->ClearField(&kept, other);
    one.MergeFrom(kept);
    requests.push_back(one);
    requests.push_back(others);
  }
  std::set<std::string> answers;
  for (const v1::RecommendRequest& request : requests) {
    SCOPED_TRACE(request.ShortDebugString());
    v1::RecommendReply reply, expected;
    const grpc::Status status = Recommend(request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
    ASSERT_TRUE(Recommend(scenarios_.Apply(request), &expected).ok());
    for (v1::RecommendReply* one : {&reply, &expected}) one->mutable_cost()->set_microseconds(0);
    EXPECT_EQ(reply.ShortDebugString(), expected.ShortDebugString());
    answers.insert(reply.ShortDebugString());
  }
  EXPECT_GT(answers.size(), 7u);
}

TEST_F(ScenariosTest, OneThatIsNotThereIsNotFound) {
  v1::RecommendRequest request;
  request.set_scenario("homepge");
  v1::RecommendReply reply;
  grpc::Status status = Recommend(request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "scenario: there is no 'homepge'; there are 'again', 'homepage'");
  status = HandleRecommend(*context_, served_.get(), request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("the server was started without --scenarios"));
}

TEST_F(ScenariosTest, WhatIsWrongWithAFileIsSaidWithItsPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"[scenarios.a]\nfliter = \"x\"",
       "s.toml: line 2, column 1: scenarios.a: unknown key 'fliter'; the nearest known key is 'filter'"},
      {"[scenarios.a]\n\nn = \"x\"", "s.toml: line 3, column 5: scenarios.a.n: found a text; expected a whole number"},
      {"[scenarios.a]\nn = 5000000000", "scenarios.a.n: is 5000000000; expected -2147483648 to 2147483647"},
      {"[scenarios.a]\nfilter = 5", "scenarios.a.filter: found a number; expected a text"},
      {"[scenarios.a]\ncandidates = \"i1\"", "scenarios.a.candidates: found a text; expected a list"},
      {"[scenarios.a]\nexclude_events = [\":30d\"]", "names no type of event; expected TYPE or TYPE:WINDOW"},
      {"[scenarios.a]\nexclude_events = [\"buy:soon\"]", "line 2, column 19: scenarios.a.exclude_events: "},
      {"[scenarios.a]\nexclude_events = [{ evnt = \"buy\" }]", "unknown key 'evnt'; the nearest known key is 'event'"},
      {"[scenarios.a]\ncontext = { x = [1] }", "scenarios.a.context.x: found a list; expected a text, a number"},
      {"[scenarios.a]\ncontext = 5", "scenarios.a.context: found a number; expected a table"},
      {"[scenarios.a]\nuser_id = \"u\"", "scenarios.a.user_id: is for requests to say, not for scenarios"},
      {"[scenarios.a]\nexplain = true", "scenarios.a.explain: explain: is not served by this version"},
      {"[scenario.a]\nn = 5", "line 1, column 2: found 'scenario'; expected tables [scenarios.NAME] and nothing else"},
      {"[scenarios]\na = 5", "scenarios.a: expected a table [scenarios.a]"},
      {"[scenarios.a\n", "s.toml: line 1"},
  };
  for (const auto& [text, message] : cases) {
    SCOPED_TRACE(text);
    ExpectError(ErrorCode::kUsage, message, [text = text] { Scenarios::Parse(text, "s.toml"); });
  }
  EXPECT_TRUE(Scenarios::Parse("", "s.toml").empty());
}

TEST_F(ScenariosTest, AVersionThatDoesNotFitIsSaidWithTheLine) {
  scenarios_.Check(*served_);
  const auto misfit = [&](const std::string& text, const std::string& message) {
    const Scenarios scenarios = Scenarios::Parse(text, "s.toml");
    ExpectError(ErrorCode::kUsage, message, [&] { scenarios.Check(*served_); });
  };
  misfit("[scenarios.a]\nn = 5\nfilter = \"prise < context.budget\"",
         "s.toml: line 3, column 10: scenarios.a.filter: line 1, column 1: unknown attribute 'prise'; the nearest is "
         "'price'");
  misfit("[scenarios.a]\nn = 3000", "s.toml: line 2, column 5: scenarios.a: n: is 3000, expected 1 to 1000");
  misfit("[scenarios.a]\nn = 0", "s.toml: line 2, column 5: scenarios.a: n: is 0, expected 1 to 1000");
  misfit("[scenarios.a]\n\ncandidates = [\"i1\", \"\"]",
         "s.toml: line 3, column 14: scenarios.a: candidates[1]: is empty, expected an item id");
  misfit("[scenarios.a]\nexclude_items = [\"\"]", "scenarios.a: exclude_items[0]: is empty, expected an item id");
  misfit("[scenarios.a]\ncontext = { x = nan }", "line 2, column 11: scenarios.a: context[\"x\"]: found nan; expected");
  misfit("[scenarios.a]\nexclude_events = [{ within_seconds = -1 }]", "exclude_events[0].within_seconds: is -1");
  misfit("[scenarios.a]\nfilter = \"" + std::string(70'000, ' ') + "\"",
         "scenarios.a.filter: has 70000 bytes, expected at most 65536");
  misfit("[scenarios.a]\nexclude_events = [\"bye\"]",
         "s.toml: line 2, column 18: scenarios.a: exclude_events[0].event: no event of the version is a 'bye'"
         "; the nearest is 'buy'");
}

TEST(EventExclusions, AreReadAsPeopleWriteThem) {
  const auto read = [](const char* text) { return ParseEventExclusion(text).ShortDebugString(); };
  EXPECT_EQ(read("buy"), "event: \"buy\"");
  EXPECT_EQ(read("view:30d"), "event: \"view\" within_seconds: 2592000");
  EXPECT_EQ(read("a:b:90s"), "event: \"a:b\" within_seconds: 90");
  EXPECT_EQ(read("*"), "");
  EXPECT_EQ(read("*:0"), "within_seconds: 0");
  EXPECT_EQ(read("buy:0.5s"), "event: \"buy\" within_seconds: 1");
  for (const char* text : {"", ":5d", "buy:", "buy:5", "buy:d", "buy:-5d"})
    EXPECT_THROW(ParseEventExclusion(text), Error) << text;
}

}  // namespace
}  // namespace kindred
