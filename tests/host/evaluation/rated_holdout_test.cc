#include "host/evaluation/rated_holdout.h"

#include <gtest/gtest.h>

#include <cmath>

#include "host/evaluation/split.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

TEST(RatedHoldout, RelevantAreRatingsOfAtLeastTheThreshold) {
  RatedHoldout rated;
  rated.ratings = {3, 4, {0, 3, 3, 4}, {0, 1, 3, 2}, {1, 4, 3.5f, -2}};
  rated.missing = {{-2, 1, 5}, {-2, 3, 5}, {-1, -1, 1}, {-1, 0, 4}, {0, -2, 4}, {0, -1, 1}, {1, -1, 3.5f}};
  const Holdout holdout = rated.Relevant(3.5f);
  EXPECT_EQ(holdout.relevant.indptr, (std::vector<int64_t>{0, 2, 2, 2}));
  EXPECT_EQ(holdout.relevant.indices, (std::vector<int32_t>{1, 3}));
  EXPECT_EQ(holdout.n_missing_items, (std::vector<int64_t>{1, 1, 0}));
  EXPECT_EQ(holdout.n_missing_users, 2);
  EXPECT_EQ(holdout.n_missing_user_items, 3);
  EXPECT_EQ(rated.Relevant(6).n_missing_users, 0);
  EXPECT_EQ(rated.Relevant(-2).relevant.indices.size(), 4u);
}

TEST(RatedHoldout, TakesTheLastHeldOutRatingOfASplitsPairs) {
  const std::vector<int64_t> indptr = {0, 5}, times = {10, 20, 30, 40, 50};
  const std::vector<int32_t> items = {0, 1, 2, 2, 0};
  const std::vector<float> values = {5, 4, 1, 0, 3};
  const EventsView events = {indptr, items, values, times};
  SplitOptions options;
  options.kind = SplitKind::kTime;
  options.has_moment = true;
  options.moment = 25;
  const Split split = SplitEvents(WithoutValues(events), 3, options);
  const RatedHoldout rated = RateHoldout(split.holdout, events, split.keep, {}, nullptr);
  EXPECT_EQ(rated.ratings.indices, (std::vector<int32_t>{2}));  // item 0 is in training already
  EXPECT_EQ(rated.ratings.values, (std::vector<float>{0}));
  EXPECT_TRUE(rated.missing.empty());
}

class RatedFileTest : public testing::Test {
 protected:
  RatedFileTest() {
    for (const char* id : {"u0", "u1"}) users_.Intern(id);
    for (const char* id : {"i0", "i1", "i2"}) items_.Intern(id);
  }
  RatedHoldout Read(const std::string& text, const EventWeighting& weighting = {}) const {
    const std::vector<std::string> paths = {folder_.Write("test.csv", text)};
    EventReaderOptions options;
    options.negative_values = true;
    return ReadRatedHoldout(paths, options, users_.view(), items_.view(), weighting);
  }

  TemporaryFolder folder_;
  IdMapBuilder users_, items_;
};

