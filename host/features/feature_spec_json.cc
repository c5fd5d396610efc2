#include <fmt/format.h>

#include <limits>
#include <unordered_set>

#include "host/features/feature_kinds.h"
#include "host/features/feature_spec.h"
#include "host/features/normalization_json.h"
#include "host/store/json_reader.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kMostSeconds = 100'000'000'000;

json TextOrNull(const std::string& text) {
  return text.empty() ? json() : json(text);
}

FeatureDeclaration ParseFeature(const json& entry, const std::string& where) {
  const JsonReader reader(entry, where);
  FeatureDeclaration feature;
  feature.name = reader.Text("name");
  const auto kind = FeatureKindNamed(reader.Text("kind"));
  if (!kind) reader.Refuse("kind", "a kind that is known");
  feature.kind = *kind;
  const FeatureKindInfo& info = InfoOf(*kind);
  if (const char* key = NeededKey(*kind); key != nullptr && reader.Text(key).empty()) reader.Refuse(key, "a text");
  if (info.of_events) {
    feature.events = reader.Texts("events");
    if (reader.Has("window")) feature.window = reader.Integer("window", 1, kMostSeconds);
    if (reader.Has("where")) feature.where = reader.Text("where");
  }
  if (info.of != FeatureOf::kNothing && reader.Has("of")) feature.of = reader.Text("of");
  if (*kind == FeatureKind::kRate) feature.per = reader.Integer("per", 1, kMostSeconds);
  if (info.has_sessions) feature.session_gap = reader.Integer("session_gap", 1, kMostSeconds);
  if (*kind == FeatureKind::kCategoryShares) {
    feature.top = reader.Integer("top", 1, 1000);
    feature.values = reader.Texts("values");
  }
  if (*kind == FeatureKind::kFactors) {
    feature.model = reader.Text("model");
    if (reader.Has("version")) feature.version = reader.Text("version");
  }
  feature.normalization = ParseNormalizationRule(entry, where);
  return feature;
}

}  // namespace

json FeatureJson(const FeatureDeclaration& feature) {
  const FeatureKindInfo& info = InfoOf(feature.kind);
  json out = {{"name", feature.name}, {"kind", info.name}};
  if (info.of_events) {
    out["events"] = feature.events;
    out["window"] = feature.window ? json(*feature.window) : json();
    out["where"] = TextOrNull(feature.where);
  }
  if (info.of != FeatureOf::kNothing) out["of"] = TextOrNull(feature.of);
  if (feature.kind == FeatureKind::kRate) out["per"] = feature.per;
  if (info.has_sessions) out["session_gap"] = feature.session_gap;
  if (feature.kind == FeatureKind::kCategoryShares) {
    out["top"] = feature.top;
    out["values"] = feature.values;
  }
  if (feature.kind == FeatureKind::kFactors) {
    out["model"] = feature.model;
    out["version"] = TextOrNull(feature.version);
  }
  out.update(NormalizationRuleJson(feature.normalization));
  return out;
}

json FeatureSpecJson(const FeatureSpec& spec) {
  json features = json::array();
  for (const FeatureDeclaration& feature : spec.features) features.push_back(FeatureJson(feature));
  json events = json::object();
  for (const auto& [name, types] : spec.events) events[name] = types;
  return {{"reference", spec.reference ? json(*spec.reference) : json()},
          {"events", std::move(events)},
          {"features", std::move(features)}};
}

FeatureSpec ParseFeatureSpec(const json& from, const std::string& where) {
  const JsonReader reader(from, where);
  FeatureSpec spec;
  if (reader.Has("reference")) spec.reference = reader.Integer("reference", -kMostSeconds, 10 * kMostSeconds);
  const json& events = reader.Object("events");
  const JsonReader names(events, where + ": events");
  for (const auto& [name, types] : events.items()) spec.events.emplace(name, names.Texts(name));
  const json& features = reader.List("features");
  if (features.size() > kMaxFeatures) reader.Refuse("features", fmt::format("at most {} features", kMaxFeatures));
  std::unordered_set<std::string> seen;
  for (const json& entry : features) {
    spec.features.push_back(ParseFeature(entry, fmt::format("{}: feature {}", where, spec.features.size())));
    if (!seen.insert(spec.features.back().name).second) reader.Refuse("features", "of different names");
  }
  return spec;
}

}  // namespace kindred
