// A training that is ended anywhere and taken up again publishes the bits of one that never was, or says why it cannot.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "host/models/checkpoint.h"
#include "host/store/checksum.h"
#include "tests/support/errors.h"
#include "tests/support/tastes.h"
#include "tests/support/temporary_folder.h"
#include "training/checkpoints.h"
#include "training/pipeline.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kModel = "shop";

/// The end of a process, as far as a test can have it.
struct Crash : std::runtime_error {
  Crash() : std::runtime_error("crash") {}
};

class ResumeTest : public testing::TestWithParam<Feedback> {
 protected:
  ResumeTest() {
    WriteData("data", 1);
    options_.dataset = (folder_.path() / "data").string();
    options_.store = (folder_.path() / "models").string();
    options_.model = kModel;
    options_.als = {5, {0.1f, 0.02f, 1.0f}, 3, 7};
    if (of_ratings()) options_.als.objective = {0, 0.5f, 0.5f, Feedback::kExplicit, 5};
    options_.backend = "cpu";
    options_.k = 5;
    events_.warning = [this](const std::string& message) { warnings_.push_back(message); };
    events_.stage = [this](const std::string& message) { stages_.push_back(message); };
  }

  static bool of_ratings() { return GetParam() == Feedback::kExplicit; }

  void WriteData(const std::string& name, uint64_t seed, int first_user = 0, int n_values = 5) const {
    WriteTastes(
        folder_.path() / name,
        {.n_users = 40, .n_events = 9, .n_items = 15, .n_values = n_values, .seed = seed, .first_user = first_user});
  }

  ModelStore Store() const { return ModelStore(options_.store); }
  fs::path Place() const { return CheckpointPath(Store(), kModel); }

  /// The arrays of a version, byte for byte.
  std::map<std::string, std::string> Arrays(int64_t version = 0) const {
    const fs::path path = Store().VersionPath(kModel, version > 0 ? version : Store().Current(kModel));
    std::map<std::string, std::string> arrays;
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.path().extension() == ".npy") arrays[entry.path().filename()] = Content(entry.path());
    return arrays;
  }

  json TrainAll() { return Train(options_, events_); }
  json Resume() {
    TrainOptions options = options_;
    options.checkpoints.resume = true;
    return Train(options, events_);
  }
  /// Asks the training to stop when it looks for the n-th time. Returns whether it came so far.
  bool StopAt(int n, bool resume = false) {
    TrainOptions options = options_;
    options.checkpoints.resume = resume;
    TrainEvents events = events_;
    events.stop = [&n] { return --n > 0 ? "" : "SIGTERM"; };
    try {
      Train(options, events);
      return false;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("stopped by SIGTERM"));
      stopped_ = error.what();
      return true;
    }
  }
  /// Ends the training after an epoch, with a checkpoint after each.
  void CrashAfter(int64_t epoch, const std::string& dataset = "data") {
    TrainOptions options = options_;
    options.dataset = (folder_.path() / dataset).string();
    options.checkpoints.every = 0;
    TrainEvents events = events_;
    events.epoch = [&](const AlsEpoch& done) {
      if (done.epoch > epoch) throw Crash();
    };
    EXPECT_THROW(Train(options, events), Crash);
  }

  void ExpectRefused(ErrorCode code, const std::string& part, const TrainOptions& options) {
    SCOPED_TRACE(part);
    const std::string before = Content(Place() / "manifest.json");
    TrainOptions resuming = options;
    resuming.checkpoints.resume = true;
    ExpectError(code, part, [&] { Train(resuming, events_); });
    EXPECT_EQ(Content(Place() / "manifest.json"), before);
    EXPECT_TRUE(Store().Versions(kModel).empty());
  }
  template <class Change>
  void ExpectRefused(ErrorCode code, const std::string& part, const Change& change) {
    TrainOptions options = options_;
    change(options);
    ExpectRefused(code, part, options);
  }

  void StopEverywhere() {
    const json expected = TrainAll();
    const auto arrays = Arrays();
    for (int n = 2;; ++n) {
      SCOPED_TRACE("look " + std::to_string(n));
      if (!StopAt(n)) {
        EXPECT_GT(n, 7);
        break;
      }
      ASSERT_TRUE(fs::exists(Place())) << stopped_;
      EXPECT_THAT(stopped_, HasSubstr("--resume goes on from '" + Place().string() + "'"));
      options_.n_threads = n % 3;
      const json report = Resume();
      EXPECT_EQ(Arrays(), arrays);
      for (const char* part : {"epochs", "loss", "metrics", "rating_errors", "evaluation", "trained_on", "n_entries"})
        EXPECT_EQ(report.value(part, json()), expected.value(part, json())) << part;
      EXPECT_FALSE(fs::exists(Place()));
    }
  }

  TemporaryFolder folder_;
  TrainOptions options_;
  TrainEvents events_;
  std::vector<std::string> warnings_, stages_;
  std::string stopped_;
};

