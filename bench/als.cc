// ALS beside implicit: an epoch, and the time to equal quality.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>

#include "bench/als_data.h"
#include "bench/statistics.h"
#include "bench/workloads.h"
#include "host/evaluation/metrics.h"
#include "host/models/als.h"
#include "host/ranking/ranker.h"
#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr const char* kNdcgAt20 = "ndcg_at_20";
constexpr int64_t kCurveUsers = 5000;    // whose lists are looked at after every epoch
constexpr double kEqualQuality = 0.995;  // of the best NDCG of the program that reaches least

struct ProgramOptions {
  std::string data;
  AlsOptions als;
  int n_threads = 0;
  bool show_quality = false;
  int64_t epochs_to_quality = 0;
};

Holdout HoldoutOf(const Csr& test, int64_t most_users) {
  Holdout holdout;
  holdout.relevant.n_rows = test.n_rows;
  holdout.relevant.n_cols = test.n_cols;
  int64_t n_users = 0;
  for (size_t user = 0; user < static_cast<size_t>(test.n_rows); ++user) {
    const auto first = test.indices.begin() + test.indptr[user], last = test.indices.begin() + test.indptr[user + 1];
    if (first != last && n_users++ < most_users)
      holdout.relevant.indices.insert(holdout.relevant.indices.end(), first, last);
    holdout.relevant.indptr.push_back(static_cast<int64_t>(holdout.relevant.indices.size()));
  }
  holdout.relevant.values.assign(holdout.relevant.indices.size(), 1.0f);
  holdout.n_missing_items.assign(static_cast<size_t>(test.n_rows), 0);
  return holdout;
}

json Quality(Backend& backend, const Csr& train, const Holdout& holdout, const AlsFactors& factors) {
  const std::vector<float> popularity = ItemPopularity(train.view());
  ModelView model;
  model.algorithm = "als";
  model.history = train.view();
  model.popularity = popularity;
  factors.SetIn(&model);
  const json metrics = MetricsJson(Evaluate(Ranker(backend, model, nullptr), holdout, 20));
  return {{"recall_at_20", metrics.at("recall_at_20")}, {kNdcgAt20, metrics.at(kNdcgAt20)}};
}

/// The NDCG after each number of epochs. A fit of fewer epochs is the beginning of one of more, bit for bit.
json Curve(Backend& backend, const TrainAndTest& data, AlsOptions options) {
  const Holdout holdout = HoldoutOf(data.test, kCurveUsers);
  json curve = json::array();
  const int64_t last = options.epochs;
  for (options.epochs = 1; options.epochs <= last; ++options.epochs) {
    const AlsFactors factors = FitAls(backend, data.train.view(), options);
    curve.push_back(Quality(backend, data.train, holdout, factors).at(kNdcgAt20));
  }
  return curve;
}

double Median(std::vector<double> values) {
  return SpreadOf(std::move(values)).median;
}

