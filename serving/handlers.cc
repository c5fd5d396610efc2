#include "serving/handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <unordered_set>

#include "host/text/text.h"
#include "serving/recommender.h"

namespace kindred {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// Statuses travel in headers, and those are limited.
constexpr size_t kMaxMessage = 2000;

const char* const kServedFields[] = {
    "kindred.v1.RecommendRequest.user_id",    "kindred.v1.RecommendRequest.history",
    "kindred.v1.RecommendRequest.n",          "kindred.v1.HistoryItem.item_id",
    "kindred.v1.HistoryItem.value",           "kindred.v1.BatchRecommendRequest.requests",
    "kindred.v1.SimilarItemsRequest.item_id", "kindred.v1.SimilarItemsRequest.n",
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
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
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
  reply->mutable_model()->set_name(model.name);
  reply->mutable_model()->set_version(model.version);
  reply->set_served_by(ToProto(from.served_by));
  reply->set_why(from.why);
  if (!from.shortfall) return;
  reply->mutable_shortfall()->set_requested(from.shortfall->requested);
  reply->mutable_shortfall()->set_returned(from.shortfall->returned);
  reply->mutable_shortfall()->set_reason(from.shortfall->reason);
}

void FillRecommend(const ServedModel& model, const Recommendation& from, v1::RecommendReply* reply) {
  Fill(model, from, reply);
  for (std::string_view id : from.unknown_history_items) reply->add_unknown_history_items(id.data(), id.size());
}

RecommendQuery ToQuery(const v1::RecommendRequest& request) {
  RecommendQuery query;
  query.user_id = request.user_id();
  query.history.reserve(static_cast<size_t>(std::min(request.history_size(), kMaxHistory + 1)));
  for (const v1::HistoryItem& item : request.history())
    query.history.push_back({item.item_id(), item.has_value() ? std::optional(item.value()) : std::nullopt});
  if (request.has_n()) query.n = request.n();
  return query;
}

/// Runs `answer` where a model is loaded and the request sets only served fields; errors become a status.
template <class Answer>
grpc::Status Guarded(const ServedModel* model, const Message& request, const Answer& answer) {
  try {
    if (grpc::Status served = CheckServed(request); !served.ok()) return served;
    if (model == nullptr) return {grpc::StatusCode::UNAVAILABLE, "no model is loaded yet"};
    answer();
    return grpc::Status::OK;
  } catch (const Error& error) {
    return ToStatus(error);
  } catch (const std::bad_alloc&) {
    return {grpc::StatusCode::RESOURCE_EXHAUSTED, "out of memory"};
  } catch (const std::exception& error) {
    return {grpc::StatusCode::INTERNAL, Printable(error.what(), kMaxMessage)};
  }
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
  return {code, Printable(error.what(), kMaxMessage)};
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

}  // namespace kindred
