// The members of a segments report that are made of profiles, names, merges and the map.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "host/segments/lineage.h"
#include "host/segments/names.h"
#include "host/segments/pca.h"
#include "host/segments/profile.h"
#include "host/segments/small_segments.h"

namespace kindred {

/// What each segment's entry is made of, all in the order of segments. `silhouettes`: the mean of each; empty: not
/// measured.
struct DescribedSegments {
  const SegmentProfiles& profiles;
  std::span<const ProfiledFeature> features;
  std::span<const SegmentName> names;
  const Lineage& lineage;
  HostMatrix<const double> values;
  std::span<const double> silhouettes = {};
};

/// The members "segments": an object each, NaN as null. `id_of_user` gives a user's own id.
nlohmann::json SegmentsJson(const DescribedSegments& of, const std::function<std::string(int32_t user)>& id_of_user);

/// [{"index", "size", "into": id, "distance"}].
nlohmann::json MergedJson(std::span<const MergedSegment> merged, const Lineage& lineage);

/// {"explained", "loadings": [[...], [...]], "points": [{"x", "y", "segment"}]}.
nlohmann::json MapJson(const PrincipalComponents& components, std::span<const MapPoint> points);

}  // namespace kindred
