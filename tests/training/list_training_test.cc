// Lists from the command line to the published version: popular, latest and trending.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/data/random.h"
#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/errors.h"
#include "tests/support/html.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using Words = std::vector<std::string>;

constexpr int64_t kDay = 86400, kStart = 1'700'000'000;

// 60 users in DE and 40 in FR, with tastes of their own, 5 in LU and 5 that do not say. i39 rises in the last week.
class ListTrainingTest : public testing::Test {
 protected:
  ListTrainingTest() {
    std::string events = "user,item,time\n", users = "user_id,country,age,planet\n", items = "item_id,released,kind\n";
    const auto add = [&](int user, uint64_t item, int64_t time) {
      events += "u" + std::to_string(user) + ",i" + std::to_string(item) + "," + std::to_string(time) + "\n";
    };
    for (int user = 0; user < 110; ++user) {
      const std::string country = user < 60 ? "DE" : user < 100 ? "FR" : user < 105 ? "LU" : "";
      users += "u" + std::to_string(user) + "," + country + "," + std::to_string(user) + ",Earth\n";
      for (uint64_t e = 0; e < 12; ++e) {
        const uint64_t random = RandomBits(1, static_cast<uint64_t>(user) * 100 + e);
        const uint64_t item = (country == "FR" ? 19 : 0) + random % 10 * (random / 16 % 2 + 1);
        add(user, item, kStart + static_cast<int64_t>(random / 64 % 20) * kDay + user);
      }
      if (user % 2 == 0) add(user, 39, kStart + 19 * kDay + user);
    }
    for (int item = 0; item < 41; ++item)
      items += "i" + std::to_string(item) + ",2023-11-" + (item % 28 < 9 ? "0" : "") + std::to_string(1 + item % 28) +
               "T00:00:00Z," + (item % 2 == 0 ? "even" : "odd") + "\n";
    EXPECT_EQ(Run({"prepare", folder_.Write("events.csv", events), "--users", folder_.Write("users.csv", users),
                   "--items", folder_.Write("items.csv", items), "--out", Path("data")}),
              0)
        << err_;
  }

  int Run(const Words& words) {
    CommandLine program;
    AddPrepareCommand(program);
    AddTrainCommand(program);
    AddEvaluateCommand(program);
    return RunCaptured(program, words, &out_, &err_);
  }
  int Train(const Words& more, const std::string& data = "data") {
    Words words = {"train", Path(data), "--store", Path("models"), "--model", "m", "--k", "5"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }
  json Trained(Words more) {
    more.push_back("--json");
    EXPECT_EQ(Train(more), 0) << err_;
    return json::parse(out_, nullptr, false);
  }
  std::shared_ptr<const Model> Published() const { return Model::Open(ModelStore(Path("models")), "m"); }
  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }
  void ExpectRefused(int status, const char* message, const Words& more, const std::string& data = "data") {
    EXPECT_EQ(Train(more, data), status) << message;
    EXPECT_THAT(err_, HasSubstr(message));
  }

  /// The best item of a user's list.
  static std::string Best(const ModelView& model, std::span<const float> query) {
    int64_t best = 0;
    const auto score = [&](int64_t item) {
      double sum = 0;
      for (size_t f = 0; f < query.size(); ++f) sum += double{query[f]} * double{model.item_factors.row(item)[f]};
      return sum;
    };
    for (int64_t item = 1; item < model.n_items(); ++item)
      if (score(item) > score(best)) best = item;
    return std::string(model.items.Id(best));
  }

  TemporaryFolder folder_;
  std::string out_, err_;
};

