// What kindred-bench measured: in memory and as its JSON file (docs/benchmarks.md has the schema).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/statistics.h"
#include "bench/workload.h"

namespace kindred {

inline constexpr int kResultSchemaVersion = 1;

enum class RowStatus {
  kOk,
  kFailed,   // it did not end well, or its answer does not do: it has no time
  kMissing,  // a peer that is not installed, or was not asked for
};

/// One measure of one program in one case.
struct Row {
  std::string workload;
  std::string case_name;
  std::string program;
  std::string measure;  // empty where there is none because of its status
  Role role = Role::kOurs;
  RowStatus status = RowStatus::kOk;
  std::string reason;  // of a status that is not kOk
  nlohmann::json settings = nlohmann::json::object();
  std::map<std::string, double> quality;
  std::optional<Spread> seconds;
  std::optional<Spread> p50_seconds;
  std::optional<Spread> p99_seconds;
  std::optional<int64_t> peak_rss_bytes;   // the largest of the runs
  std::optional<double> cpu_seconds;       // of the whole process: the median
  std::string unit;                        // of work
  std::optional<double> work;              // units a run
  std::optional<double> cost_cpu_seconds;  // processor seconds a unit: the median
  std::optional<double> cost_money;        // a unit, at --price-per-hour
  std::map<std::string, Spread> ratios;    // of a program of ours: its seconds / each peer's, pair by pair
  std::optional<double> others_share;      // of the machine, while it ran: the largest of the runs
  double size = 0;                         // the case's, for curves

  /// What is compared with what.
  std::string Key() const { return workload + " / " + case_name + " / " + program + " / " + measure; }
};

/// What a workload's rows mean.
struct WorkloadHead {
  std::string name;
  std::string title;
  std::string description;
  std::vector<Metric> metrics;
  Workload::Plot plot = Workload::Plot::kBars;
  std::map<std::string, std::string> versions = {};  // of what its programs said they are made of
};

struct Result {
  nlohmann::json machine = nlohmann::json::object();
  nlohmann::json commit;  // of the sources: {"id", "dirty"}, or null
  std::string date;       // UTC
  std::string command;
  nlohmann::json load = nlohmann::json::object();  // load averages before and after
  std::string version;                             // of Kindred
  bool quick = false;                              // tiny data: no times to go by
  std::vector<WorkloadHead> workloads;
  std::vector<Row> rows;

  /// The same head with the rows of one workload.
  Result Of(const std::string& workload) const;
};

nlohmann::json ResultJson(const Result& result);

/// Throws kUnsupported for another schema version and kCorrupt for what is no result; `where` names it.
Result ParseResult(const nlohmann::json& file, const std::string& where);
Result ReadResult(const std::filesystem::path& path);

}  // namespace kindred
