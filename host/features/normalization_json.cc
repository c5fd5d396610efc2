#include "host/features/normalization_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_set>

#include "host/features/normalization.h"
#include "host/store/json_reader.h"
#include "host/text/json_values.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr const char* kNormalizations[] = {"none", "z", "robust", "log", "quantile"};
constexpr const char* kImputes[] = {"median", "mean", "min", "max", "zero", "number"};
constexpr double kMost = std::numeric_limits<double>::max();
constexpr double kMostWeight = 1e6;

template <size_t N>
size_t PlaceOf(const std::string& name, const char* const (&names)[N], const JsonReader& reader, const char* key) {
  const auto found = std::find(std::begin(names), std::end(names), name);
  if (found == std::end(names)) reader.Refuse(key, "a name that is known");
  return static_cast<size_t>(found - std::begin(names));
}

FeatureNormalization ParseFeature(const json& entry, const std::string& where) {
  const JsonReader reader(entry, where);
  FeatureNormalization feature;
  feature.rule = ParseNormalizationRule(entry, where);
  const JsonReader fitted(reader.Get("fitted"), where + ": fitted");
  const json& clip = fitted.List("clip");
  const auto end = [&](size_t i, double* limit) {
    if (clip[i].is_null()) return;
    if (!clip[i].is_number() || !std::isfinite(clip[i].get<double>())) fitted.Refuse("clip", "two numbers or null");
    *limit = clip[i].get<double>();
  };
  if (clip.size() != 2) fitted.Refuse("clip", "two numbers or null");
  end(0, &feature.clip_low);
  end(1, &feature.clip_high);
  if (feature.clip_low > feature.clip_high) fitted.Refuse("clip", "increasing");
  feature.impute = fitted.Number("impute", -kMost, kMost);
  feature.center = fitted.Number("center", -kMost, kMost);
  feature.scale = fitted.Number("scale", std::numeric_limits<double>::min(), kMost);
  feature.knots = fitted.Numbers("knots");
  feature.levels = fitted.Numbers("levels");
  feature.constant = reader.Boolean("constant");
  if (feature.knots.size() > static_cast<size_t>(kMaxQuantileKnots) || feature.knots.size() != feature.levels.size())
    fitted.Refuse("levels", "one for each of at most 1000 knots");
  const bool rises =
      std::adjacent_find(feature.knots.begin(), feature.knots.end(), std::greater_equal<>()) == feature.knots.end() &&
      std::is_sorted(feature.levels.begin(), feature.levels.end());
  if (!rises) fitted.Refuse("knots", "increasing");
  const bool needs_knots = feature.rule.kind == NormalizationKind::kQuantile && !feature.constant;
  if (needs_knots && feature.knots.empty()) fitted.Refuse("knots", "what quantiles need");
  if (!feature.levels.empty() && (feature.levels.front() < 0 || feature.levels.back() > 1))
    fitted.Refuse("levels", "from 0 to 1");
  feature.n_values = reader.Integer("n_values", 0, INT64_MAX);
  feature.n_missing = reader.Integer("n_missing", 0, feature.n_values);
  feature.n_clipped = reader.Integer("n_clipped", 0, feature.n_values);
  feature.mean = reader.Number("mean", -kMost, kMost);
  feature.std = reader.Number("std", 0, kMost);
  const std::vector<double> quantiles = reader.Numbers("quantiles");
  if (quantiles.size() != feature.quantiles.size()) reader.Refuse("quantiles", "eight numbers");
  std::copy(quantiles.begin(), quantiles.end(), feature.quantiles.begin());
  return feature;
}

}  // namespace

const char* NameOf(NormalizationKind kind) {
  return kNormalizations[static_cast<size_t>(kind)];
}
const char* NameOf(ImputeKind kind) {
  return kImputes[static_cast<size_t>(kind)];
}

json NormalizationRuleJson(const NormalizationRule& rule) {
  json clip;
  if (rule.clip == ClipKind::kIqr) clip = "iqr";
  if (rule.clip == ClipKind::kQuantiles) clip = {rule.clip_low, rule.clip_high};
  return {{"normalize", NameOf(rule.kind)},
          {"clip", std::move(clip)},
          {"impute", rule.impute == ImputeKind::kNumber ? json(rule.impute_with) : json(NameOf(rule.impute))},
          {"weight", rule.weight}};
}

NormalizationRule ParseNormalizationRule(const json& from, const std::string& where) {
  const JsonReader reader(from, where);
  NormalizationRule rule;
  rule.kind = static_cast<NormalizationKind>(PlaceOf(reader.Text("normalize"), kNormalizations, reader, "normalize"));
  const json& clip = reader.Get("clip");
  if (clip == "iqr") {
    rule.clip = ClipKind::kIqr;
  } else if (!clip.is_null()) {
    const std::vector<double> ends = reader.Numbers("clip");
    if (ends.size() != 2 || ends[0] < 0 || ends[0] >= ends[1] || ends[1] > 1)
      reader.Refuse("clip", "two quantiles from 0 to 1");
    rule.clip = ClipKind::kQuantiles;
    rule.clip_low = ends[0];
    rule.clip_high = ends[1];
  }
  if (reader.Get("impute").is_number()) {
    rule.impute = ImputeKind::kNumber;
    rule.impute_with = reader.Number("impute", -kMost, kMost);
  } else {
    rule.impute = static_cast<ImputeKind>(PlaceOf(reader.Text("impute"), kImputes, reader, "impute"));
    if (rule.impute == ImputeKind::kNumber) reader.Refuse("impute", "a number or a rule that is known");
  }
  rule.weight = reader.Number("weight", 0, kMostWeight);
  return rule;
}

json Normalization::ToJson() const {
  json out = json::array();
  for (size_t i = 0; i < features_.size(); ++i) {
    const FeatureNormalization& feature = features_[i];
    json entry = {{"name", names_[i]},
                  {"fitted",
                   {{"clip", {NumberOrNull(feature.clip_low), NumberOrNull(feature.clip_high)}},
                    {"impute", feature.impute},
                    {"center", feature.center},
                    {"scale", feature.scale},
                    {"knots", feature.knots},
                    {"levels", feature.levels}}},
                  {"constant", feature.constant},
                  {"n_values", feature.n_values},
                  {"n_missing", feature.n_missing},
                  {"n_clipped", feature.n_clipped},
                  {"mean", feature.mean},
                  {"std", feature.std},
                  {"quantiles", feature.quantiles}};
    entry.update(NormalizationRuleJson(feature.rule));
    out.push_back(std::move(entry));
  }
  return out;
}

Normalization Normalization::FromJson(const json& from, const std::string& where) {
  Normalization normalization;
  if (!from.is_array()) JsonReader(from, where).Refuse("features", "a list");
  std::unordered_set<std::string> seen;
  for (const json& entry : from) {
    const std::string here = fmt::format("{}: feature {}", where, normalization.names_.size());
    normalization.features_.push_back(ParseFeature(entry, here));
    normalization.names_.push_back(JsonReader(entry, here).Text("name"));
    if (!seen.insert(normalization.names_.back()).second) JsonReader(entry, here).Refuse("name", "one of its own");
  }
  return normalization;
}

}  // namespace kindred
