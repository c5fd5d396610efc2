#include "training/train_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "host/cli/command_line.h"
#include "host/cli/config_file.h"
#include "host/intake/inputs.h"
#include "host/models/explicit_als.h"
#include "host/text/text.h"
#include "kernels/select.h"
#include "training/checkpoints.h"
#include "training/commands.h"
#include "training/differences.h"
#include "training/linear_fitting.h"

namespace kindred {
namespace {

CLI::Validator IsAutoOr(double least, double most) {
  const CLI::Validator within = Within(least, most);
  const auto check = [within](std::string& text) { return text == "auto" ? std::string() : within(text); };
  return CLI::Validator(check, "auto or NUMBER", "auto_or_number");
}

AlsObjective Objective(const TrainFlags& flags) {
  AlsObjective objective = flags.options.als.objective;
  const auto refuse = [&](const char* flag, const char* other) {
    throw Error(ErrorCode::kUsage, fmt::format("{} is for --feedback {}, and this is {}", flag, other, flags.feedback));
  };
  if (flags.feedback == "explicit") {
    if (flags.unobserved_weight) refuse("--unobserved-weight", "implicit");
    if (flags.solver.Solver().method != AlsMethod::kExact) refuse("--solver", "implicit");
    objective.feedback = Feedback::kExplicit;
    objective.unobserved_weight = 0;
    objective.regularization = kRatingRegularization;
    objective.regularization_exponent = kRatingRegularizationExponent;
  } else {
    if (flags.bias_regularization) refuse("--bias-regularization", "explicit");
    if (flags.options.relevant_rating) refuse("--relevant-rating", "explicit");
  }
  objective.unobserved_weight = flags.unobserved_weight.value_or(objective.unobserved_weight);
  objective.regularization = flags.regularization.value_or(objective.regularization);
  objective.regularization_exponent = flags.regularization_exponent.value_or(objective.regularization_exponent);
  objective.bias_regularization = flags.bias_regularization.value_or(objective.bias_regularization);
  return objective;
}

/// Refuses what the algorithm has no use for: nothing that is told is without effect.
void CheckAlgorithm(const TrainFlags& flags) {
  const auto only = [&](const char* flag, bool given, std::initializer_list<std::string_view> of) {
    CheckFlagIsFor(flag, given, flags.options.algorithm, of);
  };
  only("--n-factors", flags.n_factors.has_value(), {"als", "svd", "svd-filter", "content"});
  only("--regularization", flags.regularization.has_value(), {"als", "ease"});
  only("--regularization-exponent", flags.regularization_exponent.has_value(), {"als"});
  only("--unobserved-weight", flags.unobserved_weight.has_value(), {"als"});
  only("--bias-regularization", flags.bias_regularization.has_value(), {"als"});
  only("--epochs", flags.epochs.has_value(), {"als"});
  only("--solver", flags.solver.method.has_value(), {"als"});
  only("--checkpoint-every", flags.checkpoint_every.has_value(), {"als"});
  only("--svd-tolerance", flags.svd_tolerance.has_value(), {"svd", "svd-filter", "content"});
  only("--svd-shrinkage", flags.svd_shrinkage.has_value(), {"svd"});
  only("--component", !flags.components.empty(), {"blend"});
  only("--n-bands", flags.n_bands.has_value(), {"blend"});
}

constexpr std::string_view kOfAPart[] = {"algorithm",
                                         "n-factors",
                                         "regularization",
                                         "regularization-exponent",
                                         "unobserved-weight",
                                         "epochs",
                                         "solver",
                                         "cg-steps",
                                         "block-size",
                                         "seed",
                                         "svd-tolerance",
                                         "svd-shrinkage",
                                         "n-neighbours",
                                         "alpha",
                                         "beta",
                                         "low-pass-weight",
                                         "spectrum-power",
                                         "popularity-exponent",
                                         "target-exponent",
                                         "max-items"};
constexpr std::string_view kOfTheWeighting[] = {"event-weight", "value-cap", "confidence-cap", "half-life"};
constexpr std::string_view kOfTheSplit[] = {"split", "holdout-fraction", "holdout-n", "split-time"};

bool IsOneOf(std::span<const std::string_view> keys, std::string_view key) {
  return std::ranges::find(keys, key) != keys.end();
}

/// The settings of the weighting that are told, as WeightingJson has them; the dataset has the others.
nlohmann::json Told(const WeightingChanges& changes) {
  nlohmann::json told = WeightingJson(changes.Of({}));
  if (!changes.event_weights) told.erase("event_weights");
  if (!changes.value_cap) told.erase("value_cap");
  if (!changes.confidence_cap) told.erase("confidence_cap");
  if (!changes.half_life) told.erase("half_life_seconds");
  return told;
}

/// The settings of a blend's part: what decides its fit, and where the file says of which events, those of the blend,
/// since settings found on others, or on what the blend holds out, would not be what they seem.
TrainOptions ReadComponent(const std::string& path, const TrainFlags& blend) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kUsage, fmt::format("--component {}: {}", Printable(path), what));
  };
  CLI::App app("", "train");
  TrainFlags part;
  AddTrainFlags(app, part);
  for (CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) option->required(false);
  std::vector<std::string> arguments = ConfigArguments(app, path, {});
  std::vector<std::string> keys;
  for (const std::string& argument : arguments) keys.push_back(argument.substr(2, argument.find('=') - 2));
  for (const std::string& key : keys)
    if (!IsOneOf(kOfAPart, key) && !IsOneOf(kOfTheWeighting, key) && !IsOneOf(kOfTheSplit, key))
      refuse(fmt::format("'{}' is of a whole training; expected settings of an algorithm, as tune writes them", key));
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    refuse(error.what());
  }
  if (part.options.algorithm == "blend") refuse("a blend cannot be a part of a blend");
  const auto check = [&](const char* name, std::span<const std::string_view> of, nlohmann::json theirs,
                         nlohmann::json ours) {
    if (std::ranges::none_of(keys, [&](const std::string& key) { return IsOneOf(of, key); })) return;
    const std::vector<std::string> differences = Differences({{name, theirs}}, {{name, ours}}, "the file");
    if (!differences.empty())
      refuse(
          fmt::format("it is for other events than this blend's: {}; expected the same", fmt::join(differences, ", ")));
  };
  check("weighting", kOfTheWeighting, Told(part.weighting.Changes()), Told(blend.weighting.Changes()));
  check("split", kOfTheSplit, SplitJson(part.split.Split(part.options.als.seed)),
        SplitJson(blend.split.Split(blend.options.als.seed)));
  return Resolve(part);
}

}  // namespace

