// Every field of every request is either served or refused by name: a field that is added to the proto
// fails here until it is one or the other.
#include <google/protobuf/message.h>

#include <gmock/gmock.h>

#include <set>

#include "kindred/v1/segments.pb.h"
#include "serving/handlers.h"
#include "serving/item_handlers.h"
#include "serving/served_fields.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"

namespace kindred {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using testing::StartsWith;

const std::set<std::string> kServed = {"RecommendRequest.user_id",
                                       "RecommendRequest.history",
                                       "RecommendRequest.n",
                                       "Boost.filter",
                                       "Boost.factor",
                                       "Promotion.name",
                                       "Promotion.filter",
                                       "Promotion.percent",
                                       "Promotion.slots",
                                       "Diversity.strength",
                                       "Diversity.max_per_attribute",
                                       "EventExclusion.event",
                                       "EventExclusion.within_seconds",
                                       "BatchRecommendRequest.requests",
                                       "RecommendRequest.context",
                                       "RecommendRequest.scenario",
                                       "SimilarItemsRequest.scenario",
                                       "RecommendRequest.filter",
                                       "RecommendRequest.exclude_events",
                                       "RecommendRequest.candidates",
                                       "RecommendRequest.exclude_items",
                                       "RecommendRequest.boosts",
                                       "RecommendRequest.promotions",
                                       "RecommendRequest.diversity",
                                       "RecommendRequest.min_score",
                                       "SimilarItemsRequest.filter",
                                       "HistoryItem.item_id",
                                       "HistoryItem.value",
                                       "SimilarItemsRequest.n",
                                       "SimilarItemsRequest.item_id",
                                       "ExplainRequest.user_id",
                                       "ExplainRequest.history",
                                       "ExplainRequest.item_ids",
                                       "ExplainRequest.n",
                                       "ExplainRequest.max_contributions",
                                       "RecommendRequest.cursor",
                                       "RecommendRequest.explain_cost",
                                       "SimilarUsersRequest.user_id",
                                       "SimilarUsersRequest.n",
                                       "UsersForItemRequest.item_id",
                                       "UsersForItemRequest.n",
                                       "UsersForItemRequest.include_users_with_item",
                                       "GetPopularRequest.group",
                                       "GetPopularRequest.n",
                                       "GetPopularRequest.filter",
                                       "UpdateItemsRequest.updates",
                                       "UpdateItemsRequest.allow_unknown",
                                       "GetItemRequest.item_id",
                                       "ItemUpdate.item_id",
                                       "ItemUpdate.attributes",
                                       "ItemUpdate.reset",
                                       "SegmentId.kind",
                                       "SegmentId.id",
                                       "GetUserSegmentsRequest.user_id",
                                       "BatchGetUserSegmentsRequest.user_ids",
                                       "DescribeSegmentRequest.segment",
                                       "ListMembersRequest.segment",
                                       "ListMembersRequest.n",
                                       "AssignFeaturesRequest.features",
                                       "AssignEventsRequest.user_id",
                                       "AssignEventsRequest.events",
                                       "AssignEventsRequest.reference",
                                       "AssignEventsRequest.only_these_events",
                                       "UserEvent.item_id",
                                       "UserEvent.type",
                                       "UserEvent.time",
                                       "UserEvent.value",
                                       "ExportSegmentRequest.segment",
                                       "ExportSegmentRequest.features",
                                       "ExportSegmentRequest.attributes"};

/// Sets a field to something that is not its default.
void Set(Message* message, const FieldDescriptor* field) {
  const Reflection* write = message->GetReflection();
  const bool many = field->is_repeated();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      many ? write->AddInt32(message, field, 1) : write->SetInt32(message, field, 1);
      break;
    case FieldDescriptor::CPPTYPE_INT64:
      many ? write->AddInt64(message, field, 1) : write->SetInt64(message, field, 1);
      break;
    case FieldDescriptor::CPPTYPE_FLOAT:
      many ? write->AddFloat(message, field, 1) : write->SetFloat(message, field, 1);
      break;
    case FieldDescriptor::CPPTYPE_DOUBLE:
      many ? write->AddDouble(message, field, 1) : write->SetDouble(message, field, 1);
      break;
    case FieldDescriptor::CPPTYPE_BOOL:
      many ? write->AddBool(message, field, true) : write->SetBool(message, field, true);
      break;
    case FieldDescriptor::CPPTYPE_STRING:
      many ? write->AddString(message, field, "x") : write->SetString(message, field, "x");
      break;
    case FieldDescriptor::CPPTYPE_ENUM:
      write->SetEnumValue(message, field, 1);
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      many ? write->AddMessage(message, field) : write->MutableMessage(message, field);
      break;
    default:
      FAIL() << field->full_name() << " has a type this test does not know";
  }
}