TEST_P(ResumeTest, StoppedAnywhereWithoutASplit) {
  StopEverywhere();
}

TEST_P(ResumeTest, StoppedAnywhereInFitEvaluationAndRefit) {
  options_.split.kind = SplitKind::kRandom;
  StopEverywhere();
}

TEST_P(ResumeTest, StoppedAnywhereWithATestFile) {
  options_.test_paths = {folder_.Write("test.csv", "user,item,value\nu0,i1,3\nu0,i2,5\nu1,i16,4\nu1,i17,1\n")};
  StopEverywhere();
}

class MetricsByEpochTest : public ResumeTest {};  // which explicit feedback has not

TEST_P(MetricsByEpochTest, StoppedAnywhereWithMetricsByEpoch) {
  options_.split.kind = SplitKind::kRandom;
  options_.evaluate_every = 1;
  for (const AlsSolver& solver : {AlsSolver{}, AlsSolver{AlsMethod::kConjugateGradient, 2}}) {
    options_.als.solver = solver;
    StopEverywhere();
  }
  EXPECT_THAT(warnings_, testing::IsEmpty()) << "a stop is no failure";
}

TEST_P(MetricsByEpochTest, MetricsByEpochAreThoseOfACheckpointAndThoseThatFollow) {
  options_.split.kind = SplitKind::kRandom;
  options_.evaluate_every = 1;
  const json expected = TrainAll()["evaluation"]["epochs"];
  std::vector<int64_t> told;
  events_.epoch = [&](const AlsEpoch& epoch) { told.push_back(epoch.epoch); };
  events_.stop = [&] { return told == std::vector<int64_t>{1, 2} ? "SIGTERM" : ""; };  // both are evaluated
  ExpectError(ErrorCode::kIo, "stopped by SIGTERM after 2.5 of 3 epochs", [&] { TrainAll(); });
  Checkpoint checkpoint = ReadCheckpoint(Store(), kModel);
  ASSERT_EQ(checkpoint.epochs.size(), 2u);
  for (AlsEpoch& epoch : checkpoint.epochs) {
    EXPECT_EQ(json(epoch.metrics), expected[static_cast<size_t>(epoch.epoch) - 1]["metrics"]);
    epoch.metrics["ndcg_at_5"] = 0.125;
  }
  WriteCheckpoint(Store(), kModel, checkpoint);
  told.clear();
  options_.evaluate_every = 3;  // which may be another
  const json found = Resume()["evaluation"]["epochs"];
  EXPECT_THAT(told, testing::ElementsAre(3, 1, 2, 3)) << "of the fit, then of that on everything";
  ASSERT_EQ(found.size(), 3u);
  for (const size_t epoch : {0, 1})
    EXPECT_EQ(found[epoch]["metrics"]["ndcg_at_5"], 0.125) << "measured again: " << epoch;
  EXPECT_EQ(found[2], expected[2]);
}

