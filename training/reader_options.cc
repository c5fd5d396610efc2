#include "training/reader_options.h"

#include <fmt/format.h>

#include "kernels/error.h"

namespace kindred {
namespace {

/// The format a name ends with, as in "events.csv.gz"; null where it has none of them.
const char* FormatName(std::string_view path) {
  if (path.ends_with(".gz")) path.remove_suffix(3);
  return path.ends_with(".csv") ? "csv" : path.ends_with(".tsv") ? "tsv" : nullptr;
}

}  // namespace

EventReaderOptions ReaderFlags::Options(std::span<const std::string> paths) const {
  EventReaderOptions options = columns;
  std::string found = format;
  for (const std::string& path : paths) {
    if (!format.empty()) break;
    const char* name = FormatName(path);
    if (name == nullptr || (!found.empty() && found != name))
      throw Error(ErrorCode::kUsage, fmt::format("the name of '{}' does not tell its format: say it with --{}format {}",
                                                 path, prefix, "csv, tsv or adjacency"));
    found = name;
  }
  if (!found.empty()) options.format = ParseEventFormat(found);
  return options;
}

void AddReaderFlags(CLI::App& app, const std::string& prefix, ReaderFlags& flags) {
  const auto column = [&](const char* what, std::string& name, const char* otherwise) {
    app.add_option("--" + prefix + what + "-column", name,
                   std::string("its column of ") + what + "s; default " + otherwise);
  };
  flags.prefix = prefix;
  app.add_option("--" + prefix + "format", flags.format,
                 "csv, tsv or adjacency (user item item ...); default: what the files' names end with")
      ->check(CLI::IsMember({"csv", "tsv", "adjacency"}));
  column("user", flags.columns.user_column, "user or user_id");
  column("item", flags.columns.item_column, "item or item_id");
  column("event", flags.columns.event_column, "event, where there is one");
  column("value", flags.columns.value_column, "value, where there is one");
  column("time", flags.columns.time_column, "time or timestamp, where there is one");
}

}  // namespace kindred
