// What a feature program is made of.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/features/feature_program.h"
#include "host/features/selected_events.h"

namespace kindred {

/// An array that is owned, or mapped by an artifact.
template <class T>
class FeatureArray {
 public:
  FeatureArray() = default;
  explicit FeatureArray(std::vector<T> values) : owned_(std::move(values)), view_(owned_) {}
  explicit FeatureArray(std::span<const T> mapped) : view_(mapped) {}
  FeatureArray(FeatureArray&&) noexcept = default;  // a vector that moves keeps its memory
  FeatureArray& operator=(FeatureArray&&) noexcept = default;

  std::span<const T> view() const { return view_; }
  bool empty() const { return view_.empty(); }
  const T& operator[](int64_t i) const { return view_[static_cast<size_t>(i)]; }

 private:
  std::vector<T> owned_;
  std::span<const T> view_;
};

struct ItemCondition {
  std::string where;
  FeatureArray<uint8_t> holds;  // [n_items]
};
struct ItemNumbers {
  std::string of;
  FeatureArray<double> numbers;  // [n_items]; NaN: missing
};
/// Of a category, or tags.
struct ItemValues {
  std::string of;
  FeatureArray<int64_t> indptr;  // [n_items + 1] where each item's codes start; empty: each has one
  FeatureArray<int32_t> codes;   // of one each, -1: missing
};
/// The codes of an item; none of one that is unknown.
inline std::span<const int32_t> CodesOf(const ItemValues& values, int32_t item) {
  if (item < 0) return {};
  const std::span<const int32_t> codes = values.codes.view();
  const auto at = static_cast<size_t>(item);
  if (values.indptr.empty()) return codes.subspan(at, codes[at] < 0 ? 0 : 1);
  return codes.subspan(static_cast<size_t>(values.indptr[item]),
                       static_cast<size_t>(values.indptr[item + 1] - values.indptr[item]));
}

struct UserNumbers {
  std::string of;
  bool is_time = false;
  FeatureArray<double> numbers;  // [n_users]; NaN: missing
};
struct UserFactors {
  std::string model, version;
  int64_t n_factors = 0;
  FeatureArray<float> factors;  // [n_users x n_factors]; NaN: missing
};

/// Which events a feature is of.
struct EventSelection {
  bool all_types = true;
  std::array<uint8_t, 256> types = {};  // by type, where not all
  int64_t window = 0;                   // seconds; 0: all
  int64_t condition = -1;               // into conditions

  bool operator==(const EventSelection&) const = default;
};

struct LinkedFeature {
  FeatureKind kind = FeatureKind::kCount;
  int64_t selection = -1;                        // into selections; -1: of none
  int64_t condition = -1;                        // share's
  int64_t of = -1;                               // into numbers, values, user_numbers or factors, by the kind
  int64_t window = 0, per = 0, session_gap = 0;  // seconds
  int64_t first_column = 0, n_columns = 1;
  std::vector<std::pair<int32_t, int32_t>> slots;  // category_shares: code and column of its values, by code
};

struct FeatureState {
  FeatureSpec spec;
  std::vector<std::string> type_names;
  bool has_times = false;
  int64_t reference = 0;
  int64_t n_items = 0, n_users = 0;
  std::vector<ItemCondition> conditions;
  std::vector<ItemNumbers> numbers;
  std::vector<ItemValues> values;
  std::vector<UserNumbers> user_numbers;
  std::vector<UserFactors> factors;
  /// The codes of the values that a category_shares has, by its name; -1: no item has it.
  std::map<std::string, std::vector<int32_t>> share_codes;
  std::vector<std::string> warnings;
  std::shared_ptr<const Artifact> artifact;  // what the arrays are mapped from

  // Made of the above by Link.
  std::vector<EventSelection> selections;
  std::vector<LinkedFeature> features;
  std::vector<FeatureColumn> columns;

  /// Throws kInvalidArgument as FeatureProgram::Compile does, and kCorrupt where something that a declaration names was
  /// not gathered.
  void Link();
};

/// Of one thread.
struct FeatureScratch {
  std::vector<int32_t> items;
  std::vector<double> values;
  std::vector<int64_t> times;
  SelectionScratch selection;
};

/// "segments.toml: line 3, column 1: features: 'recency': WHAT" as kInvalidArgument.
[[noreturn]] void RefuseFeature(const FeatureDeclaration& feature, const std::string& what);

/// Whether an event is one of the selection's, but for its window. `item`: < 0 where it is unknown.
inline bool Selects(const FeatureState& state, const EventSelection& selection, int32_t item, uint8_t type) {
  if (!selection.all_types && selection.types[type] == 0) return false;
  if (selection.condition < 0) return true;
  return item >= 0 && state.conditions[static_cast<size_t>(selection.condition)].holds[item] != 0;
}

}  // namespace kindred