TEST_P(ResumeTest, StoppedAgainAndAgain) {
  TrainAll();
  const auto arrays = Arrays();
  ASSERT_TRUE(StopAt(2));
  for (int n_half_steps = 2; n_half_steps <= 7; ++n_half_steps) {
    ASSERT_TRUE(StopAt(2, true));  // the first look of each is before its fit
    EXPECT_EQ(ReadCheckpoint(Store(), kModel).state.n_half_steps, n_half_steps);
  }
  Resume();
  EXPECT_EQ(Arrays(), arrays);
}

TEST_P(ResumeTest, ACrashLosesWhatCameAfterTheCheckpoint) {
  TrainAll();
  const auto arrays = Arrays();
  CrashAfter(2);
  EXPECT_EQ(ReadCheckpoint(Store(), kModel).state.n_half_steps, 4);
  int n_epochs = 0;
  events_.epoch = [&](const AlsEpoch&) { ++n_epochs; };
  const json report = Resume();
  EXPECT_EQ(n_epochs, 1);
  EXPECT_EQ(report["epochs"].size(), 3u);
  EXPECT_EQ(Arrays(), arrays);
  EXPECT_THAT(stages_, testing::Contains(HasSubstr("going on after 2 of 3 epochs")));
}

TEST_P(ResumeTest, WithoutACheckpointThereIsNothingToResume) {
  ExpectRefused(ErrorCode::kNotFound, "nothing to resume: there is no checkpoint at '" + Place().string(), options_);
  EXPECT_FALSE(fs::exists(Place()));
}

TEST_P(ResumeTest, OffWritesNone) {
  options_.checkpoints.every = kNoCheckpoints;
  ASSERT_TRUE(StopAt(3));
  EXPECT_THAT(stopped_, HasSubstr("after 1 of 3 epochs; no checkpoint was written: --checkpoint-every is off"));
  EXPECT_FALSE(fs::exists(Place()));
}

TEST_P(ResumeTest, StoppedBeforeTheFitLeavesTheCheckpointAsItWas) {
  ASSERT_TRUE(StopAt(1));
  EXPECT_FALSE(fs::exists(Place()));
  CrashAfter(1);
  const std::string before = Content(Place() / "manifest.json");
  ASSERT_TRUE(StopAt(1, true));
  EXPECT_THAT(stopped_, HasSubstr("is as it was"));
  EXPECT_EQ(Content(Place() / "manifest.json"), before);
}

TEST_P(ResumeTest, AnotherTrainingIsRefusedByWhatDiffers) {
  CrashAfter(1);
  WriteData("other", 2);
  const auto refused = [&](const std::string& part, const auto& change) {
    ExpectRefused(ErrorCode::kInvalidArgument, part, change);
  };
  refused("dataset.digest is", [&](TrainOptions& o) { o.dataset = (folder_.path() / "other").string(); });
  refused("n_factors is 5 in the checkpoint and 6 here", [](TrainOptions& o) { o.als.n_factors = 6; });
  refused("n_epochs is 3 in the checkpoint and 4 here", [](TrainOptions& o) { o.als.epochs = 4; });
  refused("seed is 7 in the checkpoint and 8 here", [](TrainOptions& o) { o.als.seed = 8; });
  refused("objective.regularization is", [](TrainOptions& o) { o.als.objective.regularization = 0.03f; });
  if (of_ratings()) {
    refused("objective.bias_regularization is", [](TrainOptions& o) { o.als.objective.bias_regularization = 6; });
    refused("relevant_rating is null in the checkpoint and 4.0 here", [](TrainOptions& o) { o.relevant_rating = 4; });
    refused("objective.feedback is \"explicit\" in the checkpoint and nothing here",
            [](TrainOptions& o) { o.als.objective.feedback = Feedback::kImplicit; });
  } else {
    refused("objective.unobserved_weight is", [](TrainOptions& o) { o.als.objective.unobserved_weight = 0.2f; });
    refused("weighting.value_cap is null in the checkpoint and 2.0 here",
            [](TrainOptions& o) { o.weighting.value_cap = 2; });
  }
  refused("holdout.kind is \"none\" in the checkpoint and \"random\" here",
          [](TrainOptions& o) { o.split.kind = SplitKind::kRandom; });
  refused("k is 5 in the checkpoint and 9 here", [](TrainOptions& o) { o.k = 9; });
  refused("refit is true in the checkpoint and false here", [](TrainOptions& o) { o.refit = false; });
  ExpectRefused(ErrorCode::kUsage, "--resume is for --algorithm als; svd leaves no checkpoint: without --resume it",
                [](TrainOptions& o) { o.algorithm = "svd"; });
}

