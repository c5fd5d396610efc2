// The rules of a request as flags of `kindred query`.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kindred/v1/recommender.pb.h"

namespace kindred {

struct RuleFlags {
  std::vector<std::string> boosts, promotions, caps;
  std::optional<float> min_score, diversity;
};

/// The flags live as long as the command.
void AddRuleFlags(CLI::App* app, RuleFlags& flags);
/// Throws kUsage naming the flag.
void SetRules(const RuleFlags& flags, v1::RecommendRequest* request);

/// "brand == \"ours\"=1.5": what follows the last '=' is the factor. Throws kUsage.
v1::Boost ParseBoost(std::string_view text);
/// "summer: tag == \"summer\"=20%" or "=3": a name up to the first ':', a share of the answer, or so many first places,
/// behind the last '='. Throws kUsage.
v1::Promotion ParsePromotion(std::string_view text);

}  // namespace kindred
