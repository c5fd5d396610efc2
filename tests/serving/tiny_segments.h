// A small version of segments for the tests of serving: users "u0", "u1", ... of a made-up shop, items "i0" .. "i9".
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "host/data/attribute_arrays.h"
#include "host/data/dataset.h"
#include "host/data/dataset_writer.h"
#include "host/segments/behaviour_json.h"
#include "host/segments/drift.h"
#include "host/segments/lineage.h"
#include "host/segments/names.h"
#include "host/segments/profile.h"
#include "host/segments/segment_model.h"
#include "host/segments/segments_json.h"
#include "host/segments/stages.h"
#include "host/store/model_store.h"
#include "tests/support/temporary_folder.h"

namespace kindred {

struct TinySegmentsOptions {
  int n_users = 60;
  uint64_t seed = 1;
  bool has_times = true, has_types = true;
  /// Rules, stages, a threshold and a likelihood; with times and types alone.
  bool has_behaviour = true;
  std::string user_prefix = "u";
};

/// Every user views once a day or two, every third from the second on more often ("u1", "u4", ...), and buys now and
/// then; the last user does so after the reference alone, and is in no cluster. Users have an "email" (a text with a
/// comma and quotes; "u0" none), a "country" (a category), which is their "stage" too, and "joined" (a time).
class TinySegments {
 public:
  static constexpr int64_t kDay = 86400, kReference = 1'700'000'000;

  explicit TinySegments(const TinySegmentsOptions& options = {}) : options_(options), random_(options.seed) {
    MakeDataset();
    spec_ = ParseSegmentSpec(Declarations(), "segments.toml");
    program_.emplace(FeatureProgram::Compile(spec_.features, *dataset_, nullptr));
    table_ = program_->Compute(dataset_->events(), program_->reference(), pool_);
    std::vector<uint8_t> keep;
    for (const int64_t n : table_.n_events) keep.push_back(n > 0);
    normalization_ = Normalization::Fit(table_, program_->rules(), keep, pool_);
    points_ = normalization_.Apply(table_, pool_);
    for (size_t u = 0; u < keep.size(); ++u) labels_.push_back(keep[u] == 0 ? -1 : u % 3 == 1 ? 1 : 0);
    centroids_ = MeansOfSegments({points_.data(), table_.n_users, table_.n_features()}, labels_, 2);
    Judge();
    Describe();
  }

  int64_t Publish(const ModelStore& store, const std::string& name) const {
    const ModelLock lock = store.Lock(name);
    return PublishSegments(
        store, name,
        {.users = &dataset_->users(),
         .items = &dataset_->items(),
         .events = dataset_->events(),
         .user_attributes = &dataset_->user_attributes(),
         .program = &*program_,
         .normalization = &normalization_,
         .values = {table_.values.data(), table_.n_users, table_.n_features()},
         .labels = labels_,
         .centroids = {centroids_.data(), 2, table_.n_features()},
         .rules = members_.rules,
         .stages = rules_->n_stages() > 0 ? std::span<const int32_t>(members_.stages) : std::span<const int32_t>(),
         .likelihood = probabilities_,
         .likely = &likely_},
        manifest_);
  }

 private:
  std::string Declarations() const {
    std::string text = "schema_version = 1\n";
    if (options_.has_times) text += "reference = " + std::to_string(kReference) + "\n";
    if (options_.has_types) text += "[events]\nviews = \"view\"\npurchases = \"buy\"\n";
    if (options_.has_times) text += "[[features]]\nname = \"recency\"\nkind = \"recency\"\n";
    text += "[[features]]\nname = \"frequency\"\nkind = \"count\"\nnormalize = \"log\"\n";
    text += "[[features]]\nname = \"monetary\"\nkind = \"sum\"\n";
    if (!options_.has_behaviour || !options_.has_times || !options_.has_types) return text;
    return text + R"(
[thresholds.big]
of = "monetary"
quantile = 0.8
[[rules]]
name = 'Big, "spenders"'
when = "monetary >= threshold.big"
[[rules]]
name = "Looks, buys not"
when = "views >= 1 in 7d and purchases = 0 in 7d"
[[stages]]
name = "aware"
when = "views >= 1"
[[stages]]
name = "buyer"
when = "purchases >= 1"
[likelihood]
event = "purchases"
horizon = "20d"
)";
  }

  void Add(EventTableBuilder& builder, const std::string& user, int item, std::string_view type, float value,
           int64_t time) {
    const std::string item_id = "i" + std::to_string(item);
    const std::string_view user_view = user, item_view = item_id;
    EventBatch batch;
    batch.users = {&user_view, 1};
    batch.items = {&item_view, 1};
    batch.types = {&type, 1};
    batch.values = {&value, 1};
    batch.times = {&time, 1};
    builder.Add(batch);
  }

