// The options that say how to read an export, the same for every command that reads one.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "host/data/event_reader.h"

namespace kindred {

struct ReaderFlags {
  std::string format = "csv";
  EventReaderOptions columns;

  /// The options with the format parsed. Throws kUsage.
  EventReaderOptions Options() const;
};

/// Adds --[prefix]format, --[prefix]user-column and so on.
void AddReaderFlags(CLI::App& app, const std::string& prefix, ReaderFlags& flags);

}  // namespace kindred
