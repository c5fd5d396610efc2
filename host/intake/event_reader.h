// Reads exported events from any format, on all threads, in the order of the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/event_batch.h"
#include "host/intake/row_source.h"
#include "host/text/field_values.h"

namespace kindred {

struct EventReaderOptions {
  EventReaderOptions();  // not in line, where g++ 12 warns of strings that it takes for uninitialized
  ReadOptions read;
  /// Names of columns. Empty: `user` or `user_id`, `item` or `item_id`; and where there are such `event`, `value`,
  /// `time` or `timestamp`, and `event_id`.
  std::string user_column = {}, item_column = {}, event_column = {}, value_column = {}, time_column = {},
              event_id_column = {};
  IdFormat id_format = IdFormat::kText;
  NumberFormat number = {};
  bool negative_values = false;  // as ratings may have them; else such rows are bad
  TimeFormat time = TimeFormat();
  /// Rows for which this expression (docs/expressions.md) is not true are left out. Empty: none.
  std::string where = {};
  /// A number as an expression: the value of each event, in place of a column's. Empty: there is none.
  std::string value = {};
  /// The sink will stop at the bad row behind these: of a block, no more are kept.
  int64_t max_bad_rows = std::numeric_limits<int64_t>::max();
  int n_threads = 1;  // 0: one a core
};

struct EventReaderSummary {
  int64_t n_files = 0;
  int64_t n_rows = 0;      // all; without headers and blank lines
  int64_t n_filtered = 0;  // that `where` left out
  int64_t n_events = 0;
  int64_t n_bad_rows = 0;
  bool has_types = false;
  bool has_values = false;
  bool has_times = false;
  bool has_ids = false;
  EventReaderOptions options;  // with the names of the columns that were read; empty where there is none
  std::vector<SourceInfo> sources;
};

struct EventSink {
  /// Called by many threads at once, for different blocks; for one block in order.
  std::function<void(const EventBatch&)> events;
  /// Called for each bad row, in the order of the input, by one thread at a time; throw from here to stop.
  std::function<void(const BadRow&)> bad_row;
  /// Bytes read so far, and in all (0: not known), by one thread at a time; may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

/// Reads the inputs in order, as one export: the same parts of an event must be in each. What makes a bad row, and
/// every other rule of the formats: docs/formats.md. Of several errors the first in the input is thrown; what the
/// sink was given by then is of no use.
///
/// Throws what OpenRows and the sources throw; kInvalidArgument for a column that is not there, is there twice, or has
/// a type that will not do, and for columns of times that mix forms; what Expression::Compile throws.
/// Cost: one pass; memory for a block a thread.
EventReaderSummary ReadEvents(std::span<const std::string> inputs, const EventReaderOptions& options,
                              const EventSink& sink);

}  // namespace kindred
