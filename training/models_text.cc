#include "training/models_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "host/models/other_versions.h"
#include "host/report/format.h"
#include "host/text/text.h"
#include "training/report_values.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kMaxValue = 200;

/// A value of a manifest on one line; "-" for none.
std::string Value(const json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return Printable(value.get<std::string>(), kMaxValue);
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  return Printable(value.dump(-1, ' ', false, json::error_handler_t::replace), kMaxValue);
}

std::string Joined(const json& texts, const char* between = ", ") {
  std::string joined;
  for (const json& text : texts) joined += (joined.empty() ? "" : between) + Value(text);
  return joined;
}

/// "ndcg_at_20 0.1396, recall_at_20 0.1634": what a table has room for.
std::string MainMetrics(const json& metrics) {
  std::string text;
  for (const char* wanted : {"ndcg_at_", "recall_at_"})
    for (const auto& [name, value] : metrics.items())
      if (name.starts_with(wanted) && value.is_number())
        text += fmt::format("{}{} {:.4f}", text.empty() ? "" : ", ", Printable(name), value.get<double>());
  return text.empty() ? "-" : text;
}

/// Columns as wide as their widest cell.
std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) line += fmt::format("{:<{}}  ", row[c], widths[c]);
    line.resize(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

void AddModel(std::string& text, const json& model) {
  const json& versions = model["versions"];
  int64_t bytes = 0;
  for (const json& version : versions) bytes += version["bytes"].get<int64_t>();
  text += fmt::format("{}: {} version{}, {}, current {}\n", model["model"].get<std::string>(), versions.size(),
                      versions.size() == 1 ? "" : "s", BytesText(bytes), Value(model["current"]));
  std::vector<std::vector<std::string>> rows = {{"", "version", "created", "algorithm", "size", "labels", "metrics"}};
  for (const json& version : versions)
    rows.push_back({version["current"].get<bool>() ? "*" : "", Value(version["version"]), Value(version["created_at"]),
                    Value(version["algorithm"]), BytesText(version["bytes"].get<int64_t>()),
                    version["labels"].empty() ? "-" : Joined(version["labels"]), MainMetrics(version["metrics"])});
  text += Table(rows);
  for (const json& version : versions)
    for (const json& problem : version["problems"])
      text += fmt::format("  version {}: {}\n", Value(version["version"]), problem.get<std::string>());
  for (const json& problem : model["problems"]) text += fmt::format("  {}\n", problem.get<std::string>());
  if (!model["others"].empty()) text += fmt::format("  no version: {}\n", Joined(model["others"]));
}

bool IsOfSegments(const json& manifest) {
  return manifest.value("algorithm", json()) == kSegmentsAlgorithm;
}

/// A line for each segment and rule; "" for a model.
std::string Segments(const json& manifest) {
  if (!IsOfSegments(manifest)) return "";
  std::vector<std::vector<std::string>> rows = {{"", "segment", "users", "name"}};
  for (const char* kind : {"segments", "rules"})
    for (const json& one : Member(manifest, kind))
      rows.push_back({"", kind[0] == 's' ? Value(Member(one, "id")) : "rule", Value(Member(one, "size")),
                      Value(Member(one, "name"))});
  return Table(rows);
}

/// A line for each member of the manifest that is not told elsewhere and not null.
std::string Settings(const json& manifest) {
  constexpr std::array<std::string_view, 12> kElsewhere = {
      "/model", "/created_at",  "/kindred_version", "/format", "/kind",       "/epochs",
      "/gate",  "/event_types", "/metrics",         "/data",   "/evaluation", "/last_version"};
  constexpr std::array<std::string_view, 7> kOfSegments = {
      "/algorithm", "/backend", "/dataset", "/n_users", "/n_users_without_events", "/reference", "/seed"};
  std::vector<std::vector<std::string>> rows;
  const json flat = manifest.flatten();
  const bool of_segments = IsOfSegments(manifest);
  for (const auto& [path, value] : flat.items()) {
    const auto is = [&](std::string_view part) {
      return path == part || (path.starts_with(part) && path[part.size()] == '/');
    };
    if (value.is_null() || (of_segments ? std::ranges::none_of(kOfSegments, is) : std::ranges::any_of(kElsewhere, is)))
      continue;
    std::string name = Printable(path.substr(1));
    std::replace(name.begin(), name.end(), '/', '.');
    rows.push_back({"", name, Value(value)});
  }
  return Table(rows);
}

std::string Metrics(const json& manifest) {
  constexpr const char* kBaseline = "popularity_";
  const json metrics = manifest.value("metrics", json());
  std::vector<std::vector<std::string>> rows = {{"", "metric", "value", "popularity"}};
  for (const auto& [name, value] : metrics.items())
    if (metrics.is_object() && !name.starts_with(kBaseline))
      rows.push_back({"", Printable(name), Value(value), Value(metrics.value(kBaseline + name, json()))});
  return rows.size() > 1 ? Table(rows) : "";
}

std::string Gate(const json& manifest) {
  const json gate = manifest.value("gate", json());
  const json conditions = gate.is_object() ? gate.value("conditions", json()) : json();
  std::string text;
  for (const json& condition : conditions)
    if (condition.is_object())
      text += fmt::format("gate   {}: {} is {}\n", Value(condition.value("condition", json())),
                          Value(condition.value("metric", json())), Value(condition.value("found", json())));
  return text;
}

std::string Change(const json& change) {
  if (change["before"].is_null()) return "now " + Value(change["now"]);
  if (change["now"].is_null()) return "no longer " + Value(change["before"]);
  return Value(change["before"]) + " -> " + Value(change["now"]);
}

}  // namespace