TEST_P(ResumeTest, OtherHeldOutFilesAreRefused) {
  const auto dataset = Dataset::Open(options_.dataset);
  const auto items = dataset->events().items;
  const auto other = std::ranges::find_if(items, [&](int32_t item) { return item != items[0]; });
  const auto hold_out = [&](int32_t item) {
    return folder_.Write("test.csv",
                         fmt::format("user,item,value\n{},{},3\n", dataset->users().Id(0), dataset->items().Id(item)));
  };
  options_.test_paths = {hold_out(items[0])};
  CrashAfter(1);
  hold_out(*other);
  ExpectRefused(ErrorCode::kInvalidArgument, "is of other interactions", options_);
}

TEST_P(ResumeTest, AnotherDeviceIsRefused) {
  CrashAfter(1);
  Checkpoint checkpoint = ReadCheckpoint(Store(), kModel);
  checkpoint.settings["device"]["instruction_set"] = "avx9";
  WriteCheckpoint(Store(), kModel, checkpoint);
  ExpectRefused(ErrorCode::kInvalidArgument, "instruction_set is \"avx9\" in the checkpoint", options_);
}

TEST_P(ResumeTest, DamageIsFound) {
  CrashAfter(1);
  const std::string manifest = Content(Place() / "manifest.json"), factors = Content(Place() / "item_factors.npy");
  const auto write = [&](const std::string& name, const std::string& content) {
    std::ofstream(Place() / name, std::ios::binary) << content;
  };
  std::string flipped = factors;
  flipped[200] = static_cast<char>(flipped[200] ^ 1);
  write("item_factors.npy", flipped);
  ExpectRefused(ErrorCode::kCorrupt, "item_factors.npy': block 0", options_);
  write("item_factors.npy", factors.substr(0, factors.size() - 4));
  ExpectRefused(ErrorCode::kCorrupt, "item_factors.npy': has ", options_);
  fs::remove(Place() / "item_factors.npy");
  ExpectRefused(ErrorCode::kCorrupt, "item_factors.npy': is missing", options_);
  write("item_factors.npy", factors);
  for (const size_t size : {size_t{0}, manifest.size() / 2, manifest.size() - 1}) {
    write("manifest.json", manifest.substr(0, size));
    ExpectRefused(ErrorCode::kCorrupt, "does not match the checksum", options_);
  }
  const auto put = [&](json changed) {
    write("manifest.json", changed.dump());
    write("manifest.json.sha256", Sha256(changed.dump()) + "  manifest.json\n");
  };
  json newer = json::parse(manifest);
  newer["checkpoint_format"] = 2;
  put(newer);
  ExpectRefused(ErrorCode::kUnsupported, "has checkpoint format 2; this program reads 1 only", options_);
  newer["kind"] = "model";
  put(newer);
  ExpectRefused(ErrorCode::kUnsupported, "is of kind \"model\"; expected a checkpoint", options_);
  put(json::parse(manifest));
  Resume();
}

TEST_P(ResumeTest, OneWhoseVersionIsPublishedIsRefused) {
  CrashAfter(1);
  fs::copy(Place(), folder_.path() / "kept");
  Resume();
  fs::copy(folder_.path() / "kept", Place());
  ExpectError(ErrorCode::kAlreadyExists, "has published version 1", [&] { Resume(); });
  TrainAll();
  EXPECT_FALSE(fs::exists(Place()));
}

