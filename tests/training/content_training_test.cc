// Content models as they are typed: of a shop that is made up, with items that are held out entirely.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/evaluation/split.h"
#include "host/models/model.h"
#include "kernels/cpu/backend.h"
#include "tests/support/captured_run.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"
#include "training/content_fitting.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ContentTraining : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    shop_ = new TemporaryFolder;
    std::string out, err;
    CommandLine program;
    AddGenerateCommand(program);
    AddPrepareCommand(program);
    ASSERT_EQ(RunCaptured(program,
                          {"generate", "--out", Shop("shop"), "--users", "500", "--items", "200", "--events", "15000",
                           "--cold-items", "0.05"},
                          &out, &err),
              0)
        << err;
    ASSERT_EQ(RunCaptured(program,
                          {"prepare", Shop("shop/events.csv"), "--items", Shop("shop/items.csv"), "--users",
                           Shop("shop/users.csv"), "--out", Shop("data")},
                          &out, &err),
              0)
        << err;
  }
  static void TearDownTestSuite() {
    delete shop_;
    shop_ = nullptr;
  }
  static std::string Shop(const std::string& name) { return (shop_->path() / name).string(); }

  int Run(std::vector<std::string> arguments) {
    CommandLine program;
    AddPrepareCommand(program);
    AddTrainCommand(program);
    return RunCaptured(program, arguments, &out_, &err_);
  }
  int Train(const std::string& dataset, std::vector<std::string> more) {
    std::vector<std::string> all = {"train", dataset, "--store", Store(), "--model", "m", "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return Run(all);
  }
  json Report() const { return json::parse(out_); }
  std::string Store() const { return (folder_.path() / "models").string(); }

  static TemporaryFolder* shop_;
  TemporaryFolder folder_;
  std::string out_, err_;
};
TemporaryFolder* ContentTraining::shop_ = nullptr;

TEST_F(ContentTraining, ItemsThatNobodyHasMetAreFoundByTheirAttributes) {
  ASSERT_EQ(Train(Shop("data"), {"--algorithm", "content", "--n-factors", "32", "--split", "items", "--k", "5"}), 0)
      << err_;
  const json report = Report();
  EXPECT_EQ(report["holdout"]["kind"], "items");
  EXPECT_EQ(report["holdout"]["fraction"], 0.2);
  EXPECT_EQ(report["trained_on"], "everything");
  const json& metrics = report["metrics"];
  EXPECT_GT(metrics["ndcg_at_5"].get<double>(), 0.01);
  EXPECT_LT(metrics["popularity_ndcg_at_5"].get<double>(), 0.01) << "what nobody has met is popular with nobody";
  EXPECT_GT(metrics["cold_ndcg_at_5"].get<double>(), 1.4 * metrics["popularity_cold_ndcg_at_5"].get<double>());
  const json& content = report["content"];
  for (const char* key : {"n_factors", "item_ridge", "prior_strength", "user_ridge", "chosen_on", "item_columns"})
    EXPECT_TRUE(content.contains(key)) << key;
  EXPECT_GT(content["chosen_on"]["n_cold_pairs"].get<int64_t>(), 0);
  EXPECT_GT(content["chosen_on"]["tried"].size(), 10u);

  const auto model = Model::Open(ModelStore(Store()), "m");
  const ModelView& view = model->view();
  int64_t n_new = 0;
  for (int64_t item = 0; item < view.n_items(); ++item) {
    if (view.popularity[static_cast<size_t>(item)] > 0) continue;
    ++n_new;
    EXPECT_TRUE(std::ranges::any_of(view.item_factors.row(item), [](float v) { return v != 0; })) << item;
  }
  EXPECT_EQ(n_new, 10);
}

TEST_F(ContentTraining, WhatItIsChosenByIsNotWhatIsHeldOut) {
  ASSERT_EQ(Train(Shop("data"), {"--algorithm", "content", "--n-factors", "16", "--split", "items", "--no-refit"}), 0)
      << err_;
  const json chosen_on = Report()["content"]["chosen_on"];
  for (const char* part : {"n_cold_pairs", "n_known_pairs", "n_new_user_pairs"}) EXPECT_GT(chosen_on[part], 0) << part;
}

// Not by any seed: a holdout may have been cut before, by a seed of its own.
TEST_F(ContentTraining, ChoosesByOtherItemsThanASplitHasHeldOut) {
  const auto dataset = Dataset::Open(Shop("data"));
  const int64_t n_items = dataset->items().size();
  CpuBackend backend(2);
  ThreadPool pool(2);
  TrainOptions options;
  options.als.n_factors = 8;
  for (const uint64_t seed : {1, 2, 3}) {
    const SplitOptions by_items = {.kind = SplitKind::kItems, .fraction = 0.2, .seed = seed};
    const Csr rest =
        SumEvents(dataset->events(), n_items, {.keep = SplitEvents(dataset->events(), n_items, by_items).keep});
    options.als.seed = 1;
    const FittedContent fitted = FitContent(backend, rest.view(), *dataset, options, {}, pool);
    EXPECT_GT(fitted.report["chosen_on"].value("n_cold_items", 0), 5) << "seed " << seed;
  }
}

