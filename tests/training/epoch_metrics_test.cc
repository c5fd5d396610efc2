// The metrics of each epoch are those of a training that ends there, and the training is what it is without them.
#include "training/epoch_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "host/data/random.h"
#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/dataset_writer.h"
#include "tests/support/errors.h"
#include "tests/support/plugins.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

class EpochMetricsTest : public testing::Test {
 protected:
  // Three tastes that overlap, so that more epochs are better for a while.
  EpochMetricsTest() {
    DatasetWriter writer;
    for (int user = 0; user < 90; ++user)
      for (int e = 0; e < 5 + user % 40; ++e) {
        const int item = user % 3 * 20 + static_cast<int>(RandomBits(1, static_cast<uint64_t>(user * 100 + e)) % 40);
        const std::string user_id = "u" + std::to_string(user), item_id = "i" + std::to_string(item);
        writer.Add({user_id, item_id, {}, 1, 1000 + e * 10 + user});
      }
    writer.Write(folder_.path() / "data", true, false, json::object(), false);
    options_.dataset = Path("data");
    options_.store = Path("models");
    options_.model = "shop";
    options_.als.n_factors = 12;
    options_.als.epochs = 5;
    options_.backend = "cpu";
    options_.k = 5;
    options_.split.kind = SplitKind::kRandom;
    options_.evaluate_every = 1;
  }

  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }
  json Run() const { return Train(options_, {}); }
  static std::vector<int64_t> Epochs(const json& report) {
    std::vector<int64_t> epochs;
    for (const json& epoch : report["evaluation"]["epochs"]) epochs.push_back(epoch["epoch"]);
    return epochs;
  }
  std::map<std::string, std::string> Arrays() const {
    const ModelStore store(options_.store);
    std::map<std::string, std::string> arrays;
    for (const auto& entry : fs::directory_iterator(store.VersionPath("shop", store.Current("shop"))))
      if (entry.path().extension() == ".npy") arrays[entry.path().filename()] = Content(entry.path());
    return arrays;
  }

  TemporaryFolder folder_;
  TrainOptions options_;
};

/// Those of the model, without the baseline's.
json OfModel(const json& metrics) {
  json of_model = json::object();
  for (const auto& [name, value] : metrics.items())
    if (metrics.contains("popularity_" + name)) of_model[name] = value;
  return of_model;
}

TEST_F(EpochMetricsTest, AreThoseOfATrainingThatEndsThere) {
  std::string test = "u0 i1 i2 nothing\nu1 i21 i22 i23\nu4 i30\nstranger i1\n";
  for (int user = 30; user < 40; ++user) test += "u" + std::to_string(user) + " nothing\n";  // lists count all the same
  options_.refit = false;
  const auto check = [&](const AlsSolver& solver) {
    SCOPED_TRACE(testing::Message() << "solver " << static_cast<int>(solver.method));
    options_.als.solver = solver;
    options_.als.epochs = 5;
    options_.evaluate_every = 1;
    const json report = Run();
    ASSERT_THAT(Epochs(report), ElementsAre(1, 2, 3, 4, 5));
    options_.evaluate_every = 0;
    std::set<json> different;
    for (const json& epoch : report["evaluation"]["epochs"]) {
      options_.als.epochs = epoch["epoch"];
      const json shorter = Run();
      EXPECT_FALSE(shorter["evaluation"].contains("epochs"));
      EXPECT_EQ(epoch["metrics"], OfModel(shorter["metrics"])) << options_.als.epochs << " epochs";
      EXPECT_EQ(epoch["loss"], shorter["epochs"].back()["loss"]);
      different.insert(epoch["metrics"]);
    }
    EXPECT_EQ(different.size(), 5u);
  };
  const AlsSolver cg = {AlsMethod::kConjugateGradient, 1};
  for (const AlsSolver& solver : {AlsSolver{}, cg, AlsSolver{AlsMethod::kBlocks, 1, 8}}) check(solver);
  options_.split.kind = SplitKind::kNone;
  options_.test_paths = {folder_.Write("test.txt", test)};
  options_.test_reader.read.format = InputFormat::kAdjacency;
  check({});
  check(cg);
}

