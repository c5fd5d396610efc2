#include "training/publish_gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/support/tastes.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(GateText, Bounds) {
  const MetricBound least = ParseMetricBound("ndcg_at_20>=0.1"), most = ParseMetricBound("coverage_at_5<=1e-3");
  EXPECT_EQ(least.metric, "ndcg_at_20");
  EXPECT_TRUE(least.at_least);
  EXPECT_EQ(least.bound, 0.1);
  EXPECT_EQ(most.metric, "coverage_at_5");
  EXPECT_FALSE(most.at_least);
  EXPECT_EQ(most.bound, 1e-3);
  for (const std::string text : {"", "mrr", "mrr>0.1", "mrr=0.1", ">=0.1", "mrr>=", "mrr>=x", "mrr>=0.1x", "mrr>=nan",
                                 "mrr>=inf", "mrr>=0.1,ndcg>=0.1", "mrr>"})
    ExpectError(ErrorCode::kUsage, "'" + text + "': expected a metric, >= or <=, and a number",
                [&] { ParseMetricBound(text); });
}

TEST(GateText, Drops) {
  const MetricDrop absolute = ParseMetricDrop("mrr=0.005"), relative = ParseMetricDrop("mrr=2.5%");
  EXPECT_EQ(absolute.metric, "mrr");
  EXPECT_EQ(absolute.margin, 0.005);
  EXPECT_FALSE(absolute.relative);
  EXPECT_DOUBLE_EQ(relative.margin, 0.025);
  EXPECT_TRUE(relative.relative);
  EXPECT_EQ(ParseMetricDrop("mrr=0").margin, 0);
  for (const std::string text : {"", "mrr", "=1", "mrr=", "mrr=%", "mrr=-0.1", "mrr=101%", "mrr=nan", "mrr=1x"})
    ExpectError(ErrorCode::kUsage, "'" + text + "': expected a metric, = and a number from 0",
                [&] { ParseMetricDrop(text); });
}

const json kKnown = {{"mrr", 0}, {"ndcg_at_5", 0}};
const json kHoldout = {{"kind", "random"}, {"fraction", 0.2}, {"seed", 1}};

