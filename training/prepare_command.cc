#include "host/data/prepare.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iostream>
#include <memory>

#include "host/cli/progress.h"
#include "training/commands.h"
#include "training/reader_options.h"

namespace kindred {
namespace {

struct PrepareFlags {
  PrepareOptions options;
  ReaderFlags reader;
  bool json = false;
};

std::string Moment(int64_t seconds) {
  constexpr int64_t kYear1 = -62135596800, kYear10000 = 253402300800;
  if (seconds < kYear1 || seconds >= kYear10000) return fmt::format("{} s", seconds);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

std::string ReportText(const nlohmann::json& report) {
  const auto count = [&](const char* key) { return report[key].get<int64_t>(); };
  std::string text = fmt::format(
      "dataset   {}\nread      {} lines of {} file{}\nevents    {}\nusers     {}\nitems     {}\n"
      "entries   {} different pairs, density {:.4g} %\n",
      report["dataset"].get<std::string>(), count("n_lines"), count("n_files"), count("n_files") == 1 ? "" : "s",
      count("n_events"), count("n_users"), count("n_items"), count("n_entries"), 100 * report["density"].get<double>());
  if (!report["time_range"].is_null())
    text += fmt::format("times     {} to {} UTC\n", Moment(report["time_range"][0].get<int64_t>()),
                        Moment(report["time_range"][1].get<int64_t>()));
  const char* label = "types";
  for (const nlohmann::json& type : report["event_types"])
    text += fmt::format("{:<9} {} {}\n", std::exchange(label, ""), type["n_events"].get<int64_t>(),
                        type["name"].get<std::string>());
  if (count("n_bad_rows") == 0) return text;
  text += fmt::format("bad rows  {}, in {}\n", count("n_bad_rows"), report["bad_rows_file"].get<std::string>());
  for (const auto& [kind, n] : report["bad_rows"].items())
    text += fmt::format("          {} {}\n", n.get<int64_t>(), kind);
  return text;
}

int RunPrepare(const PrepareFlags& flags) {
  PrepareOptions options = flags.options;
  options.reader = flags.reader.Options(options.inputs);
  std::unique_ptr<Progress> progress;
  options.progress = [&](int64_t done, int64_t total) {
    if (!progress) progress = std::make_unique<Progress>("read", total >> 20, "MiB");
    progress->Update(done >> 20);
  };
  const nlohmann::json report = Prepare(options);
  progress.reset();
  if (flags.json)
    PrintJson(report);
  else
    std::cout << ReportText(report);
  return 0;
}

}  // namespace

void AddPrepareCommand(CommandLine& program) {
  auto flags = std::make_shared<PrepareFlags>();
  CLI::App* app = program.Add("prepare", "Reads exported interactions, checks them, and writes a dataset",
                              [flags] { return RunPrepare(*flags); });
  PrepareOptions& options = flags->options;
  app->add_option("input", options.inputs, "files of interactions, plain or .gz")->required();
  app->add_option("--out", options.out, "the dataset's folder")->required();
  AddReaderFlags(*app, "", flags->reader);
  app->add_option("--max-bad-rows", options.max_bad_rows, "put up to so many bad lines aside; more are an error")
      ->check(Within(0, 1e18));
  app->add_option("--bad-rows-file", options.bad_rows_file, "where bad lines go; default OUT.bad-rows.tsv");
  app->add_flag("--overwrite", options.overwrite)->description("replace a dataset that is there");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
