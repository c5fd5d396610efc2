// Rules, stages, thresholds and the likelihood of a purchase, as segments.toml declares them.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "host/segments/behaviour_rules.h"
#include "host/segments/likelihood.h"
#include "host/segments/thresholds.h"
#include "host/text/toml_table.h"

namespace kindred {

struct BehaviourSpec {
  std::vector<RuleSpec> rules, stages;    // in the order of the file
  std::vector<ThresholdSpec> thresholds;  // in order of name
  std::optional<LikelihoodSpec> likelihood;
};

/// What ReadBehaviourSpec reads of a file; whoever reads the rest knows these keys too.
inline constexpr std::string_view kBehaviourSpecKeys[] = {"rules", "stages", "thresholds", "likelihood"};

/// Reads these keys of a file:
///
///   [[rules]]           name, when            host/segments/behaviour_rules.h
///   [[stages]]          name, when
///   [thresholds.NAME]   value; or of, quantile and perhaps max_step      host/segments/thresholds.h
///   [likelihood]        event, horizon, enter, leave                      host/segments/likelihood.h
///
/// Throws kUsage with file, line and column for unknown keys (naming the nearest), keys that are not there, and values
/// of another type or out of range. What depends on a dataset, and whether conditions can be compiled, is for
/// BehaviourRules, SetThresholds and LikelihoodSplit to say, which name the place too.
BehaviourSpec ReadBehaviourSpec(const TomlTable& file);

}  // namespace kindred