class Gate : public testing::Test {
 protected:
  void Publish(const json& manifest) const {
    const ModelLock lock = store_.Lock("m");
    PublishModel(store_, "m", SmallModel().view(), manifest);
  }
  PublishGate Make(const std::vector<std::string>& bounds, const std::vector<std::string>& drops,
                   const json& holdout = kHoldout) const {
    GateOptions options;
    for (const std::string& text : bounds) options.bounds.push_back(ParseMetricBound(text));
    for (const std::string& text : drops) options.drops.push_back(ParseMetricDrop(text));
    CheckGate(options, kKnown, true);
    return {options, store_, "m", kKnown, holdout};
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
};

TEST_F(Gate, BoundsHoldOrNot) {
  const PublishGate gate = Make({"mrr>=0.25", "ndcg_at_5<=0.5"}, {});
  const auto passes = [&](double mrr, double ndcg) {
    return gate.Judge({{"mrr", mrr}, {"ndcg_at_5", ndcg}})["passed"].get<bool>();
  };
  EXPECT_TRUE(passes(0.25, 0.5));
  EXPECT_FALSE(passes(0.24, 0.5));
  EXPECT_FALSE(passes(0.25, 0.51));
  EXPECT_FALSE(passes(std::nan(""), 0.5));
  EXPECT_EQ(gate.Judge({{"mrr", 0.125}, {"ndcg_at_5", 0.5}}), (json{{"passed", false},
                                                                    {"conditions",
                                                                     {{{"condition", "--require mrr>=0.25"},
                                                                       {"metric", "mrr"},
                                                                       {"found", 0.125},
                                                                       {"at_least", 0.25},
                                                                       {"passed", false}},
                                                                      {{"condition", "--require ndcg_at_5<=0.5"},
                                                                       {"metric", "ndcg_at_5"},
                                                                       {"found", 0.5},
                                                                       {"at_most", 0.5},
                                                                       {"passed", true}}}}}));
}

TEST_F(Gate, DropsAreMeasuredAgainstCurrent) {
  json holdout = kHoldout;
  holdout["n_users"] = 7;  // what comes with the data is not compared
  Publish({{"metrics", {{"mrr", 0.5}, {"ndcg_at_5", 0.25}}}, {"holdout", holdout}});
  Publish({{"metrics", {{"mrr", 0.9}, {"ndcg_at_5", 0.9}}}, {"holdout", holdout}});
  store_.SetCurrent("m", 1);
  const PublishGate gate = Make({}, {"mrr=0.125", "ndcg_at_5=50%"});
  const auto passes = [&](double mrr, double ndcg) {
    return gate.Judge({{"mrr", mrr}, {"ndcg_at_5", ndcg}})["passed"].get<bool>();
  };
  EXPECT_TRUE(passes(0.375, 0.125));
  EXPECT_TRUE(passes(1, 1));
  EXPECT_FALSE(passes(0.374, 0.125));
  EXPECT_FALSE(passes(0.375, 0.124));
  const json condition = gate.Judge({{"mrr", 0.25}, {"ndcg_at_5", 1}})["conditions"][0];
  EXPECT_EQ(condition, (json{{"condition", "--max-drop mrr=0.125"},
                             {"metric", "mrr"},
                             {"found", 0.25},
                             {"at_least", 0.375},
                             {"before", 0.5},
                             {"version", 1},
                             {"passed", false}}));
  EXPECT_THAT(
      RefusalText(gate.Judge({{"mrr", 0.25}, {"ndcg_at_5", 1}})),
      AllOf(HasSubstr("--max-drop mrr=0.125: mrr is 0.25, expected at least 0.375 (version 1 has 0.5): does not hold"),
            HasSubstr("--max-drop ndcg_at_5=50%: ndcg_at_5 is 1, expected at least 0.125 (version 1 has 0.25): holds"),
            HasSubstr("without --require and --max-drop publishes it")));
}

TEST_F(Gate, TheFirstVersionHasNothingToFallBehind) {
  const json verdict = Make({}, {"mrr=0"}).Judge({{"mrr", 0}, {"ndcg_at_5", 0}});
  EXPECT_EQ(verdict["passed"], true);
  EXPECT_TRUE(verdict["conditions"][0]["version"].is_null());
  EXPECT_TRUE(verdict["conditions"][0]["at_least"].is_null());
}

TEST_F(Gate, WhatCannotBeComparedIsSaidBeforeTraining) {
  const auto refused = [&](const json& manifest, const std::string& why, const json& holdout = kHoldout) {
    Publish(manifest);
    ExpectError(ErrorCode::kInvalidArgument, why, [&] { Make({}, {"mrr=0"}, holdout); });
    EXPECT_NO_THROW(Make({"mrr>=0"}, {}, holdout));
  };
  const json metrics = {{"mrr", 0.5}, {"ndcg_at_5", 0.25}};
  refused({}, "cannot compare with version 1 of 'm', the current one: it was not evaluated");
  refused({{"metrics", {{"mrr", 0.5}, {"ndcg_at_10", 0.25}}}, {"holdout", kHoldout}}, "it has no ndcg_at_5; was its k");
  refused({{"metrics", metrics}}, "the holdout's fraction null, and here 0.2");
  refused({{"metrics", metrics}, {"holdout", {{"kind", "random"}, {"fraction", 0.1}, {"seed", 1}}}},
          "the holdout's fraction 0.1, and here 0.2");
  refused({{"metrics", metrics}, {"holdout", kHoldout}}, "the holdout's kind \"random\", and here \"time\"",
          {{"kind", "time"}});
  std::ofstream(store_.ModelPath("m") / "CURRENT") << "x";
  ExpectError(ErrorCode::kCorrupt, "CURRENT", [&] { Make({}, {"mrr=0"}); });
}

TEST_F(Gate, MetricsAreCheckedByName) {
  ExpectError(ErrorCode::kUsage, "there is no metric 'ndcg_at_20' (nearest: ndcg_at_5); expected one of mrr, ndcg_at_5",
              [&] { Make({"ndcg_at_20>=0"}, {}); });
  ExpectError(ErrorCode::kUsage, "there is no metric 'auc'", [&] { Make({}, {"auc=0"}); });
  GateOptions options;
  EXPECT_NO_THROW(CheckGate(options, kKnown, false));
  options.bounds.push_back(ParseMetricBound("mrr>=0"));
  ExpectError(ErrorCode::kUsage, "expected --split or --test", [&] { CheckGate(options, kKnown, false); });
}

class GatedTraining : public testing::Test {
 protected:
  GatedTraining() { WriteTastes(folder_.path() / "data", {.n_users = 40}); }

