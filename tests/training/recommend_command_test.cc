// recommend as it is typed, of every kind of model as train publishes it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "kernels/cpu/backend.h"
#include "tests/support/captured_run.h"
#include "tests/support/tastes.h"
#include "tests/support/temporary_folder.h"
#include "tests/training/served_lines.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using Words = std::vector<std::string>;

class RecommendCommandTest : public testing::Test {
 protected:
  RecommendCommandTest() {
    WriteTastes(folder_.path() / "data",
                {.n_users = 50, .n_events = 9, .n_groups = 4, .n_items = 10, .n_values = 5, .anything = 4});
  }

  std::string Path(const std::string& name) const { return (folder_.path() / name).string(); }
  int Run(const Words& words) {
    CommandLine program;
    AddTrainCommand(program);
    AddRecommendCommand(program);
    return RunCaptured(program, words, &out_, &err_);
  }
  void Train(const Words& more) {
    Words words = {"train", Path("data"), "--store", Path("models"), "--model", "m", "--backend", "cpu"};
    words.insert(words.end(), more.begin(), more.end());
    ASSERT_EQ(Run(words), 0) << err_;
  }
  int Recommend(const Words& more) {
    Words words = {"recommend", "--store", Path("models"), "--model", "m", "--backend", "cpu"};
    words.insert(words.end(), more.begin(), more.end());
    return Run(words);
  }

  TemporaryFolder folder_;
  CpuBackend backend_{1};
  std::string out_, err_;
};

TEST_F(RecommendCommandTest, EveryAlgorithmAnswersAsServingDoes) {
  const std::string filter = folder_.Write("filter.toml", "algorithm = 'svd-filter'\nn-factors = 4\n");
  const std::string als = folder_.Write("als.toml", "algorithm = 'als'\nn-factors = 4\nepochs = 2\n");
  const Words kinds[] = {{"--algorithm", "als", "--n-factors", "5", "--epochs", "2"},
                         {"--algorithm", "als", "--n-factors", "5", "--epochs", "2", "--feedback", "explicit"},
                         {"--algorithm", "svd", "--n-factors", "5"},
                         {"--algorithm", "svd-filter", "--n-factors", "5"},
                         {"--algorithm", "rp3beta"},
                         {"--algorithm", "ease"},
                         {"--algorithm", "latest"},
                         {"--algorithm", "popularity"},
                         {"--algorithm", "blend", "--component", filter, "--component", als, "--split", "random"}};
  for (const Words& kind : kinds) {
    SCOPED_TRACE(testing::PrintToString(kind));
    Train(kind);
    const auto model = Model::Open(ModelStore(Path("models")), "m");
    ASSERT_EQ(Recommend({"--out", Path("lists.csv"), "--overwrite", "--with-scores", "--batch", "20"}), 0) << err_;
    Words lines = LinesOf(Content(Path("lists.csv")));
    lines.erase(lines.begin());
    EXPECT_EQ(lines, ServedLines(backend_, *model, AllIds(model->view().users), 10, false));
  }
}

TEST_F(RecommendCommandTest, SaysWhatItDid) {
  Train({"--n-factors", "4", "--epochs", "1"});
  const std::string users = folder_.Write("users.txt", "u1\nu2\nx\nu2\n");
  ASSERT_EQ(Recommend({"--out", Path("a.jsonl"), "--users", users, "--n", "3"}), 0) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("a.jsonl\nlists     3 users of m version 1 (als), 9 items in them\n"),
                          HasSubstr("answered  2 by their history\n"),
                          HasSubstr("answered  1 by popularity, as the model does not have them\n"),
                          HasSubstr("unknown   1 of the listed users, 'x' the first\n"),
                          HasSubstr("repeated  1 lines name a user again: left out\n"), HasSubstr("lists a second")));
  EXPECT_EQ(LinesOf(Content(Path("a.jsonl"))).size(), 3u);
  ASSERT_EQ(Recommend({"--out", Path("similar.csv"), "--similar-items", "--json"}), 0) << err_;
  const json report = json::parse(out_);
  EXPECT_EQ(report["lists"], 40);
  EXPECT_EQ(report["items_written"], 400);
  EXPECT_EQ(report["bytes"], Content(Path("similar.csv")).size());
  EXPECT_EQ(report["backend"]["name"], "cpu");
}

TEST_F(RecommendCommandTest, RefusesByStatus) {
  Train({"--n-factors", "4", "--epochs", "1"});
  EXPECT_EQ(Recommend({"--out", Path("lists")}), 2);
  EXPECT_THAT(err_, HasSubstr("its name says no format"));
  EXPECT_EQ(Recommend({"--out", Path("a.csv"), "--n", "0"}), 2);
  EXPECT_EQ(Recommend({"--out", Path("a.csv"), "--unknown-users", "some"}), 2);
  EXPECT_EQ(Recommend({"--out", Path("a.csv"), "--batch", "-1"}), 2);
  EXPECT_EQ(Recommend({"--out", Path("a.csv"), "--min-score", "nan"}), 2);
  EXPECT_EQ(Recommend({"--out", Path("a.csv"), "--resume"}), 1);
  EXPECT_THAT(err_, HasSubstr("nothing to resume"));
  EXPECT_EQ(Recommend({"--out", Path("a.csv"), "--model-version", "9"}), 1);
  EXPECT_FALSE(std::filesystem::exists(Path("a.csv")));
  EXPECT_EQ(Recommend({"--out", Path("a.csv"), "--print-config"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("n = 10"), HasSubstr("batch = 0")));
}

}  // namespace
}  // namespace kindred
