// Objects of JSON a line, as journals have them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace kindred {

inline std::string JsonLine(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// A line that is an object; nothing for any other.
inline std::optional<nlohmann::json> JsonObject(std::string_view line) {
  nlohmann::json value = nlohmann::json::parse(line, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  return value;
}

}  // namespace kindred
