#include "host/segments/segment_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/clustering/points.h"
#include "host/segments/behaviour_json.h"
#include "host/segments/drift.h"
#include "host/segments/profile.h"
#include "host/store/json_reader.h"
#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kMostTraits = 5;
constexpr int64_t kMostIds = int64_t{1} << 53;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

[[noreturn]] void Refuse(const Artifact& artifact, const std::string& what) {
  throw Error(ErrorCode::kCorrupt, fmt::format("segments '{}': {}", artifact.path().string(), what));
}

int64_t WordsFor(int64_t n_users) {
  return (n_users + 63) / 64;
}

bool HasBit(std::span<const int64_t> words, int64_t i) {
  return (static_cast<uint64_t>(words[static_cast<size_t>(i / 64)]) >> (i % 64) & 1) != 0;
}

std::vector<int64_t> SetBits(std::span<const int64_t> words, int64_t n) {
  std::vector<int64_t> set;
  for (int64_t i = 0; i < n; ++i)
    if (HasBit(words, i)) set.push_back(i);
  return set;
}

std::vector<int64_t> Where(std::span<const int32_t> of, int64_t value) {
  std::vector<int64_t> found;
  for (size_t i = 0; i < of.size(); ++i)
    if (of[i] == value) found.push_back(static_cast<int64_t>(i));
  return found;
}

std::span<const int64_t> AsIntegers(const std::vector<uint64_t>& words) {
  return {reinterpret_cast<const int64_t*>(words.data()), words.size()};
}

/// Of one user, whose times do not fall.
bool HasEventsUpTo(int64_t reference, std::span<const int32_t> items, std::span<const int64_t> times) {
  return !items.empty() && (times.empty() || times[0] <= reference);
}

const json& Member(const Artifact& artifact, const char* key) {
  const auto found = artifact.manifest().find(key);
  if (found == artifact.manifest().end()) Refuse(artifact, fmt::format("the manifest has no {}", key));
  return *found;
}

}  // namespace

int64_t PublishSegments(const ModelStore& store, const std::string& name, const SegmentVersion& version,
                        json manifest) {
  const int64_t number = store.NextVersion(name), n_users = version.users->size();
  ArtifactWriter writer(store.VersionPath(name, number), kModelKind);
  version.users->AddTo(writer, "user_ids");
  version.items->AddTo(writer, "item_ids");
  const EventsView& events = version.events;
  writer.AddArray("event_indptr", events.indptr);
  writer.AddArray("event_items", events.items);
  writer.AddArray("event_values", events.values);
  if (!events.times.empty()) writer.AddArray("event_times", events.times);
  if (!events.types.empty()) writer.AddArray("event_types", events.types);
  manifest["event_types"] = events.type_names;
  if (!version.user_attributes->columns().empty()) {
    version.user_attributes->AddTo(writer, "user_column");
    manifest["user_columns"] = version.user_attributes->Describe();
  }
  manifest["feature_program"] = version.program->AddTo(writer, "features");
  manifest["normalization"] = version.normalization->ToJson();
  writer.AddArray<double>("feature_values", version.values.all(), {version.values.n_rows, version.values.n_cols});
  writer.AddArray("segment_labels", version.labels);
  writer.AddMatrix("segment_centroids", version.centroids);
  std::vector<int64_t> members;
  for (const UserBits& rule : version.rules)
    members.insert(members.end(), AsIntegers(rule.words).begin(), AsIntegers(rule.words).end());
  writer.AddArray<int64_t>("rule_members", members, {std::ssize(version.rules), WordsFor(n_users)});
  if (!version.stages.empty()) writer.AddArray("user_stages", version.stages);
  if (!version.likelihood.empty()) {
    writer.AddArray("user_likelihood", version.likelihood);
    writer.AddArray("likely_users", AsIntegers(version.likely->words));
  }
  manifest["schema_version"] = kSegmentsSchema;
  manifest["algorithm"] = kSegmentsAlgorithm;
  manifest["n_users"] = n_users;
  manifest["n_items"] = version.items->size();
  writer.Commit(std::move(manifest));
  store.SetCurrentOrRemove(name, number);
  return number;
}

