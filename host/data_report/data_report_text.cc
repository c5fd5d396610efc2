#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <string>
#include <utility>

#include "host/data_report/calendar.h"
#include "host/data_report/data_figures.h"
#include "host/data_report/data_report.h"
#include "host/data_report/distribution.h"
#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

template <class... Args>
void Line(std::string& text, const char* label, fmt::format_string<Args...> form, Args&&... args) {
  fmt::format_to(std::back_inserter(text), "{:<9} ", label);
  fmt::format_to(std::back_inserter(text), form, std::forward<Args>(args)...);
  text += '\n';
}

int64_t Count(const json& report, const char* name) {
  return report[name].is_number() ? report[name].get<int64_t>() : 0;
}

void AddCounts(std::string& text, const json& report) {
  if (report["n_rows"].is_number() && report["n_files"].is_number())
    Line(text, "read", "{} rows of {} file{}", Count(report, "n_rows"), Count(report, "n_files"),
         Count(report, "n_files") == 1 ? "" : "s");
  for (const char* what : {"events", "users", "items"})
    Line(text, what, "{}", Count(report, (std::string("n_") + what).c_str()));
  Line(text, "entries", "{} different pairs, density {:.4g} %", Count(report, "n_entries"),
       100 * report["density"].get<double>());
  if (Count(report, "n_repeated_events") > 0)
    Line(text, "repeated", "{} events have the {} of another", Count(report, "n_repeated_events"),
         RepeatedParts(report));
}

void AddTimes(std::string& text, const json& report) {
  if (report["time_range"].is_null()) return;
  Line(text, "times", "{} to {} UTC", MomentText(report["time_range"][0]), MomentText(report["time_range"][1]));
  const json& weeks = report["times"]["weeks"];
  if (weeks.empty()) return;
  const json *least = &weeks[0], *most = &weeks[0];
  for (const json& week : weeks) {
    if (week["n_events"] < (*least)["n_events"]) least = &week;
    if (week["n_events"] > (*most)["n_events"]) most = &week;
  }
  Line(text, "weeks", "{} with events: from {} in {} to {} in {}", weeks.size(), Count(*least, "n_events"),
       (*least)["week"].get<std::string>(), Count(*most, "n_events"), (*most)["week"].get<std::string>());
}

void AddTypes(std::string& text, const json& report) {
  const char* label = "types";
  for (const json& type : report["event_types"])
    Line(text, std::exchange(label, ""), "{} {}", Count(type, "n_events"), type["name"].get<std::string>());
}

void AddDegrees(std::string& text, const json& report) {
  if (report["users"]["events"].is_null() || report["items"]["events"].is_null()) return;
  std::string head;
  for (const NamedPercentile& at : kPercentiles) head += fmt::format("{:>9}", at.name);
  Line(text, "spread", "events of{}{:>9}", head, "mean");
  for (const auto& [side, one] : {std::pair("users", "a user"), {"items", "an item"}}) {
    const json& quantiles = report[side]["events"];
    std::string row;
    for (const NamedPercentile& at : kPercentiles) row += fmt::format("{:>9}", Count(quantiles, at.name));
    Line(text, "", "{:<9}{}{:>9.1f}", one, row, quantiles["mean"].get<double>());
  }
  Line(text, "", "{} of the items have half of the events, the first 1 % have {:.1f} %, Gini {:.2f}",
       Count(report["items"], "n_with_half"), 100 * report["items"]["top_1_percent_share"].get<double>(),
       report["items"]["gini"].get<double>());
}

/// What one event counts, in the words of the flags.
void AddWeighting(std::string& text, const json& weighting) {
  std::string said;
  const auto add = [&](const std::string& part) { said += (said.empty() ? "" : "; ") + part; };
  if (weighting["event_weights"].is_object()) {
    std::string weights;
    for (const auto& [type, weight] : weighting["event_weights"].items())
      weights += fmt::format("{}{} {:g}", weights.empty() ? "" : ", ", Printable(type), weight.get<double>());
    add(weights);
  }
  if (weighting["value_cap"].is_number()) add(fmt::format("values up to {:g}", weighting["value_cap"].get<double>()));
  if (weighting["confidence_cap"].is_number())
    add(fmt::format("sums up to {:g}", weighting["confidence_cap"].get<double>()));
  if (weighting["half_life_seconds"].is_number())
    add(fmt::format("half for each {:g} days before the last", weighting["half_life_seconds"].get<double>() / 86400));
  if (!said.empty()) Line(text, "weights", "{}", said);
}

void AddAttributes(std::string& text, const json& report) {
  for (const auto& [columns, label] : {std::pair("item_columns", "item data"), {"user_columns", "user data"}}) {
    std::string said;
    for (const json& column : report[columns])
      said += fmt::format("{}{} {}{}", said.empty() ? "" : ", ", column["name"].get<std::string>(),
                          column["type"].get<std::string>(), column["inferred"] == true ? " (guessed)" : "");
    if (!said.empty()) Line(text, label, "{}", said);
  }
}

void AddSetAside(std::string& text, const json& report) {
  if (Count(report, "n_filtered") > 0) Line(text, "left out", "{} rows by the filter", Count(report, "n_filtered"));
  if (Count(report, "n_duplicates") > 0)
    Line(text, "doubles", "{} events whose id was there already", Count(report, "n_duplicates"));
  if (Count(report, "n_bad_rows") > 0) {
    const auto file = report.find("bad_rows_file");
    Line(text, "bad rows", "{}{}", Count(report, "n_bad_rows"),
         file != report.end() && file->is_string() ? ", in " + file->get<std::string>() : "");
    for (const auto& [reason, n] : report["bad_rows"].items()) Line(text, "", "{} {}", n.get<int64_t>(), reason);
  }
  const char* label = "unmatched";
  for (const auto& [what, n] : report["unmatched"].items())
    if (n != 0) Line(text, std::exchange(label, ""), "{} {}", n.get<int64_t>(), what);
}

}  // namespace

std::string DataReportText(const json& report) {
  std::string text;
  Line(text, "dataset", "{}", report["dataset"].get<std::string>());
  AddCounts(text, report);
  AddTimes(text, report);
  AddTypes(text, report);
  AddWeighting(text, report["weighting"]);
  AddDegrees(text, report);
  AddAttributes(text, report);
  AddSetAside(text, report);
  const char* label = "look at";
  for (const json& warning : report["warnings"])
    Line(text, std::exchange(label, ""), "{}", warning["message"].get<std::string>());
  return text;
}

}  // namespace kindred
