#include "serving/segment_catalogue.h"

#include <fmt/format.h>

#include <algorithm>

#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kMaxNameBytes = 200;  // as the report has them

std::optional<double> NumberOrNone(const json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<double>());
}

double ShareOf(int64_t n, int64_t of) {
  return of == 0 ? 0 : static_cast<double>(n) / static_cast<double>(of);
}

ClusterFacts ReadCluster(const json& segment, std::span<const std::string> features) {
  ClusterFacts facts;
  facts.named_by_person = segment.at("named_by").get<std::string>() == "person";
  facts.mean_silhouette = NumberOrNone(segment.at("mean_silhouette"));
  for (const json& feature : segment.at("profile"))
    facts.profile.push_back(
        {NumberOrNone(feature.at("mean")), NumberOrNone(feature.at("median")), NumberOrNone(feature.at("deviations"))});
  for (const json& example : segment.at("examples")) {
    ClusterFacts::Example& read = facts.examples.emplace_back();
    read.user = example.at("user").get<std::string>();
    read.distance = NumberOrNone(example.at("distance")).value_or(0);
    for (const std::string& feature : features) read.values.push_back(NumberOrNone(example.at("values").at(feature)));
  }
  return facts;
}

}  // namespace

SegmentCatalogue::SegmentCatalogue(const SegmentModel& model) : has_times_(!model.events().times.empty()) {
  for (const std::string& name : model.feature_names()) features_.push_back(Printable(name, kMaxNameBytes));
  for (size_t f = 0; f < features_.size(); ++f) feature_of_.emplace(features_[f], static_cast<int64_t>(f));
  try {
    created_at_ = model.manifest().value("created_at", "");
    AddClusters(model);
  } catch (const json::exception& error) {
    throw Error(ErrorCode::kCorrupt, fmt::format("{} version {}: the manifest is no report of segments: {}",
                                                 model.name(), model.version(), error.what()));
  }
  AddRulesAndStages(model);
  if (model.likelihood_model()) AddLikely(model);
}

void SegmentCatalogue::AddClusters(const SegmentModel& model) {
  std::vector<int64_t> sizes(static_cast<size_t>(model.n_segments()) + 1);
  for (const int32_t label : model.labels()) ++sizes[static_cast<size_t>(label + 1)];
  n_in_no_cluster_ = sizes[0];
  const int64_t n_in_one = model.users().size() - n_in_no_cluster_;
  for (const json& segment : model.manifest().at("segments")) {
    const auto index = static_cast<int64_t>(clusters_.size());
    clusters_.push_back(ReadCluster(segment, features_));
    if (clusters_.back().profile.size() != features_.size())
      throw Error(ErrorCode::kCorrupt, fmt::format("{} version {}: the profile of segment '{}' has other features",
                                                   model.name(), model.version(), model.id(index)));
    const int64_t size = sizes[static_cast<size_t>(index) + 1];
    entries_.push_back({SegmentKind::kCluster, index, model.id(index), model.segment_name(index), size,
                        ShareOf(size, n_in_one), segment.at("in_words").get<std::string>()});
  }
}

void SegmentCatalogue::AddRulesAndStages(const SegmentModel& model) {
  const BehaviourRules& rules = model.rules();
  const int64_t n_users = model.users().size();
  for (int64_t i = 0; i < rules.n_rules() + rules.n_stages(); ++i) {
    const bool is_rule = i < rules.n_rules();
    const int64_t index = is_rule ? i : i - rules.n_rules();
    const std::string& name = rules.Name(i);
    entries_.push_back({is_rule ? SegmentKind::kRule : SegmentKind::kStage, index, name, name, 0, 0, rules.When(i)});
    SegmentEntry& added = entries_.back();
    added.size = std::ssize(MembersOf(model, added));
    added.share = ShareOf(added.size, n_users);
  }
}

void SegmentCatalogue::AddLikely(const SegmentModel& model) {
  const LikelihoodSpec& spec = model.likelihood_model()->spec();
  const int64_t size = std::ssize(model.LikelyMembers());
  entries_.push_back({SegmentKind::kLikely, 0, "", "likely to buy", size, ShareOf(size, model.users().size()),
                      fmt::format("{} within {:.3g} days: from a probability of {} on, and until it is below {}",
                                  Printable(spec.event, kMaxNameBytes), static_cast<double>(spec.horizon) / 86400,
                                  spec.enter, spec.leave)});
}

const SegmentEntry& SegmentCatalogue::Find(SegmentKind kind, std::string_view id) const {
  const auto found = [&](auto member) {
    return std::ranges::find_if(entries_, [&](const SegmentEntry& entry) {
      return entry.kind == kind && std::string_view(entry.*member) == id;
    });
  };
  auto entry = found(&SegmentEntry::id);
  if (entry == entries_.end() && kind == SegmentKind::kCluster) entry = found(&SegmentEntry::name);
  if (entry != entries_.end()) return *entry;

  const char* const kNames[] = {"cluster", "rule", "stage"};
  if (kind == SegmentKind::kLikely)
    throw Error(id.empty() ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
                id.empty() ? "segment: the version does not know how likely a purchase is"
                           : "segment.id: is not empty, but there is one segment LIKELY");
  std::vector<std::string_view> known;
  for (const SegmentEntry& other : entries_) {
    if (other.kind != kind) continue;
    known.push_back(other.id);
    if (other.name != other.id) known.push_back(other.name);
  }
  throw Error(ErrorCode::kNotFound, fmt::format("segment.id: there is no {} '{}'{}", kNames[static_cast<size_t>(kind)],
                                                Printable(id), NearestText(id, known)));
}

int64_t SegmentCatalogue::FindFeature(const std::string& place, std::string_view name) const {
  if (const auto found = feature_of_.find(name); found != feature_of_.end()) return found->second;
  const std::vector<std::string_view> known(features_.begin(), features_.end());
  throw Error(ErrorCode::kInvalidArgument,
              fmt::format("{}: there is no feature '{}'{}", place, Printable(name), NearestText(name, known)));
}

std::vector<int64_t> MembersOf(const SegmentModel& model, const SegmentEntry& segment) {
  switch (segment.kind) {
    case SegmentKind::kCluster:
      return model.MembersOfSegment(segment.index);
    case SegmentKind::kRule:
      return model.MembersOfRule(segment.index);
    case SegmentKind::kStage:
      return model.MembersOfStage(segment.index);
    case SegmentKind::kLikely:
      break;
  }
  return model.LikelyMembers();
}

std::string NearestText(std::string_view written, std::span<const std::string_view> known) {
  const int nearest = NearestName(written, known);
  if (nearest < 0) return {};
  return fmt::format("; the nearest is '{}'", Printable(known[static_cast<size_t>(nearest)], kMaxNameBytes));
}

}  // namespace kindred
