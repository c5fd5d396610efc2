#include "host/evaluation/groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "host/evaluation/evaluation_details.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Texts that own what a TextsView shows.
struct Texts {
  explicit Texts(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      bytes.insert(bytes.end(), text.begin(), text.end());
      offsets.push_back(std::ssize(bytes));
    }
  }
  TextsView view() const { return {bytes, offsets}; }

  std::vector<uint8_t> bytes;
  std::vector<int64_t> offsets = {0};
};

AttributeColumn Named(const char* name, AttributeType type) {
  AttributeColumn column;
  column.name = name;
  column.type = type;
  return column;
}

std::vector<Grouping> GroupNumbers(const std::vector<double>& numbers) {
  AttributeColumn column = Named("n", AttributeType::kNumber);
  column.numbers = numbers;
  return AttributeGroupings({std::ssize(numbers), {column}});
}

TEST(AttributeGroupings, CategoriesByHowManyHaveThem) {
  const Texts dictionary({"red", "blue", "never"});
  const std::vector<int32_t> codes = {0, 1, 1, -1, 1, 0};
  AttributeColumn column = Named("colour", AttributeType::kCategory);
  column.codes = codes;
  column.dictionary = dictionary.view();
  const auto groupings = AttributeGroupings({6, {column}});
  ASSERT_EQ(groupings.size(), 1u);
  EXPECT_EQ(groupings[0].name, "colour");
  EXPECT_THAT(groupings[0].names, ElementsAre("blue", "red", "(missing)"));
  EXPECT_THAT(groupings[0].group_of, ElementsAre(1, 0, 0, 2, 0, 1));

  // The same of other rows: a model's users, of which the table lacks one.
  const std::vector<int32_t> rows = {2, -1, 0};
  const auto mapped = AttributeGroupings({6, {column}}, rows);
  ASSERT_EQ(mapped.size(), 1u);
  EXPECT_THAT(mapped[0].names, ElementsAre("red", "blue", "(missing)"));
  EXPECT_THAT(mapped[0].group_of, ElementsAre(1, 2, 0));
}

TEST(AttributeGroupings, ManyCategoriesEndInOthers) {
  std::vector<std::string> words;
  std::vector<int32_t> codes;
  for (int32_t word = 0; word < 40; ++word) {
    words.push_back("w" + std::to_string(word));
    for (int32_t i = 0; i <= word; ++i) codes.push_back(word);
  }
  const Texts dictionary(words);
  AttributeColumn column = Named("word", AttributeType::kCategory);
  column.codes = codes;
  column.dictionary = dictionary.view();
  const auto groupings = AttributeGroupings({std::ssize(codes), {column}});
  ASSERT_EQ(groupings.size(), 1u);
  EXPECT_EQ(groupings[0].names.size(), 13u);
  EXPECT_EQ(groupings[0].names[0], "w39");
  EXPECT_EQ(groupings[0].names[12], "(other)");
  EXPECT_EQ(groupings[0].group_of.front(), 12);
  EXPECT_EQ(groupings[0].group_of.back(), 0);
}

TEST(AttributeGroupings, FewNumbersAsTheyAreAndManyInQuarters) {
  const auto few = GroupNumbers({3, 1, kNan, 3, 2.5});
  ASSERT_EQ(few.size(), 1u);
  EXPECT_THAT(few[0].names, ElementsAre("1", "2.5", "3", "(missing)"));
  EXPECT_THAT(few[0].group_of, ElementsAre(2, 0, 3, 2, 1));

  std::vector<double> numbers(100);
  std::iota(numbers.begin(), numbers.end(), 1);
  const auto many = GroupNumbers(numbers);
  ASSERT_EQ(many.size(), 1u);
  EXPECT_THAT(many[0].names, ElementsAre("1 to 25", "26 to 50", "51 to 75", "76 to 100"));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(many[0].group_of[static_cast<size_t>(i)], i / 25) << i;

  std::vector<double> mostly_zero(100, 0);  // quarters that would part equal values are one
  for (int i = 0; i < 20; ++i) mostly_zero[static_cast<size_t>(i)] = i + 1;
  EXPECT_THAT(GroupNumbers(mostly_zero)[0].names, ElementsAre("0", "1 to 20"));
}

