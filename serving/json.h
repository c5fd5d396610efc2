// Messages of the API as JSON for scripts: the proto's own snake_case names, integers as numbers.
#pragma once

#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace kindred {

/// Every field without presence, whether set or not; of the others those that are set. Enums by name,
/// timestamps as ISO 8601, google.protobuf.Value as what it stands for, floats by the shortest decimal that reads back
/// the same.
nlohmann::json ToJson(const google::protobuf::Message& message);

/// The object that a text is. Throws kInvalidArgument, beginning with the place, for any other text, and for a key that
/// is there twice. It may be nested as deeply as the text says: look at what is in it before walking through it.
nlohmann::json ParseObject(std::string_view text, const std::string& place);

}  // namespace kindred
