// A version of segments of a few users, as a segments job makes it, in the temporary folder of a test.
#pragma once

#include <cmath>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/segments/behaviour_json.h"
#include "host/segments/drift.h"
#include "host/segments/segment_model.h"
#include "host/segments/segment_spec.h"
#include "host/segments/user_clusters.h"
#include "kernels/cpu/backend.h"
#include "tests/support/shoppers.h"

namespace kindred {

class SmallSegments {
 public:
  /// Writes the dataset there. `algorithm`: trees have users who are nearer to another centroid than their own.
  explicit SmallSegments(const std::filesystem::path& dataset_path, const Shoppers& shoppers = {},
                         const std::string& toml = kShoppersToml) {
    shoppers.Write(dataset_path);
    dataset = Dataset::Open(dataset_path);
    spec = ParseSegmentSpec(toml, "segments.toml");
    program.emplace(FeatureProgram::Compile(spec.features, *dataset, nullptr));
    table = program->Compute(dataset->events(), program->reference(), pool_);
    Cluster();
    LearnLikelihood();
    ApplyRules();
    Describe();
  }

  int64_t Publish(const ModelStore& store, const std::string& name) const {
    const ModelLock lock = store.Lock(name, "segment");
    return PublishSegments(
        store, name,
        {.users = &dataset->users(),
         .items = &dataset->items(),
         .events = dataset->events(),
         .user_attributes = &dataset->user_attributes(),
         .program = &*program,
         .normalization = &normalization,
         .values = values(),
         .labels = labels,
         .centroids = {clusters.centroids.data(), clusters.k, table.n_features()},
         .rules = members.rules,
         .stages = rules->n_stages() > 0 ? std::span<const int32_t>(members.stages) : std::span<const int32_t>(),
         .likelihood = probabilities,
         .likely = &likely},
        manifest);
  }

  HostMatrix<const double> values() const { return {table.values.data(), table.n_users, table.n_features()}; }

  std::shared_ptr<const Dataset> dataset;
  SegmentSpec spec;
  std::optional<FeatureProgram> program;
  FeatureTable table;
  Normalization normalization;
  std::vector<float> points;  // [n_users x n_features]
  UserClusters clusters;      // of users with events
  std::vector<int32_t> labels;
  std::vector<Threshold> thresholds;
  std::optional<Likelihood> likelihood;
  std::vector<double> probabilities;
  UserBits likely;
  std::optional<BehaviourRules> rules;
  RuleMembers members;
  nlohmann::json manifest;

 private:
  void Cluster() {
    std::vector<uint8_t> keep;
    for (const int64_t n : table.n_events) keep.push_back(n > 0 ? 1 : 0);
    normalization = Normalization::Fit(table, program->rules(), keep, pool_);
    points = normalization.Apply(table, pool_);
    std::vector<float> active;
    const int64_t d = table.n_features();
    for (int64_t u = 0; u < table.n_users; ++u)
      if (keep[static_cast<size_t>(u)] != 0)
        active.insert(active.end(), points.begin() + u * d, points.begin() + (u + 1) * d);
    CpuBackend backend(1);
    clusters = ClusterUsers(backend, {active.data(), std::ssize(active) / d, d}, spec.clusters, pool_);
    size_t next = 0;
    for (const uint8_t is_active : keep) labels.push_back(is_active != 0 ? clusters.labels[next++] : -1);
  }

  void LearnLikelihood() {
    if (!spec.behaviour.likelihood) return;
    const LikelihoodSpec& of = *spec.behaviour.likelihood;
    const EventsView& events = dataset->events();
    const int64_t split = LikelihoodSplit(of, events, program->reference());
    const std::vector<int8_t> came =
        LikelihoodLabels(events, TypesOf(spec.features.events, of.event, dataset->event_types()), split, of.horizon);
    const std::vector<float> then = normalization.Apply(program->Compute(events, split, pool_), pool_);
    likelihood.emplace(of, split, LikelihoodInputs{&dataset->users(), came, then, table.names}, pool_);
    probabilities = likelihood->Probabilities(points, pool_);
    for (size_t u = 0; u < probabilities.size(); ++u)
      if (table.n_events[u] == 0) probabilities[u] = std::numeric_limits<double>::quiet_NaN();
    likely = LikelyUsers(probabilities, of, {});
    likely.Count();
  }

  void ApplyRules() {
    thresholds = SetThresholds(spec.behaviour.thresholds, table, {});
    std::vector<std::string> names;
    std::vector<double> numbers;
    for (const Threshold& threshold : thresholds) {
      names.push_back(threshold.name);
      numbers.push_back(threshold.value);
    }
    const EventsView& events = dataset->events();
    rules.emplace(spec.behaviour.rules, spec.behaviour.stages,
                  RuleVocabulary{.events = spec.features.events,
                                 .event_types = dataset->event_types(),
                                 .has_times = !events.times.empty(),
                                 .features = table.names,
                                 .thresholds = names,
                                 .has_likelihood = likelihood.has_value(),
                                 .users = &dataset->user_attributes()});
    members = rules->Evaluate({.n_users = dataset->users().size(),
                               .events = events,
                               .reference = program->reference(),
                               .features = table.values,
                               .thresholds = numbers,
                               .likelihood = probabilities,
                               .first_row = 0},
                              &pool_);
  }

  void Describe() {
    manifest = {{"reference_time", program->reference()},
                {"thresholds", ThresholdsJson(thresholds)},
                {"rules", RulesJson(*rules, members, thresholds)},
                {"stages", StagesJson(*rules, members, {})},
                {"likelihood", likelihood ? likelihood->Json() : nlohmann::json()},
                {"next_id", clusters.k + 1},
                {"stability_bins", StabilityBinsJson(MakeStabilityBins(values(), labels, table.names))},
                {"segments", nlohmann::json::array()}};
    for (int64_t s = 0; s < clusters.k; ++s)
      manifest["segments"].push_back({{"id", std::to_string(s + 1)},
                                      {"name", "segment " + std::to_string(s + 1)},
                                      {"named_by", "profile"},
                                      {"size", std::ranges::count(labels, s)}});
  }

  ThreadPool pool_{2};
};

}  // namespace kindred
