// Reads exported events: CSV, TSV and adjacency lists, plain or gzip-compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kindred {

enum class EventFormat {
  kCsv,        // a header line, then one event a line; RFC 4180 quotes
  kTsv,        // the same with tabs and without quotes
  kAdjacency,  // `user item item ...` a line, separated by blanks
};

/// "csv", "tsv" or "adjacency". Throws kUsage naming these.
EventFormat ParseEventFormat(std::string_view name);
const char* EventFormatName(EventFormat format);

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
  std::string kind;    // the reason without what was found: to count by
  std::string text;    // the line as it came; the beginning of one that is too long

  /// "FILE: line N: REASON"
  std::string Message() const;
};

struct EventReaderOptions {
  EventFormat format = EventFormat::kCsv;
  /// Header names. Empty: `user` or `user_id`, `item` or `item_id`; and where the header has them `event`,
  /// `value`, and `time` or `timestamp`.
  std::string user_column = {}, item_column = {}, event_column = {}, value_column = {}, time_column = {};

  size_t buffer_bytes = size_t{1} << 20;
  /// Longer lines (and quoted fields over several lines) are bad rows.
  size_t max_line_bytes = size_t{64} << 20;
};

/// A file that was read.
struct EventSource {
  std::string path;
  int64_t bytes = 0;   // as stored
  std::string sha256;  // likewise
};

struct EventReaderSummary {
  int64_t n_files = 0;
  int64_t n_lines = 0;  // without headers and blank lines
  int64_t n_events = 0;
  int64_t n_bad_rows = 0;
  bool has_types = false;
  bool has_values = false;
  bool has_times = false;
  EventReaderOptions options;  // with the names of the columns that were read; empty where there is none
  std::vector<EventSource> sources;
};

struct EventSink {
  std::function<void(const Event&)> event;
  /// Called for each bad row; throw from here to stop.
  std::function<void(const BadRow&)> bad_row;
  /// Bytes of the files (as stored) read so far, and in all (0: not known); may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

/// Reads the files in order, as one export: the same columns must be in each. What makes a bad row, and every
/// other rule of the formats: docs/formats.md.
///
/// Throws kNotFound, kIo, kCorrupt (a .gz cut short) or kInvalidArgument (no such column, an empty file, a header
/// that repeats a name), naming the file; kUsage for a column name with adjacency lists, which have none.
/// Cost: one pass; memory for the buffer and the longest line.
EventReaderSummary ReadEvents(std::span<const std::string> paths, const EventReaderOptions& options,
                              const EventSink& sink);

}  // namespace kindred
