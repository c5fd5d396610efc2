#include "host/models/store_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "host/models/model.h"
#include "host/models/store_report.h"
#include "host/store/new_folder.h"
#include "tests/support/errors.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StoreChanges : public testing::Test {
 protected:
  int64_t Publish(const json& manifest = {}, uint32_t seed = 1) const {
    const ModelLock lock = store_.Lock("m");
    return PublishModel(store_, "m", SmallModel(5, 7, 3, seed).view(), manifest);
  }
  void PublishMany(int n) const {
    for (int i = 0; i < n; ++i) Publish();
  }
  fs::path Path(int64_t version) const { return store_.VersionPath("m", version); }

  void Damage(int64_t version, const std::string& name = "history_values.npy") const {
    std::string content = Content(Path(version) / name);
    content.back() ^= 1;
    std::ofstream(Path(version) / name, std::ios::binary) << content;
  }

  std::vector<int64_t> Pruned(int64_t keep) const {
    std::vector<int64_t> removed;
    const json report = Prune(store_, "m", {keep, false});
    for (const json& version : report["removed"]) removed.push_back(version["version"]);
    return removed;
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
};

TEST_F(StoreChanges, RollbackGoesToTheVersionBefore) {
  PublishMany(3);
  fs::remove_all(Path(2));
  EXPECT_EQ(Rollback(store_, "m", ""), (json{{"model", "m"}, {"from", 3}, {"to", 1}}));
  EXPECT_EQ(store_.Current("m"), 1);
  ExpectError(ErrorCode::kNotFound, "has no version before 1", [&] { Rollback(store_, "m", ""); });
  EXPECT_EQ(Publish(), 4) << "no number means two things";
}

TEST_F(StoreChanges, RollbackGoesWhereItIsTold) {
  PublishMany(3);
  SetLabel(store_, "m", "good", "1");
  EXPECT_EQ(Rollback(store_, "m", "good")["to"], 1);
  EXPECT_EQ(Rollback(store_, "m", "3"), (json{{"model", "m"}, {"from", 1}, {"to", 3}}));
  EXPECT_EQ(Rollback(store_, "m", "current"), (json{{"model", "m"}, {"from", 3}, {"to", 3}}));
  ExpectError(ErrorCode::kNotFound, "there is no model at", [&] { Rollback(store_, "m", "9"); });
  ExpectError(ErrorCode::kNotFound, "has no label 'bad'", [&] { Rollback(store_, "m", "bad"); });
  ExpectError(ErrorCode::kNotFound, "has no version of model 'n'; it has m", [&] { Rollback(store_, "n", ""); });
  EXPECT_FALSE(fs::exists(store_.ModelPath("n")));
  EXPECT_EQ(store_.Current("m"), 3);
}

TEST_F(StoreChanges, RollbackVerifiesFirst) {
  PublishMany(3);
  Damage(2);
  ExpectError(ErrorCode::kCorrupt, "2/history_values.npy': block 0", [&] { Rollback(store_, "m", ""); });
  EXPECT_EQ(store_.Current("m"), 3);
  EXPECT_EQ(Rollback(store_, "m", "1")["to"], 1);
}

TEST_F(StoreChanges, RollbackPutsADamagedCurrentRight) {
  PublishMany(2);
  std::ofstream(store_.ModelPath("m") / "CURRENT") << "nonsense";
  ExpectError(ErrorCode::kCorrupt, "CURRENT", [&] { Rollback(store_, "m", ""); });
  EXPECT_EQ(Rollback(store_, "m", "2"), (json{{"model", "m"}, {"from", nullptr}, {"to", 2}}));
  EXPECT_EQ(store_.Current("m"), 2);
}

