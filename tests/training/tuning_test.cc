// Searches on small made data: what they find, that nothing but their inputs decides it, and what they never see.
#include "training/tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "host/data/dataset.h"
#include "host/data/random.h"
#include "host/evaluation/validation_slice.h"
#include "host/models/model.h"
#include "kernels/select.h"
#include "tests/support/captured_run.h"
#include "tests/support/dataset_writer.h"
#include "tests/support/errors.h"
#include "tests/support/html.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"
#include "training/linear_fitting.h"
#include "training/search_space.h"
#include "training/tuning_report.h"
#include "training/tuning_text.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;

constexpr int kUsers = 300, kItems = 150;

class TuningTest : public testing::Test {
 protected:
  TuningTest() {
    WriteData("data", [](int, int, float value, int64_t) { return value; });
    options_.train.dataset = (folder_.path() / "data").string();
    options_.train.backend = "cpu";
    options_.train.k = 10;
    options_.train.als.epochs = 8;
    options_.train.als.seed = 3;
    options_.settings = {"n-factors=4,8,16"};
    options_.n_trials = 9;
    options_.out = (folder_.path() / "tuned.toml").string();
    events_.warning = [this](const std::string& message) { warnings_.push_back(message); };
  }

  /// Users with a taste for two of 15 groups of items, and now and then anything. `value_of` is given the user, the
  /// item, a value and a time.
  template <class ValueOf>
  void WriteData(const std::string& name, const ValueOf& value_of) const {
    DatasetWriter writer;
    for (int user = 0; user < kUsers; ++user)
      for (int e = 0; e < 16; ++e) {
        const uint64_t bits = RandomBits(17, static_cast<uint64_t>(user * 100 + e));
        const int group = (user + static_cast<int>(bits % 2) * 7) % 15;
        const int item =
            bits % 5 == 0 ? static_cast<int>((bits >> 16) % kItems) : group * 10 + static_cast<int>((bits >> 16) % 10);
        const std::string user_id = "u" + std::to_string(user), item_id = "i" + std::to_string(item);
        const int64_t time = 1000 + e * 100 + user % 50;
        writer.Add({user_id, item_id, {}, value_of(user, item, static_cast<float>(1 + (bits >> 40) % 3), time), time});
      }
    writer.Write(folder_.path() / name, true, false, json::object(), false);
  }

  json Run() { return Tune(options_, events_); }

  std::string Toml() const { return Content(options_.out); }
  /// The journal, without how long things took.
  std::vector<json> Journal() const {
    std::vector<json> lines;
    std::istringstream text(Content(JournalPath(options_)));
    for (std::string line; std::getline(text, line);) {
      lines.push_back(json::parse(line));
      lines.back().erase("seconds");
    }
    return lines;
  }
  void Remove() const {
    fs::remove(options_.out);
    fs::remove(JournalPath(options_));
  }
  /// Asks the search to stop when it looks for the n-th time. Returns whether it came so far.
  bool StopAt(int n) {
    TuneEvents events = events_;
    events.stop = [&n] { return --n > 0 ? "" : "SIGTERM"; };
    try {
      Tune(options_, events);
      return false;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("stopped by SIGTERM after "));
      EXPECT_THAT(error.what(), HasSubstr("of 9 trials; the same command with --resume goes on from '"));
      EXPECT_FALSE(fs::exists(options_.out));
      return true;
    }
  }

  static int Count(const json& report, const std::string& state) {
    return static_cast<int>(
        std::ranges::count_if(report["trials"], [&](const json& trial) { return trial["state"] == state; }));
  }

  TemporaryFolder folder_;
  TuneOptions options_;
  TuneEvents events_;
  std::vector<std::string> warnings_;
};

TEST_F(TuningTest, FindsBetterSettingsThanTheDefaults) {
  options_.n_trials = 15;
  const json report = Run();
  ASSERT_EQ(report["trials"].size(), 15u);
  const double defaults = report["trials"][0]["value"].get<double>(), best = report["best"]["value"].get<double>();
  EXPECT_GT(best, defaults + 0.01) << TuneText(report);
  EXPECT_GT(Count(report, "stopped"), 0) << TuneText(report);
  for (const json& trial : report["trials"]) EXPECT_LE(trial.value("value", 0.0), best);
  EXPECT_THAT(Toml(), HasSubstr("epochs = " + report["best"]["epochs"].dump() + "\n"));
  EXPECT_THAT(warnings_, testing::IsEmpty());
}

