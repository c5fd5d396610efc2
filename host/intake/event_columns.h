// Which columns of an export hold an event's parts.
#pragma once

#include <span>
#include <string>

#include "host/intake/event_reader.h"

namespace kindred {

struct EventColumn {
  int index = -1;  // among the source's columns; -1: there is none
  std::string name;
  ColumnType type = ColumnType::kUntyped;

  explicit operator bool() const { return index >= 0; }
};

struct EventColumns {
  EventColumn user, item, event, value, time, id;
};

/// Finds the columns that `options` names, or those of the usual names. Throws kInvalidArgument naming the file:
/// no such column (with those there are, and the flag that names one), two that could be meant, a name twice, a type
/// that an event's part cannot have.
EventColumns FindEventColumns(std::span<const ColumnInfo> header, const EventReaderOptions& options,
                              const std::string& path);

}  // namespace kindred
