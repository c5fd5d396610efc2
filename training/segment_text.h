// A report of segments (docs/formats.md) as lines for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// What `kindred segment` prints: the segments, whom rules and stages hold for, who moved, where it was published.
std::string SegmentText(const nlohmann::json& report);

/// Why nothing was published: the model and a line a reason, without a newline at the end.
std::string SegmentRefusalText(const nlohmann::json& report);

}  // namespace kindred
