// What segments.toml declares: features, clusters, rules, and what is looked at before a version is published. Each
// part is described where it is read: host/features/feature_spec.h, cluster_spec.h, behaviour_spec.h, and here
//
//   [drift]                    since the last version (host/segments/drift.h): beyond these nothing is published
//   max_psi = 0.25
//   max_movers = 0.5
//
//   [audit]                    host/segments/audit.h
//   attributes = ["country"]
//   model = "shop"             of the same store: whose evaluation by these attributes is looked at
//   min_group = 30
//   max_quality_gap = 0.1      a gate; default: none
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/features/feature_spec.h"
#include "host/segments/audit.h"
#include "host/segments/behaviour_spec.h"
#include "host/segments/cluster_spec.h"
#include "host/segments/drift.h"

namespace kindred {

inline constexpr int kSegmentsTomlSchema = 1;
/// The table for flags of `kindred segment`, which the command line reads (host/cli/config_file.h).
inline constexpr std::string_view kSegmentFlagsTable = "segment";

struct SegmentSpec {
  FeatureSpec features;  // no features: the default ones
  ClusterSpec clusters;
  BehaviourSpec behaviour;
  DriftLimits drift;
  std::vector<std::string> audit_attributes;
  std::string audit_model;  // empty: none
  AuditOptions audit;
};

/// Throws kUsage with file, line and column; kUnsupported for a newer schema.
SegmentSpec ParseSegmentSpec(std::string_view text, const std::string& file);
/// The same of a file. Throws kNotFound and kIo as well.
SegmentSpec ReadSegmentSpec(const std::string& file);

/// What a version keeps of it: events, features and clusters by the keys of the file, and what decides about
/// likelihood. Rules, stages and thresholds are in the report.
nlohmann::json SegmentSpecJson(const SegmentSpec& spec);

}  // namespace kindred
