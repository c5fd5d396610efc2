#include "training/tuning_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "host/cli/config_file.h"
#include "host/report/format.h"
#include "host/text/text.h"
#include "training/report_values.h"

namespace kindred {
namespace {

using nlohmann::json;

/// Where a state comes in the order of the table.
int Rank(const json& trial) {
  const std::string state = TextOf(trial, "state");
  return state == "complete" ? 0 : state == "stopped" ? 1 : 2;
}

double ValueOf(const json& trial) {
  return NumberOf(trial, Rank(trial) == 0 ? "value" : "sample_value");
}

std::string NumberIn(const json& value) {
  return value.is_number_integer() ? value.dump() : fmt::format("{}", value.get<double>());
}

}  // namespace

std::string PointText(const json& trial) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : Member(trial, "parameters").items())
    parts.push_back(fmt::format("{} {}", name, NumberIn(value)));
  if (trial.contains("epochs")) parts.push_back(TextOf(trial, "epochs") + " epochs");
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string TrialText(const json& trial, int64_t n_trials, const std::string& metric, const json& best) {
  const std::string state = TextOf(trial, "state");
  const std::string result = state == "complete" ? fmt::format("{} {}", MetricLabel(metric), MetricText(ValueOf(trial)))
                                                 : fmt::format("{}, {}", state, TextOf(trial, "why"));
  const std::string against =
      best.is_null() ? "" : fmt::format("; best {} of trial {}", MetricText(ValueOf(best)), TextOf(best, "trial"));
  return fmt::format("trial {} of {}: {} ({}; {:.1f} s){}", TextOf(trial, "trial"), n_trials, result, PointText(trial),
                     NumberOf(trial, "seconds"), against);
}

std::vector<json> Ranked(const json& report) {
  std::vector<json> trials = report.at("trials");
  std::ranges::stable_sort(trials, [](const json& a, const json& b) {
    if (Rank(a) != Rank(b)) return Rank(a) < Rank(b);
    return Rank(a) < 2 && ValueOf(a) > ValueOf(b);
  });
  return trials;
}

const char* FirstTrialText(const json& report) {
  return report.value("first_is_defaults", true) ? "train's defaults" : "the settings next to train's defaults";
}

std::string TuneText(const json& report) {
  const std::vector<json> trials = Ranked(report);
  const bool has_epochs = report["best"].contains("epochs");
  std::vector<std::vector<std::string>> rows = {{"trial", TextOf(report, "metric")}};
  for (const json& parameter : report["space"]) rows[0].push_back(TextOf(parameter, "name"));
  if (has_epochs) rows[0].emplace_back("epochs");
  rows[0].emplace_back("seconds");
  rows[0].emplace_back("");
  for (const json& trial : trials) {
    std::vector<std::string> row = {TextOf(trial, "trial"), MetricText(ValueOf(trial))};
    for (const json& parameter : report["space"])
      row.push_back(NumberIn(trial["parameters"][TextOf(parameter, "name")]));
    if (has_epochs) row.push_back(TextOf(trial, "epochs"));
    row.push_back(fmt::format("{:.1f}", NumberOf(trial, "seconds")));
    row.push_back(Rank(trial) == 0 ? trial["trial"] == 1 ? FirstTrialText(report) : ""
                                   : fmt::format("{}: {}", TextOf(trial, "state"), TextOf(trial, "why")));
    rows.push_back(std::move(row));
  }
  std::string text = fmt::format("{} on {}: {} trials by {} of {} users\n", TextOf(report, "algorithm"),
                                 TextOf(report["dataset"], "path"), trials.size(),
                                 MetricLabel(TextOf(report, "metric")), CountOf(report["slice"], "n_users"));
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (size_t c = 0; c + 1 < row.size(); ++c) {
      size_t width = 0;
      for (const std::vector<std::string>& other : rows) width = std::max(width, other[c].size());
      line += fmt::format("  {:>{}}", row[c], width);
    }
    text += line + (row.back().empty() ? "" : "  " + row.back()) + "\n";
  }
  if (report.contains("fell_back")) text += "on the CPU: " + TextOf(report, "fell_back") + "\n";
  return text + fmt::format("{} has trial {}: kindred train {} --model MODEL --config {}\n", TextOf(report, "out"),
                            TextOf(report["best"], "trial"), TextOf(report["dataset"], "path"), TextOf(report, "out"));
}

std::string TunedToml(const json& report, const std::vector<ConfigFlag>& config) {
  const json& best = report["best"];
  const json& first = report["trials"][0];
  const std::string defaults =
      Rank(first) == 0 ? fmt::format("; {} have {:.6f}", FirstTrialText(report), ValueOf(first)) : std::string();
  std::string text = fmt::format(
      "# kindred {} tune: {} on {}\n"
      "# dataset {}\n"
      "# {} {:.6f} of trial {}, the best of {}{}\n"
      "# on a validation slice of the training events: {} items of {} users; seed {}\n"
      "# kindred train DATASET --model MODEL --config FILE\n",
      TextOf(report, "kindred_version"), TextOf(report, "algorithm"), Printable(TextOf(report["dataset"], "path"), 400),
      TextOf(report["dataset"], "digest"), TextOf(report, "metric"), ValueOf(best), TextOf(best, "trial"),
      report["trials"].size(), defaults, TextOf(report["slice"], "n_pairs"), TextOf(report["slice"], "n_users"),
      TextOf(report, "seed"));
  text += fmt::format("algorithm = {}\n", TomlText(TextOf(report, "algorithm")));
  for (const json& parameter : report["space"]) {
    const std::string name = TextOf(parameter, "name");
    text += fmt::format("{} = {}\n", name, TomlText(NumberIn(best["parameters"][name])));
  }
  if (best.contains("epochs")) text += fmt::format("epochs = {}\n", TextOf(best, "epochs"));
  text += fmt::format("seed = {}\n", TomlText(TextOf(report, "seed")));
  for (const ConfigFlag& flag : config) {
    std::vector<std::string> values;
    for (const std::string& value : flag.values) values.push_back(TomlText(value));
    text += flag.is_list ? fmt::format("{} = [{}]\n", flag.name, fmt::join(values, ", "))
                         : fmt::format("{} = {}\n", flag.name, values[0]);
  }
  return text;
}

}  // namespace kindred
