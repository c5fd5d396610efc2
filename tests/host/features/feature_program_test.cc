#include "host/features/feature_program.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "tests/host/features/naive_features.h"
#include "tests/host/features/small_dataset.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

FeatureSpec Spec(const std::string& text) {
  const toml::table file = ParseToml("events = { purchases = 'buy', interest = ['view', 'cart'] }\n" + text, "s.toml");
  return ReadFeatureSpec(TomlTable(file, {"s.toml"}, kFeatureSpecKeys));
}

/// Every kind with every way to say what it is of, times every selection.
std::string EveryKind() {
  const char* kinds[] = {"kind = 'recency'",
                         "kind = 'tenure'",
                         "kind = 'count'",
                         "kind = 'rate'",
                         "kind = 'rate'\nper = '1d'",
                         "kind = 'sum'",
                         "kind = 'sum'\nof = 'price'",
                         "kind = 'mean'",
                         "kind = 'mean'\nof = 'sale'",
                         "kind = 'max'",
                         "kind = 'max'\nof = 'price'",
                         "kind = 'gap'",
                         "kind = 'baskets'",
                         "kind = 'basket_size'",
                         "kind = 'basket_value'",
                         "kind = 'basket_value'\nof = 'price'",
                         "kind = 'distinct'",
                         "kind = 'distinct'\nof = 'category'",
                         "kind = 'distinct'\nof = 'tags'",
                         "kind = 'entropy'",
                         "kind = 'entropy'\nof = 'category'",
                         "kind = 'entropy'\nof = 'tags'",
                         "kind = 'sessions'",
                         "kind = 'sessions'\nsession_gap = '10m'",
                         "kind = 'session_length'",
                         "kind = 'dwell'",
                         "kind = 'velocity'",
                         "kind = 'repeat_visits'",
                         "kind = 'category_shares'\nof = 'category'",
                         "kind = 'category_shares'\nof = 'tags'\ntop = 2",
                         "kind = 'category_shares'\nof = 'tags'\nvalues = ['new', 'red']"};
  const char* selections[] = {"",
                              "events = 'purchases'",
                              "events = ['interest', 'buy']",
                              "window = '1d'",
                              "window = '50h'\nevents = 'view'",
                              "where = 'price > 30'",
                              "where = 'sale'\nwindow = '2d'\nevents = 'interest'"};
  std::string text;
  int n = 0;
  for (const char* kind : kinds)
    for (const char* selection : selections)
      text += fmt::format("[[features]]\nname = 'f{}'\n{}\n{}\n", n++, kind, selection);
  for (const char* selection : {"", "events = 'view'", "window = '1d'"})
    text += fmt::format("[[features]]\nname = 'f{}'\nkind = 'share'\nwhere = 'sale'\n{}\n", n++, selection);
  for (const char* of : {"age", "vip", "joined"})
    text += fmt::format("[[features]]\nname = 'f{}'\nkind = 'attribute'\nof = '{}'\n", n++, of);
  return text;
}

class FeatureProgramTest : public testing::Test {
 protected:
  std::shared_ptr<const Dataset> Write(const std::vector<int64_t>& n_events, SmallDataset::Parts parts = {}) {
    return SmallDataset::Write(folder_.path() / std::to_string(n_datasets_++), kSeed, n_events, parts);
  }
  void ExpectRefused(const std::string& feature, const std::string& message, SmallDataset::Parts parts = {}) {
    const auto dataset = Write({3}, parts);
    SCOPED_TRACE(feature);
    ExpectError(ErrorCode::kInvalidArgument, message,
                [&] { FeatureProgram::Compile(Spec("[[features]]\nname = 'x'\n" + feature), *dataset, nullptr); });
  }

  static constexpr uint32_t kSeed = 7;
  TemporaryFolder folder_;
  int n_datasets_ = 0;
  ThreadPool pool_{1};
};

bool Holds(const Dataset& dataset, const std::string& where, int32_t item) {
  const AttributeTable& table = dataset.item_attributes();
  if (where == "sale") return table.columns()[static_cast<size_t>(table.Find("sale"))].booleans[item] == 1;
  return table.columns()[static_cast<size_t>(table.Find("price"))].numbers[item] > 30;
}

void ExpectSame(double found, double expected, const std::string& what) {
  if (std::isnan(expected))
    EXPECT_TRUE(std::isnan(found)) << what << ": " << found << "; expected a missing one";
  else
    EXPECT_NEAR(found, expected, 1e-12 * std::max(1.0, std::abs(expected))) << what;
}

