#include "serving/handlers.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <limits>

#include "host/data/attribute_table.h"
#include "host/text/text.h"
#include "serving/explain.h"
#include "serving/guarded.h"
#include "serving/item_handlers.h"
#include "serving/paging.h"
#include "serving/ranked_users.h"
#include "serving/recommender.h"

namespace kindred {
namespace {

v1::ServedBy ToProto(ServedBy served_by) {
  switch (served_by) {
    case ServedBy::kPersonal:
      return v1::PERSONAL;
    case ServedBy::kFoldedIn:
      return v1::FOLDED_IN;
    case ServedBy::kPopular:
      return v1::POPULAR;
    case ServedBy::kSimilar:
      return v1::SIMILAR;
  }
  return v1::SERVED_BY_UNSPECIFIED;
}

/// What all replies have in common.
template <class Answer, class Reply>
void FillFrame(const ServedModel& model, const Answer& from, Reply* reply) {
  reply->mutable_model()->set_name(model.name);
  reply->mutable_model()->set_version(model.version);
  if (!from.shortfall) return;
  reply->mutable_shortfall()->set_requested(from.shortfall->requested);
  reply->mutable_shortfall()->set_returned(from.shortfall->returned);
  reply->mutable_shortfall()->set_reason(from.shortfall->reason);
}

template <class Answer, class Reply>
void FillHow(const ServedModel& model, const Answer& from, Reply* reply) {
  FillFrame(model, from, reply);
  reply->set_served_by(ToProto(from.served_by));
  reply->set_why(from.why);
}

/// What replies with items have in common.
template <class Reply>
void Fill(const ServedModel& model, const Recommendation& from, Reply* reply) {
  reply->mutable_items()->Reserve(static_cast<int>(from.items.size()));
  for (const ScoredItem& item : from.items) {
    v1::ScoredItem* to = reply->add_items();
    to->set_item_id(item.item_id.data(), item.item_id.size());
    to->set_score(item.score);
    if (item.probability) to->set_probability(*item.probability);
    if (!item.promotion.empty()) to->set_promotion(item.promotion.data(), item.promotion.size());
  }
  FillHow(model, from, reply);
}

/// Of users some at a time: as many as there are from the first on, at most kMaxN. Returns how many.
template <class Reply>
size_t FillScored(const RankedUsers& from, size_t first, Reply* reply) {
  const size_t n = std::min(from.users.size() - first, size_t{kMaxN});
  reply->mutable_users()->Reserve(static_cast<int>(n));
  for (const ScoredUser& user : std::span(from.users).subspan(first, n)) {
    v1::ScoredUser* to = reply->add_users();
    to->set_user_id(user.user_id.data(), user.user_id.size());
    to->set_score(user.score);
    if (user.probability) to->set_probability(*user.probability);
  }
  return n;
}

void Fill(const AnswerCost& from, v1::Cost* to) {
  to->set_items(from.items);
  to->set_scanned(from.scanned);
  to->set_pruned(std::max<int64_t>(from.items - from.scanned, 0));
  to->set_rescored(from.rescored);
  to->set_selectivity(from.items > 0 ? static_cast<double>(from.eligible) / static_cast<double>(from.items) : 1);
  to->set_microseconds(from.seconds * 1e6);
}

void Fill(const AppliedRules& from, v1::AppliedRules* to) {
  to->set_eligible(from.n_eligible);
  to->set_excluded(from.n_excluded);
  to->set_passed_over(from.n_passed_over);
  to->set_promoted(static_cast<int32_t>(from.n_promoted));
  to->set_diversified(from.diversified);
}

void FillRecommend(const ServedModel& model, const Scenarios& scenarios, const v1::RecommendRequest& request,
                   const RecommendQuery& query, const Recommendation& from, v1::RecommendReply* reply) {
  Fill(model, from, reply);
  for (std::string_view id : from.unknown_history_items) reply->add_unknown_history_items(id.data(), id.size());
  if (from.cost) Fill(*from.cost, reply->mutable_cost());
  if (from.rules) Fill(*from.rules, reply->mutable_rules());
  SetNextCursor(model, scenarios, request, query, from, reply);
}

void Fill(const IdMap& items, const Contribution& from, const StoredEvents& events, v1::Contribution* to) {
  to->set_item_id(std::string(items.Id(from.item)));
  to->set_amount(from.amount);
  to->set_share(from.share);
  if (from.position_without > 0) to->set_position_without(from.position_without);
  to->set_n_events(events.n);
  for (const PastEvent& event : events.last) {
    v1::PastEvent* shown = to->add_events();
    shown->set_event(std::string(event.type));
    if (event.time && *event.time >= kFirstTime && *event.time <= kLastTime)
      shown->mutable_time()->set_seconds(*event.time);
  }
}

void Fill(const IdMap& items, const ExplainedItem& from, v1::ItemExplanation* to) {
  const ItemExplanation& explanation = from.explanation;
  to->set_item_id(std::string(items.Id(explanation.item)));
  to->set_score(explanation.score);
  to->set_position(explanation.position);
  to->set_base(explanation.base);
  for (size_t c = 0; c < explanation.contributions.size(); ++c)
    Fill(items, explanation.contributions[c], from.events[c], to->add_contributions());
  to->set_n_others(explanation.n_others);
  to->set_others(explanation.others);
  if (explanation.variance) to->set_variance(*explanation.variance);
  for (const AttributeContribution& from_attribute : explanation.attributes) {
    v1::AttributeContribution* shown = to->add_attributes();
    shown->set_attribute(Printable(from_attribute.name));
    shown->set_is_of_user(from_attribute.is_of_user);
    shown->set_amount(from_attribute.contribution);
  }
  if (!explanation.ratings) return;
  to->mutable_rating_parts()->set_mean(explanation.ratings->mean);
  to->mutable_rating_parts()->set_item_bias(explanation.ratings->item_bias);
  to->mutable_rating_parts()->set_user_bias(explanation.ratings->user_bias);
}

void FillExplain(const ServedModel& model, const Explanation& from, v1::ExplainReply* reply) {
  for (const ExplainedItem& item : from.items) Fill(model.ranker->model().items, item, reply->add_items());
  FillHow(model, from, reply);
  for (std::string_view id : from.unknown_history_items) reply->add_unknown_history_items(id.data(), id.size());
}

template <class Request>
std::optional<int32_t> CountOf(const Request& request) {
  return request.has_n() ? std::optional(request.n()) : std::nullopt;
}

template <class Request>
std::vector<HistoryEntry> ToHistory(const Request& request) {
  std::vector<HistoryEntry> history;
  history.reserve(static_cast<size_t>(std::min(request.history_size(), kMaxHistory + 1)));
  for (const v1::HistoryItem& item : request.history())
    history.push_back({item.item_id(), item.has_value() ? std::optional(item.value()) : std::nullopt});
  return history;
}

/// Views into both.
RecommendQuery ToQuery(const v1::RecommendRequest& request, const v1::RecommendRequest& scenario) {
  RecommendQuery query = {request.user_id(), ToHistory(request), CountOf(request), ToConditions(request, scenario)};
  if (!query.n) query.n = CountOf(scenario);
  query.with_cost = request.explain_cost() || scenario.explain_cost();
  query.rules = ToRules(request, scenario);
  return query;
}

ExplainQuery ToQuery(const v1::ExplainRequest& request) {
  ExplainQuery query;
  query.user_id = request.user_id();
  query.history = ToHistory(request);
  query.item_ids.assign(request.item_ids().begin(), request.item_ids().end());
  if (request.has_n()) query.n = request.n();
  if (request.has_max_contributions()) query.max_contributions = request.max_contributions();
  return query;
}

void CheckBatch(const v1::BatchRecommendRequest& request) {
  if (request.requests_size() > kMaxBatch)
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("requests: has {} entries, expected at most {}", request.requests_size(), kMaxBatch));
}

void AnswerBatch(CallContext& context, const ServedModel& model, const v1::BatchRecommendRequest& request,
                 v1::BatchRecommendReply* reply, const Scenarios& scenarios) {
  CheckBatch(request);
  std::vector<const v1::RecommendRequest*> asked;
  std::vector<RecommendQuery> queries;
  std::vector<v1::BatchResult*> results;
  for (const v1::RecommendRequest& one : request.requests()) {
    v1::BatchResult* result = reply->add_results();
    grpc::Status status = CheckServed(one);
    try {
      RecommendQuery query = status.ok() ? ToQuery(one, scenarios.Of(one)) : RecommendQuery();
      if (status.ok()) status = Continue(model, scenarios, one, &query);
      if (status.ok()) asked.push_back(&one), queries.push_back(std::move(query)), results.push_back(result);
    } catch (const Error& error) {
      status = ToStatus(error);
    }
    if (!status.ok()) FillError(status, result->mutable_error());
  }
  const ItemsNow now = model.Now();
  const std::vector<RecommendOutcome> outcomes = model.ranker->Ask(
      context, [&](Context& own, const Ranker& ranker) { return RecommendAll(own, ranker, queries, now); });
  for (size_t i = 0; i < outcomes.size(); ++i) {
    const auto* found = std::get_if<Recommendation>(&outcomes[i]);
    const grpc::Status status =
        found != nullptr ? CheckSameItems(queries[i], *found) : ToStatus(std::get<Error>(outcomes[i]));
    if (status.ok())
      FillRecommend(model, scenarios, *asked[i], queries[i], *found, results[i]->mutable_reply());
    else
      FillError(status, results[i]->mutable_error());
  }
}

}  // namespace

