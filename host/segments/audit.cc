#include "host/segments/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "host/data/normal_distribution.h"
#include "host/report/format.h"
#include "host/text/edit_distance.h"
#include "host/text/json_values.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kSignificance = 0.05;
constexpr size_t kMaxNameBytes = 200;

MeanInterval IntervalOf(const json& from, int64_t n) {
  return {n, NumberOf(from, "mean"), NumberOf(from, "low"), NumberOf(from, "high")};
}

json IntervalJson(const MeanInterval& interval) {
  if (!std::isfinite(interval.mean)) return nullptr;
  return {{"mean", interval.mean}, {"low", NumberOrNull(interval.low)}, {"high", NumberOrNull(interval.high)}};
}

/// What a model's evaluation has of its users' groups.
class Evaluated {
 public:
  explicit Evaluated(const json& evaluation)
      : groups_(Member(evaluation, "user_groups")), k_(NumberOf(evaluation, "k")) {
    if (!groups_.is_array() || !(k_ >= 1 && k_ < 1e9)) k_ = 0;
  }

  std::string metric() const { return k_ > 0 ? At("ndcg") : ""; }

  std::optional<GroupQuality> Of(const std::string& attribute, const std::string& group) const {
    if (k_ == 0) return std::nullopt;
    for (const json& of : groups_) {
      const json& groups = Member(of, "groups");
      if (Member(of, "attribute") != json(Printable(attribute, kMaxNameBytes)) || !groups.is_array()) continue;
      for (const json& found : groups) {
        if (Member(found, "group") != json(Printable(group, kMaxNameBytes))) continue;
        const double n = NumberOf(found, "n_users");
        const auto n_users = n >= 0 && n < 1e15 ? static_cast<int64_t>(n) : 0;
        return GroupQuality{n_users, IntervalOf(Member(found, At("ndcg")), n_users),
                            IntervalOf(Member(found, At("novelty")), n_users), NumberOf(found, At("popularity_lift"))};
      }
    }
    return std::nullopt;
  }

 private:
  std::string At(const char* metric) const { return fmt::format("{}_at_{}", metric, static_cast<int64_t>(k_)); }

  const json& groups_;
  double k_;
};

double HalfWidth(const MeanInterval& interval) {
  return std::max(interval.high - interval.mean, interval.mean - interval.low);
}

std::optional<QualityGap> LargestGap(const std::vector<AuditedGroup>& groups, int64_t min_group) {
  std::vector<const AuditedGroup*> compared;
  for (const AuditedGroup& group : groups)
    if (group.quality && group.quality->n_users >= min_group && std::isfinite(group.quality->ndcg.mean) &&
        std::isfinite(HalfWidth(group.quality->ndcg)))
      compared.push_back(&group);
  if (compared.size() < 2) return std::nullopt;
  const auto [worst, best] = std::minmax_element(
      compared.begin(), compared.end(),
      [](const AuditedGroup* a, const AuditedGroup* b) { return a->quality->ndcg.mean < b->quality->ndcg.mean; });
  const MeanInterval &most = (*best)->quality->ndcg, &least = (*worst)->quality->ndcg;
  if (!(most.mean > 0)) return std::nullopt;
  const auto n = static_cast<double>(compared.size()), n_pairs = n * (n - 1) / 2;
  const double wider = NormalQuantile(1 - kSignificance / 2 / n_pairs) / NormalQuantile(1 - kSignificance / 2);
  const double difference = most.mean - least.mean, half = wider * std::hypot(HalfWidth(most), HalfWidth(least));
  return QualityGap{(*best)->name, (*worst)->name, difference / most.mean, (difference - half) / most.mean,
                    (difference + half) / most.mean};
}

AuditedAttribute AuditAttribute(const Grouping& of, std::span<const int32_t> labels, int64_t n_segments,
                                const Evaluated& evaluated, int64_t min_group) {
  std::vector<std::vector<int64_t>> counts(of.names.size(), std::vector<int64_t>(static_cast<size_t>(n_segments), 0));
  for (size_t user = 0; user < labels.size(); ++user)
    if (labels[user] >= 0) ++counts[static_cast<size_t>(of.group_of[user])][static_cast<size_t>(labels[user])];
  AuditedAttribute audited = {of.name, {}, AssociationOf(counts), std::nullopt};
  for (size_t g = 0; g < counts.size(); ++g) {
    AuditedGroup group = {of.names[g], 0, false, std::move(counts[g]), evaluated.Of(of.name, of.names[g])};
    for (const int64_t n : group.by_segment) group.n_users += n;
    group.is_small = group.n_users < min_group;
    if (group.n_users > 0) audited.groups.push_back(std::move(group));
  }
  audited.largest_gap = LargestGap(audited.groups, min_group);
  return audited;
}

void AddWarnings(const AuditedAttribute& of, bool is_evaluated, Audit& audit) {
  const std::string attribute = Printable(of.attribute);
  std::string small;
  bool has_quality = false;
  for (const AuditedGroup& group : of.groups) {
    has_quality = has_quality || group.quality;
    if (group.is_small)
      small += fmt::format("{}{} ({})", small.empty() ? "" : ", ", Printable(group.name), group.n_users);
  }
  if (!small.empty())
    audit.warnings.push_back(
        fmt::format("groups of '{}' with too few users to say much of them: {}", attribute, small));
  if (is_evaluated && !has_quality)
    audit.warnings.push_back(fmt::format(
        "the model was not evaluated by groups of '{}', so nothing says how good it is for them", attribute));
}

