// Ratings from a file to a published version and its evaluation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "host/data/dataset.h"
#include "host/data/random.h"
#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr int kUsers = 80, kItems = 60;

// Ratings about 0 with biases and one factor, half of all pairs; the others go to a file of their own.
struct Export {
  Export() {
    for (int u = 0; u < kUsers; ++u)
      for (int i = 0; i < kItems; ++i) {
        const auto at = static_cast<uint64_t>(u * kItems + i);
        const auto normal = [](uint64_t seed, uint64_t of) { return RandomNormal(seed, of); };
        const double rating =
            0.5 + 0.6 * normal(1, u) + 0.6 * normal(2, i) + normal(3, u) * normal(4, i) + 0.2 * normal(5, at);
        const std::string line = "u" + std::to_string(u) + ",i" + std::to_string(i) + "," + std::to_string(rating) +
                                 "," + std::to_string(1000 + RandomBits(6, at) % 1000) + "\n";
        (RandomBits(7, at) % 2 == 0 ? train : test) += line;
      }
  }
  std::string train = "user,item,value,time\n", test = train;
};

class ExplicitFeedbackTest : public testing::Test {
 protected:
  int RunProgram(const Words& words) {
    CommandLine program;
    AddPrepareCommand(program);
    AddTrainCommand(program);
    AddEvaluateCommand(program);
    return RunCaptured(program, words, &out_, &err_);
  }
  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }
  void Prepare(const std::string& text, const Words& more = {"--negative-values"}) {
    Words words = {"prepare", folder_.Write("events.csv", text), "--out", Path("data"), "--overwrite", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    ASSERT_EQ(RunProgram(words), 0) << err_;
  }
  Words TrainWords(const Words& more) const {
    Words words = {"train",      Path("data"), "--store", Path("models"), "--model", "m",
                   "--feedback", "explicit",   "--json",  "--n-factors",  "4",       "--epochs",
                   "8",          "--backend",  "cpu",     "--threads",    "2",       "--regularization",
                   "0.02"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  json Train(const Words& more = {}) {
    EXPECT_EQ(RunProgram(TrainWords(more)), 0) << err_;
    return json::parse(out_);
  }
  void ExpectRefused(int status, const std::string& part, const Words& more) {
    EXPECT_EQ(RunProgram(TrainWords(more)), status) << part;
    EXPECT_THAT(err_, HasSubstr(part));
  }
  std::shared_ptr<const Model> Published() const { return Model::Open(ModelStore(Path("models")), "m"); }

  TemporaryFolder folder_;
  std::string out_, err_;
};

TEST_F(ExplicitFeedbackTest, ASplitIsPredictedBetterThanByBiases) {
  Prepare(Export().train);
  for (const char* kind : {"random", "leave-last-n", "time"}) {
    SCOPED_TRACE(kind);
    const json report = Train({"--split", kind});
    const json errors = report["rating_errors"];
    EXPECT_GT(errors["n_ratings"], 50);
    EXPECT_LT(errors["rmse"].get<double>(), 0.5 * errors["biases_rmse"].get<double>());
    EXPECT_LT(errors["mae"].get<double>(), 0.5 * errors["biases_mae"].get<double>());
    EXPECT_LT(errors["biases_rmse"].get<double>(), errors["mean_rmse"].get<double>());
    EXPECT_GT(report["metrics"]["ndcg_at_20"].get<double>(), report["metrics"]["popularity_ndcg_at_20"].get<double>());
    // Lists are measured on what was rated above the mean.
    EXPECT_LT(report["holdout"]["n_pairs"], errors["n_ratings"]);
    EXPECT_EQ(report["objective"]["feedback"], "explicit");
  }
  const json all = Train({"--split", "random", "--relevant-rating", "-1e9"});
  EXPECT_EQ(all["holdout"]["n_pairs"], all["rating_errors"]["n_ratings"]);
  EXPECT_EQ(Published()->manifest()["holdout"]["relevant_rating"], -1e9f);
  EXPECT_EQ(Published()->manifest()["rating_errors"], all["rating_errors"]);
}

TEST_F(ExplicitFeedbackTest, AVersionHoldsRatingsAndEvaluatesAsInTraining) {
  const Export data;
  Prepare(data.train);
  const std::string test = folder_.Write("test.csv", data.test + "nobody,i1,3,1\nu1,nothing,1,1\n");
  const json report = Train({"--test", test, "--test-negative-values"});
  const auto model = Published();
  const ModelView& view = model->view();
  ASSERT_TRUE(view.has_ratings());
  EXPECT_EQ(view.objective.bias_regularization, 5);
  EXPECT_TRUE(std::any_of(view.history.values.begin(), view.history.values.end(), [](float r) { return r < 0; }));
  EXPECT_LT(report["rating_errors"]["rmse"].get<double>(), 0.35);
  EXPECT_EQ(report["holdout"]["n_missing_users"], 1);

  ASSERT_EQ(RunProgram({"evaluate", "--store", Path("models"), "--model", "m", "--test", test, "--test-negative-values",
                        "--json", "--backend", "cpu"}),
            0)
      << err_;
  const json again = json::parse(out_);
  EXPECT_EQ(again["rating_errors"], report["rating_errors"]);
  EXPECT_EQ(again["metrics"], report["metrics"]);
  EXPECT_EQ(again["holdout"]["relevant_rating"], report["holdout"]["relevant_rating"]);
  ASSERT_EQ(RunProgram({"evaluate", "--store", Path("models"), "--model", "m", "--test", test, "--test-negative-values",
                        "--relevant-rating", "9", "--backend", "cpu"}),
            0);
  EXPECT_THAT(out_, HasSubstr("rmse"));
}

TEST_F(ExplicitFeedbackTest, TheLastRatingOfAPairIsTrainedOn) {
  Prepare("user,item,value,time\na,x,1,10\na,x,5,30\na,x,2,20\nb,x,0,1\nb,y,4,1\n", {});
  Train({});
  const auto model = Published();
  const ModelView& view = model->view();
  EXPECT_THAT(view.history.values, testing::ElementsAre(5, 0, 4));
  EXPECT_EQ(view.rating_mean, 3);
}

TEST_F(ExplicitFeedbackTest, EqualRatingsMakeAModel) {
  Prepare("user,item,value\na,x,4\nb,x,4\nb,y,4\nc,z,4\n", {});
  const json report = Train({"--split", "random", "--holdout-fraction", "0.4"});
  EXPECT_NEAR(report["rating_errors"]["rmse"].get<double>(), 0, 1e-6);
  EXPECT_EQ(Published()->view().rating_mean, 4);
}

TEST_F(ExplicitFeedbackTest, TheSameInputGivesTheSameBits) {
  Prepare(Export().train);
  Train();
  const auto first = Published();
  Words words = TrainWords({});
  *std::find(words.begin(), words.end(), "2") = "3";
  ASSERT_EQ(RunProgram(words), 0) << err_;
  const auto second = Published();
  EXPECT_THAT(second->view().user_factors.all(), testing::ElementsAreArray(first->view().user_factors.all()));
  EXPECT_THAT(second->view().user_biases, testing::ElementsAreArray(first->view().user_biases));
}

TEST_F(ExplicitFeedbackTest, WhatDoesNotGoTogetherIsRefused) {
  Prepare("user,item,value,event,time\na,x,4,rating,1\nb,x,2,rating,2\nb,y,1,view,3\n", {});
  ExpectRefused(2, "--unobserved-weight is for --feedback implicit", {"--unobserved-weight", "0.1"});
  ExpectRefused(2, "--solver is for --feedback implicit", {"--solver", "cg"});
  ExpectRefused(2, "--cg-steps is for --solver cg, and this is exact", {"--cg-steps", "4"});
  ExpectRefused(2, "--block-size is for --solver blocks, and this is cg", {"--solver", "cg", "--block-size", "32"});
  ExpectRefused(2, "--svd-shrinkage is for --algorithm svd, and this is als", {"--svd-shrinkage", "auto"});
  ExpectRefused(2, "--svd-tolerance is for --algorithm svd", {"--svd-tolerance", "0.01"});
  ExpectRefused(2, "--regularization is for --algorithm als or ease, and this is svd", {"--algorithm", "svd"});
  const Words plain = {"train", Path("data"), "--store", Path("models"), "--model", "m", "--feedback", "explicit"};
  for (const auto& [part, more] :
       {std::pair("--solver is for --algorithm als, and this is svd", Words{"--algorithm", "svd", "--solver", "exact"}),
        {"--feedback explicit is for --algorithm als, not for popularity", Words{"--algorithm", "popularity"}}}) {
    Words words = plain;
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(RunProgram(words), 2) << part;
    EXPECT_THAT(err_, HasSubstr(part));
  }
  ExpectRefused(1, "a half-life would change them; expected --half-life none", {"--half-life", "30d"});
  ExpectRefused(1, "the weight 3 of 'rating'", {"--event-weight", "rating=3,view=0"});
  ExpectRefused(1, "a value cap", {"--value-cap", "4"});
  Words words = TrainWords({});
  *std::find(words.begin(), words.end(), "0.02") = "0";
  EXPECT_EQ(RunProgram(words), 1);
  EXPECT_THAT(err_, HasSubstr("user 'a' has 1 rating, which determine"));
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "models" / "m" / "CURRENT"));

  const json report = Train({"--event-weight", "rating=1,view=0"});
  EXPECT_EQ(report["n_entries"], 2);

  for (const char* flag : {"--bias-regularization", "--relevant-rating"}) {
    EXPECT_EQ(RunProgram({"train", Path("data"), "--store", Path("models"), "--model", "i", flag, "3"}), 2);
    EXPECT_THAT(err_, HasSubstr(std::string(flag) + " is for --feedback explicit"));
  }
  Prepare("user,item\na,x\nb,x\n", {});
  ExpectRefused(1, "no values to take for ratings; prepare it with --value-column", {});
}

TEST_F(ExplicitFeedbackTest, NegativeValuesAreForExplicitFeedbackAlone) {
  EXPECT_EQ(RunProgram({"prepare", folder_.Write("bad.csv", "user,item,value\na,x,-1\n"), "--out", Path("bad")}), 1);
  EXPECT_THAT(err_, HasSubstr("negative"));
  Prepare("user,item,value\na,x,-1\nb,x,2\n");
  EXPECT_EQ(Dataset::Open(Path("data"))->events().values[0], -1);
  EXPECT_EQ(RunProgram({"train", Path("data"), "--store", Path("models"), "--model", "i"}), 1);
  EXPECT_THAT(err_, HasSubstr("user 'a' and item 'x' has the value -1"));
}

}  // namespace
}  // namespace kindred
