#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "host/data_report/calendar.h"
#include "host/data_report/data_figures.h"
#include "host/data_report/data_report.h"
#include "host/data_report/data_report_charts.h"
#include "host/data_report/distribution.h"
#include "host/report/format.h"
#include "host/report/page.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr TableColumn::Kind kNumber = TableColumn::kNumber, kCode = TableColumn::kCode, kText = TableColumn::kText;

int64_t Count(const json& from, const char* name) {
  return from[name].is_number() ? from[name].get<int64_t>() : 0;
}

double Part(double n, double of) {
  return of > 0 ? n / of : 0;
}

std::string CountCell(const json& from, const char* name) {
  return from[name].is_number() ? CountText(from[name].get<int64_t>()) : "";
}

std::string TextCell(const json& from, const char* name) {
  return from[name].is_string() ? from[name].get<std::string>() : "";
}

/// The part in percent, with a bar.
TableCell ShareCell(double part) {
  return {PercentText(part), part};
}

/// The day of a moment; no line ends within it.
std::string Day(int64_t seconds) {
  std::string text;
  for (const char c : MomentText(seconds).substr(0, 10)) text += c == '-' ? "\xE2\x80\x91" : std::string(1, c);
  return text;
}

std::string TilesOf(const json& report) {
  const double n_events = report["n_events"];
  std::vector<Tile> tiles = {
      {"events", CountText(Count(report, "n_events")),
       fmt::format("{} a user on average", NumberText(Part(n_events, report["n_users"])))},
      {"users", CountText(Count(report, "n_users"))},
      {"items", CountText(Count(report, "n_items"))},
      {"entries", CountText(Count(report, "n_entries")), "different pairs of user and item"},
      {"density", PercentText(report["density"]), "of all pairs of user and item"},
  };
  if (!report["users"]["events"].is_null())
    tiles[1].note = fmt::format("half have {} events or fewer", CountText(Count(report["users"]["events"], "median")));
  if (!report["items"]["events"].is_null())
    tiles[2].note = fmt::format("half have {} events or fewer", CountText(Count(report["items"]["events"], "median")));
  if (const json& times = report["times"]; !times.is_null() && !times["middle"].is_null())
    tiles.push_back({"days", CountText(Count(times, "n_days")),
                     fmt::format("{} to {}", Day(report["time_range"][0]), Day(report["time_range"][1]))});
  tiles.push_back({"repeated events", CountText(Count(report, "n_repeated_events")),
                   fmt::format("{} of all: {} of another", PercentText(Part(report["n_repeated_events"], n_events)),
                               RepeatedParts(report))});
  if (report["n_bad_rows"].is_number())
    tiles.push_back({"bad rows", CountText(Count(report, "n_bad_rows")),
                     report["n_rows"].is_number() ? fmt::format("of {} rows", CountCell(report, "n_rows")) : ""});
  return TilesHtml(tiles);
}

std::string TypesOf(const json& report) {
  Table table = {"Types of event",
                 {{"type"},
                  {"events", kNumber},
                  {"share", kNumber},
                  {"users", kNumber},
                  {"items", kNumber},
                  {"mean value", kNumber}},
                 {}};
  for (const json& type : report["event_types"])
    table.rows.push_back({TextCell(type, "name"), CountCell(type, "n_events"),
                          ShareCell(Part(type["n_events"], report["n_events"])), CountCell(type, "n_users"),
                          CountCell(type, "n_items"),
                          type["mean_value"].is_number() ? NumberText(type["mean_value"]) : ""});
  return table.rows.empty() ? "" : TableHtml(table);
}

std::string VolumeOf(const json& report) {
  if (report["times"].is_null()) return SectionHtml("Events", "The export has no times.", TypesOf(report));
  if (report["times"]["weeks"].empty()) return SectionHtml("Events", "No time has a date.", TypesOf(report));
  std::string note;
  const std::string charts = VolumeChartsHtml(report, &note);
  return SectionHtml("Events over time", note, charts + TypesOf(report)) +
         SectionHtml("In the week", "", WeekdayChartHtml(report["times"]));
}

/// What users, items and values have: a row of quantiles each.
std::string SpreadOf(const json& report) {
  Table table = {"", {{"each"}}, {}};
  for (const NamedPercentile& at : kPercentiles) table.columns.push_back({at.name, kNumber});
  table.columns.push_back({"mean", kNumber});
  const auto add = [&](const char* name, const json& quantiles) {
    if (quantiles.is_null()) return;
    table.rows.push_back({name});
    for (const NamedPercentile& at : kPercentiles) table.rows.back().emplace_back(NumberText(quantiles[at.name]));
    table.rows.back().emplace_back(NumberText(quantiles["mean"]));
  };
  add("events of a user", report["users"]["events"]);
  add("items of a user", report["users"]["entries"]);
  add("events of an item", report["items"]["events"]);
  add("users of an item", report["items"]["entries"]);
  add("value of an event", report["values"]);
  return TableHtml(table);
}