TEST_F(TuningTest, TheBestTrialIsATrainingOfSoManyEpochs) {
  const json report = Run();
  const auto dataset = Dataset::Open(options_.train.dataset);
  const Csr all = SumEvents(dataset->events(), dataset->items().size());
  const ValidationSlice slice = HoldOutSlice(all.view(), {.fraction = 0.2, .seed = 3});
  EXPECT_EQ(report["slice"]["n_users"], slice.n_users);
  const SearchSpace space = SpaceOf("als");
  SearchPoint point;
  for (const SearchParameter& parameter : space.parameters)
    point.push_back(report["best"]["parameters"][parameter.name].get<double>());
  TrainOptions train = space.Options(options_.train, point);
  train.als.epochs = report["best"]["epochs"].get<int64_t>();

  const ChosenBackend chosen = ChooseBackend("cpu", 1);
  const AlsFactors factors = FitAls(*chosen.backend, slice.rest.view(), train.als);
  const std::vector<float> popularity = ItemPopularity(slice.rest.view());
  ModelView model;
  model.algorithm = "als";
  model.history = slice.rest.view();
  model.popularity = popularity;
  model.objective = train.als.objective;
  factors.SetIn(&model);
  EXPECT_EQ(Evaluate(Ranker(*chosen.backend, model, nullptr), slice.held_out, 10).model.ndcg,
            report["best"]["value"].get<double>());
}

TEST_F(TuningTest, TrialsThatShareAProductAreThoseOfTrain) {
  options_.train.algorithm = "rp3beta";
  options_.settings = {"alpha=0.5,1", "n-neighbours=3,20", "beta=0,0.5"};
  const json report = Run();
  ASSERT_EQ(report["trials"].size(), 8u) << "all there is";
  const auto dataset = Dataset::Open(options_.train.dataset);
  const Csr all = SumEvents(dataset->events(), dataset->items().size());
  const ValidationSlice slice = HoldOutSlice(all.view(), {.fraction = 0.2, .seed = 3});
  const ChosenBackend chosen = ChooseBackend("cpu", 1);
  const std::vector<float> popularity = ItemPopularity(slice.rest.view());
  const SearchSpace space = SpaceOf("rp3beta");
  ThreadPool pool(1);
  int n_complete = 0;
  for (const json& trial : report["trials"]) {
    if (trial["state"] != "complete") continue;
    ++n_complete;
    SearchPoint point;
    for (const SearchParameter& parameter : space.parameters)
      point.push_back(trial["parameters"][parameter.name].get<double>());
    TrainOptions train = options_.train;
    train = space.Options(train, point);
    const FittedLinear fitted = FitLinear(*chosen.backend, slice.rest.view(), train, {}, pool);
    ModelView model;
    model.algorithm = "rp3beta";
    model.history = slice.rest.view();
    model.popularity = popularity;
    fitted.model.SetIn(&model);
    EXPECT_EQ(Evaluate(Ranker(*chosen.backend, model, nullptr), slice.held_out, 10).model.ndcg,
              trial["value"].get<double>())
        << trial;
  }
  EXPECT_GT(n_complete, 1);
}

TEST_F(TuningTest, TheSeedDecidesAndTheThreadsDoNot) {
  Run();
  const std::string toml = Toml();
  const std::vector<json> journal = Journal();
  Remove();
  options_.train.n_threads = 3;
  Run();
  EXPECT_EQ(Toml(), toml);
  EXPECT_EQ(Journal(), journal);
  Remove();
  options_.train.als.seed = 4;
  Run();
  EXPECT_NE(Journal()[2]["parameters"], journal[2]["parameters"]);
  EXPECT_NE(Journal()[1]["value"], journal[1]["value"]) << "another slice, too";
}

TEST_F(TuningTest, StoppedAnywhereAndResumedItFindsTheSame) {
  for (const std::string algorithm : {"als", "svd"}) {
    SCOPED_TRACE(algorithm);
    options_.train.algorithm = algorithm;
    options_.sample_users = 150;
    options_.train.als.epochs = 4;
    Run();
    const std::string toml = Toml();
    const std::vector<json> journal = Journal();
    for (int n = 1;; n += 3) {
      SCOPED_TRACE("look " + std::to_string(n));
      Remove();
      if (!StopAt(n)) break;
      options_.resume = true;
      StopAt(n + 1);
      const json report = Run();
      EXPECT_EQ(report["trials"].size(), 9u);
      EXPECT_EQ(Toml(), toml);
      EXPECT_EQ(Journal(), journal);
      options_.resume = false;
      ASSERT_LT(n, 500);
    }
    Remove();
  }
}

