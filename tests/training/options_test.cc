// Values that no command can use are found before it starts, by --check-config too.
#include <gtest/gtest.h>

#include "training/commands.h"

namespace kindred {
namespace {

int StatusOf(std::vector<std::string> words) {
  CommandLine program;
  AddGenerateCommand(program);
  AddPrepareCommand(program);
  AddTrainCommand(program);
  AddTuneCommand(program);
  AddEvaluateCommand(program);
  words.insert(words.begin(), "kindred");
  words.push_back("--check-config");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  testing::internal::CaptureStderr();
  const int status = program.Run(static_cast<int>(argv.size()), argv.data());
  const std::string message = testing::internal::GetCapturedStderr();
  EXPECT_EQ(message.empty(), status == 0);
  return status;
}

struct Case {
  std::vector<std::string> command;
  std::string option;
  std::vector<std::string> good, bad;
};

TEST(Options, BadValuesAreUsageErrors) {
  const std::vector<std::string> train = {"train", "data", "--model", "m"};
  const std::vector<std::string> tune = {"tune", "data", "--out", "o.toml"};
  const std::vector<std::string> evaluate = {"evaluate", "--model", "m", "--test", "a.csv"};
  const std::vector<std::string> prepare = {"prepare", "a.csv", "--out", "o"}, generate = {"generate", "--out", "o"};
  const std::vector<std::string> backends = {"auto", "cpu", "cuda"}, formats = {"csv", "tsv", "adjacency"};
  const std::vector<std::string> weights = {"-0.1", "nan", "inf", "1e39", "x"}, threads = {"-1", "1025", "1.5"};
  const std::vector<std::string> parts = {"-0.1", "0.51", "nan", "x"};
  const std::vector<std::string> lengths = {"0", "-1", "100001", "2.5"};
  const std::vector<std::string> seeds = {"-1", " -1", "1.5", "18446744073709551616"};
  const Case cases[] = {
      {train, "--algorithm", {"als", "svd", "popularity"}, {"bpr", "", "ALS"}},
      {train, "--n-factors", {"1", "4096"}, {"0", "-1", "4097", "1e3"}},
      {train, "--epochs", {"1", "1000000"}, {"0", "-1", "1000001"}},
      {train, "--regularization", {"0", "0.01", "1e-5"}, weights},
      {train, "--regularization-exponent", {"0", "1"}, weights},
      {train, "--unobserved-weight", {"0", "0.1"}, weights},
      {train, "--seed", {"0", "18000000000000000000"}, seeds},
      {train, "--threads", {"0", "1024"}, threads},
      {train, "--svd-tolerance", {"1e-4", "0.05"}, {"0", "1e-8", "0.06", "nan"}},
      {train, "--svd-shrinkage", {"0", "0.5", "auto"}, {"-1", "inf", "nan", "some", ""}},
      {train, "--backend", backends, {"gpu", ""}},
      {train, "--gram-precision", {"bf16x3", "float32"}, {"bf16", ""}},
      {train,
       "--event-weight",
       {"view=1", "view=1,cart=3.5,*=0", "=1", "none"},
       {"view", "view=-1", "view=nan", "view=", "view=1,view=2", "view=1,none", ""}},
      {train, "--value-cap", {"1", "0.5", "none"}, {"0", "-1", "nan", "inf", "x"}},
      {train, "--confidence-cap", {"1", "0.5", "none"}, {"0", "-1", "nan", "inf", "x"}},
      {train, "--half-life", {"90s", "15m", "12h", "30d", "2w", "none"}, {"30", "0d", "-1d", "d", "1y", "nand"}},
      {train, "--window", {"90s", "12h", "30d", "2w"}, {"30", "0d", "-1d", "none", ""}},
      {train, "--min-group-users", {"1", "50"}, {"0", "-1", "1.5"}},
      {train, "--group-prior", {"0.5", "1000"}, {"0", "-1", "nan", "inf"}},
      {train, "--min-events", {"0", "20"}, {"-1", "0.5"}},
      {train, "--trend-prior", {"1", "2.5"}, {"0.9", "nan", "inf"}},
      {train, "--checkpoint-every", {"60s", "5m", "epoch", "off"}, {"60", "0s", "-1s", "never", ""}},
      {train, "--test-format", formats, {"xml"}},
      {train, "--feedback", {"implicit", "explicit"}, {"both", ""}},
      {train, "--split", {"none", "random", "leave-last-n", "time"}, {"last", ""}},
      {train, "--split-time", {"2020-01-01", "1577836800"}, {"yesterday"}},
      {train, "--holdout-fraction", {"0.1", "0.99"}, {"0", "1", "-0.5", "nan"}},
      {train, "--holdout-n", {"1", "5"}, {"0", "-1"}},
      {train, "--k", {"1", "100000"}, lengths},
      {train, "--evaluate-every", {"0", "1", "1000000"}, {"-1", "1000001", "0.5"}},
      {tune, "--algorithm", {"als", "svd"}, {"popularity", "bpr", ""}},
      {tune, "--trials", {"1", "100000"}, {"0", "-1", "100001", "1.5"}},
      {tune, "--metric", {"ndcg", "recall"}, {"map", ""}},
      {tune, "--k", {"1", "100000"}, lengths},
      {tune, "--validation-fraction", {"0.1", "0.99"}, {"0", "1", "-0.5", "nan"}},
      {tune, "--max-users", {"0", "10000"}, {"-1", "x"}},
      {tune, "--max-epochs", {"1", "1000000"}, {"0", "-1", "1000001"}},
      {tune, "--seed", {"0", "18000000000000000000"}, seeds},
      {tune, "--threads", {"0", "1024"}, threads},
      {tune, "--backend", backends, {"gpu", ""}},
      {tune, "--split-time", {"2020-01-01", "1577836800"}, {"yesterday"}},
      {tune, "--half-life", {"30d", "none"}, {"30", "1y"}},
      {evaluate, "--k", {"1", "100000"}, lengths},
      {evaluate, "--backend", backends, {"gpu"}},
      {evaluate, "--threads", {"0", "1024"}, threads},
      {evaluate, "--test-format", formats, {"xml"}},
      {evaluate, "--model-version", {"0", "7", "current", "good"}, {"-1", "007", "a/b", ""}},
      {train, "--require", {"mrr>=0.1", "mrr<=0.1"}, {"mrr", "mrr=0.1", "mrr>=x", ""}},
      {train, "--max-drop", {"mrr=0.1", "mrr=2%"}, {"mrr", "mrr=-1", "mrr=200%", ""}},
      {prepare, "--format", formats, {"xml", ""}},
      {prepare, "--max-bad-rows", {"0", "1000"}, {"-1", "nan"}},
      {generate, "--users", {"1"}, {"0", "2147483648"}},
      {generate, "--items", {"1"}, {"0", "2147483648"}},
      {generate, "--events", {"1", "1000000000000"}, {"0", "-5", "1000000000001"}},
      {generate, "--days", {"1", "3650"}, {"0", "3651"}},
      {generate, "--seed", {"0"}, seeds},
      {generate, "--threads", {"0", "1024"}, threads},
      {generate, "--cold-items", {"0", "0.5"}, parts},
      {generate, "--duplicates", {"0", "0.5"}, parts},
      {generate, "--bots", {"0", "0.5"}, parts},
      {generate, "--missing", {"0", "0.5"}, parts},
  };
  for (const Case& one : cases) {
    const auto status = [&](const std::string& value) {
      std::vector<std::string> words = one.command;
      words.insert(words.end(), {one.option, value});
      return StatusOf(words);
    };
    SCOPED_TRACE(one.command[0] + " " + one.option);
    for (const std::string& value : one.good) EXPECT_EQ(status(value), 0) << value;
    for (const std::string& value : one.bad) EXPECT_EQ(status(value), 2) << value;
  }
}

}  // namespace
}  // namespace kindred
