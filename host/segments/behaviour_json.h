// Rules and stages as a manifest and a report have them, and back.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/segments/behaviour_rules.h"
#include "host/segments/thresholds.h"

namespace kindred {

/// "rules": [{"name", "when", "size", "share", "thresholds": {"big": 500.0}}], with the thresholds that a rule compares
/// with; `when` in canonical form. The thresholds are those of the vocabulary, in its order.
nlohmann::json RulesJson(const BehaviourRules& rules, const RuleMembers& members,
                         std::span<const Threshold> thresholds);

/// "stages": {"names": [...], "when": [...], "sizes": [...], "n_in_none", "transitions": null or a list of rows,
/// "last_names": null or what stages the rows are of, before the last}. `transitions` are those of CountTransitions
/// from the stages of `last`; empty, and null: there is no last version.
nlohmann::json StagesJson(const BehaviourRules& rules, const RuleMembers& members, std::span<const int64_t> transitions,
                          const BehaviourRules* last = nullptr);

/// What they were compiled from. Throw kCorrupt, beginning with `where`, for what is none.
std::vector<RuleSpec> ParseRules(const nlohmann::json& rules, const std::string& where);
std::vector<RuleSpec> ParseStages(const nlohmann::json& stages, const std::string& where);

}  // namespace kindred
