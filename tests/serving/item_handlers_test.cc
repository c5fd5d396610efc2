#include "serving/item_handlers.h"

#include <gmock/gmock.h>

#include <limits>

#include "serving/json.h"
#include "tests/serving/grpc_server.h"

namespace kindred {
namespace {

using google::protobuf::Value;
using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

Value Number(double number) {
  Value value;
  value.set_number_value(number);
  return value;
}

Value Text(const std::string& text) {
  Value value;
  value.set_string_value(text);
  return value;
}

Value Null() {
  Value value;
  value.set_null_value(google::protobuf::NULL_VALUE);
  return value;
}

Value List(std::initializer_list<Value> values) {
  Value value;
  value.mutable_list_value();
  for (const Value& one : values) *value.mutable_list_value()->add_values() = one;
  return value;
}

v1::UpdateItemsRequest Setting(const std::string& item, const std::string& attribute, const Value& value) {
  v1::UpdateItemsRequest request;
  v1::ItemUpdate* update = request.add_updates();
  update->set_item_id(item);
  (*update->mutable_attributes())[attribute] = value;
  return request;
}

class ItemHandlersTest : public GrpcServerTest {
 protected:
  ItemHandlersTest() {
    options_.described = true;
    has_state_ = true;
  }

  grpc::Status Update(const v1::UpdateItemsRequest& request) {
    return Call(&v1::Recommender::Stub::UpdateItems, request, &updated_);
  }
  void ExpectUpdated(const v1::UpdateItemsRequest& request) {
    const grpc::Status status = Update(request);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  void ExpectRefused(const v1::UpdateItemsRequest& request, StatusCode code, const std::string& message) {
    const int64_t before = Info().item_state().epoch();
    const grpc::Status status = Update(request);
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    EXPECT_THAT(status.error_message(), StartsWith(message));
    EXPECT_EQ(Info().item_state().epoch(), before);
  }
  v1::Item Get(const std::string& id) {
    v1::GetItemRequest request;
    request.set_item_id(id);
    v1::Item item;
    const grpc::Status status = Call(&v1::Recommender::Stub::GetItem, request, &item);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return item;
  }
  static std::string ValueIn(const v1::Item& item, const std::string& attribute) {
    for (const v1::ItemAttribute& one : item.attributes())
      if (one.name() == attribute) return ToJson(one.value()).dump();
    return "no such attribute";
  }
  v1::ServerInfo Info() {
    v1::ServerInfo info;
    EXPECT_TRUE(Call(&v1::Recommender::Stub::GetServerInfo, v1::GetServerInfoRequest(), &info).ok());
    return info;
  }

  v1::UpdateItemsReply updated_;
};

TEST_F(ItemHandlersTest, ValuesOfEveryTypeComeBackAsTheyWereSet) {
  Start();
  ASSERT_EQ(Info().model().item_attributes_size(), 6);
  EXPECT_EQ(Info().model().item_attributes(0).name(), "price");
  EXPECT_EQ(Info().model().item_attributes(0).type(), "number");
  Value no;
  no.set_bool_value(false);
  v1::UpdateItemsRequest request = Setting("i3", "price", Number(12.5));
  auto& attributes = *request.mutable_updates(0)->mutable_attributes();
  attributes["in_stock"] = no;
  attributes["category"] = Text("boots");
  attributes["title"] = Text("Größe 40");
  attributes["tags"] = List({Text("b"), Text("a"), Text("b")});
  attributes["released"] = Text("2026-01-02T03:04:05+01:00");
  ExpectUpdated(request);
  EXPECT_EQ(updated_.n_items(), 1);
  EXPECT_EQ(updated_.n_values(), 6);
  EXPECT_EQ(updated_.epoch(), 1);
  EXPECT_EQ(updated_.model().version(), 1);
  const v1::Item item = Get("i3");
  EXPECT_TRUE(item.is_in_model());
  EXPECT_EQ(ValueIn(item, "price"), "12.5");
  EXPECT_EQ(ValueIn(item, "in_stock"), "false");
  EXPECT_EQ(ValueIn(item, "category"), "\"boots\"");
  EXPECT_EQ(ValueIn(item, "title"), "\"Größe 40\"");
  EXPECT_EQ(ValueIn(item, "tags"), "[\"b\",\"a\"]");
  EXPECT_EQ(ValueIn(item, "released"), "\"2026-01-02T02:04:05Z\"");
  for (const v1::ItemAttribute& attribute : item.attributes()) {
    EXPECT_TRUE(attribute.has_updated_at());
    EXPECT_TRUE(attribute.has_version_value());
  }
  const v1::Item other = Get("i4");
  for (const v1::ItemAttribute& attribute : other.attributes()) EXPECT_FALSE(attribute.has_updated_at());

  ExpectUpdated(Setting("i3", "released", Number(1767322800)));
  EXPECT_EQ(ValueIn(Get("i3"), "released"), "\"2026-01-02T03:00:00Z\"");
  for (const Value& missing : {Null(), Text("")}) {
    ExpectUpdated(Setting("i3", "title", Text("x")));
    ExpectUpdated(Setting("i3", "title", missing));
    EXPECT_EQ(ValueIn(Get("i3"), "title"), "null");
  }
  ExpectUpdated(Setting("i3", "tags", List({})));
  EXPECT_EQ(ValueIn(Get("i3"), "tags"), "null");
}

TEST_F(ItemHandlersTest, AResetIsTheVersionsValueAgain) {
  Start();
  const v1::Item before = Get("i7");
  ExpectUpdated(Setting("i7", "price", Number(-1)));
  v1::UpdateItemsRequest reset;
  reset.add_updates()->set_item_id("i7");
  reset.mutable_updates(0)->add_reset("price");
  ExpectUpdated(reset);
  EXPECT_EQ(Get("i7").SerializeAsString(), before.SerializeAsString());
}

TEST_F(ItemHandlersTest, WhatIsRefused) {
  Start();
  const double kNan = std::numeric_limits<double>::quiet_NaN();
  const auto refused = [&](const v1::UpdateItemsRequest& request, const std::string& message) {
    SCOPED_TRACE(message);
    ExpectRefused(request, StatusCode::INVALID_ARGUMENT, message);
  };
  refused(Setting("", "price", Number(1)), "updates[0].item_id: is empty");
  refused(Setting("i1", "price", Text("1")), "updates[0].attributes[\"price\"]: found a text; expected a number");
  refused(Setting("i1", "price", Number(kNan)), "updates[0].attributes[\"price\"]: found nan; expected a finite");
  refused(Setting("i1", "price", Value()), "updates[0].attributes[\"price\"]: found nothing");
  refused(Setting("i1", "tags", List({Text("a"), Number(1)})), "updates[0].attributes[\"tags\"][1]: found no string");
  refused(Setting("i1", "tags", List({Text("a|b")})), "updates[0].attributes[\"tags\"]: found the tag 'a|b'");
  refused(Setting("i1", "released", Number(1e300)), "updates[0].attributes[\"released\"]: found 1e+300");
  refused(Setting("i1", "pri\nce", Number(1)), "updates[0].attributes[\"pri\\x0ace\"]: unknown attribute");
  Value object;
  object.mutable_struct_value();
  refused(Setting("i1", "title", object), "updates[0].attributes[\"title\"]: found an object");
  v1::UpdateItemsRequest request = Setting("i1", "price", Number(1));
  request.add_updates()->set_item_id("i2");
  refused(request, "updates[1]: has neither attributes nor a reset");
  request.mutable_updates(1)->add_reset("colour");
  refused(request, "updates[1].attributes[\"colour\"]: unknown attribute");
  request.mutable_updates(1)->clear_reset();
  for (int i = 0; i < 2; ++i) request.mutable_updates(1)->add_reset("price");
  refused(request, "updates[1].reset: has 'price' twice, expected it once");
  *request.mutable_updates(1) = Setting("i2", "price", Number(1)).updates(0);
  request.mutable_updates(1)->add_reset("price");
  refused(request, "updates[1].reset: has 'price', which is among the attributes too");
  request = {};
  for (int i = 0; i < 10001; ++i) *request.add_updates() = Setting("i1", "price", Number(i)).updates(0);
  refused(request, "updates: has 10001 entries, expected at most 10000");
  request.mutable_updates()->RemoveLast();
  ExpectUpdated(request);
  EXPECT_EQ(updated_.n_values(), 1);
  EXPECT_EQ(ValueIn(Get("i1"), "price"), "9999.0");

  const auto tags = [](int n) {
    Value list;
    for (int i = 0; i < n; ++i) *list.mutable_list_value()->add_values() = Text(std::to_string(i));
    return Setting("i1", "tags", list);
  };
  refused(tags(1001), "updates[0].attributes[\"tags\"]: has 1001 entries, expected at most 1000");
  ExpectUpdated(tags(1000));
  refused(Setting(std::string(4097, 'i'), "price", Number(1)), "updates[0].item_id: has 4097 bytes, expected at most");

  request = {};
  for (int i = 0; i < 2; ++i) request.add_updates()->set_item_id("i1");
  for (int i = 0; i < 50'000; ++i) {
    (*request.mutable_updates(0)->mutable_attributes())[std::to_string(i)] = Null();
    request.mutable_updates(1)->add_reset(std::to_string(i));
  }
  refused(request, "updates[0].attributes[\"0\"]: unknown attribute");
  request.mutable_updates(1)->add_reset("price");
  refused(request, "updates: have 100001 attributes and resets together, expected at most 100000");

  v1::UpdateItemsRequest later = Setting("i1", "price", Number(1));
  later.mutable_updates(0)->GetReflection()->MutableUnknownFields(later.mutable_updates(0))->AddVarint(99, 1);
  ExpectRefused(later, StatusCode::UNIMPLEMENTED, "updates[0].field number 99");
}

TEST_F(ItemHandlersTest, ItemsTheModelDoesNotHave) {
  Start();
  v1::UpdateItemsRequest request = Setting("new", "price", Number(3));
  ExpectRefused(request, StatusCode::NOT_FOUND, "updates[0].item_id: the model has no item 'new'; nothing was changed");
  v1::GetItemRequest get;
  get.set_item_id("new");
  v1::Item item;
  EXPECT_EQ(Call(&v1::Recommender::Stub::GetItem, get, &item).error_code(), StatusCode::NOT_FOUND);
  get.set_item_id(std::string(4097, 'i'));
  EXPECT_EQ(Call(&v1::Recommender::Stub::GetItem, get, &item).error_code(), StatusCode::INVALID_ARGUMENT);
  get.set_item_id("");
  EXPECT_EQ(Call(&v1::Recommender::Stub::GetItem, get, &item).error_code(), StatusCode::INVALID_ARGUMENT);

  request.set_allow_unknown(true);
  ExpectUpdated(request);
  EXPECT_THAT(updated_.unknown_item_ids(), ElementsAre("new"));
  item = Get("new");
  EXPECT_FALSE(item.is_in_model());
  EXPECT_EQ(item.attributes_size(), 0);
  ASSERT_EQ(item.unused_updates_size(), 1);
  EXPECT_EQ(item.unused_updates(0).value().number_value(), 3);
  EXPECT_EQ(item.unused_updates(0).reason(), "the model has no such item");
  const v1::ItemStateInfo state = Info().item_state();
  EXPECT_EQ(state.n_values(), 1);
  EXPECT_EQ(state.n_unused(), 1);
  EXPECT_EQ(state.unused(0).item_id(), "new");
}

TEST_F(ItemHandlersTest, WithoutAState) {
  has_state_ = false;
  Start();
  const grpc::Status status = Update(Setting("i1", "price", Number(1)));
  EXPECT_EQ(status.error_code(), StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("--state-dir"));
  EXPECT_EQ(Get("i1").attributes_size(), 6);
  EXPECT_FALSE(Info().has_item_state());
}

TEST_F(ItemHandlersTest, WithoutAModel) {
  Start(false);
  EXPECT_EQ(Update(Setting("i1", "price", Number(1))).error_code(), StatusCode::UNAVAILABLE);
}

TEST_F(ItemHandlersTest, AModelWithoutAttributes) {
  options_.described = false;
  Start();
  ExpectRefused(
      Setting("i1", "price", Number(1)), StatusCode::INVALID_ARGUMENT,
      "updates[0].attributes[\"price\"]: unknown attribute 'price'; the version keeps no attributes of items");
  EXPECT_EQ(Get("i1").attributes_size(), 0);
}

}  // namespace
}  // namespace kindred