TEST_F(FeatureProgramTest, EveryKindByItsDefinition) {
  const auto dataset = Write({0, 1, 2, 3, 8, 31, 32, 33, 200, 0, 5});
  FeatureSpec spec = Spec(EveryKind());
  for (const int64_t reference : {SmallDataset::kLast, SmallDataset::kLast - 40 * SmallDataset::kStep}) {
    spec.reference = reference;
    const FeatureProgram program = FeatureProgram::Compile(spec, *dataset, nullptr);
    const FeatureTable table = program.Compute(dataset->events(), reference, pool_);
    ASSERT_EQ(table.n_users, 11);
    EXPECT_EQ(table.n_future_events > 0, reference < SmallDataset::kLast);
    const NaiveFeatures naive(*dataset, reference,
                              [&](const std::string& where, int32_t item) { return Holds(*dataset, where, item); });
    for (int64_t user = 0; user < table.n_users; ++user) {
      size_t column = 0;
      for (const FeatureDeclaration& feature : program.spec().features)
        for (const double expected : naive.Of(feature, user)) {
          ASSERT_LT(column, program.columns().size());
          ExpectSame(table.row(user)[column++], expected,
                     fmt::format("seed {}, user {}, {}", kSeed, user, FeatureJson(feature).dump()));
        }
      EXPECT_EQ(column, program.columns().size());
    }
  }
}

TEST_F(FeatureProgramTest, OneUserIsAsInTheTableOfAll) {
  const auto dataset = Write({0, 1, 40});
  const FeatureProgram program = FeatureProgram::Compile(Spec(EveryKind()), *dataset, nullptr);
  EXPECT_EQ(program.reference(), LastTime(dataset->events()));
  const FeatureTable table = program.Compute(dataset->events(), program.reference(), pool_);
  std::vector<double> row(program.columns().size());
  for (int64_t user = 0; user < 3; ++user) {
    program.Compute(EventsOf(dataset->events(), user), user, program.reference(), row);
    for (size_t i = 0; i < row.size(); ++i)
      EXPECT_EQ(std::bit_cast<uint64_t>(row[i]), std::bit_cast<uint64_t>(table.row(user)[i])) << table.names[i];
  }
}

TEST_F(FeatureProgramTest, TheSameBitsForAnyNumberOfThreads) {
  std::vector<int64_t> n_events;
  for (int64_t user = 0; user < 1100; ++user) n_events.push_back(user % 7);
  const auto dataset = Write(n_events);
  const FeatureProgram program = FeatureProgram::Compile(Spec(EveryKind()), *dataset, nullptr);
  const FeatureTable one = program.Compute(dataset->events(), SmallDataset::kLast - 86400, pool_);
  for (const int n_threads : {2, 3, 8}) {
    ThreadPool pool(n_threads);
    const FeatureTable many = program.Compute(dataset->events(), SmallDataset::kLast - 86400, pool);
    EXPECT_EQ(std::memcmp(one.values.data(), many.values.data(), one.values.size() * sizeof(double)), 0);
    EXPECT_EQ(one.n_events, many.n_events);
    EXPECT_EQ(one.n_future_events, many.n_future_events);
  }
}

TEST_F(FeatureProgramTest, WindowsEndAtTheReferenceAndLeaveOutTheirBeginning) {
  const auto dataset = Write({1});
  const FeatureProgram program =
      FeatureProgram::Compile(Spec("[[features]]\nname = 'x'\nkind = 'count'\nwindow = '100s'\n"), *dataset, nullptr);
  const std::vector<int64_t> times = {899, 900, 901, 1000, 1000, 1001};
  const std::vector<int32_t> items(6);
  const std::vector<uint8_t> types(6);
  double count = 0;
  program.Compute({items, {}, times, types}, -1, 1000, {&count, 1});
  EXPECT_EQ(count, 3);  // 901, 1000, 1000
}

TEST_F(FeatureProgramTest, UnknownUsersAndItems) {
  const auto dataset = Write({4, 4});
  const FeatureProgram program = FeatureProgram::Compile(
      Spec("[[features]]\nname = 'n'\nkind = 'count'\n[[features]]\nname = 'd'\nkind = 'distinct'\n"
           "[[features]]\nname = 'c'\nkind = 'count'\nwhere = 'not price > 1e9'\n"
           "[[features]]\nname = 'p'\nkind = 'mean'\nof = 'price'\n[[features]]\nname = 'a'\nkind = 'attribute'\nof = "
           "'age'\n[[features]]\nname = 's'\nkind = 'category_shares'\nof = 'category'\nvalues = ['shoes']\n"),
      *dataset, nullptr);
  const std::vector<int32_t> items = {-1, 1 << 30, INT32_MIN, 40};
  const std::vector<int64_t> times(4, SmallDataset::kLast);
  const std::vector<uint8_t> types(4);
  std::vector<double> row(6);
  program.Compute({items, {}, times, types}, -1, SmallDataset::kLast, row);
  EXPECT_EQ(row[0], 4);
  EXPECT_EQ(row[1], 1);
  EXPECT_EQ(row[2], 0);
  for (size_t i = 3; i < 6; ++i) EXPECT_TRUE(std::isnan(row[i])) << i;
  program.Compute({}, 5, SmallDataset::kLast, row);  // a user behind those of the dataset
  EXPECT_TRUE(std::isnan(row[4]));
}

