#include "bench/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/plot.h"
#include "bench/table.h"
#include "tests/bench/rows.h"
#include "tests/support/errors.h"
#include "tests/support/html.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kHostile = "a|b\n\"><script>alert(1)</script>";

Result Full() {
  Row ours = RowOf({1, 2, 3});
  ours.settings = {{"epochs", 8}, {"regularization", 0.003}, {"what", kHostile}};
  ours.quality = {{"ndcg", 0.15}};
  ours.p50_seconds = SpreadOf({1e-3});
  ours.p99_seconds = SpreadOf({2e-3});
  ours.peak_rss_bytes = 1 << 20;
  ours.cpu_seconds = 4;
  ours.unit = "million rows";
  ours.work = 10;
  ours.cost_cpu_seconds = 0.4;
  ours.cost_money = 1e-5;
  ours.ratios["peer"] = SpreadOf({0.25, 0.5});
  ours.others_share = 0.1;
  ours.size = 100;
  Row peer = RowOf({4, 4, 6});
  peer.program = "peer";
  peer.role = Role::kPeer;
  peer.size = 1000;
  peer.peak_rss_bytes = 1 << 21;
  Row failed = RowOf({1});
  failed.program = kHostile;
  failed.seconds.reset();
  failed.status = RowStatus::kFailed;
  failed.reason = "wrong: " + kHostile;
  Result result = ResultOf({ours, peer, failed});
  result.workloads[0].versions = {{"pandas", "3"}};
  result.commit = {{"id", "abc1234"}, {"dirty", true}};
  result.load = {{"before", {1, 2, 3}}, {"after", {1, 2, 3}}};
  return result;
}

TEST(Result, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  const json written = ResultJson(Full());
  const std::string path = folder.Write("result.json", written.dump());
  EXPECT_EQ(ResultJson(ReadResult(path)), written);
}

TEST(Result, OtherSchemaVersionsAreRefused) {
  json file = ResultJson(Full());
  file["schema_version"] = 2;
  ExpectError(ErrorCode::kUnsupported, "a file: 'schema_version' is 2; this program reads 1",
              [&] { ParseResult(file, "a file"); });
}

TEST(Result, BadFilesAreErrorsThatNameThePlace) {
  const TemporaryFolder folder;
  ExpectError(ErrorCode::kCorrupt, "is no JSON", [&] { ReadResult(folder.Write("a", "{\"schema_version\": 1")); });
  ExpectError(ErrorCode::kCorrupt, "is no JSON",
              [&] { ReadResult(folder.Write("d", std::string(1'000'000, '[') + std::string(1'000'000, ']'))); });
  ExpectError(ErrorCode::kCorrupt, "expected an object", [&] { ReadResult(folder.Write("b", "[]")); });
  ExpectError(ErrorCode::kNotFound, "missing", [&] { ReadResult(folder.path() / "missing"); });
  const auto broken = [](const std::string& pointer, const json& value, const char* message) {
    json file = ResultJson(Full());
    file[json::json_pointer(pointer)] = value;
    ExpectError(ErrorCode::kCorrupt, message, [&] { ParseResult(file, "a file"); });
  };
  broken("/rows/0/program", 7, "a file, row 1: 'program' is 7; expected a text");
  broken("/rows/1/seconds", nullptr, "a file, row 2: 'status' is 'ok', and there are no 'seconds'");
  broken("/rows/1/seconds/all", json::array(), "a file, row 2, 'seconds': 'all' is empty");
  broken("/rows/1/seconds/all", {1, "x"}, "'all' is no list of numbers");
  broken("/rows/0/status", "good", "'status' is 'good', which is not known");
  broken("/rows/0/quality", {{"ndcg", "x"}}, "a file, row 1, 'quality': 'ndcg' is \"x\"; expected a number");
  broken("/rows/0/latency/p50/all/0", -1, "a file, row 1, 'latency', 'p50': 'all' has -1; expected more than 0");
  broken("/rows/0/peak_rss_bytes", 1e300, "'peak_rss_bytes' is 1e+300");
  broken("/rows/1/program", "kindred", "a file, row 2: 'w / c / kindred / m' is there already");
  broken("/workloads/0/metrics/0/tolerance", -1, "'tolerance' is -1; expected 0 or more");
  broken("/machine/cores", "two", "a file, 'machine': 'cores' is \"two\"; expected a number");
  broken("/rows", json::object(), "'rows' is {}; expected a list");
  broken("/workloads/0/metrics/0/better", "x", "'better' is 'x', which is not known");
}