TEST_P(ResumeTest, AFreshStartReplacesTheOldOneOnlyWithItsOwn) {
  CrashAfter(2);
  const std::string before = Content(Place() / "manifest.json");
  events_.epoch = [](const AlsEpoch& epoch) {
    if (epoch.epoch == 2) throw Crash();
  };
  EXPECT_THROW(TrainAll(), Crash);
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("there is a checkpoint at '" + Place().string())));
  EXPECT_EQ(Content(Place() / "manifest.json"), before);
  options_.als.seed = 8;
  CrashAfter(1);
  EXPECT_EQ(ReadCheckpoint(Store(), kModel).settings["seed"], 8);
  events_.epoch = nullptr;
  TrainAll();
  EXPECT_FALSE(fs::exists(Place()));
}

TEST_P(ResumeTest, WhatIsNoCheckpointIsLeftAlone) {
  fs::create_directories(Place());
  std::ofstream(Place() / "notes.txt") << "mine";
  options_.checkpoints.every = 0;
  TrainAll();
  EXPECT_EQ(Content(Place() / "notes.txt"), "mine");
  EXPECT_THAT(warnings_, testing::Contains(HasSubstr("the training goes on without a checkpoint")));
}

TEST_P(ResumeTest, ASingularSystemNamesTheIdAndTheCheckpointStays) {
  CrashAfter(2);
  const std::string before = Content(Place() / "manifest.json");
  options_.checkpoints.every = 0;
  options_.als.objective.regularization = options_.als.objective.unobserved_weight = 0;
  if (of_ratings()) {  // biases explain all, which leaves users of no length
    WriteData("equal", 1, 0, 1);
    options_.dataset = (folder_.path() / "equal").string();
    options_.als.n_factors = 1;
  } else {
    options_.als.n_factors = 64;
  }
  ExpectError(ErrorCode::kNumeric,
              of_ratings() ? "(solving the item side): item 'i" : "(solving the user side): user 'u",
              [&] { TrainAll(); });
  EXPECT_EQ(Content(Place() / "manifest.json"), before);
  EXPECT_TRUE(Store().Versions(kModel).empty());
}

TEST_P(ResumeTest, IntervalsAreRead) {
  EXPECT_EQ(ParseCheckpointEvery("epoch"), 0);
  EXPECT_EQ(ParseCheckpointEvery("off"), kNoCheckpoints);
  EXPECT_EQ(ParseCheckpointEvery("90s"), 90);
  EXPECT_EQ(ParseCheckpointEvery("2m"), 120);
  for (const char* bad : {"", "0s", "-1s", "5", "never", "infd", "nans"})
    ExpectError(ErrorCode::kUsage, "", [&] { ParseCheckpointEvery(bad); });
}

TEST_P(ResumeTest, CheckpointsAreCounted) {
  options_.checkpoints.every = 0;
  const json report = TrainAll();
  EXPECT_EQ(report["checkpoints"]["n_written"], 3);
  EXPECT_GT(report["checkpoints"]["seconds"].get<double>(), 0);
  options_.checkpoints.every = 3600;
  EXPECT_EQ(TrainAll()["checkpoints"]["n_written"], 0);
}

class WarmStartTest : public ResumeTest {};

TEST_P(WarmStartTest, ReachesTheLossOfAColdStartInFewerEpochs) {
  options_.als.epochs = 12;
  const json cold = TrainAll();
  WriteData("grown", 1, 4);  // four users have gone, four have come; ids come in another order
  options_.dataset = (folder_.path() / "grown").string();
  const json again = TrainAll();
  options_.warm_start = true;
  options_.als.epochs = 3;
  const json warm = TrainAll();
  EXPECT_LE(warm["loss"].get<double>(), again["epochs"][9]["loss"].get<double>());
  EXPECT_EQ(warm["warm_start"]["version"], 2);
  EXPECT_EQ(warm["warm_start"]["n_users"], 40);
  const auto model = Model::Open(Store(), kModel);
  EXPECT_EQ(model->manifest()["warm_start"], warm["warm_start"]);
}