TEST_F(EpochMetricsTest, EverySoManyEpochsAndAfterTheLast) {
  const auto epochs = [&](int64_t every) {
    options_.evaluate_every = every;
    return Epochs(Run());
  };
  EXPECT_THAT(epochs(2), ElementsAre(2, 4, 5));
  EXPECT_THAT(epochs(5), ElementsAre(5));
  EXPECT_THAT(epochs(9), ElementsAre(5));
  options_.als.epochs = 1;
  EXPECT_THAT(epochs(1), ElementsAre(1));
}

TEST_F(EpochMetricsTest, TheTrainingIsTheSameWithAndWithoutThem) {
  for (const bool refit : {false, true})
    for (const AlsMethod method : {AlsMethod::kExact, AlsMethod::kConjugateGradient}) {
      options_.refit = refit;
      options_.als.solver.method = method;
      options_.evaluate_every = 0;
      json without = Run();
      const auto arrays = Arrays();
      options_.evaluate_every = 1;
      options_.n_threads = 3;
      json with = Run();
      EXPECT_EQ(Arrays(), arrays);
      EXPECT_GT(with["seconds"]["evaluate_epochs"].get<double>(), 0);
      EXPECT_FALSE(without["seconds"].contains("evaluate_epochs"));
      with["evaluation"].erase("epochs");
      for (const char* part : {"epochs", "loss", "metrics", "evaluation", "holdout"})
        EXPECT_EQ(with[part], without[part]) << part;
    }
}

TEST_F(EpochMetricsTest, EachEpochIsToldOnce) {
  options_.evaluate_every = 2;
  options_.als.epochs = 4;
  std::vector<std::string> told;
  TrainEvents events;
  events.epoch = [&](const AlsEpoch& epoch) {
    told.push_back(std::to_string(epoch.epoch) + (EpochText(epoch).find("NDCG@5 0.") == std::string::npos ? "" : "*"));
  };
  Train(options_, events);
  EXPECT_THAT(told, ElementsAre("1", "2*", "3", "4", "1", "2", "3", "4"))
      << "the last epoch and a refit are not evaluated meanwhile";
  EXPECT_EQ(EpochText({3, 1234567, {}}), "loss 1.23457e+06");
  EXPECT_EQ(EpochText({3, 0.5, {{"mrr", 0.1}, {"ndcg_at_20", 0.25}}}), "loss 0.5, NDCG@20 0.2500");
}

// Rows with fewer entries than factors and no regularization are singular. Conjugate gradients do not notice, where
// rows are long enough not to be solved exactly all the same; what the users would be stored as does.
TEST_F(EpochMetricsTest, ASingularSystemOfAUserIsFoundByTheFirstEvaluation) {
  DatasetWriter writer;
  for (int user = 0; user < 60; ++user)
    for (int e = 0; e < 30; ++e) {
      const std::string user_id = "u" + std::to_string(user);
      writer.Add({user_id, "i" + std::to_string((user + 2 * e) % 60), {}, 1, 1000 + e});
    }
  writer.Write(folder_.path() / "dense", true, false, json::object(), false);
  options_.dataset = Path("dense");
  options_.als = {40, {0, 0, 1}, 3, 1, {AlsMethod::kConjugateGradient, 1}};
  TrainEvents events;
  events.epoch = [](const AlsEpoch& epoch) { ADD_FAILURE() << "epoch " << epoch.epoch << " was evaluated"; };
  ExpectError(ErrorCode::kNumeric, "(solving the user side): user 'u", [&] { Train(options_, events); });
}

TEST_F(EpochMetricsTest, AStopIsAskedForDuringEachEvaluation) {
  const auto looks = [&](int64_t every) {
    int n = 0;
    options_.evaluate_every = every;
    TrainEvents events;
    events.stop = [&n] { return ++n, ""; };
    Train(options_, events);
    return n;
  };
  EXPECT_EQ(looks(1) - looks(0), 4);
}

