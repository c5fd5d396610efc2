// The parts of scorers beside factors, stored and read back: item-item matrices, linear queries and blends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/models/model.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
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
  ScorerPartsTest() {
    linear_.algorithm = "svd-filter";
    linear_.eigenvalues = {};
    linear_.objective = {};
    linear_.history_factors = {history_factors_.item_factors.data(), kItems, kFactors};
    linear_.base_query = base_query_;
    linear_.item_item = item_item_.view();

    blend_ = als_.view();
    blend_.algorithm = "blend";
    blend_.user_factors = blend_.item_factors = {};
    blend_.eigenvalues = {};
    blend_.objective = {};
    blend_.parts = {als_.view(), linear_};
    blend_.band_lengths = lengths_;
    blend_.band_weights = {weights_.data(), 2, 2};
  }

  void ExpectRefused(const std::string& part, ModelView model, const std::function<void(ModelView&)>& change) {
    change(model);
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { PublishModel(store_, "refused", model, {}); });
    EXPECT_FALSE(std::filesystem::exists(store_.VersionPath("refused", 1)));
  }

  static constexpr int64_t kUsers = 5, kItems = 7, kFactors = 3;
  SmallModel als_, history_factors_{kUsers, kItems, kFactors, 2};
  std::vector<float> base_query_ = {0.5f, -1, 2};
  Csr item_item_ = {kItems, kItems, {0, 2, 2, 3, 3, 3, 3, 4}, {1, 6, 0, 3}, {0.5f, -1, 2, 1}};
  std::vector<int32_t> lengths_ = {0, 4};
  std::vector<float> weights_ = {1, 0.5f, 0, 2};
  ModelView linear_ = als_.view(), blend_;
  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
};

TEST_F(ScorerPartsTest, ALinearModelIsReadBack) {
  PublishModel(store_, "m", linear_, {});
  ExpectEqualScorers(Model::Open(store_, "m")->view(), linear_);
  linear_.history_factors = {};
  linear_.base_query = {};
  linear_.item_item = {};
  PublishModel(store_, "m", linear_, {});
  ExpectEqualScorers(Model::Open(store_, "m")->view(), linear_);
}

TEST_F(ScorerPartsTest, WhatDoesNotFitALinearModelIsRefused) {
  ExpectRefused("base_query has size 2", linear_,
                [](ModelView& model) { model.base_query = model.base_query.subspan(1); });
  ExpectRefused("history_factors (rows) has size 6", linear_,
                [](ModelView& model) { model.history_factors.n_rows = 6; });
  ExpectRefused("item_item (rows) has size 6", linear_, [](ModelView& model) { model.item_item.n_rows = 6; });
  ExpectRefused("an item-item matrix does not go with algorithm 'als'", als_.view(),
                [&](ModelView& model) { model.item_item = item_item_.view(); });
  ExpectRefused("base_query do not go with algorithm 'als'", als_.view(),
                [&](ModelView& model) { model.base_query = base_query_; });
  item_item_.indices[1] = 7;
  ExpectRefused("item_item_items holds 7 after 1 in row 0 of 7 columns", linear_, [](ModelView&) {});
  item_item_.indices[1] = 6;
  item_item_.values[2] = NAN;
  ModelView changed = linear_;
  ExpectError(ErrorCode::kNumeric, "item_item_values holds nan", [&] { PublishModel(store_, "m", changed, {}); });
}

TEST_F(ScorerPartsTest, ABlendIsReadBack) {
  PublishModel(store_, "m", blend_, {});
  const auto opened = Model::Open(store_, "m");
  const ModelView& found = opened->view();
  ASSERT_EQ(found.parts.size(), 2u);
  for (size_t p = 0; p < 2; ++p) ExpectEqualScorers(found.parts[p], blend_.parts[p]);
  EXPECT_THAT(found.band_lengths, ElementsAreArray(lengths_));
  EXPECT_THAT(found.band_weights.all(), ElementsAreArray(weights_));
  EXPECT_TRUE(found.has_factors());
  for (const auto& [length, band] : {std::pair(0, 0), {3, 0}, {4, 1}, {1000, 1}})
    EXPECT_EQ(found.WeightsFor(length).data(), found.band_weights.row(band).data()) << length;
}

TEST_F(ScorerPartsTest, WhatDoesNotFitABlendIsRefused) {
  ExpectRefused("0 parts do not go with algorithm 'blend'", blend_, [](ModelView& model) { model.parts.clear(); });
  ExpectRefused("1 parts do not go with algorithm 'als'", als_.view(),
                [&](ModelView& model) { model.parts = {linear_}; });
  ExpectRefused("part 1: 'blend' cannot be a part", blend_, [&](ModelView& model) { model.parts[1] = blend_; });
  ExpectRefused("part 0: item_factors (rows) has size 6", blend_,
                [](ModelView& model) { model.parts[0].item_factors.n_rows = 6; });
  ExpectRefused("band_weights (columns) has size 1", blend_, [](ModelView& model) { model.band_weights.n_cols = 1; });
  ExpectRefused("band_lengths has size 1", blend_,
                [](ModelView& model) { model.band_lengths = model.band_lengths.first(1); });
  lengths_ = {1, 4};
  ExpectRefused("does not begin at 0", blend_, [&](ModelView& model) { model.band_lengths = lengths_; });
  lengths_ = {0, 0};
  ExpectRefused("band_lengths do not increase at 1", blend_, [&](ModelView& model) { model.band_lengths = lengths_; });
  lengths_ = {0, 4};
  weights_[2] = -1;
  ExpectRefused("a weight of the blend is -1", blend_, [](ModelView&) {});
}

}  // namespace
}  // namespace kindred