TEST_F(StoreChanges, LabelsAreSetMovedAndRemoved) {
  PublishMany(2);
  EXPECT_EQ(SetLabel(store_, "m", "good", "1"),
            (json{{"model", "m"}, {"label", "good"}, {"version", 1}, {"before", nullptr}}));
  EXPECT_EQ(SetLabel(store_, "m", "good", "current")["before"], 1);
  EXPECT_EQ(SetLabel(store_, "m", "copy", "good")["version"], 2);
  EXPECT_EQ(RemoveLabel(store_, "m", "good"),
            (json{{"model", "m"}, {"label", "good"}, {"version", nullptr}, {"before", 2}}));
  EXPECT_EQ(store_.Labels("m").size(), 1u);
  ExpectError(ErrorCode::kNotFound, "has no version 9", [&] { SetLabel(store_, "m", "copy", "9"); });
  ExpectError(ErrorCode::kNotFound, "has no version of model 'n'", [&] { SetLabel(store_, "n", "good", "1"); });
  ExpectError(ErrorCode::kNotFound, "has no version of model 'n'", [&] { RemoveLabel(store_, "n", "good"); });
  EXPECT_FALSE(fs::exists(store_.ModelPath("n")));
}

TEST_F(StoreChanges, PruneKeepsTheNewestAndWhatIsNeeded) {
  PublishMany(7);
  store_.SetLabel("m", "good", 2);
  EXPECT_THAT(Pruned(3), ElementsAre(1, 3, 4));
  EXPECT_THAT(store_.Versions("m"), ElementsAre(2, 5, 6, 7));
  EXPECT_THAT(Pruned(100), IsEmpty());
  EXPECT_THAT(Pruned(1), ElementsAre(5)) << "6 is where rollback would go";
  Rollback(store_, "m", "2");
  EXPECT_THAT(Pruned(1), ElementsAre(6)) << "the newest stays, so that no number comes again";
  store_.RemoveLabel("m", "good");
  EXPECT_THAT(Pruned(1), IsEmpty()) << "2 is the current one";
  EXPECT_EQ(Publish(), 8);
  EXPECT_THAT(Pruned(1), ElementsAre(2));
  ExpectError(ErrorCode::kInvalidArgument, "keep is 0", [&] { Pruned(0); });
}

TEST_F(StoreChanges, PruneSaysWhatItDoesAndADryRunDoesNothing) {
  PublishMany(4);
  store_.SetLabel("m", "good", 4);
  int64_t bytes = 0;
  for (const int64_t version : {1, 2}) bytes += Model::Open(store_, "m", version)->bytes();
  const json dry = Prune(store_, "m", {1, true});
  EXPECT_EQ(dry["bytes"], bytes);
  EXPECT_EQ(dry["kept"], (json::array({{{"version", 3}, {"why", {"before the current one"}}},
                                       {{"version", 4}, {"why", {"current", "label good", "among the newest"}}}})));
  EXPECT_EQ(store_.Versions("m").size(), 4u);
  json done = Prune(store_, "m", {1, false});
  EXPECT_EQ(done["dry_run"], false);
  done["dry_run"] = true;
  EXPECT_EQ(done, dry);
  EXPECT_THAT(store_.Versions("m"), ElementsAre(3, 4));
}

TEST_F(StoreChanges, PruneRemovesWhatTheDeadLeft) {
  Publish();
  for (const char* name : {".7.tmp-12", ".1.tmp-13", ".8.tmp-14"}) {
    fs::create_directory(store_.ModelPath("m") / name);
    std::ofstream(store_.ModelPath("m") / name / "a.npy") << "12345";
  }
  for (const char* name : {".x.tmp-12", ".7.tmp-x", "notes"}) fs::create_directory(store_.ModelPath("m") / name);
  const Descriptor living = LockAbandoned(store_.ModelPath("m") / ".8.tmp-14");
  EXPECT_EQ(Prune(store_, "m", {1, true})["leftovers"], (json{".1.tmp-13", ".7.tmp-12"}));
  const json report = Prune(store_, "m", {1, false});
  EXPECT_EQ(report["leftovers"].size(), 2u);
  EXPECT_EQ(report["bytes"], 10);
  EXPECT_FALSE(fs::exists(store_.ModelPath("m") / ".7.tmp-12"));
  for (const char* name : {".x.tmp-12", ".7.tmp-x", "notes", ".8.tmp-14"})
    EXPECT_TRUE(fs::exists(store_.ModelPath("m") / name)) << name;
}

