#include "bench/runner.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::vector<std::string> Shell(const std::string& script) {
  return {"/bin/sh", "-c", script, "sh"};
}

/// A program that says it took so long, with an answer and a quality.
std::vector<std::string> Says(double seconds, const std::string& answer = "1", double quality = 0.5) {
  return Shell(
      fmt::format(R"(echo '{{"measures": {{"m": {{"seconds": {}, "work": 2, "cpu_seconds": 8, "unit": "rows"}}}},)"
                  R"( "answer": {}, "quality": {{"ndcg": {}}}, "versions": {{"sh": "1"}}}}')",
                  seconds, answer, quality));
}

class RunnerTest : public testing::Test {
 protected:
  Result Run(const Case& one, RunOptions options = {}) {
    Workload workload;
    workload.name = "w";
    workload.metrics = {{.name = "ndcg", .tolerance = 0.01, .floor = 0.1}};
    workload.cases = [&](const kindred::Setup&) { return std::vector<Case>{one}; };
    kindred::Setup setup;
    setup.folder = folder_.path();
    setup.python = "/nonexistent/python";
    Result result;
    result.machine = {{"cores", 4}};
    const StopSignals signals;
    RunWorkload(signals, workload, setup, options, result);
    return result;
  }
  Program Ours(std::vector<std::string> command) { return {.name = "kindred", .command = std::move(command)}; }
  Program Peer(std::vector<std::string> command) {
    return {.name = "peer", .role = Role::kPeer, .command = std::move(command)};
  }

  TemporaryFolder folder_;
};

