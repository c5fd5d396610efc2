// The parts of scorers beside factors, stored and read back: item-item matrices, linear queries and blends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/models/model.h"
#include "tests/support/errors.h"
#include "tests/support/small_blend.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAreArray;

void ExpectEqualScorers(const ModelView& found, const ModelView& expected) {
  EXPECT_EQ(found.algorithm, expected.algorithm);
  EXPECT_EQ(found.n_factors(), expected.n_factors());
  EXPECT_THAT(found.user_factors.all(), ElementsAreArray(expected.user_factors.all()));
  EXPECT_THAT(found.item_factors.all(), ElementsAreArray(expected.item_factors.all()));
  EXPECT_THAT(found.history_factors.all(), ElementsAreArray(expected.history_factors.all()));
  EXPECT_THAT(found.base_query, ElementsAreArray(expected.base_query));
  EXPECT_THAT(found.eigenvalues, ElementsAreArray(expected.eigenvalues));
  EXPECT_EQ(found.has_item_item(), expected.has_item_item());
  EXPECT_THAT(found.item_item.indptr, ElementsAreArray(expected.item_item.indptr));
  EXPECT_THAT(found.item_item.indices, ElementsAreArray(expected.item_item.indices));
  EXPECT_THAT(found.item_item.values, ElementsAreArray(expected.item_item.values));
  EXPECT_EQ(found.objective.regularization, expected.objective.regularization);
  EXPECT_EQ(found.history.nnz(), expected.history.nnz());
}

class ScorerPartsTest : public testing::Test {
 protected:
  void ExpectRefused(const std::string& part, ModelView model, const std::function<void(ModelView&)>& change) {
    change(model);
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { PublishModel(store_, "refused", model, {}); });
    EXPECT_FALSE(std::filesystem::exists(store_.VersionPath("refused", 1)));
  }

  SmallBlend small_;
  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
};

TEST_F(ScorerPartsTest, ALinearModelIsReadBack) {
  PublishModel(store_, "m", small_.linear, {});
  ExpectEqualScorers(Model::Open(store_, "m")->view(), small_.linear);
  small_.linear.history_factors = {};
  small_.linear.base_query = {};
  small_.linear.item_item = {};
  PublishModel(store_, "m", small_.linear, {});
  ExpectEqualScorers(Model::Open(store_, "m")->view(), small_.linear);
}

TEST_F(ScorerPartsTest, WhatDoesNotFitALinearModelIsRefused) {
  ExpectRefused("base_query has size 2", small_.linear,
                [](ModelView& model) { model.base_query = model.base_query.subspan(1); });
  ExpectRefused("history_factors (rows) has size 6", small_.linear,
                [](ModelView& model) { model.history_factors.n_rows = 6; });
  ExpectRefused("history_factors (columns) has size 0; expected 3", small_.linear,
                [](ModelView& model) { model.history_factors.n_cols = 0; });
  ExpectRefused("item_item (rows) has size 6", small_.linear, [](ModelView& model) { model.item_item.n_rows = 6; });
  ExpectRefused("an item-item matrix does not go with algorithm 'als'", small_.als.view(),
                [&](ModelView& model) { model.item_item = small_.item_item.view(); });
  ExpectRefused("base_query do not go with algorithm 'als'", small_.als.view(),
                [&](ModelView& model) { model.base_query = small_.base_query; });
  small_.item_item.indices[1] = 7;
  ExpectRefused("item_item_items holds 7 after 1 in row 0 of 7 columns", small_.linear, [](ModelView&) {});
  small_.item_item.indices[1] = 6;
  small_.item_item.values[2] = NAN;
  ModelView changed = small_.linear;
  ExpectError(ErrorCode::kNumeric, "item_item_values holds nan", [&] { PublishModel(store_, "m", changed, {}); });
}

TEST_F(ScorerPartsTest, ABlendIsReadBack) {
  PublishModel(store_, "m", small_.blend, {});
  const auto opened = Model::Open(store_, "m");
  const ModelView& found = opened->view();
  ASSERT_EQ(found.parts.size(), 2u);
  for (size_t p = 0; p < 2; ++p) ExpectEqualScorers(found.parts[p], small_.blend.parts[p]);
  EXPECT_THAT(found.band_lengths, ElementsAreArray(small_.lengths));
  EXPECT_THAT(found.band_weights.all(), ElementsAreArray(small_.weights));
  EXPECT_TRUE(found.has_factors());
  for (const auto& [length, band] : {std::pair(0, 0), {3, 0}, {4, 1}, {1000, 1}})
    EXPECT_EQ(found.WeightsFor(length).data(), found.band_weights.row(band).data()) << length;
}

TEST_F(ScorerPartsTest, APartHasAttributesThatFitIt) {
  const SmallModel content = SmallModel().KnowAttributes();
  small_.blend.parts[1] = content.view();
  PublishModel(store_, "m", small_.blend, {});
  const auto opened = Model::Open(store_, "m");
  const ModelView& found = opened->view().parts[1];
  EXPECT_EQ(found.item_attributes.names[2], "price: 1");
  EXPECT_THAT(found.user_attributes.features.indices, ElementsAreArray(content.user_features.indices));
  ExpectRefused("part 1: item_feature_factors (columns) has size 2", small_.blend,
                [](ModelView& model) { model.parts[1].item_attributes.factors.n_cols = 2; });
  ExpectRefused("part 1: user_features (rows) has size 4", small_.blend,
                [](ModelView& model) { model.parts[1].user_attributes.features.n_rows = 4; });
}

TEST_F(ScorerPartsTest, WhatDoesNotFitABlendIsRefused) {
  ExpectRefused("0 parts do not go with algorithm 'blend'", small_.blend,
                [](ModelView& model) { model.parts.clear(); });
  ExpectRefused("1 parts do not go with algorithm 'als'", small_.als.view(),
                [&](ModelView& model) { model.parts = {small_.linear}; });
  ExpectRefused("part 1: 'blend' cannot be a part", small_.blend,
                [&](ModelView& model) { model.parts[1] = small_.blend; });
  ExpectRefused("part 0: item_factors (rows) has size 6", small_.blend,
                [](ModelView& model) { model.parts[0].item_factors.n_rows = 6; });
  ExpectRefused("band_weights (columns) has size 1", small_.blend,
                [](ModelView& model) { model.band_weights.n_cols = 1; });
  ExpectRefused("band_lengths has size 1", small_.blend,
                [](ModelView& model) { model.band_lengths = model.band_lengths.first(1); });
  small_.lengths = {1, 4};
  ExpectRefused("does not begin at 0", small_.blend, [&](ModelView& model) { model.band_lengths = small_.lengths; });
  small_.lengths = {0, 0};
  ExpectRefused("band_lengths do not increase at 1", small_.blend,
                [&](ModelView& model) { model.band_lengths = small_.lengths; });
  small_.lengths = {0, 4};
  small_.weights[2] = -1;
  ExpectRefused("a weight of the blend is -1", small_.blend, [](ModelView&) {});
}

}  // namespace
}  // namespace kindred
