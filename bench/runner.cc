#include "bench/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace kindred {
namespace {

using nlohmann::json;

struct Run {
  Answer answer;
  Usage usage;
};

/// A program of a case, and how far it came.
struct Contender {
  const Program* program;
  RowStatus status = RowStatus::kOk;
  std::string reason = {};
  std::vector<std::string> arguments = {};  // of timed runs, beside the command
  Answer shown = {};                        // what its quality is read from
  std::vector<Run> runs = {};

  bool live() const { return status == RowStatus::kOk; }
  void Fail(const std::string& why) {
    status = RowStatus::kFailed;
    reason = why;
    runs.clear();
  }
};

class WorkloadRun {
 public:
  WorkloadRun(const StopSignals& signals, const Workload& workload, const Setup& setup, const RunOptions& options,
              Result& result)
      : signals_(signals), workload_(workload), setup_(setup), options_(options), result_(result) {}

  void Go() {
    bool any = false;
    for (const Case& one : workload_.cases(setup_)) {
      if (!Selected(options_, workload_.name, one.name)) continue;
      if (!std::exchange(any, true))
        result_.workloads.push_back(
            {workload_.name, workload_.title, workload_.description, workload_.metrics, workload_.plot});
      RunCase(one);
    }
  }

 private:
  void RunCase(const Case& one) {
    where_ = workload_.name + ", " + one.name;
    std::vector<Contender> contenders;
    for (const Program& program : one.programs) {
      contenders.push_back({&program});
      if (const std::string why = WhyMissing(program); !why.empty())
        contenders.back().status = RowStatus::kMissing, contenders.back().reason = why;
    }
    const json prepared = Prepare(one, contenders);
    if (one.quality_round) {
      for (Contender& contender : contenders) {
        if (!contender.live()) continue;
        Progress(contender, "quality");
        if (auto run = RunOnce(contender, contender.program->quality_arguments))
          contender.shown = std::move(run->answer);
        if (contender.live()) Check(one, prepared, contender, contender.shown);
      }
      CheckAcross(one, contenders);
      Settle(one, contenders);
    }
    const int rounds = std::min(options_.rounds, one.most_rounds);
    for (int round = 1; round <= rounds; ++round)
      for (Contender& contender : contenders)
        if (contender.live()) Time(one, prepared, contender, fmt::format("run {} of {}", round, rounds));
    if (!one.quality_round) CheckAcross(one, contenders);
    for (const Contender& contender : contenders) AddRows(one, contender, contenders);
  }

  /// What the data's program printed; where it failed, so have all that need it.
  json Prepare(const Case& one, std::vector<Contender>& contenders) {
    if (one.prepare.empty()) return nullptr;
    const std::string command = ShellWords(one.prepare);
    if (const auto found = prepared_.find(command); found != prepared_.end()) return found->second;
    if (options_.progress) options_.progress(where_ + ": making the data");
    const Finished finished = RunProcess(signals_, one.prepare, Errors());
    json said = ParseJson(finished.output);
    if (finished.exit_status != 0 || said.is_discarded()) {
      for (Contender& contender : contenders)
        if (contender.live()) contender.Fail(fmt::format("the data could not be made: {}", finished.errors));
      return nullptr;
    }
    return prepared_[command] = std::move(said);
  }

  std::string WhyMissing(const Program& program) {
    if (program.role != Role::kPeer) return "";
    if (!options_.peers) return "left out by --no-peers";
    if (program.python_module.empty()) return "";
    const auto [known, is_new] = modules_.try_emplace(program.python_module);
    if (is_new) {
      const Finished tried = RunProcess(signals_, {setup_.python, "-c", "import " + program.python_module}, Errors());
      if (tried.exit_status != 0)
        known->second = fmt::format("'{}' cannot import {} (scripts/install_deps.sh --peers installs it)",
                                    setup_.python, program.python_module);
    }
    return known->second;
  }

  /// Nothing where it failed, and the contender says why.
  std::optional<Run> RunOnce(Contender& contender, const std::vector<std::string>& arguments) {
    std::vector<std::string> command = contender.program->command;
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Finished finished = RunProcess(signals_, command, Errors());
    if (finished.exit_status != 0) {
      contender.Fail(fmt::format("exit status {}: {}", finished.exit_status, finished.errors));
      return std::nullopt;
    }
    try {
      return Run{contender.program->read ? contender.program->read(finished)
                                         : ParseAnswer(finished.output, contender.program->name),
                 finished.usage};
    } catch (const Error& error) {
      contender.Fail(error.what());
    } catch (const json::exception& error) {
      contender.Fail(error.what());
    }
    return std::nullopt;
  }

