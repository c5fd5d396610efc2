// What kinds of features there are, and what each may be told.
#pragma once

#include <cstdint>
#include <span>

#include "host/features/feature_spec.h"

namespace kindred {

/// What `of` may name.
enum class FeatureOf : uint8_t { kNothing, kItemNumber, kItemValues, kUser };

struct FeatureKindInfo {
  FeatureKind kind;
  const char* name;
  ImputeKind impute;
  FeatureOf of = FeatureOf::kNothing;
  bool of_events = true;  // has `events`, `window`, `where`
  bool needs_times = false;
  bool has_sessions = false;  // has `session_gap`
};

/// In the order of the enum.
std::span<const FeatureKindInfo> FeatureKinds();
inline const FeatureKindInfo& InfoOf(FeatureKind kind) {
  return FeatureKinds()[static_cast<size_t>(kind)];
}

/// The key that a declaration of this kind cannot be without; null: none.
inline const char* NeededKey(FeatureKind kind) {
  if (kind == FeatureKind::kCategoryShares || kind == FeatureKind::kAttribute) return "of";
  if (kind == FeatureKind::kShare) return "where";
  return kind == FeatureKind::kFactors ? "model" : nullptr;
}

}  // namespace kindred
