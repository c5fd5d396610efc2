// Messages of the API as JSON for scripts: the proto's own snake_case names, integers as numbers.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>

namespace kindred {

/// Every field without presence, whether set or not; of the others those that are set. Enums by name,
/// timestamps as ISO 8601, google.protobuf.Value as what it stands for, floats by the shortest decimal that reads back
/// the same.
nlohmann::json ToJson(const google::protobuf::Message& message);

}  // namespace kindred
