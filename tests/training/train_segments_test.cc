// train with --segments, as it is typed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "host/data/random.h"
#include "host/models/model.h"
#include "host/segments/segment_model.h"
#include "tests/support/captured_run.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class TrainSegments : public testing::Test {
 protected:
  TrainSegments() { Prepare(1); }

  /// 90 users of whom every third has many events.
  void Prepare(uint64_t seed) {
    std::string events = "user,item,time\n";
    for (uint64_t user = 0; user < 90; ++user)
      for (uint64_t e = 0; e < (user % 3 == 0 ? 40 : 3); ++e)
        events += "u" + std::to_string(user) + ",i" + std::to_string(RandomBits(seed, user * 100 + e) % 20) + "," +
                  std::to_string(1'700'000'000 + RandomBits(seed + 1, user * 100 + e) % 5'000'000) + "\n";
    EXPECT_EQ(Run({"prepare", folder_.Write("events.csv", events), "--out", dataset_, "--overwrite"}), 0) << err_;
  }

  int Run(const std::vector<std::string>& arguments) {
    CommandLine program;
    AddGenerateCommand(program);
    AddPrepareCommand(program);
    AddTrainCommand(program);
    AddSegmentCommand(program);
    return RunCaptured(program, arguments, &out_, &err_);
  }
  int Train(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train",       dataset_, "--store",  store_, "--model",   "shop",
                                          "--n-factors", "4",      "--epochs", "2",    "--backend", "cpu"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  std::string Declare(const std::string& more) { return folder_.Write("segments.toml", "schema_version = 1\n" + more); }
  int64_t Versions(const std::string& model) const { return std::ssize(ModelStore(store_).Versions(model)); }

  TemporaryFolder folder_;
  std::string dataset_ = (folder_.path() / "dataset").string(), store_ = (folder_.path() / "models").string();
  std::string out_, err_;
};

TEST_F(TrainSegments, FollowTheTrainingAndMayUseItsModel) {
  const std::string file = Declare(
      "[[features]]\nname = \"n\"\nkind = \"count\"\nnormalize = \"log\"\n"
      "[[features]]\nname = \"taste\"\nkind = \"factors\"\nmodel = \"shop\"\nweight = 0.1\n"
      "[clusters]\nk = 2\n");
  ASSERT_EQ(Train({"--segments", file, "--json"}), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["version"], 1);
  EXPECT_EQ(report["segments"]["model"], "shop-segments");
  EXPECT_EQ(report["segments"]["published"], true);
  EXPECT_EQ(report["segments"]["segments"].size(), 2u);
  EXPECT_EQ(report["segments"]["features"].size(), 5u) << "the count, and the four factors of the model just published";

  const auto segments = SegmentModel::Open(ModelStore(store_), "shop-segments");
  EXPECT_EQ(segments->users().size(), 90);
  EXPECT_FALSE(Model::Open(ModelStore(store_), "shop")->manifest().contains("segments"));

  ASSERT_EQ(Run({"segment", dataset_, "--store", store_, "--model", "alone", "--declarations", file, "--backend", "cpu",
                 "--json"}),
            0)
      << err_;
  EXPECT_EQ(json::parse(out_)["segments"], report["segments"]["segments"]) << "as the command alone makes them";

  ASSERT_EQ(Train({"--segments", file, "--segments-model", "groups"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("published " + store_ + "/shop/2\ngroups version 1: 2 segments of 90 users"));
  EXPECT_EQ(Versions("shop-segments"), 1);
}

TEST_F(TrainSegments, FailAfterTheModelIsPublished) {
  const std::string file =
      Declare("[[features]]\nname = \"n\"\nkind = \"count\"\n[clusters]\nk = 2\n[drift]\nmax_psi = 0.001\n");
  ASSERT_EQ(Train({"--segments", file}), 0) << err_;
  Prepare(5);
  const std::string more = folder_.Write("more.csv", "user,item,time\nu1,i1,1700000000\nu1,i2,1700000001\n");
  ASSERT_EQ(Run({"prepare", more, "--out", dataset_, "--append"}), 0) << err_;
  for (int user = 0; user < 60; ++user)
    std::ofstream(more, std::ios::app) << "u" << user << ",i3,1700000002\nu" << user << ",i4,1700000003\n";
  ASSERT_EQ(Run({"prepare", more, "--out", dataset_, "--append"}), 0) << err_;
  ASSERT_EQ(Train({"--segments", file, "--json"}), 1);
  EXPECT_THAT(err_, HasSubstr("shop version 2 is published, its segments are not: 'shop-segments' was not published:"));
  EXPECT_THAT(err_, HasSubstr("--accept-drift"));
  const json report = json::parse(out_);
  EXPECT_EQ(report["published"], true);
  EXPECT_EQ(report["segments"]["published"], false);
  EXPECT_EQ(Versions("shop"), 2);
  EXPECT_EQ(Versions("shop-segments"), 1);

  const std::string wrong = Declare("[[rules]]\nname = \"r\"\nwhen = \"clicks >= 1\"\n");
  ASSERT_EQ(Train({"--segments", wrong, "--json"}), 1) << "what only the dataset shows";
  EXPECT_THAT(err_, HasSubstr("shop version 3 is published, its segments are not: "));
  EXPECT_THAT(err_, HasSubstr("'clicks'"));
  EXPECT_TRUE(json::parse(out_)["segments"].is_null());
}

TEST_F(TrainSegments, AreRefusedBeforeTheTraining) {
  const std::string file = Declare("");
  ASSERT_EQ(Run({"train", dataset_, "--store", store_, "--model", "other", "--algorithm", "popularity"}), 0) << err_;
  const auto refused = [&](const std::vector<std::string>& more, int status, const std::string& why) {
    EXPECT_EQ(Train(more), status) << why;
    EXPECT_THAT(err_, HasSubstr(why));
    EXPECT_EQ(out_, "");
    EXPECT_EQ(Versions("shop"), 0);
  };
  refused({"--segments-model", "groups"}, 2, "--segments-model is for --segments");
  refused({"--segments", file, "--segments-model", "shop"}, 2, "--segments-model is the name of the model");
  refused({"--segments", file, "--segments-model", "other"}, 1, "is no version of segments");
  refused({"--segments", Declare("[cluster]\n")}, 2, "unknown key 'cluster'; the nearest known key is 'clusters'");
  refused({"--segments", file + ".none"}, 1, "segments.toml.none");
  refused({"--segments", Declare(""), "--report", store_ + "/shop-segments/page.html"}, 2, "would lie in");
}

TEST_F(TrainSegments, AreCheckedWithTheOtherSettings) {
  const auto check = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", "nowhere", "--store", store_, "--model", "shop", "--check-config"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  };
  EXPECT_EQ(check({}), 0) << err_;
  EXPECT_EQ(check({"--segments", Declare("[clusters]\nk = 3\n")}), 0) << err_;
  EXPECT_FALSE(std::filesystem::exists(store_)) << "nothing is made";
  EXPECT_EQ(check({"--segments", Declare("[clusters]\nkk = 3\n")}), 2);
  EXPECT_THAT(err_, HasSubstr("unknown key 'kk'"));
  EXPECT_EQ(check({"--segments-model", "groups"}), 2);
  EXPECT_THAT(err_, HasSubstr("--segments-model is for --segments"));
}

// As a first publication leaves it that is killed before its version is the current one.
TEST_F(TrainSegments, FollowAVersionThatNothingNames) {
  const std::string file = Declare("");
  ASSERT_EQ(Train({"--segments", file}), 0) << err_;
  std::filesystem::remove(ModelStore(store_).ModelPath("shop-segments") / "CURRENT");
  ASSERT_EQ(Train({"--segments", file}), 0) << err_;
  EXPECT_EQ(ModelStore(store_).Current("shop-segments"), 2);
}

TEST_F(TrainSegments, NeedAModelThatIsPublished) {
  const std::string file = Declare("");
  EXPECT_EQ(Train({"--segments", file, "--split", "random", "--require", "ndcg_at_20>=0.999", "--json"}), 1);
  EXPECT_FALSE(json::parse(out_).contains("segments"));
  EXPECT_THAT(err_, Not(HasSubstr("segments are not")));
  EXPECT_EQ(Train({"--segments", file, "--plan", "--json"}), 0) << err_;
  EXPECT_EQ(Versions("shop-segments"), 0);
}

TEST_F(TrainSegments, HaveALikelihoodOfAllEventsWhereThereAreNoTypes) {
  const std::string file = Declare("[likelihood]\nevent = \"events\"\nhorizon = \"10d\"\n");
  ASSERT_EQ(Train({"--segments", file, "--json"}), 0) << err_;
  const json likelihood = json::parse(out_)["segments"]["likelihood"];
  EXPECT_GT(likelihood["base_rate"], 0.1);
  EXPECT_LT(likelihood["base_rate"], 0.9);
}

// Factors are of a model that has seen what came behind the split.
TEST_F(TrainSegments, WarnOfALikelihoodByFactors) {
  const std::string features =
      "[[features]]\nname = \"n\"\nkind = \"count\"\n"
      "[[features]]\nname = \"taste\"\nkind = \"factors\"\nmodel = \"shop\"\n";
  const std::string likelihood = "[likelihood]\nevent = \"events\"\nhorizon = \"10d\"\n";
  int n = 0;
  const auto warned = [&](const std::string& declared) {
    EXPECT_EQ(Train({"--segments", Declare(declared), "--segments-model", "s" + std::to_string(n++), "--json"}), 0)
        << err_;
    return json::parse(out_)["segments"]["warnings"].dump().find("the factors of 'taste'") != std::string::npos;
  };
  EXPECT_TRUE(warned(features + likelihood));
  EXPECT_FALSE(warned(features)) << "there is nothing to foretell";
  EXPECT_FALSE(warned(features + "weight = 0\n" + likelihood)) << "they move nothing";
}

TEST_F(TrainSegments, TheExampleOfTheDocumentation) {
  const std::string shop = (folder_.path() / "shop").string();
  ASSERT_EQ(
      Run({"generate", "--out", shop, "--users", "500", "--items", "200", "--events", "20000", "--bots", "0.004"}), 0)
      << err_;
  ASSERT_EQ(Run({"prepare", shop + "/events.csv", "--items", shop + "/items.csv", "--users", shop + "/users.csv",
                 "--out", dataset_, "--overwrite"}),
            0)
      << err_;
  ASSERT_EQ(Train({"--split", "leave-last-n", "--segments", KINDRED_DOCS "/shop_segments.toml", "--json"}), 0) << err_;
  const json segments = json::parse(out_)["segments"];
  EXPECT_EQ(segments["published"], true);
  EXPECT_GE(segments["segments"].size(), 2u);
  EXPECT_EQ(segments["rules"].back()["name"], "Robots");
  EXPECT_EQ(segments["rules"].back()["size"], 2) << "those that were planted";
  EXPECT_EQ(segments["stages"]["n_in_none"], 0);
  EXPECT_GT(segments["likelihood"]["auc"], 0.5);
  EXPECT_EQ(segments["audit"]["attributes"].size(), 3u);
  EXPECT_EQ(segments["audit"]["metric"], "ndcg_at_20") << "of the model that was just trained";
}

}  // namespace
}  // namespace kindred
