// How raw values of a feature are to become numbers that can be compared (host/features/normalization.h).
#pragma once

#include <cstdint>

namespace kindred {

enum class NormalizationKind : uint8_t { kNone, kZ, kRobust, kLog, kQuantile };
enum class ClipKind : uint8_t { kNone, kQuantiles, kIqr };
enum class ImputeKind : uint8_t { kMedian, kMean, kMin, kMax, kZero, kNumber };

struct NormalizationRule {
  NormalizationKind kind = NormalizationKind::kZ;
  ClipKind clip = ClipKind::kNone;
  double clip_low = 0, clip_high = 1;  // quantiles; kQuantiles only
  ImputeKind impute = ImputeKind::kMedian;
  double impute_with = 0;  // kNumber only
  double weight = 1;       // >= 0

  bool operator==(const NormalizationRule&) const = default;
};

/// "none", "z", "robust", "log" or "quantile".
const char* NameOf(NormalizationKind kind);
/// "median", "mean", "min", "max", "zero" or "number".
const char* NameOf(ImputeKind kind);

}  // namespace kindred