json Fit(const ProgramOptions& options) {
  using Clock = std::chrono::steady_clock;
  const TrainAndTest data = ReadInteractions(options.data);
  CpuBackend backend(options.n_threads);
  std::vector<double> seconds, cpu;
  auto last = Clock::now();
  double last_cpu = OwnCpuSeconds();
  const auto lap = [&] {
    const auto now = Clock::now();
    const double now_cpu = OwnCpuSeconds();
    seconds.push_back(std::chrono::duration<double>(now - std::exchange(last, now)).count());
    cpu.push_back(now_cpu - std::exchange(last_cpu, now_cpu));
  };
  const AlsFactors factors = FitAls(backend, data.train.view(), options.als, [&](const AlsEpoch&) { lap(); });
  lap();  // the last solve of the users

  const double million = static_cast<double>(data.train.indices.size()) / 1e6;
  const auto without_first = [](std::vector<double> laps) {
    laps.pop_back();
    if (laps.size() > 1) laps.erase(laps.begin());
    return laps;
  };
  json report = {{"answer", {{"loss", factors.loss}}}, {"quality", {{"loss", factors.loss}}}};
  report["measures"]["an epoch"] = {{"seconds", Median(without_first(seconds))},
                                    {"cpu_seconds", Median(without_first(cpu))},
                                    {"work", million},
                                    {"unit", "million entries"}};
  if (options.epochs_to_quality > 0) {
    double all = seconds.back(), all_cpu = cpu.back();
    for (int64_t epoch = 0; epoch < options.epochs_to_quality; ++epoch) {
      all += seconds[static_cast<size_t>(epoch)];
      all_cpu += cpu[static_cast<size_t>(epoch)];
    }
    report["measures"]["to equal quality"] = {
        {"seconds", all}, {"cpu_seconds", all_cpu}, {"work", 1}, {"unit", "model"}};
    report["settings"] = {{"epochs to equal quality", options.epochs_to_quality}};
  }
  if (options.show_quality) {
    report["quality"].update(Quality(backend, data.train, HoldoutOf(data.test, data.test.n_rows), factors));
    report["curve"] = Curve(backend, data, options.als);
  }
  return report;
}

int RunAls(int argc, char** argv) {
  CLI::App app("One fit of ALS.");
  ProgramOptions options;
  AlsOptions& als = options.als;
  app.add_option("--data", options.data)->required();
  app.add_option("--n-factors", als.n_factors);
  app.add_option("--regularization", als.objective.regularization);
  app.add_option("--regularization-exponent", als.objective.regularization_exponent);
  app.add_option("--unobserved-weight", als.objective.unobserved_weight);
  app.add_option("--epochs", als.epochs)->check(CLI::Range(1, 1000));
  app.add_option("--epochs-to-quality", options.epochs_to_quality);
  app.add_option("--threads", options.n_threads);
  app.add_flag("--show-quality", options.show_quality);
  CLI11_PARSE(app, argc, argv);
  options.epochs_to_quality = std::min(options.epochs_to_quality, als.epochs);
  std::cout << Fit(options).dump() << "\n";
  return 0;
}

/// Equal quality is 99.5 % of the best NDCG of the program whose best is least; each program's number of epochs to it.
std::map<std::string, std::vector<std::string>> Settle(const std::map<std::string, Answer>& answers) {
  double target = HUGE_VAL;
  for (const auto& [name, answer] : answers) {
    double best = 0;
    for (const double ndcg : answer.curve) best = std::max(best, ndcg);
    target = std::min(target, kEqualQuality * best);
  }
  std::map<std::string, std::vector<std::string>> arguments;
  for (const auto& [name, answer] : answers) {
    size_t epochs = 0;
    while (epochs < answer.curve.size() && answer.curve[epochs] < target) ++epochs;
    arguments[name] = {"--epochs-to-quality", std::to_string(epochs + 1)};
  }
  return arguments;
}

/// What a program of a case is told, as options and as the table shows it.
struct Fitting {
  double regularization = 0;
  double weight = 0;  // of all pairs (Kindred), alpha (implicit)
  int epochs = 0;
  double exponent = 1;  // of the regularization (Kindred)
};

std::vector<std::string> Options(const Setup& setup, const InteractionSet& data, int n_factors, const Fitting& fitting,
                                 const char* weight) {
  return {"--data",
          data.folder,
          "--n-factors",
          std::to_string(n_factors),
          "--epochs",
          std::to_string(fitting.epochs),
          "--threads",
          std::to_string(setup.n_threads),
          "--regularization",
          fmt::format("{}", fitting.regularization),
          weight,
          fmt::format("{}", fitting.weight)};
}

