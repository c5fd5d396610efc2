#include "host/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "kernels/error.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::HasSubstr;

// A program with one subcommand, and what a run of it did.
class CommandLineTest : public ::testing::Test {
 protected:
  struct Result {
    int status = 0;
    std::string out, err;
  };

  ~CommandLineTest() override { unsetenv("KINDRED_N_FACTORS"); }

  Result Run(std::vector<const char*> arguments) {
    CommandLine program;
    CLI::App* app = program.Add("train", "trains", [this] {
      ++runs_;
      if (fail_) throw Error(ErrorCode::kIo, "disk on fire");
      return 0;
    });
    app->add_option("--n-factors", n_factors_);
    app->add_option("--name", name_);
    app->add_option("--event", events_);
    app->add_flag("--json", json_);
    arguments.insert(arguments.begin(), "kindred");
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Result result;
    result.status = program.Run(static_cast<int>(arguments.size()), arguments.data());
    result.out = testing::internal::GetCapturedStdout();
    result.err = testing::internal::GetCapturedStderr();
    return result;
  }

  TemporaryFolder folder_;
  int runs_ = 0;
  bool fail_ = false;
  int n_factors_ = 64;
  std::string name_ = "x";
  std::vector<std::string> events_;
  bool json_ = false;
};

TEST_F(CommandLineTest, TheCommandLineBeatsTheEnvironmentBeatsTheFileBeatsTheDefault) {
  const std::string config =
      folder_.Write("config.toml", "n-factors = 16\nname = \"from file\"\nevent = [\"a\", \"b\"]\njson = true\n");
  EXPECT_EQ(Run({"train"}).status, 0);
  EXPECT_EQ(n_factors_, 64);
  EXPECT_EQ(Run({"train", "--config", config.c_str()}).status, 0);
  EXPECT_EQ(n_factors_, 16);
  EXPECT_EQ(name_, "from file");
  EXPECT_EQ(events_, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(json_);
  setenv("KINDRED_N_FACTORS", "32", 1);
  EXPECT_EQ(Run({"train", "--config", config.c_str()}).status, 0);
  EXPECT_EQ(n_factors_, 32);
  EXPECT_EQ(Run({"train", "--config", config.c_str(), "--n-factors", "8"}).status, 0);
  EXPECT_EQ(n_factors_, 8);
}

TEST_F(CommandLineTest, ATableOfTheSubcommandsNameCountsMoreThanTheTopLevel) {
  const std::string config =
      folder_.Write("config.toml", "n-factors = 16\n[train]\nn-factors = 17\n[serve]\nother = 1\n");
  EXPECT_EQ(Run({"train", "--config", config.c_str()}).status, 0);
  EXPECT_EQ(n_factors_, 17);
}

TEST_F(CommandLineTest, UnknownKeysNameTheNearest) {
  const std::string config = folder_.Write("config.toml", "n_factor = 16\n");
  const Result result = Run({"train", "--config", config.c_str()});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("unknown key 'n_factor'"));
  EXPECT_THAT(result.err, HasSubstr("'n-factors'"));
  EXPECT_EQ(runs_, 0);
}

TEST_F(CommandLineTest, ConfigErrorsNameThePlace) {
  const std::string broken = folder_.Write("broken.toml", "name = \"x\"\nn-factors = = 3\n");
  EXPECT_THAT(Run({"train", "--config", broken.c_str()}).err, HasSubstr("line 2"));
  const std::string type = folder_.Write("type.toml", "n-factors = \"many\"\n");
  EXPECT_EQ(Run({"train", "--config", type.c_str()}).status, 2);
  EXPECT_EQ(Run({"train", "--config", "/nowhere/config.toml"}).status, 2);
  EXPECT_EQ(runs_, 0);
}

TEST_F(CommandLineTest, PrintConfigCanBeReadBack) {
  const Result printed = Run({"train", "--n-factors", "12", "--name", "a \"b\"", "--event", "c", "--print-config"});
  EXPECT_EQ(printed.status, 0);
  EXPECT_EQ(runs_, 0);
  const std::string config = folder_.Write("config.toml", printed.out);
  n_factors_ = 0;
  name_.clear();
  events_.clear();
  const Result again = Run({"train", "--config", config.c_str()});
  EXPECT_EQ(again.status, 0) << printed.out << again.err;
  EXPECT_EQ(n_factors_, 12);
  EXPECT_EQ(name_, "a \"b\"");
  EXPECT_EQ(events_, (std::vector<std::string>{"c"}));
}

TEST_F(CommandLineTest, CheckConfigRunsNothing) {
  EXPECT_EQ(Run({"train", "--check-config"}).status, 0);
  EXPECT_EQ(Run({"train", "--check-config", "--n-factors", "many"}).status, 2);
  EXPECT_EQ(runs_, 0);
}

TEST_F(CommandLineTest, StatusOfUsageAndFailure) {
  EXPECT_EQ(Run({}).status, 2);
  EXPECT_EQ(Run({"trane"}).status, 2);
  EXPECT_EQ(Run({"train", "--unknown"}).status, 2);
  EXPECT_EQ(Run({"--help"}).status, 0);
  EXPECT_EQ(Run({"--version"}).status, 0);
  fail_ = true;
  const Result result = Run({"train"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("disk on fire"));
}

}  // namespace
}  // namespace kindred
