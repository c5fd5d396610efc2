#include "bench/workload.h"

#include <fmt/format.h>

#include <cmath>

#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kMostBytes = 0x1p53;
constexpr int kMostDepth = 50;

/// A member that is there must be of the kind; `where` names the object.
double Number(const json& object, const char* member, const std::string& where) {
  const auto found = object.find(member);
  if (found == object.end() || !found->is_number())
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: '{}' is {}; expected a number", where, member,
                                                 found == object.end() ? "missing" : Printable(found->dump())));
  return found->get<double>();
}

std::optional<double> OptionalNumber(const json& object, const char* member, const std::string& where) {
  if (!object.contains(member)) return std::nullopt;
  return Number(object, member, where);
}

json Settings(const json& object, const std::string& where) {
  json settings = object.value("settings", json::object());
  if (!settings.is_object()) throw Error(ErrorCode::kCorrupt, where + ": 'settings' is no object");
  return settings;
}

Measure ParseMeasure(const json& object, const std::string& where) {
  if (!object.is_object()) throw Error(ErrorCode::kCorrupt, where + ": expected an object");
  Measure measure;
  measure.seconds = Number(object, "seconds", where);
  if (!(measure.seconds > 0))
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: 'seconds' is {}; expected more than 0", where, measure.seconds));
  measure.cpu_seconds = OptionalNumber(object, "cpu_seconds", where);
  measure.work = OptionalNumber(object, "work", where).value_or(1);
  if (!(measure.work > 0))
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: 'work' is {}; expected more than 0", where, measure.work));
  if (object.contains("unit") && object["unit"].is_string()) measure.unit = object["unit"];
  measure.p50_seconds = OptionalNumber(object, "p50_seconds", where);
  measure.p99_seconds = OptionalNumber(object, "p99_seconds", where);
  measure.settings = Settings(object, where);
  return measure;
}

}  // namespace

json ParseJson(const std::string& text) {
  bool deep = false;
  const auto shallow = [&](int depth, json::parse_event_t, json&) {
    deep |= depth > kMostDepth;
    return !deep;
  };
  json value = json::parse(text, shallow, false);
  return deep ? json(json::value_t::discarded) : value;
}

Answer ParseAnswer(const std::string& output, const std::string& program) {
  const std::string where = "the answer of " + program;
  const json object = ParseJson(output);
  if (!object.is_object())
    throw Error(ErrorCode::kCorrupt, fmt::format("{} is '{}'; expected one JSON object", where, Printable(output)));
  Answer answer;
  const auto measures = object.find("measures");
  if (measures == object.end() || !measures->is_object() || measures->empty())
    throw Error(ErrorCode::kCorrupt, where + ": 'measures' is no object with members");
  for (const auto& [name, measure] : measures->items())
    answer.measures[name] = ParseMeasure(measure, where + ", '" + name + "'");
  const auto member = [&](const char* name) {
    json value = object.value(name, json::object());
    if (!value.is_object()) throw Error(ErrorCode::kCorrupt, fmt::format("{}: '{}' is no object", where, name));
    return value;
  };
  const json quality = member("quality");
  for (const auto& [name, unused] : quality.items()) answer.quality[name] = Number(quality, name.c_str(), where);
  answer.answer = object.value("answer", json());
  answer.settings = Settings(object, where);
  answer.versions = member("versions");
  for (const json& value : object.value("curve", json::array())) {
    if (!value.is_number()) throw Error(ErrorCode::kCorrupt, where + ": 'curve' is no list of numbers");
    answer.curve.push_back(value.get<double>());
  }
  if (const auto bytes = OptionalNumber(object, "peak_rss_bytes", where)) {
    if (!(*bytes >= 0 && *bytes <= kMostBytes))
      throw Error(ErrorCode::kCorrupt, fmt::format("{}: 'peak_rss_bytes' is {}", where, *bytes));
    answer.peak_rss_bytes = static_cast<int64_t>(*bytes);
  }
  return answer;
}

bool Metric::Worse(double value, double than) const {
  const double allowed = relative ? tolerance * std::fabs(than) : tolerance;
  return !(higher_is_better ? value >= than - allowed : value <= than + allowed);
}

std::vector<std::string> Setup::Own(const std::string& program, const std::vector<std::string>& arguments) const {
  std::vector<std::string> words = {self, "program", program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

std::vector<std::string> Setup::Peer(const std::string& script, const std::vector<std::string>& arguments) const {
  std::vector<std::string> words = {python, "-B", peers + "/" + script};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

}  // namespace kindred