void CheckFlagIsFor(const char* flag, bool given, const std::string& algorithm,
                    std::initializer_list<std::string_view> of) {
  if (given && std::ranges::find(of, algorithm) == of.end())
    throw Error(ErrorCode::kUsage,
                fmt::format("{} is for --algorithm {}, and this is {}", flag, fmt::join(of, " or "), algorithm));
}

TrainOptions Resolve(const TrainFlags& flags) {
  CheckAlgorithm(flags);
  TrainOptions options = flags.options;
  options.test_paths = ExpandInputs(options.test_paths);
  options.test_reader = flags.test.Options(options.test_paths);
  options.weighting = flags.weighting.Changes();
  options.als.epochs = flags.epochs.value_or(options.als.epochs);
  options.als.solver = flags.solver.Solver();
  options.als.objective = Objective(flags);
  options.gram_precision = ParseGramPrecision(flags.gram_precision);
  options.split = flags.split.Split(options.als.seed);
  options.refit = !flags.no_refit;
  SetAlgorithmDefaults(&options);
  if (options.algorithm == "ease" && flags.regularization) options.als.objective.regularization = *flags.regularization;
  options.als.n_factors = flags.n_factors.value_or(options.als.n_factors);
  options.svd.tolerance = flags.svd_tolerance.value_or(options.svd.tolerance);
  flags.linear.Set(&options);
  for (const std::string& path : flags.components) options.components.push_back(ReadComponent(path, flags));
  options.n_bands = flags.n_bands.value_or(options.n_bands);
  flags.lists.Set(&options);
  if (flags.svd_shrinkage == "auto")
    options.svd.shrinkage.reset();
  else if (flags.svd_shrinkage)
    options.svd.shrinkage = std::stod(*flags.svd_shrinkage);
  if (flags.checkpoint_every) options.checkpoints.every = ParseCheckpointEvery(*flags.checkpoint_every);
  for (const std::string& text : flags.require) options.gate.bounds.push_back(ParseMetricBound(text));
  for (const std::string& text : flags.max_drop) options.gate.drops.push_back(ParseMetricDrop(text));
  return options;
}

