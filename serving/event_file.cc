#include "serving/event_file.h"

#include <fmt/format.h>

#include <cmath>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "host/data/attribute_table.h"
#include "host/store/files.h"
#include "host/text/text.h"
#include "host/text/time_format.h"
#include "kernels/error.h"
#include "serving/json.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kMaxFileBytes = int64_t{64} << 20;

[[noreturn]] void Refuse(const std::string& place, const std::string& wrong) {
  throw Error(ErrorCode::kInvalidArgument, place + ": " + wrong);
}

/// Of what may be nested too deeply to be printed, the type.
std::string Shown(const json& value) {
  return value.is_structured() ? value.type_name() : Printable(value.dump());
}

std::string TextAt(const std::string& place, const json& value) {
  if (!value.is_string()) Refuse(place, fmt::format("found {}; expected a text", Shown(value)));
  return value.get<std::string>();
}

int64_t TimeAt(const std::string& place, const json& value) {
  if (!value.is_number()) {
    int64_t time = 0;
    const std::string text = TextAt(place, value);
    if (const char* wrong = ParseTime(text, &time); wrong != nullptr)
      Refuse(place, fmt::format("found '{}'; {}", Printable(text), wrong));
    return time;
  }
  const double seconds = std::floor(value.get<double>());
  if (!(seconds >= static_cast<double>(kFirstTime) && seconds <= static_cast<double>(kLastTime)))
    Refuse(place, fmt::format("found {}; expected unix seconds of the years 1 to 9999", Shown(value)));
  return static_cast<int64_t>(seconds);
}

v1::UserEvent ReadEvent(const std::string& place, const json& object) {
  v1::UserEvent event;
  for (const auto& [key, value] : object.items()) {
    const std::string at = fmt::format("{}: {}", place, Printable(key));
    if (key == "item_id") {
      event.set_item_id(TextAt(at, value));
    } else if (value.is_null()) {
      continue;
    } else if (key == "type") {
      event.set_type(TextAt(at, value));
    } else if (key == "time") {
      event.mutable_time()->set_seconds(TimeAt(at, value));
    } else if (key == "value") {
      if (!value.is_number() || !(std::fabs(value.get<double>()) <= std::numeric_limits<float>::max()))
        Refuse(at, fmt::format("found {}; expected a number that a float holds", Shown(value)));
      event.set_value(value.get<float>());
    } else {
      Refuse(at, "is no field of an event; expected item_id, type, time or value");
    }
  }
  if (event.item_id().empty()) Refuse(place, "there is no item_id");
  return event;
}

}  // namespace

std::vector<v1::UserEvent> ReadEventFile(const std::string& path) {
  if (path == "-") return ParseEvents(std::cin, "standard input");
  std::istringstream text(ReadFile(path, kMaxFileBytes));
  return ParseEvents(text, path);
}

std::vector<v1::UserEvent> ParseEvents(std::istream& text, const std::string& name) {
  std::vector<v1::UserEvent> events;
  int64_t number = 0;
  for (std::string line; std::getline(text, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string place = fmt::format("{}: line {}", Printable(name), number);
    events.push_back(ReadEvent(place, ParseObject(line, place)));
  }
  return events;
}

}  // namespace kindred