TEST_F(EpochMetricsTest, WhereThereIsNothingToMeasureTheyAreRefused) {
  const auto refused = [&](const std::string& part, const auto& change) {
    TrainOptions options = options_;
    change(options);
    ExpectError(ErrorCode::kUsage, part, [&] { Train(options, {}); });
    EXPECT_FALSE(fs::exists(options_.store)) << part;
  };
  refused("--evaluate-every: nothing is held out", [](TrainOptions& o) { o.split.kind = SplitKind::kNone; });
  refused("als of implicit feedback only; this is svd", [](TrainOptions& o) { o.algorithm = "svd"; });
  refused("implicit feedback only; this is popularity", [](TrainOptions& o) { o.algorithm = "popularity"; });
  refused("this is of explicit feedback", [](TrainOptions& o) { o.als.objective.feedback = Feedback::kExplicit; });
  refused("--evaluate-every -1: expected 0 or more", [](TrainOptions& o) { o.evaluate_every = -1; });
}

class EpochMetricsCommand : public EpochMetricsTest {
 protected:
  int RunTrain(const std::string& backend, const std::vector<std::string>& more = {}) {
    CommandLine program;
    AddTrainCommand(program);
    std::vector<std::string> words = {
        "train",       Path("data"), "--store", Path("models"), "--model",          "shop", "--epochs",  "3",
        "--n-factors", "4",          "--split", "random",       "--evaluate-every", "1",    "--backend", backend,
        "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return RunCaptured(program, words, &out_, &err_);
  }
  std::string out_, err_;
};

TEST_F(EpochMetricsCommand, AreShownAsTheyComeAndInTheReport) {
  ASSERT_EQ(RunTrain("cpu", {"--report", Path("page.html")}), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_THAT(Epochs(report), ElementsAre(1, 2, 3));
  EXPECT_THAT(err_, testing::ContainsRegex("epoch 2/3  loss [0-9.e+]+, NDCG@20 0\\.[0-9]{4}"));
  EXPECT_THAT(Content(Path("page.html")), HasSubstr("NDCG@20 by epoch"));
  const json manifest = Model::Open(ModelStore(Path("models")), "shop")->manifest();
  EXPECT_EQ(manifest["evaluation"]["epochs"], report["evaluation"]["epochs"]);
}

TEST_F(EpochMetricsCommand, ADeviceThatFailsMeanwhileStartsTheFitAgainOnTheCpu) {
  ASSERT_EQ(RunTrain("cpu"), 0) << err_;
  const json expected = json::parse(out_);
  const FakePlugin fake("top_n:3");  // the second evaluation's first list; the first took two
  ASSERT_EQ(RunTrain("auto"), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_THAT(report["fell_back"].get<std::string>(), HasSubstr("while fitting, "));
  EXPECT_EQ(report["evaluation"]["epochs"], expected["evaluation"]["epochs"]);
  EXPECT_EQ(report["epochs"], expected["epochs"]);
}

TEST_F(EpochMetricsCommand, WithoutMemoryForThemTheFitGoesOn) {
  ASSERT_EQ(RunTrain("cpu", {"--no-refit"}), 0) << err_;
  const json expected = json::parse(out_);
  const std::string warning = "the training goes on without metrics of epoch 1: no ";
  for (int n = 1; n < 100; ++n) {  // the fit itself allocates first
    const FakePlugin fake("allocate:" + std::to_string(n));
    ASSERT_EQ(RunTrain("auto", {"--no-refit"}), 0) << err_;
    if (err_.find(warning) == std::string::npos) continue;
    const json report = json::parse(out_);
    EXPECT_EQ(report["backend"]["name"], "cuda") << "what the model was fitted on";
    EXPECT_EQ(report["epochs"], expected["epochs"]);
    EXPECT_THAT(Epochs(report), ElementsAre(3)) << "the last evaluation, which the CPU has done";
    EXPECT_EQ(report["metrics"], expected["metrics"]);
    return;
  }
  FAIL() << "no allocation was of an evaluation";
}

}  // namespace
}  // namespace kindred
