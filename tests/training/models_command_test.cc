// models as it is typed, and versions as other commands take them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ModelsCommand : public testing::Test {
 protected:
  ModelsCommand() {
    for (int64_t version = 1; version <= 4; ++version)
      Publish("shop", {{"created_at", "2026-01-0" + std::to_string(version) + "T00:00:00Z"},
                       {"kindred_version", "0.9"},
                       {"seed", version},
                       {"metrics", {{"ndcg_at_5", 0.125}, {"popularity_ndcg_at_5", 0.0625}, {"recall_at_5", 0.25}}}});
  }

  void Publish(const std::string& model, const json& manifest = {}) const {
    const ModelLock lock = store_.Lock(model);
    PublishModel(store_, model, SmallModel().view(), manifest);
  }

  int Run(std::vector<std::string> arguments) {
    CommandLine program;
    AddModelsCommand(program);
    AddEvaluateCommand(program);
    arguments.insert(arguments.end(), {"--store", store_.root().string()});
    return RunCaptured(program, arguments, &out_, &err_);
  }
  int Models(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "models");
    return Run(std::move(arguments));
  }
  json Report() const { return json::parse(out_); }

  void Damage(int64_t version) const {
    const fs::path path = store_.VersionPath("shop", version) / "item_factors.npy";
    std::string content = Content(path);
    content.back() ^= 1;
    std::ofstream(path, std::ios::binary) << content;
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
  std::string out_, err_;
};