std::string StoreText(const json& report) {
  std::string text;
  for (const json& model : report["models"]) {
    if (!text.empty()) text += "\n";
    AddModel(text, model);
  }
  if (report["models"].empty()) text += fmt::format("no models in '{}'\n", report["store"].get<std::string>());
  if (!report["others"].empty()) text += fmt::format("no model: {}\n", Joined(report["others"]));
  return text;
}

std::string VersionText(const json& report) {
  const json& manifest = report["manifest"];
  std::string text = fmt::format("{} version {}{}{}\n", report["model"].get<std::string>(), Value(report["version"]),
                                 report["current"].get<bool>() ? ", current" : "",
                                 report["labels"].empty() ? "" : ", labels: " + Joined(report["labels"]));
  text += fmt::format("made   {} by kindred {}\n", Value(manifest.value("created_at", json())),
                      Value(manifest.value("kindred_version", json())));
  text += fmt::format("files  {} with {} in {}\n", report["files"].size(), BytesText(report["bytes"].get<int64_t>()),
                      report["path"].get<std::string>());
  text += Gate(manifest) + Settings(manifest) + Segments(manifest) + Metrics(manifest);
  for (const json& problem : report["problems"]) text += fmt::format("{}\n", problem.get<std::string>());
  const json& previous = report["previous"];
  if (previous.is_null() || previous["changes"].is_null()) return text;
  if (previous["changes"].empty()) return text + fmt::format("as version {}\n", Value(previous["version"]));
  text += fmt::format("differs from version {} in\n", Value(previous["version"]));
  std::vector<std::vector<std::string>> rows;
  for (const json& change : previous["changes"]) rows.push_back({"", Value(change["setting"]), Change(change)});
  return text + Table(rows);
}

std::string VerifyText(const std::string& model, const json& report) {
  std::string text =
      fmt::format("{} version {}: {}\n", model, Value(report["version"]),
                  report["damages"].empty() ? "whole, " + BytesText(report["bytes"].get<int64_t>()) : "damaged");
  for (const json& damage : report["damages"]) text += fmt::format("  {}\n", damage.get<std::string>());
  return text;
}

std::string RollbackText(const json& report) {
  if (report["from"] == report["to"])
    return fmt::format("{}: version {} is the current one, and whole\n", report["model"].get<std::string>(),
                       Value(report["to"]));
  return fmt::format("{}: current is version {}, no longer {}\n", report["model"].get<std::string>(),
                     Value(report["to"]), report["from"].is_null() ? "unreadable" : Value(report["from"]));
}

std::string LabelText(const json& report) {
  const bool moved = !report["before"].is_null() && report["before"] != report["version"];
  return fmt::format("{}: label {} {}{}\n", report["model"].get<std::string>(), report["label"].get<std::string>(),
                     report["version"].is_null() ? "is removed" : "is version " + Value(report["version"]),
                     moved ? "; it was version " + Value(report["before"]) : "");
}

std::string PruneText(const json& report) {
  std::string text;
  for (const json& version : report["kept"])
    text += fmt::format("keeps    version {} ({})\n", Value(version["version"]), Joined(version["why"]));
  const char* removes = report["dry_run"].get<bool>() ? "would remove" : "removed";
  for (const json& version : report["removed"])
    text += fmt::format("{}  version {}, {}\n", removes, Value(version["version"]),
                        BytesText(version["bytes"].get<int64_t>()));
  if (!report["leftovers"].empty())
    text += fmt::format("{}  what was left behind: {}\n", removes, Joined(report["leftovers"]));
  return text + fmt::format("{}: {} {}\n", report["model"].get<std::string>(),
                            report["dry_run"].get<bool>() ? "would free" : "freed",
                            BytesText(report["bytes"].get<int64_t>()));
}

}  // namespace kindred
