// Event exclusions as people write them.
#pragma once

#include <string>
#include <string_view>

#include "kindred/v1/recommender.pb.h"

namespace kindred {

/// "buy" (at any time), "view:30d" (in the last 30 days; units s, m, h, d and w), "*" for all types of events, "*:0"
/// for nothing at all. A type with a ':' has to be written with a window. Throws kUsage.
v1::EventExclusion ParseEventExclusion(std::string_view text);

}  // namespace kindred