TEST_F(RunnerTest, AnswersBecomeRows) {
  const Result result = Run({.name = "c", .programs = {Ours(Says(2)), Peer(Says(4))}}, {.price_per_hour = 3600 * 4});
  ASSERT_EQ(result.rows.size(), 2u);
  const Row& ours = result.rows[0];
  EXPECT_EQ(ours.Key(), "w / c / kindred / m");
  EXPECT_EQ(ours.seconds->all, (std::vector<double>{2, 2, 2}));
  EXPECT_EQ(ours.ratios.at("peer").median, 0.5);
  EXPECT_TRUE(result.rows[1].ratios.empty());
  EXPECT_EQ(ours.quality.at("ndcg"), 0.5);
  EXPECT_EQ(*ours.cost_cpu_seconds, 4);
  EXPECT_EQ(*ours.cost_money, 4) << "4 core-seconds a unit of a machine of 4 cores at 4 a second";
  EXPECT_EQ(ours.unit, "rows");
  EXPECT_GT(*ours.peak_rss_bytes, 100'000);
  EXPECT_EQ(result.workloads[0].versions.at("sh"), "1");
}

TEST_F(RunnerTest, AMeasureHasSettingsOfItsOwn) {
  const auto says = Shell(R"(echo '{"settings": {"all": 1}, "measures": {"a": {"seconds": 1, "settings": {"x": 2}},)"
                          R"( "b": {"seconds": 1}}}')");
  const Result result = Run({.name = "c", .programs = {Ours(says)}});
  ASSERT_EQ(result.rows.size(), 2u);
  EXPECT_EQ(result.rows[0].settings, (json{{"all", 1}, {"x", 2}}));
  EXPECT_EQ(result.rows[1].settings, (json{{"all", 1}}));
}

TEST_F(RunnerTest, ProgramsTakeTurns) {
  const std::string log = folder_.path() / "log";
  const auto noting = [&](const std::string& name) {
    std::vector<std::string> command = Says(1);
    command[2] = "printf " + name + "$1 >>" + log + "; " + command[2];
    return command;
  };
  Case one{.name = "c", .programs = {Ours(noting("a")), Peer(noting("b"))}};
  one.programs[0].quality_arguments = {"q"};
  one.settle = [](const std::map<std::string, Answer>& answers) {
    EXPECT_EQ(answers.size(), 2u);
    return std::map<std::string, std::vector<std::string>>{{"peer", {"s"}}};
  };
  Run(one, {.rounds = 2});
  EXPECT_EQ(Content(log), "aqbabsabs");
}

TEST_F(RunnerTest, WhatFailsHasNoTimeAndOthersGoOn) {
  const auto reason = [&](std::vector<std::string> command) {
    const Result result = Run({.name = "c", .programs = {Ours(std::move(command)), Peer(Says(4))}});
    EXPECT_EQ(result.rows.size(), 2u);
    EXPECT_EQ(result.rows[0].status, RowStatus::kFailed);
    EXPECT_FALSE(result.rows[0].seconds.has_value());
    EXPECT_EQ(result.rows[1].status, RowStatus::kOk);
    return result.rows[0].reason;
  };
  EXPECT_THAT(reason(Shell("echo oh no >&2; exit 3")), HasSubstr("exit status 3: oh no"));
  EXPECT_THAT(reason(Shell("kill -9 $$")), HasSubstr("exit status 137"));
  EXPECT_THAT(reason({"/nonexistent/program"}), HasSubstr("exit status 127"));
  EXPECT_THAT(reason(Shell("echo hello")), HasSubstr("is 'hello\\x0a'; expected one JSON object"));
  EXPECT_THAT(reason(Shell("echo '{\"measures\": {}}'")), HasSubstr("'measures' is no object with members"));
  for (const char* part :
       {"\"settings\": 1", "\"versions\": []", "\"quality\": 2", "\"curve\": [[]]", "\"peak_rss_bytes\": 1e300"})
    EXPECT_THAT(reason(Shell(fmt::format("echo '{{\"measures\": {{\"m\": {{\"seconds\": 1}}}}, {}}}'", part))),
                HasSubstr("the answer of kindred"));
  EXPECT_THAT(reason(Says(0)), HasSubstr("'seconds' is 0; expected more than 0"));
  EXPECT_THAT(reason(Says(2, "1", 0.48)), HasSubstr("ndcg is 0.48, and peer has 0.5"));
  EXPECT_THAT(reason(Says(2, "1", 0.05)), HasSubstr("ndcg is 0.05; expected 0.1 or better"));
}

TEST_F(RunnerTest, QualityIsCheckedBeforeTime) {
  const std::string log = folder_.path() / "log";
  std::vector<std::string> wrong = Says(1, "1", 0.3);
  wrong[2] = "printf x >>" + log + "; " + wrong[2];
  const Result result = Run({.name = "c", .programs = {Ours(wrong), Peer(Says(1))}});
  EXPECT_EQ(result.rows[0].status, RowStatus::kFailed);
  EXPECT_EQ(Content(log), "x") << "it ran again";
}

TEST_F(RunnerTest, OneMayBeHeldAgainstOnePeerOnly) {
  Program loose = Ours(Says(1, "1", 0.3));
  Program better = Peer(Says(8, "1", 0.9)), same = Peer(Says(4, "1", 0.3));
  same.name = "loose peer";
  const Case one{.name = "c", .programs = {loose, better, same}};
  EXPECT_EQ(Run(one).rows[0].status, RowStatus::kFailed);
  Case beside = one;
  beside.programs[0].only_peer = "loose peer";
  const Row row = Run(beside).rows[0];
  EXPECT_EQ(row.status, RowStatus::kOk);
  EXPECT_EQ(row.ratios.size(), 1u);
  EXPECT_EQ(row.ratios.at("loose peer").median, 0.25);
  beside.programs[2].command = Says(4, "1", 0.9);
  EXPECT_EQ(Run(beside).rows[0].status, RowStatus::kFailed);
}

TEST_F(RunnerTest, AnswersThatDiffer) {
  Case one{.name = "c", .programs = {Ours(Says(1, "1")), Peer(Says(1, "2"))}};
  EXPECT_EQ(Run(one).rows[0].status, RowStatus::kOk);
  one.same_answer = true;
  EXPECT_THAT(Run(one).rows[0].reason, HasSubstr("its answer is 1, and that of peer is 2"));
  one.same_answer = false;
  one.prepare = Shell("echo 1");
  one.prepared_is_answer = true;
  const Result result = Run(one);
  EXPECT_EQ(result.rows[0].status, RowStatus::kOk);
  EXPECT_THAT(result.rows[1].reason, HasSubstr("its answer is 2; expected 1"));
}

TEST_F(RunnerTest, AnswersThatChangeFromRunToRun) {
  const std::string once = folder_.path() / "once";
  std::vector<std::string> command = Says(1, "'$n'");
  command[2] = "n=1; test -e " + once + " && n=2; touch " + once + "; " + command[2];
  EXPECT_THAT(Run({.name = "c", .programs = {Ours(command)}}).rows[0].reason, HasSubstr("its answer was 1 and is 2"));
}

TEST_F(RunnerTest, DataThatCannotBeMade) {
  const Result result = Run({.name = "c", .prepare = Shell("echo full >&2; exit 1"), .programs = {Ours(Says(1))}});
  EXPECT_THAT(result.rows[0].reason, HasSubstr("the data could not be made: full"));
}

TEST_F(RunnerTest, MissingPeersAreSaid) {
  Case one{.name = "c", .programs = {Ours(Says(1)), Peer(Says(1))}};
  one.programs[1].python_module = "implicit";
  Result result = Run(one);
  EXPECT_EQ(result.rows[1].status, RowStatus::kMissing);
  EXPECT_THAT(result.rows[1].reason, HasSubstr("'/nonexistent/python' cannot import implicit"));
  EXPECT_EQ(result.rows[0].status, RowStatus::kOk);
  result = Run(one, {.peers = false});
  EXPECT_EQ(result.rows[1].reason, "left out by --no-peers");
}

TEST_F(RunnerTest, OnlyWhatWasAskedFor) {
  const Case one{.name = "a case", .programs = {Ours(Says(1))}};
  EXPECT_EQ(Run(one, {.only = {"w/a"}}).rows.size(), 1u);
  const Result none = Run(one, {.only = {"other"}});
  EXPECT_TRUE(none.rows.empty() && none.workloads.empty());
}

TEST_F(RunnerTest, WithoutAQualityRoundTimedRunsAreChecked) {
  Case one{.name = "c", .programs = {Ours(Says(1, "1", 0.05))}, .quality_round = false, .most_rounds = 1};
  EXPECT_THAT(Run(one).rows[0].reason, HasSubstr("expected 0.1 or better"));
  one.programs = {Ours(Says(1))};
  const Result result = Run(one);
  EXPECT_EQ(result.rows[0].seconds->all.size(), 1u);
  EXPECT_EQ(result.rows[0].quality.at("ndcg"), 0.5);
}

TEST(BenchProcess, UsageAndLines) {
  const TemporaryFolder folder;
  const StopSignals signals;
  BenchProcess process(signals, Shell("echo one; echo two; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; exit 7"),
                       folder.path() / "errors");
  EXPECT_EQ(process.ReadLine(), "one");
  const Finished finished = process.Finish();
  EXPECT_EQ(finished.output, "two\n");
  EXPECT_EQ(finished.exit_status, 7);
  EXPECT_GT(finished.usage.cpu_seconds, 0);
  EXPECT_GE(finished.usage.wall_seconds * 1.5, finished.usage.cpu_seconds) << "one thread";
  EXPECT_GE(finished.usage.others_share, 0);
  EXPECT_LE(finished.usage.others_share, 1);
}

TEST(BenchProcess, StopsAndThrows) {
  const TemporaryFolder folder;
  const StopSignals signals;
  BenchProcess process(signals, {"/bin/sleep", "1000"}, folder.path() / "errors");
  EXPECT_EQ(process.Stop().exit_status, 128 + SIGTERM);
  ExpectError(ErrorCode::kIo, "ended with exit status 3\nwhy",
              [&] { RunOrThrow(signals, Shell("echo why >&2; exit 3"), folder.path() / "errors"); });
  ExpectError(ErrorCode::kIo, "ended before it said a line",
              [&] { BenchProcess(signals, Shell("exit 0"), folder.path() / "errors").ReadLine(); });
}

}  // namespace
}  // namespace kindred
