// generate and prepare as they are typed, and that what one makes the others can use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/data/dataset.h"
#include "tests/support/captured_run.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"
#include "training/pipeline.h"

namespace kindred {
namespace {

using testing::HasSubstr;

class DataCommands : public testing::Test {
 protected:
  int Run(const std::vector<std::string>& arguments) {
    CommandLine program;
    AddGenerateCommand(program);
    AddPrepareCommand(program);
    return RunCaptured(program, arguments, &out_, &err_);
  }

  TemporaryFolder folder_;
  std::string dataset_ = (folder_.path() / "dataset").string();
  std::string out_, err_;
};

TEST_F(DataCommands, JsonIsOneObjectAndNothingElse) {
  const std::string csv = folder_.Write("a.csv", "user,item,event,time\nu,i,view,1\nbad\n");
  ASSERT_EQ(Run({"prepare", csv, "--out", dataset_, "--max-bad-rows", "1", "--json"}), 0) << err_;
  const nlohmann::json report = nlohmann::json::parse(out_);
  EXPECT_EQ(report["n_events"], 1);
  EXPECT_EQ(report["n_bad_rows"], 1);
  EXPECT_EQ(report["dataset"], dataset_);
  EXPECT_EQ(Dataset::Open(dataset_)->events().size(), 1);
}

TEST_F(DataCommands, TheSummaryForPeople) {
  const std::string csv =
      folder_.Write("a.csv", "c,item,event,time\nu,i,view,2020-01-01\nu,i,buy,2020-01-02 03:04:05\nbad\n");
  ASSERT_EQ(Run({"prepare", csv, "--out", dataset_, "--user-column", "c", "--max-bad-rows", "5"}), 0) << err_;
  for (const char* part : {"read      3 rows of 1 file\n", "events    2\n", "users     1\n", "entries   1 different",
                           "times     2020-01-01 00:00:00 to 2020-01-02 03:04:05 UTC\n", "types     1 view\n",
                           "1 buy\n", "bad rows  1, in ", "1 too few fields\n"})
    EXPECT_THAT(out_, HasSubstr(part));
}

TEST_F(DataCommands, TheFormatIsInTheName) {
  const std::string tsv = folder_.Write("a.tsv", "user\titem\nu,\ti\"\n");
  ASSERT_EQ(Run({"prepare", tsv, "--out", dataset_}), 0) << err_;
  EXPECT_EQ(Dataset::Open(dataset_)->users().Id(0), "u,");

  const std::string list = folder_.Write("a.txt", "u i j\n");
  EXPECT_EQ(Run({"prepare", list, "--out", dataset_ + "2"}), 2);
  EXPECT_THAT(err_, HasSubstr("does not tell its format: say it with --format"));
  EXPECT_EQ(Run({"prepare", list, tsv, "--out", dataset_ + "2"}), 2);
  EXPECT_EQ(Run({"prepare", list, "--format", "adjacency", "--out", dataset_ + "2"}), 0) << err_;
}

TEST_F(DataCommands, StatusAndMessageOfFailures) {
  const std::string csv = folder_.Write("a.csv", "user,item\nu,i\nbad\n");
  EXPECT_EQ(Run({"prepare", csv, "--out", dataset_}), 1);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, HasSubstr("a.csv: line 3: 1 fields; the header has 2"));
  EXPECT_EQ(Run({"prepare", csv}), 2) << "--out is missing";
  EXPECT_EQ(Run({"prepare", "--out", dataset_}), 2) << "no input";
  EXPECT_EQ(Run({"prepare", csv, "--out", dataset_, "--max-bad-rows", "-1"}), 2);
  EXPECT_EQ(Run({"prepare", csv, "--out", dataset_, "--format", "xml"}), 2);
  EXPECT_EQ(Run({"prepare", folder_.path() / "none.csv", "--out", dataset_}), 1);
  EXPECT_FALSE(std::filesystem::exists(dataset_));
  EXPECT_EQ(Run({"generate", "--out", dataset_, "--users", "0"}), 2);
  EXPECT_FALSE(std::filesystem::exists(dataset_));
}

TEST_F(DataCommands, WhatWasGeneratedAndPlanted) {
  const std::string shop = (folder_.path() / "shop").string();
  std::vector<std::string> words = {"generate", "--out", shop};
  for (const char* word : {"--users=500", "--items=100", "--events=1000", "--days=9", "--threads=2", "--bots=0.01",
                           "--duplicates=0.1", "--missing=0", "--cold-items=0.05"})
    words.push_back(word);
  ASSERT_EQ(Run(words), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("1000 events of 500 users and 100 items over 9 days, seed 1\n"));
  EXPECT_THAT(out_, HasSubstr("planted   100 duplicates, 5 bots with "));
  EXPECT_THAT(out_, HasSubstr(" events, 0 missing values, 5 items without events\n"));
}

TEST_F(DataCommands, AModelOfAGeneratedShopBeatsPopularityClearly) {
  const std::string shop = (folder_.path() / "shop").string();
  ASSERT_EQ(Run({"generate", "--out", shop, "--json"}), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["n_events"], 60000);
  ASSERT_EQ(Run({"prepare", shop + "/events.csv", "--out", dataset_}), 0) << err_;
  TrainOptions options;
  options.dataset = dataset_;
  options.store = (folder_.path() / "models").string();
  options.model = "shop";
  options.als.n_factors = 32;
  options.split.kind = ParseSplitKind("random");
  const nlohmann::json report = Train(options, {});
  const nlohmann::json& metrics = report["metrics"];
  EXPECT_GT(metrics["recall_at_20"].get<double>(), 2 * metrics["popularity_recall_at_20"].get<double>()) << metrics;
}

}  // namespace
}  // namespace kindred