TEST_P(WarmStartTest, MatchesById) {
  options_.als.epochs = 12;
  TrainAll();
  WriteData("grown", 1, 4);
  options_.dataset = (folder_.path() / "grown").string();
  options_.als.epochs = 1;
  const json cold = TrainAll();
  Store().SetCurrent(kModel, 1);
  options_.warm_start = true;
  const json warm = TrainAll();
  EXPECT_EQ(warm["warm_start"]["n_users"], 36);
  EXPECT_EQ(warm["warm_start"]["version"], 1);
  EXPECT_LT(warm["loss"].get<double>(), 0.9 * cold["loss"].get<double>());
}

TEST_P(WarmStartTest, ResumesWithTheBitsOfTheUninterrupted) {
  TrainAll();
  options_.warm_start = true;
  TrainAll();
  const auto arrays = Arrays(2);
  Store().SetCurrent(kModel, 1);
  CrashAfter(1);
  Resume();
  EXPECT_EQ(Arrays(3), arrays);
  CrashAfter(1);
  Store().SetCurrent(kModel, 2);
  ExpectError(ErrorCode::kInvalidArgument, "warm_start.version is 3 in the checkpoint and 2 here", [&] { Resume(); });
}

TEST_P(WarmStartTest, SaysWhenTheStartHasSeenTheHoldout) {
  TrainAll();
  options_.warm_start = true;
  options_.split.kind = SplitKind::kRandom;
  const json report = TrainAll();
  EXPECT_EQ(report["warm_start"]["n_held_out_pairs"],
            of_ratings() ? report["rating_errors"]["n_ratings"] : report["holdout"]["n_pairs"]);
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("the metrics will flatter")));
}

TEST_P(WarmStartTest, NeedsAVersionWithTheSameFactors) {
  options_.warm_start = true;
  ExpectError(ErrorCode::kNotFound, "has no current version of model 'shop'", [&] { TrainAll(); });
  options_.warm_start = false;
  const AlsObjective objective = std::exchange(options_.als.objective, {});
  options_.algorithm = "popularity";
  TrainAll();
  options_.warm_start = true;
  ExpectError(ErrorCode::kUsage, "--warm-start is for --algorithm als, and this is popularity", [&] { TrainAll(); });
  const auto refused = [&](const std::string& part) {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { TrainAll(); });
  };
  options_.algorithm = "als";
  options_.als.objective = objective;
  refused("version 1 of model 'shop' is 'popularity'; expected 5 factors of algorithm 'als' of ");
  options_.warm_start = false;
  TrainAll();
  options_.warm_start = true;
  options_.als.n_factors = 6;
  refused("version 2 of model 'shop' has 5 factors; expected 6");
  options_.als.n_factors = 5;
  options_.als.objective = {};
  if (!of_ratings()) options_.als.objective = {0, 1, 1, Feedback::kExplicit};
  refused(of_ratings() ? "is of explicit feedback; expected 5 factors of algorithm 'als' of implicit feedback"
                       : "is of implicit feedback; expected 5 factors of algorithm 'als' of explicit feedback");
  EXPECT_EQ(Store().Versions(kModel).size(), 2u);
}

const auto kBoth = testing::Values(Feedback::kImplicit, Feedback::kExplicit);
std::string FeedbackName(const testing::TestParamInfo<Feedback>& info) {
  return info.param == Feedback::kExplicit ? "explicit" : "implicit";
}
INSTANTIATE_TEST_SUITE_P(, ResumeTest, kBoth, FeedbackName);
INSTANTIATE_TEST_SUITE_P(, MetricsByEpochTest, testing::Values(Feedback::kImplicit), FeedbackName);
INSTANTIATE_TEST_SUITE_P(, WarmStartTest, kBoth, FeedbackName);

}  // namespace
}  // namespace kindred
