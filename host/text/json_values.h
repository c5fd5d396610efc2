// Members of JSON that may be there or not, and numbers that may be none.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>

namespace kindred {

/// The member; null where `from` is no object or lacks it.
inline const nlohmann::json& Member(const nlohmann::json& from, std::string_view name) {
  static const nlohmann::json null;
  if (!from.is_object()) return null;
  const auto found = from.find(name);
  return found == from.end() ? null : *found;
}

/// The member as a number; NaN where it is none.
inline double NumberOf(const nlohmann::json& from, std::string_view name) {
  const nlohmann::json& value = Member(from, name);
  return value.is_number() ? value.get<double>() : NAN;
}

/// Null for what is not finite.
inline nlohmann::json NumberOrNull(double value) {
  return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json();
}

}  // namespace kindred
