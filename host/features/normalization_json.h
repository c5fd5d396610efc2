// Rules of normalization as a manifest has them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "host/features/normalization_rule.h"

namespace kindred {

/// {"normalize", "clip": null, "iqr" or [low, high], "impute": a name or a number, "weight"}: the keys of
/// segments.toml.
nlohmann::json NormalizationRuleJson(const NormalizationRule& rule);
/// These members of an object. Throws kCorrupt, beginning with `where`.
NormalizationRule ParseNormalizationRule(const nlohmann::json& json, const std::string& where);

}  // namespace kindred
