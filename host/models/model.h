// A trained model: views for those who compute with it, and the files of a version.
//
//   user_ids_*.npy, item_ids_*.npy    the id maps
//   history_indptr/items/values.npy   users x items: what each user did, as confidences, or ratings; increasing items
//   event_indptr/items/times/types.npy
//       the events the history was summed up from, as in a dataset (host/data/dataset.h) but without values; times
//       and types only where the dataset has them, and none of these in the versions of older programs
//   item_popularity.npy   float32 [n_items]            number of users with the item in their history
//   user_factors.npy      float32 [n_users, n_factors]    not "popularity"
//   item_factors.npy      float32 [n_items, n_factors]    not "popularity"; of "als" its gramian is diagonal
//   history_factors.npy   float32 [n_items, n_factors]    what an item in a history adds to the query; not where that
//                                                         is nothing, or the item factors
//   base_query.npy        float32 [n_factors]             where there is one: what every query starts with
//   item_item_indptr/items/values.npy                     where there is one: the matrix S of a scorer (below)
//   eigenvalues.npy       float32 [n_factors]             "als" only; that diagonal, descending
//   part_0_*.npy, ...     of a "blend": the arrays of factors above of each of its parts
//   band_lengths.npy      int32 [n_bands]                 of a "blend": the least length of a history of each band, and
//   band_weights.npy      float32 [n_bands, n_parts]      the parts' weights there
//   singular_values.npy   float32 [n_factors]             "svd" only; of the history's matrix, descending
//   user_biases.npy       float32 [n_users]               of explicit feedback only, as
//   item_biases.npy       float32 [n_items]               is the manifest's rating_mean
//   SIDE_features_indptr/indices/values.npy, SIDE_feature_factors.npy, SIDE_feature_names_bytes/offsets.npy
//       of "content" only, SIDE item and, where attributes of users are known, user: AttributesView below
//   item_column_K_*.npy, user_column_K_*.npy
//       what the dataset knew of the items and users (host/data/attribute_table.h), for filters; none of these in the
//       versions of older programs
//   calibration_scores.npy, calibration_probabilities.npy
//       float32 [n_knots]   probabilities of scores (host/models/calibration.h); absent where none were learned
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/events.h"
#include "host/data/id_map.h"
#include "host/models/calibration.h"
#include "host/store/model_store.h"
#include "kernels/views.h"

namespace kindred {

/// The manifest's schema_version, of the arrays above and of the algorithms; versions of older programs have none,
/// which is 1. A reader refuses a newer one with a message.
inline constexpr int kModelSchema = 3;
inline constexpr const char* kModelKind = "model";

/// What a model can be, by how it is fitted: als (host/models/als.h, explicit_als.h), svd (pure_svd.h), svd-filter
/// (svd_filter.h), item-cosine and rp3beta (item_neighbours.h), ease (ease.h), popular, latest and trending
/// (popular_lists.h), content (content.h). A blend (host/evaluation/blend_weights.h) is several of the others.
inline constexpr std::string_view kAls = "als", kSvd = "svd", kBlend = "blend", kPopularity = "popularity";
inline constexpr std::string_view kAlgorithms[] = {kAls,       kSvd,      "svd-filter", "item-cosine",
                                                   "rp3beta",  "ease",    "popular",    "latest",
                                                   "trending", "content", kBlend,       kPopularity};
bool IsAlgorithm(std::string_view name);
/// Whether its models are lists, one for all users or one for each group: popular, latest and trending.
bool HasLists(std::string_view algorithm);
/// "als, svd, ... or popularity"
std::string AlgorithmNames();

enum class Feedback {
  kImplicit,  // values are confidences (host/models/als.h)
  kExplicit,  // values are ratings (host/models/explicit_als.h)
};

/// The weights of the objective (ARCHITECTURE.md, "The objective"), needed again to fold users in.
struct AlsObjective {
  float unobserved_weight = 0.1f;  // a0; 0 where feedback is explicit
  float regularization = 0.01f;
  float regularization_exponent = 1.0f;
  Feedback feedback = Feedback::kImplicit;
  float bias_regularization = 5.0f;  // explicit only

  /// l = regularization * (n_entries + a0 * n_other_side)^exponent
  float RowRegularization(int64_t n_entries, int64_t n_other_side) const;
  bool has_ratings() const { return feedback == Feedback::kExplicit; }
};

/// As a manifest has it.
nlohmann::json ObjectiveJson(const AlsObjective& objective);

/// The groups that have lists of their own (host/models/popular_lists.h): group g has factor 1 + g.
struct ListGroups {
  std::string attribute;  // empty: there are none
  std::span<const std::string> names;
};

/// What attributes add to the factors of one side: row r of the side is
///
///   what they do not decide  +  sum over its features e of value_re factors_e
///
/// so that the part of a score that a feature is to blame for is value_re factors_e . the other side's factors.
struct AttributesView {
  CsrView features;                 // rows of the side x n_features; empty where attributes have no say
  HostMatrix<const float> factors;  // n_features x n_factors
  TextsView names;                  // n_features, "column: value"

