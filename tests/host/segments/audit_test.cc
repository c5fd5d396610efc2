#include "host/segments/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// 200 users: 100 of "DE" (80 in segment 0), 90 of "FR" (20 in segment 0), 10 of "IT", of whom 5 are in none.
Grouping Countries(std::vector<int32_t>& labels) {
  Grouping of = {"country", {"DE", "FR", "IT"}, {}};
  labels.clear();
  const auto add = [&](int32_t group, int32_t label, int n) {
    of.group_of.insert(of.group_of.end(), static_cast<size_t>(n), group);
    labels.insert(labels.end(), static_cast<size_t>(n), label);
  };
  add(0, 0, 80), add(0, 1, 20), add(1, 0, 20), add(1, 1, 70), add(2, 1, 5), add(2, -1, 5);
  return of;
}

json Interval(double mean, double half) {
  return {{"mean", mean}, {"low", mean - half}, {"high", mean + half}};
}

json Evaluation(double half = 0.01) {
  const auto group = [&](const char* name, int n, double ndcg) {
    return json{{"group", name},
                {"n_users", n},
                {"ndcg_at_10", Interval(ndcg, half)},
                {"novelty_at_10", Interval(7, 0.5)},
                {"popularity_lift_at_10", 1.5}};
  };
  return {
      {"k", 10},
      {"user_groups",
       {{{"attribute", "history length"}, {"groups", json::array()}},
        {{"attribute", "country"}, {"groups", {group("DE", 90, 0.2), group("FR", 80, 0.15), group("IT", 4, 0.01)}}}}}};
}

TEST(Audit, CountsGroupsBySegment) {
  std::vector<int32_t> labels;
  const Grouping of = Countries(labels);
  const Audit audit = AuditSegments(std::vector{of}, labels, 2, nullptr, {});
  ASSERT_EQ(audit.attributes.size(), 1u);
  const AuditedAttribute& country = audit.attributes[0];
  ASSERT_EQ(country.groups.size(), 3u);
  EXPECT_THAT(country.groups[0].by_segment, ElementsAre(80, 20));
  EXPECT_THAT(country.groups[2].by_segment, ElementsAre(0, 5)) << "users in none are not counted";
  EXPECT_EQ(country.groups[2].n_users, 5);
  EXPECT_TRUE(country.groups[2].is_small);
  EXPECT_FALSE(country.groups[1].is_small);
  EXPECT_EQ(country.association.n, 195);
  EXPECT_GT(country.association.low, 0.4);
  EXPECT_FALSE(country.largest_gap);
  EXPECT_EQ(audit.metric, "");
  EXPECT_THAT(audit.warnings, ElementsAre("groups of 'country' with too few users to say much of them: IT (5)"));
  EXPECT_THAT(audit.reasons, IsEmpty());
}

TEST(Audit, FindsTheLargestGapAmongGroupsThatAreLargeEnough) {
  std::vector<int32_t> labels;
  const Grouping of = Countries(labels);
  const Audit audit = AuditSegments(std::vector{of}, labels, 2, Evaluation(), {30, 0.2});
  const AuditedAttribute& country = audit.attributes[0];
  ASSERT_TRUE(country.largest_gap);
  EXPECT_EQ(country.largest_gap->best, "DE");
  EXPECT_EQ(country.largest_gap->worst, "FR");
  EXPECT_NEAR(country.largest_gap->gap, 0.25, 1e-12);
  EXPECT_NEAR(country.largest_gap->low, (0.05 - std::hypot(0.01, 0.01)) / 0.2, 1e-9) << "one pair, nothing to widen";
  EXPECT_EQ(audit.metric, "ndcg_at_10");
  ASSERT_EQ(audit.reasons.size(), 1u);
  EXPECT_THAT(audit.reasons[0], HasSubstr("by 'country', ndcg_at_10 of FR is 25 % below that of DE"));
  ASSERT_TRUE(country.groups[0].quality);
  EXPECT_EQ(country.groups[0].quality->popularity_lift, 1.5);
  EXPECT_EQ(country.groups[0].quality->novelty.mean, 7);

  EXPECT_THAT(AuditSegments(std::vector{of}, labels, 2, Evaluation(), {30, 0.26}).reasons, IsEmpty());
  EXPECT_THAT(AuditSegments(std::vector{of}, labels, 2, Evaluation(0.1), {30, 0.2}).reasons, IsEmpty())
      << "a gap that chance makes holds nothing";
  EXPECT_THAT(AuditSegments(std::vector{of}, labels, 2, Evaluation(), {30, {}}).reasons, IsEmpty()) << "no gate";
  const Audit small = AuditSegments(std::vector{of}, labels, 2, Evaluation(), {4, 0.2});
  EXPECT_EQ(small.attributes[0].largest_gap->worst, "IT");
  EXPECT_NEAR(small.attributes[0].largest_gap->low, (0.19 - 2.39398 / 1.95996 * std::hypot(0.01, 0.01)) / 0.2, 1e-5)
      << "three pairs: the interval is that of 5 % / 3";
}

