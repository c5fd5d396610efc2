#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <iostream>
#include <memory>
#include <optional>

#include "host/cli/progress.h"
#include "host/report/format.h"
#include "host/segments/segment_model.h"
#include "host/store/files.h"
#include "host/store/model_store.h"
#include "training/commands.h"
#include "training/epoch_metrics.h"
#include "training/evaluating.h"
#include "training/metrics_text.h"
#include "training/pipeline.h"
#include "training/report_values.h"
#include "training/segment_job.h"
#include "training/segment_text.h"
#include "training/stop_request.h"
#include "training/train_flags.h"
#include "training/training_plan.h"
#include "training/training_report.h"

namespace kindred {
namespace {

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
  if (const nlohmann::json& segments = Member(report, "segments"); segments.is_object()) text += SegmentText(segments);
  return text;
}

/// The segments job that follows the training, or none.
std::optional<SegmentOptions> SegmentsOf(const TrainFlags& flags) {
  if (flags.segments.empty()) {
    if (flags.segments_model) throw Error(ErrorCode::kUsage, "--segments-model is for --segments");
    return std::nullopt;
  }
  const TrainOptions& options = flags.options;
  SegmentOptions segments;
  segments.dataset = options.dataset;
  segments.store = options.store;
  segments.model = flags.segments_model.value_or(options.model + "-segments");
  segments.spec = ReadSegmentSpec(flags.segments);
  segments.backend = options.backend;
  segments.n_threads = options.n_threads;
  if (segments.model == options.model)
    throw Error(ErrorCode::kUsage, "--segments-model is the name of the model; expected one of its own");
  return segments;
}

/// Makes them, as "segments" of the report. The model is published: why they are not is returned, and empty where they
/// are.
std::string AddSegments(const SegmentOptions& options, const TrainEvents& events, nlohmann::json* report) {
  nlohmann::json& segments = (*report)["segments"];
  const auto failed = [&](const std::string& why) {
    return fmt::format("{} version {} is published, its segments are not: {}", TextOf(*report, "model"),
                       (*report)["version"].get<int64_t>(), why);
  };
  try {
    segments = MakeSegments(options, {.stage = events.stage, .warning = events.warning}).report;
  } catch (const Error& error) {
    return failed(error.what());
  }
  if (segments["published"].get<bool>()) return "";
  return failed(SegmentRefusalText(segments) + "\n`kindred segment --accept-drift` publishes them nevertheless");
}

int RunTrain(const TrainFlags& flags) {
  const TrainOptions options = Resolve(flags);
  const std::optional<SegmentOptions> segments = SegmentsOf(flags);
  const ModelStore store(options.store);
  std::vector<std::filesystem::path> folders = {options.dataset, store.ModelPath(options.model)};
  if (segments) {
    SegmentModel::OpenCurrent(store, segments->model);  // what cannot be read is said before anything is trained
    folders.push_back(store.ModelPath(segments->model));
  }
  CheckOutside({flags.report, options.metrics_out}, folders);
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
  nlohmann::json report;
  {
    const StopRequest stop;
    events.stop = [&] { return stop.reason(); };
    report = Train(options, events);
  }
  if (options.plan_only) {
    if (flags.json)
      PrintJson(report);
    else
      std::cout << fmt::format("{}: {}\n{}\n", report["model"].get<std::string>(), Head(report),
                               PlanText(report["plan"]));
    return 0;
  }
  if (!flags.report.empty()) WriteNewFile(flags.report, TrainingReportHtml(report), options.overwrite_metrics);
  const bool published = report["published"].get<bool>();
  const std::string no_segments = segments && published ? AddSegments(*segments, events, &report) : "";
  progress.reset();
  if (flags.json)
    PrintJson(report);
  else
    std::cout << TrainText(report);
  if (!published) throw Error(ErrorCode::kInvalidArgument, RefusalText(report["gate"]));
  if (!no_segments.empty()) throw Error(ErrorCode::kInvalidArgument, no_segments);
  return 0;
}

}  // namespace

void AddTrainCommand(CommandLine& program) {
  auto flags = std::make_shared<TrainFlags>();
  AddTrainFlags(*program.Add(
                    "train", "Trains a model on a dataset and publishes it in a store",
                    [flags] { return RunTrain(*flags); }, [flags] { SegmentsOf(*flags); }),
                *flags);
}

}  // namespace kindred
