#include "training/pipeline.h"

#include <gtest/gtest.h>

#include <set>

#include "host/data/dataset.h"
#include "host/models/model.h"
#include "tests/support/errors.h"
#include "tests/support/tastes.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

// Two groups of users with tastes of their own, so that ALS has something to find.
class TrainTest : public ::testing::Test {
 protected:
  TrainTest() {
    WriteTastes(folder_.path() / "data", {});
    options_.dataset = (folder_.path() / "data").string();
    options_.store = (folder_.path() / "models").string();
    options_.model = "shop";
    options_.als.n_factors = 8;
    options_.als.epochs = 3;
    options_.k = 5;
  }

  std::shared_ptr<const Model> Published(int64_t version = 0) const {
    return Model::Open(ModelStore(options_.store), "shop", version);
  }
  nlohmann::json Run() const { return Train(options_, {}); }

  TemporaryFolder folder_;
  TrainOptions options_;
};

TEST_F(TrainTest, WithoutASplitNothingIsHeldOut) {
  const nlohmann::json report = Run();
  EXPECT_EQ(report["version"], 1);
  EXPECT_EQ(report["trained_on"], "everything");
  EXPECT_FALSE(report.contains("metrics"));
  const auto dataset = Dataset::Open(options_.dataset);
  EXPECT_EQ(report["n_entries"], SumEvents(dataset->events(), dataset->items().size()).view().nnz());
  EXPECT_EQ(report["epochs"].size(), 3u);
  EXPECT_EQ(Published()->view().history.nnz(), report["n_entries"].get<int64_t>());
}

TEST_F(TrainTest, AnApproximateSolverIsRecorded) {
  EXPECT_FALSE(Run().contains("solver"));
  options_.als.solver = {AlsMethod::kConjugateGradient, 5};
  EXPECT_EQ(Run()["solver"], (nlohmann::json{{"method", "cg"}, {"n_steps", 5}}));
  options_.als.solver = {AlsMethod::kBlocks, 1, 8};
  EXPECT_EQ(Run()["solver"], (nlohmann::json{{"method", "blocks"}, {"block_size", 8}}));
  EXPECT_EQ(Published()->manifest()["solver"]["method"], "blocks");
}

TEST_F(TrainTest, ASplitIsEvaluatedAndThenEverythingIsTrainedOn) {
  options_.split.kind = SplitKind::kRandom;
  const nlohmann::json report = Run();
  EXPECT_EQ(report["trained_on"], "everything");
  EXPECT_GT(report["metrics"]["recall_at_5"].get<double>(), report["metrics"]["popularity_recall_at_5"].get<double>());
  const auto dataset = Dataset::Open(options_.dataset);
  EXPECT_EQ(Published()->view().history.nnz(), SumEvents(dataset->events(), dataset->items().size()).view().nnz());
  const nlohmann::json manifest = Published()->manifest();
  for (const char* key : {"metrics", "holdout", "objective", "dataset", "backend", "seed", "epochs", "trained_on"})
    EXPECT_TRUE(manifest.contains(key)) << key;
  EXPECT_EQ(manifest["holdout"]["kind"], "random");
}

TEST_F(TrainTest, NoRefitKeepsTheEvaluatedModel) {
  options_.split.kind = SplitKind::kLeaveLastN;
  options_.refit = false;
  const nlohmann::json report = Run();
  EXPECT_EQ(report["trained_on"], "everything but the holdout");
  const auto dataset = Dataset::Open(options_.dataset);
  const int64_t all = SumEvents(dataset->events(), dataset->items().size()).view().nnz();
  EXPECT_EQ(Published()->view().history.nnz(), all - report["holdout"]["n_pairs"].get<int64_t>());
}

TEST_F(TrainTest, RowsOfATestFileAreNeverTrainedOn) {
  const auto dataset = Dataset::Open(options_.dataset);
  const Csr all = SumEvents(dataset->events(), dataset->items().size());
  std::string test;
  std::set<std::pair<std::string, std::string>> held;
  for (int64_t u = 0; u < all.n_rows; u += 3) {
    const auto user = std::string(dataset->users().Id(u)),
               item = std::string(dataset->items().Id(all.view().row(u)[0]));
    test += user + " " + item + "\n";
    held.emplace(user, item);
  }
  options_.test_paths = {folder_.Write("test.txt", test + "stranger i1\n")};
  options_.test_reader.read.format = InputFormat::kAdjacency;
  const nlohmann::json report = Run();
  EXPECT_EQ(report["holdout"]["n_users"], 21);
  EXPECT_EQ(report["holdout"]["n_missing_users"], 1);
  EXPECT_EQ(report["holdout"]["n_seen_pairs"], 0);
  EXPECT_EQ(report["trained_on"], "everything but the holdout");
  const auto model = Published();
  EXPECT_EQ(model->view().history.nnz(), all.view().nnz() - 20);
  for (const auto& [user, item] : held) {
    const auto history = model->view().history.row(model->view().users.Find(user));
    EXPECT_FALSE(std::binary_search(history.begin(), history.end(), model->view().items.Find(item))) << user;
  }
}

