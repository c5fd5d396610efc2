#include "serving/served_fields.h"

#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <vector>

#include "kindred/v1/recommender.pb.h"
#include "kindred/v1/segments.pb.h"

namespace kindred {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

const char* const kServedFields[] = {
    "kindred.v1.RecommendRequest.user_id",
    "kindred.v1.RecommendRequest.history",
    "kindred.v1.RecommendRequest.n",
    "kindred.v1.RecommendRequest.scenario",
    "kindred.v1.RecommendRequest.context",
    "kindred.v1.RecommendRequest.filter",
    "kindred.v1.RecommendRequest.exclude_events",
    "kindred.v1.RecommendRequest.candidates",
    "kindred.v1.RecommendRequest.exclude_items",
    "kindred.v1.RecommendRequest.boosts",
    "kindred.v1.RecommendRequest.promotions",
    "kindred.v1.RecommendRequest.diversity",
    "kindred.v1.RecommendRequest.min_score",
    "kindred.v1.Boost.filter",
    "kindred.v1.Boost.factor",
    "kindred.v1.Promotion.name",
    "kindred.v1.Promotion.filter",
    "kindred.v1.Promotion.percent",
    "kindred.v1.Promotion.slots",
    "kindred.v1.Diversity.strength",
    "kindred.v1.Diversity.max_per_attribute",
    "kindred.v1.EventExclusion.event",
    "kindred.v1.EventExclusion.within_seconds",
    "kindred.v1.RecommendRequest.cursor",
    "kindred.v1.RecommendRequest.explain_cost",
    "kindred.v1.HistoryItem.item_id",
    "kindred.v1.HistoryItem.value",
    "kindred.v1.BatchRecommendRequest.requests",
    "kindred.v1.SimilarItemsRequest.item_id",
    "kindred.v1.SimilarItemsRequest.n",
    "kindred.v1.SimilarItemsRequest.scenario",
    "kindred.v1.SimilarItemsRequest.filter",
    "kindred.v1.ExplainRequest.user_id",
    "kindred.v1.ExplainRequest.history",
    "kindred.v1.ExplainRequest.item_ids",
    "kindred.v1.ExplainRequest.n",
    "kindred.v1.ExplainRequest.max_contributions",
    "kindred.v1.SimilarUsersRequest.user_id",
    "kindred.v1.SimilarUsersRequest.n",
    "kindred.v1.UsersForItemRequest.item_id",
    "kindred.v1.UsersForItemRequest.n",
    "kindred.v1.UsersForItemRequest.include_users_with_item",
    "kindred.v1.GetPopularRequest.group",
    "kindred.v1.GetPopularRequest.n",
    "kindred.v1.GetPopularRequest.filter",
    "kindred.v1.UpdateItemsRequest.updates",
    "kindred.v1.UpdateItemsRequest.allow_unknown",
    "kindred.v1.ItemUpdate.item_id",
    "kindred.v1.ItemUpdate.attributes",
    "kindred.v1.ItemUpdate.reset",
    "kindred.v1.GetItemRequest.item_id",
    "kindred.v1.SegmentId.kind",
    "kindred.v1.SegmentId.id",
    "kindred.v1.GetUserSegmentsRequest.user_id",
    "kindred.v1.BatchGetUserSegmentsRequest.user_ids",
    "kindred.v1.DescribeSegmentRequest.segment",
    "kindred.v1.ListMembersRequest.segment",
    "kindred.v1.ListMembersRequest.n",
    "kindred.v1.AssignFeaturesRequest.features",
    "kindred.v1.AssignEventsRequest.user_id",
    "kindred.v1.AssignEventsRequest.events",
    "kindred.v1.AssignEventsRequest.reference",
    "kindred.v1.AssignEventsRequest.only_these_events",
    "kindred.v1.UserEvent.item_id",
    "kindred.v1.UserEvent.type",
    "kindred.v1.UserEvent.time",
    "kindred.v1.UserEvent.value",
    "kindred.v1.ExportSegmentRequest.segment",
    "kindred.v1.ExportSegmentRequest.features",
    "kindred.v1.ExportSegmentRequest.attributes",
};

bool IsServed(const FieldDescriptor* field) {
  static const std::unordered_set<const FieldDescriptor*> served = [] {
    std::unordered_set<const FieldDescriptor*> fields;
    for (const char* name : kServedFields)
      fields.insert(google::protobuf::DescriptorPool::generated_pool()->FindFieldByName(name));
    return fields;
  }();
  return served.contains(field);
}

/// The path of the first field that is set and not served; empty where there is none. The requests of a batch
/// answer for themselves, and messages of others (times) are values.
std::string FirstUnserved(const Message& message) {
  const Reflection* reflection = message.GetReflection();
  if (const auto& unknown = reflection->GetUnknownFields(message); !unknown.empty())
    return fmt::format("field number {}, which this server does not know", unknown.field(0).number());
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (!IsServed(field)) return field->name();
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map() ||
        field->message_type() == v1::RecommendRequest::descriptor() ||
        field->message_type()->file()->package() != "kindred.v1")
      continue;
    if (!field->is_repeated()) {
      const std::string inner = FirstUnserved(reflection->GetMessage(message, field));
      if (!inner.empty()) return fmt::format("{}.{}", field->name(), inner);
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      const std::string inner = FirstUnserved(reflection->GetRepeatedMessage(message, field, i));
      if (!inner.empty()) return fmt::format("{}[{}].{}", field->name(), i, inner);
    }
  }
  return {};
}

}  // namespace

std::span<const char* const> ServedFields() {
  return kServedFields;
}

grpc::Status CheckServed(const Message& request) {
  const std::string field = FirstUnserved(request);
  if (field.empty()) return grpc::Status::OK;
  return {grpc::StatusCode::UNIMPLEMENTED, field + ": is not served by this version"};
}

}  // namespace kindred
