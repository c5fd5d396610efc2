#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <optional>

#include "host/store/files.h"
#include "training/commands.h"
#include "training/evaluating.h"
#include "training/search_space.h"
#include "training/split_options.h"
#include "training/stop_request.h"
#include "training/train_flags.h"
#include "training/tuning.h"
#include "training/tuning_report.h"
#include "training/tuning_text.h"
#include "training/weighting_options.h"

namespace kindred {
namespace {

constexpr int64_t kMostEpochs = 32;

struct TuneFlags {
  TuneOptions options;
  WeightingFlags weighting;
  SplitFlags split;
  std::string gram_precision = "bf16x3";
  std::optional<int64_t> max_epochs, max_items;
  std::string report;
  bool json = false;
};

/// What a training must be told so that it sees the events that the trials saw, and holds out what they did not.
std::vector<ConfigFlag> Config(const TuneFlags& flags) {
  std::vector<ConfigFlag> config;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) config.push_back({name, {value}});
  };
  if (!flags.weighting.event_weights.empty()) config.push_back({"event-weight", flags.weighting.event_weights, true});
  add("value-cap", flags.weighting.value_cap);
  add("confidence-cap", flags.weighting.confidence_cap);
  add("half-life", flags.weighting.half_life);
  if (flags.max_items) add("max-items", fmt::format("{}", *flags.max_items));
  const SplitOptions split = flags.split.Split(0);
  if (split.kind == SplitKind::kNone) return config;
  add("split", flags.split.kind);
  if (split.kind == SplitKind::kLeaveLastN)
    add("holdout-n", fmt::format("{}", split.n));
  else if (!split.has_moment)
    add("holdout-fraction", fmt::format("{}", split.fraction));
  else
    add("split-time", flags.split.time);
  return config;
}

TuneOptions Resolve(const TuneFlags& flags) {
  TuneOptions options = flags.options;
  options.train.weighting = flags.weighting.Changes();
  options.train.split = flags.split.Split(options.train.als.seed);
  options.train.gram_precision = ParseGramPrecision(flags.gram_precision);
  CheckFlagIsFor("--max-epochs", flags.max_epochs.has_value(), options.train.algorithm, {"als"});
  CheckFlagIsFor("--max-items", flags.max_items.has_value(), options.train.algorithm, {"ease"});
  options.train.als.epochs = flags.max_epochs.value_or(kMostEpochs);
  options.train.max_items = flags.max_items.value_or(options.train.max_items);
  options.config = Config(flags);
  return options;
}

int RunTune(const TuneFlags& flags) {
  const TuneOptions options = Resolve(flags);
  CheckOutside({options.out, JournalPath(options), flags.report}, {options.train.dataset});
  CheckApart({options.out, JournalPath(options), flags.report});
  if (!flags.report.empty()) CheckNewFile(flags.report, options.overwrite || options.resume);
  TuneEvents events;
  events.stage = [](const std::string& message) { spdlog::info("{}", message); };
  events.warning = [](const std::string& message) { spdlog::warn("{}", message); };
  const StopRequest stop;
  events.stop = [&] { return stop.reason(); };
  const nlohmann::json report = Tune(options, events);
  if (!flags.report.empty()) WriteNewFile(flags.report, TuningReportHtml(report), options.overwrite || options.resume);
  if (flags.json)
    PrintJson(report);
  else
    std::cout << TuneText(report);
  return 0;
}

}  // namespace

void AddTuneCommand(CommandLine& program) {
  auto flags = std::make_shared<TuneFlags>();
  CLI::App* app = program.Add("tune", "Searches the settings of an algorithm that suit a dataset, for train",
                              [flags] { return RunTune(*flags); });
  TuneOptions& options = flags->options;
  TrainOptions& train = options.train;
  app->add_option("dataset", train.dataset, "the dataset's folder, as prepare wrote it")->required();
  app->add_option("--algorithm", train.algorithm, fmt::format("{}", fmt::join(TunableAlgorithms(), " or ")))
      ->check(Accepts([](const std::string& name) { SpaceOf(name); }, "ALGORITHM"));
  app->add_option("--trials", options.n_trials, "how many settings are tried")->check(Within(1, 100'000));
  app->add_option("--out", options.out, "the TOML file for train; trials are written beside it, into FILE.trials.jsonl")
      ->required()
      ->type_name("FILE");
  app->add_option("--set", options.settings,
                  "of a parameter: n-factors=128 fixes it, regularization=0.001..0.1 bounds it, n-factors=64,128 "
                  "chooses among numbers; repeat for more")
      ->allow_extra_args(false);
  app->add_option("--max-epochs", flags->max_epochs,
                  "of a trial, which ends when epochs no longer gain (als); default: 32")
      ->check(Within(1, 1e6));
  app->add_option("--max-items", flags->max_items, "the largest catalogue whose inverse is made (ease); default: 20000")
      ->check(Within(1, kMaxInverseRows));
  app->add_option("--metric", options.metric, "what is searched by: ndcg or recall, of lists of --k items")
      ->check(CLI::IsMember({"ndcg", "recall"}));
  app->add_option("--k", train.k, "length of the evaluated lists")->check(Within(1, 100'000));
  app->add_option("--validation-fraction", options.validation_fraction,
                  "of a user's items that trials do not see and are measured on")
      ->check(Within(1e-9, 1 - 1e-9));
  app->add_option("--max-users", options.max_users, "measure on about so many users; 0: all")->check(Within(0, 1e12));
  app->add_option("--seed", train.als.seed, "of the search, the slice and the fits, and of a random split")
      ->check(Within(0, kLargestSeed));
  app->add_option("--threads", train.n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_option("--backend", train.backend, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_option("--gram-precision", flags->gram_precision,
                  "of long rows on a GPU: bf16x3 (tensor cores, relative error about 1e-5) or float32")
      ->check(CLI::IsMember({"bf16x3", "float32"}));
  AddWeightingFlags(*app, "as the dataset was prepared", flags->weighting);
  AddSplitFlags(*app, flags->split);
  app->add_flag("--resume", options.resume)->description("go on with the search of the same command that was ended");
  app->add_option("--report", flags->report, "write the report as one HTML page to look at, too")->type_name("FILE");
  app->add_flag("--overwrite", options.overwrite)->description("replace the files of another search");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
