// Declared features compiled against a dataset: what computes them, for one user or for all.
//
// Names of types are looked up, conditions evaluated to a byte an item, numbers and values of items and attributes and
// factors of users copied, so that a program needs nothing but itself: it is stored with a version and computes the
// features of a user that the dataset never had. Item and user indices are those of the dataset; whoever stores a
// program stores its id maps.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/features/feature_spec.h"
#include "host/features/feature_table.h"
#include "host/store/artifact.h"
#include "host/store/model_store.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

/// What one user did.
struct UserEvents {
  std::span<const int32_t> items = {};  // < 0 or beyond the program's: an item without attributes, the same each time
  std::span<const float> values = {};   // empty: 1 each
  std::span<const int64_t> times = {};  // unix seconds, not falling; empty: none
  std::span<const uint8_t> types = {};  // indices into type_names(); empty: none
};

/// The user's part of the events.
UserEvents EventsOf(const EventsView& events, int64_t user);

/// A column of the table.
struct FeatureColumn {
  std::string name;         // NAME, NAME.VALUE or NAME.f1
  int64_t declaration = 0;  // its index in spec().features
};

struct FeatureState;    // host/features/feature_state.h
struct FeatureScratch;  // likewise

/// Immutable, cheap to copy, used by any number of threads.
class FeatureProgram {
 public:
  static constexpr int64_t kMaxColumns = 4096;

  /// `store` has the models of factors; null: there are none. A spec of another program gives the same columns, as it
  /// names the values of category_shares and the version of each model.
  ///
  /// Throws kInvalidArgument, beginning with the declaration's place, for types of event and attributes that are not
  /// there (naming the nearest) or of a type that will not do, conditions that do not compile, features of times where
  /// there are none, a model without factors, and more than kMaxColumns columns; kInvalidArgument for a reference
  /// before all events; what Model::Open throws. Cost: a read of the columns that are named; one pass over the events
  /// for each category_shares.
  static FeatureProgram Compile(const FeatureSpec& spec, const Dataset& dataset, const ModelStore* store);

  /// As compiled, with what was found: the values of category_shares, the number of each model's version.
  const FeatureSpec& spec() const;
  const std::vector<FeatureColumn>& columns() const;
  std::vector<std::string> names() const;
  /// A rule for each column.
  std::vector<NormalizationRule> rules() const;
  std::span<const std::string> type_names() const;
  /// What the spec says, else the last event time of the dataset; 0 where it has no times.
  int64_t reference() const;
  int64_t n_items() const;
  int64_t n_users() const;
  /// What is well-formed and yet hardly meant: a window longer than the data, a condition that holds for no item, a
  /// value that no item has. Empty of a program from an artifact.
  const std::vector<std::string>& warnings() const;

  /// The features of one user as of `reference`: later events are left out. `user`: the row of the dataset that the
  /// user's attributes and factors are of; -1: unknown, those are missing. `out`: one for each column, NaN or finite.
  /// Throws kInvalidArgument for spans of different lengths, times that fall, times or types that are absent where the
  /// program needs them, and unknown types. Cost: linear in the events for most kinds, a sort of them for gap,
  /// distinct, entropy and repeat_visits.
  void Compute(const UserEvents& events, int64_t user, int64_t reference, std::span<double> out) const;

  /// Row u of all: of the events of user u, of the dataset that was compiled against or of another state of it with the
  /// same indices. Users up to n_users() have attributes and factors. The same bits for any number of threads.
  FeatureTable Compute(const EventsView& events, int64_t reference, ThreadPool& pool) const;

  /// Writes the arrays PREFIX_*; returns what FromArtifact needs beside them.
  nlohmann::json AddTo(ArtifactWriter& writer, const std::string& prefix) const;
  /// Views the artifact, which it keeps alive. Throws kCorrupt for arrays or members that do not fit each other; after
  /// that no computation can leave them.
  static FeatureProgram FromArtifact(std::shared_ptr<const Artifact> artifact, const std::string& prefix,
                                     const nlohmann::json& described);

 private:
  explicit FeatureProgram(std::shared_ptr<const FeatureState> state) : state_(std::move(state)) {}
  void Compute(const UserEvents& events, int64_t user, int64_t reference, FeatureScratch& scratch,
               std::span<double> out) const;

  std::shared_ptr<const FeatureState> state_;
};

}  // namespace kindred
