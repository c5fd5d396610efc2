#include "serving/segment_handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include "host/data/attribute_table.h"
#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/guarded.h"
#include "serving/segment_assignment.h"

namespace kindred {
namespace {

using google::protobuf::Timestamp;

constexpr int32_t kNanos = 1'000'000'000;

[[noreturn]] void Refuse(const std::string& place, const std::string& wrong) {
  throw Error(ErrorCode::kInvalidArgument, place + ": " + wrong);
}

/// Unix seconds; parts of one are dropped.
int64_t ToSeconds(const Timestamp& time, const std::string& place) {
  if (time.seconds() < kFirstTime || time.seconds() > kLastTime || time.nanos() < 0 || time.nanos() >= kNanos)
    Refuse(place,
           fmt::format("is {} s and {} ns, expected a time of the years 1 to 9999", time.seconds(), time.nanos()));
  return time.seconds();
}

void FillTime(int64_t seconds, Timestamp* to) {
  to->set_seconds(std::clamp(seconds, kFirstTime, kLastTime));
}

/// The values, where there are any.
void FillFeatures(const ServedSegments& served, std::span<const double> values,
                  google::protobuf::RepeatedPtrField<v1::FeatureValue>* to) {
  for (size_t f = 0; f < values.size(); ++f) {
    v1::FeatureValue* feature = to->Add();
    feature->set_feature(served.catalogue.features()[f]);
    if (std::isfinite(values[f])) feature->set_value(values[f]);
  }
}

void FillCluster(const ServedSegments& served, const UserSegments& from, v1::ClusterMembership* to) {
  const SegmentModel& model = *served.model;
  to->set_id(model.id(from.segment));
  to->set_name(model.segment_name(from.segment));
  to->set_distance(from.distance);
  if (from.next < 0) return;
  to->mutable_next()->set_id(model.id(from.next));
  to->mutable_next()->set_name(model.segment_name(from.next));
  to->mutable_next()->set_distance(from.next_distance);
}

void FillRule(const BehaviourRules& rules, int64_t condition, const std::vector<std::string>& reasons,
              v1::RuleMembership* to) {
  to->set_name(rules.Name(condition));
  to->mutable_reasons()->Add(reasons.begin(), reasons.end());
}

void FillLikelihood(const UserSegments& from, v1::PurchaseLikelihood* to) {
  to->set_probability(*from.likelihood);
  to->set_likely(from.is_likely);
  for (const Likelihood::Part& part : from.likelihood_parts) {
    if (part.log_odds == 0) continue;
    v1::LikelihoodPart* shown = to->add_parts();
    shown->set_feature(Printable(part.feature));
    shown->set_log_odds(part.log_odds);
  }
}

void FillUser(const ServedSegments& served, const UserSegments& from, v1::UserSegments* to) {
  FillVersion(served, to->mutable_segments());
  const BehaviourRules& rules = served.model->rules();
  if (from.segment >= 0) FillCluster(served, from, to->mutable_cluster());
  for (const UserSegments::Rule& rule : from.rules) FillRule(rules, rule.rule, rule.reasons, to->add_rules());
  if (from.stage >= 0) FillRule(rules, rules.n_rules() + from.stage, from.stage_reasons, to->mutable_stage());
  if (from.likelihood) FillLikelihood(from, to->mutable_likelihood());
  for (const UserSegments::Trait& trait : from.traits) {
    v1::UserTrait* shown = to->add_traits();
    shown->set_feature(served.catalogue.features()[trait.feature]);
    if (std::isfinite(trait.value)) shown->set_value(trait.value);
    shown->set_deviations(trait.deviations);
  }
}

/// As the version has the user. Throws kNotFound, and kInvalidArgument for an empty id; `place` is the field's.
void FillStoredUser(const ServedSegments& served, const std::string& place, const std::string& id, bool with_features,
                    v1::UserSegments* to) {
  if (id.empty()) Refuse(place, "is empty, expected a user id");
  const int32_t user = served.model->users().Find(id);
  if (user < 0)
    throw Error(ErrorCode::kNotFound, fmt::format("{}: the version has no user '{}'", place, Printable(id)));
  const UserSegments found = served.model->Of(user);
  FillUser(served, found, to);
  if (with_features) FillFeatures(served, found.values, to->mutable_features());
  if (served.catalogue.has_times()) FillTime(served.model->reference(), to->mutable_reference());
  to->set_user_id(id);
}

v1::SegmentKind ToProto(SegmentKind kind) {
  switch (kind) {
    case SegmentKind::kCluster:
      return v1::CLUSTER;
    case SegmentKind::kRule:
      return v1::RULE;
    case SegmentKind::kStage:
      return v1::STAGE;
    case SegmentKind::kLikely:
      break;
  }
  return v1::LIKELY;
}

void FillSummary(const SegmentEntry& from, v1::SegmentSummary* to) {
  to->mutable_id()->set_kind(ToProto(from.kind));
  to->mutable_id()->set_id(from.id);
  to->set_name(from.name);
  to->set_size(from.size);
  to->set_share(from.share);
  to->set_in_words(from.in_words);
}

void FillClusterFacts(const ServedSegments& served, const ClusterFacts& from, v1::SegmentDescription* to) {
  to->set_named_by_person(from.named_by_person);
  if (from.mean_silhouette) to->set_mean_silhouette(*from.mean_silhouette);
  for (size_t f = 0; f < from.profile.size(); ++f) {
    v1::FeatureProfile* feature = to->add_profile();
    feature->set_feature(served.catalogue.features()[f]);
    if (from.profile[f].mean) feature->set_mean(*from.profile[f].mean);
    if (from.profile[f].median) feature->set_median(*from.profile[f].median);
    if (from.profile[f].deviations) feature->set_deviations(*from.profile[f].deviations);
  }
  for (const ClusterFacts::Example& example : from.examples) {
    v1::ExampleUser* shown = to->add_examples();
    shown->set_user_id(example.user);
    shown->set_distance(example.distance);
    for (size_t f = 0; f < example.values.size(); ++f) {
      v1::FeatureValue* value = shown->add_features();
      value->set_feature(served.catalogue.features()[f]);
      if (example.values[f]) value->set_value(*example.values[f]);
    }
  }
}

/// Of a rule or stage.
void FillCondition(const SegmentModel& model, int64_t condition, v1::SegmentDescription* to) {
  to->set_condition(model.rules().When(condition));
  for (const size_t k : model.rules().Thresholds(condition)) {
    const Threshold& threshold = model.thresholds()[k];
    v1::RuleThreshold* shown = to->add_thresholds();
    shown->set_name(threshold.name);
    shown->set_value(threshold.value);
    shown->set_wanted(threshold.wanted);
    shown->set_feature(Printable(threshold.of));
    if (threshold.quantile) shown->set_quantile(*threshold.quantile);
    if (threshold.last) shown->set_last(*threshold.last);
  }
}

void FillLikelihoodFacts(const Likelihood& from, v1::LikelihoodFacts* to) {
  to->set_event(Printable(from.spec().event));
  to->set_horizon_seconds(from.spec().horizon);
  to->set_enter(from.spec().enter);
  to->set_leave(from.spec().leave);
  to->set_base_rate(from.quality().base_rate);
  if (from.quality().auc) to->set_auc(*from.quality().auc);
  to->set_brier(from.quality().brier);
  to->set_n_test(from.quality().n_test);
  to->set_intercept(from.model().intercept);
  for (size_t f = 0; f < from.feature_names().size(); ++f) {
    v1::LikelihoodCoefficient* coefficient = to->add_coefficients();
    coefficient->set_feature(Printable(from.feature_names()[f]));
    coefficient->set_coefficient(from.model().coefficients[f]);
    coefficient->set_odds_ratio(std::exp(from.model().coefficients[f]));
  }
}

/// Views into the request.
EventsQuery ToQuery(const v1::AssignEventsRequest& request) {
  EventsQuery query;
  query.user_id = request.user_id();
  query.only_these_events = request.only_these_events();
  if (request.has_reference()) query.reference = ToSeconds(request.reference(), "reference");
  for (int i = 0; i < std::min(request.events_size(), kMaxEvents + 1); ++i) {
    const v1::UserEvent& from = request.events(i);
    GivenEvent& event = query.events.emplace_back();
    event.item_id = from.item_id();
    event.type = from.type();
    if (from.has_time()) event.time = ToSeconds(from.time(), fmt::format("events[{}].time", i));
    if (from.has_value()) event.value = from.value();
  }
  return query;
}

}  // namespace

const SegmentEntry& FindSegment(const ServedSegments& served, const v1::SegmentId& id) {
  switch (id.kind()) {
    case v1::CLUSTER:
      return served.catalogue.Find(SegmentKind::kCluster, id.id());
    case v1::RULE:
      return served.catalogue.Find(SegmentKind::kRule, id.id());
    case v1::STAGE:
      return served.catalogue.Find(SegmentKind::kStage, id.id());
    case v1::LIKELY:
      return served.catalogue.Find(SegmentKind::kLikely, id.id());
    default:
      Refuse("segment.kind",
             fmt::format("is {}, expected CLUSTER, RULE, STAGE or LIKELY", static_cast<int>(id.kind())));
  }
}

void FillVersion(const ServedSegments& from, v1::ModelVersion* to) {
  to->set_name(from.model->name());
  to->set_version(from.model->version());
}

void FillSegmentsInfo(const ServedSegments& from, v1::SegmentsInfo* to) {
  const SegmentModel& model = *from.model;
  to->set_name(model.name());
  to->set_version(model.version());
  to->set_digest(model.digest());
  to->set_n_users(model.users().size());
  to->set_n_features(std::ssize(from.catalogue.features()));
  to->set_n_clusters(model.n_segments());
  to->set_n_rules(model.rules().n_rules());
  to->set_n_stages(model.rules().n_stages());
  to->set_has_likelihood(model.likelihood_model().has_value());
  to->set_created_at(from.catalogue.created_at());
  if (from.catalogue.has_times()) FillTime(model.reference(), to->mutable_reference());
  *to->mutable_loaded_at() = ToTimestamp(from.loaded_at);
  to->set_bytes(model.bytes());
  to->mutable_features()->Add(from.catalogue.features().begin(), from.catalogue.features().end());
  if (!model.events().types.empty())
    for (const std::string& type : model.events().type_names) to->add_event_types(Printable(type));
  for (const AttributeColumn& column : model.user_attributes().columns()) {
    v1::AttributeInfo* attribute = to->add_user_attributes();
    attribute->set_name(Printable(column.name));
    attribute->set_type(AttributeTypeName(column.type));
  }
}

grpc::Status HandleGetUserSegments(const ServedSegments* served, const v1::GetUserSegmentsRequest& request,
                                   v1::UserSegments* reply) {
  return Guarded(served, request, [&] { FillStoredUser(*served, "user_id", request.user_id(), true, reply); });
}

grpc::Status HandleBatchGetUserSegments(const ServedSegments* served, const v1::BatchGetUserSegmentsRequest& request,
                                        v1::BatchGetUserSegmentsReply* reply) {
  return Guarded(served, request, [&] {
    if (request.user_ids_size() > kMaxBatch)
      Refuse("user_ids", fmt::format("has {} entries, expected at most {}", request.user_ids_size(), kMaxBatch));
    for (int i = 0; i < request.user_ids_size(); ++i) {
      v1::UserSegmentsResult* result = reply->add_results();
      try {
        FillStoredUser(*served, fmt::format("user_ids[{}]", i), request.user_ids(i), false, result->mutable_reply());
      } catch (const Error& error) {
        FillError(ToStatus(error), result->mutable_error());
      }
    }
  });
}

grpc::Status HandleListSegments(const ServedSegments* served, const v1::ListSegmentsRequest& request,
                                v1::ListSegmentsReply* reply) {
  return Guarded(served, request, [&] {
    FillVersion(*served, reply->mutable_segments());
    for (const SegmentEntry& entry : served->catalogue.entries()) FillSummary(entry, reply->add_list());
    reply->set_n_users(served->model->users().size());
    reply->set_n_in_no_cluster(served->catalogue.n_in_no_cluster());
    reply->set_created_at(served->catalogue.created_at());
    if (served->catalogue.has_times()) FillTime(served->model->reference(), reply->mutable_reference());
  });
}

grpc::Status HandleDescribeSegment(const ServedSegments* served, const v1::DescribeSegmentRequest& request,
                                   v1::SegmentDescription* reply) {
  return Guarded(served, request, [&] {
    const SegmentEntry& entry = FindSegment(*served, request.segment());
    const SegmentModel& model = *served->model;
    FillVersion(*served, reply->mutable_segments());
    FillSummary(entry, reply->mutable_segment());
    if (served->catalogue.has_times()) FillTime(model.reference(), reply->mutable_reference());
    if (entry.kind == SegmentKind::kCluster) FillClusterFacts(*served, served->catalogue.cluster(entry.index), reply);
    if (entry.kind == SegmentKind::kRule) FillCondition(model, entry.index, reply);
    if (entry.kind == SegmentKind::kStage) FillCondition(model, model.rules().n_rules() + entry.index, reply);
    if (entry.kind == SegmentKind::kLikely) FillLikelihoodFacts(*model.likelihood_model(), reply->mutable_likelihood());
  });
}

grpc::Status HandleAssignFeatures(const ServedSegments* served, const v1::AssignFeaturesRequest& request,
                                  v1::UserSegments* reply) {
  return Guarded(served, request, [&] {
    std::map<std::string_view, double> features;
    for (const auto& [name, value] : request.features()) features[name] = value;
    const UserSegments placed = AssignFeatures(*served, features);
    FillUser(*served, placed, reply);
    FillFeatures(*served, placed.values, reply->mutable_features());
  });
}

grpc::Status HandleAssignEvents(const ServedSegments* served, const v1::AssignEventsRequest& request, int64_t now,
                                v1::AssignEventsReply* reply) {
  return Guarded(served, request, [&] {
    const AssignedUser assigned = AssignEvents(*served, ToQuery(request), now);
    v1::UserSegments* user = reply->mutable_user();
    FillUser(*served, assigned.segments, user);
    FillFeatures(*served, assigned.segments.values, user->mutable_features());
    if (served->catalogue.has_times()) FillTime(assigned.reference, user->mutable_reference());
    user->set_user_id(request.user_id());
    reply->set_known_user(assigned.known);
    reply->set_n_stored_events(assigned.n_stored);
    reply->set_n_given_events(assigned.n_given);
    reply->set_n_later_events(assigned.n_later);
    for (const std::string_view id : assigned.unknown_items) reply->add_unknown_item_ids(id.data(), id.size());
  });
}

grpc::Status HandleListMembers(std::shared_ptr<const ServedSegments> served, const v1::ListMembersRequest& request,
                               ListedMembers* list) {
  return Guarded(served.get(), request, [&] {
    if (request.has_n() && request.n() < 1) Refuse("n", fmt::format("is {}, expected 1 or more", request.n()));
    list->users = MembersOf(*served->model, FindSegment(*served, request.segment()));
    list->size = std::ssize(list->users);
    if (request.has_n() && request.n() < list->size) list->users.resize(static_cast<size_t>(request.n()));
    list->served = std::move(served);
  });
}

bool FillMembers(ListedMembers* list, v1::MembersPage* page) {
  if (!std::exchange(list->first, false) && list->n_written == list->users.size()) return false;
  page->Clear();
  FillVersion(*list->served, page->mutable_segments());
  page->set_size(list->size);
  const size_t n = std::min(list->users.size() - list->n_written, size_t{kMaxN});
  for (const int64_t user : std::span(list->users).subspan(list->n_written, n))
    page->add_user_ids(std::string(list->served->model->users().Id(user)));
  list->n_written += n;
  return true;
}

grpc::Status HandleExportSegment(std::shared_ptr<const ServedSegments> served, const v1::ExportSegmentRequest& request,
                                 std::unique_ptr<SegmentExport>* exported) {
  return Guarded(served.get(), request,
                 [&] { *exported = std::make_unique<SegmentExport>(std::move(served), request); });
}

}  // namespace kindred
