#include "training/segment_description.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "host/clustering/dendrogram_picture.h"
#include "host/segments/behaviour_json.h"
#include "host/segments/pca.h"
#include "host/segments/segments_json.h"
#include "host/segments/stages.h"
#include "host/text/counted.h"
#include "host/text/json_values.h"
#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kReportLeaves = 300;      // of a tree
constexpr size_t kReportSilhouettes = 200;  // of a segment
constexpr size_t kReportExtremes = 5;       // of a feature

json Numbers(const std::vector<double>& values) {
  json list = json::array();
  for (double value : values) list.push_back(NumberOrNull(value));
  return list;
}

template <class T>
json OrNull(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

/// The users whose values were cut, the farthest beyond first, and then those with the largest.
json ExtremesJson(const SegmentWork& work, size_t feature) {
  const FeatureNormalization& fitted = work.normalization.features()[feature];
  if (fitted.constant) return json::array();
  struct Extreme {
    int64_t user;
    double value, used;
    double beyond() const { return std::fabs(value - used); }
  };
  std::vector<Extreme> extremes;
  for (const int64_t user : work.active.users)
    if (const double value = work.values().row(user)[feature]; std::isfinite(value))
      extremes.push_back({user, value, fitted.Clipped(value)});
  const auto n = static_cast<int64_t>(std::min(extremes.size(), kReportExtremes));
  std::ranges::partial_sort(extremes, extremes.begin() + n, [](const Extreme& a, const Extreme& b) {
    if (a.beyond() != b.beyond()) return a.beyond() > b.beyond();
    return a.value != b.value ? a.value > b.value : a.user < b.user;
  });
  extremes.resize(static_cast<size_t>(n));
  json list = json::array();
  for (const Extreme& of : extremes) {
    const auto segment = static_cast<size_t>(work.labels[static_cast<size_t>(of.user)]);
    list.push_back({{"user", Printable(work.dataset->users().Id(of.user))},
                    {"value", of.value},
                    {"used", of.used},
                    {"segment", work.lineage.ids[segment]}});
  }
  return list;
}

json FeaturesJson(const SegmentWork& work) {
  json features = json::array();
  for (size_t f = 0; f < work.profiled.size(); ++f) {
    const FeatureNormalization& fitted = work.normalization.features()[f];
    const auto& declared = work.program->spec().features[static_cast<size_t>(work.program->columns()[f].declaration)];
    features.push_back({{"name", work.profiled[f].name},
                        {"kind", work.profiled[f].kind},
                        {"declared", FeatureJson(declared)},
                        {"normalization",
                         {{"kind", NameOf(fitted.rule.kind)},
                          {"center", fitted.center},
                          {"scale", fitted.scale},
                          {"clip", {NumberOrNull(fitted.clip_low), NumberOrNull(fitted.clip_high)}},
                          {"impute", fitted.impute},
                          {"n_clipped", fitted.n_clipped}}},
                        {"n_missing", fitted.n_missing},
                        {"mean", fitted.mean},
                        {"std", fitted.std},
                        {"quantiles", fitted.quantiles},
                        {"extremes", ExtremesJson(work, f)},
                        {"constant", fitted.constant}});
  }
  return features;
}

json MetricsOf(const SegmentWork& work) {
  double inertia = 0;
  for (const SegmentProfile& segment : work.profiles.segments) inertia += segment.inertia;
  return {{"k", work.n_segments()},
          {"inertia", inertia},
          {"silhouette", NumberOrNull(work.silhouette())},
          {"silhouette_kind", work.found.sampled ? "sampled" : "exact"},
          {"n_silhouettes", work.found.silhouettes.size()},
          {"n_iterations", work.found.n_iterations}};
}

json CurvesJson(const ClusterCurves& curves) {
  return {{"k", curves.k},
          {"inertia", Numbers(curves.inertia)},
          {"silhouette", Numbers(curves.silhouette)},
          {"elbow_k", OrNull(curves.elbow_k)},
          {"silhouette_k", OrNull(curves.silhouette_k)},
          {"chosen_by", curves.chosen_by}};
}

/// Of each segment, falling; at most kReportSilhouettes of them, evenly. `means` become those of all.
json SilhouettesJson(const SegmentWork& work, std::vector<double>* means) {
  std::vector<std::vector<double>> of_segment(static_cast<size_t>(work.n_segments()));
  for (size_t i = 0; i < work.found.silhouettes.size(); ++i) {
    const int64_t user = work.active.users[static_cast<size_t>(work.found.silhouette_users[i])];
    of_segment[static_cast<size_t>(work.labels[static_cast<size_t>(user)])].push_back(work.found.silhouettes[i]);
  }
  json lists = json::array();
  for (std::vector<double>& own : of_segment) {
    means->push_back(MeanSilhouette(own));
    std::ranges::sort(own, std::greater());
    const size_t n = std::min(own.size(), kReportSilhouettes);
    json& list = lists.emplace_back(json::array());
    for (size_t i = 0; i < n; ++i) list.push_back(own[n < 2 ? 0 : i * (own.size() - 1) / (n - 1)]);
  }
  return lists;
}

/// The top of the tree that the segments were cut from.
Dendrogram CutTree(const SegmentWork& work, DendrogramPicture* picture) {
  const ClusterTree& tree = *work.found.tree;
  const int64_t n_groups = std::min(tree.n_leaves, kReportLeaves);
  const TreeTop top = TopOfTree(tree.merges, tree.n_leaves, n_groups);
  std::vector<int64_t> sizes(static_cast<size_t>(n_groups));
  std::vector<size_t> segment_of(sizes.size());
  for (size_t i = 0; i < tree.leaf_of.size(); ++i) {
    const auto group = static_cast<size_t>(top.group_of[static_cast<size_t>(tree.leaf_of[i])]);
    ++sizes[group];
    segment_of[group] = static_cast<size_t>(work.labels[static_cast<size_t>(work.active.users[i])]);
  }
  Dendrogram dendrogram = {tree.method, top.merges, {}};
  for (size_t g = 0; g < sizes.size(); ++g)
    dendrogram.leaf_names.push_back(fmt::format("{}: {}", Counted(sizes[g], "user"), work.names[segment_of[g]].name));
  picture->title = "The tree that the segments were cut from";
  picture->n_clusters = std::min(work.found.k, n_groups);
  picture->cluster_names.resize(static_cast<size_t>(picture->n_clusters));
  const std::vector<int32_t> cut = CutByCount(dendrogram.merges, n_groups, picture->n_clusters);
  for (size_t g = 0; g < cut.size(); ++g)
    picture->cluster_names[static_cast<size_t>(cut[g])] = work.names[segment_of[g]].name;
  return dendrogram;
}

/// How the segments would be merged by Ward's method.
Dendrogram MergedCentroids(const SegmentWork& work, DendrogramPicture* picture) {
  Dendrogram dendrogram;
  std::vector<double> weights;
  for (const SegmentProfile& segment : work.profiles.segments)
    weights.push_back(static_cast<double>(std::max<int64_t>(segment.size, 1)));
  dendrogram.merges = Linkage(work.centroids(), weights, LinkageMethod::kWard, nullptr);
  for (const SegmentName& name : work.names) dendrogram.leaf_names.push_back(name.name);
  picture->title = "How the segments would be merged";
  return dendrogram;
}

void DescribeRules(const SegmentWork& work, json& report) {
  report["thresholds"] = ThresholdsJson(work.thresholds);
  report["rules"] = RulesJson(*work.rules, work.members, work.thresholds);
  std::vector<int64_t> transitions;
  const BehaviourRules* last = work.last == nullptr || work.rules->n_stages() == 0 || work.last->rules().n_stages() == 0
                                   ? nullptr
                                   : &work.last->rules();
  if (last != nullptr)
    transitions = CountTransitions(work.last->users(), work.last->stages(), last->n_stages(), work.dataset->users(),
                                   work.members.stages, work.rules->n_stages());
  report["stages"] = StagesJson(*work.rules, work.members, transitions, last);
  report["likelihood"] = work.likelihood ? work.likelihood->Json() : json();
  if (work.likelihood) report["likelihood"]["n_likely"] = work.likely.n_members;
}

}  // namespace

