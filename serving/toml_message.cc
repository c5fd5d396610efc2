#include "serving/toml_message.h"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>

#include <limits>
#include <string_view>
#include <vector>

#include "kernels/error.h"
#include "serving/event_exclusions.h"

namespace kindred {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

[[noreturn]] void RefuseKind(const toml::node& node, const TomlPlace& place, const char* expected) {
  place.Refuse(node.source(), fmt::format("found {}; expected {}", TomlKind(node), expected));
}

const std::string& TextIn(const toml::node& node, const TomlPlace& place) {
  if (!node.is_string()) RefuseKind(node, place, "a text");
  return node.as_string()->get();
}

double NumberIn(const toml::node& node, const TomlPlace& place) {
  if (node.is_integer()) return static_cast<double>(node.as_integer()->get());
  if (!node.is_floating_point()) RefuseKind(node, place, "a number");
  return node.as_floating_point()->get();
}

int64_t IntegerIn(const toml::node& node, const TomlPlace& place, int64_t least, int64_t most) {
  if (!node.is_integer()) RefuseKind(node, place, "a whole number");
  const int64_t value = node.as_integer()->get();
  if (value < least || value > most)
    place.Refuse(node.source(), fmt::format("is {}; expected {} to {}", value, least, most));
  return value;
}

bool BooleanIn(const toml::node& node, const TomlPlace& place) {
  if (!node.is_boolean()) RefuseKind(node, place, "true or false");
  return node.as_boolean()->get();
}

const toml::table& TableIn(const toml::node& node, const TomlPlace& place) {
  if (!node.is_table()) RefuseKind(node, place, "a table");
  return *node.as_table();
}

void ReadValue(const toml::node& node, const TomlPlace& place, google::protobuf::Value* value) {
  if (node.is_string())
    value->set_string_value(node.as_string()->get());
  else if (node.is_boolean())
    value->set_bool_value(node.as_boolean()->get());
  else if (node.is_integer() || node.is_floating_point())
    value->set_number_value(NumberIn(node, place));
  else
    RefuseKind(node, place, "a text, a number, true or false");
}

void ReadSubmessage(const toml::node& node, const TomlPlace& place, Message* message, const OnTomlField& on_field) {
  if (auto* value = dynamic_cast<google::protobuf::Value*>(message)) return ReadValue(node, place, value);
  auto* exclusion = dynamic_cast<v1::EventExclusion*>(message);
  if (exclusion == nullptr || !node.is_string()) return ReadTomlMessage(TableIn(node, place), place, message, on_field);
  try {
    *exclusion = ParseEventExclusion(node.as_string()->get());
  } catch (const Error& error) {
    place.Refuse(node.source(), error.what());
  }
}

/// Sets a field that is there once, or adds one to a list.
void ReadOne(const toml::node& node, const TomlPlace& place, Message* message, const FieldDescriptor* field,
             const OnTomlField& on_field) {
  constexpr int64_t kLeast32 = std::numeric_limits<int32_t>::min(), kMost32 = std::numeric_limits<int32_t>::max();
  constexpr int64_t kLeast64 = std::numeric_limits<int64_t>::min(), kMost64 = std::numeric_limits<int64_t>::max();
  const auto* to = message->GetReflection();
  const bool many = field->is_repeated();
  const auto set = [&](auto one, auto add, auto value) {
    many ? (to->*add)(message, field, value) : (to->*one)(message, field, value);
  };
  using Reflection = google::protobuf::Reflection;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return set(&Reflection::SetString, &Reflection::AddString, TextIn(node, place));
    case FieldDescriptor::CPPTYPE_BOOL:
      return set(&Reflection::SetBool, &Reflection::AddBool, BooleanIn(node, place));
    case FieldDescriptor::CPPTYPE_INT32:
      return set(&Reflection::SetInt32, &Reflection::AddInt32,
                 static_cast<int32_t>(IntegerIn(node, place, kLeast32, kMost32)));
    case FieldDescriptor::CPPTYPE_INT64:
      return set(&Reflection::SetInt64, &Reflection::AddInt64, IntegerIn(node, place, kLeast64, kMost64));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return set(&Reflection::SetFloat, &Reflection::AddFloat, static_cast<float>(NumberIn(node, place)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return set(&Reflection::SetDouble, &Reflection::AddDouble, NumberIn(node, place));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ReadSubmessage(node, place, many ? to->AddMessage(message, field) : to->MutableMessage(message, field),
                            on_field);
    default:
      place.Refuse(node.source(), "cannot be set in a file");
  }
}

void ReadMap(const toml::table& table, const TomlPlace& place, Message* message, const FieldDescriptor* field,
             const OnTomlField& on_field) {
  const auto* entry = field->message_type();
  for (const auto& [key, node] : table) {
    Message* added = message->GetReflection()->AddMessage(message, field);
    added->GetReflection()->SetString(added, entry->map_key(), std::string(key.str()));
    ReadOne(node, place.In(std::string(key.str())), added, entry->map_value(), on_field);
  }
}

const FieldDescriptor* FieldFor(const toml::key& key, const TomlPlace& place, const Message& message) {
  const auto* type = message.GetDescriptor();
  if (const FieldDescriptor* field = type->FindFieldByName(std::string(key.str()))) return field;
  std::vector<std::string_view> names;
  for (int i = 0; i < type->field_count(); ++i) names.push_back(type->field(i)->name());
  place.RefuseKey(key, names);
}

}  // namespace

void ReadTomlMessage(const toml::table& table, const TomlPlace& place, Message* message, const OnTomlField& on_field) {
  for (const auto& [key, node] : table) {
    const FieldDescriptor* field = FieldFor(key, place, *message);
    const TomlPlace inner = place.In(field->name());
    if (field->is_map()) {
      ReadMap(TableIn(node, inner), inner, message, field, on_field);
    } else if (field->is_repeated()) {
      if (!node.is_array()) RefuseKind(node, inner, "a list");
      for (const toml::node& element : *node.as_array()) ReadOne(element, inner, message, field, on_field);
    } else {
      ReadOne(node, inner, message, field, on_field);
    }
    on_field(*field, node, inner);
  }
}

}  // namespace kindred
