#include "serving/rule_flags.h"

#include "tests/support/errors.h"

namespace kindred {
namespace {

TEST(RuleFlags, ABoostEndsWithItsFactor) {
  const v1::Boost boost = ParseBoost("price <= 5 and brand == \"a=b\" = 1.5");
  EXPECT_EQ(boost.filter(), "price <= 5 and brand == \"a=b\"");
  EXPECT_EQ(boost.factor(), 1.5f);
  for (const char* text : {"", "x", "=2", " =2", "x=", "x=two", "x=2x", "x=2 3"})
    ExpectError(ErrorCode::kUsage, "expected FILTER=FACTOR", [&] { ParseBoost(text); });
}

TEST(RuleFlags, APromotionHasANameAndAnAmount) {
  const v1::Promotion percent = ParsePromotion("ours: brand == \"a:b\"=12.5 %");
  EXPECT_EQ(percent.name(), "ours");
  EXPECT_EQ(percent.filter(), "brand == \"a:b\"");
  EXPECT_TRUE(percent.has_percent());
  EXPECT_EQ(percent.percent(), 12.5f);
  const v1::Promotion slots = ParsePromotion("new:released > 3=2");
  EXPECT_EQ(slots.filter(), "released > 3");
  EXPECT_TRUE(slots.has_slots());
  EXPECT_EQ(slots.slots(), 2);
  for (const char* text : {"", "x=2", "a:x", ":x=2", "a:=2", "a:x=", "a:x=%", "a:x=2.5", "a:x=two%"})
    ExpectError(ErrorCode::kUsage, "expected NAME:FILTER=", [&] { ParsePromotion(text); });
}

TEST(RuleFlags, BecomeFieldsOfARequest) {
  RuleFlags flags;
  v1::RecommendRequest request;
  SetRules(flags, &request);
  EXPECT_EQ(request.ByteSizeLong(), 0u);
  flags.boosts = {"x=2", "y=0.5"};
  flags.promotions = {"ours:z=1"};
  flags.caps = {"brand=2", "price = 1"};
  flags.min_score = 0;
  flags.diversity = 0.25f;
  SetRules(flags, &request);
  EXPECT_EQ(request.boosts_size(), 2);
  EXPECT_EQ(request.boosts(1).filter(), "y");
  EXPECT_EQ(request.promotions_size(), 1);
  EXPECT_TRUE(request.has_min_score());
  EXPECT_EQ(request.diversity().strength(), 0.25f);
  EXPECT_EQ(request.diversity().max_per_attribute().at("brand"), 2);
  EXPECT_EQ(request.diversity().max_per_attribute().at("price"), 1);
  flags.caps = {"brand=2", "brand=3"};
  request.Clear();
  ExpectError(ErrorCode::kUsage, "'brand' is there twice", [&] { SetRules(flags, &request); });
  flags.caps = {"brand=two"};
  ExpectError(ErrorCode::kUsage, "--max-per 'brand=two': expected ATTRIBUTE=K", [&] { SetRules(flags, &request); });
  flags = {};
  flags.boosts = {"x=\xff"};
  ExpectError(ErrorCode::kUsage, "not UTF-8", [&] { SetRules(flags, &request); });
}

}  // namespace
}  // namespace kindred