  int Train(std::vector<std::string> more, const std::string& k = "5") {
    std::vector<std::string> words = {"train",       (folder_.path() / "data").string(),
                                      "--store",     store_.root().string(),
                                      "--model",     "m",
                                      "--n-factors", "8",
                                      "--epochs",    "3",
                                      "--k",         k,
                                      "--backend",   "cpu"};
    words.insert(words.end(), more.begin(), more.end());
    CommandLine program;
    AddTrainCommand(program);
    return RunCaptured(program, words, &out_, &err_);
  }
  json Manifest(int64_t version) const { return Artifact::ReadManifest(store_.VersionPath("m", version), kModelKind); }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
  std::string out_, err_;
};

TEST_F(GatedTraining, WhatPassesIsPublishedWithTheVerdict) {
  ASSERT_EQ(Train({"--split", "random", "--require", "ndcg_at_5>=0.01", "--require", "mrr<=1", "--max-drop", "mrr=0",
                   "--json"}),
            0)
      << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["published"], true);
  EXPECT_EQ(report["gate"]["passed"], true);
  EXPECT_EQ(Manifest(1)["gate"], report["gate"]);
  EXPECT_FALSE(Manifest(1).contains("published"));
  ASSERT_EQ(Train({"--split", "random", "--max-drop", "mrr=0"}), 0) << err_;
  EXPECT_EQ(Manifest(2)["gate"]["conditions"][0]["version"], 1);
  ASSERT_EQ(Train({}), 0) << err_;
  EXPECT_FALSE(Manifest(3).contains("gate"));
}

TEST_F(GatedTraining, WhatFailsIsReportedAndNotPublished) {
  ASSERT_EQ(Train({"--split", "random"}), 0) << err_;
  EXPECT_EQ(Train({"--split", "random", "--require", "ndcg_at_5>=0.999", "--require", "mrr>=0", "--json"}), 1);
  const json report = json::parse(out_);
  EXPECT_EQ(report["published"], false);
  EXPECT_FALSE(report.contains("version"));
  EXPECT_EQ(report["gate"]["conditions"][0]["passed"], false);
  EXPECT_TRUE(report["metrics"]["ndcg_at_5"].is_number());
  EXPECT_TRUE(report["seconds"].contains("evaluate"));
  EXPECT_FALSE(report["seconds"].contains("refit"));
  EXPECT_THAT(err_, AllOf(HasSubstr("--require ndcg_at_5>=0.999: ndcg_at_5 is 0."),
                          HasSubstr(", expected at least 0.999: does not hold\n"), HasSubstr("mrr>=0: mrr is 0."),
                          HasSubstr("without --require and --max-drop publishes it")));
  EXPECT_EQ(Train({"--split", "random", "--require", "ndcg_at_5>=0.999"}), 1);
  EXPECT_THAT(out_, AllOf(HasSubstr("ndcg_at_5"), Not(HasSubstr("published"))));
  EXPECT_THAT(store_.Versions("m"), testing::ElementsAre(1));
  EXPECT_EQ(store_.Current("m"), 1);
}

TEST_F(GatedTraining, WhatCannotBeJudgedIsRefusedBeforeTraining) {
  ASSERT_EQ(Train({"--split", "time", "--split-time", "1970-01-01T00:18:00Z"}), 0) << err_;
  const auto refused = [&](int status, const std::string& why, const std::vector<std::string>& words,
                           const std::string& k = "5") {
    EXPECT_EQ(Train(words, k), status) << why;
    EXPECT_THAT(err_, AllOf(HasSubstr(why), Not(HasSubstr("epoch"))));
    EXPECT_THAT(store_.Versions("m"), testing::ElementsAre(1));
  };
  refused(2, "expected --split or --test", {"--require", "mrr>=0"});
  refused(2, "there is no metric 'ndcg_at_20' (nearest: ndcg_at_5)",
          {"--split", "random", "--require", "ndcg_at_20>=0"});
  refused(2, "expected a metric, >= or <=", {"--split", "random", "--require", "ndcg_at_5"});
  refused(2, "expected a metric, = and", {"--split", "random", "--max-drop", "ndcg_at_5=-1"});
  refused(1, "the holdout's ", {"--split", "random", "--max-drop", "mrr=0"});
  refused(1, "was its k another one?",
          {"--split", "time", "--split-time", "1970-01-01T00:18:00Z", "--max-drop", "mrr=0"}, "6");
  refused(1, "from_time 1080, and here 1081",
          {"--split", "time", "--split-time", "1970-01-01T00:18:01Z", "--max-drop", "mrr=0"});
  EXPECT_EQ(Train({"--split", "time", "--split-time", "1970-01-01T00:18:00Z", "--max-drop", "mrr=0"}), 0) << err_;
}

TEST_F(GatedTraining, WhereTheStoreCannotHoldItNothingIsTrained) {
  folder_.Write("store", "a file");
  EXPECT_EQ(Train({}), 1);
  EXPECT_THAT(err_, AllOf(HasSubstr(store_.root().string()), Not(HasSubstr("epoch"))));
}

}  // namespace
}  // namespace kindred
