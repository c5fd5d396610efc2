#include "serving/item_handlers.h"

#include <fmt/format.h>
#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "host/text/text.h"
#include "serving/guarded.h"

namespace kindred {
namespace {

using google::protobuf::Value;
using google::protobuf::util::TimeUtil;

[[noreturn]] void Refuse(const std::string& place, const std::string& wrong) {
  throw Error(ErrorCode::kInvalidArgument, place + ": " + wrong);
}

std::vector<std::string> ToTexts(const google::protobuf::ListValue& list, const std::string& place) {
  if (list.values_size() > kMaxItemTags)
    Refuse(place, fmt::format("has {} entries, expected at most {}", list.values_size(), kMaxItemTags));
  std::vector<std::string> texts;
  for (int i = 0; i < list.values_size(); ++i) {
    if (list.values(i).kind_case() != Value::kStringValue)
      Refuse(fmt::format("{}[{}]", place, i), "found no string; expected a list of strings");
    texts.push_back(list.values(i).string_value());
  }
  return texts;
}

Value ToProto(const AttributeValue& value, std::optional<AttributeType> type) {
  Value to;
  if (const auto* number = std::get_if<double>(&value)) {
    if (type == AttributeType::kTime)
      to.set_string_value(TimeUtil::ToString(TimeUtil::SecondsToTimestamp(static_cast<int64_t>(*number))));
    else
      to.set_number_value(*number);
  } else if (const auto* boolean = std::get_if<bool>(&value)) {
    to.set_bool_value(*boolean);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    to.set_string_value(*text);
  } else if (const auto* tags = std::get_if<std::vector<std::string>>(&value)) {
    for (const std::string& tag : *tags) to.mutable_list_value()->add_values()->set_string_value(tag);
  } else {
    to.set_null_value(google::protobuf::NULL_VALUE);
  }
  return to;
}

void CheckItemId(const std::string& place, const std::string& id) {
  if (id.empty()) Refuse(place, "is empty, expected an item id");
  if (id.size() > static_cast<size_t>(kMaxItemIdBytes))
    Refuse(place, fmt::format("has {} bytes, expected at most {}", id.size(), kMaxItemIdBytes));
}

/// Before anything is made of them.
void CheckCounts(const v1::UpdateItemsRequest& request) {
  if (request.updates_size() > kMaxItemUpdates)
    Refuse("updates", fmt::format("has {} entries, expected at most {}", request.updates_size(), kMaxItemUpdates));
  int64_t n_changes = 0;
  for (const v1::ItemUpdate& update : request.updates()) n_changes += update.attributes_size() + update.reset_size();
  if (n_changes > kMaxItemChanges)
    Refuse("updates",
           fmt::format("have {} attributes and resets together, expected at most {}", n_changes, kMaxItemChanges));
}

/// In the order of the call's updates, and of each in the order of names. Views of the request.
std::vector<ItemChange> ToChanges(const v1::UpdateItemsRequest& request) {
  CheckCounts(request);
  std::vector<ItemChange> changes;
  for (int i = 0; i < request.updates_size(); ++i) {
    const v1::ItemUpdate& update = request.updates(i);
    const std::string place = fmt::format("updates[{}]", i);
    CheckItemId(place + ".item_id", update.item_id());
    if (update.attributes().empty() && update.reset().empty())
      Refuse(place, "has neither attributes nor a reset; expected one of them");
    std::map<std::string_view, const Value*> attributes;
    for (const auto& [name, value] : update.attributes()) attributes[name] = &value;
    for (const auto& [name, value] : attributes)
      changes.push_back({update.item_id(), name,
                         ToAttributeValue(*value, fmt::format("{}.attributes[\"{}\"]", place, Printable(name))), i});
    std::set<std::string_view> resets;
    for (const std::string& name : update.reset()) {
      if (!resets.insert(name).second)
        Refuse(place + ".reset", fmt::format("has '{}' twice, expected it once", Printable(name)));
      if (attributes.contains(name))
        Refuse(place + ".reset", fmt::format("has '{}', which is among the attributes too", Printable(name)));
      changes.push_back({update.item_id(), name, std::nullopt, i});
    }
  }
  return changes;
}

void FillModel(const ServedModel& from, v1::ModelVersion* to) {
  to->set_name(from.name);
  to->set_version(from.version);
}

/// The version's own value where it was updated.
void FillAttribute(const ItemColumn& column, const ItemColumn& own, int32_t item, const KeptUpdate* kept,
                   v1::ItemAttribute* to) {
  to->set_name(Printable(column.name()));
  to->set_type(AttributeTypeName(column.type()));
  *to->mutable_value() = ToProto(column.Value(item), column.type());
  if (kept == nullptr) return;
  *to->mutable_updated_at() = TimeUtil::MicrosecondsToTimestamp(kept->updated_at);
  *to->mutable_version_value() = ToProto(own.Value(item), own.type());
}

/// Why the version does not use it; empty where it does.
std::string WhyUnused(const LiveItems& items, int32_t item, const KeptUpdate& kept) {
  if (item < 0) return "the model has no such item";
  try {
    items.own().Check({item, kept.attribute, kept.value});
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

void FillItem(const LiveItems& items, const ItemState::View& view, int32_t item, v1::Item* reply) {
  std::map<std::string_view, const KeptUpdate*> used;
  for (const KeptUpdate& kept : view.kept) {
    const std::string why = WhyUnused(items, item, kept);
    if (why.empty()) {
      used[kept.attribute] = &kept;
      continue;
    }
    v1::UnusedUpdate* unused = reply->add_unused_updates();
    unused->set_item_id(kept.item_id);
    unused->set_attribute(kept.attribute);
    unused->set_reason(why);
    *unused->mutable_value() = ToProto(kept.value, {});
    *unused->mutable_updated_at() = TimeUtil::MicrosecondsToTimestamp(kept.updated_at);
  }
  reply->set_is_in_model(item >= 0);
  for (size_t k = 0; item >= 0 && k < view.table->columns().size(); ++k) {
    const auto kept = used.find(view.table->columns()[k]->name());
    FillAttribute(*view.table->columns()[k], *items.own().columns()[k], item,
                  kept == used.end() ? nullptr : kept->second, reply->add_attributes());
  }
}

}  // namespace

AttributeValue ToAttributeValue(const Value& value, const std::string& place) {
  switch (value.kind_case()) {
    case Value::kNullValue:
      return {};
    case Value::kNumberValue:
      if (!std::isfinite(value.number_value()))
        Refuse(place, fmt::format("found {}; expected a finite number, or null", value.number_value()));
      return value.number_value();
    case Value::kBoolValue:
      return value.bool_value();
    case Value::kStringValue:
      if (value.string_value().empty()) return {};
      return value.string_value();
    case Value::kListValue:
      if (value.list_value().values().empty()) return {};
      return ToTexts(value.list_value(), place);
    case Value::kStructValue:
      Refuse(place, "found an object; expected a value");
    case Value::KIND_NOT_SET:
      break;
  }
  Refuse(place, "found nothing; expected a value, or null");
}

grpc::Status HandleUpdateItems(ItemState* state, const ServedModel* model, const v1::UpdateItemsRequest& request,
                               v1::UpdateItemsReply* reply) {
  if (state == nullptr)
    return {grpc::StatusCode::FAILED_PRECONDITION,
            "the server keeps no state to write updates to; start it with `kindred serve --state-dir DIR`"};
  return Guarded(model, request, [&] {
    const ItemUpdateOutcome done = state->Update(*model->items, ToChanges(request), request.allow_unknown());
    reply->set_n_items(done.n_items);
    reply->set_n_values(done.n_values);
    reply->set_epoch(done.epoch);
    FillModel(*model, reply->mutable_model());
    for (const std::string& id : done.unknown_items) reply->add_unknown_item_ids(id);
  });
}

grpc::Status HandleGetItem(ItemState* state, const ServedModel* model, const v1::GetItemRequest& request,
                           v1::Item* reply) {
  return Guarded(model, request, [&] {
    const std::string& id = request.item_id();
    CheckItemId("item_id", id);
    const LiveItems& items = *model->items;
    const ItemState::View view = state ? state->Look(items, id) : ItemState::View{{}, items.Current()};
    const int32_t item = items.ids().Find(id);
    if (item < 0 && view.kept.empty())
      throw Error(ErrorCode::kNotFound, fmt::format("item_id: the model has no item '{}'", Printable(id)));
    reply->set_item_id(id);
    FillModel(*model, reply->mutable_model());
    FillItem(items, view, item, reply);
  });
}

void FillAttributes(const ItemTable& table, v1::ModelInfo* to) {
  for (const auto& column : table.columns()) {
    v1::AttributeInfo* attribute = to->add_item_attributes();
    attribute->set_name(Printable(column->name()));
    attribute->set_type(AttributeTypeName(column->type()));
  }
}

void FillState(const ItemStateInfo& from, v1::ItemStateInfo* to) {
  to->set_path(Printable(from.path, kMaxStatusMessage));
  to->set_epoch(from.epoch);
  to->set_n_values(from.n_values);
  to->set_n_unused(from.n_unused);
  for (const UnusedUpdate& unused : from.unused) {
    v1::UnusedUpdate* shown = to->add_unused();
    shown->set_item_id(unused.item_id);
    shown->set_attribute(unused.attribute);
    shown->set_reason(unused.reason);
  }
}

}  // namespace kindred