grpc::Status ToStatus(const Error& error) {
  grpc::StatusCode code = grpc::StatusCode::INTERNAL;
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
      code = grpc::StatusCode::INVALID_ARGUMENT;
      break;
    case ErrorCode::kNotFound:
      code = grpc::StatusCode::NOT_FOUND;
      break;
    case ErrorCode::kUnsupported:
      code = grpc::StatusCode::UNIMPLEMENTED;
      break;
    case ErrorCode::kOutOfMemory:
      code = grpc::StatusCode::RESOURCE_EXHAUSTED;
      break;
    default:
      break;
  }
  return {code, Printable(error.what(), kMaxStatusMessage)};
}

google::protobuf::Timestamp ToTimestamp(std::chrono::system_clock::time_point time) {
  return google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count());
}

void FillError(const grpc::Status& status, v1::Status* error) {
  error->set_code(status.error_code());
  error->set_message(status.error_message());
}

QueryConditions ToConditions(const v1::RecommendRequest& request, const v1::RecommendRequest& scenario) {
  const auto from = [&](bool said) -> const v1::RecommendRequest& { return said ? request : scenario; };
  QueryConditions conditions;
  conditions.filter = from(!request.filter().empty()).filter();
  for (const auto* context : {&request.context(), &scenario.context()})
    for (const auto& [name, value] : *context)
      if (!conditions.context.contains(name))
        conditions.context.emplace(name, ToAttributeValue(value, fmt::format("context[\"{}\"]", Printable(name))));
  const auto& candidates = from(!request.candidates().empty()).candidates();
  conditions.candidates.assign(candidates.begin(), candidates.end());
  for (const v1::EventExclusion& exclusion : from(!request.exclude_events().empty()).exclude_events())
    conditions.exclude_events.push_back(ToExclusion(exclusion));
  const auto& exclude_items = from(!request.exclude_items().empty()).exclude_items();
  conditions.exclude_items.assign(exclude_items.begin(), exclude_items.end());
  return conditions;
}

