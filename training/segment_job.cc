#include "training/segment_job.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <numeric>
#include <optional>

#include "host/clustering/dendrogram_picture.h"
#include "host/data/dataset.h"
#include "host/segments/behaviour_json.h"
#include "host/segments/names.h"
#include "host/segments/segment_model.h"
#include "host/segments/segments_json.h"
#include "host/segments/stages.h"
#include "host/segments/user_clusters.h"
#include "host/text/counted.h"
#include "host/text/text.h"
#include "training/stopwatch.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kReportLeaves = 300;      // of a tree in the report
constexpr size_t kReportSilhouettes = 200;  // of a segment
constexpr int64_t kDay = 86400;

json NumberOrNull(double value) {
  return std::isfinite(value) ? json(value) : json();
}

json Numbers(const std::vector<double>& values) {
  json list = json::array();
  for (double value : values) list.push_back(NumberOrNull(value));
  return list;
}

std::string TimeText(int64_t seconds) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
}

/// Whether these are types of event by which something is bought.
bool IsOfPurchases(const FeatureDeclaration& feature, const EventNames& names, std::span<const std::string> types) {
  constexpr std::string_view kWords[] = {"buy", "purchase", "order", "transaction"};
  const auto is_purchase = [&](int type) {
    std::string name = types[static_cast<size_t>(type)];
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    return std::ranges::find(kWords, name) != std::end(kWords);
  };
  return !feature.events.empty() && std::ranges::all_of(feature.events, [&](const std::string& name) {
    return std::ranges::all_of(TypesOf(names, name, types), is_purchase);
  });
}

/// The users who are clustered: those with events.
struct ActiveUsers {
  std::vector<int64_t> users;
  std::vector<float> points;  // [users x n_features]

  HostMatrix<const float> matrix(int64_t n_features) const { return {points.data(), std::ssize(users), n_features}; }
};

class Job {
 public:
  Job(const SegmentOptions& options, const SegmentEvents& events)
      : options_(options),
        events_(events),
        spec_(options.spec),
        store_(options.store),
        pool_(options.n_threads),
        backend_(options.backend, options.n_threads, GramPrecision::kBf16x3, events.warning) {}

  SegmentResult Run() {
    store_.ModelPath(options_.model);  // refuses a name that does not do
    Stage("reading " + options_.dataset);
    dataset_ = Dataset::Open(options_.dataset);
    const ModelLock lock = store_.Lock(options_.model, "segment");
    OpenLast();
    stopwatch_.Done("load");
    MeasureFeatures();
    Cluster();
    Trace();
    ApplyRules();
    Audit();
    Compare();
    Describe();
    const bool held = !reasons_.empty() && !options_.accept_drift;
    report_["reasons"] = reasons_;
    report_["published"] = !held;
    report_["warnings"] = warnings_;
    report_["backend"] = backend_.Describe();
    if (!backend_.fell_back().empty()) report_["fell_back"] = backend_.fell_back();
    report_["seconds"] = stopwatch_.seconds();
    if (!held) Publish();
    return {std::move(report_), std::move(dendrogram_), std::move(dendrogram_svg_)};
  }

 private:
  void Stage(const std::string& message) const {
    if (events_.stage) events_.stage(message);
  }
  void Warn(const std::string& message) {
    warnings_.push_back(message);
    if (events_.warning) events_.warning(message);
  }
  void WarnAll(const std::vector<std::string>& messages) {
    for (const std::string& message : messages) Warn(message);
  }

  void OpenLast() {
    if (store_.Versions(options_.model).empty()) {
      if (options_.keep_clusters)
        throw Error(ErrorCode::kNotFound,
                    fmt::format("'{}' has no version whose clusters could be kept", options_.model));
      return;
    }
    last_ = SegmentModel::Open(store_, options_.model);
    if (options_.keep_clusters) spec_.features = last_->spec().features;
    if (options_.keep_clusters) spec_.features.reference = options_.spec.features.reference;
  }

