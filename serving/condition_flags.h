// The conditions of a request as flags of `kindred query`.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "kindred/v1/recommender.pb.h"

namespace kindred {

struct ConditionFlags {
  std::string scenario, filter;
  std::vector<std::string> context, candidates, exclude_events, exclude_items;
};

/// The flags live as long as the command.
void AddConditionFlags(CLI::App* app, ConditionFlags& flags);
/// Throws kUsage naming the flag.
void SetConditions(const ConditionFlags& flags, v1::RecommendRequest* request);

/// "hour=3", "device=phone", "known=true", "region=null", and "code=\"3\"" for a text that looks like something else:
/// a value of JSON, or else a text. Throws kUsage.
void AddContext(const std::string& flag, v1::RecommendRequest* request);

}  // namespace kindred