TEST_F(StoreChanges, PruneDoesNothingWhereItCannotKnow) {
  PublishMany(4);
  store_.SetLabel("m", "good", 1);
  std::ofstream(store_.ModelPath("m") / "labels" / "good") << "1";
  ExpectError(ErrorCode::kCorrupt, "labels/good", [&] { Pruned(1); });
  store_.RemoveLabel("m", "good");
  std::ofstream(store_.ModelPath("m") / "CURRENT") << "4";
  ExpectError(ErrorCode::kCorrupt, "CURRENT", [&] { Pruned(1); });
  fs::remove(store_.ModelPath("m") / "CURRENT");
  ExpectError(ErrorCode::kNotFound, "no current version", [&] { Pruned(1); });
  EXPECT_EQ(store_.Versions("m").size(), 4u);
}

TEST_F(StoreChanges, AVersionInUseStaysReadable) {
  PublishMany(3);
  const auto mapped = Model::Open(store_, "m", 1);
  const SmallModel expected;
  EXPECT_THAT(Pruned(1), ElementsAre(1));
  EXPECT_THAT(mapped->view().item_factors.all(), testing::ElementsAreArray(expected.item_factors));
}

TEST_F(StoreChanges, NothingIsChangedBesideATraining) {
  PublishMany(4);
  store_.SetLabel("m", "good", 1);
  const ModelLock training = store_.Lock("m");
  const std::string holder = "is being changed by process " + std::to_string(::getpid()) + " (train) since ";
  ExpectError(ErrorCode::kAlreadyExists, holder, [&] { Rollback(store_, "m", ""); });
  ExpectError(ErrorCode::kAlreadyExists, holder, [&] { Pruned(1); });
  ExpectError(ErrorCode::kAlreadyExists, holder, [&] { SetLabel(store_, "m", "good", "2"); });
  ExpectError(ErrorCode::kAlreadyExists, holder, [&] { RemoveLabel(store_, "m", "good"); });
  EXPECT_EQ(store_.Current("m"), 4);
  EXPECT_EQ(store_.Labels("m").at("good"), 1);
  EXPECT_EQ(Prune(store_, "m", {1, true})["removed"].size(), 1u) << "a dry run needs no lock";
}

TEST_F(StoreChanges, TheReportHasAllThatIsThere) {
  Publish({{"created_at", "2026-01-02T03:04:05Z"}, {"kindred_version", "0.9"}, {"metrics", {{"ndcg_at_5", 0.25}}}});
  PublishMany(3);
  store_.SetLabel("m", "good", 1);
  store_.SetLabel("m", "gone", 2);
  fs::remove_all(Path(2));
  std::ofstream(Path(3) / "manifest.json", std::ios::app) << " ";
  fs::create_directories(store_.ModelPath("m") / "notes\n");
  fs::create_directories(store_.root() / "empty");
  std::ofstream(store_.root() / "README") << "text";
  const json report = StoreReport(store_);
  EXPECT_EQ(report["others"], (json{"README", "empty"}));
  ASSERT_EQ(report["models"].size(), 1u);
  const json& model = report["models"][0];
  EXPECT_EQ(model["current"], 4);
  EXPECT_EQ(model["labels"], (json{{"good", 1}, {"gone", 2}}));
  EXPECT_EQ(model["problems"], json{"label gone names version 2, which is not there"});
  EXPECT_EQ(model["others"], json{"notes\\x0a"});
  ASSERT_EQ(model["versions"].size(), 3u);
  const json& first = model["versions"][0];
  EXPECT_EQ(first["created_at"], "2026-01-02T03:04:05Z");
  EXPECT_EQ(first["kindred_version"], "0.9");
  EXPECT_EQ(first["algorithm"], "als");
  EXPECT_EQ(first["metrics"]["ndcg_at_5"], 0.25);
  EXPECT_EQ(first["labels"], json{"good"});
  EXPECT_EQ(first["current"], false);
  EXPECT_EQ(first["bytes"], Model::Open(store_, "m", 1)->bytes());
  EXPECT_THAT(model["versions"][1]["problems"][0].get<std::string>(), HasSubstr("does not match the checksum"));
  EXPECT_TRUE(model["versions"][1]["algorithm"].is_null());
  EXPECT_EQ(model["versions"][2]["current"], true);
}

