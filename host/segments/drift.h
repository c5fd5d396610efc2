// How far the values of features have moved since the last version, and whether that is too far to publish.
//
// The population stability index of a feature: the last version's values, of users in segments, are parted into bins
// that end at their deciles (bins of equal ends are one, so that few different values make few bins), with a bin more
// for missing ones. With p_b the share of the last version's users in bin b and q_b that of this version's, each at
// least kLeastShare so that an empty bin counts as a small one:
//
//   PSI = sum over bins of (q_b - p_b) ln(q_b / p_b)
//
// Usual reading: below 0.1 hardly any change, above 0.25 another population (Siddiqi 2006). Samples differ by chance:
// of n and m users the same population gives about (bins - 1) (1/n + 1/m) (Yurdakul 2018), which is beside the index.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/segments/lineage.h"
#include "kernels/views.h"

namespace kindred {

inline constexpr double kLeastShare = 1e-4;

/// What a version keeps of a feature, to compare the next one with.
struct StabilityBins {
  std::string feature;
  std::vector<double> ends;    // increasing: bin b has values above ends[b - 1], up to ends[b]; the last all above
  std::vector<double> shares;  // [ends + 2]: the bins, then the missing
  int64_t n_users = 0;
};

/// Of users with a label >= 0; values as in SegmentedUsers. Cost: a sort of each column.
std::vector<StabilityBins> MakeStabilityBins(HostMatrix<const double> values, std::span<const int32_t> labels,
                                             std::span<const std::string> features);

struct FeatureDrift {
  std::string feature;
  double psi = 0;        // NaN where either version lacks the feature or has no users
  double by_chance = 0;  // what the same population gives; NaN likewise
};
/// A row for each feature, by name.
std::vector<FeatureDrift> MeasureDrift(HostMatrix<const double> values, std::span<const int32_t> labels,
                                       std::span<const std::string> features, std::span<const StabilityBins> last);

/// To and from the member "stability_bins" of a version's manifest. Throws kCorrupt for what it cannot be.
nlohmann::json StabilityBinsJson(std::span<const StabilityBins> bins);
std::vector<StabilityBins> StabilityBinsOf(const nlohmann::json& json);

struct DriftLimits {
  double max_psi = 0.25;
  /// A part of the users in both versions. Time alone moves a third of a shop's users in a month, as those who do not
  /// buy lapse; where more than half are elsewhere, what was known of a segment is not known of it any more.
  double max_movers = 0.5;
};
/// Why a version must not be published, in sentences; none where nothing is beyond the limits.
std::vector<std::string> BeyondLimits(const Lineage& lineage, std::span<const FeatureDrift> drift,
                                      const DriftLimits& limits);

/// [{"feature", "psi", "by_chance"}], null for NaN.
nlohmann::json DriftJson(std::span<const FeatureDrift> drift);

/// The member "lineage" of a report: LineageJson with "psi", "reasons" and "held", whether the version was not
/// published because of them.
nlohmann::json LineageJson(const Lineage& lineage, const LastVersion& last, std::span<const FeatureDrift> drift,
                           std::span<const std::string> reasons, bool is_held);

}  // namespace kindred
