// What a segments job found, and the report that is made of it (docs/formats.md, "The report of segments").
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/segments/lineage.h"
#include "host/segments/names.h"
#include "host/segments/segment_model.h"
#include "host/segments/small_segments.h"
#include "host/segments/user_clusters.h"

namespace kindred {

/// The users who are clustered: those with events.
struct ActiveUsers {
  std::vector<int64_t> users;
  std::vector<float> points;  // [users x n_features]; empty where these are all users
};

/// Filled step by step by the job.
struct SegmentWork {
  SegmentSpec spec;
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<const SegmentModel> last;  // null: there is none
  std::optional<FeatureProgram> program;
  int64_t reference = 0;
  FeatureTable table;
  Normalization normalization;
  std::vector<ProfiledFeature> profiled;
  std::vector<float> points;  // [n_users x n_features]
  ActiveUsers active;
  UserClusters found;  // of active users
  SmallSegmentsMerged small;
  std::vector<int32_t> labels;  // [n_users]
  std::vector<float> centroids_of_segments;
  SegmentProfiles profiles;
  LastVersion last_version;
  Lineage lineage;
  std::vector<SegmentName> names;
  std::vector<Threshold> thresholds;
  std::optional<Likelihood> likelihood;
  std::vector<double> probabilities;
  UserBits likely;
  std::optional<BehaviourRules> rules;
  RuleMembers members;

  int64_t n_features() const { return table.n_features(); }
  int64_t n_segments() const { return small.n_segments; }
  double silhouette() const;  // the mean of those measured; NaN of one segment
  HostMatrix<const double> values() const { return {table.values.data(), table.n_users, n_features()}; }
  HostMatrix<const float> all_points() const { return {points.data(), table.n_users, n_features()}; }
  HostMatrix<const float> active_points() const {
    return std::ssize(active.users) == table.n_users
               ? all_points()
               : HostMatrix<const float>{active.points.data(), std::ssize(active.users), n_features()};
  }
  HostMatrix<const float> centroids() const { return {centroids_of_segments.data(), n_segments(), n_features()}; }
};

/// UTC, "2011-12-09 12:50:00".
std::string TimeText(int64_t seconds);

/// The tree of the report, as a figure of the page and as a file of its own; empty where there is one segment.
struct SegmentTree {
  std::string html, svg;
};

/// Adds to the report all that follows from the work.
SegmentTree DescribeSegments(const std::string& model, const std::string& dataset, const SegmentWork& work,
                             nlohmann::json& report);

}  // namespace kindred
