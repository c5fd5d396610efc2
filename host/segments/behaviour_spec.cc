#include "host/segments/behaviour_spec.h"

#include <fmt/format.h>

#include "host/features/feature_spec.h"
#include "host/text/text.h"

namespace kindred {
namespace {

constexpr double kLargest = 1e300;

std::string Needed(const TomlTable& table, std::string_view key, const char* of) {
  const std::string* text = table.Text(key);
  if (text == nullptr) table.Refuse(key, fmt::format("no '{}'; expected one for each {}", key, of));
  return *text;
}

std::vector<RuleSpec> ReadRules(const TomlTable& file, const char* key, const char* of) {
  std::vector<RuleSpec> rules;
  for (const toml::table* rule : file.Tables(key)) {
    const TomlTable table(*rule, file.place(), {"name", "when"});
    rules.push_back({Needed(table, "name", of), Needed(table, "when", of), file.place().Prefix(rule->source())});
  }
  return rules;
}

std::optional<double> Number(const TomlTable& table, std::string_view key, double least, double most) {
  if (table.Find(key) == nullptr) return std::nullopt;
  double value = 0;
  table.Read(key, value, least, most);
  return value;
}

ThresholdSpec ReadThreshold(const std::string& name, const toml::node& node, const TomlPlace& file) {
  if (!node.is_table())
    file.Refuse(node, fmt::format("threshold '{}' is {}; expected a table, written [thresholds.{}]", Printable(name),
                                  TomlKind(node), Printable(name)));
  const TomlTable table(*node.as_table(), file, {"value", "of", "quantile", "max_step"});
  ThresholdSpec threshold = {.name = name, .place = file.Prefix(node.source())};
  table.Read("of", threshold.of);
  threshold.value = Number(table, "value", -kLargest, kLargest);
  threshold.quantile = Number(table, "quantile", 0, 1);
  threshold.max_step = Number(table, "max_step", 0, kLargest);
  if (threshold.value.has_value() == threshold.quantile.has_value())
    table.Refuse("value", fmt::format("threshold '{}' has {}; expected one of 'value' and 'quantile'", Printable(name),
                                      threshold.value ? "both" : "neither"));
  if (threshold.quantile && threshold.of.empty())
    table.Refuse("quantile", "a quantile of nothing; expected 'of', the name of a feature");
  for (const char* key : {"of", "max_step"})
    if (threshold.value && table.Find(key) != nullptr)
      table.Refuse(key, fmt::format("'{}' is for a threshold with a 'quantile'; this one has a 'value'", key));
  return threshold;
}

LikelihoodSpec ReadLikelihood(const toml::table& node, const TomlPlace& file) {
  const TomlTable table(node, file, {"event", "horizon", "enter", "leave"});
  LikelihoodSpec likelihood = {.event = Needed(table, "event", "likelihood"), .place = file.Prefix(node.source())};
  if (const std::optional<int64_t> horizon = TomlDuration(table, "horizon")) likelihood.horizon = *horizon;
  table.Read("enter", likelihood.enter, 0, 1);
  table.Read("leave", likelihood.leave, 0, 1);
  if (!(likelihood.leave > 0 && likelihood.leave <= likelihood.enter))
    table.Refuse(
        table.Find("leave") == nullptr ? "enter" : "leave",
        fmt::format("'enter' is {} and 'leave' {}; expected 0 < leave <= enter", likelihood.enter, likelihood.leave));
  return likelihood;
}

}  // namespace

BehaviourSpec ReadBehaviourSpec(const TomlTable& file) {
  BehaviourSpec spec;
  spec.rules = ReadRules(file, "rules", "rule");
  spec.stages = ReadRules(file, "stages", "stage");
  if (const toml::table* thresholds = file.Table("thresholds"))
    for (const auto& [name, node] : *thresholds)
      spec.thresholds.push_back(ReadThreshold(std::string(name.str()), node, file.place()));
  if (const toml::table* likelihood = file.Table("likelihood"))
    spec.likelihood = ReadLikelihood(*likelihood, file.place());
  return spec;
}

}  // namespace kindred