TEST_F(FeatureProgramTest, EventsThatCannotBe) {
  const auto dataset = Write({4});
  const FeatureProgram program =
      FeatureProgram::Compile(Spec("[[features]]\nname = 'n'\nkind = 'count'\n"), *dataset, nullptr);
  std::vector<int32_t> items = {0, 1};
  std::vector<int64_t> times = {5, 6};
  std::vector<uint8_t> types = {0, 1};
  std::vector<float> values = {1, 1};
  std::vector<double> row(1);
  const auto refuse = [&](const std::string& message, const UserEvents& events) {
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { program.Compute(events, 0, 10, row); });
  };
  refuse("lacks its value", {items, {values.data(), 1}, times, types});
  refuse("need times", {items, values, {}, types});
  refuse("need types", {items, values, times, {}});
  times = {6, 5};
  refuse("not in order", {items, values, times, types});
  times = {INT64_MIN, INT64_MAX};
  refuse("years 1 to 9999", {items, values, times, types});
  times = {5, 6};
  types = {0, 3};
  refuse("type that is not known", {items, values, times, types});
  row.resize(2);
  types = {0, 1};
  refuse("another number of features", {items, values, times, types});
}

TEST_F(FeatureProgramTest, WithoutTimesAndTypes) {
  const auto dataset = Write({3, 0}, {.times = false, .types = false});
  const FeatureSpec spec = DefaultFeatureSpec(dataset->event_types(), false, true);
  const FeatureProgram program = FeatureProgram::Compile(spec, *dataset, nullptr);
  EXPECT_THAT(program.names(), ElementsAre("events", "monetary"));
  const FeatureTable table = program.Compute(dataset->events(), program.reference(), pool_);
  EXPECT_EQ(table.row(0)[0], 3);
  EXPECT_THAT(table.row(1), ElementsAre(0, 0));
  EXPECT_THAT(table.n_events, ElementsAre(3, 0));
  std::vector<double> row(2);  // times say nothing where the others had none
  const std::vector<int64_t> times = {1};
  program.Compute({std::vector<int32_t>{0}, {}, times, {}}, -1, program.reference(), row);
  EXPECT_THAT(row, ElementsAre(1, 1));
}

TEST_F(FeatureProgramTest, ADatasetWithoutUsersOrEvents) {
  for (const std::vector<int64_t>& n_events : {std::vector<int64_t>{}, {0, 0}}) {
    const auto dataset = Write(n_events);
    const FeatureProgram program =
        FeatureProgram::Compile(DefaultFeatureSpec(dataset->event_types(), true, true), *dataset, nullptr);
    const FeatureTable table = program.Compute(dataset->events(), program.reference(), pool_);
    EXPECT_EQ(table.n_users, static_cast<int64_t>(n_events.size()));
    if (table.n_users == 0) continue;
    EXPECT_TRUE(std::isnan(table.row(1)[0]));
    EXPECT_EQ(table.row(1)[1], 0);
  }
}

TEST_F(FeatureProgramTest, SharesAreOfTheMostFrequentValuesThatHaveNames) {
  const auto dataset = Write({300});
  const FeatureProgram program = FeatureProgram::Compile(
      Spec("[[features]]\nname = 's'\nkind = 'category_shares'\nof = 'category'\n"), *dataset, nullptr);
  EXPECT_EQ(program.columns().size(), 4u);  // the fifth is no UTF-8
  const FeatureTable table = program.Compute(dataset->events(), program.reference(), pool_);
  for (size_t i = 1; i < 4; ++i) EXPECT_GE(table.row(0)[i - 1], table.row(0)[i]);
  EXPECT_EQ(program.columns()[0].name, "s." + program.spec().features[0].values[0]);
  EXPECT_EQ(FeatureProgram::Compile(program.spec(), *dataset, nullptr).names(), program.names());
}

