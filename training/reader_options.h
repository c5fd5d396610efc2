// The options that say how to read an export, the same for every command that reads one.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/intake/event_reader.h"

namespace kindred {

struct ReaderFlags {
  std::string prefix;
  std::string format;  // empty: what the files' names say
  std::string delimiter, encoding = "utf-8", decimal = ".", id_format = "text", time_format = "auto";
  bool no_header = false;
  EventReaderOptions columns;

  /// The options for these files (ExpandInputs gives them), with the format found. Throws kUsage, also where the names
  /// do not tell it.
  EventReaderOptions Options(std::span<const std::string> files) const;
};

/// Adds --[prefix]format, --[prefix]user-column and so on.
void AddReaderFlags(CLI::App& app, const std::string& prefix, ReaderFlags& flags);

}  // namespace kindred
