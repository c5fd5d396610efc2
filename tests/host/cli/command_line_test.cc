#include "host/cli/command_line.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

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
    app->add_option("--name", name_)->required(required_);
    app->add_option("--event", events_);
    app->add_flag("--json", json_);
    program.Add("serve", "serves", nullptr);
    CLI::App* query = program.Add("query", "asks", nullptr);
    program.AddTo(query, "recommend", "asks", [] { return 0; })->add_option("--items", n_items_);
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
  bool required_ = false;
  int n_items_ = 0;
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
  EXPECT_THAT(Run({"train", "--config", folder_.path().c_str()}).err, HasSubstr("cannot be read")) << "a folder";
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

TEST_F(CommandLineTest, PrintConfigIsReadBackToTheSame) {
  for (const char* name : {"", "1e5", "007", "+1", "-0", "1.50", "0x10", "1_000", "inf", "true", "12", "0.25", "[1]",
                           "a\nb", "1 # one", "99999999999999999999", "--json", "2020-01-01", "'"}) {
    SCOPED_TRACE(name);
    name_ = "default";
    const std::string argument = std::string("--name=") + name;
    const Result other = *name == '\0' ? Run({"train", "--name", "", "--print-config"})
                                       : Run({"train", argument.c_str(), "--print-config"});
    const std::string config = folder_.Write("config.toml", other.out);
    name_ = "other";
    const Result again = Run({"train", "--config", config.c_str()});
    EXPECT_EQ(again.status, 0) << other.out << again.err;
    EXPECT_EQ(name_, name) << other.out;
    EXPECT_EQ(n_factors_, 64);
  }
}

TEST_F(CommandLineTest, PrintConfigOfTheDefaultsIsReadBack) {
  name_.clear();
  const Result printed = Run({"train", "--print-config"});
  EXPECT_EQ(printed.status, 0) << printed.err;
  EXPECT_THAT(printed.out, HasSubstr("n-factors = 64\n"));
  const std::string config = folder_.Write("config.toml", printed.out);
  const Result again = Run({"train", "--config", config.c_str()});
  EXPECT_EQ(again.status, 0) << printed.out << again.err;
  EXPECT_EQ(name_, "");
  EXPECT_EQ(n_factors_, 64);
  EXPECT_TRUE(events_.empty());
}

TEST_F(CommandLineTest, PrintConfigNeedsNothingThatIsRequired) {
  required_ = true;
  EXPECT_EQ(Run({"train"}).status, 2);
  EXPECT_EQ(Run({"train", "--check-config"}).status, 2);
  EXPECT_EQ(Run({"train", "--print-config"}).status, 0);
  EXPECT_EQ(runs_, 0);
}

TEST_F(CommandLineTest, TablesAreNamedAfterSubcommands) {
  const std::string unknown = folder_.Write("unknown.toml", "[trane]\nn-factors = 17\n");
  const Result result = Run({"train", "--config", unknown.c_str()});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.err, HasSubstr("unknown table [trane]; the nearest known table is 'train'"));
  const std::string inner = folder_.Write("inner.toml", "[query.recomend]\nitems = 3\n");
  EXPECT_THAT(Run({"query", "recommend", "--config", inner.c_str()}).err, HasSubstr("'query.recommend'"));
  EXPECT_EQ(runs_, 0);
  const std::string nested =
      folder_.Write("nested.toml", "items = 1\n[query]\nitems = 2\n[query.recommend]\nitems = 3\n");
  EXPECT_EQ(Run({"query", "recommend", "--config", nested.c_str()}).status, 0);
  EXPECT_EQ(n_items_, 3);
}

TEST_F(CommandLineTest, WithinTakesItsBoundsAndNoMore) {
  const CLI::Validator check = Within(0, 4096);
  for (std::string text : {"0", "4096", "0.5"}) EXPECT_EQ(check(text), "") << text;
  for (std::string text : {"-1", "4096.1", "nan", "inf", "", "x", "1e400"}) EXPECT_NE(check(text), "") << text;
  std::string five = "5000";
  EXPECT_EQ(check(five), "'5000' is not a number from 0 to 4096");
}

TEST_F(CommandLineTest, OutputThatCannotBeWrittenIsAFailure) {
  const int before = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  for (const bool closed : {false, true}) {
    CommandLine program;
    program.Add("report", "reports", [] {
      PrintJson({{"a", 1}});
      return 0;
    });
    const char* const arguments[] = {"kindred", "report"};
    testing::internal::CaptureStderr();
    closed ? close(STDOUT_FILENO) : dup2(full, STDOUT_FILENO);
    const int status = program.Run(2, arguments);
    dup2(before, STDOUT_FILENO);
    std::cout.clear();
    clearerr(stdout);
    EXPECT_EQ(status, 1);
    EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("cannot write to standard output"));
  }
  close(full);
  close(before);
}

TEST_F(CommandLineTest, TheEnvironmentOfOtherSubcommandsIsNotLookedAt) {
  setenv("KINDRED_N_FACTORS", "many", 1);
  EXPECT_EQ(Run({"train"}).status, 2);
  EXPECT_EQ(Run({"query", "recommend"}).status, 0);
  setenv("KINDRED_ITEMS", "7", 1);
  EXPECT_EQ(Run({"query", "recommend"}).status, 0);
  EXPECT_EQ(n_items_, 7);
  unsetenv("KINDRED_ITEMS");
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