TEST_F(ModelsCommand, List) {
  Publish("a");
  store_.SetLabel("shop", "good", 2);
  store_.SetLabel("shop", "holiday", 2);
  fs::create_directory(store_.ModelPath("shop") / ".9.tmp-1");
  fs::create_directory(store_.root() / "empty");
  ASSERT_EQ(Models({"list"}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("a: 1 version, "));
  EXPECT_THAT(out_, testing::ContainsRegex("\nshop: 4 versions, [0-9.]+ KiB, current 4\n"));
  EXPECT_THAT(out_, testing::ContainsRegex("\n   2 +2026-01-02T00:00:00Z  als +[0-9.]+ KiB  good, holiday  "
                                           "ndcg_at_5 0.1250, recall_at_5 0.2500\n"));
  EXPECT_THAT(out_, testing::ContainsRegex("\n\\*  4 "));
  EXPECT_THAT(out_, HasSubstr("\n  no version: .9.tmp-1\n"));
  EXPECT_THAT(out_, HasSubstr("\nno model: empty\n"));
  ASSERT_EQ(Models({"list", "shop"}), 0) << err_;
  EXPECT_THAT(out_, testing::StartsWith("shop: "));
  ASSERT_EQ(Models({"list", "--json"}), 0) << err_;
  EXPECT_EQ(Report()["models"][1]["versions"][1]["labels"], (json{"good", "holiday"}));
  EXPECT_EQ(Models({"list", "shoe"}), 1);
  EXPECT_THAT(err_, HasSubstr("has no version of model 'shoe'; it has a, shop"));
}

TEST_F(ModelsCommand, ListShowsWhatCannotBeRead) {
  std::ofstream(store_.VersionPath("shop", 2) / "manifest.json", std::ios::app) << " ";
  std::ofstream(store_.ModelPath("shop") / "CURRENT") << "x";
  ASSERT_EQ(Models({"list"}), 0) << err_;
  EXPECT_THAT(out_,
              AllOf(HasSubstr(", current -\n"), HasSubstr("\n  version 2: "), HasSubstr("does not match the checksum"),
                    HasSubstr("CURRENT' does not hold a version's number")));
  fs::remove_all(store_.root());
  EXPECT_EQ(Models({"list"}), 1);
  EXPECT_THAT(err_, HasSubstr("there is no store at '"));
  fs::create_directory(store_.root());
  ASSERT_EQ(Models({"list"}), 0) << err_;
  EXPECT_EQ(out_, "no models in '" + store_.root().string() + "'\n");
}

TEST_F(ModelsCommand, Show) {
  store_.SetLabel("shop", "good", 3);
  ASSERT_EQ(Models({"show", "shop"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(testing::StartsWith("shop version 4, current\nmade   2026-01-04T00:00:00Z by kindred 0.9\n"),
                          testing::ContainsRegex("\n  ndcg_at_5 +0.125  0.0625\n"),
                          testing::ContainsRegex("\n  objective.regularization +0.003\n"),
                          HasSubstr("differs from version 3 in\n  seed  3 -> 4\n")));
  ASSERT_EQ(Models({"show", "shop", "--model-version", "good"}), 0) << err_;
  EXPECT_THAT(out_, testing::StartsWith("shop version 3, labels: good\n"));
  ASSERT_EQ(Models({"show", "shop", "--model-version", "1"}), 0) << err_;
  EXPECT_THAT(out_, Not(HasSubstr("differs")));
  ASSERT_EQ(Models({"show", "shop", "--json"}), 0) << err_;
  EXPECT_EQ(Report()["manifest"]["seed"], 4);
  EXPECT_EQ(Models({"show", "shop", "--model-version", "9"}), 1);
  EXPECT_THAT(err_, HasSubstr("there is no model at"));
  EXPECT_EQ(Models({"show", "shop", "--model-version", "../1"}), 2);
  EXPECT_EQ(Models({"show"}), 2);
}

TEST_F(ModelsCommand, Verify) {
  Publish("a");
  ASSERT_EQ(Models({"verify"}), 0) << err_;
  EXPECT_THAT(out_,
              testing::MatchesRegex("a version 1: whole, [0-9.]+ KiB\n(shop version [1-4]: whole, [0-9.]+ KiB\n)+"));
  Damage(2);
  EXPECT_EQ(Models({"verify"}), 1);
  EXPECT_THAT(out_, HasSubstr("\nshop version 2: damaged\n  '" + store_.VersionPath("shop", 2).string() +
                              "/item_factors.npy': block 0 (from byte 0) does not match its checksum\n"));
  EXPECT_THAT(out_, HasSubstr("\nshop version 4: whole"));
  EXPECT_THAT(err_, HasSubstr("1 of 5 versions in '" + store_.root().string() + "' are damaged"));
  EXPECT_EQ(Models({"verify", "a"}), 0);
  EXPECT_EQ(Models({"verify", "shop", "--model-version", "3"}), 0);
  EXPECT_EQ(Models({"verify", "shop", "--model-version", "2", "--json"}), 1);
  EXPECT_EQ(Report()["ok"], false);
  EXPECT_THAT(Report()["models"][0]["versions"][0]["damages"][0].get<std::string>(), HasSubstr("item_factors.npy"));
  EXPECT_EQ(Models({"verify", "--model-version", "2"}), 2);
  EXPECT_EQ(Models({"verify", "shop", "--model-version", "9"}), 1);
  fs::remove_all(store_.VersionPath("shop", 2));
  fs::remove_all(store_.VersionPath("shop", 4));
  EXPECT_EQ(Models({"verify"}), 1);
  EXPECT_THAT(out_, HasSubstr("shop: CURRENT names version 4, which is not there\n"));
  fs::remove_all(store_.root());
  EXPECT_EQ(Models({"verify"}), 1);
  EXPECT_THAT(err_, HasSubstr("there are no models in '" + store_.root().string() + "'"));
}

TEST_F(ModelsCommand, Rollback) {
  ASSERT_EQ(Models({"rollback", "shop"}), 0) << err_;
  EXPECT_EQ(out_, "shop: current is version 3, no longer 4\n");
  EXPECT_EQ(store_.Current("shop"), 3);
  store_.SetLabel("shop", "good", 1);
  ASSERT_EQ(Models({"rollback", "shop", "--to", "good", "--json"}), 0) << err_;
  EXPECT_EQ(Report(), (json{{"model", "shop"}, {"from", 3}, {"to", 1}}));
  ASSERT_EQ(Models({"rollback", "shop", "--to", "1"}), 0) << err_;
  EXPECT_EQ(out_, "shop: version 1 is the current one, and whole\n");
  EXPECT_EQ(Models({"rollback", "shop"}), 1);
  EXPECT_THAT(err_, HasSubstr("model 'shop' has no version before 1, the current one"));
  Damage(2);
  EXPECT_EQ(Models({"rollback", "shop", "--to", "2"}), 1);
  EXPECT_THAT(err_, HasSubstr("item_factors.npy': block 0"));
  EXPECT_EQ(store_.Current("shop"), 1);
  EXPECT_EQ(Models({"rollback", "shop", "--to", "007"}), 2);
}

TEST_F(ModelsCommand, Prune) {
  store_.SetLabel("shop", "good", 1);
  ASSERT_EQ(Models({"prune", "shop", "--keep", "1", "--dry-run"}), 0) << err_;
  EXPECT_THAT(out_, testing::MatchesRegex("keeps    version 1 \\(label good\\)\n"
                                          "keeps    version 3 \\(before the current one\\)\n"
                                          "keeps    version 4 \\(current, among the newest\\)\n"
                                          "would remove  version 2, [0-9.]+ KiB\nshop: would free [0-9.]+ KiB\n"));
  EXPECT_EQ(store_.Versions("shop").size(), 4u);
  ASSERT_EQ(Models({"prune", "shop", "--keep", "1", "--json"}), 0) << err_;
  EXPECT_EQ(Report()["removed"].size(), 1u);
  EXPECT_THAT(store_.Versions("shop"), testing::ElementsAre(1, 3, 4));
  for (const char* keep : {"0", "-1", "x"}) EXPECT_EQ(Models({"prune", "shop", "--keep", keep}), 2) << keep;
  EXPECT_EQ(Models({"prune", "shop"}), 2);
  EXPECT_EQ(Models({"prune", "../shop", "--keep", "1"}), 1);
}

TEST_F(ModelsCommand, Label) {
  ASSERT_EQ(Models({"label", "shop", "2", "good"}), 0) << err_;
  EXPECT_EQ(out_, "shop: label good is version 2\n");
  ASSERT_EQ(Models({"label", "shop", "current", "good"}), 0) << err_;
  EXPECT_EQ(out_, "shop: label good is version 4; it was version 2\n");
  ASSERT_EQ(Models({"label", "shop", "good", "list", "--json"}), 0) << err_;
  EXPECT_EQ(Report()["version"], 4);
  ASSERT_EQ(Models({"label", "shop", "--remove", "good"}), 0) << err_;
  EXPECT_EQ(out_, "shop: label good is removed; it was version 4\n");
  EXPECT_EQ(Models({"label", "shop", "--remove", "good"}), 1);
  EXPECT_THAT(err_, HasSubstr("has no label 'good'; it has list"));
  for (const char* label : {"7", "../good", ".good", "current", "a b"})
    EXPECT_EQ(Models({"label", "shop", "1", label}), 1) << label;
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"label"}, {"label", "shop"}, {"label", "shop", "1"}, {"label", "shop", "1", "x", "--remove", "y"}})
    EXPECT_EQ(Models(words), 2) << testing::PrintToString(words);
  EXPECT_EQ(Models({"label", "shop", "9", "good"}), 1);
}

