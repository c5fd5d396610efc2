// A version of segments: what a segments job publishes, and what places users in it, those it has and others.
//
// It is an artifact of kind "model" whose manifest says "algorithm": "segments"; beside the report (docs/formats.md) it
// has what is needed to place a user seen later in the same way:
//
//   user_ids_*.npy, item_ids_*.npy   the id maps
//   event_indptr/items/values/times/types.npy
//                                    the events, as in a dataset (host/data/dataset.h)
//   user_column_K_*.npy              what was known of the users, for rules that say user.NAME
//   features_*.npy                   the compiled features (host/features/feature_program.h)
//   feature_values.npy    float64 [n_users, n_features]      as measured; NaN: missing
//   segment_labels.npy    int32 [n_users]                    index of the segment; -1: in none
//   segment_centroids.npy float32 [n_segments, n_features]   of normalized features
//   rule_members.npy      int64 [n_rules, n_words]           bit u % 64 of word u / 64: whether rule holds for user u
//   user_stages.npy       int32 [n_users]                    index of the stage; -1: in none; absent without stages
//   user_likelihood.npy   float64 [n_users]                  NaN: not known; absent without [likelihood]
//   likely_users.npy      int64 [n_words]                    who is likely to buy, with hysteresis; likewise
//
// Users whose events are all later than the reference are as those without events: in no segment, of no likelihood.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/events.h"
#include "host/data/id_map.h"
#include "host/features/feature_program.h"
#include "host/features/normalization.h"
#include "host/models/other_versions.h"
#include "host/segments/behaviour_rules.h"
#include "host/segments/likelihood.h"
#include "host/segments/segment_spec.h"
#include "host/segments/thresholds.h"
#include "host/store/model_store.h"

namespace kindred {

/// The manifest's "schema_version" of the arrays above. A reader refuses a newer one with a message.
inline constexpr int kSegmentsSchema = 1;

/// What is published. Views, but for what is small.
struct SegmentVersion {
  const IdMap* users = nullptr;
  const IdMap* items = nullptr;
  EventsView events;
  const AttributeTable* user_attributes = nullptr;
  const FeatureProgram* program = nullptr;
  const Normalization* normalization = nullptr;
  HostMatrix<const double> values;
  std::span<const int32_t> labels;
  HostMatrix<const float> centroids;
  std::span<const UserBits> rules;
  std::span<const int32_t> stages;     // empty: there are none
  std::span<const double> likelihood;  // empty: there is none
  const UserBits* likely = nullptr;
};

/// Publishes a version and makes it CURRENT; returns its number. `manifest` is the report with what ToManifest adds.
/// Call with the model's lock held. Nothing is visible unless everything is.
int64_t PublishSegments(const ModelStore& store, const std::string& name, const SegmentVersion& version,
                        nlohmann::json manifest);

/// Where a user is, and why.
struct UserSegments {
  /// Of a segment and of the one that is nearest beside it; -1: in none. Distances are in the space of normalized
  /// features, to the centroids.
  int32_t segment = -1, next = -1;
  double distance = 0, next_distance = 0;
  /// What sets the user apart, by size: the feature, its value (NaN: missing), and how far it is from all users' mean
  /// (FeatureNormalization::Deviations), as a segment's profile measures it.
  struct Trait {
    size_t feature = 0;
    double value = 0;
    double deviations = 0;
  };
  std::vector<Trait> traits;
  struct Rule {
    int64_t rule = 0;
    std::vector<std::string> reasons;  // "carts in 7d = 2 >= 1"
  };
  std::vector<Rule> rules;  // that hold
  int32_t stage = -1;
  std::vector<std::string> stage_reasons;
  std::optional<double> likelihood;
  bool is_likely = false;
  std::vector<Likelihood::Part> likelihood_parts;
  std::vector<double> values;  // of the features
};

/// Opened: immutable, used by any number of threads.
class SegmentModel {
 public:
  /// `version` 0 means CURRENT. Verifies and maps; after that no index leads out of its array. Throws kNotFound,
  /// kCorrupt, kUnsupported (also for a model that is none of segments).
  static std::shared_ptr<const SegmentModel> Open(const ModelStore& store, const std::string& name,
                                                  int64_t version = 0);
  /// CURRENT, or null where it names none, as before the first publication and after one that was killed.
  static std::shared_ptr<const SegmentModel> OpenCurrent(const ModelStore& store, const std::string& name);