TEST(AttributeGroupings, WhatPartsNobodyIsNone) {
  EXPECT_TRUE(GroupNumbers({}).empty());
  EXPECT_TRUE(GroupNumbers({5, 5, 5}).empty());
  EXPECT_TRUE(GroupNumbers({kNan, kNan}).empty());
  EXPECT_EQ(GroupNumbers({5, kNan}).size(), 1u);
  const std::vector<uint8_t> booleans = {1, 0, 2, 1};
  AttributeColumn column = Named("b", AttributeType::kBoolean);
  column.booleans = booleans;
  EXPECT_THAT(AttributeGroupings({4, {column}})[0].group_of, ElementsAre(1, 0, 2, 1));
  const std::vector<int64_t> times = {0, 86400, std::numeric_limits<int64_t>::min()};
  column = Named("t", AttributeType::kTime);
  column.times = times;
  EXPECT_THAT(AttributeGroupings({3, {column}})[0].names, ElementsAre("1970-01-01", "1970-01-02", "(missing)"));
  EXPECT_TRUE(AttributeGroupings({0, {}}).empty());
}

TEST(ItemFeatures, CategoriesTagsAndBooleans) {
  const Texts dictionary({"a", "b"}), words({"x", "y", "z"});
  const std::vector<int32_t> codes = {1, -1, 0}, tags = {2, 0, 1};
  const std::vector<int64_t> indptr = {0, 2, 2, 3};
  const std::vector<uint8_t> booleans = {2, 1, 0};
  AttributeColumn category = Named("c", AttributeType::kCategory), tagged = Named("t", AttributeType::kTags),
                  flag = Named("f", AttributeType::kBoolean);
  category.codes = codes, category.dictionary = dictionary.view();
  tagged.codes = tags, tagged.indptr = indptr, tagged.dictionary = words.view();
  flag.booleans = booleans;
  const Csr features = ItemFeatures({3, {category, tagged, flag}});
  EXPECT_EQ(features.n_cols, 2 + 3 + 2);
  EXPECT_THAT(features.indptr, ElementsAre(0, 3, 4, 7));
  EXPECT_THAT(features.indices, ElementsAre(1, 2, 4, /**/ 6, /**/ 0, 3, 5));
  const std::vector<int32_t> rows = {-1, 2};
  EXPECT_THAT(ItemFeatures({3, {category, tagged, flag}}, rows).indptr, ElementsAre(0, 0, 3));
}

TEST(MeanOf, IsTheMeanWithItsStandardError) {
  const MeanInterval found = MeanOf(std::vector<double>{1, kNan, 2, 3, 6}, 0, 100);
  EXPECT_EQ(found.n, 4);
  EXPECT_EQ(found.mean, 3);
  const double half = 1.959963984540054 * std::sqrt((4 + 1 + 0 + 9) / 3.0 / 4);
  EXPECT_NEAR(found.low, 3 - half, 1e-12);
  EXPECT_NEAR(found.high, 3 + half, 1e-12);
  EXPECT_EQ(MeanOf(std::vector<double>{0, 0, 1}, 0, 1).low, 0);
  EXPECT_TRUE(std::isnan(MeanOf({}, 0, 1).mean));
  EXPECT_TRUE(std::isnan(MeanOf(std::vector<double>{0.5}, 0, 1).low));
  EXPECT_EQ(MeanOf(std::vector<double>{0.5}, 0, 1).mean, 0.5);
}

// Six users and four items, with figures that are chosen.
class GroupsTest : public testing::Test {
 protected:
  GroupsTest() {
    evaluation_.k = 2;
    evaluation_.n_users = 5;
    evaluation_.n_missing_users = 1;
    evaluation_.users = {0, 2, 3, 5};
    evaluation_.n_relevant = {1, 2, 3, 4};
    evaluation_.history_popularity = {0.5f, 0.25f, NAN, 0.25f};
    for (int i = 0; i < 4; ++i) {
      for (size_t m = 0; m < kNumberOfUserMetrics; ++m) {
        evaluation_.of_model.metrics.push_back(m < kNumberOfHitMetrics ? 0.25f * static_cast<float>(i) : 1);
        evaluation_.of_popularity.metrics.push_back(0.25f);
      }
    }
    evaluation_.of_model.n_shown = {4, 2, 2, 0};
    evaluation_.of_model.n_hits = {1, 0, 1, 0};
    evaluation_.of_popularity.n_shown = {8, 0, 0, 0};
  }

  Evaluation evaluation_;
};

