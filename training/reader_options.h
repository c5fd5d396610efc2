// The options that say how to read an export, the same for every command that reads one.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>

#include "host/data/event_reader.h"

namespace kindred {

struct ReaderFlags {
  std::string prefix;
  std::string format;  // empty: what the files' names say
  EventReaderOptions columns;

  /// The options with the format found. Throws kUsage, also where the names do not tell it.
  EventReaderOptions Options(std::span<const std::string> paths) const;
};

/// Adds --[prefix]format, --[prefix]user-column and so on.
void AddReaderFlags(CLI::App& app, const std::string& prefix, ReaderFlags& flags);

}  // namespace kindred