TEST_F(RatedFileTest, LastRatingsInTimeAndForeignIds) {
  const RatedHoldout rated = Read(
      "user,item,value,time\nu1,i2,4,100\nu1,i2,-1.5,200\nu1,i2,5,150\nu0,i1,0,1\nzoe,i0,3,1\nzoe,new,2,1\nadam,i0,1,"
      "1\n"
      "u0,new,4.5,1\nzoe,i0,5,2\n");
  EXPECT_EQ(rated.ratings.indptr, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(rated.ratings.indices, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(rated.ratings.values, (std::vector<float>{0, -1.5f}));
  ASSERT_EQ(rated.missing.size(), 4u);
  const auto expect = [&](size_t at, int32_t user, int32_t item, float rating) {
    EXPECT_EQ(rated.missing[at].user, user) << at;
    EXPECT_EQ(rated.missing[at].item, item) << at;
    EXPECT_EQ(rated.missing[at].rating, rating) << at;
  };
  expect(0, -2, -1, 2);  // zoe, new
  expect(1, -2, 0, 5);
  expect(2, -1, 0, 1);  // adam
  expect(3, 0, -1, 4.5f);
  EXPECT_EQ(rated.Relevant(2).n_missing_users, 1);
}

TEST_F(RatedFileTest, WithoutTimesTheMeanCounts) {
  EXPECT_EQ(Read("user,item,value\nu1,i2,4\nu1,i2,1\nu1,i2,2.5\n").ratings.values, (std::vector<float>{2.5f}));
}

TEST_F(RatedFileTest, TypesOfWeight0AreLeftOut) {
  const std::string text = "user,item,value,event\nu1,i2,4,rating\nu0,i2,1,view\n";
  EXPECT_EQ(Read(text, {.event_weights = {{"rating", 1}, {"view", 0}}}).ratings.values, (std::vector<float>{4}));
  ExpectError(ErrorCode::kInvalidArgument, "type 'view'", [&] { Read(text, {.event_weights = {{"rating", 1}}}); });
}

TEST_F(RatedFileTest, FilesWithoutValuesHaveNoRatings) {
  ExpectError(ErrorCode::kInvalidArgument, "no values; expected the held-out ratings",
              [&] { Read("user,item\nu1,i2\n"); });
  ExpectError(ErrorCode::kInvalidArgument, "no events", [&] { Read("user,item,value\n"); });
}

TEST(RatingErrors, AreThoseOfTheServedScore) {
  const SmallModel small = std::move(SmallModel(5, 7, 3, 2).Rate());
  const ModelView model = small.view();
  RatedHoldout rated;
  rated.ratings = {5, 7, {0, 2, 2, 2, 3, 3}, {1, 4, 6}, {2, 5, -1}};
  rated.missing = {{-1, 3, 4}, {2, -1, 1}, {-2, -2, 3}};
  const RatingErrors errors = EvaluateRatings(model, rated);
  EXPECT_EQ(errors.n_ratings, 6);
  double squares = 0, absolutes = 0;
  const auto add = [&](double rating, double predicted) {
    squares += (rating - predicted) * (rating - predicted);
    absolutes += std::abs(rating - predicted);
  };
  const auto predict = [&](int64_t u, int64_t i) {
    double rating = double{model.rating_mean} + model.user_biases[u] + model.item_biases[i];
    for (size_t k = 0; k < 3; ++k) rating += double{model.user_factors.row(u)[k]} * model.item_factors.row(i)[k];
    return rating;
  };
  add(2, predict(0, 1));
  add(5, predict(0, 4));
  add(-1, predict(3, 6));
  add(4, double{model.rating_mean} + model.item_biases[3]);
  add(1, double{model.rating_mean} + model.user_biases[2]);
  add(3, model.rating_mean);
  EXPECT_NEAR(errors.model.rmse, std::sqrt(squares / 6), 1e-6);
  EXPECT_NEAR(errors.model.mae, absolutes / 6, 1e-6);
  double mean = 0;
  for (const float rating : model.history.values) mean += rating / static_cast<double>(model.history.nnz());
  EXPECT_NEAR(errors.mean.mae,
              (std::abs(2 - mean) + std::abs(5 - mean) + std::abs(-1 - mean) + std::abs(4 - mean) + std::abs(1 - mean) +
               std::abs(3 - mean)) /
                  6,
              1e-6);
  EXPECT_NE(errors.biases.rmse, errors.mean.rmse);
  EXPECT_EQ(RatingErrorsJson(errors)["rmse"], errors.model.rmse);
}

TEST(RatingErrors, OfNothingAre0) {
  const SmallModel small = std::move(SmallModel().Rate());
  RatedHoldout rated;
  rated.ratings = {5, 7, std::vector<int64_t>(6, 0), {}, {}};
  const RatingErrors errors = EvaluateRatings(small.view(), rated);
  EXPECT_EQ(errors.n_ratings, 0);
  EXPECT_EQ(errors.model.rmse, 0);
}

}  // namespace
}  // namespace kindred
