#include "host/intake/prepare.h"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <system_error>

#include "host/cli/progress.h"
#include "host/data/dataset.h"
#include "host/data_report/data_report.h"
#include "host/intake/inputs.h"
#include "host/store/files.h"
#include "training/commands.h"
#include "training/reader_options.h"
#include "training/weighting_options.h"

namespace kindred {
namespace {

struct PrepareFlags {
  PrepareOptions options;
  ReaderFlags reader;
  WeightingFlags weighting;
  std::string sql, database;
  std::string profile;
  std::vector<std::string> items, users;
  std::string report;
  bool json = false;
};

void SetInputs(const PrepareFlags& flags, PrepareOptions& options) {
  if (flags.sql.empty() == options.inputs.empty())
    throw Error(ErrorCode::kUsage, "expected files of interactions or a query (--sql), one of them");
  if (flags.sql.empty()) {
    if (!flags.database.empty()) throw Error(ErrorCode::kUsage, "--database is for --sql, which is not given");
    options.inputs = ExpandInputs(options.inputs);
    options.reader = flags.reader.Options(options.inputs);
    return;
  }
  if (!flags.reader.format.empty())
    throw Error(ErrorCode::kUsage, "--format and --sql are both given; rows of a query have no format");
  options.inputs = {flags.sql};
  ReaderFlags reader = flags.reader;
  reader.columns.read.format = InputFormat::kSql;
  options.reader = reader.Options({});
  options.reader.read.database = flags.database;
}

/// The report must not take the place of anything that is read or written, nor fail when all else is done.
void CheckReportPlace(const PrepareFlags& flags, const PrepareOptions& options) {
  std::error_code ignored;
  const std::filesystem::path report = flags.report;
  const auto refuse = [&](const std::string& other, const char* what) {
    if (!other.empty() &&
        std::filesystem::weakly_canonical(report, ignored) == std::filesystem::weakly_canonical(other, ignored))
      throw Error(ErrorCode::kUsage, fmt::format("the report '{}' would take the place of {}", flags.report, what));
  };
  refuse(BadRowsPath(options).string(), "the file of bad rows");
  refuse(flags.profile, "the profile");
  if (options.reader.read.format != InputFormat::kSql)
    for (const std::string& input : options.inputs) refuse(input, "an input");
  for (const auto* tables : {&options.profile.items, &options.profile.users})
    for (const AttributeSource& table : *tables)
      for (const std::string& input : table.inputs) refuse(input, "a table");
  if (std::filesystem::exists(report, ignored) && !std::filesystem::is_regular_file(report, ignored))
    throw Error(ErrorCode::kAlreadyExists, fmt::format("'{}' is there already and is no file", flags.report));
  const std::filesystem::path folder = report.has_parent_path() ? report.parent_path() : ".";
  if (std::filesystem::exists(folder, ignored) && !std::filesystem::is_directory(folder, ignored))
    throw Error(ErrorCode::kUsage, fmt::format("'{}' is no folder for the report '{}'", folder.string(), flags.report));
  if (LiesIn(flags.report, flags.options.out))
    throw Error(ErrorCode::kUsage,
                fmt::format("the report '{}' would lie in the dataset '{}'", flags.report, flags.options.out.string()));
  if (!flags.options.overwrite && !flags.options.append && std::filesystem::exists(flags.report, ignored))
    throw Error(ErrorCode::kAlreadyExists, fmt::format("'{}' is there already; --overwrite replaces it", flags.report));
}

/// A table that is read as the events are.
AttributeSource TableOf(const std::string& path, const EventReaderOptions& events) {
  AttributeSource source = FileSource(path);
  source.read.encoding = events.read.encoding;
  source.id_format = events.id_format;
  source.rules.number = events.number;
  return source;
}

PrepareOptions Resolve(const PrepareFlags& flags) {
  PrepareOptions options = flags.options;
  const int n_threads = options.reader.n_threads;
  const std::string where = options.reader.where, value = options.reader.value;
  if (!value.empty() && !flags.reader.columns.value_column.empty())
    throw Error(ErrorCode::kUsage, "--value and --value-column are both given; expected one of them");
  SetInputs(flags, options);
  options.reader.n_threads = n_threads;
  options.reader.where = where;
  options.reader.value = value;
  options.weighting = flags.weighting.Changes();
  if (options.append && options.overwrite)
    throw Error(ErrorCode::kUsage, "--append and --overwrite are both given; expected one of them");
  if (!flags.profile.empty()) options.profile = ReadProfileConfig(flags.profile);
  for (const std::string& path : flags.items) options.profile.items.push_back(TableOf(path, options.reader));
  for (const std::string& path : flags.users) options.profile.users.push_back(TableOf(path, options.reader));
  return options;
}

int RunPrepare(const PrepareFlags& flags) {
  PrepareOptions options = Resolve(flags);
  if (!flags.report.empty()) CheckReportPlace(flags, options);
  std::unique_ptr<Progress> progress;
  options.progress = [&](int64_t done, int64_t total) {
    if (!progress) progress = std::make_unique<Progress>("read", total >> 20, "MiB");
    progress->Update(done >> 20);
  };
  const nlohmann::json prepared = Prepare(options);
  progress.reset();
  nlohmann::json report = DataReport(*Dataset::Open(options.out));
  report["bad_rows_file"] = prepared["bad_rows_file"];
  if (!flags.report.empty()) WriteNewFile(flags.report, DataReportHtml(report), options.overwrite || options.append);
  if (flags.json)
    PrintJson(report);
  else
    std::cout << DataReportText(report);
  return 0;
}

}  // namespace

void AddPrepareCommand(CommandLine& program) {
  auto flags = std::make_shared<PrepareFlags>();
  flags->options.reader.n_threads = 0;
  CLI::App* app = program.Add("prepare", "Reads exported interactions, checks them, and writes a dataset",
                              [flags] { return RunPrepare(*flags); });
  PrepareOptions& options = flags->options;
  app->add_option("input,--input", options.inputs,
                  "files of interactions, plain, .gz or .zst; folders, patterns such as 'day=*/*.csv', or - for "
                  "standard input");
  app->add_option("--out", options.out, "the dataset's folder")->required();
  app->add_option("--sql", flags->sql, "read the rows of this query instead of files")->type_name("QUERY");
  app->add_option("--database", flags->database,
                  "where --sql is asked: a PostgreSQL URI or connection string; default: what PGHOST and so on say")
      ->type_name("URI");
  AddReaderFlags(*app, "", flags->reader);
  const auto expression = [&](const char* name, std::string& value, const char* what) {
    app->add_option(name, value, what)->type_name("EXPRESSION")->check([](const std::string& text) {
      return text.find_first_not_of(" \t\r\n") == text.npos ? std::string("expected an expression") : std::string();
    });
  };
  expression("--where", options.reader.where,
             "take only rows for which this is true: 'Quantity > 0 and CustomerID is present'");
  expression("--value", options.reader.value,
             "the value of each event, computed, in place of a column's: 'Quantity * UnitPrice'");
  app->add_option("--items", flags->items, "a table of items' attributes, joined by id")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--users", flags->users, "a table of users' attributes, joined by id")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app->add_option("--profile", flags->profile, "a TOML file that declares such tables, their keys and column types")
      ->type_name("FILE");
  AddWeightingFlags(*app, "none", flags->weighting);
  app->add_flag("--append", options.append)
      ->description("add to the dataset: the result is what preparing everything at once gives");
  app->add_option("--max-bad-rows", options.max_bad_rows, "put up to so many bad lines aside; more are an error")
      ->check(Within(0, 1e18));
  app->add_option("--bad-rows-file", options.bad_rows_file, "where bad lines go; default OUT.bad-rows.tsv");
  app->add_option("--report", flags->report, "write the report as one HTML page to look at, too")->type_name("FILE");
  app->add_option("--threads", options.reader.n_threads, "threads to use; 0: one a core")->check(Within(0, 1024));
  app->add_flag("--overwrite", options.overwrite)->description("replace a dataset that is there");
  app->add_flag("--json", flags->json)->description("print the report as one JSON object");
}

}  // namespace kindred