TEST_F(GroupsTest, UsersAreMeasuredInTheirGroups) {
  const UserGroups found = MeasureUserGroups(evaluation_, {"kind", {"a", "empty", "b"}, {0, 0, 2, 2, 0, 2}});
  ASSERT_EQ(found.groups.size(), 2u);
  EXPECT_EQ(found.groups[0].name, "a");
  EXPECT_EQ(found.groups[0].n_users, 1);
  EXPECT_EQ(found.groups[0].model[kNdcg].mean, 0);
  EXPECT_EQ(found.groups[1].name, "b");
  EXPECT_EQ(found.groups[1].n_users, 3);
  EXPECT_EQ(found.groups[1].model[kNdcg].mean, 0.5);
  EXPECT_GT(found.groups[1].model[kNdcg].high, 0.5);
  EXPECT_EQ(found.groups[1].popularity[kNdcg].mean, 0.25);
  EXPECT_EQ(found.groups[1].popularity_lift, (1 + 1) / (0.25 + 0.25)) << "without the user who has no history";
}

TEST_F(GroupsTest, ItemsHaveTheirShares) {
  const std::vector<int64_t> indptr = {0, 3};
  const std::vector<int32_t> held = {0, 2, 3};
  const ItemGroups found = MeasureItemGroups(evaluation_, {1, 4, indptr, held, {}}, {"kind", {"a", "b"}, {0, 0, 1, 1}});
  ASSERT_EQ(found.groups.size(), 2u);
  EXPECT_EQ(found.groups[0].n_items, 2);
  EXPECT_EQ(found.groups[0].of_items, 0.5);
  EXPECT_EQ(found.groups[0].of_holdout, 1.0 / 3);
  EXPECT_EQ(found.groups[0].of_recommended, 0.75);
  EXPECT_EQ(found.groups[0].of_hits, 0.5);
  EXPECT_EQ(found.groups[0].of_popular, 1);
  EXPECT_EQ(found.groups[1].of_popular, 0);
}

TEST_F(GroupsTest, AgainstPopularityUserByUser) {
  const MeanInterval ndcg = AgainstPopularity(evaluation_)[kNdcg];
  EXPECT_EQ(ndcg.n, 5) << "the missing user too";
  EXPECT_NEAR(ndcg.mean, (-0.25 + 0 + 0.25 + 0.5 + 0) / 5, 1e-12);
  EXPECT_LT(ndcg.low, 0);
  EXPECT_GT(ndcg.high, 0.2);
}

TEST_F(GroupsTest, HistoriesInQuartersAndNone) {
  const std::vector<int64_t> indptr = {0, 0, 1, 3, 6, 10, 15, 21, 28, 36};
  const std::vector<int32_t> items(36, 0);
  const Grouping grouping = HistoryGrouping({9, 1, indptr, items, {}});
  EXPECT_EQ(grouping.name, "history length");
  EXPECT_THAT(grouping.names, ElementsAre("1 to 2", "3 to 4", "5 to 6", "7 to 8", "none"));
  EXPECT_THAT(grouping.group_of, ElementsAre(4, 0, 0, 1, 1, 2, 2, 3, 3));
}

TEST_F(GroupsTest, FilesHoldAnyBytesAndAreWholeOrNotThere) {
  IdMapBuilder users;
  for (const char* id : {"plain", "x", "a,\"b\"\nc", "<script>", "y", "=1+1"}) users.Intern(id);
  ModelView model;
  model.users = users.view();
  const std::vector<int64_t> indptr = {0, 2, 2, 2, 2, 2, 2};
  const std::vector<int32_t> items = {0, 1};
  model.history = {6, 4, indptr, items, {}};
  EvaluationDetails details;
  details.user_groups = {MeasureUserGroups(evaluation_, {"a,b", {"\"", "\r"}, {0, 0, 1, 1, 0, 1}})};
  details.item_groups = {MeasureItemGroups(evaluation_, {}, {"kind", {"a", "b"}, {0, 0, 1, 1}})};
  const TemporaryFolder folder;
  const auto out = folder.path() / "new" / "metrics";
  CheckMetricsFolder(out, false);
  WriteMetricsFiles(out, model, evaluation_, details, false);
  const std::string lines = Content(out / "user_metrics.csv"), groups = Content(out / "group_metrics.csv");
  EXPECT_THAT(lines, HasSubstr("user_id,n_train,n_holdout,recall_at_2,capped_recall_at_2,"));
  EXPECT_THAT(lines, HasSubstr("\nplain,2,1,0,0,0,0,0,0,0,1,1,1,0.5,0.25,"));
  EXPECT_THAT(lines, HasSubstr("\n\"a,\"\"b\"\"\nc\",0,2,0.25,"));
  EXPECT_THAT(lines, HasSubstr("\n<script>,0,3,0.5,0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,,0.25,")) << "no history: nothing";
  EXPECT_THAT(groups, HasSubstr("\nusers,\"a,b\",\"\"\"\",1,ndcg_at_2,0,,,0.25\n"));
  EXPECT_THAT(groups, HasSubstr("\nusers,\"a,b\",\"\r\",3,recall_at_2,0.5,"));
  EXPECT_THAT(groups, HasSubstr("\nitems,kind,a,2,share_of_recommended,0.75,,,1\n"));
  EXPECT_THAT(groups, HasSubstr("\nitems,kind,a,2,share_of_holdout,,,,\n"));
  EXPECT_THAT(groups, testing::Not(HasSubstr("nan")));

  ExpectError(ErrorCode::kAlreadyExists, "user_metrics.csv", [&] { CheckMetricsFolder(out, false); });
  ExpectError(ErrorCode::kAlreadyExists, "user_metrics.csv",
              [&] { WriteMetricsFiles(out, model, evaluation_, details, false); });
  CheckMetricsFolder(out, true);
  WriteMetricsFiles(out, model, evaluation_, details, true);
  EXPECT_EQ(Content(out / "user_metrics.csv"), lines);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(out), {}), 2);
}