  void Check(const Case& one, const json& prepared, Contender& contender, const Answer& answer) const {
    if (one.prepared_is_answer && contender.program->role != Role::kStage && answer.answer != prepared)
      return contender.Fail(fmt::format("its answer is {}; expected {}", answer.answer.dump(), prepared.dump()));
    for (const Metric& metric : workload_.metrics) {
      const auto value = answer.quality.find(metric.name);
      if (value == answer.quality.end()) continue;
      if (!std::isfinite(value->second)) return contender.Fail(metric.name + " is not finite");
      if (metric.floor && metric.Worse(value->second, *metric.floor))
        return contender.Fail(
            fmt::format("{} is {}; expected {} or better", metric.name, value->second, *metric.floor));
    }
  }

  /// Ours against the peers that passed.
  void CheckAcross(const Case& one, std::vector<Contender>& contenders) const {
    for (Contender& ours : contenders)
      for (const Contender& peer : contenders)
        if (one.same_answer && ours.live() && ours.program->role == Role::kOurs && peer.live() &&
            peer.program->role == Role::kPeer && ours.shown.answer != peer.shown.answer)
          ours.Fail(fmt::format("its answer is {}, and that of {} is {}", ours.shown.answer.dump(), peer.program->name,
                                peer.shown.answer.dump()));
    for (const Metric& metric : workload_.metrics)
      for (Contender& ours : contenders) CheckBesideBest(metric, contenders, ours);
  }

  static bool IsBeside(const Contender& ours, const Contender& peer) {
    const std::string& only = ours.program->only_peer;
    return ours.live() && ours.program->role == Role::kOurs && peer.live() && peer.program->role == Role::kPeer &&
           (only.empty() || only == peer.program->name);
  }

  static void CheckBesideBest(const Metric& metric, const std::vector<Contender>& contenders, Contender& ours) {
    const auto value = ours.shown.quality.find(metric.name);
    if (!metric.across_programs || value == ours.shown.quality.end()) return;
    const Contender* best = nullptr;
    double than = 0;
    for (const Contender& peer : contenders) {
      const auto theirs = peer.shown.quality.find(metric.name);
      if (!IsBeside(ours, peer) || theirs == peer.shown.quality.end()) continue;
      if (best != nullptr && (metric.higher_is_better ? theirs->second <= than : theirs->second >= than)) continue;
      best = &peer;
      than = theirs->second;
    }
    if (best != nullptr && metric.Worse(value->second, than))
      ours.Fail(fmt::format("{} is {}, and {} has {}", metric.name, value->second, best->program->name, than));
  }

  static void Settle(const Case& one, std::vector<Contender>& contenders) {
    if (!one.settle) return;
    std::map<std::string, Answer> answers;
    for (const Contender& contender : contenders)
      if (contender.live()) answers[contender.program->name] = contender.shown;
    const auto arguments = one.settle(answers);
    for (Contender& contender : contenders)
      if (const auto found = arguments.find(contender.program->name); found != arguments.end())
        contender.arguments = found->second;
  }

  void Time(const Case& one, const json& prepared, Contender& contender, const std::string& what) {
    Progress(contender, what);
    auto run = RunOnce(contender, contender.arguments);
    if (!run) return;
    Check(one, prepared, contender, run->answer);
    if (!contender.live()) return;
    if (!one.quality_round && contender.runs.empty()) contender.shown = run->answer;
    if (contender.shown.answer != run->answer.answer)
      return contender.Fail(
          fmt::format("its answer was {} and is {}", contender.shown.answer.dump(), run->answer.answer.dump()));
    contender.runs.push_back(std::move(*run));
  }