// What its own vectors do not tell apart, attributes do.
TEST_F(ContentTraining, DiversityOfItemItemModelsIsThatOfAttributes) {
  for (const char* algorithm : {"item-cosine", "popularity"}) {
    ASSERT_EQ(Train(Shop("data"), {"--algorithm", algorithm, "--split", "random", "--no-refit", "--k", "5"}), 0)
        << err_;
    EXPECT_GT(Report()["metrics"].value("diversity_at_5", 0.0), 0) << algorithm;
  }
}

TEST_F(ContentTraining, AlsKnowsNothingOfSuchItems) {
  ASSERT_EQ(Train(Shop("data"), {"--n-factors", "16", "--epochs", "3", "--split", "items", "--no-refit"}), 0) << err_;
  EXPECT_FALSE(Report()["metrics"].contains("cold_ndcg_at_20"));
  EXPECT_LT(Report()["metrics"]["ndcg_at_20"].get<double>(), 0.01);
}

TEST_F(ContentTraining, TheSameSeedGivesTheSameBytesOnAnyThreads) {
  std::vector<std::string> digests;
  for (const char* threads : {"1", "3"}) {
    ASSERT_EQ(Train(Shop("data"), {"--algorithm", "content", "--n-factors", "16", "--threads", threads}), 0) << err_;
    const json files = Model::Open(ModelStore(Store()), "m")->manifest()["files"];
    digests.push_back(files.dump());
  }
  EXPECT_EQ(digests[0], digests[1]);
}

TEST_F(ContentTraining, AGateMayAskForColdItems) {
  EXPECT_EQ(Train(Shop("data"), {"--algorithm", "content", "--n-factors", "16", "--split", "items", "--no-refit",
                                 "--require", "cold_ndcg_at_20>=0.99"}),
            1);
  EXPECT_THAT(err_, HasSubstr("cold_ndcg_at_20"));
}

TEST_F(ContentTraining, WithoutAttributesOfItemsItIsRefused) {
  const std::string events = folder_.Write("e.csv", "user,item\nu,a\nu,b\nv,a\n");
  ASSERT_EQ(Run({"prepare", events, "--out", (folder_.path() / "d").string()}), 0) << err_;
  EXPECT_EQ(Train((folder_.path() / "d").string(), {"--algorithm", "content"}), 1);
  EXPECT_THAT(err_, HasSubstr("content needs attributes of items, and this dataset has none; prepare it with --items"));
}

TEST_F(ContentTraining, AttributesThatTellNothingApartAreRefused) {
  const std::string events = folder_.Write("e.csv", "user,item\nu,a\nu,b\nv,a\n");
  const std::string items = folder_.Write("i.csv", "item,kind,price,title\na,x,1,apple\nb,x,1,\nc,x,,pear\n");
  ASSERT_EQ(Run({"prepare", events, "--items", items, "--out", (folder_.path() / "d").string()}), 0) << err_;
  EXPECT_EQ(Train((folder_.path() / "d").string(), {"--algorithm", "content"}), 1);
  EXPECT_THAT(err_, HasSubstr("the items' attributes do not tell items apart"));
}

TEST_F(ContentTraining, AFewEventsAndItemsWithoutAttributesWillDo) {
  const std::string events = folder_.Write("e.csv", "user,item\nu,a\nu,b\nv,a\nw,c\n");
  const std::string items = folder_.Write("i.csv", "item,kind\na,x\nb,x\nd,y\ne,y\nf,\n");
  ASSERT_EQ(Run({"prepare", events, "--items", items, "--out", (folder_.path() / "d").string()}), 0) << err_;
  ASSERT_EQ(Train((folder_.path() / "d").string(), {"--algorithm", "content"}), 0) << err_;
  const auto model = Model::Open(ModelStore(Store()), "m");
  const ModelView& view = model->view();
  EXPECT_FALSE(view.knows_users_by_attributes());
  EXPECT_TRUE(view.user_columns.columns().empty());
  ASSERT_EQ(view.item_columns.columns().size(), 1u) << "kept for filters";
  EXPECT_EQ(view.item_columns.columns()[0].name, "kind");
  EXPECT_EQ(view.item_columns.columns()[0].codes.size(), 6u);
  const auto is_zero = [](std::span<const float> row) {
    return std::ranges::all_of(row, [](float v) { return v == 0; });
  };
  EXPECT_TRUE(is_zero(view.item_factors.row(view.items.Find("f")))) << "nothing is known of it";
  EXPECT_FALSE(is_zero(view.item_factors.row(view.items.Find("c")))) << "it was met";
}

TEST_F(ContentTraining, FlagsOfOthersAreRefused) {
  EXPECT_EQ(Train(Shop("data"), {"--algorithm", "content", "--n-neighbours", "5"}), 2);
  EXPECT_THAT(err_, HasSubstr("--n-neighbours is for --algorithm"));
  EXPECT_EQ(Train(Shop("data"), {"--algorithm", "content", "--svd-shrinkage", "1"}), 2);
}

}  // namespace
}  // namespace kindred