std::shared_ptr<const SegmentModel> SegmentModel::Open(const ModelStore& store, const std::string& name,
                                                       int64_t version) {
  std::shared_ptr<SegmentModel> model(new SegmentModel());
  model->name_ = name;
  model->version_ = version == 0 ? store.Current(name) : version;
  const std::filesystem::path path = store.VersionPath(name, model->version_);
  model->artifact_ = Artifact::Open(path, kModelKind);
  if (model->manifest().value("algorithm", json()) != kSegmentsAlgorithm)
    throw Error(
        ErrorCode::kUnsupported,
        fmt::format("'{}' is no version of segments; expected one that `kindred segment` has made", path.string()));
  const json schema = model->manifest().value("schema_version", json());
  if (!schema.is_number_integer()) Refuse(*model->artifact_, "the manifest has no schema_version");
  CheckNotNewer(model->manifest(), "schema", schema.get<int64_t>(), kSegmentsSchema, path.string());
  try {
    model->Read();
  } catch (const json::exception& error) {
    Refuse(*model->artifact_, fmt::format("the manifest: {}", error.what()));
  } catch (const Error& error) {  // of conditions that do not compile, say: not the caller's argument
    if (error.code() != ErrorCode::kInvalidArgument) throw;
    Refuse(*model->artifact_, error.what());
  }
  return model;
}

std::shared_ptr<const SegmentModel> SegmentModel::OpenCurrent(const ModelStore& store, const std::string& name) {
  int64_t version = 0;
  try {
    version = store.Current(name);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    return nullptr;
  }
  return Open(store, name, version);
}

void SegmentModel::Read() {
  const Artifact& artifact = *artifact_;
  const std::string where = fmt::format("segments '{}'", artifact.path().string());
  users_ = IdMap::FromArtifact(artifact, "user_ids");
  items_ = IdMap::FromArtifact(artifact, "item_ids");
  event_types_ = Member(artifact, "event_types").get<std::vector<std::string>>();
  events_.indptr = artifact.Array<int64_t>("event_indptr");
  events_.items = artifact.Array<int32_t>("event_items");
  events_.values = artifact.Array<float>("event_values");
  if (artifact.Has("event_times")) events_.times = artifact.Array<int64_t>("event_times");
  if (artifact.Has("event_types")) events_.types = artifact.Array<uint8_t>("event_types");
  events_.type_names = event_types_;
  user_attributes_ = AttributeTable::FromArtifact(artifact, "user_column",
                                                  manifest().value("user_columns", json::array()), users_.size());
  program_ = FeatureProgram::FromArtifact(artifact_, "features", Member(artifact, "feature_program"));
  normalization_ = Normalization::FromJson(Member(artifact, "normalization"), where + ": normalization");
  spec_.features = program_->spec();
  reference_ = JsonReader(manifest(), where).Integer("reference_time", kFirstTime, kLastTime);
  values_ = artifact.Matrix<double>("feature_values");
  labels_ = artifact.Array<int32_t>("segment_labels");
  centroids_ = artifact.Matrix<float>("segment_centroids");
  if (artifact.Has("user_stages")) stages_ = artifact.Array<int32_t>("user_stages");
  if (artifact.Has("user_likelihood")) {
    likelihood_ = artifact.Array<double>("user_likelihood");
    likely_ = artifact.Array<int64_t>("likely_users");
  }
  const HostMatrix<const int64_t> members = artifact.Matrix<int64_t>("rule_members");
  rule_members_ = members.all();
  thresholds_ = ParseThresholds(Member(artifact, "thresholds"), where + ": thresholds");
  std::vector<std::string> threshold_names;
  for (const Threshold& threshold : thresholds_) {
    threshold_names.push_back(threshold.name);
    threshold_values_.push_back(threshold.value);
  }
  if (const json& likelihood = Member(artifact, "likelihood"); !likelihood.is_null())
    likelihood_model_.emplace(likelihood, where + ": likelihood");
  const std::vector<RuleSpec> rules = ParseRules(Member(artifact, "rules"), where + ": rules");
  const std::vector<RuleSpec> stages = ParseStages(Member(artifact, "stages"), where + ": stages");
  rules_.emplace(rules, stages,
                 RuleVocabulary{.events = spec_.features.events,
                                .event_types = event_types_,
                                .has_times = !events_.times.empty(),
                                .features = normalization_.names(),
                                .thresholds = threshold_names,
                                .has_likelihood = likelihood_model_.has_value(),
                                .users = &user_attributes_});
  ReadSegments();
  CheckArrays();
  if (members.n_rows != rules_->n_rules() || members.n_cols != WordsFor(users_.size()))
    Refuse(artifact, "rule_members does not fit the rules and users");
}

void SegmentModel::ReadSegments() {
  const std::string where = fmt::format("segments '{}'", artifact_->path().string());
  const json& segments = Member(*artifact_, "segments");
  if (!segments.is_array()) Refuse(*artifact_, "the manifest's segments are no list");
  for (const json& segment : segments) {
    const JsonReader reader(segment, where + ": segments");
    ids_.push_back(reader.Text("id"));
    names_.push_back(reader.Text("name"));
    reader.Integer("size", 0, users_.size());
    reader.Text("named_by");
  }
  // What the next version is compared with.
  JsonReader(manifest(), where).Integer("next_id", 1, kMostIds);
  try {
    StabilityBinsOf(Member(*artifact_, "stability_bins"));
  } catch (const Error& error) {
    Refuse(*artifact_, error.what());
  }
}