  void AddRows(const Case& one, const Contender& contender, const std::vector<Contender>& contenders) {
    Row row;
    row.workload = workload_.name;
    row.case_name = one.name;
    row.program = contender.program->name;
    row.role = contender.program->role;
    row.status = contender.status;
    row.reason = contender.reason;
    row.settings = contender.program->settings;
    row.size = one.size;
    row.quality = contender.shown.quality;
    if (!contender.live()) {
      result_.rows.push_back(std::move(row));
      return;
    }
    row.settings.update(contender.runs.back().answer.settings);
    for (const auto& [name, version] : contender.runs.back().answer.versions.items())
      if (version.is_string()) result_.workloads.back().versions[name] = version;
    std::vector<double> cpu, others;
    int64_t peak = 0;
    for (const Run& run : contender.runs) {
      cpu.push_back(run.usage.cpu_seconds);
      others.push_back(run.usage.others_share);
      peak = std::max(peak, run.answer.peak_rss_bytes.value_or(run.usage.peak_rss_bytes));
    }
    row.peak_rss_bytes = peak;
    row.cpu_seconds = SpreadOf(cpu).median;
    row.others_share = SpreadOf(others).max;
    const json settings = row.settings;
    for (const auto& [measure, first] : contender.runs.front().answer.measures) {
      row.measure = measure;
      row.settings = settings;
      row.settings.update(first.settings);
      Fill(contender, contenders, row);
      result_.rows.push_back(row);
    }
  }

  /// One figure of each run that has the measure.
  template <typename Get>
  static std::vector<double> Figures(const Contender& contender, const std::string& measure, Get get) {
    std::vector<double> figures;
    for (const Run& run : contender.runs)
      if (const auto found = run.answer.measures.find(measure); found != run.answer.measures.end())
        if (const std::optional<double> figure = get(found->second, run)) figures.push_back(*figure);
    return figures;
  }
  static std::vector<double> Seconds(const Contender& contender, const std::string& measure) {
    return Figures(contender, measure, [](const Measure& m, const Run&) { return std::optional<double>(m.seconds); });
  }
  static std::optional<Spread> MaybeSpread(const std::vector<double>& values) {
    return values.empty() ? std::nullopt : std::optional<Spread>(SpreadOf(values));
  }

  void Fill(const Contender& contender, const std::vector<Contender>& contenders, Row& row) const {
    const std::string& name = row.measure;
    const Measure& first = contender.runs.front().answer.measures.at(name);
    row.seconds = SpreadOf(Seconds(contender, name));
    row.p50_seconds = MaybeSpread(Figures(contender, name, [](const Measure& m, const Run&) { return m.p50_seconds; }));
    row.p99_seconds = MaybeSpread(Figures(contender, name, [](const Measure& m, const Run&) { return m.p99_seconds; }));
    row.unit = first.unit;
    row.work = first.work;
    const auto cost = [](const Measure& m, const Run& run) {
      return std::optional<double>(m.cpu_seconds.value_or(run.usage.cpu_seconds) / m.work);
    };
    row.cost_cpu_seconds = SpreadOf(Figures(contender, name, cost)).median;
    if (options_.price_per_hour)
      row.cost_money = *row.cost_cpu_seconds * *options_.price_per_hour / 3600 / result_.machine.value("cores", 1);
    row.ratios.clear();
    if (row.role != Role::kOurs) return;
    for (const Contender& peer : contenders) {
      if (!IsBeside(contender, peer)) continue;
      const std::vector<double> theirs = Seconds(peer, name);
      if (!theirs.empty()) row.ratios[peer.program->name] = RatioOf(row.seconds->all, theirs);
    }
  }

  void Progress(const Contender& contender, const std::string& what) const {
    if (options_.progress) options_.progress(fmt::format("{}: {}, {}", where_, contender.program->name, what));
  }
  std::filesystem::path Errors() const { return setup_.folder / "errors.txt"; }

  const StopSignals& signals_;
  const Workload& workload_;
  const Setup& setup_;
  const RunOptions& options_;
  Result& result_;
  std::string where_;
  std::map<std::string, json> prepared_;
  std::map<std::string, std::string> modules_;  // why it is missing; empty: it is there
};

}  // namespace

bool Selected(const RunOptions& options, const std::string& workload, const std::string& case_name) {
  const std::string name = workload + "/" + case_name;
  return options.only.empty() || std::any_of(options.only.begin(), options.only.end(),
                                             [&](const std::string& part) { return name.find(part) != name.npos; });
}

void RunWorkload(const StopSignals& signals, const Workload& workload, const Setup& setup, const RunOptions& options,
                 Result& result) {
  WorkloadRun(signals, workload, setup, options, result).Go();
}

}  // namespace kindred
