#include "host/data/event_weighting.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/text/field_values.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMaxListed = 30;
constexpr double kLargestCap = std::numeric_limits<double>::max();
constexpr double kLargestDuration = 1e18;  // seconds

template <class... Args>
[[noreturn]] void Refuse(ErrorCode code, fmt::format_string<Args...> what, Args&&... args) {
  throw Error(code, fmt::format(what, std::forward<Args>(args)...));
}

/// The names in quotes.
template <class Names, class NameOf>
std::string Quoted(const Names& names, const NameOf& name_of) {
  std::string out;
  size_t n = 0;
  for (const auto& name : names) {
    if (n == kMaxListed) return fmt::format("{} and {} more", out, names.size() - n);
    out += fmt::format("{}'{}'", n++ > 0 ? ", " : "", Printable(name_of(name)));
  }
  return out;
}

/// What is wrong with the numbers; empty where nothing is.
std::string WrongNumber(const EventWeighting& weighting) {
  for (const auto& [name, weight] : weighting.event_weights)
    if (!(weight >= 0 && weight <= kLargestTypeWeight))
      return fmt::format("the weight of '{}' is {}; expected a number from 0 to {:g}", Printable(name), weight,
                         kLargestTypeWeight);
  const auto wrong = [](const char* name, double number) {
    return number > 0 ? std::string() : fmt::format("the {} is {}; expected a number > 0", name, number);
  };
  std::string found = wrong("value cap", weighting.value_cap);
  if (found.empty()) found = wrong("confidence cap", weighting.confidence_cap);
  if (found.empty()) found = wrong("half-life", weighting.half_life);
  return found;
}

void CheckTypes(const TypeWeights& weights, std::span<const std::string> event_types) {
  if (event_types.empty())
    Refuse(ErrorCode::kInvalidArgument,
           "event weights need types of event, and this dataset has none; prepare it with --event-column");
  const auto same = [](const std::string& name) { return name; };
  for (const auto& [name, weight] : weights)
    if (name != kOtherTypes && std::find(event_types.begin(), event_types.end(), name) == event_types.end())
      Refuse(ErrorCode::kInvalidArgument, "there is a weight for '{}', which is no type of event; this dataset has {}",
             Printable(name), Quoted(event_types, same));
  if (weights.contains(kOtherTypes)) return;
  for (const std::string& type : event_types)
    if (!weights.contains(type))
      Refuse(ErrorCode::kInvalidArgument,
             "there are events of type '{}' and no weight for them, only for {}; {}=WEIGHT is for all others",
             Printable(type), Quoted(weights, [](const auto& entry) { return entry.first; }), kOtherTypes);
}

/// A decimal number from 0 to `most`.
std::optional<double> NumberUpTo(std::string_view text, double most) {
  double number = 0;
  const bool good = ParseNumber(text, &number) == nullptr && number >= 0 && number <= most;
  return good ? std::optional(number) : std::nullopt;
}

void AddTypeWeight(std::string_view text, TypeWeights* weights) {
  const size_t equals = text.rfind('=');
  if (equals == std::string_view::npos)
    Refuse(ErrorCode::kUsage, "'{}': expected TYPE=WEIGHT, as in view=1,cart=3", Printable(text));
  const auto weight = NumberUpTo(text.substr(equals + 1), kLargestTypeWeight);
  if (!weight)
    Refuse(ErrorCode::kUsage, "'{}': expected a number from 0 to {:g} behind the =", Printable(text),
           kLargestTypeWeight);
  if (!weights->emplace(text.substr(0, equals), *weight).second)
    Refuse(ErrorCode::kUsage, "the type of event '{}' has two weights", Printable(text.substr(0, equals)));
}

nlohmann::json LimitJson(double limit) {
  return limit < kNoLimit ? nlohmann::json(limit) : nlohmann::json();
}

}  // namespace

std::optional<double> EventWeighting::WeightOf(std::string_view type) const {
  if (event_weights.empty()) return 1;
  auto found = event_weights.find(type);
  if (found == event_weights.end()) found = event_weights.find(kOtherTypes);
  return found == event_weights.end() ? std::nullopt : std::optional(found->second);
}

EventWeighting WeightingChanges::Of(EventWeighting weighting) const {
  if (event_weights) weighting.event_weights = *event_weights;
  weighting.value_cap = value_cap.value_or(weighting.value_cap);
  weighting.confidence_cap = confidence_cap.value_or(weighting.confidence_cap);
  weighting.half_life = half_life.value_or(weighting.half_life);
  return weighting;
}

