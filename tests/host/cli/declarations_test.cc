// --config of a subcommand that declares more in its file than flags.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "host/cli/config_file.h"
#include "kernels/error.h"
#include "tests/support/captured_run.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::HasSubstr;
using testing::Not;

class Declarations : public testing::Test {
 protected:
  ~Declarations() override {
    unsetenv("KINDRED_STORE");
    unsetenv("KINDRED_DECLARATIONS");
  }

  /// Sets what the run came to; strings are as they were before it where it said nothing.
  int Run(const std::vector<std::string>& arguments) {
    CommandLine program;
    declarations_.clear();
    store_ = "models";
    keep_ = false;
    n_ = 3;
    CLI::App* app = program.Add(
        "segment", "segments",
        [this] {
          ++runs_;
          return 0;
        },
        [this] {
          if (declarations_ == bad_) throw Error(ErrorCode::kUsage, bad_ + ": line 7");
        });
    app->add_option("dataset", dataset_)->required();
    app->add_option("--store", store_);
    app->add_option("--n-users", n_)->check(Within(1, 10));
    app->add_flag("--keep", keep_);
    app->add_option(std::string("--") + kDeclarations, declarations_);
    program.Add("train", "trains", [] { return 0; })->add_option("--store", train_store_);
    return RunCaptured(program, arguments, &out_, &err_);
  }
  std::string File(const std::string& text) const { return folder_.Write("segments.toml", text); }

  TemporaryFolder folder_;
  int runs_ = 0, n_ = 3;
  bool keep_ = false;
  std::string dataset_, store_, declarations_, train_store_, out_, err_;
  std::string bad_ = "none";  // declarations that do not do
};

TEST_F(Declarations, MayComeByAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const std::string text = "[segment]\nstore = \"there\"\n", path = "/dev/fd/" + std::to_string(ends[0]);
  ASSERT_EQ(write(ends[1], text.data(), text.size()), std::ssize(text));
  close(ends[1]);
  EXPECT_EQ(Run({"segment", "data", "--config", path}), 0) << err_;
  close(ends[0]);
  EXPECT_EQ(store_, "there");
  EXPECT_EQ(Run({"segment", "data", "--config", folder_.path().string()}), 2);
  EXPECT_THAT(err_, HasSubstr(": cannot be read"));
}

TEST_F(Declarations, FlagsStandInTheTableOfTheSubcommand) {
  const std::string file =
      File("schema_version = 1\n[events]\nstore = \"an event\"\n[segment]\nstore = \"there\"\nkeep = true\n");
  ASSERT_EQ(Run({"segment", "data", "--config", file}), 0) << err_;
  EXPECT_EQ(declarations_, file);
  EXPECT_EQ(store_, "there");
  EXPECT_TRUE(keep_);
  ASSERT_EQ(Run({"segment", "data", "--config=" + file, "--store", "here"}), 0) << err_;
  EXPECT_EQ(store_, "here");
  setenv("KINDRED_STORE", "from the environment", 1);
  ASSERT_EQ(Run({"segment", "data", "--config", file}), 0) << err_;
  EXPECT_EQ(store_, "from the environment");
}

TEST_F(Declarations, KeysAtTheTopAreNoFlags) {
  const std::string file = File("store = \"there\"\n");
  ASSERT_EQ(Run({"segment", "data", "--config", file}), 0) << err_;
  EXPECT_EQ(store_, "models");
  EXPECT_EQ(declarations_, file) << "whoever reads these says what is wrong";
}

TEST_F(Declarations, AFileOfFlagsAloneDeclaresNothing) {
  const std::string file = File("[segment]\nstore = \"there\"\n[train]\nstore = \"other\"\n");
  ASSERT_EQ(Run({"segment", "data", "--config", file}), 0) << err_;
  EXPECT_EQ(declarations_, "");
  EXPECT_EQ(store_, "there");
}