TEST_F(TrainTest, PopularityIsAModelToo) {
  options_.algorithm = "popularity";
  options_.split.kind = SplitKind::kRandom;
  const nlohmann::json report = Run();
  EXPECT_EQ(report["metrics"]["recall_at_5"], report["metrics"]["popularity_recall_at_5"]);
  EXPECT_FALSE(Published()->view().has_factors());
}

TEST_F(TrainTest, AnSvdIsAModelToo) {
  options_.algorithm = "svd";
  options_.split.kind = SplitKind::kRandom;
  options_.svd.shrinkage = 0.5;
  const nlohmann::json report = Run();
  EXPECT_GT(report["metrics"]["recall_at_5"].get<double>(), report["metrics"]["popularity_recall_at_5"].get<double>());
  EXPECT_EQ(report["svd"]["shrinkage"], 0.5);
  EXPECT_LE(report["svd"]["max_error"].get<double>(), 1e-4);
  EXPECT_EQ(report["n_factors"], 8);
  const auto model = Published();
  EXPECT_EQ(model->view().algorithm, "svd");
  EXPECT_EQ(model->view().n_factors(), 8);
  EXPECT_EQ(model->view().singular_values.size(), 8u);
  EXPECT_GT(model->manifest()["svd"]["energy"].get<double>(), 0.2);
}

TEST_F(TrainTest, TheShrinkageOfAnSvdIsChosenOnASliceOfTheTrainingData) {
  options_.algorithm = "svd";
  options_.svd.shrinkage.reset();
  const nlohmann::json report = Run();
  const nlohmann::json& tried = report["svd"]["shrinkage_tried"];
  ASSERT_EQ(tried.size(), 6u);
  double best = -1, chosen = -1;
  for (const nlohmann::json& one : tried) {
    if (one["ndcg"].get<double>() <= best) continue;
    best = one["ndcg"].get<double>();
    chosen = one["shrinkage"].get<double>();
  }
  EXPECT_GT(best, 0);
  EXPECT_EQ(report["svd"]["shrinkage"], chosen);
  const auto dataset = Dataset::Open(options_.dataset);
  EXPECT_EQ(Published()->view().history.nnz(), SumEvents(dataset->events(), dataset->items().size()).view().nnz());
}

TEST_F(TrainTest, TheSameInputGivesTheSameFactors) {
  Run();
  options_.n_threads = 3;
  Run();
  const auto first = Published(1), second = Published(2);
  EXPECT_TRUE(std::equal(first->view().user_factors.all().begin(), first->view().user_factors.all().end(),
                         second->view().user_factors.all().begin()));
}

TEST_F(TrainTest, WhatDoesNotDoLeavesTheStoreAsItWas) {
  Run();
  const auto refused = [&](ErrorCode code, const std::string& part, auto change) {
    TrainOptions options = options_;
    change(options);
    ExpectError(code, part, [&] { Train(options, {}); });
    EXPECT_EQ(ModelStore(options_.store).Versions("shop"), (std::vector<int64_t>{1})) << part;
  };
  refused(ErrorCode::kUsage, "expected als, svd, svd-filter", [](TrainOptions& o) { o.algorithm = "magic"; });
  refused(ErrorCode::kUsage, "expected auto, cpu or cuda", [](TrainOptions& o) { o.backend = "tpu"; });
  refused(ErrorCode::kUnsupported, "no CUDA plug-in", [](TrainOptions& o) { o.backend = "cuda"; });
  refused(ErrorCode::kInvalidArgument, "n_factors", [](TrainOptions& o) { o.als.n_factors = 0; });
  refused(ErrorCode::kInvalidArgument, "shrinkage is -1", [](TrainOptions& o) {
    o.algorithm = "svd";
    o.svd.shrinkage = -1;
  });
  refused(ErrorCode::kNotFound, "nowhere", [](TrainOptions& o) { o.dataset = "nowhere"; });
  refused(ErrorCode::kInvalidArgument, "model", [](TrainOptions& o) { o.model = "../shop"; });
  refused(ErrorCode::kNumeric, "singular", [](TrainOptions& o) { o.als = {64, {0, 0, 1}, 2, 1}; });
  refused(ErrorCode::kUsage, "one of them", [](TrainOptions& o) {
    o.test_paths = {"x"};
    o.split.kind = SplitKind::kRandom;
  });
}

}  // namespace
}  // namespace kindred