TEST_F(TuningTest, ATornLineIsDroppedAndMoreTrialsMayBeAskedFor) {
  Run();
  const std::string toml = Toml(), text = Content(JournalPath(options_));
  const std::vector<json> journal = Journal();
  folder_.Write("tuned.toml.trials.jsonl", text.substr(0, text.size() - 30));
  options_.resume = true;
  EXPECT_EQ(Run()["n_resumed"], 8);
  EXPECT_EQ(Toml(), toml);
  EXPECT_EQ(Journal(), journal);
  options_.n_trials = 12;
  const json report = Run();
  EXPECT_EQ(report["trials"].size(), 12u);
  EXPECT_EQ(report["n_resumed"], 9);
  EXPECT_EQ(Run()["n_resumed"], 12) << "nothing is left to do, and the file is written";
}

TEST_F(TuningTest, AJournalOfAnotherSearchIsRefused) {
  options_.n_trials = 2;
  Run();
  const std::string before = Content(JournalPath(options_));
  WriteData("other", [](int, int item, float value, int64_t) { return item == 3 ? value + 1 : value; });
  const auto refused = [&](const std::string& part, const auto& change) {
    TuneOptions options = options_;
    options.resume = true;
    change(options);
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { Tune(options, events_); });
    EXPECT_EQ(Content(JournalPath(options_)), before) << part;
  };
  refused("seed is 3 in the journal and 4 here", [](TuneOptions& o) { o.train.als.seed = 4; });
  refused("metric is \"ndcg_at_10\" in the journal and \"recall_at_10\" here", [](auto& o) { o.metric = "recall"; });
  refused("metric is \"ndcg_at_10\"", [](TuneOptions& o) { o.train.k = 5; });
  refused("validation_fraction", [](TuneOptions& o) { o.validation_fraction = 0.3; });
  refused("max_users", [](TuneOptions& o) { o.max_users = 100; });
  refused("max_epochs", [](TuneOptions& o) { o.train.als.epochs = 5; });
  refused("algorithm is \"als\" in the journal and \"svd\" here", [](TuneOptions& o) { o.train.algorithm = "svd"; });
  refused("space is", [](TuneOptions& o) { o.settings = {"n-factors=4,8"}; });
  refused("split.kind is \"none\"", [](TuneOptions& o) { o.train.split.kind = SplitKind::kRandom; });
  refused("weighting.value_cap", [](TuneOptions& o) { o.train.weighting.value_cap = 1; });
  refused("dataset is", [&](TuneOptions& o) { o.train.dataset = (folder_.path() / "other").string(); });
}

TEST_F(TuningTest, FilesThatAreThereAreReplacedOnlyIfAsked) {
  options_.n_trials = 2;
  ExpectError(ErrorCode::kNotFound, "nothing to resume", [&] {
    options_.resume = true;
    Run();
  });
  options_.resume = false;
  Run();
  ExpectError(ErrorCode::kAlreadyExists, "tuned.toml' is there already", [&] { Run(); });
  fs::remove(options_.out);
  ExpectError(ErrorCode::kAlreadyExists, "--overwrite replaces it, --resume goes on with it", [&] { Run(); });
  options_.overwrite = true;
  options_.train.als.seed = 8;
  EXPECT_EQ(Run()["n_resumed"], 0);
  EXPECT_THAT(Toml(), HasSubstr("seed = 8\n"));
  options_.resume = true;
  ExpectError(ErrorCode::kUsage, "expected one of them", [&] { Run(); });
}

/// Tuned with the split on data whose held-out events say something else, or on the events themselves.
TEST_F(TuningTest, WhatASplitHoldsOutIsNeverSeen) {
  for (const SplitKind kind : {SplitKind::kRandom, SplitKind::kTime, SplitKind::kLeaveLastN, SplitKind::kItems}) {
    SCOPED_TRACE(static_cast<int>(kind));
    const std::string changed = "changed" + std::to_string(static_cast<int>(kind));
    options_.train.split = {.kind = kind, .fraction = 0.3, .seed = options_.train.als.seed};
    const auto dataset = Dataset::Open((folder_.path() / "data").string());
    const Split split = SplitEvents(dataset->events(), dataset->items().size(), options_.train.split);
    // Events are those of a user in order of time, as they were written.
    int64_t at = 0;
    WriteData(changed, [&](int, int, float value, int64_t) {
      return split.keep[static_cast<size_t>(at++)] != 0 ? value : value + 50;
    });
    options_.n_trials = 3;
    options_.train.dataset = (folder_.path() / "data").string();
    const json report = Run();
    Remove();
    options_.train.dataset = (folder_.path() / changed).string();
    const json of_changed = Run();
    Remove();
    ASSERT_NE(report["dataset"]["digest"], of_changed["dataset"]["digest"]);
    for (size_t t = 0; t < 3; ++t)
      EXPECT_EQ(report["trials"][t].value("value", 0.0), of_changed["trials"][t].value("value", 0.0)) << t;
    options_.train.split = {};
    const json unsplit = Run();
    Remove();
    EXPECT_NE(unsplit["trials"][0]["value"], of_changed["trials"][0]["value"]) << "the change would show";
  }
}

