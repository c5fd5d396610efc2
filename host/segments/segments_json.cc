#include "host/segments/segments_json.h"

#include "host/text/json_values.h"
#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kMaxNameBytes = 200;

json ExamplesJson(const DescribedSegments& of, const SegmentProfile& profile,
                  const std::function<std::string(int32_t)>& id_of_user) {
  json examples = json::array();
  for (const ExampleUser& example : profile.examples) {
    json values = json::object();
    for (size_t f = 0; f < of.features.size(); ++f)
      values[Printable(of.features[f].name, kMaxNameBytes)] = NumberOrNull(of.values.row(example.user)[f]);
    examples.push_back({{"user", Printable(id_of_user(example.user), kMaxNameBytes)},
                        {"distance", NumberOrNull(example.distance)},
                        {"next", example.next < 0 ? json() : json(of.lineage.ids[static_cast<size_t>(example.next)])},
                        {"values", std::move(values)}});
  }
  return examples;
}

}  // namespace

json SegmentsJson(const DescribedSegments& of, const std::function<std::string(int32_t user)>& id_of_user) {
  json segments = json::array();
  for (size_t s = 0; s < of.profiles.segments.size(); ++s) {
    const SegmentProfile& profile = of.profiles.segments[s];
    json features = json::array();
    for (size_t f = 0; f < of.features.size(); ++f)
      features.push_back({{"feature", Printable(of.features[f].name, kMaxNameBytes)},
                          {"mean", NumberOrNull(profile.features[f].mean)},
                          {"median", NumberOrNull(profile.features[f].median)},
                          {"deviations", NumberOrNull(profile.features[f].deviations)}});
    segments.push_back({{"id", of.lineage.ids[s]},
                        {"index", s},
                        {"name", of.names[s].name},
                        {"named_by", of.names[s].by_person ? "person" : "profile"},
                        {"kept_from", of.lineage.kept_from[s] < 0 ? json() : json(of.lineage.ids[s])},
                        {"size", profile.size},
                        {"share", profile.share},
                        {"mean_silhouette", s < of.silhouettes.size() ? NumberOrNull(of.silhouettes[s]) : json()},
                        {"in_words", InWords(profile, of.profiles, of.features)},
                        {"inertia", NumberOrNull(profile.inertia)},
                        {"profile", std::move(features)},
                        {"examples", ExamplesJson(of, profile, id_of_user)}});
  }
  return segments;
}

json MergedJson(std::span<const MergedSegment> merged, const Lineage& lineage) {
  json list = json::array();
  for (const MergedSegment& one : merged)
    list.push_back({{"index", one.index},
                    {"size", one.size},
                    {"into", lineage.ids[static_cast<size_t>(one.into)]},
                    {"distance", NumberOrNull(one.distance)}});
  return list;
}

json MapJson(const PrincipalComponents& components, std::span<const MapPoint> points) {
  json list = json::array();
  for (const MapPoint& point : points)
    list.push_back({{"x", NumberOrNull(point.x)}, {"y", NumberOrNull(point.y)}, {"segment", point.segment}});
  return {{"explained", components.explained}, {"loadings", components.loadings}, {"points", std::move(list)}};
}

}  // namespace kindred