TEST_F(ListTrainingTest, PopularByCountryKnowsWhatCountriesLike) {
  const json report = Trained({"--algorithm", "popular", "--group-by", "country", "--group-prior", "10", "--split",
                               "leave-last-n", "--report", Path("page.html")});
  EXPECT_GT(report["metrics"]["ndcg_at_5"].get<double>(),
            1.2 * report["metrics"]["popularity_ndcg_at_5"].get<double>());
  EXPECT_EQ(report["popular"]["groups"], json::parse(R"([{"group": "DE", "n_users": 60, "n_active_users": 60},
                            {"group": "FR", "n_users": 40, "n_active_users": 40}])"));
  EXPECT_EQ(report["popular"]["n_small_groups"], 1);
  EXPECT_EQ(report["popular"]["group_by"], "country");
  EXPECT_EQ(report["popular"]["n_active_users"], 110);
  EXPECT_THAT(report["evaluation"]["calibration"]["absent"].get<std::string>(), HasSubstr("lists are for many users"));
  EXPECT_TRUE(report["metrics"].contains("diversity_at_5")) << "by the items' attributes";

  const auto model = Published();
  const ModelView& view = model->view();
  EXPECT_EQ(view.list_groups.attribute, "country");
  EXPECT_THAT(view.list_groups.names, ElementsAre("DE", "FR"));
  EXPECT_EQ(view.ListGroupOf(view.users.Find("u3")), 0);
  EXPECT_EQ(view.ListGroupOf(view.users.Find("u99")), 1);
  EXPECT_EQ(view.ListGroupOf(view.users.Find("u101")), -1) << "LU is too small";
  EXPECT_EQ(view.ListGroupOf(view.users.Find("u107")), -1) << "who does not say";
  EXPECT_TRUE(view.Knows(view.users.Find("u107")));

  const HtmlContent page = ReadHtml(Content(Path("page.html")));
  EXPECT_EQ(page.problem, "");
  EXPECT_THAT(page.text, HasSubstr("Whose lists there are"));
  EXPECT_THAT(page.text, HasSubstr("popular: min group users"));
  EXPECT_THAT(page.text, Not(HasSubstr("n_active_users")));

  EXPECT_EQ(Train({"--algorithm", "popular", "--group-by", "country"}), 0) << err_;
  EXPECT_THAT(out_,
              HasSubstr("lists by country: of 2 groups, and of all users; 1 group is too small for one of its own"));
}

TEST_F(ListTrainingTest, WithoutWindowDecayAndGroupsPopularIsPopularity) {
  const json report = Trained({"--algorithm", "popular", "--split", "random"});
  EXPECT_EQ(report["metrics"]["ndcg_at_5"], report["metrics"]["popularity_ndcg_at_5"]);
  EXPECT_EQ(report["popular"]["window_seconds"], nullptr);
  const auto model = Published();
  for (int64_t item = 0; item < model->view().n_items(); ++item)
    EXPECT_EQ(model->view().item_factors.row(item)[0], model->view().popularity[static_cast<size_t>(item)] / 110);
}

TEST_F(ListTrainingTest, AWindowAndAHalfLifeForgetWhatWas) {
  // The old thing had four times as many users, 30 days ago.
  std::string events = "user,item,time\n";
  for (int user = 0; user < 20; ++user) events += "u" + std::to_string(user) + ",old,1700000000\n";
  for (int user = 0; user < 5; ++user) events += "u" + std::to_string(user) + ",new,1702592000\n";
  ASSERT_EQ(Run({"prepare", folder_.Write("two.csv", events), "--out", Path("two")}), 0) << err_;
  const auto best = [&](const Words& more) {
    Words words = {"--algorithm", "popular"};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(Train(words, "two"), 0) << err_;
    return Best(Published()->view(), Published()->view().base_query);
  };
  EXPECT_EQ(best({}), "old");
  EXPECT_EQ(best({"--window", "7d"}), "new");
  EXPECT_EQ(best({"--half-life", "7d"}), "new");
  EXPECT_EQ(best({"--half-life", "90d"}), "old");
}

TEST_F(ListTrainingTest, TrendingFindsWhatRises) {
  const json report = Trained({"--algorithm", "trending", "--window", "10d", "--group-by", "country"});
  EXPECT_EQ(report["trending"]["window_seconds"], 10 * kDay);
  EXPECT_EQ(report["trending"]["reference_time"], kStart + 19 * kDay + 108);
  const auto model = Published();
  const ModelView& view = model->view();
  EXPECT_EQ(Best(view, view.base_query), "i39");
  EXPECT_EQ(Best(view, view.user_factors.row(view.users.Find("u2"))), "i39");
}