RequestedRules ToRules(const v1::RecommendRequest& request, const v1::RecommendRequest& scenario) {
  const auto from = [&](bool said) -> const v1::RecommendRequest& { return said ? request : scenario; };
  RequestedRules rules;
  for (const v1::Boost& boost : from(!request.boosts().empty()).boosts())
    rules.boosts.push_back({boost.filter(), boost.factor()});
  if (const auto& one = from(request.has_min_score()); one.has_min_score()) rules.min_score = one.min_score();
  for (const v1::Promotion& one : from(!request.promotions().empty()).promotions()) {
    RequestedRules::Promotion& promotion = rules.promotions.emplace_back();
    promotion.name = one.name();
    promotion.filter = one.filter();
    if (one.has_slots()) promotion.slots = one.slots();
    if (one.has_percent()) promotion.percent = one.percent();
  }
  const v1::Diversity& diversity = from(request.has_diversity()).diversity();
  rules.diversity = diversity.strength();
  const auto& most = diversity.max_per_attribute();
  rules.max_per_attribute.assign(most.begin(), most.end());
  std::ranges::sort(rules.max_per_attribute);
  return rules;
}

EventExclusion ToExclusion(const v1::EventExclusion& from) {
  return {from.event(), from.has_within_seconds() ? std::optional<int64_t>(from.within_seconds()) : std::nullopt};
}

grpc::Status HandleRecommend(CallContext& context, const ServedModel* model, const v1::RecommendRequest& request,
                             v1::RecommendReply* reply, const Scenarios& scenarios) {
  return Guarded(model, request, [&] {
    RecommendQuery query = ToQuery(request, scenarios.Of(request));
    if (grpc::Status place = Continue(*model, scenarios, request, &query); !place.ok()) return place;
    const ItemsNow now = model->Now();
    const auto recommend = [&](Context& own, const Ranker& ranker) { return Recommend(own, ranker, query, now); };
    const Recommendation found = model->ranker->Ask(context, recommend);
    if (grpc::Status same = CheckSameItems(query, found); !same.ok()) return same;
    FillRecommend(*model, scenarios, request, query, found, reply);
    return grpc::Status::OK;
  });
}

