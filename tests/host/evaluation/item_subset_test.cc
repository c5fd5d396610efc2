#include "host/evaluation/item_subset.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/item_codes.h"
#include "tests/support/backends.h"

namespace kindred {
namespace {

// Users 0 and 1 have items 0 and 1; items 2 to 5 nobody has. User 2 has done nothing.
class ItemSubsetTest : public BackendTest {
 protected:
  ItemSubsetTest() {
    view_.algorithm = "content";
    view_.history = history_.view();
    view_.popularity = popularity_;
    view_.user_factors = {user_factors_.data(), 3, 2};
    view_.item_factors = {item_factors_.data(), 6, 2};
    view_.item_codes = codes_.view();
    holdout_.relevant = {3, 6, {0, 2, 3, 4}, {1, 3, 4, 2}, {1, 1, 1, 1}};
    holdout_.n_missing_items = {0, 2, 0};
  }

  Csr history_ = {3, 6, {0, 1, 2, 2}, {0, 1}, {1, 1}};
  std::vector<float> popularity_ = {1, 1, 0, 0, 0, 0};
  std::vector<float> user_factors_ = {1, 0, 0, 1, 0, 0};
  // User 0 likes items 0, 3 and 2 in this order, user 1 likes 5 more than 4.
  std::vector<float> item_factors_ = {9, 0, 8, 0, 1, 0, 2, 0, 0, 1, 0, 2};
  ItemCodes codes_ = ItemCodes::Of({item_factors_.data(), 6, 2}, true, 1);  // which the subset has no use for
  Holdout holdout_;
  ModelView view_;
};

TEST_P(ItemSubsetTest, ListsAreOfTheseItemsAlone) {
  const std::vector<int32_t> items = {1, 2, 3};
  const ItemSubset subset(view_, holdout_, items);
  EXPECT_EQ(subset.view().n_items(), 3);
  EXPECT_EQ(subset.holdout().relevant.indices, (std::vector<int32_t>{0, 2, 1}));
  EXPECT_EQ(subset.view().history.indices[0], 0);  // user 1 has item 1
  const Evaluation found = Evaluate(Ranker(backend(), subset.view(), nullptr), subset.holdout(), 1);
  EXPECT_EQ(found.users, (std::vector<int32_t>{0, 2}));
  EXPECT_EQ(found.model.recall, 0.25);  // user 0 is given item 1, one of two; user 2, of whom nothing is known, too
}

TEST_P(ItemSubsetTest, ColdItemsAreMeasuredAmongThemselves) {
  const std::optional<Evaluation> found = EvaluateColdItems(backend(), view_, holdout_, 1);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->n_users, 3);
  EXPECT_EQ(found->n_pairs, 3);
  // Item 3 for user 0 is a hit, item 5 for user 1 is none; user 2 is given what chance has first.
  EXPECT_EQ(found->of_model.row(0)[kRecall], 1);
  EXPECT_EQ(found->of_model.row(1)[kRecall], 0);
  const nlohmann::json json = ColdMetricsJson(*found);
  for (const char* name : {"cold_recall_at_1", "cold_ndcg_at_1", "popularity_cold_recall_at_1"})
    EXPECT_TRUE(json.contains(name)) << name;
  EXPECT_EQ(ColdMetricsJson(*EvaluateColdItems(backend(), view_, holdout_, 4))["popularity_cold_recall_at_4"], 1);
}

TEST_P(ItemSubsetTest, WhatKnowsNothingOfColdItemsIsNotMeasuredOnThem) {
  std::vector<float> zeros = item_factors_;
  std::fill(zeros.begin() + 4, zeros.end(), 0.0f);
  view_.item_factors.data = zeros.data();
  EXPECT_FALSE(EvaluateColdItems(backend(), view_, holdout_, 1));
  view_.item_factors.data = item_factors_.data();
  const Holdout none_cold = {{3, 6, {0, 1, 1, 1}, {1}, {1}}, {0, 0, 0}};
  EXPECT_FALSE(EvaluateColdItems(backend(), view_, none_cold, 1));
}

// Each of these has factors of cold items, and some are held out: it is the kind that is not measured so.
TEST_P(ItemSubsetTest, KindsThatAreNotMeasuredOnColdItems) {
  ASSERT_TRUE(EvaluateColdItems(backend(), view_, holdout_, 1));
  ModelView with_item_item = view_;
  const Csr item_item = {6, 6, {0, 0, 0, 0, 0, 0, 0}, {}, {}};
  with_item_item.item_item = item_item.view();
  EXPECT_FALSE(EvaluateColdItems(backend(), with_item_item, holdout_, 1));

  ModelView rated = view_;
  const std::vector<float> eigenvalues = {1, 1}, user_biases(3), item_biases(6);
  rated.algorithm = "als";
  rated.eigenvalues = eigenvalues;
  rated.objective = {.unobserved_weight = 0, .feedback = Feedback::kExplicit};
  rated.user_biases = user_biases;
  rated.item_biases = item_biases;
  EXPECT_FALSE(EvaluateColdItems(backend(), rated, holdout_, 1));

  ModelView blend = view_;
  const std::vector<int32_t> lengths = {0};
  const std::vector<float> weights = {1};
  blend.algorithm = "blend";
  blend.user_factors = blend.item_factors = {};
  blend.parts = {view_};
  blend.band_lengths = lengths;
  blend.band_weights = {weights.data(), 1, 1};
  EXPECT_FALSE(EvaluateColdItems(backend(), blend, holdout_, 1));
}

KINDRED_ON_ALL_BACKENDS(ItemSubsetTest);

}  // namespace
}  // namespace kindred
