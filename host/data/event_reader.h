// Reads exported events: CSV, TSV and adjacency lists, plain or gzip-compressed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace kindred {

enum class EventFormat {
  kCsv,        // a header line, then one event a line; RFC 4180 quotes
  kTsv,        // the same with tabs and without quotes
  kAdjacency,  // `user item item ...` a line, separated by blanks
};

/// "csv", "tsv" or "adjacency". Throws kUsage naming these.
EventFormat ParseEventFormat(std::string_view name);

/// Views are valid during the call that hands the event over.
struct Event {
  std::string_view user;
  std::string_view item;
  std::string_view type;  // empty where the export has no event column
  float value = 1;        // finite, >= 0; 1 where the export has no value column
  int64_t time = 0;       // unix seconds; 0 where the export has no time column
};

/// A line that is not an event.
struct BadRow {
  std::string file;
  int64_t line = 0;    // 1 is the first; of a quoted field over several lines, the first of them
  std::string reason;  // what was found and what was expected, with the column
  std::string text;    // the line as it came
};

struct EventReaderOptions {
  EventFormat format = EventFormat::kCsv;
  /// Header names. Empty: `user` or `user_id`, `item` or `item_id`; and where the header has them `event`,
  /// `value`, and `time` or `timestamp`.
  std::string user_column, item_column, event_column, value_column, time_column;
};

struct EventReaderSummary {
  int64_t n_files = 0;
  int64_t n_lines = 0;  // without headers and blank lines
  int64_t n_events = 0;
  int64_t n_bad_rows = 0;
  bool has_types = false;
  bool has_values = false;
  bool has_times = false;
};

struct EventSink {
  std::function<void(const Event&)> event;
  /// Called for each bad row; throw from here to stop.
  std::function<void(const BadRow&)> bad_row;
  /// Bytes of the files (as stored) read so far, and in all; may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

/// Reads the files in order, as one export: the same columns must be in each. Throws kNotFound, kIo,
/// kCorrupt (a .gz cut short) or kInvalidArgument (no such column, an empty file, a header that repeats a name),
/// naming the file.
EventReaderSummary ReadEvents(std::span<const std::string> paths, const EventReaderOptions& options,
                              const EventSink& sink);

}  // namespace kindred