TEST_F(TuningTest, AnSvdIsDecomposedOnce) {
  options_.train.algorithm = "svd";
  options_.settings = {"n-factors=2,4,8,16"};
  options_.n_trials = 12;
  options_.sample_users = 100;
  const json report = Run();
  EXPECT_GT(report["best"]["value"].get<double>(), report["trials"][0]["value"].get<double>());
  EXPECT_GT(Count(report, "stopped"), 0) << TuneText(report);
  for (const json& trial : report["trials"]) {
    EXPECT_FALSE(trial.contains("epochs"));
    EXPECT_EQ(trial.value("why", "").find("below trial ") != std::string::npos, trial["state"] == "stopped");
  }
  const auto dataset = Dataset::Open(options_.train.dataset);
  const Csr all = SumEvents(dataset->events(), dataset->items().size());
  const ValidationSlice slice = HoldOutSlice(all.view(), {.fraction = 0.2, .seed = 3});
  EXPECT_NEAR(report["slice"]["n_sample_users"].get<double>(), 100, 35);
  EXPECT_EQ(report["slice"]["n_users"], slice.n_users);
}

TEST_F(TuningTest, ATrialThatFailsIsWrittenDownAndTheSearchGoesOn) {
  options_.settings = {"n-factors=64", "regularization=0,0.01", "unobserved-weight=0", "regularization-exponent=1"};
  const json report = Run();
  ASSERT_EQ(report["trials"].size(), 2u) << "all there is";
  EXPECT_EQ(Count(report, "failed"), 1);
  EXPECT_EQ(report["best"]["parameters"]["regularization"], 0.01);
  for (const json& trial : report["trials"])
    EXPECT_EQ(trial.value("why", "").find("singular") != std::string::npos, trial["state"] == "failed");
  EXPECT_THAT(warnings_, testing::ElementsAre(HasSubstr("all there is to try is tried after 2 trials")));
  Remove();
  options_.settings = {"n-factors=64,80,96", "regularization=0", "unobserved-weight=0"};
  options_.n_trials = 3;
  ExpectError(ErrorCode::kNumeric, "none of the 3 trials is complete; the last one: ", [&] { Run(); });
  EXPECT_FALSE(fs::exists(options_.out));
}

TEST_F(TuningTest, WhatDoesNotDoIsFoundBeforeTheFirstTrial) {
  const auto refused = [&](ErrorCode code, const std::string& part, const auto& change) {
    TuneOptions options = options_;
    change(options);
    ExpectError(code, part, [&] { Tune(options, events_); });
    EXPECT_FALSE(fs::exists(JournalPath(options))) << part;
  };
  refused(ErrorCode::kUsage, "'popularity' has no parameters", [](auto& o) { o.train.algorithm = "popularity"; });
  refused(ErrorCode::kUsage, "--metric 'map'", [](auto& o) { o.metric = "map"; });
  refused(ErrorCode::kUsage, "--trials 0", [](auto& o) { o.n_trials = 0; });
  refused(ErrorCode::kInvalidArgument, "k is 0", [](auto& o) { o.train.k = 0; });
  refused(ErrorCode::kNotFound, "nowhere", [](auto& o) { o.train.dataset = "nowhere"; });
  refused(ErrorCode::kInvalidArgument, "the fraction is 1", [](auto& o) { o.validation_fraction = 1; });
  refused(ErrorCode::kInvalidArgument, "only 0 users have something in the validation slice",
          [](auto& o) { o.validation_fraction = 1e-9; });
  refused(ErrorCode::kIo, "cannot create", [](auto& o) { o.out = "/proc/nothing/tuned.toml"; });
  fs::create_directory(folder_.path() / "folder");
  refused(ErrorCode::kAlreadyExists, "folder' is there already",
          [&](auto& o) { o.out = (folder_.path() / "folder").string(); });
}

