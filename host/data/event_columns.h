// Which columns of a header hold an event's parts.
#pragma once

#include <string>
#include <vector>

#include "host/data/event_reader.h"

namespace kindred {

struct EventColumn {
  int index = -1;  // in the header; -1: there is none
  std::string name;

  explicit operator bool() const { return index >= 0; }
};

struct EventColumns {
  EventColumn user, item, event, value, time;
  size_t n_columns = 0;
};

/// Finds the columns that `options` names, or those of the usual names. Throws kInvalidArgument naming the file:
/// no such column (with those there are, and the flag that names one), two that could be meant, a name twice.
EventColumns FindEventColumns(const std::vector<std::string>& header, const EventReaderOptions& options,
                              const std::string& path);

}  // namespace kindred