TEST_F(StoreChanges, AStoreThatIsNotThereIsAnError) {
  ExpectError(ErrorCode::kNotFound, "there is no store at", [&] { StoreReport(store_); });
  Publish();
  ExpectError(ErrorCode::kNotFound, "has no version of model 'n'; it has m", [&] { StoreReport(store_, "n"); });
  std::ofstream(store_.ModelPath("m") / "CURRENT") << "8\n";
  EXPECT_EQ(StoreReport(store_, "m")["models"][0]["problems"], json{"CURRENT names version 8, which is not there"});
  EXPECT_EQ(NameProblems(store_, "m").size(), 1u);
}

TEST_F(StoreChanges, AVersionAndHowItDiffers) {
  Publish({{"seed", 1}, {"created_at", "a"}, {"seconds", {{"fit", 1}}}, {"old", {1, 2}}});
  Publish({{"seed", 2}, {"created_at", "b"}, {"seconds", {{"fit", 2}}}, {"holdout", {{"kind", "random"}}}});
  const json report = VersionReport(store_, "m", 2);
  EXPECT_EQ(report["current"], true);
  EXPECT_EQ(report["manifest"]["seed"], 2);
  EXPECT_FALSE(report["manifest"].contains("files"));
  EXPECT_EQ(report["files"]["item_popularity.npy"], 128 + 7 * 4);
  EXPECT_EQ(report["previous"]["version"], 1);
  EXPECT_EQ(report["previous"]["changes"],
            (json::array({{{"setting", "holdout.kind"}, {"before", nullptr}, {"now", "random"}},
                          {{"setting", "old.0"}, {"before", 1}, {"now", nullptr}},
                          {{"setting", "old.1"}, {"before", 2}, {"now", nullptr}},
                          {{"setting", "seed"}, {"before", 1}, {"now", 2}}})));
  EXPECT_TRUE(VersionReport(store_, "m", 1)["previous"].is_null());
  std::ofstream(Path(1) / "manifest.json", std::ios::app) << " ";
  EXPECT_TRUE(VersionReport(store_, "m", 2)["previous"]["changes"].is_null());
  EXPECT_EQ(VersionReport(store_, "m", 2)["problems"].size(), 1u);
  ExpectError(ErrorCode::kCorrupt, "does not match", [&] { VersionReport(store_, "m", 1); });
}

TEST_F(StoreChanges, VerifyFindsEveryDamage) {
  PublishMany(2);
  EXPECT_EQ(VerifyReport(store_, "m", 1),
            (json{{"version", 1}, {"bytes", Model::Open(store_, "m", 1)->bytes()}, {"damages", json::array()}}));
  Damage(1);
  Damage(1, "user_factors.npy");
  const json damages = VerifyReport(store_, "m", 1)["damages"];
  ASSERT_EQ(damages.size(), 2u);
  EXPECT_THAT(damages[0].get<std::string>(), HasSubstr("history_values.npy': block 0 (from byte 0) does not match"));
  EXPECT_THAT(damages[1].get<std::string>(), HasSubstr("user_factors.npy': block 0"));
  EXPECT_THAT(VerifyReport(store_, "m", 7)["damages"][0].get<std::string>(), HasSubstr("there is no model at"));
}

TEST_F(StoreChanges, VerifyFindsPartsThatDoNotFit) {
  const fs::path path = Path(1);
  {
    const SmallModel model;
    ArtifactWriter writer(path, kModelKind);
    model.view().users.AddTo(writer, "user_ids");
    model.view().items.AddTo(writer, "item_ids");
    writer.AddArray<int64_t>("history_indptr", model.history.indptr);
    writer.AddArray<int32_t>("history_items", std::vector<int32_t>(model.history.indices.size(), 99));
    writer.AddArray<float>("history_values", model.history.values);
    writer.AddArray<float>("item_popularity", model.popularity);
    writer.Commit({{"algorithm", "popularity"}, {"n_users", 5}, {"n_items", 7}});
  }
  EXPECT_THAT(VerifyReport(store_, "m", 1)["damages"][0].get<std::string>(), HasSubstr("history_items holds 99"));
}

}  // namespace
}  // namespace kindred
