#include "training/weighting_options.h"

#include <optional>

#include "host/cli/command_line.h"

namespace kindred {
namespace {

constexpr const char* kNone = "none";

template <class Parse>
std::optional<double> Limit(const std::string& text, const Parse& parse) {
  if (text.empty()) return std::nullopt;
  return text == kNone ? kNoLimit : parse(text);
}

TypeWeights Weights(std::span<const std::string> texts) {
  if (texts.size() == 1 && texts[0] == kNone) return {};
  return ParseTypeWeights(texts);
}

}  // namespace

WeightingChanges WeightingFlags::Changes() const {
  WeightingChanges changes;
  if (!event_weights.empty()) changes.event_weights = Weights(event_weights);
  changes.value_cap = Limit(value_cap, ParseCap);
  changes.confidence_cap = Limit(confidence_cap, ParseCap);
  changes.half_life = Limit(half_life, ParseDuration);
  return changes;
}

void AddWeightingFlags(CLI::App& app, const std::string& otherwise, WeightingFlags& flags) {
  const auto add = [&](const std::string& name, std::string& text, const char* form, const auto& parse,
                       const std::string& what) {
    app.add_option(name, text, what + "; default: " + otherwise)
        ->check(Accepts([parse](const std::string& given) { Limit(given, parse); }, form));
  };
  app.add_option("--event-weight", flags.event_weights,
                 "what an event of each type counts, times its value: view=1,cart=3,buy=5; * stands for all others; "
                 "none: 1; default: " +
                     otherwise)
      ->allow_extra_args(false)
      ->check(Accepts(
          [](const std::string& text) {
            Weights({&text, 1});
          },
          "TYPE=WEIGHT,..."));
  add("--value-cap", flags.value_cap, "NUMBER", ParseCap, "count larger values of an event as this; none: no cap");
  add("--confidence-cap", flags.confidence_cap, "NUMBER", ParseCap,
      "count a larger sum over a user's events with an item as this; none: no cap");
  add("--half-life", flags.half_life, "DURATION", ParseDuration,
      "let an event count half for each such time before the last one: 90s, 15m, 12h, 30d, 2w; none: no decay");
}

}  // namespace kindred
