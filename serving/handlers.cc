#include "serving/handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "host/text/text.h"
#include "serving/explain.h"
#include "serving/guarded.h"
#include "serving/recommender.h"

namespace kindred {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// What a Timestamp holds: the years 1 to 9999.
constexpr int64_t kFirstTime = -62'135'596'800, kLastTime = 253'402'300'799;

const char* const kServedFields[] = {
    "kindred.v1.RecommendRequest.user_id",
    "kindred.v1.RecommendRequest.history",
    "kindred.v1.RecommendRequest.n",
    "kindred.v1.HistoryItem.item_id",
    "kindred.v1.HistoryItem.value",
    "kindred.v1.BatchRecommendRequest.requests",
    "kindred.v1.SimilarItemsRequest.item_id",
    "kindred.v1.SimilarItemsRequest.n",
    "kindred.v1.ExplainRequest.user_id",
    "kindred.v1.ExplainRequest.history",
    "kindred.v1.ExplainRequest.item_ids",
    "kindred.v1.ExplainRequest.n",
    "kindred.v1.ExplainRequest.max_contributions",
    "kindred.v1.UpdateItemsRequest.updates",
    "kindred.v1.UpdateItemsRequest.allow_unknown",
    "kindred.v1.ItemUpdate.item_id",
    "kindred.v1.ItemUpdate.attributes",
    "kindred.v1.ItemUpdate.reset",
    "kindred.v1.GetItemRequest.item_id",
};

bool IsServed(const FieldDescriptor* field) {
  static const std::unordered_set<const FieldDescriptor*> served = [] {
    std::unordered_set<const FieldDescriptor*> fields;
    for (const char* name : kServedFields)
      fields.insert(v1::RecommendRequest::descriptor()->file()->pool()->FindFieldByName(name));
    return fields;
  }();
  return served.contains(field);
}

/// The path of the first field that is set and not served; empty where there is none. The requests of a batch
/// answer for themselves.
std::string FirstUnserved(const Message& message) {
  const Reflection* reflection = message.GetReflection();
  if (const auto& unknown = reflection->GetUnknownFields(message); !unknown.empty())
    return fmt::format("field number {}, which this server does not know", unknown.field(0).number());
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!IsServed(field)) return field->name();
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map() ||
        field->message_type() == v1::RecommendRequest::descriptor())
      continue;
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      const std::string inner = FirstUnserved(reflection->GetRepeatedMessage(message, field, i));
      if (!inner.empty()) return fmt::format("{}[{}].{}", field->name(), i, inner);
    }
  }
  return {};
}

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
void FillHow(const ServedModel& model, const Answer& from, Reply* reply) {
  reply->mutable_model()->set_name(model.name);
  reply->mutable_model()->set_version(model.version);
  reply->set_served_by(ToProto(from.served_by));
  reply->set_why(from.why);
  if (!from.shortfall) return;
  reply->mutable_shortfall()->set_requested(from.shortfall->requested);
  reply->mutable_shortfall()->set_returned(from.shortfall->returned);
  reply->mutable_shortfall()->set_reason(from.shortfall->reason);
}

/// What RecommendReply and SimilarItemsReply have in common.
template <class Reply>
void Fill(const ServedModel& model, const Recommendation& from, Reply* reply) {
  reply->mutable_items()->Reserve(static_cast<int>(from.items.size()));
  for (const ScoredItem& item : from.items) {
    v1::ScoredItem* to = reply->add_items();
    to->set_item_id(item.item_id.data(), item.item_id.size());
    to->set_score(item.score);
    if (item.probability) to->set_probability(*item.probability);
  }
  FillHow(model, from, reply);
}

void FillRecommend(const ServedModel& model, const Recommendation& from, v1::RecommendReply* reply) {
  Fill(model, from, reply);
  for (std::string_view id : from.unknown_history_items) reply->add_unknown_history_items(id.data(), id.size());
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
std::vector<HistoryEntry> ToHistory(const Request& request) {
  std::vector<HistoryEntry> history;
  history.reserve(static_cast<size_t>(std::min(request.history_size(), kMaxHistory + 1)));
  for (const v1::HistoryItem& item : request.history())
    history.push_back({item.item_id(), item.has_value() ? std::optional(item.value()) : std::nullopt});
  return history;
}

RecommendQuery ToQuery(const v1::RecommendRequest& request) {
  RecommendQuery query = {request.user_id(), ToHistory(request), {}};
  if (request.has_n()) query.n = request.n();
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

void FillError(const grpc::Status& status, v1::BatchResult* result) {
  result->mutable_error()->set_code(status.error_code());
  result->mutable_error()->set_message(status.error_message());
}

void AnswerBatch(CallContext& context, const ServedModel& model, const v1::BatchRecommendRequest& request,
                 v1::BatchRecommendReply* reply) {
  CheckBatch(request);
  std::vector<RecommendQuery> queries;
  std::vector<v1::BatchResult*> results;
  for (const v1::RecommendRequest& one : request.requests()) {
    v1::BatchResult* result = reply->add_results();
    if (const grpc::Status served = CheckServed(one); !served.ok()) {
      FillError(served, result);
      continue;
    }
    queries.push_back(ToQuery(one));
    results.push_back(result);
  }
  const std::vector<RecommendOutcome> outcomes = model.ranker->Ask(
      context, [&](Context& own, const Ranker& ranker) { return RecommendAll(own, ranker, queries); });
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (const auto* found = std::get_if<Recommendation>(&outcomes[i]))
      FillRecommend(model, *found, results[i]->mutable_reply());
    else
      FillError(ToStatus(std::get<Error>(outcomes[i])), results[i]);
  }
}

}  // namespace

grpc::Status CheckServed(const Message& request) {
  const std::string field = FirstUnserved(request);
  if (field.empty()) return grpc::Status::OK;
  return {grpc::StatusCode::UNIMPLEMENTED, field + ": is not served by this version"};
}

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

grpc::Status HandleRecommend(CallContext& context, const ServedModel* model, const v1::RecommendRequest& request,
                             v1::RecommendReply* reply) {
  return Guarded(model, request, [&] {
    const RecommendQuery query = ToQuery(request);
    const auto recommend = [&](Context& own, const Ranker& ranker) { return Recommend(own, ranker, query); };
    FillRecommend(*model, model->ranker->Ask(context, recommend), reply);
  });
}

grpc::Status HandleBatchRecommend(CallContext& context, const ServedModel* model,
                                  const v1::BatchRecommendRequest& request, v1::BatchRecommendReply* reply) {
  return Guarded(model, request, [&] { AnswerBatch(context, *model, request, reply); });
}

grpc::Status HandleSimilarItems(CallContext& context, const ServedModel* model, const v1::SimilarItemsRequest& request,
                                v1::SimilarItemsReply* reply) {
  return Guarded(model, request, [&] {
    std::optional<int32_t> n;
    if (request.has_n()) n = request.n();
    const auto similar = [&](Context& own, const Ranker& ranker) {
      return SimilarItems(own, ranker, request.item_id(), n);
    };
    Fill(*model, model->ranker->Ask(context, similar), reply);
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
