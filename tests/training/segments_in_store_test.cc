// Versions of segments beside models in a store: what looks after versions knows them, what recommends refuses them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/models/model.h"
#include "tests/support/captured_run.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/small_model.h"
#include "tests/support/small_segments.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class SegmentsInStore : public testing::Test {
 protected:
  SegmentsInStore() : small_(dataset_) {
    small_.Publish(store_, "s");
    small_.Publish(store_, "s");
    const ModelLock lock = store_.Lock("shop");
    PublishModel(store_, "shop", SmallModel().view(), {});
  }

  int Run(std::vector<std::string> arguments) {
    CommandLine program;
    AddModelsCommand(program);
    AddEvaluateCommand(program);
    AddRecommendCommand(program);
    AddTrainCommand(program);
    AddSegmentCommand(program);
    arguments.insert(arguments.end(), {"--store", store_.root().string()});
    return RunCaptured(program, arguments, &out_, &err_);
  }
  /// Checksums that are right of a manifest that is not.
  void Damage(int64_t version) const {
    const EditableArtifact artifact(store_.VersionPath("s", version));
    json manifest = artifact.manifest();
    manifest.erase("segments");
    artifact.ReplaceManifest(manifest.dump());
  }

  TemporaryFolder folder_;
  const std::string dataset_ = (folder_.path() / "dataset").string();
  ModelStore store_{folder_.path() / "store"};
  SmallSegments small_;
  std::string out_, err_;
};

TEST_F(SegmentsInStore, AreListedAndShown) {
  ASSERT_EQ(Run({"models", "list"}), 0) << err_;
  EXPECT_THAT(out_, ContainsRegex("s: 2 versions, .*, current 2\n"));
  EXPECT_THAT(out_, ContainsRegex("\n\\*  2 .* segments "));
  ASSERT_EQ(Run({"models", "show", "s"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("s version 2, current\n"), ContainsRegex("\n  algorithm +segments\n"),
                          ContainsRegex("\n +segment +users +name\n"), ContainsRegex("\n +2 +20 +segment 2\n"),
                          ContainsRegex("\n +rule +[0-9]+ +Big\n"), HasSubstr("\nas version 1\n")));
  EXPECT_THAT(out_, Not(HasSubstr("stability_bins"))) << "what was found is for reports";
  ASSERT_EQ(Run({"models", "show", "s", "--json"}), 0) << err_;
  EXPECT_EQ(json::parse(out_)["manifest"]["next_id"], 4);
}

TEST_F(SegmentsInStore, AreVerified) {
  ASSERT_EQ(Run({"models", "verify"}), 0) << err_;
  EXPECT_THAT(out_,
              testing::MatchesRegex("s version 1: whole, .*\ns version 2: whole, .*\nshop version 1: whole, .*\n"));
  Damage(1);
  EXPECT_EQ(Run({"models", "verify", "s"}), 1);
  EXPECT_THAT(out_, AllOf(HasSubstr("s version 1: damaged\n"), HasSubstr("the manifest has no segments"),
                          HasSubstr("s version 2: whole")));
}

TEST_F(SegmentsInStore, AreRolledBackAndPruned) {
  ASSERT_EQ(Run({"models", "rollback", "s"}), 0) << err_;
  EXPECT_EQ(store_.Current("s"), 1);
  ASSERT_EQ(Run({"models", "rollback", "s", "--to", "2"}), 0) << err_;
  Damage(1);
  EXPECT_EQ(Run({"models", "rollback", "s"}), 1);
  EXPECT_THAT(err_, HasSubstr("the manifest has no segments"));
  EXPECT_EQ(store_.Current("s"), 2);
  small_.Publish(store_, "s");
  ASSERT_EQ(Run({"models", "prune", "s", "--keep", "1"}), 0) << err_;
  EXPECT_THAT(store_.Versions("s"), testing::ElementsAre(2, 3));
}

TEST_F(SegmentsInStore, AreNoModels) {
  const std::string test = folder_.Write("test.csv", "user,item\nu1,i1\n");
  const auto message = HasSubstr("is a version of segments, which `kindred segment` makes; expected one of a model");
  EXPECT_EQ(Run({"evaluate", "--model", "s", "--test", test}), 1);
  EXPECT_THAT(err_, message);
  EXPECT_EQ(Run({"recommend", "--model", "s", "--out", (folder_.path() / "lists.csv").string()}), 1);
  EXPECT_THAT(err_, message);
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--warm-start"}}) {
    std::vector<std::string> arguments = {"train", dataset_, "--model", "s", "--n-factors", "2", "--epochs", "1"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(Run(arguments), 1);
    EXPECT_THAT(err_, HasSubstr("of 's' is one of segments, which `kindred segment` makes; expected another name"));
    EXPECT_THAT(err_, Not(HasSubstr("epoch")));
  }
  EXPECT_EQ(store_.Versions("s").size(), 2u);
}

TEST_F(SegmentsInStore, ModelsAreNone) {
  EXPECT_EQ(Run({"segment", dataset_, "--model", "shop", "--backend", "cpu"}), 1);
  EXPECT_THAT(err_, HasSubstr("is no version of segments; expected one that `kindred segment` has made"));
  EXPECT_THAT(err_, Not(HasSubstr("measuring"))) << "before anything is computed";
  EXPECT_EQ(store_.Versions("shop").size(), 1u);
}

}  // namespace
}  // namespace kindred
