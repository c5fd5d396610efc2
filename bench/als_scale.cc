// What a training costs by the size of its data, from nothing to a published version: generate, prepare, train.
#include <fmt/format.h>

#include <cmath>
#include <string>

#include "bench/workloads.h"
#include "host/report/format.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int kFactors = 64, kEpochs = 3;  // the description says so, too

Measure WholeRun(const Finished& finished, double work, const char* unit) {
  return {finished.usage.wall_seconds, finished.usage.cpu_seconds, work / 1e6, unit, {}, {}};
}

Answer ReadGenerated(const Finished& finished) {
  const json report = json::parse(finished.output);
  Answer answer;
  answer.measures["a run"] = WholeRun(finished, report.at("n_events").get<double>(), "million events");
  answer.answer = {{"n_events", report.at("n_events")}};
  return answer;
}

Answer ReadPrepared(const Finished& finished) {
  const json report = json::parse(finished.output);
  Answer answer;
  answer.measures["a run"] = WholeRun(finished, report.at("n_events").get<double>(), "million events");
  for (const char* figure : {"n_events", "n_users", "n_items", "n_entries"}) answer.answer[figure] = report.at(figure);
  answer.settings = {{"entries", report.at("n_entries")}};
  return answer;
}

Answer ReadTrained(const Finished& finished) {
  const json report = json::parse(finished.output);
  const auto entries = report.at("n_entries").get<double>();
  double last = HUGE_VAL;
  for (const json& epoch : report.at("epochs")) {
    const auto loss = epoch.at("loss").get<double>();
    if (!(loss < last))
      throw Error(ErrorCode::kNumeric, fmt::format("the loss of epoch {} is {}; expected less than {}",
                                                   epoch.at("epoch").dump(), loss, last));
    last = loss;
  }
  Answer answer;
  answer.measures["a run"] = WholeRun(finished, entries, "million entries");
  answer.measures["fit"] = {report.at("seconds").at("fit").get<double>(), {}, entries / 1e6, "million entries", {}, {}};
  answer.quality = {{"loss", report.at("loss").get<double>()}};
  answer.answer = {{"loss", report.at("loss")}};
  const json& plan = report.at("plan");
  answer.settings = {{"entries", report.at("n_entries")},
                     {"users", report.at("n_users")},
                     {"items", report.at("n_items")},
                     {"planned seconds", NumberText(plan.at("seconds").at("total").get<double>())},
                     {"planned memory", BytesText(plan.at("peak_memory_bytes").get<int64_t>())}};
  return answer;
}

Case ScaleCase(const Setup& setup, int64_t n_events) {
  const std::string shop = setup.folder / "shop", dataset = setup.folder / "dataset", store = setup.folder / "models";
  const std::string threads = std::to_string(setup.n_threads);
  Case one;
  one.name = ShortText(static_cast<double>(n_events)) + " events";
  one.size = static_cast<double>(n_events);
  one.quality_round = false;  // each step makes the data of the next
  one.most_rounds = n_events > 20'000'000 ? 1 : 3;
  one.programs = {
      {.name = "kindred generate",
       .role = Role::kStage,
       .command = {setup.kindred, "generate", "--out", shop, "--overwrite", "--events", std::to_string(n_events),
                   "--users", std::to_string(std::max<int64_t>(100, n_events / 50)), "--items",
                   std::to_string(std::max<int64_t>(100, n_events / 400)), "--days", "365", "--json"},
       .read = ReadGenerated},
      {.name = "kindred prepare",
       .role = Role::kStage,
       .command = {setup.kindred, "prepare", shop + "/events.csv", "--out", dataset, "--overwrite", "--json"},
       .read = ReadPrepared},
      {.name = "kindred train",
       .role = Role::kStage,
       .command = {setup.kindred, "train", dataset, "--store", store, "--model", "scale", "--algorithm", "als",
                   "--n-factors", std::to_string(kFactors), "--epochs", std::to_string(kEpochs), "--backend", "cpu",
                   "--threads", threads, "--json"},
       .settings = {{"factors", kFactors}, {"epochs", kEpochs}},
       .read = ReadTrained}};
  return one;
}

std::vector<Case> Cases(const Setup& setup) {
  std::vector<Case> cases;
  const std::vector<int64_t> sizes =
      setup.quick ? std::vector<int64_t>{3000, 10'000}
                  : std::vector<int64_t>{1'000'000, 3'000'000, 10'000'000, 30'000'000, 100'000'000};
  for (const int64_t n_events : sizes) cases.push_back(ScaleCase(setup, n_events));
  return cases;
}

}  // namespace

Workload AlsScaleWorkload() {
  Workload workload;
  workload.name = "als-scale";
  workload.title = "The cost of a training by the size of its data";
  workload.description =
      R"(`kindred generate`, `prepare` and `train` one after another, as a user runs them: events of a made-up shop
with types, times and ids, a user for every 50 of them and an item for every 400; ALS with 64 factors, 3 epochs. A run
of `train` reads the dataset, says what it will take (*planned*, what `train --plan` prints), fits, and publishes a
synced and checksummed version; the loss must fall with every epoch. Sizes above 20 million events are run once.)";
  workload.metrics = {{.name = "loss", .higher_is_better = false, .tolerance = 1e-3, .relative = true}};
  workload.plot = Workload::Plot::kCurve;
  workload.cases = Cases;
  return workload;
}

}  // namespace kindred