void SegmentModel::CheckArrays() const {
  const int64_t n_users = users_.size(), n_features = normalization_.n_features();
  const auto require = [&](bool holds, const char* what) {
    if (!holds) Refuse(*artifact_, what);
  };
  const auto is_of = [](std::span<const int32_t> values, int64_t n) {
    return std::ranges::all_of(values, [n](int32_t value) { return value >= -1 && value < n; });
  };
  const auto fits = [](const auto& values, int64_t n) { return std::ssize(values) == n; };
  require(fits(events_.indptr, n_users + 1) && events_.indptr[0] == 0 && std::ranges::is_sorted(events_.indptr) &&
              events_.indptr.back() == events_.size(),
          "event_indptr does not fit users and events");
  require(is_of(events_.items, items_.size()) && std::ranges::count(events_.items, -1) == 0,
          "event_items has an item that is not there");
  require(fits(events_.values, events_.size()) && (events_.times.empty() || fits(events_.times, events_.size())) &&
              (events_.types.empty() || fits(events_.types, events_.size())),
          "the arrays of events have different lengths");
  require(std::ranges::all_of(events_.types, [&](uint8_t type) { return type < event_types_.size(); }),
          "event_types has a type that is not there");
  for (int64_t u = 0; u < n_users; ++u) {
    const UserEvents events = EventsOf(events_, u);
    require(std::ranges::is_sorted(events.times), "the times of a user's events fall");
    require(events.times.empty() || (events.times.front() >= kFirstTime && events.times.back() <= kLastTime),
            "event_times has one that is not of the years 1 to 9999");
  }
  require(program_->names() == normalization_.names() && program_->n_items() == items_.size() &&
              program_->n_users() == n_users,
          "the features do not fit users and items");
  require(values_.n_rows == n_users && values_.n_cols == n_features, "feature_values does not fit users and features");
  require(centroids_.n_cols == n_features && centroids_.n_rows == std::ssize(ids_),
          "segment_centroids does not fit segments and features");
  require(std::ranges::all_of(centroids_.all(), [](float x) { return std::isfinite(x); }),
          "segment_centroids has a value that is not finite");
  require(fits(labels_, n_users) && is_of(labels_, centroids_.n_rows),
          "segment_labels does not fit users and segments");
  require(rules_->n_stages() > 0 ? fits(stages_, n_users) && is_of(stages_, rules_->n_stages()) : stages_.empty(),
          "user_stages does not fit users and stages");
  require(likelihood_model_ ? fits(likelihood_, n_users) && fits(likely_, WordsFor(n_users)) : likelihood_.empty(),
          "user_likelihood does not fit the users");
  require(!likelihood_model_ || likelihood_model_->feature_names() == normalization_.names(),
          "the likelihood is of other features");
}

int64_t SegmentModel::Find(std::string_view id_or_name) const {
  const auto id = std::ranges::find(ids_, id_or_name);
  if (id != ids_.end()) return id - ids_.begin();
  const auto name = std::ranges::find(names_, id_or_name);
  return name == names_.end() ? -1 : name - names_.begin();
}

bool SegmentModel::RuleHolds(int64_t rule, int64_t user) const {
  const int64_t words = WordsFor(users_.size());
  return HasBit(rule_members_.subspan(static_cast<size_t>(rule * words), static_cast<size_t>(words)), user);
}

bool SegmentModel::IsLikely(int64_t user) const {
  return !likely_.empty() && HasBit(likely_, user);
}

std::vector<int64_t> SegmentModel::MembersOfSegment(int64_t segment) const {
  return Where(labels_, segment);
}
std::vector<int64_t> SegmentModel::MembersOfRule(int64_t rule) const {
  const int64_t words = WordsFor(users_.size());
  return SetBits(rule_members_.subspan(static_cast<size_t>(rule * words), static_cast<size_t>(words)), users_.size());
}
std::vector<int64_t> SegmentModel::MembersOfStage(int64_t stage) const {
  return Where(stages_, stage);
}
std::vector<int64_t> SegmentModel::LikelyMembers() const {
  return likely_.empty() ? std::vector<int64_t>() : SetBits(likely_, users_.size());
}