void AddTrainFlags(CLI::App& app, TrainFlags& flags) {
  TrainOptions& options = flags.options;
  app.add_option("dataset", options.dataset, "the dataset's folder, as prepare wrote it")->required();
  app.add_option("--store", options.store, "the model store's folder");
  app.add_option("--model", options.model, "the model's name in the store")->required();
  app.add_option("--algorithm", options.algorithm, AlgorithmNames())
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kAlgorithms), std::end(kAlgorithms))));
  app.add_option("--n-factors", flags.n_factors,
                 "length of the factor vectors; default: 64, of svd-filter 256; of "
                 "content 256, at most")
      ->check(Within(1, 4096));
  app.add_option(
         "--component", flags.components,
         "the settings of a part, as tune writes them: als, svd, svd-filter, item-cosine, rp3beta or ease; repeat for "
         "more (blend)")
      ->allow_extra_args(false)
      ->type_name("FILE");
  app.add_option("--n-bands", flags.n_bands,
                 "the most lengths of history that have weights of their own (blend); default: 5")
      ->check(Within(1, 100));
  app.add_option("--feedback", flags.feedback, "implicit: values are confidences; explicit: they are ratings")
      ->check(CLI::IsMember({"implicit", "explicit"}));
  app.add_option("--regularization", flags.regularization,
                 "weight of |x|^2, times n^exponent; default: 0.01, of explicit feedback 1; of ease 100")
      ->check(Within(0, kLargestWeight));
  app.add_option("--regularization-exponent", flags.regularization_exponent,
                 "how regularization grows with a row's entries; 0: not at all; default: 1, of explicit feedback 0.5")
      ->check(Within(0, kLargestWeight));
  app.add_option("--unobserved-weight", flags.unobserved_weight,
                 "of implicit feedback: weight of all pairs against the observed ones' confidences; default: 0.1")
      ->check(Within(0, kLargestWeight));
  app.add_option("--bias-regularization", flags.bias_regularization,
                 "of explicit feedback: ratings of average height that each user and item has in addition; default: 5")
      ->check(Within(0, kLargestWeight));
  app.add_option("--epochs", flags.epochs, "sweeps over users and items (als); default: 15")->check(Within(1, 1e6));
  AddSolverFlags(app, flags.solver);
  app.add_option(
         "--seed", options.als.seed,
         "of starting factors and decompositions, of random splits, and of the slices that settings are chosen on")
      ->check(Within(0, kLargestSeed));
  app.add_option("--svd-tolerance", flags.svd_tolerance,
                 "relative error of each singular value (svd, svd-filter, content); default: 1e-4, of the others 0.05")
      ->check(Within(1e-7, 0.05));
  app.add_option(
         "--svd-shrinkage", flags.svd_shrinkage,
         "weight of the ridge on the spectrum, times the least value kept, squared (svd); 0, the default: PureSVD; "
         "auto: chosen on a slice of the training data")
      ->check(IsAutoOr(0, kLargestWeight));
  app.add_option("--threads", options.n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app.add_option("--backend", options.backend, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--gram-precision", flags.gram_precision,
                 "of long rows on a GPU: bf16x3 (tensor cores, relative error about 1e-5) or float32")
      ->check(CLI::IsMember({"bf16x3", "float32"}));
  app.add_option("--checkpoint-every", flags.checkpoint_every,
                 "how often to write down how far the training is (als): a duration (90s, 15m), epoch (after each) or "
                 "off; default: 60s")
      ->check(Accepts(&ParseCheckpointEvery, "DURATION"));
  app.add_flag("--resume", options.checkpoints.resume)
      ->description("go on from the checkpoint of the same command that was ended before it was done");
  app.add_flag("--warm-start", options.warm_start)
      ->description("begin with the factors of the model's current version");
  AddLinearFlags(app, flags.linear);
  AddListFlags(app, flags.lists);
  AddWeightingFlags(app, "as the dataset was prepared", flags.weighting);
  app.add_option("--test", options.test_paths, "files of held-out interactions: evaluated on, never trained on")
      ->allow_extra_args(false);
  AddReaderFlags(app, "test-", flags.test);
  AddSplitFlags(app, flags.split);
  app.add_flag("--no-refit", flags.no_refit)->description("publish the evaluated model, not one trained on everything");
  app.add_option("--k", options.k, "length of the evaluated lists")->check(Within(1, 100'000));
  app.add_option("--evaluate-every", options.evaluate_every,
                 "evaluate the model after every so many epochs too, for the report; 0: only when it is fitted (als)")
      ->check(Within(0, 1e6));
  app.add_option("--require", flags.require, "publish only where it holds: ndcg_at_20>=0.1; repeat for more")
      ->allow_extra_args(false)
      ->check(Accepts(&ParseMetricBound, "CONDITION"));
  app.add_option("--max-drop", flags.max_drop,
                 "publish only where a metric is at most so much below the current version's: ndcg_at_20=0.005 or =2%")
      ->allow_extra_args(false)
      ->check(Accepts(&ParseMetricDrop, "DROP"));
  app.add_option("--relevant-rating", options.relevant_rating,
                 "of explicit feedback: the least held-out rating that a list should have; default: the mean rating")
      ->check(Within(-kLargestWeight, kLargestWeight));
  app.add_option("--segments", flags.segments,
                 "then put the users into segments, too: what segments.toml declares (docs/segments.md)")
      ->type_name("FILE");
  app.add_option("--segments-model", flags.segments_model,
                 "the name of these segments in the store; default: the model's with '-segments' behind it");
  app.add_flag("--plan", options.plan_only)
      ->description("only state the memory and the time that the training would take");
  app.add_option("--report", flags.report, "write the report as one HTML page to look at, too")->type_name("FILE");
  app.add_option("--metrics-out", options.metrics_out,
                 "write user_metrics.csv and group_metrics.csv into this folder: who gets what")
      ->type_name("FOLDER");
  app.add_flag("--overwrite", options.overwrite_metrics)->description("replace a report and metrics that are there");
  app.add_flag("--json", flags.json)->description("print the report as one JSON object");
}

}  // namespace kindred