TEST_F(TuningTest, TrainTakesTheFileAsItIs) {
  CommandLine program;
  AddTuneCommand(program);
  AddTrainCommand(program);
  std::string out, err;
  const std::string report = (folder_.path() / "tune.html").string(), store = (folder_.path() / "models").string();
  const std::vector<std::string> tune = {"tune",         options_.train.dataset,
                                         "--out",        options_.out,
                                         "--trials",     "4",
                                         "--seed",       "7",
                                         "--set",        "n-factors=4,8",
                                         "--report",     report,
                                         "--backend",    "cpu",
                                         "--k",          "10",
                                         "--split",      "random",
                                         "--value-cap",  "2",
                                         "--max-epochs", "6"};
  ASSERT_EQ(RunCaptured(program, tune, &out, &err), 0) << err;
  EXPECT_THAT(out, HasSubstr("als on " + options_.train.dataset + ": 4 trials by NDCG@10"));
  EXPECT_THAT(out, HasSubstr("train's defaults"));
  EXPECT_THAT(err, HasSubstr("trial 4 of 4: "));
  const HtmlContent page = HtmlReader(Content(report)).Read();
  EXPECT_EQ(page.problem, "");
  EXPECT_THAT(page.text, HasSubstr("regularization-exponent"));

  const std::vector<std::string> train = {"train",    options_.train.dataset, "--store",   store, "--model", "shop",
                                          "--config", options_.out,           "--backend", "cpu"};
  ASSERT_EQ(RunCaptured(program, train, &out, &err), 0) << err << Toml();
  const json manifest = Model::Open(ModelStore(store), "shop")->manifest();
  const json best = [&] {
    json found;
    for (const json& trial : Journal())
      if (trial.contains("value") && (found.is_null() || trial["value"] > found["value"])) found = trial;
    return found;
  }();
  const json& parameters = best["parameters"];
  EXPECT_EQ(manifest["n_factors"], parameters["n-factors"]);
  EXPECT_EQ(manifest["n_epochs"], best["epochs"]);
  EXPECT_EQ(manifest["seed"], 7);
  for (const auto& [flag, member] : {std::pair("regularization", "regularization"),
                                     {"regularization-exponent", "regularization_exponent"},
                                     {"unobserved-weight", "unobserved_weight"}})
    EXPECT_FLOAT_EQ(manifest["objective"][member].get<float>(), parameters[flag].get<float>()) << flag;
  EXPECT_EQ(manifest["holdout"]["kind"], "random");
  EXPECT_EQ(manifest["weighting"]["value_cap"], 2);
}

TEST_F(TuningTest, TextsAndThePageAreOfAnyReport) {
  const json report = {
      {"algorithm", "als"},
      {"dataset", {{"path", "a<b>&\n"}, {"digest", "d"}}},
      {"kindred_version", "1"},
      {"created_at", "now"},
      {"metric", "ndcg_at_20"},
      {"seed", 1},
      {"slice", {{"n_users", 3}, {"n_pairs", 4}, {"n_sample_users", 2}}},
      {"space", {{{"name", "regularization"}, {"scale", "log"}, {"low", 0.1}, {"high", 1}}}},
      {"trials",
       {{{"trial", 1}, {"parameters", {{"regularization", 0}}}, {"state", "failed"}, {"why", "<no>"}, {"seconds", 0}},
        {{"trial", 2},
         {"parameters", {{"regularization", 0.5}}},
         {"state", "stopped"},
         {"why", "late"},
         {"sample_value", 0.75},
         {"seconds", 1}},
        {{"trial", 3},
         {"parameters", {{"regularization", 0.25}}},
         {"state", "complete"},
         {"value", 0.5},
         {"sample_value", 0.5},
         {"seconds", 1}}}},
      {"best", {{"trial", 3}, {"parameters", {{"regularization", 0.25}}}, {"value", 0.5}, {"state", "complete"}}},
      {"out", "t.toml"}};
  const std::vector<json> ranked = Ranked(report);
  EXPECT_EQ(ranked[0]["trial"], 3);
  EXPECT_EQ(ranked[1]["trial"], 2);
  EXPECT_EQ(ranked[2]["trial"], 1);
  const HtmlContent page = HtmlReader(TuningReportHtml(report)).Read();
  EXPECT_EQ(page.problem, "");
  EXPECT_THAT(page.text, HasSubstr("failed: <no>"));
  EXPECT_THAT(TuneText(report), HasSubstr("stopped: late"));
  const std::string toml = TunedToml(report, {{"event-weight", {"a=1", "*=0"}, true}, {"split", {"time"}}});
  EXPECT_THAT(toml, HasSubstr("regularization = 0.25\nseed = 1\nevent-weight = ['a=1', '*=0']\nsplit = 'time'\n"));
  EXPECT_THAT(toml, HasSubstr("a<b>&\\x0a")) << "a comment stays one";
}

}  // namespace
}  // namespace kindred
