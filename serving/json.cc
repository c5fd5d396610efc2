#include "serving/json.h"

#include <fmt/format.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <cstdlib>
#include <optional>
#include <set>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

nlohmann::json Float(float value) {
  return std::strtod(fmt::format("{}", value).c_str(), nullptr);
}

nlohmann::json Singular(const Message& message, const Reflection& read, const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return read.GetInt32(message, field);
    case FieldDescriptor::CPPTYPE_INT64:
      return read.GetInt64(message, field);
    case FieldDescriptor::CPPTYPE_UINT32:
      return read.GetUInt32(message, field);
    case FieldDescriptor::CPPTYPE_UINT64:
      return read.GetUInt64(message, field);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return read.GetDouble(message, field);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Float(read.GetFloat(message, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return read.GetBool(message, field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return read.GetEnum(message, field)->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return read.GetString(message, field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(read.GetMessage(message, field));
  }
  return nullptr;
}

nlohmann::json Plain(const google::protobuf::Value& value) {
  switch (value.kind_case()) {
    case google::protobuf::Value::kNumberValue:
      return value.number_value();
    case google::protobuf::Value::kStringValue:
      return value.string_value();
    case google::protobuf::Value::kBoolValue:
      return value.bool_value();
    case google::protobuf::Value::kListValue: {
      nlohmann::json list = nlohmann::json::array();
      for (const google::protobuf::Value& one : value.list_value().values()) list.push_back(Plain(one));
      return list;
    }
    case google::protobuf::Value::kStructValue: {
      nlohmann::json object = nlohmann::json::object();
      for (const auto& [name, one] : value.struct_value().fields()) object[name] = Plain(one);
      return object;
    }
    default:
      return nullptr;
  }
}

nlohmann::json Repeated(const Message& message, const Reflection& read, const FieldDescriptor* field, int i) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return read.GetRepeatedInt32(message, field, i);
    case FieldDescriptor::CPPTYPE_INT64:
      return read.GetRepeatedInt64(message, field, i);
    case FieldDescriptor::CPPTYPE_UINT32:
      return read.GetRepeatedUInt32(message, field, i);
    case FieldDescriptor::CPPTYPE_UINT64:
      return read.GetRepeatedUInt64(message, field, i);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return read.GetRepeatedDouble(message, field, i);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return Float(read.GetRepeatedFloat(message, field, i));
    case FieldDescriptor::CPPTYPE_BOOL:
      return read.GetRepeatedBool(message, field, i);
    case FieldDescriptor::CPPTYPE_ENUM:
      return read.GetRepeatedEnum(message, field, i)->name();
    case FieldDescriptor::CPPTYPE_STRING:
      return read.GetRepeatedString(message, field, i);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToJson(read.GetRepeatedMessage(message, field, i));
  }
  return nullptr;
}

}  // namespace

nlohmann::json ToJson(const Message& message) {
  if (const auto* time = dynamic_cast<const google::protobuf::Timestamp*>(&message))
    return google::protobuf::util::TimeUtil::ToString(*time);
  if (const auto* value = dynamic_cast<const google::protobuf::Value*>(&message)) return Plain(*value);
  const Reflection& read = *message.GetReflection();
  nlohmann::json result = nlohmann::json::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (field->is_repeated()) {
      nlohmann::json& list = result[field->name()] = nlohmann::json::array();
      for (int j = 0; j < read.FieldSize(message, field); ++j) list.push_back(Repeated(message, read, field, j));
    } else if (!field->has_presence() || read.HasField(message, field)) {
      result[field->name()] = Singular(message, read, field);
    }
  }
  return result;
}

nlohmann::json ParseObject(std::string_view text, const std::string& place) {
  std::set<std::string> keys;
  std::optional<std::string> twice;
  const auto note = [&](int depth, nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
    if (event == nlohmann::json::parse_event_t::key && depth == 1 && !keys.insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return true;
  };
  nlohmann::json object = nlohmann::json::parse(text, note, false);
  if (!object.is_object()) throw Error(ErrorCode::kInvalidArgument, place + ": is no JSON object");
  if (twice) throw Error(ErrorCode::kInvalidArgument, fmt::format("{}: has '{}' twice", place, Printable(*twice)));
  return object;
}

}  // namespace kindred
