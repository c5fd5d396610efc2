// train and evaluate with --report and --metrics-out, as they are typed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "host/data/random.h"
#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/html.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// 200 users of two tastes, with a table of users and one of items; ids and categories are hostile.
class TrainingReportCommand : public testing::Test {
 protected:
  TrainingReportCommand() {
    std::string events = "user,item,time\n", users = "user_id,city,age\n", items = "item_id,kind\n";
    for (uint64_t user = 0; user < 200; ++user) {
      users +=
          Id(user) + (user % 3 == 0 ? ",\"<b>Paris</b>, \"\"75\"\"\"," : ",Rome,") + std::to_string(user % 60) + "\n";
      for (uint64_t e = 0; e < 15; ++e) {
        const uint64_t item = user % 2 * 30 + RandomBits(1, user * 100 + e) % 30;
        events += Id(user) + ",i" + std::to_string(item) + "," + std::to_string(1'700'000'000 + e * 1000 + user) + "\n";
      }
    }
    for (int item = 0; item < 60; ++item) items += "i" + std::to_string(item) + (item < 30 ? ",left\n" : ",right\n");
    EXPECT_EQ(Run({"prepare", folder_.Write("events.csv", events), "--users", folder_.Write("users.csv", users),
                   "--items", folder_.Write("items.csv", items), "--out", dataset_}),
              0)
        << err_;
  }

  static std::string Id(uint64_t user) { return user == 0 ? "\"u,<0>\"" : "u" + std::to_string(user); }

  int Run(const std::vector<std::string>& arguments) {
    CommandLine program;
    AddPrepareCommand(program);
    AddTrainCommand(program);
    AddEvaluateCommand(program);
    return RunCaptured(program, arguments, &out_, &err_);
  }
  int Train(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", dataset_, "--store", store_, "--model", "shop"};
    if (std::find(more.begin(), more.end(), "--algorithm") == more.end())
      arguments.insert(arguments.end(), {"--n-factors", "8", "--epochs", "4"});
    if (std::find(more.begin(), more.end(), "--k") == more.end()) arguments.insert(arguments.end(), {"--k", "10"});
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  std::string Path(const char* name) const { return (folder_.path() / name).string(); }

  TemporaryFolder folder_;
  std::string dataset_ = Path("dataset"), store_ = Path("models");
  std::string out_, err_;
};

TEST_F(TrainingReportCommand, WritesThePageAndTheFiles) {
  ASSERT_EQ(Train({"--split", "random", "--report", Path("new/page.html"), "--metrics-out", Path("metrics"), "--json"}),
            0)
      << err_;
  const json report = json::parse(out_);
  const HtmlContent content = ReadHtml(Content(Path("new/page.html")));
  EXPECT_EQ(content.problem, "");
  EXPECT_EQ(content.tags.count("b"), 0u);
  EXPECT_THAT(content.text, HasSubstr("ALS is better than popularity: NDCG@10"));
  for (const char* group : {"By city", "<b>Paris</b>, \"75\"", "By age", "By history length", "By kind", "left"})
    EXPECT_THAT(content.text, HasSubstr(group));

  const std::string users = Content(Path("metrics/user_metrics.csv"));
  EXPECT_THAT(users, StartsWith("user_id,n_train,n_holdout,recall_at_10,"));
  EXPECT_THAT(users, HasSubstr("\n\"u,<0>\","));
  EXPECT_EQ(std::count(users.begin(), users.end(), '\n'), report["holdout"]["n_users"].get<int64_t>() + 1);
  EXPECT_THAT(Content(Path("metrics/group_metrics.csv")), HasSubstr("\nusers,city,\"<b>Paris</b>, \"\"75\"\"\","));
  EXPECT_THAT(Content(Path("metrics/group_metrics.csv")), HasSubstr("\nitems,kind,left,30,share_of_recommended,"));

  int64_t n_users = 0;
  for (const json& group : report["evaluation"]["user_groups"][1]["groups"]) n_users += group["n_users"].get<int64_t>();
  EXPECT_EQ(n_users, report["holdout"]["n_users"]);
  EXPECT_GT(report["metrics"]["diversity_at_10"], 0);
  EXPECT_GT(report["peak_memory_bytes"], 1'000'000);
  EXPECT_EQ(report["data"]["n_events"], 3000);
  EXPECT_TRUE(report["last_version"].is_null());

  const auto model = Model::Open(ModelStore(store_), "shop");
  EXPECT_EQ(model->manifest()["evaluation"], report["evaluation"]) << "a page can be made of the version, too";
  EXPECT_EQ(model->view().calibration.scores.size(), report["evaluation"]["calibration"]["n_knots"]);
  EXPECT_FALSE(model->view().calibration.empty());
}

TEST_F(TrainingReportCommand, ComparesWithTheLastVersionWhereThatMayBe) {
  ASSERT_EQ(Train({"--split", "random"}), 0) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("version 1, which")));
  EXPECT_THAT(out_, HasSubstr("  popularity_lift_at_10")) << "not taken for a baseline's figure";
  EXPECT_THAT(out_, Not(HasSubstr("popularity_popularity")));
  ASSERT_EQ(Train({"--split", "random", "--regularization", "0.5", "--json"}), 0) << err_;
  json last = json::parse(out_)["last_version"];
  EXPECT_EQ(last["version"], 1);
  EXPECT_EQ(last["why_not"], "");
  EXPECT_GT(last["metrics"]["ndcg_at_10"], 0);
  ASSERT_EQ(Train({"--split", "random", "--seed", "7"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("It does not compare with version 2: the seed of the split is 7 here and was 1 there."));
  ASSERT_EQ(Train({"--split", "random", "--seed", "7", "--k", "5", "--json"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["last_version"]["why_not"], "its lists were of another length");
  ASSERT_EQ(Train({"--json"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["last_version"]["version"], 4);
  ASSERT_EQ(Train({"--split", "random", "--json"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["last_version"]["why_not"], "nothing was held out for it");
  std::ofstream(ModelStore(store_).VersionPath("shop", 6) / "manifest.json") << "[]";
  ASSERT_EQ(Train({"--split", "random", "--json"}), 0) << err_;
  EXPECT_TRUE(json::parse(out_)["last_version"].is_null());
}

TEST_F(TrainingReportCommand, WhatCannotBeWrittenIsRefusedBeforeTheTraining) {
  const auto refused = [&](int status, const std::string& part, const std::vector<std::string>& arguments) {
    EXPECT_EQ(Train(arguments), status) << part;
    EXPECT_THAT(err_, HasSubstr(part));
    EXPECT_FALSE(fs::exists(store_)) << part;
  };
  const std::string file = folder_.Write("file", "");
  refused(1, "'" + file + "' is there already; --overwrite replaces it", {"--report", file});
  refused(1, "cannot create '" + file + "/page.html': Not a directory", {"--report", file + "/page.html"});
  refused(2, "would lie in '" + dataset_ + "'", {"--report", dataset_ + "/page.html"});
  refused(2, "would lie in '" + store_ + "/shop'", {"--report", store_ + "/shop/page.html"});
  refused(2, "nothing is held out to measure", {"--metrics-out", Path("metrics")});
  refused(1, "cannot create '" + file + "/user_metrics.csv'", {"--metrics-out", file, "--split", "random"});
  refused(2, "would lie in", {"--metrics-out", dataset_ + "/metrics", "--split", "random"});
  fs::create_directory(Path("metrics"));
  folder_.Write("metrics/group_metrics.csv", "old");
  refused(1, "group_metrics.csv' is there already", {"--metrics-out", Path("metrics"), "--split", "random"});
  ASSERT_EQ(Train({"--metrics-out", Path("metrics"), "--report", file, "--split", "random", "--overwrite"}), 0) << err_;
  EXPECT_THAT(Content(file), StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(Content(Path("metrics/group_metrics.csv")), StartsWith("side,"));
}

TEST_F(TrainingReportCommand, PopularityAndNothingHeldOutHavePagesToo) {
  ASSERT_EQ(Train({"--report", Path("a.html")}), 0) << err_;
  EXPECT_THAT(ReadHtml(Content(Path("a.html"))).text, HasSubstr("Nothing was held out"));
  ASSERT_EQ(Train({"--report", Path("b.html"), "--algorithm", "popularity", "--split", "leave-last-n", "--json"}), 0)
      << err_;
  EXPECT_EQ(ReadHtml(Content(Path("b.html"))).problem, "");
  const json report = json::parse(out_);
  EXPECT_TRUE(report["metrics"].contains("diversity_at_10")) << "by the items' attributes";
  EXPECT_THAT(report["evaluation"]["calibration"]["absent"], HasSubstr("ranks by popularity"));
  EXPECT_TRUE(Model::Open(ModelStore(store_), "shop")->view().calibration.empty());
}

TEST_F(TrainingReportCommand, EvaluateWritesTheSameFiles) {
  const std::string test =
      folder_.Write("test.csv", "user,item\n\"u,<0>\",i1\nu1,i31\nu2,i2\nstranger,i1\nu3,nothing\n");
  ASSERT_EQ(Train({}), 0) << err_;
  const std::vector<std::string> evaluate = {"evaluate", "--store", store_,          "--model",       "shop",
                                             "--test",   test,      "--metrics-out", Path("metrics"), "--json"};
  ASSERT_EQ(Run(evaluate), 0) << err_;
  const json plain = json::parse(out_);
  EXPECT_EQ(plain["evaluation"]["item_groups"], json::array());
  EXPECT_THAT(Content(Path("metrics/user_metrics.csv")), HasSubstr("\nu3,"));
  EXPECT_EQ(Run(evaluate), 1);
  EXPECT_THAT(err_, HasSubstr("is there already"));
  std::vector<std::string> with_dataset = evaluate;
  with_dataset.insert(with_dataset.end(), {"--overwrite", "--dataset", dataset_});
  ASSERT_EQ(Run(with_dataset), 0) << err_;
  EXPECT_EQ(json::parse(out_)["metrics"], plain["metrics"]);
  EXPECT_EQ(json::parse(out_)["evaluation"]["item_groups"][0]["attribute"], "kind");
  EXPECT_THAT(Content(Path("metrics/group_metrics.csv")), HasSubstr("\nusers,city,Rome,"));
}

}  // namespace
}  // namespace kindred