TEST_F(GroupsTest, TooFewHitsGiveNoCalibrationAndSayWhy) {
  ModelView model;
  const std::vector<float> factors(6, 1);
  model.item_factors = {factors.data(), 6, 1};
  const std::vector<int64_t> indptr(7, 0);
  model.history = {6, 4, indptr, {}, {}};
  const auto scored = [](int64_t n_hits, int64_t n_others) {
    ScoredPairs pairs;
    for (int64_t i = 0; i < n_hits + n_others; ++i) {
      pairs.scores.push_back(static_cast<float>(i % 7));
      pairs.hits.push_back(i < n_hits ? 1 : 0);
    }
    return pairs;
  };
  for (const auto& [learning, measuring] : {std::pair(scored(19, 100), scored(20, 100)),
                                            {scored(20, 100), scored(100, 19)},
                                            {scored(0, 0), scored(0, 0)}}) {
    evaluation_.learning = learning, evaluation_.measuring = measuring;
    const EvaluationDetails details = MeasureDetails(evaluation_, model, {}, {});
    EXPECT_TRUE(details.calibration.view().empty());
    EXPECT_THAT(details.no_calibration, HasSubstr("at least 20 hits"));
    EXPECT_EQ(DetailsJson(evaluation_, details)["calibration"]["absent"], details.no_calibration);
  }
  evaluation_.learning = scored(20, 100), evaluation_.measuring = scored(20, 20);
  const EvaluationDetails details = MeasureDetails(evaluation_, model, {}, {});
  EXPECT_FALSE(details.calibration.view().empty());
  EXPECT_EQ(DetailsJson(evaluation_, details)["calibration"]["n_measuring"], 40);
  model.item_factors = {};
  EXPECT_THAT(MeasureDetails(evaluation_, model, {}, {}).no_calibration, HasSubstr("by popularity"));
}

TEST_F(GroupsTest, JsonIsUtf8AndHasNoNumberThatIsNone) {
  evaluation_.of_model.metrics[kDiversity] = NAN;  // of the only user of the first group
  EvaluationDetails details;
  details.user_groups = {MeasureUserGroups(evaluation_, {"\xff", {"\xfe<", "b"}, {0, 0, 1, 1, 0, 1}})};
  details.item_groups = {MeasureItemGroups(evaluation_, {}, {"kind", {"\xfd", "b"}, {0, 0, 1, 1}})};
  details.no_calibration = "none";
  evaluation_.learning = {{1, 2, 3}, {0, 1, 0}};
  const nlohmann::json json = DetailsJson(evaluation_, details);
  EXPECT_NO_THROW(json.dump());
  EXPECT_EQ(json["user_groups"][0]["attribute"], "\\xff");
  EXPECT_TRUE(json["user_groups"][0]["groups"][0]["diversity_at_2"]["mean"].is_null());
  EXPECT_TRUE(json["item_groups"][0]["groups"][0]["of_holdout"].is_null());
  EXPECT_EQ(json["spread"]["ndcg_at_2"]["n_zero"], 1);
  EXPECT_EQ(json["spread"]["ndcg_at_2"]["max"], 0.75);
  const auto counts = json["spread"]["ndcg_at_2"]["counts"].get<std::vector<int>>();
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 3);
  EXPECT_EQ(json["scores"]["hits"].size(), json["scores"]["others"].size());
  EXPECT_EQ(json["scores"]["first"], 1);
  EXPECT_EQ(json["scores"]["others"].back(), 1);
}

}  // namespace
}  // namespace kindred