TEST_F(ListTrainingTest, TheLatestGoByTheirFirstEventOrTheirRelease) {
  Trained({"--algorithm", "latest", "--group-by", "country"});
  EXPECT_EQ(Best(Published()->view(), Published()->view().base_query), "i39");
  const json report = Trained({"--algorithm", "latest", "--released", "released"});
  EXPECT_EQ(report["latest"]["min_events"], 0);
  EXPECT_EQ(report["latest"]["released"], "released");
  EXPECT_EQ(Best(Published()->view(), Published()->view().base_query), "i27") << "of the 28th; there are no others";
  ExpectRefused(1, "expected --min-events 1 or more",
                {"--algorithm", "latest", "--released", "released", "--group-by", "country"});
}

TEST_F(ListTrainingTest, EveryListHasAPlanAndIsTheSameTwice) {
  for (const Words& of : {Words{"--algorithm", "popular", "--group-by", "country"},
                          {"--algorithm", "latest"},
                          {"--algorithm", "trending", "--window", "5d"}}) {
    Words words = of;
    words.insert(words.end(), {"--split", "random", "--plan"});
    const json plan = Trained(words)["plan"];
    EXPECT_GT(plan["peak_memory_bytes"], 1'000'000) << of[1];
    EXPECT_GT(plan["seconds"]["total"], 0.0) << of[1];
    words.pop_back();
    Trained(words);
    const auto first = Published();
    words.insert(words.end(), {"--threads", "1"});
    Trained(words);
    EXPECT_EQ(first->manifest()["files"], Published()->manifest()["files"]) << of[1];
  }
}

TEST_F(ListTrainingTest, APublishedVersionIsEvaluatedAsItWas) {
  const std::string test = folder_.Write("test.csv", "user,item\nu1,i39\nu70,i19\nu107,i0\n");
  const json report = Trained({"--algorithm", "popular", "--group-by", "country", "--test", test});
  ASSERT_EQ(Run({"evaluate", "--store", Path("models"), "--model", "m", "--test", test, "--k", "5", "--json"}), 0)
      << err_;
  EXPECT_EQ(json::parse(out_)["metrics"]["ndcg_at_5"], report["metrics"]["ndcg_at_5"]);
}

TEST_F(ListTrainingTest, WhatDoesNotDoIsRefused) {
  ExpectRefused(1,
                "--group-by 'county': there is no such attribute of users (nearest: 'country'); those of type "
                "category: country, planet",
                {"--algorithm", "popular", "--group-by", "county"});
  ExpectRefused(1, "--group-by 'age': this attribute of users is of type number; expected category",
                {"--algorithm", "popular", "--group-by", "age"});
  ExpectRefused(1, "--released 'kind': this attribute of items is of type category; expected time",
                {"--algorithm", "latest", "--released", "kind"});
  ExpectRefused(2, "--window is for --algorithm popular or trending, and this is latest",
                {"--algorithm", "latest", "--window", "3d"});
  ExpectRefused(2, "--group-by is for --algorithm popular or latest or trending, and this is als",
                {"--group-by", "country"});
  ExpectRefused(2, "need --group-by", {"--algorithm", "popular", "--group-prior", "3"});
  ExpectRefused(2, "--resume is for --algorithm als; trending leaves no checkpoint",
                {"--algorithm", "trending", "--resume"});
  ExpectRefused(2, "--feedback explicit is for --algorithm als", {"--algorithm", "popular", "--feedback", "explicit"});
  ExpectRefused(1, "before the window, which it is compared with", {"--algorithm", "trending", "--window", "20d"});
  EXPECT_FALSE(std::filesystem::exists(Path("models/m")) && !std::filesystem::is_empty(Path("models/m")) &&
               std::filesystem::exists(Path("models/m/CURRENT")));

  ASSERT_EQ(Run({"prepare", folder_.Write("bare.csv", "user,item\nann,pen\nbob,ink\n"), "--out", Path("bare")}), 0);
  ExpectRefused(1, "trends need times, and this dataset has none; prepare it with --time-column",
                {"--algorithm", "trending"}, "bare");
  ExpectRefused(1, "what is latest needs times", {"--algorithm", "latest"}, "bare");
  ExpectRefused(1, "a window needs times", {"--algorithm", "popular", "--window", "3d"}, "bare");
  ExpectRefused(1, "this dataset knows nothing of its users; prepare it with --users FILE",
                {"--algorithm", "popular", "--group-by", "country"}, "bare");
  EXPECT_EQ(Train({"--algorithm", "popular"}, "bare"), 0) << err_;
}