TEST_F(FeatureProgramTest, FactorsOfAModel) {
  const ModelStore store(folder_.path() / "models");
  SmallModel small;
  {
    const ModelLock lock = store.Lock("shop");
    PublishModel(store, "shop", small.view(), {});
  }
  const auto dataset = Write({2, 2, 0, 1, 1, 1, 1});
  const FeatureProgram program = FeatureProgram::Compile(
      Spec("[[features]]\nname = 'taste'\nkind = 'factors'\nmodel = 'shop'\n"), *dataset, &store);
  EXPECT_THAT(program.names(), ElementsAre("taste.f1", "taste.f2", "taste.f3"));
  EXPECT_EQ(program.spec().features[0].version, "1");
  const FeatureTable table = program.Compute(dataset->events(), program.reference(), pool_);
  for (int64_t user = 0; user < 7; ++user)
    for (int64_t f = 0; f < 3; ++f) {
      const double expected =
          user == 0 || user > 4 ? NaiveFeatures::kMissing : double{small.view().user_factors.row(user)[f]};
      ExpectSame(table.row(user)[static_cast<size_t>(f)], expected, fmt::format("user {}, factor {}", user, f));
    }
  ExpectError(ErrorCode::kInvalidArgument, "needs a store of models",
              [&] { FeatureProgram::Compile(program.spec(), *dataset, nullptr); });
  ExpectError(ErrorCode::kNotFound, "nowhere", [&] {
    FeatureProgram::Compile(Spec("[[features]]\nname = 'x'\nkind = 'factors'\nmodel = 'nowhere'\n"), *dataset, &store);
  });
}

TEST_F(FeatureProgramTest, AVersionHasAllThatItNeeds) {
  const ModelStore store(folder_.path() / "models");
  {
    const ModelLock lock = store.Lock("shop");
    PublishModel(store, "shop", SmallModel().view(), {});
  }
  const auto dataset = Write({0, 3, 50, 7});
  const FeatureProgram program = FeatureProgram::Compile(
      Spec("reference = 2020-09-12\n" + EveryKind() + "[[features]]\nname = 't'\nkind = 'factors'\nmodel = 'shop'\n"),
      *dataset, &store);
  const auto path = folder_.path() / "artifact";
  ArtifactWriter writer(path, "test");
  const nlohmann::json described = program.AddTo(writer, "features");
  writer.Commit({{"features", described}});
  const auto artifact = Artifact::Open(path, "test");
  const FeatureProgram read = FeatureProgram::FromArtifact(artifact, "features", artifact->manifest()["features"]);
  EXPECT_EQ(read.names(), program.names());
  EXPECT_EQ(read.rules(), program.rules());
  EXPECT_EQ(read.reference(), program.reference());
  EXPECT_EQ(read.n_users(), 4);
  EXPECT_EQ(read.n_items(), SmallDataset::kItems);
  const FeatureTable before = program.Compute(dataset->events(), program.reference(), pool_);
  const FeatureTable after = read.Compute(dataset->events(), read.reference(), pool_);
  EXPECT_EQ(std::memcmp(before.values.data(), after.values.data(), before.values.size() * sizeof(double)), 0);
}

// Without it there is nothing that their features are computed from.
TEST_F(FeatureProgramTest, AStoredDeclarationHasWhatItsKindNeeds) {
  const auto dataset = Write({3});
  const std::pair<const char*, const char*> needs[] = {{"kind = 'share'\nwhere = 'sale'\n", "where"},
                                                       {"kind = 'category_shares'\nof = 'tags'\n", "of"},
                                                       {"kind = 'attribute'\nof = 'age'\n", "of"}};
  int n = 0;
  for (const auto& [declared, key] : needs) {
    const FeatureProgram program =
        FeatureProgram::Compile(Spec(fmt::format("[[features]]\nname = 'x'\n{}", declared)), *dataset, nullptr);
    const auto path = folder_.path() / fmt::format("artifact{}", n++);
    ArtifactWriter writer(path, "test");
    nlohmann::json described = program.AddTo(writer, "features");
    writer.Commit({});
    for (const nlohmann::json& lacking : {nlohmann::json(), nlohmann::json("")}) {
      described["spec"]["features"][0][key] = lacking;
      ExpectError(ErrorCode::kCorrupt, fmt::format("feature 0: '{}' is not a text", key),
                  [&] { FeatureProgram::FromArtifact(Artifact::Open(path, "test"), "features", described); });
    }
  }
}