  void MakeDataset() {
    EventTableBuilder builder;
    TextRows emails, countries;
    AttributeArrays email, country, joined;
    joined.type = AttributeType::kTime;
    country.type = AttributeType::kCategory;
    for (const char* name : {"de", "fr"}) countries.Add(name);
    for (int u = 0; u < options_.n_users; ++u) {
      const std::string user = options_.user_prefix + std::to_string(u);
      const bool is_late = u + 1 == options_.n_users, is_often = u % 3 == 1;
      for (int day = is_late ? -1 : 40; day >= (is_late ? -1 : 0); --day) {
        if (!is_late && random_() % 3 != 0 && !is_often && day < 40) continue;
        const int64_t time = kReference - day * kDay - (is_late ? 0 : static_cast<int64_t>(random_() % 3600));
        Add(builder, user, static_cast<int>(random_() % 10), "view", 0, time);
        if (random_() % (is_often ? 4 : 12) == 0)
          Add(builder, user, static_cast<int>(random_() % 10), "buy", 5 + static_cast<float>(random_() % 50), time);
      }
      emails.Add(u == 0 ? "" : "\"U, " + std::to_string(u) + "\" <" + user + "@example.com>");
      country.codes.push_back(u % 3 == 2 ? -1 : u % 3);
      joined.times.push_back(kReference - 100 * kDay);
    }
    email.bytes.assign(emails.view().bytes.begin(), emails.view().bytes.end());
    email.offsets.assign(emails.view().offsets.begin(), emails.view().offsets.end());
    country.bytes.assign(countries.view().bytes.begin(), countries.view().bytes.end());
    country.offsets.assign(countries.view().offsets.begin(), countries.view().offsets.end());
    const AttributeTable users = {options_.n_users,
                                  {email.View("email", "users.csv"), country.View("country", "users.csv"),
                                   joined.View("joined", "users.csv"), country.View("stage", "users.csv")}};
    WriteDataset(folder_.path() / "dataset",
                 builder.Finish({options_.has_times, options_.has_types, false}, nullptr, pool_), {{}, users},
                 nlohmann::json::object(), false);
    dataset_ = Dataset::Open((folder_.path() / "dataset").string());
  }

  void Judge() {
    const EventsView& events = dataset_->events();
    const BehaviourSpec& behaviour = spec_.behaviour;
    thresholds_ = SetThresholds(behaviour.thresholds, table_, {});
    std::vector<std::string> names;
    std::vector<double> values;
    for (const Threshold& threshold : thresholds_) {
      names.push_back(threshold.name);
      values.push_back(threshold.value);
    }
    if (behaviour.likelihood) Learn(*behaviour.likelihood);
    rules_.emplace(behaviour.rules, behaviour.stages,
                   RuleVocabulary{.events = spec_.features.events,
                                  .event_types = dataset_->event_types(),
                                  .has_times = options_.has_times,
                                  .features = table_.names,
                                  .thresholds = names,
                                  .has_likelihood = likelihood_.has_value(),
                                  .users = &dataset_->user_attributes()});
    members_ = rules_->Evaluate({.n_users = options_.n_users,
                                 .events = events,
                                 .reference = program_->reference(),
                                 .features = table_.values,
                                 .thresholds = values,
                                 .likelihood = probabilities_,
                                 .first_row = 0},
                                &pool_);
  }

  void Learn(const LikelihoodSpec& spec) {
    const int64_t split = LikelihoodSplit(spec, dataset_->events(), program_->reference());
    const std::vector<int> types = TypesOf(spec_.features.events, spec.event, dataset_->event_types());
    const std::vector<int8_t> bought = LikelihoodLabels(dataset_->events(), types, split, spec.horizon);
    const std::vector<float> then = normalization_.Apply(program_->Compute(dataset_->events(), split, pool_), pool_);
    likelihood_.emplace(spec, split, LikelihoodInputs{&dataset_->users(), bought, then, table_.names}, pool_);
    probabilities_ = likelihood_->Probabilities(points_, pool_);
    for (size_t u = 0; u < probabilities_.size(); ++u)
      if (table_.n_events[u] == 0) probabilities_[u] = std::numeric_limits<double>::quiet_NaN();
    likely_ = LikelyUsers(probabilities_, spec, {});
  }

  void Describe() {
    std::vector<ProfiledFeature> profiled;
    for (size_t f = 0; f < table_.names.size(); ++f)
      profiled.push_back({table_.names[f], FeatureKindName(program_->spec().features[f].kind)});
    const HostMatrix<const double> values = {table_.values.data(), table_.n_users, table_.n_features()};
    const SegmentProfiles profiles = MeasureProfiles({values,
                                                      {points_.data(), table_.n_users, table_.n_features()},
                                                      labels_,
                                                      {centroids_.data(), 2, table_.n_features()}},
                                                     profiled);
    const Lineage lineage = FirstLineage(labels_, 2);
    const std::vector<SegmentName> names = NameSegments(profiles, profiled, lineage.ids, {{{"2", "Regulars"}}});
    manifest_["segments"] = SegmentsJson({profiles, profiled, names, lineage, values},
                                         [this](int32_t u) { return std::string(dataset_->users().Id(u)); });
    manifest_["created_at"] = "2026-01-02T03:04:05Z";
    manifest_["next_id"] = lineage.next_id;
    manifest_["stability_bins"] = StabilityBinsJson(MakeStabilityBins(values, labels_, table_.names));
    manifest_["reference_time"] = program_->reference();
    manifest_["thresholds"] = ThresholdsJson(thresholds_);
    manifest_["rules"] = RulesJson(*rules_, members_, thresholds_);
    manifest_["stages"] = StagesJson(*rules_, members_, {});
    manifest_["likelihood"] = likelihood_ ? likelihood_->Json() : nlohmann::json();
  }

  const TinySegmentsOptions options_;
  std::mt19937_64 random_;
  ThreadPool pool_{1};
  TemporaryFolder folder_;
  std::shared_ptr<const Dataset> dataset_;
  SegmentSpec spec_;
  std::optional<FeatureProgram> program_;
  FeatureTable table_;
  Normalization normalization_;
  std::vector<float> points_;
  std::vector<int32_t> labels_;
  std::vector<float> centroids_;
  std::vector<Threshold> thresholds_;
  std::optional<Likelihood> likelihood_;
  std::vector<double> probabilities_;
  UserBits likely_;
  std::optional<BehaviourRules> rules_;
  RuleMembers members_;
  nlohmann::json manifest_ = nlohmann::json::object();
};

}  // namespace kindred