void CheckWeighting(const EventWeighting& weighting, std::span<const std::string> event_types, bool has_times) {
  if (const std::string wrong = WrongNumber(weighting); !wrong.empty())
    Refuse(ErrorCode::kInvalidArgument, "{}", wrong);
  if (!weighting.event_weights.empty()) CheckTypes(weighting.event_weights, event_types);
  if (weighting.decays() && !has_times)
    Refuse(ErrorCode::kInvalidArgument,
           "a half-life needs times, and this dataset has none; prepare it with --time-column");
}

nlohmann::json WeightingJson(const EventWeighting& weighting) {
  const TypeWeights& weights = weighting.event_weights;
  return {{"event_weights", weights.empty() ? nlohmann::json() : nlohmann::json(weights)},
          {"value_cap", LimitJson(weighting.value_cap)},
          {"confidence_cap", LimitJson(weighting.confidence_cap)},
          {"half_life_seconds", LimitJson(weighting.half_life)}};
}

EventWeighting ParseWeighting(const nlohmann::json& json, const std::string& where) {
  EventWeighting weighting;
  if (json.is_null()) return weighting;
  const auto refuse = [&](const std::string& what) { Refuse(ErrorCode::kCorrupt, "{}: weighting: {}", where, what); };
  if (!json.is_object()) refuse("expected an object");
  const auto number = [&](const std::string& name, const nlohmann::json& value) {
    if (!value.is_number()) refuse(fmt::format("'{}' is no number", Printable(name)));
    return value.get<double>();
  };
  const auto limit = [&](const char* name) {
    const nlohmann::json value = json.value(name, nlohmann::json());
    return value.is_null() ? kNoLimit : number(name, value);
  };
  weighting.value_cap = limit("value_cap");
  weighting.confidence_cap = limit("confidence_cap");
  weighting.half_life = limit("half_life_seconds");
  const nlohmann::json weights = json.value("event_weights", nlohmann::json());
  if (!weights.is_null() && !weights.is_object()) refuse("'event_weights' is no object");
  for (const auto& [name, weight] : weights.items()) weighting.event_weights[name] = number(name, weight);
  if (const std::string wrong = WrongNumber(weighting); !wrong.empty()) refuse(wrong);
  return weighting;
}

TypeWeights ParseTypeWeights(std::span<const std::string> texts) {
  TypeWeights weights;
  for (std::string_view rest : texts)
    while (true) {
      const size_t comma = rest.find(',');
      AddTypeWeight(rest.substr(0, comma), &weights);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  return weights;
}

double ParseCap(std::string_view text) {
  const auto cap = NumberUpTo(text, kLargestCap);
  if (!cap || *cap == 0) Refuse(ErrorCode::kUsage, "'{}': expected a number > 0", Printable(text));
  return *cap;
}

double ParseDuration(std::string_view text) {
  constexpr std::pair<char, double> kUnits[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
  for (const auto& [unit, seconds] : kUnits) {
    if (!text.ends_with(unit)) continue;
    const auto number = NumberUpTo(text.substr(0, text.size() - 1), kLargestDuration / seconds);
    if (number && *number > 0) return *number * seconds;
  }
  Refuse(ErrorCode::kUsage, "'{}': expected a number > 0 and its unit, s, m, h, d or w, as in 30d", Printable(text));
}

EventWeights::EventWeights(const EventWeighting& weighting, const EventsView& events, std::optional<int64_t> reference)
    : events_(events),
      value_cap_(weighting.value_cap),
      half_life_(weighting.half_life),
      reference_(static_cast<double>(reference.value_or(0))) {
  CheckWeighting(weighting, events.type_names, !events.times.empty() || events.size() == 0);
  if (weighting.event_weights.empty()) return;
  for (const std::string& type : events.type_names) type_weights_.push_back(*weighting.WeightOf(type));
}

double EventWeights::operator()(size_t event) const {
  double weight = events_.values.empty() ? 1 : std::min(double{events_.values[event]}, value_cap_);
  if (!type_weights_.empty()) weight *= type_weights_[events_.types[event]];
  if (half_life_ < kNoLimit) weight *= std::exp2((static_cast<double>(events_.times[event]) - reference_) / half_life_);
  return weight;
}

}  // namespace kindred
