#include "host/segments/segments_json.h"

#include <cmath>

#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kMaxNameBytes = 200;

json Number(double value) {
  return std::isfinite(value) ? json(value) : json();
}

json ExamplesJson(const DescribedSegments& of, const SegmentProfile& profile,
                  const std::function<std::string(int32_t)>& id_of_user) {
  json examples = json::array();
  for (const ExampleUser& example : profile.examples) {
    json values = json::object();
    for (size_t f = 0; f < of.features.size(); ++f)
      values[Printable(of.features[f].name, kMaxNameBytes)] = Number(of.values.row(example.user)[f]);
    examples.push_back({{"user", Printable(id_of_user(example.user), kMaxNameBytes)},
                        {"distance", Number(example.distance)},
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
                          {"mean", Number(profile.features[f].mean)},
                          {"median", Number(profile.features[f].median)},
                          {"deviations", Number(profile.features[f].deviations)}});
    segments.push_back({{"id", of.lineage.ids[s]},
                        {"index", s},
                        {"name", of.names[s].name},
                        {"named_by", of.names[s].by_person ? "person" : "profile"},
                        {"kept_from", of.lineage.kept_from[s] < 0 ? json() : json(of.lineage.ids[s])},
                        {"size", profile.size},
                        {"share", profile.share},
                        {"mean_silhouette", s < of.silhouettes.size() ? Number(of.silhouettes[s]) : json()},
                        {"in_words", InWords(profile, of.profiles, of.features)},
                        {"inertia", Number(profile.inertia)},
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
                    {"distance", Number(one.distance)}});
  return list;
}

json MapJson(const PrincipalComponents& components, std::span<const MapPoint> points) {
  json list = json::array();
  for (const MapPoint& point : points)
    list.push_back({{"x", Number(point.x)}, {"y", Number(point.y)}, {"segment", point.segment}});
  return {{"explained", components.explained}, {"loadings", components.loadings}, {"points", std::move(list)}};
}

}  // namespace kindred
