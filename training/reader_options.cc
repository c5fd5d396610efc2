#include "training/reader_options.h"

namespace kindred {

EventReaderOptions ReaderFlags::Options() const {
  EventReaderOptions options = columns;
  options.format = ParseEventFormat(format);
  return options;
}

void AddReaderFlags(CLI::App& app, const std::string& prefix, ReaderFlags& flags) {
  const auto column = [&](const char* what, std::string& name, const char* otherwise) {
    app.add_option("--" + prefix + what + "-column", name,
                   std::string("its column of ") + what + "s; default " + otherwise);
  };
  app.add_option("--" + prefix + "format", flags.format, "csv, tsv or adjacency (user item item ...)");
  column("user", flags.columns.user_column, "user or user_id");
  column("item", flags.columns.item_column, "item or item_id");
  column("event", flags.columns.event_column, "event, where there is one");
  column("value", flags.columns.value_column, "value, where there is one");
  column("time", flags.columns.time_column, "time or timestamp, where there is one");
}

}  // namespace kindred