bool IsServed(const FieldDescriptor* field) {
  return kServed.contains(field->containing_type()->name() + "." + field->name());
}

void ExpectRefused(const grpc::Status& status, const std::string& field) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << field << ": " << status.error_message();
  EXPECT_THAT(status.error_message(), StartsWith(field + ": "));
}

class FieldsTest : public testing::Test {
 protected:
  FieldsTest()
      : backend_(NewTestBackend("cpu_baseline", 1)),
        failover_(Chosen(NewTestBackend("cpu_baseline", 1))),
        context_(failover_.NewContext()),
        model_(*backend_),
        served_(model_.Serve(failover_)) {}

  grpc::Status Recommend(const v1::RecommendRequest& request) {
    v1::RecommendReply reply;
    return HandleRecommend(*context_, served_.get(), request, &reply);
  }

  /// Expects that each field is served or refused by name.
  template <class Reply, class Request>
  int CountRefused(grpc::Status (*handle)(CallContext&, const ServedModel*, const Request&, Reply*)) {
    int refused = 0;
    const auto* type = Request::descriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      SCOPED_TRACE(type->field(i)->full_name());
      Request request;
      Set(&request, type->field(i));
      Reply reply;
      const grpc::Status status = handle(*context_, served_.get(), request, &reply);
      if (IsServed(type->field(i))) {
        EXPECT_NE(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
        continue;
      }
      ++refused;
      ExpectRefused(status, type->field(i)->name());
    }
    return refused;
  }

  std::unique_ptr<Backend> backend_;
  Failover failover_;
  std::unique_ptr<CallContext> context_;
  TinyModel model_;
  std::unique_ptr<ServedModel> served_;
};

TEST_F(FieldsTest, AreThoseThatAreServed) {
  std::set<std::string> served;
  for (const std::string field : ServedFields()) {
    EXPECT_TRUE(served.insert(field.substr(std::string("kindred.v1.").size())).second) << field << " is there twice";
    EXPECT_NE(v1::RecommendRequest::descriptor()->file()->pool()->FindFieldByName(field), nullptr) << field;
  }
  EXPECT_EQ(served, kServed);
}

TEST_F(FieldsTest, OfRecommend) {
  int refused = 0;
  const auto* type = v1::RecommendRequest::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    SCOPED_TRACE(type->field(i)->name());
    v1::RecommendRequest request;
    Set(&request, type->field(i));
    if (IsServed(type->field(i))) {
      EXPECT_NE(Recommend(request).error_code(), grpc::StatusCode::UNIMPLEMENTED);
      continue;
    }
    ++refused;
    ExpectRefused(Recommend(request), type->field(i)->name());

    v1::BatchRecommendRequest batch;
    batch.add_requests()->set_user_id("u5");
    *batch.add_requests() = request;
    v1::BatchRecommendReply replies;
    ASSERT_TRUE(HandleBatchRecommend(*context_, served_.get(), batch, &replies).ok());
    EXPECT_TRUE(replies.results(0).has_reply());
    EXPECT_EQ(replies.results(1).error().code(), grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_THAT(replies.results(1).error().message(), StartsWith(type->field(i)->name() + ": "));
  }
  EXPECT_EQ(refused, 3);
}

TEST_F(FieldsTest, OfHistory) {
  const auto* type = v1::HistoryItem::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    SCOPED_TRACE(type->field(i)->name());
    v1::RecommendRequest request;
    request.add_history()->set_item_id("i1");
    request.add_history()->set_item_id("i2");
    Set(request.mutable_history(1), type->field(i));
    if (IsServed(type->field(i)))
      EXPECT_TRUE(Recommend(request).ok());
    else
      ExpectRefused(Recommend(request), "history[1]." + type->field(i)->name());
  }
}

