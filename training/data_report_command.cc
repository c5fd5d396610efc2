#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>

#include "host/data_report/data_report.h"
#include "host/store/files.h"
#include "kernels/error.h"
#include "training/commands.h"

namespace kindred {
namespace {

struct ReportFlags {
  std::string dataset;
  std::string html;
  bool overwrite = false;
  bool json = false;
};

/// What can be refused before a large dataset is read.
void CheckPlace(const ReportFlags& flags) {
  std::error_code ignored;
  if (LiesIn(flags.html, flags.dataset))
    throw Error(ErrorCode::kUsage,
                fmt::format("the page '{}' would lie in the dataset '{}'", flags.html, flags.dataset));
  if (!flags.overwrite && std::filesystem::exists(flags.html, ignored))
    throw Error(ErrorCode::kAlreadyExists, fmt::format("'{}' is there already; --overwrite replaces it", flags.html));
}

int RunReport(const ReportFlags& flags) {
  if (!flags.html.empty()) CheckPlace(flags);
  const nlohmann::json report = DataReport(*Dataset::Open(flags.dataset));
  if (!flags.html.empty()) WriteNewFile(flags.html, DataReportHtml(report), flags.overwrite);
  if (flags.json)
    PrintJson(report);
  else
    std::cout << DataReportText(report);
  return 0;
}

}  // namespace

void AddReportCommand(CommandLine& program) {
  auto flags = std::make_shared<ReportFlags>();
  CLI::App* app = program.Add("report", "Shows what a dataset holds: counts, spread, volumes, what was set aside",
                              [flags] { return RunReport(*flags); });
  app->add_option("dataset", flags->dataset, "the dataset's folder")->required();
  app->add_option("--html", flags->html, "write the report as one page to look at, too")->type_name("FILE");
  app->add_flag("--overwrite", flags->overwrite)->description("replace a file that is there");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
