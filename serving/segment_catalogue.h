// The segments of a version as callers ask for them: what there are, of what size, and what the report says of each.
// No gRPC types.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "host/segments/segment_model.h"

namespace kindred {

enum class SegmentKind : uint8_t {
  kCluster,
  kRule,
  kStage,
  kLikely,  // to buy: one, where the version has a likelihood
};

struct SegmentEntry {
  SegmentKind kind = SegmentKind::kCluster;
  int64_t index = 0;  // among those of its kind
  std::string id;     // of a cluster its stable id, of rules and stages the name; empty: likely to buy
  std::string name;
  int64_t size = 0;      // users
  double share = 0;      // of a cluster among the users who are in one; of others among all
  std::string in_words;  // of a cluster what sets it apart; of others the condition
};

/// What the report has of a cluster besides.
struct ClusterFacts {
  struct Feature {
    std::optional<double> mean, median, deviations;  // as host/segments/profile.h has them
  };
  struct Example {
    std::string user;
    double distance = 0;
    std::vector<std::optional<double>> values;  // of the features
  };

  bool named_by_person = false;
  std::optional<double> mean_silhouette;
  std::vector<Feature> profile;  // of the features
  std::vector<Example> examples;
};

/// Immutable once made. Views nothing of the model.
class SegmentCatalogue {
 public:
  /// Reads the manifest. Throws kCorrupt for one that is no report of segments.
  explicit SegmentCatalogue(const SegmentModel& model);
  SegmentCatalogue(SegmentCatalogue&&) = default;  // not copied: the map views what is in it

  /// Clusters, rules, stages, and who is likely to buy.
  std::span<const SegmentEntry> entries() const { return entries_; }
  const ClusterFacts& cluster(int64_t index) const { return clusters_[static_cast<size_t>(index)]; }
  /// Throws kNotFound naming the nearest. A cluster may be asked for by its name.
  const SegmentEntry& Find(SegmentKind kind, std::string_view id) const;

  /// Names as people and messages have them: printable UTF-8.
  const std::vector<std::string>& features() const { return features_; }
  /// The index of a feature by such a name. Throws kInvalidArgument, beginning with the place, naming the nearest.
  int64_t FindFeature(const std::string& place, std::string_view name) const;

  int64_t n_in_no_cluster() const { return n_in_no_cluster_; }
  const std::string& created_at() const { return created_at_; }
  /// Whether events have times: then there is a moment that all looks back from.
  bool has_times() const { return has_times_; }

 private:
  void AddClusters(const SegmentModel& model);
  void AddRulesAndStages(const SegmentModel& model);
  void AddLikely(const SegmentModel& model);

  std::vector<SegmentEntry> entries_;
  std::vector<ClusterFacts> clusters_;
  std::vector<std::string> features_;
  std::unordered_map<std::string_view, int64_t> feature_of_;  // views features_
  int64_t n_in_no_cluster_ = 0;
  std::string created_at_;
  bool has_times_ = false;
};

/// In increasing index.
std::vector<int64_t> MembersOf(const SegmentModel& model, const SegmentEntry& segment);

/// "; the nearest is 'NAME'", or nothing where there are none.
std::string NearestText(std::string_view written, std::span<const std::string_view> known);

}  // namespace kindred
