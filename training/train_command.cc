#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>

#include "host/cli/progress.h"
#include "host/intake/inputs.h"
#include "host/text/field_values.h"
#include "kernels/select.h"
#include "training/commands.h"
#include "training/metrics_text.h"
#include "training/pipeline.h"
#include "training/reader_options.h"
#include "training/weighting_options.h"

namespace kindred {
namespace {

constexpr double kLargestWeight = 1e30;  // what a float holds with room to add and multiply

struct TrainFlags {
  TrainOptions options;
  ReaderFlags test;
  WeightingFlags weighting;
  std::string split = "none";
  std::string split_time;
  std::string gram_precision = "bf16x3";
  bool no_refit = false;
  bool json = false;
};

CLI::Validator IsTime() {
  const auto check = [](const std::string& text) {
    int64_t moment = 0;
    const char* wrong = ParseTime(text, &moment);
    return wrong == nullptr ? std::string() : fmt::format("'{}': {}", text, wrong);
  };
  return CLI::Validator(check, "TIME", "time");
}

TrainOptions Resolve(const TrainFlags& flags) {
  TrainOptions options = flags.options;
  options.test_paths = ExpandInputs(options.test_paths);
  options.test_reader = flags.test.Options(options.test_paths);
  options.weighting = flags.weighting.Changes();
  options.gram_precision = ParseGramPrecision(flags.gram_precision);
  options.split.kind = ParseSplitKind(flags.split);
  options.split.seed = options.als.seed;
  options.refit = !flags.no_refit;
  if (!flags.split_time.empty()) {
    ParseTime(flags.split_time, &options.split.moment);  // it was checked
    options.split.has_moment = true;
  }
  return options;
}

int RunTrain(const TrainFlags& flags) {
  const TrainOptions options = Resolve(flags);
  std::unique_ptr<Progress> progress;
  const auto log = [&](spdlog::level::level_enum level, const std::string& message) {
    progress.reset();
    spdlog::log(level, "{}", message);
    progress = std::make_unique<Progress>(options.algorithm, options.als.epochs, "epoch");
  };
  TrainEvents events;
  events.stage = [&](const std::string& message) { log(spdlog::level::info, message); };
  events.warning = [&](const std::string& message) { log(spdlog::level::warn, message); };
  events.epoch = [&](const AlsEpoch& epoch) { progress->Step(epoch.epoch, fmt::format("loss {:.6g}", epoch.loss)); };
  const nlohmann::json report = Train(options, events);
  if (flags.json) {
    PrintJson(report);
    return 0;
  }
  std::cout << fmt::format("{} version {}: {}, {} users x {} items, {} entries, trained on {}\n", options.model,
                           report["version"].get<int64_t>(), options.algorithm, report["n_users"].get<int64_t>(),
                           report["n_items"].get<int64_t>(), report["n_entries"].get<int64_t>(),
                           report["trained_on"].get<std::string>());
  if (report.contains("metrics")) std::cout << MetricsText(report);
  if (report.contains("fell_back")) std::cout << "on the CPU: " << report["fell_back"].get<std::string>() << "\n";
  std::cout << "published " << report["path"].get<std::string>() << "\n";
  return 0;
}

}  // namespace

void AddTrainCommand(CommandLine& program) {
  auto flags = std::make_shared<TrainFlags>();
  CLI::App* app = program.Add("train", "Trains a model on a dataset and publishes it in a store",
                              [flags] { return RunTrain(*flags); });
  TrainOptions& options = flags->options;
  app->add_option("dataset", options.dataset, "the dataset's folder, as prepare wrote it")->required();
  app->add_option("--store", options.store, "the model store's folder");
  app->add_option("--model", options.model, "the model's name in the store")->required();
  app->add_option("--algorithm", options.algorithm, "als or popularity")->check(CLI::IsMember({"als", "popularity"}));
  app->add_option("--n-factors", options.als.n_factors, "length of the factor vectors")->check(Within(1, 4096));
  app->add_option("--regularization", options.als.objective.regularization, "weight of |x|^2, times n^exponent")
      ->check(Within(0, kLargestWeight));
  app->add_option("--regularization-exponent", options.als.objective.regularization_exponent,
                  "how regularization grows with a row's entries; 0: not at all")
      ->check(Within(0, kLargestWeight));
  app->add_option("--unobserved-weight", options.als.objective.unobserved_weight,
                  "weight of all pairs against the observed ones' confidences")
      ->check(Within(0, kLargestWeight));
  app->add_option("--epochs", options.als.epochs, "sweeps over users and items")->check(Within(1, 1e6));
  app->add_option("--seed", options.als.seed, "of the starting factors, and of a random split")
      ->check(Within(0, kLargestSeed));
  app->add_option("--threads", options.n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_option("--backend", options.backend, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_option("--gram-precision", flags->gram_precision,
                  "of long rows on a GPU: bf16x3 (tensor cores, relative error about 1e-5) or float32")
      ->check(CLI::IsMember({"bf16x3", "float32"}));
  AddWeightingFlags(*app, "as the dataset was prepared", flags->weighting);
  app->add_option("--test", options.test_paths, "files of held-out interactions: evaluated on, never trained on")
      ->allow_extra_args(false);
  AddReaderFlags(*app, "test-", flags->test);
  app->add_option("--split", flags->split, "hold out: none, random, leave-last-n or time")
      ->check(CLI::IsMember({"none", "random", "leave-last-n", "time"}));
  app->add_option("--holdout-fraction", options.split.fraction, "of the pairs (random) or of the events (time)")
      ->check(Within(1e-9, 1 - 1e-9));
  app->add_option("--holdout-n", options.split.n, "items of each user (leave-last-n)")->check(Within(1, 1e9));
  app->add_option("--split-time", flags->split_time, "hold out what is not before this moment (time)")->check(IsTime());
  app->add_flag("--no-refit", flags->no_refit)
      ->description("publish the evaluated model, not one trained on everything");
  app->add_option("--k", options.k, "length of the evaluated lists")->check(Within(1, 100'000));
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
