#include "host/ranking/requested_rules.h"

#include "tests/support/errors.h"
#include "tests/support/small_items.h"

namespace kindred {
namespace {

constexpr int64_t kItems = 70;

class RequestedRulesTest : public ::testing::Test {
 protected:
  RequestedRulesTest() : small_(kItems), items_(ItemTable::From(small_.table(), nullptr)) {}

  /// The items of a filter are those of its length; one that begins with '?' is refused.
  static ItemSet ItemsOf(std::string_view filter) {
    if (filter.front() == '?') throw Error(ErrorCode::kInvalidArgument, "column 1: found '?'");
    const auto item = static_cast<int32_t>(filter.size());
    return std::make_shared<const ItemBits>(kItems, std::span(&item, 1));
  }

  BoundRules Bind(const RequestedRules& requested, const ItemSet& eligible = nullptr) const {
    return BindRules(requested, eligible, *items_, codes_, &ItemsOf);
  }

  void ExpectRefused(const RequestedRules& requested, const std::string& part) const {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { Bind(requested); });
  }

  SmallItems small_;
  std::shared_ptr<const ItemTable> items_;
  ValueCodesCache codes_;
};

TEST_F(RequestedRulesTest, AreBoundInTheirOrder) {
  RequestedRules requested;
  EXPECT_TRUE(requested.none());
  EXPECT_TRUE(Bind(requested).rules.only_eligible());
  requested.boosts = {{"a", 2}, {"bb", 0.5f}};
  requested.min_score = 0.25f;
  requested.promotions = {{"ours", "ccc", 2, {}}, {"theirs", "dddd", {}, 10}};
  requested.max_per_attribute = {{"price", 3}, {"category", 1}};
  EXPECT_FALSE(requested.none());
  const auto eligible = std::make_shared<const ItemBits>(kItems, std::vector<int32_t>{4, 5});
  const BoundRules bound = Bind(requested, eligible);
  const RankingRules& rules = bound.rules;
  EXPECT_EQ(rules.eligible, eligible);
  ASSERT_EQ(rules.boosts.size(), 2u);
  EXPECT_EQ(rules.boosts[0].items->words[0], 0b10u);
  EXPECT_EQ(rules.boosts[0].factor, 2);
  EXPECT_EQ(rules.boosts[1].items->words[0], 0b100u);
  EXPECT_EQ(rules.min_score, 0.25f);
  ASSERT_EQ(rules.promotions.size(), 2u);
  EXPECT_EQ(rules.promotions[0].name, "ours");
  EXPECT_EQ(rules.promotions[0].items->words[0], 0b1000u);
  EXPECT_EQ(rules.promotions[0].slots, 2);
  EXPECT_EQ(rules.promotions[1].percent, 10);
  ASSERT_EQ(rules.caps.size(), 2u);
  EXPECT_EQ(rules.caps[0].name, "price");
  EXPECT_EQ(rules.caps[0].most, 3);
  EXPECT_EQ(rules.caps[1].values.data(), items_->columns()[1]->column().codes.data());
  EXPECT_TRUE(rules.attributes.empty());
  EXPECT_NO_THROW(CheckRules(rules, kItems, 20));
}

TEST_F(RequestedRulesTest, DiversityComparesCategoriesAndBooleans) {
  RequestedRules requested;
  requested.diversity = 0.5f;
  const BoundRules bound = Bind(requested);
  EXPECT_EQ(bound.rules.diversity, 0.5f);
  EXPECT_EQ(bound.rules.attributes.size(), 2u);
}

TEST_F(RequestedRulesTest, WhatIsWrongIsNamed) {
  RequestedRules requested;
  requested.boosts = {{"a", 2}, {"", 2}};
  ExpectRefused(requested, "boosts[1].filter: is empty, expected an expression");
  requested.boosts = {{"?", 2}};
  ExpectRefused(requested, "boosts[0].filter: column 1: found '?'");
  requested.boosts.clear();
  requested.promotions = {{"ours", "?", 1, {}}};
  ExpectRefused(requested, "promotions[0].filter: column 1: found '?'");
  requested.promotions.clear();
  requested.max_per_attribute = {{"prize", 1}};
  ExpectRefused(requested, "diversity.max_per_attribute['prize']: unknown attribute 'prize'; the nearest is 'price'");
  requested.max_per_attribute = {{"tags", 1}};
  ExpectRefused(requested, "diversity.max_per_attribute['tags']: found tags");
  requested = {};
  requested.boosts.assign(kMaxBoosts + 1, {"?", 2});  // too many to look at any
  ExpectRefused(requested, "boosts: has 9 entries, expected at most 8");
  requested.boosts.clear();
  requested.promotions.assign(kMaxPromotions + 1, {"ours", "?", 1, {}});
  ExpectRefused(requested, "promotions: has 17 entries, expected at most 16");
  requested.promotions.clear();
  requested.max_per_attribute.assign(kMaxCaps + 1, {"tags", 1});
  ExpectRefused(requested, "diversity.max_per_attribute: has 9 entries, expected at most 8");
  requested.max_per_attribute.resize(1);
  const auto none = ItemTable::From({kItems, {}}, nullptr);
  ExpectError(ErrorCode::kInvalidArgument, "unknown attribute 'tags'; the version keeps no attributes of items",
              [&] { BindRules(requested, nullptr, *none, codes_, &ItemsOf); });
}

}  // namespace
}  // namespace kindred