TEST_F(ModelsCommand, ManifestsOfAnyContentAreShown) {
  const json strange[] = {nullptr, 7, "text\n", json::array(), {1, "a"}, json::object(), {{"a", {{"b", nullptr}}}}};
  for (const json& value : strange) {
    json manifest = {{"algorithm", "als"}};
    for (const char* key : {"created_at", "kindred_version", "metrics", "holdout", "gate", "backend", "a/b~c"})
      manifest[key] = value;
    Publish("shop", manifest);
    EXPECT_EQ(Models({"list"}), 0) << value << err_;
    EXPECT_EQ(Models({"show", "shop"}), 0) << value << err_;
    EXPECT_EQ(Models({"show", "shop", "--json"}), 0) << value << err_;
    EXPECT_EQ(Models({"verify", "shop", "--model-version", "current"}), 0) << value << err_;
    manifest["gate"] = {{"conditions", value}};
    manifest["metrics"] = {{"ndcg_at_5", value}};
    Publish("shop", manifest);
    EXPECT_EQ(Models({"list"}), 0) << value << err_;
    EXPECT_EQ(Models({"show", "shop"}), 0) << value << err_;
  }
}

TEST_F(ModelsCommand, EvaluateTakesLabels) {
  store_.SetLabel("shop", "good", 2);
  const std::string test = folder_.Write("test.csv", "user,item\nu1,i1\nu2,i3\n");
  ASSERT_EQ(
      Run({"evaluate", "--model", "shop", "--test", test, "--model-version", "good", "--backend", "cpu", "--json"}), 0)
      << err_;
  EXPECT_EQ(Report()["version"], 2);
  ASSERT_EQ(Run({"evaluate", "--model", "shop", "--test", test, "--backend", "cpu", "--json"}), 0) << err_;
  EXPECT_EQ(Report()["version"], 4);
  EXPECT_EQ(Run({"evaluate", "--model", "shop", "--test", test, "--model-version", "bad"}), 1);
  EXPECT_THAT(err_, HasSubstr("has no label 'bad'; it has good"));
}

TEST_F(ModelsCommand, WhoeverChangesTheModelIsNamed) {
  const ModelLock training = store_.Lock("shop");
  EXPECT_EQ(Models({"rollback", "shop"}), 1);
  EXPECT_THAT(err_,
              HasSubstr("model 'shop' is being changed by process " + std::to_string(::getpid()) + " (train) since"));
}

}  // namespace
}  // namespace kindred
