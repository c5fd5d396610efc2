// The options that say what events count, the same for every command that takes them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "host/data/event_weighting.h"

namespace kindred {

/// Texts as they were given; empty: not given; "none": no weights, no cap, no decay.
struct WeightingFlags {
  std::vector<std::string> event_weights;
  std::string value_cap, confidence_cap, half_life;

  /// Throws kUsage.
  WeightingChanges Changes() const;
};

/// Adds --event-weight, --value-cap, --confidence-cap and --half-life. `otherwise` says what holds without them.
void AddWeightingFlags(CLI::App& app, const std::string& otherwise, WeightingFlags& flags);

}  // namespace kindred