  void MeasureFeatures() {
    const EventsView& events = dataset_->events();
    if (spec_.features.features.empty()) {
      EventNames names = std::move(spec_.features.events);
      const std::optional<int64_t> reference = spec_.features.reference;
      const bool has_values = std::ranges::any_of(events.values, [](float value) { return value != 1; });
      spec_.features = DefaultFeatureSpec(dataset_->event_types(), !events.times.empty(), has_values);
      spec_.features.events.merge(names);
      spec_.features.reference = reference;
    }
    program_.emplace(FeatureProgram::Compile(spec_.features, *dataset_, &store_));
    reference_ = program_->reference();
    Stage(fmt::format("measuring {} of {}", Counted(std::ssize(program_->columns()), "feature"),
                      Counted(dataset_->users().size(), "user")));
    WarnAll(program_->warnings());
    table_ = program_->Compute(events, reference_, pool_);
    if (table_.n_future_events > 0)
      Warn(fmt::format("{} later than {}: left out",
                       table_.n_future_events == 1 ? std::string("an event is")
                                                   : fmt::format("{} events are", table_.n_future_events),
                       TimeText(reference_)));
    std::vector<uint8_t> keep;
    for (int64_t n : table_.n_events) keep.push_back(n > 0 ? 1 : 0);
    if (std::ranges::count(keep, 1) == 0)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: no user has an event up to {}: there is nobody to put "
                                                           "into segments",
                                                           options_.dataset, TimeText(reference_)));
    normalization_ =
        options_.keep_clusters ? last_->normalization() : Normalization::Fit(table_, program_->rules(), keep, pool_);
    for (const FeatureNormalization& feature : normalization_.features())
      if (feature.constant)
        Warn(fmt::format("feature '{}' is the same for all: it tells nobody apart",
                         normalization_.names()[static_cast<size_t>(&feature - normalization_.features().data())]));
    points_ = normalization_.Apply(table_, pool_);
    for (size_t u = 0; u < keep.size(); ++u) {
      if (keep[u] == 0) continue;
      active_.users.push_back(static_cast<int64_t>(u));
      active_.points.insert(active_.points.end(), points_.begin() + static_cast<int64_t>(u) * n_features(),
                            points_.begin() + static_cast<int64_t>(u + 1) * n_features());
    }
    for (const FeatureColumn& column : program_->columns()) {
      const FeatureDeclaration& declared = program_->spec().features[static_cast<size_t>(column.declaration)];
      const FeatureNormalization& fitted = normalization_.features()[profiled_.size()];
      profiled_.push_back({column.name, FeatureKindName(declared.kind),
                           IsOfPurchases(declared, spec_.features.events, dataset_->event_types()), fitted.clip_low,
                           fitted.clip_high});
    }
    stopwatch_.Done("features");
  }

  void Cluster() {
    if (options_.keep_clusters) return Place();
    Stage(fmt::format("{} of {} on {}", NameOf(spec_.clusters.algorithm), Counted(std::ssize(active_.users), "user"),
                      backend_.Text()));
    const HostMatrix<const float> points = active_.matrix(n_features());
    found_ = backend_.Run("clustering",
                          [&](Backend& on) { return ClusterUsers(on, points, spec_.clusters, pool_, events_.runs); });
    WarnAll(found_.warnings);
    if (found_.n_nearer_elsewhere > 0)
      Warn(fmt::format(
          "{} in a segment of the tree whose centroid is not the nearest: who comes later goes by centroids",
          found_.n_nearer_elsewhere == 1 ? std::string("a user is")
                                         : fmt::format("{} users are", found_.n_nearer_elsewhere)));
    small_ = MergeSmallSegments(found_.labels, {found_.centroids.data(), found_.k, n_features()},
                                spec_.clusters.min_size, spec_.clusters.min_share);
    if (!small_.merged.empty()) MeasureSilhouettesOf(small_.labels);
    SetLabels(small_.labels);
    centroids_ = small_.centroids;
    stopwatch_.Done("clusters");
  }

  /// In the last version's segments.
  void Place() {
    Stage(fmt::format("placing {} in the segments of version {}", Counted(std::ssize(active_.users), "user"),
                      last_->version()));
    const auto kept = last_->centroids().all();
    centroids_.assign(kept.begin(), kept.end());
    const HostMatrix<const float> points = active_.matrix(n_features());
    const Clustering placed = backend_.Run(
        "placing", [&](Backend& on) { return AssignToCentroids(ClusteredPoints(on, points), centroids_); });
    found_.k = last_->n_segments();
    found_.inertia = placed.inertia;
    found_.curves = {{found_.k}, {placed.inertia}, {}, {}, {}, "kept"};
    small_.n_segments = found_.k;
    found_.sampled = std::ssize(active_.users) > spec_.clusters.sample_size;
    MeasureSilhouettesOf(placed.labels);
    found_.curves.silhouette = {MeanSilhouette(found_.silhouettes)};
    SetLabels(placed.labels);
    stopwatch_.Done("clusters");
  }

  void MeasureSilhouettesOf(const std::vector<int32_t>& labels) {
    const HostMatrix<const float> points = active_.matrix(n_features());
    SampledSilhouettes measured = backend_.Run("measuring silhouettes", [&](Backend& on) {
      return MeasureSilhouettes(on, points, labels, small_.n_segments, found_.sampled, spec_.clusters);
    });
    found_.silhouettes = std::move(measured.silhouettes);
    found_.silhouette_users = std::move(measured.points);
  }

  void SetLabels(const std::vector<int32_t>& of_active) {
    labels_.assign(static_cast<size_t>(dataset_->users().size()), -1);
    for (size_t i = 0; i < of_active.size(); ++i) labels_[static_cast<size_t>(active_.users[i])] = of_active[i];
  }

  void Trace() {
    profiles_ =
        MeasureProfiles({values(), {points_.data(), table_.n_users, n_features()}, labels_, centroids()}, profiled_);
    KnownNames known;
    known.given.insert(spec_.clusters.names.begin(), spec_.clusters.names.end());
    if (last_ == nullptr) {
      lineage_ = FirstLineage(labels_, n_segments());
    } else {
      last_version_.version = last_->version();
      last_version_.next_id = last_->manifest().at("next_id").get<int64_t>();
      for (const json& segment : last_->manifest().at("segments")) {
        const std::string id = segment.at("id").get<std::string>(), name = segment.at("name").get<std::string>();
        last_version_.segments.push_back({id, name, segment.at("size").get<int64_t>()});
        known.kept[id] = {name, segment.at("named_by") == "person"};
      }
      last_version_.labels = LastValues(dataset_->users(), last_->users(), last_->labels());
      lineage_ = options_.keep_clusters ? KeptLineage() : TraceSegments(labels_, n_segments(), last_version_);
    }
    for (const auto& [id, name] : known.given)
      if (std::ranges::find(lineage_.ids, id) == lineage_.ids.end())
        Warn(fmt::format("the name '{}' is for segment '{}', which is not there", Printable(name), Printable(id)));
    names_ = NameSegments(profiles_, profiled_, lineage_.ids, known);
    stopwatch_.Done("profiles");
  }

  /// Segments are those of the last version, whoever is in them now.
  Lineage KeptLineage() const {
    Lineage lineage = TraceSegments(labels_, n_segments(), last_version_);
    lineage.ids.clear();
    lineage.kept_from.resize(static_cast<size_t>(n_segments()));
    std::iota(lineage.kept_from.begin(), lineage.kept_from.end(), 0);
    for (const LastSegment& segment : last_version_.segments) lineage.ids.push_back(segment.id);
    lineage.next_id = last_version_.next_id;
    lineage.split.clear();
    lineage.merged.clear();
    lineage.gone.clear();
    lineage.fresh.clear();
    lineage.n_movers = 0;
    for (size_t u = 0; u < labels_.size(); ++u)
      lineage.n_movers += labels_[u] >= 0 && last_version_.labels[u] >= 0 && labels_[u] != last_version_.labels[u];
    lineage.share_movers =
        lineage.n_in_both == 0 ? 0 : static_cast<double>(lineage.n_movers) / static_cast<double>(lineage.n_in_both);
    return lineage;
  }

  void ApplyRules() {
    const BehaviourSpec& behaviour = spec_.behaviour;
    const EventsView& events = dataset_->events();
    const std::vector<Threshold> last_thresholds =
        last_ == nullptr ? std::vector<Threshold>()
                         : std::vector<Threshold>(last_->thresholds().begin(), last_->thresholds().end());
    thresholds_ = SetThresholds(behaviour.thresholds, table_.names, table_.values, last_thresholds);
    if (behaviour.likelihood) LearnLikelihood(*behaviour.likelihood);
    std::vector<std::string> threshold_names;
    std::vector<double> threshold_values;
    for (const Threshold& threshold : thresholds_) {
      threshold_names.push_back(threshold.name);
      threshold_values.push_back(threshold.value);
    }
    rules_.emplace(behaviour.rules, behaviour.stages,
                   RuleVocabulary{.events = spec_.features.events,
                                  .event_types = dataset_->event_types(),
                                  .has_times = !events.times.empty(),
                                  .features = table_.names,
                                  .thresholds = threshold_names,
                                  .has_likelihood = likelihood_.has_value(),
                                  .users = &dataset_->user_attributes()});
    const std::optional<int64_t> first =
        events.times.empty() ? std::nullopt : std::optional(*std::ranges::min_element(events.times));
    WarnAll(rules_->Warnings(first, reference_));
    members_ = rules_->Evaluate({.n_users = dataset_->users().size(),
                                 .events = events,
                                 .reference = reference_,
                                 .features = table_.values,
                                 .thresholds = threshold_values,
                                 .likelihood = probabilities_,
                                 .first_row = 0},
                                &pool_);
    stopwatch_.Done("rules");
  }

  void LearnLikelihood(const LikelihoodSpec& spec) {
    const EventsView& events = dataset_->events();
    const int64_t split = LikelihoodSplit(spec, events, reference_);
    Stage(fmt::format("learning who buys within {}", Counted(spec.horizon / kDay, "day")));
    const std::vector<int> types = TypesOf(spec_.features.events, spec.event, dataset_->event_types());
    const std::vector<int8_t> labels = LikelihoodLabels(events, types, split, spec.horizon);
    const std::vector<float> then = normalization_.Apply(program_->Compute(events, split, pool_), pool_);
    likelihood_.emplace(spec, split, LikelihoodInputs{&dataset_->users(), labels, then, table_.names}, pool_);
    WarnAll(likelihood_->warnings());
    probabilities_ = likelihood_->Probabilities(points_, pool_);
    for (size_t u = 0; u < probabilities_.size(); ++u)
      if (table_.n_events[u] == 0) probabilities_[u] = std::numeric_limits<double>::quiet_NaN();
    std::vector<int32_t> was;
    if (last_ != nullptr && last_->likelihood_model()) {
      std::vector<int32_t> likely(static_cast<size_t>(last_->users().size()));
      for (size_t u = 0; u < likely.size(); ++u) likely[u] = last_->IsLikely(static_cast<int64_t>(u)) ? 1 : 0;
      was = LastValues(dataset_->users(), last_->users(), likely);
    }
    likely_ = LikelyUsers(probabilities_, spec, was);
    likely_.Count();
    stopwatch_.Done("likelihood");
  }

  void Audit() {
    json evaluation;
    if (!spec_.audit_model.empty()) {
      const std::filesystem::path path = store_.VersionPath(spec_.audit_model, store_.Current(spec_.audit_model));
      evaluation = Artifact::ReadManifest(path, kModelKind).value("evaluation", json());
      if (evaluation.is_null())
        Warn(fmt::format("the current version of '{}' was not evaluated: nothing is known of its quality by group",
                         spec_.audit_model));
    }
    std::vector<int32_t> rows(labels_.size());
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<std::string> warnings;
    const std::vector<Grouping> groupings =
        AuditedGroupings(dataset_->user_attributes(), rows, spec_.audit_attributes, warnings);
    WarnAll(warnings);
    kindred::Audit audit = AuditSegments(groupings, labels_, n_segments(), evaluation, spec_.audit);
    WarnAll(audit.warnings);
    audit.anomalies = FindAnomalies(CountDays(dataset_->events(), reference_));
    report_["audit"] = AuditJson(audit);
    reasons_.insert(reasons_.end(), audit.reasons.begin(), audit.reasons.end());
    stopwatch_.Done("audit");
  }

  void Compare() {
    report_["lineage"] = nullptr;
    if (last_ == nullptr) return;
    const std::vector<StabilityBins> bins = StabilityBinsOf(last_->manifest().at("stability_bins"));
    const std::vector<FeatureDrift> drift = MeasureDrift(values(), labels_, table_.names, bins);
    const std::vector<std::string> beyond = BeyondLimits(lineage_, drift, spec_.drift);
    report_["lineage"] = LineageJson(lineage_, last_version_, drift, beyond, !beyond.empty() && !options_.accept_drift);
    reasons_.insert(reasons_.end(), beyond.begin(), beyond.end());
  }

  void Describe() {
    report_["model"] = options_.model;
    report_["kindred_version"] = KINDRED_VERSION;
    report_["created_at"] = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    report_["dataset"] = {{"path", options_.dataset}, {"digest", dataset_->digest()}};
    report_["reference"] = dataset_->events().times.empty() ? json() : json(TimeText(reference_));
    report_["reference_time"] = reference_;
    report_["n_users"] = dataset_->users().size();
    report_["n_users_without_events"] = dataset_->users().size() - std::ssize(active_.users);
    report_["n_future_events"] = table_.n_future_events;
    report_["seed"] = spec_.clusters.seed;
    report_["declared"] = SegmentSpecJson(spec_);
    DescribeFeatures();
    DescribeClusters();
    report_["thresholds"] = ThresholdsJson(thresholds_);
    report_["rules"] = RulesJson(*rules_, members_, thresholds_);
    std::vector<int64_t> transitions;
    if (last_ != nullptr && rules_->n_stages() > 0 && last_->rules().n_stages() > 0)
      transitions = CountTransitions(last_->users(), last_->stages(), last_->rules().n_stages(), dataset_->users(),
                                     members_.stages, rules_->n_stages());
    report_["stages"] = StagesJson(*rules_, members_, transitions);
    report_["likelihood"] = likelihood_ ? likelihood_->Json() : json();
    if (likelihood_) report_["likelihood"]["n_likely"] = likely_.n_members;
  }

  void DescribeFeatures() {
    json features = json::array();
    const json normalization = normalization_.ToJson();
    for (size_t f = 0; f < profiled_.size(); ++f) {
      const FeatureNormalization& fitted = normalization_.features()[f];
      const auto& declared = program_->spec().features[static_cast<size_t>(program_->columns()[f].declaration)];
      features.push_back({{"name", profiled_[f].name},
                          {"kind", profiled_[f].kind},
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
                          {"constant", fitted.constant}});
    }
    report_["features"] = std::move(features);
  }

  void DescribeClusters() {
    report_["metrics"] = {{"k", n_segments()},
                          {"inertia", Inertia()},
                          {"silhouette", NumberOrNull(MeanSilhouette(found_.silhouettes))},
                          {"silhouette_kind", found_.sampled ? "sampled" : "exact"},
                          {"n_silhouettes", std::ssize(found_.silhouettes)},
                          {"n_iterations", found_.n_iterations}};
    if (n_segments() < 2) report_["metrics"]["silhouette"] = nullptr;
    const ClusterCurves& curves = found_.curves;
    report_["curves"] = {{"k", curves.k},
                         {"inertia", Numbers(curves.inertia)},
                         {"silhouette", Numbers(curves.silhouette)},
                         {"elbow_k", curves.elbow_k ? json(*curves.elbow_k) : json()},
                         {"silhouette_k", curves.silhouette_k ? json(*curves.silhouette_k) : json()},
                         {"chosen_by", curves.chosen_by}};
    std::vector<std::vector<double>> silhouettes(static_cast<size_t>(n_segments()));
    for (size_t i = 0; i < found_.silhouettes.size(); ++i) {
      const int64_t user = active_.users[static_cast<size_t>(found_.silhouette_users[i])];
      silhouettes[static_cast<size_t>(labels_[static_cast<size_t>(user)])].push_back(found_.silhouettes[i]);
    }
    std::vector<double> means;
    report_["silhouettes"] = json::array();
    for (std::vector<double>& own : silhouettes) {
      means.push_back(MeanSilhouette(own));
      std::ranges::sort(own, std::greater());
      std::vector<double> some;
      const size_t n = std::min(own.size(), kReportSilhouettes);
      for (size_t i = 0; i < n; ++i) some.push_back(own[n < 2 ? 0 : i * (own.size() - 1) / (n - 1)]);
      report_["silhouettes"].push_back(some);
    }
    report_["segments"] = SegmentsJson({profiles_, profiled_, names_, lineage_, values(), means},
                                       [this](int32_t user) { return Printable(dataset_->users().Id(user)); });
    report_["merged"] = MergedJson(small_.merged, lineage_);
    report_["next_id"] = lineage_.next_id;
    const HostMatrix<const float> points = {points_.data(), table_.n_users, n_features()};
    const PrincipalComponents components = FitPrincipalComponents(points, labels_);
    report_["map"] = MapJson(components, MapOf(components, points, labels_));
    DescribeTree();
    report_["stability_bins"] = StabilityBinsJson(MakeStabilityBins(values(), labels_, table_.names));
    stopwatch_.Done("describe");
  }

  double Inertia() const {
    double inertia = 0;
    for (const SegmentProfile& segment : profiles_.segments) inertia += segment.inertia;
    return inertia;
  }

  /// The tree that the segments were cut from, its top; of others, how the centroids would be merged.
  void DescribeTree() {
    report_["dendrogram"] = nullptr;
    std::vector<std::string> names;
    for (const SegmentName& name : names_) names.push_back(name.name);
    Dendrogram dendrogram;
    DendrogramPicture picture;
    picture.title = "How segments would be merged";
    picture.n_clusters = n_segments();
    if (found_.tree) {
      const ClusterTree& tree = *found_.tree;
      const int64_t n_groups = std::min(tree.n_leaves, kReportLeaves);
      const TreeTop top = TopOfTree(tree.merges, tree.n_leaves, n_groups);
      dendrogram.linkage = tree.method;
      dendrogram.merges = top.merges;
      std::vector<int64_t> sizes(static_cast<size_t>(n_groups));
      std::vector<int32_t> segment_of(sizes.size());
      for (size_t i = 0; i < tree.leaf_of.size(); ++i) {
        const auto group = static_cast<size_t>(top.group_of[static_cast<size_t>(tree.leaf_of[i])]);
        ++sizes[group];
        segment_of[group] = labels_[static_cast<size_t>(active_.users[i])];
      }
      for (size_t g = 0; g < sizes.size(); ++g)
        dendrogram.leaf_names.push_back(
            fmt::format("{} ({})", names[static_cast<size_t>(segment_of[g])], Counted(sizes[g], "user")));
      picture.title = "The tree that segments were cut from";
      picture.n_clusters = std::min(found_.k, n_groups);
      const std::vector<int32_t> cut = CutByCount(dendrogram.merges, n_groups, picture.n_clusters);
      picture.cluster_names.resize(static_cast<size_t>(picture.n_clusters));
      for (size_t g = 0; g < cut.size(); ++g)
        picture.cluster_names[static_cast<size_t>(cut[g])] = names[static_cast<size_t>(segment_of[g])];
    } else {
      if (n_segments() < 2) return;
      std::vector<double> weights;
      for (const SegmentProfile& segment : profiles_.segments)
        weights.push_back(static_cast<double>(std::max<int64_t>(segment.size, 1)));
      dendrogram.merges = Linkage(centroids(), weights, LinkageMethod::kWard, nullptr);
      dendrogram.leaf_names = names;
      for (const int32_t leaf : LeafOrder(dendrogram.merges, n_segments()))
        picture.cluster_names.push_back(names[static_cast<size_t>(leaf)]);
    }
    report_["dendrogram"] = DendrogramJson(dendrogram);
    dendrogram_ = DendrogramHtml(dendrogram, picture);
    dendrogram_svg_ = DendrogramSvg(dendrogram, picture);
  }

  void Publish() {
    Stage("publishing");
    report_["version"] = PublishSegments(
        store_, options_.model,
        {.users = &dataset_->users(),
         .items = &dataset_->items(),
         .events = dataset_->events(),
         .user_attributes = &dataset_->user_attributes(),
         .program = &*program_,
         .normalization = &normalization_,
         .values = values(),
         .labels = labels_,
         .centroids = centroids(),
         .rules = members_.rules,
         .stages = rules_->n_stages() > 0 ? std::span<const int32_t>(members_.stages) : std::span<const int32_t>(),
         .likelihood = probabilities_,
         .likely = &likely_},
        report_);
    report_["path"] = store_.VersionPath(options_.model, report_["version"].get<int64_t>()).string();
    stopwatch_.Done("publish");
    report_["seconds"] = stopwatch_.seconds();
  }

  int64_t n_features() const { return table_.n_features(); }
  int64_t n_segments() const { return small_.n_segments; }
  HostMatrix<const double> values() const { return {table_.values.data(), table_.n_users, n_features()}; }
  HostMatrix<const float> centroids() const { return {centroids_.data(), n_segments(), n_features()}; }

  const SegmentOptions& options_;
  const SegmentEvents& events_;
  SegmentSpec spec_;
  const ModelStore store_;
  ThreadPool pool_;
  WorkingBackend backend_;
  Stopwatch stopwatch_;
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const SegmentModel> last_;  // null: there is none
  std::optional<FeatureProgram> program_;
  int64_t reference_ = 0;
  FeatureTable table_;
  Normalization normalization_;
  std::vector<ProfiledFeature> profiled_;
  std::vector<float> points_;  // [n_users x n_features]
  ActiveUsers active_;
  UserClusters found_;  // of active users
  SmallSegmentsMerged small_;
  std::vector<int32_t> labels_;  // [n_users]
  std::vector<float> centroids_;
  SegmentProfiles profiles_;
  LastVersion last_version_;
  Lineage lineage_;
  std::vector<SegmentName> names_;
  std::vector<Threshold> thresholds_;
  std::optional<Likelihood> likelihood_;
  std::vector<double> probabilities_;
  UserBits likely_;
  std::optional<BehaviourRules> rules_;
  RuleMembers members_;
  std::vector<std::string> reasons_, warnings_;
  std::string dendrogram_, dendrogram_svg_;
  json report_;
};

}  // namespace

SegmentResult MakeSegments(const SegmentOptions& options, const SegmentEvents& events) {
  return Job(options, events).Run();
}

}  // namespace kindred
