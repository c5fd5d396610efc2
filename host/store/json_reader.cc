#include "host/store/json_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {

JsonReader::JsonReader(const nlohmann::json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object())
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: found {}; expected an object", where_, object.type_name()));
}

void JsonReader::Refuse(std::string_view key, std::string_view expected) const {
  throw Error(ErrorCode::kCorrupt, fmt::format("{}: '{}' is not {}", where_, Printable(key), expected));
}

const nlohmann::json& JsonReader::Get(std::string_view key) const {
  const auto found = object_.find(key);
  if (found == object_.end()) throw Error(ErrorCode::kCorrupt, fmt::format("{}: no '{}'", where_, Printable(key)));
  return *found;
}

bool JsonReader::Has(std::string_view key) const {
  const auto found = object_.find(key);
  return found != object_.end() && !found->is_null();
}

std::string JsonReader::Text(std::string_view key) const {
  const nlohmann::json& value = Get(key);
  if (!value.is_string()) Refuse(key, "a text");
  return value.get<std::string>();
}

double JsonReader::Number(std::string_view key, double least, double most) const {
  const nlohmann::json& value = Get(key);
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  constexpr double kMost = std::numeric_limits<double>::max();
  if (!(number >= least && number <= most))
    Refuse(key, least <= -kMost && most >= kMost ? "a number" : fmt::format("a number from {} to {}", least, most));
  return number;
}

int64_t JsonReader::Integer(std::string_view key, int64_t least, int64_t most) const {
  const nlohmann::json& value = Get(key);
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() || value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX));
  if (!fits || value.get<int64_t>() < least || value.get<int64_t>() > most)
    Refuse(key, fmt::format("a whole number from {} to {}", least, most));
  return value.get<int64_t>();
}

bool JsonReader::Boolean(std::string_view key) const {
  const nlohmann::json& value = Get(key);
  if (!value.is_boolean()) Refuse(key, "true or false");
  return value.get<bool>();
}

std::vector<std::string> JsonReader::Texts(std::string_view key) const {
  std::vector<std::string> texts;
  for (const nlohmann::json& one : List(key)) {
    if (!one.is_string()) Refuse(key, "a list of texts");
    texts.push_back(one.get<std::string>());
  }
  return texts;
}

std::vector<double> JsonReader::Numbers(std::string_view key) const {
  std::vector<double> numbers;
  for (const nlohmann::json& one : List(key)) {
    if (!one.is_number() || !std::isfinite(one.get<double>())) Refuse(key, "a list of finite numbers");
    numbers.push_back(one.get<double>());
  }
  return numbers;
}

const nlohmann::json& JsonReader::List(std::string_view key) const {
  const nlohmann::json& value = Get(key);
  if (!value.is_array()) Refuse(key, "a list");
  return value;
}

const nlohmann::json& JsonReader::Object(std::string_view key) const {
  const nlohmann::json& value = Get(key);
  if (!value.is_object()) Refuse(key, "an object");
  return value;
}

}  // namespace kindred