/// No prefix of a result, and no result with a member of another type, does anything but throw an Error.
TEST(Result, NothingReadCrashes) {
  const json file = ResultJson(Full());
  const json flat = file.flatten();
  for (const auto& [pointer, value] : flat.items())
    for (const json& other : {json(), json(-1), json("x"), json::array(), json::object(), json(1e300), json(true)}) {
      json changed = file;
      changed[json::json_pointer(pointer)] = other;
      try {
        const Result result = ParseResult(changed, "a file");
        for (const WorkloadHead& workload : result.workloads) {
          ResultPage(result, workload, "");
          PlotSvg(result, workload);
        }
      } catch (const Error&) {
      }
    }
}

TEST(Table, ShowsEveryFigure) {
  const Result result = Full();
  const std::string page = ResultPage(result, result.workloads[0], "w.svg");
  for (const char* part : {"# A workload", "a cpu", "commit: abc1234 with changes", "versions: kindred 1.2.3, pandas 3",
                           "| 2 [1-3] s |", "**0.375 [0.25-0.5]**", "| 4 [4-6] s | 0.375 [0.25-0.5] |",
                           "| 1 [1-1] ms | 2 [2-2] ms | 0.15 | 1.0 MiB | 0.4 per million rows | 1e-05 | 10 % |",
                           "epochs 8, regularization 0.003", "**FAILED**", "![A workload](w.svg)"})
    EXPECT_THAT(page, HasSubstr(part));
  EXPECT_THAT(page, HasSubstr("a\\|b \"><script>")) << "a cell stays a cell";
}

TEST(Plot, StandsAloneAndEscapes) {
  Result result = Full();
  for (const auto plot : {Workload::Plot::kBars, Workload::Plot::kCurve}) {
    result.workloads[0].plot = plot;
    result.rows[0].case_name = result.rows[1].case_name = kHostile;
    const std::string svg = PlotSvg(result, result.workloads[0]);
    EXPECT_EQ(ReadHtml(svg).problem, "");
    EXPECT_THAT(svg, testing::StartsWith("<svg xmlns="));
    EXPECT_THAT(svg, testing::Not(HasSubstr("<script")));
    EXPECT_THAT(svg, testing::Not(HasSubstr("nan")));
    if (plot == Workload::Plot::kBars) {
      EXPECT_THAT(svg, HasSubstr("4 s; kindred takes 0.375x"));
    }
  }
  result.rows.clear();
  EXPECT_THAT(PlotSvg(result, result.workloads[0]), HasSubstr("nothing was measured"));
}

TEST(Plot, BarsAreAsLongAsTheirTimes) {
  const Result result = ResultOf({RowOf({1}), [] {
                                    Row peer = RowOf({2});
                                    peer.program = "peer";
                                    return peer;
                                  }()});
  const std::string svg = PlotSvg(result, result.workloads[0]);
  EXPECT_THAT(svg, HasSubstr("width=\"205.0\""));
  EXPECT_THAT(svg, HasSubstr("width=\"410.0\""));
}

TEST(Plot, CallsHaveATail) {
  Row row = RowOf({1});
  row.p99_seconds = SpreadOf({2});
  const std::string svg = PlotSvg(ResultOf({row}), ResultOf({}).workloads[0]);
  EXPECT_THAT(svg, HasSubstr("width=\"185.0\"")) << "half as long as to the tail's end";
  EXPECT_THAT(svg, HasSubstr("H610.0m0 -5v10"));
  EXPECT_THAT(svg, HasSubstr("1 s, p99 2 s"));
}

}  // namespace
}  // namespace kindred