TEST_F(ListTrainingTest, WhatIsOddIsWarnedOf) {
  Trained({"--algorithm", "popular", "--window", "30d"});
  EXPECT_THAT(err_, HasSubstr("the window of 30 days is longer than the data, which are of 19 days"));
  Trained({"--algorithm", "trending", "--window", "12d"});
  EXPECT_THAT(err_, HasSubstr("the window of 12 days and the one before are longer than the data"));
  Trained({"--algorithm", "popular", "--group-by", "planet"});
  EXPECT_THAT(err_, HasSubstr("users have one value of the attribute 'planet': there are no groups to tell apart"));
  Trained({"--algorithm", "popular", "--window", "5d", "--group-by", "country"});
  EXPECT_THAT(err_, Not(HasSubstr("warn")));
  ASSERT_EQ(Run({"prepare", folder_.Write("future.csv", "user,item,time\nann,pen,1700000000\nbob,ink,32472144000\n"),
                 "--out", Path("future")}),
            0);
  EXPECT_EQ(Train({"--algorithm", "latest"}, "future"), 0) << err_;
  EXPECT_THAT(err_, HasSubstr("days in the future, and ages count back from there"));
}

TEST_F(ListTrainingTest, AVersionWhoseGroupsDoNotFitIsDamaged) {
  Trained({"--algorithm", "popular", "--group-by", "country"});
  const auto model = Published();
  const ModelStore store(Path("models"));
  const ModelLock lock = store.Lock("m");
  const std::vector<std::string> names = {"DE"};
  ModelView view = model->view();
  view.list_groups.names = names;
  ExpectError(ErrorCode::kInvalidArgument, "list_groups has size 1; expected 2",
              [&] { PublishModel(store, "m", view, json::object()); });
  view = model->view();
  view.base_query = {};
  ExpectError(ErrorCode::kInvalidArgument, "base_query has size 0; expected 3",
              [&] { PublishModel(store, "m", view, json::object()); });
  view = model->view();
  const std::vector<float> zeros(static_cast<size_t>(view.n_users() * 3), 0);
  view.user_factors.data = zeros.data();
  ExpectError(ErrorCode::kInvalidArgument, "user_factors has zeros only in row 0",
              [&] { PublishModel(store, "m", view, json::object()); });
  view = model->view();
  view.list_groups = {};
  ExpectError(ErrorCode::kInvalidArgument, "list_groups has size 0; expected 2",
              [&] { PublishModel(store, "m", view, json::object()); });

  const EditableArtifact files(store.VersionPath("m", 1));
  const auto damaged = [&](const json& groups, const char* message) {
    json manifest = files.manifest();
    manifest["list_groups"] = groups;
    files.ReplaceManifest(manifest.dump());
    ExpectError(ErrorCode::kCorrupt, message, [&] { Model::Open(store, "m", 1); });
  };
  damaged("DE", "the manifest's 'list_groups' are no attribute and names");
  damaged({{"attribute", "country"}}, "the manifest's 'list_groups' are no attribute and names");
  damaged({{"attribute", "country"}, {"names", {1, 2}}}, "the manifest's 'list_groups' are no attribute and names");
  damaged({{"attribute", "country"}, {"names", {"DE"}}}, "list_groups has size 1; expected 2");
}

}  // namespace
}  // namespace kindred