double SegmentWork::silhouette() const {
  return n_segments() < 2 ? NAN : MeanSilhouette(found.silhouettes);
}

std::string TimeText(int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

SegmentTree DescribeSegments(const std::string& model, const std::string& dataset, const SegmentWork& work,
                             json& report) {
  report["model"] = model;
  report["kindred_version"] = KINDRED_VERSION;
  report["created_at"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  report["dataset"] = {{"path", dataset}, {"digest", work.dataset->digest()}};
  report["reference"] = work.dataset->events().times.empty() ? json() : json(TimeText(work.reference));
  report["reference_time"] = work.reference;
  report["n_users"] = work.dataset->users().size();
  report["n_users_without_events"] = work.dataset->users().size() - std::ssize(work.active.users);
  report["n_future_events"] = work.table.n_future_events;
  report["seed"] = work.spec.clusters.seed;
  report["declared"] = SegmentSpecJson(work.spec);
  report["features"] = FeaturesJson(work);
  report["metrics"] = MetricsOf(work);
  report["curves"] = CurvesJson(work.found.curves);
  std::vector<double> silhouettes;
  report["silhouettes"] = SilhouettesJson(work, &silhouettes);
  report["segments"] =
      SegmentsJson({work.profiles, work.profiled, work.names, work.lineage, work.values(), silhouettes},
                   [&](int32_t user) { return Printable(work.dataset->users().Id(user)); });
  report["merged"] = MergedJson(work.small.merged, work.lineage);
  report["next_id"] = work.lineage.next_id;
  const PrincipalComponents components = FitPrincipalComponents(work.all_points(), work.labels);
  report["map"] = MapJson(components, MapOf(components, work.all_points(), work.labels));
  report["stability_bins"] = StabilityBinsJson(MakeStabilityBins(work.values(), work.labels, work.table.names));
  DescribeRules(work, report);
  report["dendrogram"] = nullptr;
  if (work.n_segments() < 2) return {};
  DendrogramPicture picture;
  const Dendrogram dendrogram = work.found.tree ? CutTree(work, &picture) : MergedCentroids(work, &picture);
  report["dendrogram"] = DendrogramJson(dendrogram);
  return {DendrogramHtml(dendrogram, picture), DendrogramSvg(dendrogram, picture)};
}

}  // namespace kindred