std::string ConcentrationOf(const json& report) {
  Table table = {"", {{""}, {"users", kNumber}, {"items", kNumber}}, {}};
  const json& users = report["users"];
  const json& items = report["items"];
  const auto add = [&](const char* name, auto text) { table.rows.push_back({name, text(users), text(items)}); };
  add("with one event only", [](const json& side) { return CountCell(side, "n_with_one_event"); });
  add("with one entry only", [](const json& side) { return CountCell(side, "n_with_one_entry"); });
  add("with half of all events", [](const json& side) { return CountCell(side, "n_with_half"); });
  add("share of the top 1 %", [](const json& side) { return PercentText(side["top_1_percent_share"]); });
  add("share of the top 10 %", [](const json& side) { return PercentText(side["top_10_percent_share"]); });
  add("Gini coefficient", [](const json& side) { return NumberText(side["gini"]); });
  return TableHtml(table);
}

std::string DegreesOf(const json& report) {
  if (report["users"]["tail"].empty()) return "";
  return SectionHtml("How much each has",
                     "Percentiles are nearest ranks: p90 is the least number that at least 90 % do not exceed.",
                     SpreadOf(report) + BesideHtml({TailChartHtml(report), ConcentrationOf(report)}));
}

std::string TopOf(const json& report) {
  std::vector<std::string> tables;
  for (const auto& [side, one, other] : {std::tuple("items", "item", "users"), {"users", "user", "items"}}) {
    Table table = {fmt::format("{} with most events", side),
                   {{one, kText}, {"events", kNumber}, {"share", kNumber}, {other, kNumber}},
                   {}};
    table.caption[0] = side[0] == 'i' ? 'I' : 'U';
    const json& top = report[side]["top"];
    const double largest = top.empty() ? 1 : top[0]["share"].get<double>();
    for (const json& entry : top)
      table.rows.push_back({TextCell(entry, "id"), CountCell(entry, "n_events"),
                            TableCell(PercentText(entry["share"]), Part(entry["share"], largest)),
                            CountCell(entry, "n_entries")});
    tables.push_back(TableHtml(table));
  }
  return SectionHtml("Who has most", "Bars are relative to the first.", BesideHtml(tables));
}

std::string SetAsideOf(const json& report) {
  const double n_rows = static_cast<double>(Count(report, "n_rows"));
  Table table = {"", {{"what"}, {"rows", kNumber}, {"of all rows", kNumber}}, {}};
  const auto add = [&](const std::string& name, const json& n) {
    if (n.is_number() && n != 0) table.rows.push_back({name, CountText(n), ShareCell(Part(n, n_rows))});
  };
  for (const auto& [reason, n] : report["bad_rows"].items()) add("bad: " + reason, n);
  add("left out by the filter", report["n_filtered"]);
  add("with an event id that was there already", report["n_duplicates"]);
  return SectionHtml("What was set aside, and why", table.rows.empty() ? "Nothing." : "",
                     table.rows.empty() ? "" : TableHtml(table));
}

std::string OriginOf(const json& report) {
  Table sources = {"Files", {{"path", kCode}, {"SHA-256", kCode}, {"size", kNumber}}, {}};
  for (const json& source : report["sources"])
    sources.rows.push_back({TextCell(source, "path"), TextCell(source, "sha256"),
                            source["bytes"].is_number() ? BytesText(source["bytes"]) : ""});
  Table settings = {"How they were read", {{"setting"}, {"value"}}, {}};
  for (const auto& [name, value] : report["reader"].items()) settings.rows.push_back({name, value.get<std::string>()});
  std::string html;
  if (!sources.rows.empty()) html += TableHtml(sources);
  if (!settings.rows.empty()) html += TableHtml(settings);
  return html.empty() ? "" : SectionHtml("Where it comes from", "", html);
}

std::string AttributesOf(const json& report) {
  std::string html;
  for (const auto& [columns, rows] : {std::pair("item_columns", "n_items"), {"user_columns", "n_users"}}) {
    Table table = {columns == std::string("item_columns") ? "Of items" : "Of users",
                   {{"attribute"}, {"type"}, {"missing", kNumber}, {"share missing", kNumber}, {"different", kNumber}},
                   {}};
    for (const json& column : report[columns])
      table.rows.push_back({TextCell(column, "name"),
                            TextCell(column, "type") + (column["inferred"] == true ? " (guessed)" : ""),
                            CountCell(column, "n_missing"),
                            column["n_missing"].is_number() ? ShareCell(Part(column["n_missing"], report[rows])) : "",
                            CountCell(column, "n_distinct")});
    if (!table.rows.empty()) html += TableHtml(table);
  }
  std::string unmatched;
  for (const auto& [what, n] : report["unmatched"].items())
    unmatched += fmt::format("{}{} {}", unmatched.empty() ? "" : ", ", CountText(n), what);
  return html.empty() ? "" : SectionHtml("Attributes", unmatched.empty() ? "" : unmatched + ".", html);
}

}  // namespace

std::string DataReportHtml(const json& report) {
  std::vector<std::string> warnings;
  for (const json& warning : report["warnings"]) warnings.push_back(TextCell(warning, "message"));
  Page page = {"Data report", TextCell(report, "dataset"), {}, {}};
  page.html = NoticesHtml("Worth a look", warnings) + TilesOf(report) + VolumeOf(report) + DegreesOf(report) +
              TopOf(report) + AttributesOf(report) + SetAsideOf(report) + OriginOf(report);
  page.origin = {
      fmt::format("dataset {}", TextCell(report, "digest")),
      fmt::format("made {} by kindred {}", TextCell(report, "created_at"), TextCell(report, "kindred_version"))};
  return PageHtml(page);
}

}  // namespace kindred