  const std::string& name() const { return name_; }
  int64_t version() const { return version_; }
  const nlohmann::json& manifest() const { return artifact_->manifest(); }
  const std::string& digest() const { return artifact_->digest(); }
  int64_t bytes() const { return artifact_->bytes(); }

  const IdMap& users() const { return users_; }
  const IdMap& items() const { return items_; }
  const EventsView& events() const { return events_; }
  const AttributeTable& user_attributes() const { return user_attributes_; }
  const SegmentSpec& spec() const { return spec_; }
  const FeatureProgram& program() const { return *program_; }
  const Normalization& normalization() const { return normalization_; }
  const std::vector<std::string>& feature_names() const { return normalization_.names(); }
  HostMatrix<const double> values() const { return values_; }
  std::span<const int32_t> labels() const { return labels_; }
  HostMatrix<const float> centroids() const { return centroids_; }
  const BehaviourRules& rules() const { return *rules_; }
  std::span<const Threshold> thresholds() const { return thresholds_; }
  std::span<const int32_t> stages() const { return stages_; }
  std::span<const double> likelihood() const { return likelihood_; }
  const std::optional<Likelihood>& likelihood_model() const { return likelihood_model_; }
  int64_t reference() const { return reference_; }

  int64_t n_segments() const { return centroids_.n_rows; }
  /// Of the manifest's "segments".
  const std::string& id(int64_t segment) const { return ids_[static_cast<size_t>(segment)]; }
  const std::string& segment_name(int64_t segment) const { return names_[static_cast<size_t>(segment)]; }
  /// The segment of this id, or else of this name; -1.
  int64_t Find(std::string_view id_or_name) const;
  bool RuleHolds(int64_t rule, int64_t user) const;
  bool IsLikely(int64_t user) const;
  /// Members in increasing index: of a segment, a rule, a stage, or of who is likely to buy.
  std::vector<int64_t> MembersOfSegment(int64_t segment) const;
  std::vector<int64_t> MembersOfRule(int64_t rule) const;
  std::vector<int64_t> MembersOfStage(int64_t stage) const;
  std::vector<int64_t> LikelyMembers() const;

  /// As the version has the user. Cost: the user's events, and n_segments x n_features.
  UserSegments Of(int64_t user) const;

  /// As a user with these events would be placed, as of `reference`. `user`: whose attributes and factors are taken,
  /// and whose membership of who is likely to buy counts for hysteresis; -1: nobody's. Item and type indices are those
  /// of items() and events().type_names. Throws kInvalidArgument as FeatureProgram::Compute does.
  UserSegments Assign(const UserEvents& events, int64_t user, int64_t reference) const;

  /// As a user with these features, [n_features], NaN: missing, would be placed: cluster and likelihood. Rules and
  /// stages, which go by events, are not looked at. Throws kInvalidArgument for another number of values, and infinite
  /// ones.
  UserSegments AssignFeatures(std::span<const double> values) const;

 private:
  SegmentModel() = default;
  void Read();
  void ReadSegments();
  void CheckArrays() const;
  void Place(UserSegments* placed) const;
  void Judge(const EventsView& events, int64_t user, int64_t reference, UserSegments* placed) const;

  std::shared_ptr<const Artifact> artifact_;
  std::string name_;
  int64_t version_ = 0, reference_ = 0;
  IdMap users_, items_;
  std::vector<std::string> event_types_;
  EventsView events_;
  AttributeTable user_attributes_;
  SegmentSpec spec_;
  std::optional<FeatureProgram> program_;
  Normalization normalization_;
  HostMatrix<const double> values_;
  std::span<const int32_t> labels_, stages_;
  HostMatrix<const float> centroids_;
  std::span<const int64_t> rule_members_, likely_;
  std::span<const double> likelihood_;
  std::vector<Threshold> thresholds_;
  std::vector<double> threshold_values_;
  std::optional<BehaviourRules> rules_;
  std::optional<Likelihood> likelihood_model_;
  std::vector<std::string> ids_, names_;
};

}  // namespace kindred
