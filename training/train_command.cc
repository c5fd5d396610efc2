#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <optional>

#include "host/cli/config_file.h"
#include "host/cli/progress.h"
#include "host/intake/inputs.h"
#include "host/models/explicit_als.h"
#include "host/report/format.h"
#include "host/store/files.h"
#include "host/store/model_store.h"
#include "kernels/select.h"
#include "training/checkpoints.h"
#include "training/commands.h"
#include "training/epoch_metrics.h"
#include "training/evaluating.h"
#include "training/linear_fitting.h"
#include "training/linear_options.h"
#include "training/list_options.h"
#include "training/metrics_text.h"
#include "training/pipeline.h"
#include "training/reader_options.h"
#include "training/report_values.h"
#include "training/solver_options.h"
#include "training/split_options.h"
#include "training/stop_request.h"
#include "training/training_plan.h"
#include "training/training_report.h"
#include "training/weighting_options.h"

namespace kindred {
namespace {

constexpr double kLargestWeight = 1e30;  // what a float holds with room to add and multiply

struct TrainFlags {
  TrainOptions options;
  ReaderFlags test;
  WeightingFlags weighting;
  SolverFlags solver;
  LinearFlags linear;
  std::vector<std::string> components;
  std::optional<int64_t> n_bands;
  ListFlags lists;
  SplitFlags split;
  std::string checkpoint_every = "60s";
  std::string gram_precision = "bf16x3";
  std::optional<double> svd_tolerance;
  std::optional<std::string> svd_shrinkage;  // a number, or "auto"
  std::vector<std::string> require, max_drop;
  std::string feedback = "implicit";
  // By default as the algorithm and the feedback want them.
  std::optional<int64_t> n_factors;
  std::optional<float> regularization, regularization_exponent, unobserved_weight, bias_regularization;
  std::string report;
  bool no_refit = false;
  bool json = false;
};

CLI::Validator IsAutoOr(double least, double most) {
  const CLI::Validator within = Within(least, most);
  const auto check = [within](std::string& text) { return text == "auto" ? std::string() : within(text); };
  return CLI::Validator(check, "auto or NUMBER", "auto_or_number");
}

CLI::Validator IsCheckpointEvery() {
  const auto check = [](const std::string& text) {
    try {
      ParseCheckpointEvery(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  return CLI::Validator(check, "DURATION", "interval");
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

void CheckAlgorithm(const TrainFlags& flags) {
  const std::string& algorithm = flags.options.algorithm;
  CheckFlagIsFor("--solver", flags.solver.method.has_value(), algorithm, {"als"});
  CheckFlagIsFor("--svd-tolerance", flags.svd_tolerance.has_value(), algorithm, {"svd", "svd-filter", "content"});
  CheckFlagIsFor("--svd-shrinkage", flags.svd_shrinkage.has_value(), algorithm, {"svd"});
}

void AddTrainFlags(CLI::App* app, TrainFlags* flags);
TrainOptions Resolve(const TrainFlags& flags);

/// A file of settings for train, of which a blend takes the algorithm and what is its own.
TrainOptions ReadComponent(const std::string& path) {
  CLI::App app("", "train");
  TrainFlags flags;
  AddTrainFlags(&app, &flags);
  for (CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) option->required(false);
  std::vector<std::string> arguments = ConfigArguments(app, path, {});
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
    return Resolve(flags);
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorCode::kUsage, fmt::format("--component {}: {}", path, error.what()));
  }
}

TrainOptions Resolve(const TrainFlags& flags) {
  CheckAlgorithm(flags);
  TrainOptions options = flags.options;
  options.test_paths = ExpandInputs(options.test_paths);
  options.test_reader = flags.test.Options(options.test_paths);
  options.weighting = flags.weighting.Changes();
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
  CheckFlagIsFor("--component", !flags.components.empty(), options.algorithm, {"blend"});
  CheckFlagIsFor("--n-bands", flags.n_bands.has_value(), options.algorithm, {"blend"});
  for (const std::string& path : flags.components) options.components.push_back(ReadComponent(path));
  options.n_bands = flags.n_bands.value_or(options.n_bands);
  flags.lists.Set(&options);
  if (flags.svd_shrinkage == "auto")
    options.svd.shrinkage.reset();
  else if (flags.svd_shrinkage)
    options.svd.shrinkage = std::stod(*flags.svd_shrinkage);
  options.checkpoints.every = ParseCheckpointEvery(flags.checkpoint_every);
  for (const std::string& text : flags.require) options.gate.bounds.push_back(ParseMetricBound(text));
  for (const std::string& text : flags.max_drop) options.gate.drops.push_back(ParseMetricDrop(text));
  return options;
}

std::string Head(const nlohmann::json& report) {
  return fmt::format("{}, {} users x {} items, {} entries", report["algorithm"].get<std::string>(),
                     report["n_users"].get<int64_t>(), report["n_items"].get<int64_t>(),
                     report["n_entries"].get<int64_t>());
}

/// Of lists by group, whose there are; else empty.
std::string ListsText(const nlohmann::json& report) {
  const nlohmann::json& lists = Member(report, TextOf(report, "algorithm"));
  if (!lists.is_object() || !lists.contains("groups")) return "";
  const auto groups = [&](const char* member) {
    const auto n = lists.at(member).get<int64_t>();
    return fmt::format("{} group{}", CountText(n), n == 1 ? "" : "s");
  };
  std::string text = fmt::format("lists by {}: of {}, and of all users", TextOf(lists, "group_by"), groups("n_groups"));
  if (lists.at("n_small_groups") != 0)
    text += fmt::format("; {} {} too small for {} own", groups("n_small_groups"),
                        lists.at("n_small_groups") == 1 ? "is" : "are",
                        lists.at("n_small_groups") == 1 ? "one of its" : "lists of their");
  if (lists.at("n_left_out_groups") != 0) text += fmt::format("; {} left out", groups("n_left_out_groups"));
  return text + "\n";
}

std::string TrainText(const nlohmann::json& report) {
  const bool published = report["published"].get<bool>();
  std::string text = fmt::format("{}{}: {}, trained on {}\n", report["model"].get<std::string>(),
                                 published ? fmt::format(" version {}", report["version"].get<int64_t>()) : "",
                                 Head(report), report["trained_on"].get<std::string>());
  if (report.contains("metrics")) text += MetricsText(report) + TrainingVerdict(report) + "\n";
  if (report.contains("rating_errors")) text += RatingErrorsText(report["rating_errors"]);
  text += ListsText(report);
  if (report.contains("fell_back")) text += "on the CPU: " + report["fell_back"].get<std::string>() + "\n";
  if (published) text += "published " + report["path"].get<std::string>() + "\n";
  return text;
}

int RunTrain(const TrainFlags& flags) {
  const TrainOptions options = Resolve(flags);
  CheckOutside({flags.report, options.metrics_out},
               {options.dataset, ModelStore(options.store).ModelPath(options.model)});
  if (!flags.report.empty()) CheckNewFile(flags.report, options.overwrite_metrics);
  std::unique_ptr<Progress> progress;
  const auto log = [&](spdlog::level::level_enum level, const std::string& message) {
    progress.reset();
    spdlog::log(level, "{}", message);
    progress = std::make_unique<Progress>(options.algorithm, options.als.epochs, "epoch");
  };
  TrainEvents events;
  events.stage = [&](const std::string& message) { log(spdlog::level::info, message); };
  events.warning = [&](const std::string& message) { log(spdlog::level::warn, message); };
  events.epoch = [&](const AlsEpoch& epoch) { progress->Step(epoch.epoch, EpochText(epoch)); };
  const StopRequest stop;
  events.stop = [&] { return stop.reason(); };
  const nlohmann::json report = Train(options, events);
  if (options.plan_only) {
    if (flags.json)
      PrintJson(report);
    else
      std::cout << fmt::format("{}: {}\n{}\n", report["model"].get<std::string>(), Head(report),
                               PlanText(report["plan"]));
    return 0;
  }
  if (!flags.report.empty()) WriteNewFile(flags.report, TrainingReportHtml(report), options.overwrite_metrics);
  if (flags.json)
    PrintJson(report);
  else
    std::cout << TrainText(report);
  if (!report["published"].get<bool>()) throw Error(ErrorCode::kInvalidArgument, RefusalText(report["gate"]));
  return 0;
}

void AddTrainFlags(CLI::App* app, TrainFlags* flags) {
  TrainOptions& options = flags->options;
  app->add_option("dataset", options.dataset, "the dataset's folder, as prepare wrote it")->required();
  app->add_option("--store", options.store, "the model store's folder");
  app->add_option("--model", options.model, "the model's name in the store")->required();
  app->add_option("--algorithm", options.algorithm, AlgorithmNames())
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kAlgorithms), std::end(kAlgorithms))));
  app->add_option("--n-factors", flags->n_factors,
                  "length of the factor vectors; default: 64, of svd-filter 256; of "
                  "content 256, at most")
      ->check(Within(1, 4096));
  app->add_option("--component", flags->components,
                  "the settings of a part, as tune writes them; repeat for more (blend)")
      ->allow_extra_args(false)
      ->type_name("FILE");
  app->add_option("--n-bands", flags->n_bands,
                  "the most lengths of history that have weights of their own (blend); default: 5")
      ->check(Within(1, 100));
  app->add_option("--feedback", flags->feedback, "implicit: values are confidences; explicit: they are ratings")
      ->check(CLI::IsMember({"implicit", "explicit"}));
  app->add_option("--regularization", flags->regularization,
                  "weight of |x|^2, times n^exponent; default: 0.01, of explicit feedback 1; of ease 100")
      ->check(Within(0, kLargestWeight));
  app->add_option("--regularization-exponent", flags->regularization_exponent,
                  "how regularization grows with a row's entries; 0: not at all; default: 1, of explicit feedback 0.5")
      ->check(Within(0, kLargestWeight));
  app->add_option("--unobserved-weight", flags->unobserved_weight,
                  "of implicit feedback: weight of all pairs against the observed ones' confidences; default: 0.1")
      ->check(Within(0, kLargestWeight));
  app->add_option("--bias-regularization", flags->bias_regularization,
                  "of explicit feedback: ratings of average height that each user and item has in addition; default: 5")
      ->check(Within(0, kLargestWeight));
  app->add_option("--epochs", options.als.epochs, "sweeps over users and items")->check(Within(1, 1e6));
  AddSolverFlags(*app, flags->solver);
  app->add_option("--seed", options.als.seed, "of the starting factors, and of a random split")
      ->check(Within(0, kLargestSeed));
  app->add_option("--svd-tolerance", flags->svd_tolerance,
                  "relative error of each singular value (svd, svd-filter, content); default: 1e-4, of the others 0.05")
      ->check(Within(1e-7, 0.05));
  app->add_option(
         "--svd-shrinkage", flags->svd_shrinkage,
         "weight of the ridge on the spectrum, times the least value kept, squared (svd); 0, the default: PureSVD; "
         "auto: chosen on a slice of the training data")
      ->check(IsAutoOr(0, kLargestWeight));
  app->add_option("--threads", options.n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_option("--backend", options.backend, "auto, cpu or cuda")->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app->add_option("--gram-precision", flags->gram_precision,
                  "of long rows on a GPU: bf16x3 (tensor cores, relative error about 1e-5) or float32")
      ->check(CLI::IsMember({"bf16x3", "float32"}));
  app->add_option("--checkpoint-every", flags->checkpoint_every,
                  "how often to write down how far the training is: a duration (90s, 15m), epoch (after each) or off")
      ->check(IsCheckpointEvery());
  app->add_flag("--resume", options.checkpoints.resume)
      ->description("go on from the checkpoint of the same command that was ended before it was done");
  app->add_flag("--warm-start", options.warm_start)
      ->description("begin with the factors of the model's current version");
  AddLinearFlags(*app, flags->linear);
  AddListFlags(*app, flags->lists);
  AddWeightingFlags(*app, "as the dataset was prepared", flags->weighting);
  app->add_option("--test", options.test_paths, "files of held-out interactions: evaluated on, never trained on")
      ->allow_extra_args(false);
  AddReaderFlags(*app, "test-", flags->test);
  AddSplitFlags(*app, flags->split);
  app->add_flag("--no-refit", flags->no_refit)
      ->description("publish the evaluated model, not one trained on everything");
  app->add_option("--k", options.k, "length of the evaluated lists")->check(Within(1, 100'000));
  app->add_option("--evaluate-every", options.evaluate_every,
                  "evaluate the model after every so many epochs too, for the report; 0: only when it is fitted (als)")
      ->check(Within(0, 1e6));
  app->add_option("--require", flags->require, "publish only where it holds: ndcg_at_20>=0.1; repeat for more")
      ->allow_extra_args(false)
      ->check(Accepts(&ParseMetricBound, "CONDITION"));
  app->add_option("--max-drop", flags->max_drop,
                  "publish only where a metric is at most so much below the current version's: ndcg_at_20=0.005 or =2%")
      ->allow_extra_args(false)
      ->check(Accepts(&ParseMetricDrop, "DROP"));
  app->add_option("--relevant-rating", options.relevant_rating,
                  "of explicit feedback: the least held-out rating that a list should have; default: the mean rating")
      ->check(Within(-kLargestWeight, kLargestWeight));
  app->add_flag("--plan", options.plan_only)
      ->description("only state the memory and the time that the training would take");
  app->add_option("--report", flags->report, "write the report as one HTML page to look at, too")->type_name("FILE");
  app->add_option("--metrics-out", options.metrics_out,
                  "write user_metrics.csv and group_metrics.csv into this folder: who gets what")
      ->type_name("FOLDER");
  app->add_flag("--overwrite", options.overwrite_metrics)->description("replace a report and metrics that are there");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace

void AddTrainCommand(CommandLine& program) {
  auto flags = std::make_shared<TrainFlags>();
  AddTrainFlags(program.Add("train", "Trains a model on a dataset and publishes it in a store",
                            [flags] { return RunTrain(*flags); }),
                flags.get());
}

}  // namespace kindred