grpc::Status HandleBatchRecommend(CallContext& context, const ServedModel* model,
                                  const v1::BatchRecommendRequest& request, v1::BatchRecommendReply* reply,
                                  const Scenarios& scenarios) {
  return Guarded(model, request, [&] { AnswerBatch(context, *model, request, reply, scenarios); });
}

grpc::Status HandleSimilarItems(CallContext& context, const ServedModel* model, const v1::SimilarItemsRequest& request,
                                v1::SimilarItemsReply* reply, const Scenarios& scenarios) {
  return Guarded(model, request, [&] {
    const v1::SimilarItemsRequest asked = scenarios.Apply(request);
    const ItemsNow now = model->Now();
    const auto similar = [&](Context& own, const Ranker& ranker) {
      return SimilarItems(own, ranker, asked.item_id(), CountOf(asked), asked.filter(), now);
    };
    Fill(*model, model->ranker->Ask(context, similar), reply);
  });
}

grpc::Status HandleSimilarUsers(CallContext& context, const ServedModel* model, const v1::SimilarUsersRequest& request,
                                v1::SimilarUsersReply* reply) {
  return Guarded(model, request, [&] {
    const auto similar = [&](Context& own, const Ranker& ranker) {
      return SimilarUsers(own, ranker, request.user_id(), CountOf(request));
    };
    const RankedUsers found = model->ranker->Ask(context, similar);
    FillScored(found, 0, reply);
    FillFrame(*model, found, reply);
    reply->set_why(found.why);
  });
}

grpc::Status HandleUsersForItem(CallContext& context, const ServedModel* model, const v1::UsersForItemRequest& request,
                                v1::UsersForItemReply* reply) {
  return Guarded(model, request, [&] {
    const UsersForItemQuery query = {request.item_id(), CountOf(request), request.include_users_with_item()};
    const auto users = [&](Context& own, const Ranker& ranker) { return UsersForItem(own, ranker, query); };
    FillUsers(*model, model->ranker->Ask(context, users), 0, reply);
  });
}

grpc::Status HandleStreamUsersForItem(CallContext& context, const ServedModel* model,
                                      const v1::UsersForItemRequest& request, RankedUsers* list) {
  return Guarded(model, request, [&] {
    constexpr int32_t kAll = std::numeric_limits<int32_t>::max();
    const UsersForItemQuery query = {request.item_id(), CountOf(request).value_or(kAll),
                                     request.include_users_with_item()};
    const auto users = [&](Context& own, const Ranker& ranker) { return UsersForItem(own, ranker, query, kAll); };
    *list = model->ranker->Ask(context, users);
    if (!request.has_n()) list->shortfall.reset();
  });
}

size_t FillUsers(const ServedModel& model, const RankedUsers& list, size_t first, v1::UsersForItemReply* reply) {
  reply->Clear();
  const size_t n = FillScored(list, first, reply);
  FillFrame(model, list, reply);
  if (first + n < list.users.size()) reply->clear_shortfall();
  return n;
}

grpc::Status HandleGetPopular(CallContext& context, const ServedModel* model, const v1::GetPopularRequest& request,
                              v1::GetPopularReply* reply) {
  return Guarded(model, request, [&] {
    const ItemsNow now = model->Now();
    const auto popular = [&](Context& own, const Ranker& ranker) {
      return Popular(own, ranker, request.group(), CountOf(request), request.filter(), now);
    };
    Fill(*model, model->ranker->Ask(context, popular), reply);
    const ListGroups& groups = model->ranker->model().list_groups;
    reply->set_group_attribute(Printable(groups.attribute));
    if (!groups.attribute.empty()) reply->mutable_groups()->Add(groups.names.begin(), groups.names.end());
  });
}

grpc::Status HandleExplain(CallContext& context, const ServedModel* model, const v1::ExplainRequest& request,
                           v1::ExplainReply* reply) {
  return Guarded(model, request, [&] {
    const ExplainQuery query = ToQuery(request);
    const auto explain = [&](Context& own, const Ranker& ranker) { return ExplainItems(own, ranker, query); };
    FillExplain(*model, model->ranker->Ask(context, explain), reply);
  });
}

}  // namespace kindred
