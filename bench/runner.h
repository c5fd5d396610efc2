// Runs a workload: for each case the data, then every program once for its quality, then all that passed, in turns.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "bench/result.h"
#include "bench/workload.h"

namespace kindred {

struct RunOptions {
  int rounds = 3;
  std::vector<std::string> only = {};  // parts of "WORKLOAD/CASE"; empty: all cases
  bool peers = true;
  std::optional<double> price_per_hour = {};  // of the whole machine
  std::function<void(const std::string&)> progress = {};
};

/// Whether a case is among those asked for.
bool Selected(const RunOptions& options, const std::string& workload, const std::string& case_name);

/// Adds the workload's head and rows to the result; with no case selected, nothing. A program that ends badly, whose
/// answer is none, differs between runs or from what it must be, or whose quality does not do, gets one row with the
/// reason and no time; the others go on. Throws kIo after SIGINT or SIGTERM.
void RunWorkload(const StopSignals& signals, const Workload& workload, const Setup& setup, const RunOptions& options,
                 Result& result);

}  // namespace kindred
