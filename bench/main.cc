// kindred-bench: runs workloads beside their peers, and compares results. docs/benchmarks.md describes it.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <filesystem>
#include <iostream>
#include <thread>

#include "bench/compare.h"
#include "bench/machine.h"
#include "bench/plot.h"
#include "bench/runner.h"
#include "bench/table.h"
#include "host/cli/command_line.h"
#include "host/store/files.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::vector<std::string> workloads;
  RunOptions run;
  bool quick = false, list = false, no_peers = false, all = false;
  std::string json, out, folder, kindred;
  std::string peers_python = KINDRED_SOURCE_DIR "/.venv-peers/bin/python";
  int n_threads = 0;
  double price_per_hour = 0;
  std::vector<std::string> compare;
  double threshold = 0.1;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("workload", flags.workloads, "what to run, as --list names it; default: all");
  app.add_flag("--list", flags.list, "print the workloads and their cases, and run nothing");
  app.add_option("--only", flags.run.only, "only cases with this text in WORKLOAD/CASE")->allow_extra_args(false);
  app.add_option("--rounds", flags.run.rounds, "timed runs of each program, in turns")
      ->check(Within(1, 1000))
      ->capture_default_str();
  app.add_flag("--quick", flags.quick, "tiny data: shows that all works, and says nothing about speed");
  app.add_flag("--no-peers", flags.no_peers, "run Kindred alone; the table says so");
  app.add_option("--peers-python", flags.peers_python, "a Python that has the peers");
  app.add_option("--threads", flags.n_threads, "threads of every program that can be told; 0: one a core")
      ->check(Within(0, 1024));
  app.add_option("--price-per-hour", flags.price_per_hour, "of this machine: the tables get the cost in money")
      ->check(Within(0, 1e6));
  app.add_option("--json", flags.json, "write the result to this file");
  app.add_option("--out", flags.out, "write WORKLOAD.json, .md and .svg of each workload into this folder");
  app.add_option("--folder", flags.folder, "where data is made, up to 15 GB; it is removed at the end");
  app.add_option("--kindred", flags.kindred, "the program; default: the one beside this");
  app.add_option("--compare", flags.compare,
                 "BASE [NEW]: results to compare; without NEW the workloads are run. Exit status 1 with a regression")
      ->expected(1, 2);
  app.add_option("--threshold", flags.threshold, "how much slower or larger is a regression, as a part")
      ->check(Within(0, 100))
      ->capture_default_str();
  app.add_flag("--all", flags.all, "let --compare print what did not change, too");
}

std::vector<Workload> Chosen(const Flags& flags) {
  std::vector<Workload> all = AllWorkloads(), chosen;
  if (flags.workloads.empty()) return all;
  std::string known;
  for (const Workload& workload : all) known += (known.empty() ? "" : ", ") + workload.name;
  for (const std::string& name : flags.workloads) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Workload& w) { return w.name == name; });
    if (found == all.end())
      throw Error(ErrorCode::kUsage, fmt::format("there is no workload '{}'; expected one of {}", name, known));
    chosen.push_back(*found);
  }
  return chosen;
}

Setup NewSetup(const Flags& flags) {
  Setup setup;
  setup.self = fs::read_symlink("/proc/self/exe");
  setup.kindred = flags.kindred.empty() ? fs::path(setup.self).parent_path() / "kindred" : fs::path(flags.kindred);
  setup.python = flags.peers_python;
  setup.peers = KINDRED_SOURCE_DIR "/bench/peers";
  if (const char* data = std::getenv("KINDRED_DATA_DIR")) setup.data = data;
  setup.n_threads =
      flags.n_threads > 0 ? flags.n_threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  setup.quick = flags.quick;
  return setup;
}

void List(const std::vector<Workload>& workloads, const Setup& setup, const RunOptions& options) {
  for (const Workload& workload : workloads) {
    std::cout << workload.name << ": " << workload.title << "\n";
    for (const Case& one : workload.cases(setup)) {
      if (!Selected(options, workload.name, one.name)) continue;
      std::cout << "  " << workload.name << "/" << one.name << ":";
      for (const Program& program : one.programs)
        std::cout << (&program == &one.programs.front() ? " " : "; ") << program.name;
      std::cout << "\n";
    }
  }
}

