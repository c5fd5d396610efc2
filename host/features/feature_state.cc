#include "host/features/feature_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/features/feature_kinds.h"
#include "kernels/error.h"

namespace kindred {
namespace {

/// The place of an entry; they are few.
template <class T, class Test>
int64_t PlaceOf(const std::vector<T>& entries, const FeatureDeclaration& declared, const Test& is) {
  const auto found = std::find_if(entries.begin(), entries.end(), is);
  if (found == entries.end())
    throw Error(ErrorCode::kCorrupt, fmt::format("feature '{}': what it is computed from is not there", declared.name));
  return found - entries.begin();
}

class Linker {
 public:
  explicit Linker(FeatureState& state) : state_(state) {}

  void Add(const FeatureDeclaration& declared) {
    LinkedFeature feature;
    const FeatureKindInfo& info = InfoOf(declared.kind);
    feature.kind = declared.kind;
    feature.window = declared.window.value_or(0);
    feature.per = declared.per;
    feature.session_gap = declared.session_gap;
    if ((info.needs_times || declared.window) && !state_.has_times)
      RefuseFeature(declared, "needs times, and these events have none; prepare them with --time-column");
    if (info.of_events) SetSelection(declared, feature);
    feature.of = OfOf(declared, info);
    feature.first_column = static_cast<int64_t>(state_.columns.size());
    AddColumns(declared, feature);
    feature.n_columns = static_cast<int64_t>(state_.columns.size()) - feature.first_column;
    if (static_cast<int64_t>(state_.columns.size()) > FeatureProgram::kMaxColumns)
      RefuseFeature(declared, fmt::format("makes more than {} features in all", FeatureProgram::kMaxColumns));
    state_.features.push_back(std::move(feature));
  }

 private:
  void SetSelection(const FeatureDeclaration& declared, LinkedFeature& feature) {
    EventSelection selection;
    selection.all_types = declared.events.empty();
    selection.window = feature.window;
    for (const std::string& name : declared.events) {
      try {
        for (const int type : TypesOf(state_.spec.events, name, state_.type_names))
          selection.types[static_cast<size_t>(type)] = 1;
      } catch (const Error& error) {
        RefuseFeature(declared, error.what());
      }
    }
    if (!declared.where.empty()) {
      const int64_t condition =
          PlaceOf(state_.conditions, declared, [&](const ItemCondition& c) { return c.where == declared.where; });
      (declared.kind == FeatureKind::kShare ? feature.condition : selection.condition) = condition;
    }
    const auto found = std::find(state_.selections.begin(), state_.selections.end(), selection);
    feature.selection = found - state_.selections.begin();
    if (found == state_.selections.end()) state_.selections.push_back(selection);
  }

  int64_t OfOf(const FeatureDeclaration& declared, const FeatureKindInfo& info) const {
    const auto named = [&](const auto& entry) { return entry.of == declared.of; };
    if (declared.kind == FeatureKind::kFactors)
      return PlaceOf(state_.factors, declared, [&](const UserFactors& entry) {
        return entry.model == declared.model && entry.version == declared.version;
      });
    if (declared.of.empty()) return -1;
    if (info.of == FeatureOf::kItemNumber) return PlaceOf(state_.numbers, declared, named);
    if (info.of == FeatureOf::kItemValues) return PlaceOf(state_.values, declared, named);
    return PlaceOf(state_.user_numbers, declared, named);
  }

  void AddColumns(const FeatureDeclaration& declared, LinkedFeature& feature) {
    const auto add = [&](std::string name) {
      state_.columns.push_back({std::move(name), static_cast<int64_t>(state_.features.size())});
    };
    if (declared.kind == FeatureKind::kFactors) {
      const int64_t n_factors = state_.factors[static_cast<size_t>(feature.of)].n_factors;
      for (int64_t f = 1; f <= n_factors; ++f) add(fmt::format("{}.f{}", declared.name, f));
    } else if (declared.kind == FeatureKind::kCategoryShares) {
      for (const std::string& value : declared.values) add(declared.name + "." + value);
      const std::vector<int32_t>& codes = state_.share_codes[declared.name];
      for (size_t i = 0; i < codes.size(); ++i)
        if (codes[i] >= 0) feature.slots.emplace_back(codes[i], static_cast<int32_t>(i));
      std::sort(feature.slots.begin(), feature.slots.end());
    } else {
      add(declared.name);
    }
  }

  FeatureState& state_;
};

}  // namespace

void FeatureState::Link() {
  selections.clear();
  features.clear();
  columns.clear();
  Linker linker(*this);
  for (const FeatureDeclaration& declared : spec.features) linker.Add(declared);
}

void RefuseFeature(const FeatureDeclaration& feature, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}'{}': {}", feature.place.empty() ? "feature " : feature.place, feature.name, what));
}

}  // namespace kindred