TEST_F(FieldsTest, OfSimilarItems) {
  const auto* type = v1::SimilarItemsRequest::descriptor();
  for (int i = 0; i < type->field_count(); ++i) {
    SCOPED_TRACE(type->field(i)->name());
    v1::SimilarItemsRequest request;
    request.set_item_id("i1");
    Set(&request, type->field(i));
    v1::SimilarItemsReply reply;
    const grpc::Status status = HandleSimilarItems(*context_, served_.get(), request, &reply);
    if (IsServed(type->field(i)))
      EXPECT_NE(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
    else
      ExpectRefused(status, type->field(i)->name());
  }
}

TEST_F(FieldsTest, OfListsOfUsersAndOfWhatIsPopular) {
  EXPECT_EQ(CountRefused<v1::SimilarUsersReply>(&HandleSimilarUsers), 2);
  EXPECT_EQ(CountRefused<v1::UsersForItemReply>(&HandleUsersForItem), 2);
  EXPECT_EQ(CountRefused<v1::GetPopularReply>(&HandleGetPopular), 2);
}

TEST_F(FieldsTest, OfExplain) {
  const auto* type = v1::ExplainRequest::descriptor();
  int refused = 0;
  for (int i = 0; i < type->field_count(); ++i) {
    SCOPED_TRACE(type->field(i)->name());
    v1::ExplainRequest request;
    Set(&request, type->field(i));
    v1::ExplainReply reply;
    const grpc::Status status = HandleExplain(*context_, served_.get(), request, &reply);
    if (IsServed(type->field(i))) {
      EXPECT_NE(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
      continue;
    }
    ++refused;
    ExpectRefused(status, type->field(i)->name());
  }
  EXPECT_EQ(refused, 2);
  v1::ExplainRequest request;
  request.add_history()->set_item_id("i1");
  request.mutable_history(0)->set_event("buy");
  v1::ExplainReply reply;
  ExpectRefused(HandleExplain(*context_, served_.get(), request, &reply), "history[0].event");
}

TEST_F(FieldsTest, OfItems) {
  for (const Message* request : {static_cast<const Message*>(&v1::UpdateItemsRequest::default_instance()),
                                 static_cast<const Message*>(&v1::ItemUpdate::default_instance()),
                                 static_cast<const Message*>(&v1::GetItemRequest::default_instance())}) {
    for (int i = 0; i < request->GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor* field = request->GetDescriptor()->field(i);
      EXPECT_TRUE(IsServed(field)) << field->full_name();
      const std::unique_ptr<Message> one(request->New());
      Set(one.get(), field);
      EXPECT_TRUE(CheckServed(*one).ok()) << field->full_name();
    }
  }
}

TEST_F(FieldsTest, OfSegments) {
  const auto* file = v1::SegmentId::descriptor()->file();
  const auto* service = file->FindServiceByName("Segments");
  ASSERT_EQ(service->method_count(), 8);
  std::set<const google::protobuf::Descriptor*> asked = {v1::SegmentId::descriptor(), v1::UserEvent::descriptor()};
  for (int m = 0; m < service->method_count(); ++m) asked.insert(service->method(m)->input_type());
  for (const auto* type : asked) {
    const std::unique_ptr<Message> one(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    for (int i = 0; i < type->field_count(); ++i) {
      EXPECT_TRUE(IsServed(type->field(i))) << type->field(i)->full_name();
      Set(one.get(), type->field(i));
      EXPECT_TRUE(CheckServed(*one).ok()) << type->field(i)->full_name();
    }
  }
  v1::AssignEventsRequest request;
  v1::UserEvent* event = request.add_events();
  event->GetReflection()->MutableUnknownFields(event)->AddVarint(998, 1);
  ExpectRefused(CheckServed(request), "events[0].field number 998, which this server does not know");
}

TEST_F(FieldsTest, OfALaterVersionOfTheApi) {
  v1::RecommendRequest request;
  request.add_history()->set_item_id("i1");
  v1::RecommendRequest outer = request, inner = request;
  outer.GetReflection()->MutableUnknownFields(&outer)->AddVarint(999, 1);
  v1::HistoryItem* item = inner.mutable_history(0);
  item->GetReflection()->MutableUnknownFields(item)->AddVarint(998, 1);
  EXPECT_TRUE(Recommend(request).ok());
  ExpectRefused(Recommend(outer), "field number 999, which this server does not know");
  ExpectRefused(Recommend(inner), "history[0].field number 998, which this server does not know");
}

TEST_F(FieldsTest, FieldsAtTheirDefaultAreNotSet) {
  v1::RecommendRequest request;
  request.set_user_id("u5");
  request.set_explain(false);
  request.set_cursor("");
  EXPECT_TRUE(Recommend(request).ok());
}

}  // namespace
}  // namespace kindred