void WriteJson(const fs::path& path, const Result& result) {
  WriteNewFile(path, ResultJson(result).dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n", true);
}

/// A workload's table on standard output, and its files where they were asked for.
void Show(const Result& result, const WorkloadHead& workload, const std::string& out) {
  const std::string plot = out.empty() ? "" : workload.name + ".svg";
  const std::string page = ResultPage(result, workload, plot);
  std::cout << page << std::endl;
  if (out.empty()) return;
  WriteJson(fs::path(out) / (workload.name + ".json"), result.Of(workload.name));
  WriteNewFile(fs::path(out) / (workload.name + ".md"), page, true);
  WriteNewFile(fs::path(out) / plot, PlotSvg(result, workload), true);
}

/// Shows each workload when it is done, so that little is lost where a later one is stopped.
Result RunAll(const StopSignals& signals, const Flags& flags, Setup setup, const std::string& command) {
  const WorkFolder scratch(flags.folder);
  Result result;
  result.machine = DescribeMachine();
  result.commit = DescribeCommit(signals, KINDRED_SOURCE_DIR, scratch.path() / "errors.txt");
  result.date = UtcNow();
  result.command = command;
  result.load["before"] = LoadAverages();
  result.version = KINDRED_VERSION;
  result.quick = flags.quick;
  if (!fs::exists(setup.kindred))
    throw Error(ErrorCode::kNotFound,
                fmt::format("'{}' is not there; build it, or name it with --kindred", setup.kindred));
  for (const Workload& workload : Chosen(flags)) {
    const WorkFolder folder(scratch.path());  // one workload's data at a time
    setup.folder = folder.path();
    const size_t n_before = result.workloads.size();
    RunWorkload(signals, workload, setup, flags.run, result);
    result.load["after"] = LoadAverages();
    if (result.workloads.size() > n_before) Show(result, result.workloads.back(), flags.out);
  }
  if (result.rows.empty())
    throw Error(ErrorCode::kUsage, "no case has any of the texts of --only in its name; --list shows the names");
  return result;
}

/// The exit status: 1 where anything is worse.
int ShowComparison(const Result& base, const Result& now, const Flags& flags) {
  const Comparison comparison = Compare(base, now, {flags.threshold});
  std::cout << ComparisonText(comparison, flags.all);
  return comparison.n_regressions > 0 ? 1 : 0;
}

int Run(int argc, char** argv) {
  CLI::App app("Kindred's benches: every workload beside its peers, quality before time.", "kindred-bench");
  Flags flags;
  AddFlags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (flags.price_per_hour > 0) flags.run.price_per_hour = flags.price_per_hour;
  flags.run.peers = !flags.no_peers;
  if (flags.quick && app.count("--rounds") == 0) flags.run.rounds = 1;
  flags.run.progress = [](const std::string& what) { std::cerr << what << std::endl; };
  const Setup setup = NewSetup(flags);
  if (flags.list) {
    List(Chosen(flags), setup, flags.run);
    return 0;
  }
  std::optional<Result> base;  // read first: a bench takes long, and this may be no result
  if (!flags.compare.empty()) base = ReadResult(flags.compare[0]);
  if (flags.compare.size() == 2) return ShowComparison(*base, ReadResult(flags.compare[1]), flags);

  const StopSignals signals;
  const Result result =
      RunAll(signals, flags, setup, "kindred-bench " + ShellWords(std::vector<std::string>(argv + 1, argv + argc)));
  if (!flags.json.empty()) WriteJson(flags.json, result);
  int status = 0;
  for (const Row& row : result.rows) {
    if (row.status != RowStatus::kFailed) continue;
    std::cerr << fmt::format("FAILED: {}, {}, {}: {}\n", row.workload, row.case_name, row.program, row.reason);
    status = 1;
  }
  return base ? std::max(status, ShowComparison(*base, result, flags)) : status;
}

/// `kindred-bench program NAME ARGUMENT...`, as the harness starts itself.
int RunOwnProgram(int argc, char** argv) {
  for (const Workload& workload : AllWorkloads())
    for (const OwnProgram& program : workload.programs)
      if (program.name == argv[2]) return program.run(argc - 2, argv + 2);
  throw Error(ErrorCode::kUsage, fmt::format("there is no program '{}'", argv[2]));
}

}  // namespace
}  // namespace kindred

int main(int argc, char** argv) {
  try {
    const bool program = argc > 2 && std::string_view(argv[1]) == "program";
    const int status = program ? kindred::RunOwnProgram(argc, argv) : kindred::Run(argc, argv);
    kindred::FlushOutput();
    return status;
  } catch (const kindred::Error& error) {
    std::cerr << "kindred-bench: " << error.what() << "\n";
    return error.code() == kindred::ErrorCode::kUsage ? 2 : 1;
  } catch (const std::exception& error) {
    std::cerr << "kindred-bench: " << error.what() << "\n";
    return 1;
  }
}
