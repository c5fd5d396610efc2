// report as it is typed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/captured_run.h"
#include "tests/support/html.h"
#include "tests/support/temporary_folder.h"
#include "training/commands.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class ReportCommand : public testing::Test {
 protected:
  ReportCommand() {
    const std::string csv =
        folder_.Write("a.csv", "user,item,event,time\nu,i,view,2020-01-01\nv,i,buy,2020-01-09\nbad\n");
    EXPECT_EQ(Run({"prepare", csv, "--out", dataset_, "--max-bad-rows", "1"}), 0) << err_;
  }

  int Run(const std::vector<std::string>& arguments) {
    CommandLine program;
    AddPrepareCommand(program);
    AddReportCommand(program);
    return RunCaptured(program, arguments, &out_, &err_);
  }

  TemporaryFolder folder_;
  std::string dataset_ = (folder_.path() / "dataset").string();
  std::string html_ = (folder_.path() / "pages" / "report.html").string();
  std::string out_, err_;
};

TEST_F(ReportCommand, TextAndJson) {
  ASSERT_EQ(Run({"report", dataset_}), 0) << err_;
  EXPECT_THAT(out_, HasSubstr("dataset   " + dataset_ + "\nread      3 rows of 1 file\nevents    2\n"));
  EXPECT_THAT(out_, HasSubstr("bad rows  1\n"));
  ASSERT_EQ(Run({"report", dataset_, "--json"}), 0) << err_;
  const nlohmann::json report = nlohmann::json::parse(out_);
  EXPECT_EQ(report["n_events"], 2);
  EXPECT_EQ(report["times"]["weeks"][1]["week"], "2020-W02");
  EXPECT_EQ(report["n_bad_rows"], 1);
}

TEST_F(ReportCommand, ThePageIsWrittenWholeAndNothingIsOverwrittenUnasked) {
  ASSERT_EQ(Run({"report", dataset_, "--html", html_}), 0) << err_;
  const std::string page = Content(html_);
  EXPECT_EQ(ReadHtml(page).problem, "");
  EXPECT_THAT(ReadHtml(page).text, HasSubstr(dataset_));
  EXPECT_EQ(std::distance(fs::directory_iterator(fs::path(html_).parent_path()), {}), 1) << "no temporary file stays";
  EXPECT_EQ(Run({"report", dataset_, "--html", html_}), 1);
  EXPECT_THAT(err_, HasSubstr("is there already; --overwrite replaces it"));
  EXPECT_EQ(out_, "");
  std::ofstream(html_) << "old";
  ASSERT_EQ(Run({"report", dataset_, "--html", html_, "--overwrite"}), 0) << err_;
  EXPECT_EQ(Content(html_), page);
}

TEST_F(ReportCommand, Failures) {
  EXPECT_EQ(Run({"report"}), 2);
  EXPECT_EQ(Run({"report", folder_.path() / "none"}), 1);
  EXPECT_EQ(Run({"report", dataset_, "--html", dataset_ + "/report.html"}), 2);
  EXPECT_THAT(err_, HasSubstr("would lie in the dataset"));
  EXPECT_FALSE(fs::exists(dataset_ + "/report.html"));
  fs::create_directories(html_);
  EXPECT_EQ(Run({"report", dataset_, "--html", html_, "--overwrite"}), 1);
  EXPECT_THAT(err_, HasSubstr("is no file"));
}

}  // namespace
}  // namespace kindred