TEST_F(Declarations, UnknownKeysAndTablesOfFlags) {
  const std::string file = File("schema_version = 1\n[segment]\nstor = \"there\"\n");
  EXPECT_EQ(Run({"segment", "data", "--config", file}), 2);
  EXPECT_THAT(err_, HasSubstr(file + ": unknown key 'stor' for 'kindred segment'; the nearest known key is 'store'"));
  const std::string inner = File("schema_version = 1\n[segment.flags]\nstore = \"there\"\n");
  EXPECT_EQ(Run({"segment", "data", "--config", inner}), 2);
  EXPECT_THAT(err_, HasSubstr("unknown table [segment.flags]"));
  const std::string value = File("schema_version = 1\n[segment]\nn-users = 11\n");
  EXPECT_EQ(Run({"segment", "data", "--config", value}), 2);
  EXPECT_THAT(err_, HasSubstr("'11' is not a number from 1 to 10"));
  const std::string other = File("schema_version = 1\n[train]\nstor = 1\n[clusters]\nk = 3\n");
  EXPECT_EQ(Run({"train", "--config", other}), 2);
  EXPECT_THAT(err_, HasSubstr("unknown table [clusters]")) << "of a subcommand that declares nothing";
  const std::string broken = File("schema_version = = 1\n");
  EXPECT_EQ(Run({"segment", "data", "--config", broken}), 2);
  EXPECT_THAT(err_, HasSubstr("line 1, column "));
  EXPECT_EQ(runs_, 0);
}

TEST_F(Declarations, OneFileDeclares) {
  const std::string with = folder_.Write("with.toml", "schema_version = 1\n");
  const std::string without = File("[segment]\ndeclarations = \"" + with + "\"\n");
  ASSERT_EQ(Run({"segment", "data", "--config", without}), 0) << err_;
  EXPECT_EQ(declarations_, with);
  const std::string both = File("schema_version = 1\n[segment]\ndeclarations = \"" + with + "\"\n");
  EXPECT_EQ(Run({"segment", "data", "--config", both}), 2);
  EXPECT_THAT(err_, HasSubstr("[segment] names other 'declarations', and the file declares by itself"));
  ASSERT_EQ(Run({"segment", "data", "--config", File("schema_version = 1\n"), "--declarations", with}), 0) << err_;
  EXPECT_EQ(declarations_, with);
  setenv("KINDRED_DECLARATIONS", "from the environment", 1);
  ASSERT_EQ(Run({"segment", "data"}), 0) << err_;
  EXPECT_EQ(declarations_, "from the environment");
}

TEST_F(Declarations, PrintConfigIsReadBack) {
  const std::string with = folder_.Write("with.toml", "schema_version = 1\n[segment]\nn-users = 7\n");
  ASSERT_EQ(Run({"segment", "data", "--config", with, "--store", "here", "--keep", "--print-config"}), 0) << err_;
  EXPECT_THAT(out_, testing::StartsWith("[segment]\n"));
  EXPECT_THAT(out_, HasSubstr("n-users = 7\n"));
  EXPECT_EQ(runs_, 0);
  const std::string printed = File(out_);
  ASSERT_EQ(Run({"segment", "data", "--config", printed}), 0) << err_;
  EXPECT_EQ(store_, "here");
  EXPECT_TRUE(keep_);
  EXPECT_EQ(n_, 7);
  EXPECT_EQ(declarations_, with);
  ASSERT_EQ(Run({"segment", "--print-config"}), 0) << "needs nothing that is required";
  EXPECT_THAT(out_, Not(HasSubstr(with)));
  ASSERT_EQ(Run({"segment", "data", "--config", File(out_)}), 0) << err_;
  EXPECT_EQ(store_, "models");
  EXPECT_EQ(declarations_, "");
}

TEST_F(Declarations, CheckConfigRunsNothing) {
  const std::string file = File("schema_version = 1\n[segment]\nn-users = 7\n");
  EXPECT_EQ(Run({"segment", "data", "--config", file, "--check-config"}), 0) << err_;
  EXPECT_EQ(Run({"segment", "data", "--config", File("[segment]\nn-users = 70\n"), "--check-config"}), 2);
  bad_ = File("schema_version = 1\n");
  EXPECT_EQ(Run({"segment", "data", "--config", bad_, "--check-config"}), 2) << "what is declared is looked at, too";
  EXPECT_THAT(err_, HasSubstr(bad_ + ": line 7"));
  EXPECT_EQ(runs_, 0);
}

}  // namespace
}  // namespace kindred
