// Whether segments, and the recommendations of a model, treat groups of users differently.
//
// For each attribute of users that was asked for: how its groups are spread over the segments and how strongly the two
// go together (host/segments/association.h); and where a model of the store was evaluated by the same groups, how good
// its lists are for each and what they show: NDCG with its 95 % interval, novelty, and by how much lists are more
// popular than what the group had (host/evaluation/metrics.h).
//
// The gap between groups is the largest NDCG m_b less the least m_w among groups with at least min_group evaluated
// users, as part of the largest: (m_b - m_w) / m_b. Its interval takes both means as independent,
// h = sqrt(h_b^2 + h_w^2) of their half-widths, and is widened so that it holds for all pairs of groups at once
// (Bonferroni): the largest of many differences is large by chance. The gate holds a version where the gap is above
// max_quality_gap and its interval is above 0.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/evaluation/groups.h"
#include "host/segments/anomalies.h"
#include "host/segments/association.h"

namespace kindred {

struct AuditOptions {
  int64_t min_group = 30;                 // groups of fewer users are small: shown, and no ground for a gap
  std::optional<double> max_quality_gap;  // a part of 1; none: nothing is held
};

/// What a model's evaluation says of a group.
struct GroupQuality {
  int64_t n_users = 0;  // that were evaluated
  MeanInterval ndcg;
  MeanInterval novelty;
  double popularity_lift = 0;  // NaN: not known
};

struct AuditedGroup {
  std::string name;
  int64_t n_users = 0;  // in segments
  bool is_small = false;
  std::vector<int64_t> by_segment;
  std::optional<GroupQuality> quality;
};

struct QualityGap {
  std::string best, worst;  // groups
  double gap = 0, low = 0, high = 0;
};

struct AuditedAttribute {
  std::string attribute;
  std::vector<AuditedGroup> groups;  // those with users in segments
  Association association;
  std::optional<QualityGap> largest_gap;  // none without two groups to compare
};

struct Audit {
  std::vector<AuditedAttribute> attributes;
  std::string metric;  // of the qualities: "ndcg_at_20"; empty without an evaluation
  std::vector<Anomaly> anomalies;
  std::optional<double> max_quality_gap;
  std::vector<std::string> reasons;   // why the gate holds the version; none: it does not
  std::vector<std::string> warnings;  // small groups, attributes that part nobody
};

/// The groupings of the attributes, in their order. `rows` as in AttributeGroupings. An attribute that parts nobody
/// (all users have the same, or none has any) gives none and a warning. Throws kInvalidArgument for a name that the
/// table lacks, naming the nearest, and for tags and texts.
std::vector<Grouping> AuditedGroupings(const AttributeTable& users, std::span<const int32_t> rows,
                                       std::span<const std::string> attributes, std::vector<std::string>& warnings);

/// `groupings` have a group for each user, `labels` a segment (-1: in none, and in no figure). `evaluation` is the
/// member of that name in a model's manifest (docs/formats.md), null without a model; groups go by their names.
Audit AuditSegments(std::span<const Grouping> groupings, std::span<const int32_t> labels, int64_t n_segments,
                    const nlohmann::json& evaluation, const AuditOptions& options);

/// The member "audit" of the report (docs/formats.md).
nlohmann::json AuditJson(const Audit& audit);

}  // namespace kindred
