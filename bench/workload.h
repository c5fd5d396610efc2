// What kindred-bench measures. A workload is a file that lists its cases; a case is a set of programs that do the same
// work on the same data, each a process that prints one JSON object, its answer (docs/benchmarks.md). The runner
// (bench/runner.h) knows nothing else.
//
// A new workload is a file bench/NAME.cc with `Workload NameWorkload()`, a line in AllWorkloads (bench/workloads.cc),
// and where there is a peer, bench/peers/NAME.py.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bench/process.h"

namespace kindred {

/// One of the things that a program timed.
struct Measure {
  double seconds = 0;
  std::optional<double> cpu_seconds;  // used meanwhile by all threads; the whole process's where nobody says
  double work = 1;                    // how many `unit`s were done
  std::string unit = "run";
  std::optional<double> p50_seconds;  // of calls
  std::optional<double> p99_seconds;
  nlohmann::json settings = nlohmann::json::object();  // what it found out, for this measure's row alone
};

/// What a program says when it is done.
struct Answer {
  std::map<std::string, Measure> measures;
  std::map<std::string, double> quality;
  nlohmann::json answer = nullptr;                     // the same in every run of a program
  nlohmann::json settings = nlohmann::json::object();  // what it found out about its settings
  nlohmann::json versions = nlohmann::json::object();  // of what it is made of
  std::vector<double> curve = {};                      // for Case::settle
  std::optional<int64_t> peak_rss_bytes;               // of what is measured, where that is not the process itself
};

/// The value that the text is; a discarded one where it is no JSON, or nested more than 50 deep.
nlohmann::json ParseJson(const std::string& text);

/// Reads an answer. Throws kCorrupt naming the program and the member where it is none.
Answer ParseAnswer(const std::string& output, const std::string& program);

enum class Role {
  kOurs,   // compared with peers and, by --compare, with itself
  kPeer,   // what a user would take instead
  kStage,  // ours too, with nothing beside it
};

struct Program {
  std::string name;
  Role role = Role::kOurs;
  std::vector<std::string> command;
  nlohmann::json settings = nlohmann::json::object();
  std::vector<std::string> quality_arguments = {};   // added in the first, untimed run, which shows the quality
  std::string python_module = {};                    // what a peer's Python must be able to import
  std::string only_peer = {};                        // of ours: the one that it is held against; empty: all of them
  std::function<Answer(const Finished&)> read = {};  // of programs that print something else
};

struct Case {
  std::string name = {};
  /// Makes the data, once for all cases with the same command; prints a JSON value.
  std::vector<std::string> prepare = {};
  std::vector<Program> programs = {};  // run in this order, round after round
  bool prepared_is_answer = false;     // every program but stages must answer what `prepare` printed
  bool same_answer = false;            // ours must answer what every peer does
  bool quality_round = true;           // an untimed run of each program first; without it timed runs are checked alone
  int most_rounds = 1000;
  double size = 0;  // where it stands on the axis of Plot::kCurve
  /// From the answers of the quality round: arguments to add to each program's command in timed runs.
  std::function<std::map<std::string, std::vector<std::string>>(const std::map<std::string, Answer>&)> settle = {};
};

/// A figure of quality, and when it counts as worse.
struct Metric {
  std::string name;
  bool higher_is_better = true;
  double tolerance = 0;  // absolute, or a part of the value where `relative`
  bool relative = false;
  bool across_programs = true;       // ours must not be worse than the best peer's
  std::optional<double> floor = {};  // no program may be worse than this

  /// Whether `value` is worse than `than` by more than the tolerance.
  bool Worse(double value, double than) const;
};

/// What cases are made for.
struct Setup {
  std::string self;              // kindred-bench
  std::string kindred;           // the program that users run
  std::string python;            // of the peers
  std::string peers;             // the folder of their scripts
  std::filesystem::path data;    // KINDRED_DATA_DIR; may be empty
  std::filesystem::path folder;  // for what is made; removed at the end
  int n_threads = 1;
  bool quick = false;

  /// `kindred-bench program NAME ARGUMENT...`
  std::vector<std::string> Own(const std::string& program, const std::vector<std::string>& arguments) const;
  std::vector<std::string> Peer(const std::string& script, const std::vector<std::string>& arguments) const;
};

/// A program that kindred-bench is when it is started as `kindred-bench program NAME`.
struct OwnProgram {
  std::string name;
  std::function<int(int argc, char** argv)> run;
};

struct Workload {
  enum class Plot {
    kBars,   // seconds, case by case
    kCurve,  // seconds and peak memory of every program over the cases' `size`
  };
  std::string name;
  std::string title;
  std::string description;  // Markdown: what is measured and how, below the title
  std::vector<Metric> metrics;
  Plot plot = Plot::kBars;
  std::function<std::vector<Case>(const Setup&)> cases;
  std::vector<OwnProgram> programs;
};

std::vector<Workload> AllWorkloads();

}  // namespace kindred