TEST(Audit, TakesWhateverTheManifestHas) {
  std::vector<int32_t> labels;
  const std::vector of = {Countries(labels)};
  for (const json& evaluation : {json(), json(3), json::object(), json{{"k", "x"}}, json{{"k", 10}},
                                 json{{"k", 10}, {"user_groups", {1, nullptr, json::object()}}},
                                 json{{"k", 10}, {"user_groups", {{{"attribute", "country"}, {"groups", {2}}}}}},
                                 json{{"k", -1e300}, {"user_groups", json::array()}}}) {
    const Audit audit = AuditSegments(of, labels, 2, evaluation, {30, 0.1});
    EXPECT_FALSE(audit.attributes[0].groups[0].quality) << evaluation;
    EXPECT_THAT(audit.reasons, IsEmpty());
  }
  json partial = Evaluation();
  partial["user_groups"][1]["groups"][0]["ndcg_at_10"] = {{"mean", "x"}};
  EXPECT_FALSE(AuditSegments(of, labels, 2, partial, {30, 0.1}).attributes[0].largest_gap);
  json zero = Evaluation();
  for (json& group : zero["user_groups"][1]["groups"]) group["ndcg_at_10"] = Interval(0, 0);
  EXPECT_FALSE(AuditSegments(of, labels, 2, zero, {30, 0.1}).attributes[0].largest_gap) << "nothing of nothing";
  partial["user_groups"][1]["attribute"] = "age";
  EXPECT_THAT(AuditSegments(of, labels, 2, partial, {1, 0.1}).warnings,
              ElementsAre(HasSubstr("the model was not evaluated by groups of 'country'")));
}

TEST(Audit, OfNobodyAndOfOneSegment) {
  const Audit nobody = AuditSegments(std::vector{Grouping{"country", {"DE", "FR"}, {}}}, {}, 3, Evaluation(), {});
  EXPECT_THAT(nobody.attributes[0].groups, IsEmpty());
  std::vector<int32_t> labels;
  const std::vector of = {Countries(labels)};
  for (int32_t& label : labels) label = std::min(label, 0);
  const Audit one = AuditSegments(of, labels, 1, nullptr, {});
  EXPECT_TRUE(std::isnan(one.attributes[0].association.v));
  EXPECT_TRUE(AuditJson(one)["attributes"][0]["association"]["v"].is_null());
  labels.pop_back();
  EXPECT_THROW(AuditSegments(of, labels, 1, nullptr, {}), Error);
}

TEST(AuditedGroupings, AreThoseAskedForInTheirOrder) {
  const std::vector<double> ages = {20, 30, 30, 40}, same = {1, 1, 1, 1};
  const std::vector<uint8_t> member = {0, 1, 1, 0};
  AttributeColumn age, flag, constant, text;
  age.name = "age", age.type = AttributeType::kNumber, age.numbers = ages;
  flag.name = "member", flag.type = AttributeType::kBoolean, flag.booleans = member;
  constant.name = "one", constant.type = AttributeType::kNumber, constant.numbers = same;
  text.name = "note", text.type = AttributeType::kText;
  const AttributeTable users(4, {age, flag, constant, text});
  std::vector<std::string> warnings;
  const auto names = [&](const std::vector<std::string>& attributes) {
    std::vector<std::string> found;
    for (const Grouping& of : AuditedGroupings(users, {}, attributes, warnings)) found.push_back(of.name);
    return found;
  };
  const auto refusal = [&](const std::string& attribute) -> std::string {
    try {
      names({attribute});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(names({"member", "age"}), ElementsAre("member", "age"));
  EXPECT_THAT(names({}), IsEmpty());
  EXPECT_THAT(warnings, IsEmpty());
  EXPECT_THAT(names({"one", "age"}), ElementsAre("age"));
  EXPECT_THAT(warnings, ElementsAre(HasSubstr("all users have the same 'one'")));
  EXPECT_EQ(refusal("membre"), "users have no attribute 'membre' to audit; did you mean 'member'?");
  EXPECT_THAT(refusal("note"), HasSubstr("has texts, expected a category"));
}

TEST(AuditJson, HasTheGateAndEscapesForeignNames) {
  std::vector<int32_t> labels;
  std::vector of = {Countries(labels)};
  const json audit = AuditJson(AuditSegments(of, labels, 2, Evaluation(), {30, 0.2}));
  EXPECT_EQ(audit["metric"], "ndcg_at_10");
  EXPECT_EQ(audit["gate"]["passed"], false);
  EXPECT_EQ(audit["gate"]["max_quality_gap"], 0.2);
  EXPECT_EQ(audit["gate"]["reasons"].size(), 1u);
  const json& country = audit["attributes"][0];
  EXPECT_EQ(country["groups"][0]["quality"]["mean"], 0.2);
  EXPECT_EQ(country["groups"][0]["n_evaluated"], 90);
  EXPECT_EQ(country["groups"][0]["exposure"]["popularity_lift"], 1.5);
  EXPECT_EQ(country["largest_gap"]["worst"], "FR");
  of[0].name = "\xff";
  of[0].names[0] = "\xfe";
  const json foreign = AuditJson(AuditSegments(of, labels, 2, nullptr, {}));
  EXPECT_NO_THROW(foreign.dump());
  EXPECT_EQ(foreign["attributes"][0]["groups"][0]["group"], "\\xfe");
  EXPECT_TRUE(foreign["attributes"][0]["groups"][0]["quality"].is_null());
  EXPECT_TRUE(foreign["gate"]["max_quality_gap"].is_null());
  EXPECT_EQ(foreign["gate"]["passed"], true);
}

}  // namespace
}  // namespace kindred
