#include "training/segment_job.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <numeric>
#include <optional>

#include "host/data/dataset.h"
#include "host/expression/syntax.h"
#include "host/segments/names.h"
#include "host/segments/segment_model.h"
#include "host/segments/stages.h"
#include "host/segments/user_clusters.h"
#include "host/text/counted.h"
#include "host/text/text.h"
#include "training/report_values.h"
#include "training/segment_description.h"
#include "training/stopwatch.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kDay = 86400;

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

/// Who was likely to do something else, or to do it sooner or later, is no member yet.
bool IsSameQuestion(const Likelihood& last, const LikelihoodSpec& spec) {
  return last.spec().event == spec.event && last.spec().horizon == spec.horizon;
}

class Job {
 public:
  Job(const SegmentOptions& options, const SegmentEvents& events)
      : options_(options),
        events_(events),
        store_(options.store),
        pool_(options.n_threads),
        backend_(options.backend, options.n_threads, GramPrecision::kBf16x3, events.warning) {
    work_.spec = options.spec;
  }

  SegmentResult Run() {
    store_.ModelPath(options_.model);  // refuses a name that does not do
    Stage("reading " + options_.dataset);
    work_.dataset = Dataset::Open(options_.dataset);
    const ModelLock lock = store_.Lock(options_.model, "segment");
    OpenLast();
    stopwatch_.Done("load");
    MeasureFeatures();
    ApplyRules();  // before what takes long: a file may ask for what is not there
    FindGroups();
    CheckGivenNames(GivenNames());
    Cluster();
    Trace();
    Audit();
    Compare();
    SegmentTree tree = DescribeSegments(options_.model, options_.dataset, work_, report_);
    stopwatch_.Done("describe");
    const bool held = !reasons_.empty() && !options_.accept_drift;
    report_["reasons"] = reasons_;
    report_["published"] = !held;
    report_["warnings"] = warnings_;
    report_["backend"] = backend_.Describe();
    if (!backend_.fell_back().empty()) report_["fell_back"] = backend_.fell_back();
    report_["seconds"] = stopwatch_.seconds();
    if (!held) Publish();
    return {std::move(report_), std::move(tree.html), std::move(tree.svg)};
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
    work_.last = SegmentModel::OpenCurrent(store_, options_.model);
    if (work_.last == nullptr) {
      if (options_.keep_clusters)
        throw Error(ErrorCode::kNotFound,
                    fmt::format("'{}' has no version whose clusters could be kept", options_.model));
      return;
    }
    if (options_.keep_clusters) KeepFeatures();
  }

