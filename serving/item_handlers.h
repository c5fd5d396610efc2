// What UpdateItems and GetItem do with a message, as serving/handlers.h.
#pragma once

#include <grpcpp/support/status.h>

#include "host/conditions/item_column.h"
#include "kindred/v1/recommender.pb.h"
#include "serving/live_items.h"
#include "serving/model_watcher.h"

namespace kindred {

/// None of these throw. A null model is UNAVAILABLE. `state` is null where the server keeps none.
grpc::Status HandleUpdateItems(ItemState* state, const ServedModel* model, const v1::UpdateItemsRequest& request,
                               v1::UpdateItemsReply* reply);
grpc::Status HandleGetItem(ItemState* state, const ServedModel* model, const v1::GetItemRequest& request,
                           v1::Item* reply);

/// As a request has it. Throws kInvalidArgument naming the place for what is no attribute's value.
AttributeValue ToAttributeValue(const google::protobuf::Value& value, const std::string& place);

/// What the attributes of the model's items are called, and their types.
void FillAttributes(const ItemTable& table, v1::ModelInfo* to);
void FillState(const ItemStateInfo& from, v1::ItemStateInfo* to);

}  // namespace kindred