TEST_F(FeatureProgramTest, SumsThatNoDoubleHoldsAreTheLargest) {
  const auto dataset = Write({50});
  const FeatureProgram program =
      FeatureProgram::Compile(Spec("[[features]]\nname = 's'\nkind = 'sum'\nof = 'price'\n[[features]]\nname = 'v'\n"
                                   "kind = 'basket_value'\nof = 'price'\n[[features]]\nname = 'm'\nkind = 'mean'\n"
                                   "of = 'price'\n"),
                              *dataset, nullptr);
  ArtifactWriter writer(folder_.path() / "artifact", "test");
  const nlohmann::json described = program.AddTo(writer, "features");
  writer.Commit({});
  const EditableArtifact artifact(folder_.path() / "artifact");
  for (const double sign : {1, -1}) {
    for (auto [name, content] : artifact.files()) {
      const std::vector<double> prices(SmallDataset::kItems, sign * 1e308);
      std::memcpy(content.data() + content.size() - sizeof(double) * prices.size(), prices.data(),
                  sizeof(double) * prices.size());
      artifact.Replace(name, content);
    }
    const auto read = FeatureProgram::FromArtifact(Artifact::Open(artifact.path(), "test"), "features", described);
    const FeatureTable table = read.Compute(dataset->events(), read.reference(), pool_);
    EXPECT_THAT(table.values, testing::Each(sign * std::numeric_limits<double>::max()));
  }
}

TEST_F(FeatureProgramTest, WhatADatasetDoesNotHave) {
  ExpectRefused(
      "kind = 'count'\nevents = 'bui'",
      "s.toml: line 2, column 1: features: 'x': no events are of type 'bui'; the nearest known name is 'buy'");
  ExpectRefused("kind = 'count'\nevents = 'buy'", "the events have no types", {.types = false});
  ExpectRefused("kind = 'recency'", "'x': needs times", {.times = false});
  ExpectRefused("kind = 'count'\nwindow = '1d'", "needs times", {.times = false});
  ExpectRefused("kind = 'sum'\nof = 'prise'", "no attribute 'prise' of items; the nearest known is 'price'");
  ExpectRefused("kind = 'sum'\nof = 'price'", "no attribute 'price' of items", {.attributes = false});
  ExpectRefused("kind = 'sum'\nof = 'title'", "'title' of items is of type text; expected number or boolean");
  ExpectRefused("kind = 'distinct'\nof = 'price'", "is of type number; expected category or tags");
  ExpectRefused("kind = 'attribute'\nof = 'ages'", "no attribute 'ages' of users; the nearest known is 'age'");
  ExpectRefused("kind = 'count'\nwhere = 'prise > 1'", "where: line 1, column 1: unknown attribute 'prise'");
  ExpectRefused("kind = 'category_shares'\nof = 'category'\nvalues = ['a', 'a']", "the value 'a' is there twice");
  ExpectRefused("kind = 'category_shares'\nof = 'category'\nwhere = 'category is missing'",
                "no event that it is of has an item with 'category'");
  const auto dataset = Write({3});
  FeatureSpec early = Spec("[[features]]\nname = 'x'\nkind = 'count'");
  early.reference = 1000;
  ExpectError(ErrorCode::kInvalidArgument,
              "all events are later than the reference, 1970-01-01T00:16:40Z: the first is of ",
              [&] { FeatureProgram::Compile(early, *dataset, nullptr); });
  FeatureSpec many;
  for (int i = 0; i < 5; ++i) {
    many.features.emplace_back();
    many.features.back().name = "n" + std::to_string(i);
    many.features.back().kind = FeatureKind::kCategoryShares;
    many.features.back().of = "category";
    for (int value = 0; value < 1000; ++value) many.features.back().values.push_back(std::to_string(value));
  }
  ExpectError(ErrorCode::kInvalidArgument, "feature 'n4': makes more than 4096 features",
              [&] { FeatureProgram::Compile(many, *dataset, nullptr); });
}

TEST_F(FeatureProgramTest, Warnings) {
  const auto dataset = Write({100});
  const FeatureProgram program = FeatureProgram::Compile(
      Spec("[[features]]\nname = 'a'\nkind = 'count'\nwindow = '365d'\n[[features]]\nname = 'b'\nkind = 'count'\nwhere "
           "= "
           "'price > 1e6'\n[[features]]\nname = 'c'\nkind = 'category_shares'\nof = 'category'\nvalues = ['shoe', "
           "'shoes']\n[[features]]\nname = 'd'\nkind = 'count'\nwindow = '1d'\n"),
      *dataset, nullptr);
  EXPECT_THAT(program.warnings(), ElementsAre(HasSubstr("feature 'a': its window of 365 days is longer than the data"),
                                              HasSubstr("feature 'b': its condition holds for no item"),
                                              HasSubstr("feature 'c': no item has the value 'shoe'")));
}

}  // namespace
}  // namespace kindred
