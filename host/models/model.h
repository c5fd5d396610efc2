// A trained model: views for those who compute with it, and the files of a version.
//
//   user_ids_*.npy, item_ids_*.npy    the id maps
//   history_indptr/items/values.npy   users x items: what each user did, as confidences; increasing items
//   event_indptr/items/times/types.npy
//       the events the history was summed up from, as in a dataset (host/data/dataset.h) but without values; times
//       and types only where the dataset has them, and none of these in the versions of older programs
//   item_popularity.npy   float32 [n_items]            number of users with the item in their history
//   user_factors.npy      float32 [n_users, n_factors]    "als" only
//   item_factors.npy      float32 [n_items, n_factors]    "als" only; its gramian is diagonal
//   eigenvalues.npy       float32 [n_factors]             "als" only; that diagonal, descending
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/events.h"
#include "host/data/id_map.h"
#include "host/store/model_store.h"
#include "kernels/views.h"

namespace kindred {

/// The weights of the objective (ARCHITECTURE.md, "The objective"), needed again to fold users in.
struct AlsObjective {
  float unobserved_weight = 0.1f;  // a0
  float regularization = 0.01f;
  float regularization_exponent = 1.0f;

  /// l = regularization * (n_entries + a0 * n_other_side)^exponent
  float RowRegularization(int64_t n_entries, int64_t n_other_side) const;
};

struct ModelView {
  std::string algorithm;  // "als" or "popularity"
  IdMap users;
  IdMap items;
  CsrView history;                       // n_users x n_items
  EventsView events;                     // of n_users, without values; empty (no indptr) where they were not kept
  std::span<const float> popularity;     // n_items
  HostMatrix<const float> user_factors;  // n_users x n_factors; no columns for "popularity"
  HostMatrix<const float> item_factors;  // n_items x n_factors; likewise
  std::span<const float> eigenvalues;    // n_factors
  AlsObjective objective;

  int64_t n_users() const { return history.n_rows; }
  int64_t n_items() const { return history.n_cols; }
  int64_t n_factors() const { return item_factors.n_cols; }
  bool has_factors() const { return n_factors() > 0; }
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
  std::vector<std::string> event_types_;
  ModelView view_;
  std::string name_;
  int64_t version_ = 0;
};

/// Publishes a version and makes it CURRENT; returns its number. Factors that are not finite: kNumeric.
/// Call with the model's TrainingLock held. Nothing is visible unless everything is.
int64_t PublishModel(const ModelStore& store, const std::string& name, const ModelView& model, nlohmann::json manifest);

}  // namespace kindred