  bool empty() const { return features.indptr.empty(); }
};

/// Every model but "popularity" scores alike. With a history of items j and weights w_j, a query x has
///
///   score of item i  =  x . item_factors_i  +  sum over j of w_j S_ji
///
/// where S, the item-item matrix, may be absent. "als" solves for x (host/models/als.h); all others are linear in the
/// history: x = base_query + sum over j of w_j history_factors_j.
///
/// A "blend" is several such models of the same users, items and history. Its score is the weighted sum of theirs; the
/// weights go by the length of the history.
struct ModelView {
  std::string algorithm;  // one of kAlgorithms
  IdMap users;
  IdMap items;
  CsrView history;                          // n_users x n_items
  EventsView events;                        // of n_users, without values; empty (no indptr) where they were not kept
  AttributeTable item_columns;              // of n_items; no columns where nothing is known of them
  AttributeTable user_columns;              // of n_users, likewise
  std::span<const float> popularity;        // n_items
  HostMatrix<const float> user_factors;     // n_users x n_factors; no columns for "popularity"
  HostMatrix<const float> item_factors;     // n_items x n_factors; likewise
  HostMatrix<const float> history_factors;  // n_items x n_factors; no rows: zeros. Of "svd" the item factors
  std::span<const float> base_query;        // n_factors; empty: zeros
  CsrView item_item;                        // S, n_items x n_items; no offsets: absent
  std::span<const float> eigenvalues;       // n_factors; "als" only
  std::span<const float> singular_values;   // n_factors; "svd" only
  AlsObjective objective;                   // "als" only
  std::span<const float> user_biases;       // n_users where the objective has ratings, else empty
  std::span<const float> item_biases;       // n_items, likewise
  float rating_mean = 0;
  AttributesView item_attributes;         // of "content"
  AttributesView user_attributes;         // likewise, where attributes of users are known: of users without a history
  ListGroups list_groups;                 // of lists
  CalibrationView calibration;            // of scores by factors; may be empty
  std::vector<ModelView> parts;           // of a "blend", which has no factors of its own
  std::span<const int32_t> band_lengths;  // the least number of items in a history of each band, increasing, 0 first
  HostMatrix<const float> band_weights;   // n_bands x number of parts
  std::optional<double> noise_variance;   // of implicit "als", where it was measured (host/ranking/uncertainty.h)

  int64_t n_users() const { return history.n_rows; }
  int64_t n_items() const { return history.n_cols; }
  int64_t n_factors() const { return item_factors.n_cols; }
  bool has_factors() const { return n_factors() > 0 || !parts.empty(); }
  bool has_item_item() const { return !item_item.indptr.empty(); }
  /// What items are compared by: their factors, where those do more than order items alike for all; else no columns.
  HostMatrix<const float> item_vectors() const;
  /// Weights of the parts for a history of so many items.
  std::span<const float> WeightsFor(int64_t n_history_items) const;
  /// Whether users without a history may have factors all the same, from their attributes or their group.
  bool knows_users_by_attributes() const { return has_lists() || !user_attributes.empty(); }
  /// Whether the model itself answers for this user; the others are shown what is popular.
  bool Knows(int64_t user) const {
    if (!has_factors() || !history.row(user).empty()) return has_factors();
    return knows_users_by_attributes() &&
           std::ranges::any_of(user_factors.row(user), [](float factor) { return factor != 0; });
  }
  /// Whether it is a list for all users, or one for each group: histories have no part in it.
  bool has_lists() const { return HasLists(algorithm); }
  /// The group whose list this user gets; -1: that of all users.
  int64_t ListGroupOf(int64_t user) const {
    const std::span<const float> factors = user_factors.row(user);
    return std::ranges::find_if(factors, [](float factor) { return factor != 0; }) - factors.begin() - 1;
  }
  bool is_linear() const { return n_factors() > 0 && algorithm != kAls; }
  bool has_ratings() const { return has_factors() && objective.has_ratings(); }
};

/// A version of the store, verified and mapped.
class Model {
 public:
  /// `version` 0 means CURRENT. Throws kNotFound, kCorrupt or kUnsupported.
  static std::shared_ptr<const Model> Open(const ModelStore& store, const std::string& name, int64_t version = 0);

  const ModelView& view() const { return view_; }
  const nlohmann::json& manifest() const { return artifact_->manifest(); }
  const std::string& digest() const { return artifact_->digest(); }
  const std::string& name() const { return name_; }
  int64_t version() const { return version_; }
  int64_t bytes() const { return artifact_->bytes(); }

 private:
  std::shared_ptr<const Artifact> artifact_;
  std::vector<std::string> event_types_, list_groups_;
  ModelView view_;
  std::string name_;
  int64_t version_ = 0;
};

/// Publishes a version and makes it CURRENT; returns its number. Factors that are not finite: kNumeric.
/// Call with the model's lock held. Nothing is visible unless everything is.
int64_t PublishModel(const ModelStore& store, const std::string& name, const ModelView& model, nlohmann::json manifest);

}  // namespace kindred
