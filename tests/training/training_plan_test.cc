// What a training is said to take; that it takes no more is tests/end_to_end/plan_test.py's.
#include "training/training_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <utility>

#include "host/data/random.h"
#include "kernels/cpu/host_memory.h"
#include "tests/support/captured_run.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::ContainsRegex;
using testing::HasSubstr;

TrainOptions Options(const char* algorithm, int64_t n_factors) {
  TrainOptions options;
  options.algorithm = algorithm;
  options.als.n_factors = n_factors;
  return options;
}

TEST(TrainingPlan, AFitHoldsFactorsTwiceAndTheEntriesTurned) {
  const TrainingSize size = {.n_users = 1'000'000, .n_items = 100'000, .n_entries = 50'000'000, .is_summed = true};
  const int64_t factors = 1'100'000 * 64 * 4, entries = 50'000'000 * 8;
  const int64_t on_host = MoreHostBytes(size, Options("als", 64), factors);
  EXPECT_NEAR(static_cast<double>(on_host), static_cast<double>(2 * factors + entries), 0.06 * (2 * factors + entries));
  EXPECT_EQ(on_host - MoreHostBytes(size, Options("als", 64), 0), factors);
  EXPECT_EQ(MoreHostBytes(size, Options("popularity", 64), 0), 0);
  EXPECT_GT(MoreHostBytes(size, Options("svd", 64), 0), 3 * factors);
}

TEST(TrainingPlan, WhatIsStillToDoCounts) {
  const TrainOptions options = Options("als", 8);
  TrainingSize size = {.n_users = 1000, .n_items = 100, .n_entries = 50'000'000, .is_summed = true};
  int64_t last = MoreHostBytes(size, options, 0);
  const auto grows = [&] {
    return MoreHostBytes(size, options, 0) > std::exchange(last, MoreHostBytes(size, options, 0));
  };
  size.n_all_entries = 60'000'000;
  EXPECT_TRUE(grows()) << "a refit on more entries";
  size.is_summed = false;
  EXPECT_TRUE(grows()) << "entries that are not in memory yet";
  size.n_kept_events = 200'000'000;
  EXPECT_TRUE(grows()) << "events copied to be published";
}

TEST(TrainingPlan, MoreMemoryThanThereIsIsRefusedWithTheRemedy) {
  WorkingBackend backend("cpu", 1, GramPrecision::kBf16x3, {});
  const int64_t n_users = AvailableMemory() / (4096 * 4);
  ASSERT_GT(n_users, 0);
  try {
    PlanMemory(backend, {.n_users = n_users, .n_items = 10, .n_entries = 1000}, Options("als", 4096));
    ADD_FAILURE() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_THAT(error.what(), ContainsRegex("and n_factors 4096 needs .* are there; --n-factors [0-9]+ would do"));
  }
  ExpectError(ErrorCode::kOutOfMemory, "less data, or a machine with more memory, would do", [&] {
    PlanMemory(backend, {.n_users = 10, .n_items = 10, .n_entries = int64_t{1} << 50}, Options("popularity", 64));
  });
  EXPECT_GT(
      PlanMemory(backend, {.n_users = 10, .n_items = 10, .n_entries = 50}, Options("als", 8))["peak_memory_bytes"], 0);
}

class PlanFlagTest : public testing::Test {
 protected:
  PlanFlagTest() {
    std::string events = "user,item,value\n";
    for (uint64_t e = 0; e < 600; ++e)
      events += "u" + std::to_string(e % 40) + ",i" + std::to_string(RandomBits(1, e) % 30) + "," +
                std::to_string(1 + e % 5) + "\n";
    EXPECT_EQ(Run({"prepare", folder_.Write("events.csv", events), "--value-column", "value", "--out", Path("data")}),
              0)
        << err_;
  }
  int Run(const std::vector<std::string>& arguments) {
    CommandLine program;
    AddPrepareCommand(program);
    AddTrainCommand(program);
    return RunCaptured(program, arguments, &out_, &err_);
  }
  int Train(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"train", Path("data"), "--store", Path("models"), "--model", "shop"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Run(arguments);
  }
  std::string Path(const char* name) const { return (folder_.path() / name).string(); }

  TemporaryFolder folder_;
  std::string out_, err_;
};

TEST_F(PlanFlagTest, OnlyStatesWhatItWouldTake) {
  ASSERT_EQ(Train({"--plan", "--split", "random"}), 0) << err_;
  EXPECT_THAT(out_, ContainsRegex("shop: als, 40 users x 30 items, [0-9]+ entries\nmemory: at most .* of .* there; "
                                  "seconds: about .* \\(load .*, sum .*, plan .*, fit .*, evaluate .*, refit .*"));
  EXPECT_FALSE(std::filesystem::exists(Path("models")));
  ASSERT_EQ(Train({"--plan", "--json"}), 0) << err_;
  const json plan = json::parse(out_)["plan"];
  EXPECT_EQ(plan["seconds"].size(), 6u) << "without a holdout: " << plan;
  EXPECT_GT(plan["seconds"]["total"], 0.0);
  EXPECT_FALSE(std::filesystem::exists(Path("models")));
  EXPECT_EQ(Train({"--plan", "--resume"}), 2);
  EXPECT_THAT(err_, HasSubstr("--plan is of a whole training"));
}

TEST_F(PlanFlagTest, EveryAlgorithmHasAPlan) {
  for (const std::vector<std::string>& of : {std::vector<std::string>{"--algorithm", "popularity"},
                                             {"--algorithm", "svd", "--n-factors", "4"},
                                             {"--algorithm", "rp3beta"},
                                             {"--algorithm", "ease"},
                                             {"--algorithm", "ease", "--n-neighbours", "7"},
                                             {"--feedback", "explicit"},
                                             {"--solver", "cg"},
                                             {"--regularization", "0", "--unobserved-weight", "0"}}) {
    std::vector<std::string> arguments = of;
    arguments.insert(arguments.end(), {"--plan", "--json", "--split", "random"});
    ASSERT_EQ(Train(arguments), 0) << of[1] << ": " << err_;
    const json plan = json::parse(out_)["plan"];
    EXPECT_GT(plan["peak_memory_bytes"], 1'000'000) << of[1];
    const bool is_unknown = of[1] == "svd" || of[1] == "rp3beta";  // takes what the spectrum needs, or histories share
    EXPECT_EQ(plan["seconds"]["total"].is_null(), is_unknown) << plan;
    if (of[1] != "popularity" && !is_unknown) {
      EXPECT_GT(plan["seconds"]["fit"], 0.0) << of[1];
      EXPECT_GT(plan["seconds"]["refit"], 0.0) << of[1];
    }
  }
}

TEST_F(PlanFlagTest, ATrainingStatesItToo) {
  ASSERT_EQ(Train({"--split", "random", "--json"}), 0) << err_;
  EXPECT_THAT(err_, HasSubstr("plan: memory: at most"));
  const json report = json::parse(out_);
  for (const auto& [part, seconds] : report["plan"]["seconds"].items())
    EXPECT_TRUE(part == "total" || report["seconds"].contains(part)) << part;
}

}  // namespace
}  // namespace kindred