UserSegments SegmentModel::Of(int64_t user) const {
  UserSegments placed;
  const auto values = values_.row(user);
  placed.values.assign(values.begin(), values.end());
  Place(&placed);
  if (const int32_t own = labels_[static_cast<size_t>(user)]; own != placed.segment) {  // of a tree, or in none
    placed.segment = own;
    placed.next = -1;
    if (own < 0) placed.traits.clear();
    placed.distance = placed.next_distance = 0;
    std::vector<float> point(placed.values.size());
    normalization_.Apply(placed.values, point);
    for (int64_t s = 0; own >= 0 && s < n_segments(); ++s) {
      const double distance = DistanceBetween(point, centroids_.row(s));
      if (s == own) {
        placed.distance = distance;
      } else if (placed.next < 0 || distance < placed.next_distance) {
        placed.next = static_cast<int32_t>(s);
        placed.next_distance = distance;
      }
    }
  }
  const UserEvents own = EventsOf(events_, user);
  const int64_t indptr[] = {0, std::ssize(own.items)};
  Judge({indptr, own.items, own.values, own.times, own.types, event_types_}, user, reference_, &placed);
  placed.is_likely = IsLikely(user);
  if (!stages_.empty()) placed.stage = stages_[static_cast<size_t>(user)];
  return placed;
}

UserSegments SegmentModel::Assign(const UserEvents& events, int64_t user, int64_t reference) const {
  UserSegments placed;
  placed.values.resize(static_cast<size_t>(normalization_.n_features()));
  program_->Compute(events, user, reference, placed.values);
  if (HasEventsUpTo(reference, events.items, events.times)) Place(&placed);
  const int64_t indptr[] = {0, std::ssize(events.items)};
  Judge({indptr, events.items, events.values, events.times, events.types, event_types_}, user, reference, &placed);
  return placed;
}

UserSegments SegmentModel::AssignFeatures(std::span<const double> values) const {
  if (std::ssize(values) != normalization_.n_features())
    throw Error(ErrorCode::kInvalidArgument, fmt::format("found {} values; expected {}, one for each feature",
                                                         values.size(), normalization_.n_features()));
  for (size_t f = 0; f < values.size(); ++f)
    if (std::isinf(values[f]))
      throw Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is {}; expected a finite number, or none",
                                                           Printable(feature_names()[f]), values[f]));
  UserSegments placed;
  placed.values.assign(values.begin(), values.end());
  Place(&placed);
  if (likelihood_model_) {
    std::vector<float> point(values.size());
    normalization_.Apply(values, point);
    placed.likelihood = likelihood_model_->Probability(point);
    placed.likelihood_parts = likelihood_model_->Parts(point);
    placed.is_likely = *placed.likelihood >= likelihood_model_->spec().enter;
  }
  return placed;
}

void SegmentModel::Place(UserSegments* placed) const {
  std::vector<float> point(placed->values.size());
  normalization_.Apply(placed->values, point);
  double least = kInfinity, next = kInfinity;
  for (int64_t s = 0; s < n_segments(); ++s) {
    const double distance = DistanceBetween(point, centroids_.row(s));
    if (distance < least) {
      next = std::exchange(least, distance);
      placed->next = std::exchange(placed->segment, static_cast<int32_t>(s));
    } else if (distance < next) {
      next = distance;
      placed->next = static_cast<int32_t>(s);
    }
  }
  placed->distance = placed->segment >= 0 ? least : 0;
  placed->next_distance = placed->next >= 0 ? next : 0;
  for (size_t f = 0; f < placed->values.size(); ++f)
    placed->traits.push_back({f, placed->values[f], normalization_.features()[f].Deviations(placed->values[f])});
  std::ranges::stable_sort(placed->traits, std::ranges::greater(),
                           [](const UserSegments::Trait& trait) { return std::fabs(trait.deviations); });
  placed->traits.resize(std::min(placed->traits.size(), kMostTraits));
}

void SegmentModel::Judge(const EventsView& events, int64_t user, int64_t reference, UserSegments* placed) const {
  double probability = std::numeric_limits<double>::quiet_NaN();
  if (likelihood_model_ && HasEventsUpTo(reference, events.items, events.times)) {
    std::vector<float> point(placed->values.size());
    normalization_.Apply(placed->values, point);
    probability = likelihood_model_->Probability(point);
    placed->likelihood = probability;
    placed->likelihood_parts = likelihood_model_->Parts(point);
    const LikelihoodSpec& spec = likelihood_model_->spec();
    placed->is_likely = probability >= (user >= 0 && IsLikely(user) ? spec.leave : spec.enter);
  }
  const RuleInputs inputs = {.n_users = 1,
                             .events = events,
                             .reference = reference,
                             .features = placed->values,
                             .thresholds = threshold_values_,
                             .likelihood = {&probability, 1},
                             .first_row = user};
  const RuleMembers members = rules_->Evaluate(inputs, nullptr);
  for (int64_t rule = 0; rule < rules_->n_rules(); ++rule)
    if (members.rules[static_cast<size_t>(rule)].Has(0))
      placed->rules.push_back({rule, rules_->Reasons(rule, inputs, 0)});
  placed->stage = members.stages.empty() ? -1 : members.stages[0];
  if (placed->stage >= 0) placed->stage_reasons = rules_->Reasons(rules_->n_rules() + placed->stage, inputs, 0);
}

}  // namespace kindred