void Judge(const AuditedAttribute& of, const std::string& metric, Audit& audit) {
  if (!audit.max_quality_gap || !of.largest_gap) return;
  const QualityGap& gap = *of.largest_gap;
  if (gap.gap > *audit.max_quality_gap && gap.low > 0)
    audit.reasons.push_back(
        fmt::format("by '{}', {} of {} is {} below that of {} ({} to {}, at 95 %), above max_quality_gap {}",
                    Printable(of.attribute), metric, Printable(gap.worst), PercentText(gap.gap), Printable(gap.best),
                    PercentText(gap.low), PercentText(gap.high), PercentText(*audit.max_quality_gap)));
}

json AttributeJson(const AuditedAttribute& of) {
  json groups = json::array();
  for (const AuditedGroup& group : of.groups) {
    json quality, exposure, n_evaluated;
    if (group.quality) {
      n_evaluated = group.quality->n_users;
      quality = IntervalJson(group.quality->ndcg);
      exposure = {{"novelty", IntervalJson(group.quality->novelty)},
                  {"popularity_lift", NumberOrNull(group.quality->popularity_lift)}};
    }
    groups.push_back({{"group", Printable(group.name, kMaxNameBytes)},
                      {"n_users", group.n_users},
                      {"small", group.is_small},
                      {"by_segment", group.by_segment},
                      {"n_evaluated", std::move(n_evaluated)},
                      {"quality", std::move(quality)},
                      {"exposure", std::move(exposure)}});
  }
  json gap;
  if (of.largest_gap)
    gap = {{"best", Printable(of.largest_gap->best, kMaxNameBytes)},
           {"worst", Printable(of.largest_gap->worst, kMaxNameBytes)},
           {"gap", of.largest_gap->gap},
           {"low", of.largest_gap->low},
           {"high", of.largest_gap->high}};
  return {{"attribute", Printable(of.attribute, kMaxNameBytes)},
          {"groups", std::move(groups)},
          {"association",
           {{"v", NumberOrNull(of.association.v)},
            {"low", NumberOrNull(of.association.low)},
            {"high", NumberOrNull(of.association.high)}}},
          {"largest_gap", std::move(gap)}};
}

}  // namespace

std::vector<Grouping> AuditedGroupings(const AttributeTable& users, std::span<const int32_t> rows,
                                       std::span<const std::string> attributes, std::vector<std::string>& warnings) {
  std::vector<std::string_view> known;
  for (const AttributeColumn& column : users.columns()) known.push_back(column.name);
  std::vector<Grouping> all = AttributeGroupings(users, rows), groupings;
  for (const std::string& name : attributes) {
    const int64_t at = users.Find(name);
    if (at < 0) {
      const int nearest = NearestName(name, known);
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format(
              "users have no attribute '{}' to audit{}", Printable(name),
              nearest < 0 ? "" : fmt::format("; did you mean '{}'?", Printable(known[static_cast<size_t>(nearest)]))));
    }
    const AttributeType type = users.columns()[static_cast<size_t>(at)].type;
    if (type == AttributeType::kTags || type == AttributeType::kText)
      throw Error(
          ErrorCode::kInvalidArgument,
          fmt::format("the attribute '{}' of users has {}, expected a category, a boolean, a number or a time to "
                      "audit by",
                      Printable(name), type == AttributeType::kTags ? "tags" : "texts"));
    const auto found = std::find_if(all.begin(), all.end(), [&](const Grouping& of) { return of.name == name; });
    if (found == all.end())
      warnings.push_back(fmt::format("all users have the same '{}', or none has any: there is nothing to audit by it",
                                     Printable(name)));
    else
      groupings.push_back(*found);
  }
  return groupings;
}

Audit AuditSegments(std::span<const Grouping> groupings, std::span<const int32_t> labels, int64_t n_segments,
                    const json& evaluation, const AuditOptions& options) {
  const Evaluated evaluated(evaluation);
  Audit audit;
  audit.metric = evaluated.metric();
  audit.max_quality_gap = options.max_quality_gap;
  for (const Grouping& of : groupings) {
    if (of.group_of.size() != labels.size())
      throw Error(ErrorCode::kInvalidArgument, fmt::format("the grouping by '{}' has {} users, expected {}",
                                                           Printable(of.name), of.group_of.size(), labels.size()));
    audit.attributes.push_back(AuditAttribute(of, labels, n_segments, evaluated, options.min_group));
    AddWarnings(audit.attributes.back(), !audit.metric.empty(), audit);
    Judge(audit.attributes.back(), audit.metric, audit);
  }
  return audit;
}

json AuditJson(const Audit& audit) {
  json attributes = json::array();
  for (const AuditedAttribute& of : audit.attributes) attributes.push_back(AttributeJson(of));
  return {{"attributes", std::move(attributes)},
          {"metric", audit.metric.empty() ? json() : json(audit.metric)},
          {"anomalies", AnomaliesJson(audit.anomalies)},
          {"gate",
           {{"max_quality_gap", audit.max_quality_gap ? json(*audit.max_quality_gap) : json()},
            {"passed", audit.reasons.empty()},
            {"reasons", audit.reasons}}}};
}

}  // namespace kindred