  /// Those of the last version; rules may speak of events that it had no name for.
  void KeepFeatures() {
    FeatureSpec& features = work_.spec.features;
    features = work_.last->spec().features;
    features.reference = options_.spec.features.reference;
    for (const auto& [name, types] : options_.spec.features.events) {
      const auto known = features.events.find(name);
      const bool is_read = std::ranges::any_of(features.features, [&](const FeatureDeclaration& feature) {
        return std::ranges::find(feature.events, name) != feature.events.end();
      });
      // What has no name of its own goes by its type.
      if (known != features.events.end() ? known->second != types : is_read && types != std::vector{name})
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("'{}' in [events] names other types than in version {} of '{}', whose clusters and "
                                "features are kept",
                                Printable(name), work_.last->version(), options_.model));
      features.events.emplace(name, types);
    }
  }

  void MeasureFeatures() {
    const EventsView& events = work_.dataset->events();
    if (work_.spec.features.features.empty()) {
      EventNames names = std::move(work_.spec.features.events);
      const std::optional<int64_t> reference = work_.spec.features.reference;
      const json& reader = Member(work_.dataset->manifest(), "reader");
      const bool has_values = !Member(reader, "value_column").is_null() || !Member(reader, "value").is_null();
      work_.spec.features = DefaultFeatureSpec(work_.dataset->event_types(), !events.times.empty(), has_values);
      work_.spec.features.events.merge(names);
      work_.spec.features.reference = reference;
    }
    work_.program.emplace(FeatureProgram::Compile(work_.spec.features, *work_.dataset, &store_));
    work_.reference = work_.program->reference();
    Stage(fmt::format("measuring {} of {}", Counted(std::ssize(work_.program->columns()), "feature"),
                      Counted(work_.dataset->users().size(), "user")));
    WarnAll(work_.program->warnings());
    work_.table = work_.program->Compute(events, work_.reference, pool_);
    const double days_ahead =
        (static_cast<double>(work_.reference) - static_cast<double>(std::time(nullptr))) / static_cast<double>(kDay);
    if (!work_.spec.features.reference && !events.times.empty() && days_ahead >= 1)
      Warn(
          fmt::format("the last event is {:.0f} days in the future, and features look back from there; 'reference' "
                      "says from where else",
                      days_ahead));
    if (work_.table.n_future_events > 0)
      Warn(fmt::format("{} later than {}: left out",
                       work_.table.n_future_events == 1 ? std::string("an event is")
                                                        : fmt::format("{} events are", work_.table.n_future_events),
                       TimeText(work_.reference)));
    std::vector<uint8_t> keep;
    for (int64_t n : work_.table.n_events) keep.push_back(n > 0 ? 1 : 0);
    if (std::ranges::count(keep, 1) == 0)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: no user has an event up to {}: there is nobody to put "
                                                           "into segments",
                                                           options_.dataset, TimeText(work_.reference)));
    work_.normalization = options_.keep_clusters ? work_.last->normalization()
                                                 : Normalization::Fit(work_.table, work_.program->rules(), keep, pool_);
    for (const FeatureNormalization& feature : work_.normalization.features())
      if (feature.constant)
        Warn(fmt::format(
            "feature '{}' is the same for all: it tells nobody apart",
            work_.normalization.names()[static_cast<size_t>(&feature - work_.normalization.features().data())]));
    work_.points = work_.normalization.Apply(work_.table, pool_);
    for (size_t u = 0; u < keep.size(); ++u)
      if (keep[u] != 0) work_.active.users.push_back(static_cast<int64_t>(u));
    if (work_.active.users.size() < keep.size())
      for (const int64_t user : work_.active.users) {
        const std::span<const float> point = work_.all_points().row(user);
        work_.active.points.insert(work_.active.points.end(), point.begin(), point.end());
      }
    for (const FeatureColumn& column : work_.program->columns()) {
      const FeatureDeclaration& declared = work_.program->spec().features[static_cast<size_t>(column.declaration)];
      work_.profiled.push_back({column.name, FeatureKindName(declared.kind),
                                IsOfPurchases(declared, work_.spec.features.events, work_.dataset->event_types())});
    }
    stopwatch_.Done("features");
  }

  void Cluster() {
    if (options_.keep_clusters) return Place();
    Stage(fmt::format("{} of {} on {}", NameOf(work_.spec.clusters.algorithm),
                      Counted(std::ssize(work_.active.users), "user"), backend_.Text()));
    const HostMatrix<const float> points = work_.active_points();
    work_.found = backend_.Run(
        "clustering", [&](Backend& on) { return ClusterUsers(on, points, work_.spec.clusters, pool_, events_.runs); });
    WarnAll(work_.found.warnings);
    if (work_.found.n_nearer_elsewhere > 0)
      Warn(fmt::format(
          "{} in a segment of the tree whose centroid is not the nearest: who comes later goes by centroids",
          work_.found.n_nearer_elsewhere == 1 ? std::string("a user is")
                                              : fmt::format("{} users are", work_.found.n_nearer_elsewhere)));
    work_.small = MergeSmallSegments(work_.found.labels, {work_.found.centroids.data(), work_.found.k, n_features()},
                                     work_.spec.clusters.min_size, work_.spec.clusters.min_share);
    if (!work_.small.merged.empty()) MeasureSilhouettesOf(work_.small.labels);
    SetLabels(work_.small.labels);
    work_.centroids_of_segments = work_.small.centroids;
    stopwatch_.Done("clusters");
  }

  /// In the last version's segments.
  void Place() {
    Stage(fmt::format("placing {} in the segments of version {}", Counted(std::ssize(work_.active.users), "user"),
                      work_.last->version()));
    const auto kept = work_.last->centroids().all();
    work_.centroids_of_segments.assign(kept.begin(), kept.end());
    const HostMatrix<const float> points = work_.active_points();
    const Clustering placed = backend_.Run("placing", [&](Backend& on) {
      return AssignToCentroids(ClusteredPoints(on, points), work_.centroids_of_segments);
    });
    work_.found.k = work_.last->n_segments();
    work_.found.inertia = placed.inertia;
    work_.found.curves = {{work_.found.k}, {placed.inertia}, {}, {}, {}, "kept"};
    work_.small.n_segments = work_.found.k;
    work_.found.sampled = work_.spec.clusters.samples(std::ssize(work_.active.users));
    MeasureSilhouettesOf(placed.labels);
    work_.found.curves.silhouette = {work_.silhouette()};
    SetLabels(placed.labels);
    stopwatch_.Done("clusters");
  }

  void MeasureSilhouettesOf(const std::vector<int32_t>& labels) {
    const HostMatrix<const float> points = work_.active_points();
    SampledSilhouettes measured = backend_.Run("measuring silhouettes", [&](Backend& on) {
      return MeasureSilhouettes(ClusteredPoints(on, points), labels, work_.small.n_segments, work_.spec.clusters);
    });
    work_.found.silhouettes = std::move(measured.silhouettes);
    work_.found.silhouette_users = std::move(measured.points);
  }

  void SetLabels(const std::vector<int32_t>& of_active) {
    work_.labels.assign(static_cast<size_t>(work_.dataset->users().size()), -1);
    for (size_t i = 0; i < of_active.size(); ++i)
      work_.labels[static_cast<size_t>(work_.active.users[i])] = of_active[i];
  }

  std::map<std::string, std::string> GivenNames() const {
    return {work_.spec.clusters.names.begin(), work_.spec.clusters.names.end()};
  }

  void Trace() {
    work_.profiles =
        MeasureProfiles({work_.values(), work_.all_points(), work_.labels, work_.centroids()}, work_.profiled);
    KnownNames known = {GivenNames()};
    if (work_.last == nullptr) {
      work_.lineage = FirstLineage(work_.labels, n_segments());
    } else {
      work_.last_version.version = work_.last->version();
      work_.last_version.next_id = NextId();
      for (const json& segment : work_.last->manifest().at("segments")) {
        const std::string id = segment.at("id").get<std::string>(), name = segment.at("name").get<std::string>();
        work_.last_version.segments.push_back({id, name, segment.at("size").get<int64_t>()});
        known.kept[id] = {name, segment.at("named_by") == "person"};
      }
      work_.last_version.labels = LastValues(work_.dataset->users(), work_.last->users(), work_.last->labels());
      work_.lineage =
          options_.keep_clusters ? KeptLineage() : TraceSegments(work_.labels, n_segments(), work_.last_version);
    }
    for (const auto& [id, name] : known.given)
      if (std::ranges::find(work_.lineage.ids, id) == work_.lineage.ids.end())
        Warn(fmt::format("the name '{}' is for segment '{}', which is not there", Printable(name), Printable(id)));
    work_.names = NameSegments(work_.profiles, work_.profiled, work_.lineage.ids, known);
    stopwatch_.Done("profiles");
  }

  /// The least number that no segment had as its id, those of versions behind the last one included: they were rolled
  /// back, but people have seen them.
  int64_t NextId() const {
    auto next = work_.last->manifest().at("next_id").get<int64_t>();
    for (const int64_t version : store_.Versions(options_.model)) {
      if (version <= work_.last->version()) continue;
      try {
        const json manifest = Artifact::ReadManifest(store_.VersionPath(options_.model, version), kModelKind);
        if (const json& own = Member(manifest, "next_id"); own.is_number_integer())
          next = std::max(next, own.get<int64_t>());
      } catch (const Error&) {  // a damaged one is no reason not to go on from a whole one
      }
    }
    return next;
  }

  /// Segments are those of the last version, whoever is in them now.
  Lineage KeptLineage() const {
    Lineage lineage = TraceSegments(work_.labels, n_segments(), work_.last_version);
    lineage.ids.clear();
    lineage.kept_from.resize(static_cast<size_t>(n_segments()));
    std::iota(lineage.kept_from.begin(), lineage.kept_from.end(), 0);
    for (const LastSegment& segment : work_.last_version.segments) lineage.ids.push_back(segment.id);
    lineage.next_id = work_.last_version.next_id;
    lineage.split.clear();
    lineage.merged.clear();
    lineage.gone.clear();
    lineage.fresh.clear();
    lineage.n_movers = 0;
    for (size_t u = 0; u < work_.labels.size(); ++u)
      lineage.n_movers +=
          work_.labels[u] >= 0 && work_.last_version.labels[u] >= 0 && work_.labels[u] != work_.last_version.labels[u];
    lineage.share_movers =
        lineage.n_in_both == 0 ? 0 : static_cast<double>(lineage.n_movers) / static_cast<double>(lineage.n_in_both);
    return lineage;
  }

  void ApplyRules() {
    const BehaviourSpec& behaviour = work_.spec.behaviour;
    const EventsView& events = work_.dataset->events();
    const std::vector<Threshold> last_thresholds =
        work_.last == nullptr
            ? std::vector<Threshold>()
            : std::vector<Threshold>(work_.last->thresholds().begin(), work_.last->thresholds().end());
    work_.thresholds = SetThresholds(behaviour.thresholds, work_.table, last_thresholds);
    if (behaviour.likelihood) LearnLikelihood(*behaviour.likelihood);
    std::vector<std::string> threshold_names;
    std::vector<double> threshold_values;
    for (const Threshold& threshold : work_.thresholds) {
      threshold_names.push_back(threshold.name);
      threshold_values.push_back(threshold.value);
    }
    work_.rules.emplace(behaviour.rules, behaviour.stages,
                        RuleVocabulary{.events = work_.spec.features.events,
                                       .event_types = work_.dataset->event_types(),
                                       .has_times = !events.times.empty(),
                                       .features = work_.table.names,
                                       .thresholds = threshold_names,
                                       .has_likelihood = work_.likelihood.has_value(),
                                       .users = &work_.dataset->user_attributes()});
    const std::optional<int64_t> first =
        events.times.empty() ? std::nullopt : std::optional(*std::ranges::min_element(events.times));
    WarnAll(work_.rules->Warnings(first, work_.reference));
    work_.members = work_.rules->Evaluate({.n_users = work_.dataset->users().size(),
                                           .events = events,
                                           .reference = work_.reference,
                                           .features = work_.table.values,
                                           .thresholds = threshold_values,
                                           .likelihood = work_.probabilities,
                                           .first_row = 0},
                                          &pool_);
    stopwatch_.Done("rules");
  }

  void LearnLikelihood(const LikelihoodSpec& spec) {
    const EventsView& events = work_.dataset->events();
    const int64_t split = LikelihoodSplit(spec, events, work_.reference);
    Stage(fmt::format("learning how likely '{}' within {} is", Printable(spec.event),
                      Print(Literal{ValueType::kDuration, static_cast<double>(spec.horizon)})));
    const EventNames& names = work_.spec.features.events;
    const std::span<const std::string> known = work_.dataset->event_types();
    std::vector<int> types;  // none: all
    try {
      if (!MeansAllEvents(names, spec.event, known)) types = TypesOf(names, spec.event, known);
    } catch (const Error& error) {
      throw Error(error.code(), spec.place + "likelihood: " + error.what());
    }
    const std::vector<int8_t> labels = LikelihoodLabels(events, types, split, spec.horizon);
    const std::vector<float> then = work_.normalization.Apply(work_.program->Compute(events, split, pool_), pool_);
    work_.likelihood.emplace(spec, split, LikelihoodInputs{&work_.dataset->users(), labels, then, work_.table.names},
                             pool_);
    for (const FeatureDeclaration& feature : work_.spec.features.features)
      if (feature.kind == FeatureKind::kFactors && feature.normalization.weight != 0)
        Warn(fmt::format(
            "likelihood: the factors of '{}' are as of today, of a model that may have learned from what is "
            "to be foretold; its figures are too good then",
            Printable(feature.name)));
    WarnAll(work_.likelihood->warnings());
    work_.probabilities = work_.likelihood->Probabilities(work_.points, pool_);
    for (size_t u = 0; u < work_.probabilities.size(); ++u)
      if (work_.table.n_events[u] == 0) work_.probabilities[u] = std::numeric_limits<double>::quiet_NaN();
    std::vector<int32_t> was;
    if (work_.last != nullptr && work_.last->likelihood_model() &&
        IsSameQuestion(*work_.last->likelihood_model(), spec)) {
      std::vector<int32_t> likely(static_cast<size_t>(work_.last->users().size()));
      for (size_t u = 0; u < likely.size(); ++u) likely[u] = work_.last->IsLikely(static_cast<int64_t>(u)) ? 1 : 0;
      was = LastValues(work_.dataset->users(), work_.last->users(), likely);
    }
    work_.likely = LikelyUsers(work_.probabilities, spec, was);
    stopwatch_.Done("likelihood");
  }

  /// By whom is audited, and what is known of them.
  void FindGroups() {
    if (!work_.spec.audit_model.empty()) {
      const std::filesystem::path path =
          store_.VersionPath(work_.spec.audit_model, store_.Current(work_.spec.audit_model));
      evaluation_ = Artifact::ReadManifest(path, kModelKind).value("evaluation", json());
      if (evaluation_.is_null())
        Warn(fmt::format("the current version of '{}' was not evaluated: nothing is known of its quality by group",
                         work_.spec.audit_model));
    }
    std::vector<int32_t> rows(static_cast<size_t>(work_.dataset->users().size()));
    std::iota(rows.begin(), rows.end(), 0);
    std::vector<std::string> warnings;
    groupings_ = AuditedGroupings(work_.dataset->user_attributes(), rows, work_.spec.audit_attributes, warnings);
    WarnAll(warnings);
  }

  void Audit() {
    kindred::Audit audit = AuditSegments(groupings_, work_.labels, n_segments(), evaluation_, work_.spec.audit);
    WarnAll(audit.warnings);
    audit.anomalies = FindAnomalies(CountDays(work_.dataset->events(), work_.reference));
    report_["audit"] = AuditJson(audit);
    reasons_.insert(reasons_.end(), audit.reasons.begin(), audit.reasons.end());
    stopwatch_.Done("audit");
  }

  void Compare() {
    report_["lineage"] = nullptr;
    if (work_.last == nullptr) return;
    const std::vector<StabilityBins> bins = StabilityBinsOf(work_.last->manifest().at("stability_bins"));
    const std::vector<FeatureDrift> drift = MeasureDrift(work_.values(), work_.labels, work_.table.names, bins);
    const std::vector<std::string> beyond = BeyondLimits(work_.lineage, drift, work_.spec.drift);
    report_["lineage"] =
        LineageJson(work_.lineage, work_.last_version, drift, beyond, !beyond.empty() && !options_.accept_drift);
    reasons_.insert(reasons_.end(), beyond.begin(), beyond.end());
  }

  void Publish() {
    Stage("publishing");
    report_["version"] =
        PublishSegments(store_, options_.model,
                        {.users = &work_.dataset->users(),
                         .items = &work_.dataset->items(),
                         .events = work_.dataset->events(),
                         .user_attributes = &work_.dataset->user_attributes(),
                         .program = &*work_.program,
                         .normalization = &work_.normalization,
                         .values = work_.values(),
                         .labels = work_.labels,
                         .centroids = work_.centroids(),
                         .rules = work_.members.rules,
                         .stages = work_.rules->n_stages() > 0 ? std::span<const int32_t>(work_.members.stages)
                                                               : std::span<const int32_t>(),
                         .likelihood = work_.probabilities,
                         .likely = &work_.likely},
                        report_);
    report_["path"] = store_.VersionPath(options_.model, report_["version"].get<int64_t>()).string();
    stopwatch_.Done("publish");
    report_["seconds"] = stopwatch_.seconds();
  }

  int64_t n_features() const { return work_.n_features(); }
  int64_t n_segments() const { return work_.n_segments(); }

  const SegmentOptions& options_;
  const SegmentEvents& events_;
  const ModelStore store_;
  ThreadPool pool_;
  WorkingBackend backend_;
  Stopwatch stopwatch_;
  SegmentWork work_;
  std::vector<Grouping> groupings_;
  json evaluation_;
  std::vector<std::string> reasons_, warnings_;
  json report_;
};

}  // namespace

SegmentResult MakeSegments(const SegmentOptions& options, const SegmentEvents& events) {
  return Job(options, events).Run();
}

}  // namespace kindred
