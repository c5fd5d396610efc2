// Numbers that rules compare with: fixed, or tracking a quantile of a feature as the population changes.
//
//   [thresholds.big]           `monetary >= threshold.big`
//   of = "monetary"
//   quantile = 0.9             or value = 500.0
//   max_step = 0.1             at most a tenth up or down from the last version's value, at a refresh
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "host/features/feature_table.h"

namespace kindred {

struct ThresholdSpec {
  std::string name;
  std::optional<double> value = {};     // this, or `of` and `quantile`
  std::string of = {};                  // a feature
  std::optional<double> quantile = {};  // in [0, 1]
  std::optional<double> max_step = {};  // >= 0; none: as far as the quantile goes
  std::string place = {};               // where it stands, for messages: "segments.toml: line 3, column 1: "
};

/// As a version holds it: what it is, what it was in the last version, what it would be without max_step.
struct Threshold {
  std::string name;
  double value = 0;
  double wanted = 0;
  std::optional<double> last = {};  // none: the first of its kind
  std::string of = {};              // empty: fixed
  std::optional<double> quantile = {};

  bool held() const { return value != wanted; }
};

/// The thresholds of a version, in the order of the specs. Quantiles are of the users with events who have the feature,
/// as measured (host/features/normalization.h, Quantile): of those without events, who are in no segment, a count would
/// be 0. One of a quantile goes from its value in `last` towards the quantile, by max_step * |last
/// value| at most. It goes there at once where `last` has none of that name, feature and quantile (whoever asks for
/// another quantile means it), or where that was 0, which no share leads away from.
///
/// Throws kInvalidArgument, with the place: a name that is empty, no name of the language ("big", "big.spender") or
/// there twice, both a value and a quantile or neither, numbers out of range, a feature that is not known (with the
/// nearest that is) or that no user has.
std::vector<Threshold> SetThresholds(std::span<const ThresholdSpec> specs, const FeatureTable& table,
                                     std::span<const Threshold> last);

/// For the manifest and the report: {"big": {"value", "wanted", "last", "of", "quantile", "moved"}}; "moved" is
/// value - last. Absent values are null.
nlohmann::json ThresholdsJson(std::span<const Threshold> thresholds);
/// The same back, in order of name. Throws kCorrupt for what is none.
std::vector<Threshold> ParseThresholds(const nlohmann::json& json, const std::string& where);

}  // namespace kindred
