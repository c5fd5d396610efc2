#include <spdlog/spdlog.h>

#include <chrono>
#include <iostream>
#include <memory>

#include "host/cli/config_file.h"
#include "host/cli/progress.h"
#include "host/store/files.h"
#include "training/commands.h"
#include "training/evaluating.h"
#include "training/segment_job.h"
#include "training/segment_report.h"
#include "training/segment_text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr std::chrono::seconds kProgressEvery{2};

struct SegmentFlags {
  SegmentOptions options;
  std::string declarations;  // the file of --config
  std::string report, dendrogram;
  bool overwrite = false;
  bool json = false;
};

SegmentOptions Resolve(const SegmentFlags& flags) {
  SegmentOptions options = flags.options;
  if (!flags.declarations.empty()) options.spec = ReadSegmentSpec(flags.declarations);
  return options;
}

int RunSegment(const SegmentFlags& flags) {
  const SegmentOptions options = Resolve(flags);
  CheckOutside({flags.report, flags.dendrogram}, {options.dataset, ModelStore(options.store).ModelPath(options.model)});
  CheckApart({flags.report, flags.dendrogram});
  for (const std::string& file : {flags.report, flags.dendrogram})
    if (!file.empty()) CheckNewFile(file, flags.overwrite);
  std::unique_ptr<Progress> progress;
  SegmentEvents events;
  const auto log = [&](spdlog::level::level_enum level, const std::string& message) {
    progress.reset();
    spdlog::log(level, "{}", message);
  };
  events.stage = [&](const std::string& message) { log(spdlog::level::info, message); };
  events.warning = [&](const std::string& message) { log(spdlog::level::warn, message); };
  auto last = std::chrono::steady_clock::now();
  events.runs = [&](int64_t n_ended, int64_t n_runs) {
    if (std::chrono::steady_clock::now() - last < kProgressEvery) return;
    last = std::chrono::steady_clock::now();
    if (!progress) progress = std::make_unique<Progress>("k-means", n_runs, "run");
    progress->Step(n_ended, "");
  };
  const SegmentResult result = MakeSegments(options, events);
  progress.reset();
  const json& report = result.report;
  if (!flags.report.empty()) WriteNewFile(flags.report, SegmentReportHtml(report, result.dendrogram), flags.overwrite);
  if (!flags.dendrogram.empty()) WriteNewFile(flags.dendrogram, result.dendrogram_svg, flags.overwrite);
  if (flags.json)
    PrintJson(report);
  else
    std::cout << SegmentText(report);
  if (report["published"].get<bool>()) return 0;
  throw Error(ErrorCode::kInvalidArgument, SegmentRefusalText(report) + "\n--accept-drift publishes it nevertheless");
}

}  // namespace

void AddSegmentCommand(CommandLine& program) {
  auto flags = std::make_shared<SegmentFlags>();
  CLI::App* app = program.Add(
      "segment", "Puts users into segments, names them, and publishes them in a store",
      [flags] { return RunSegment(*flags); }, [flags] { Resolve(*flags); });
  SegmentOptions& options = flags->options;
  app->add_option("dataset", options.dataset, "the dataset's folder")->required();
  app->add_option("--store", options.store, "the model store")->capture_default_str();
  app->add_option("--model", options.model, "the name of the segments in the store")->required();
  app->add_option(std::string("--") + kDeclarations, flags->declarations,
                  "what --config names: features, clusters, rules (docs/segments.md); without: recency, frequency and "
                  "value")
      ->type_name("FILE");
  app->add_flag("--keep-clusters", options.keep_clusters,
                "place users in the last version's segments, by its features and centroids");
  app->add_flag("--accept-drift", options.accept_drift, "publish although [drift] or [audit] says no");
  app->add_option("--backend", options.backend, "auto, cpu or cuda")->capture_default_str();
  app->add_option("--threads", options.n_threads, "threads to use; 0: one a core")
      ->check(Within(0, 1024))
      ->capture_default_str();
  app->add_option("--report", flags->report, "write the report as one HTML page to look at, too")->type_name("FILE");
  app->add_option("--dendrogram", flags->dendrogram, "write the tree as SVG, too")->type_name("FILE");
  app->add_flag("--overwrite", flags->overwrite, "replace files that are there");
  app->add_flag("--json", flags->json, "print the report as one JSON object");
}

}  // namespace kindred
