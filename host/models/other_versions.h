// Versions in a model store that are no models: they have the place of an algorithm's name in their manifests.
#pragma once

#include <string_view>

namespace kindred {

/// Of segments: host/segments/segment_model.h.
inline constexpr std::string_view kSegmentsAlgorithm = "segments";

}  // namespace kindred