Case AlsCase(const Setup& setup, const InteractionSet& data, int n_factors, const Fitting& ours, const Fitting& peer,
             const Fitting& exact_peer) {
  Case one;
  one.name = fmt::format("{}, {} factors", data.name, n_factors);
  one.prepare = data.prepare;
  one.settle = Settle;
  std::vector<std::string> own = Options(setup, data, n_factors, ours, "--unobserved-weight");
  own.insert(own.end(), {"--regularization-exponent", fmt::format("{}", ours.exponent)});
  one.programs.push_back({.name = "kindred",
                          .command = setup.Own("als", own),
                          .settings = {{"epochs", ours.epochs},
                                       {"regularization", ours.regularization},
                                       {"regularization exponent", ours.exponent},
                                       {"unobserved weight", ours.weight}}});
  const auto add_peer = [&](const char* name, const Fitting& fitting, const std::vector<std::string>& more) {
    std::vector<std::string> words = Options(setup, data, n_factors, fitting, "--alpha");
    words.insert(words.end(), more.begin(), more.end());
    one.programs.push_back({.name = name,
                            .role = Role::kPeer,
                            .command = setup.Peer("als.py", words),
                            .settings = {{"epochs", fitting.epochs},
                                         {"regularization", fitting.regularization},
                                         {"alpha", fitting.weight}},
                            .python_module = "implicit"});
  };
  add_peer("implicit, 3 CG steps", peer, {});
  if (exact_peer.epochs > 0) add_peer("implicit, Cholesky", exact_peer, {"--exact"});
  for (Program& program : one.programs) program.quality_arguments = {"--show-quality"};
  return one;
}

std::vector<Case> Cases(const Setup& setup) {
  std::vector<Case> cases;
  for (const InteractionSet& data : InteractionSets(setup)) {
    const auto add = [&](int n_factors, const Fitting& ours, const Fitting& cg, const Fitting& cholesky) {
      cases.push_back(AlsCase(setup, data, n_factors, ours, cg, cholesky));
    };
    if (data.name == "gowalla") {  // ours as in the README; implicit's the best of those published for this split
      add(64, {0.003, 0.02, 8}, {10, 40, 15}, {1, 40, 15});
      add(128, {0.003, 0.03, 8}, {50, 40, 15}, {50, 40, 15});
      add(256, {0.005, 0.02, 8}, {50, 40, 15}, {});
    } else if (setup.quick) {
      add(16, {0.03, 0.1, 6}, {10, 10, 6}, {10, 10, 6});
    } else {  // one objective for all (ARCHITECTURE.md has the conversion)
      const Fitting ours{40, 0.1, 6, 0}, cg{400, 10, 8}, cholesky{400, 10, 6};
      add(64, ours, cg, cholesky);
      add(128, ours, cg, {});
      add(256, ours, cg, {});
    }
  }
  return cases;
}

}  // namespace

Workload AlsWorkload() {
  Workload workload;
  workload.name = "als";
  workload.title = "ALS beside implicit";
  workload.description =
      R"(Fits of implicit feedback; Kindred is exact. *An epoch* is a fit's median without the first. *To equal
quality* is the time of as many epochs as it takes to 99.5 % of the best NDCG@20 of the program whose best is least,
with Kindred's last solve of the users; how many those are was found beforehand, on the first 5,000 held-out users.
Reading the data is in none of the times; memory is the whole process's. gowalla: 29,858 users x 40,981 items, 810,128
entries, the LightGCN split. 10M entries: 138,000 users x 27,000 items with planted tastes (`bench/als_data.h`), a
fifth of the items of every 27th user held out, and one objective for all programs. implicit's Cholesky is left out
where an epoch takes it tens of seconds.)";
  workload.metrics = {
      {.name = "recall_at_20", .tolerance = 0.002},
      {.name = kNdcgAt20, .tolerance = 0.002},
      {.name = "loss", .higher_is_better = false, .tolerance = 1e-3, .relative = true, .across_programs = false}};
  workload.cases = Cases;
  workload.programs = {{"als", RunAls}, {"make-interactions", RunMakeInteractions}};
  return workload;
}

}  // namespace kindred
