#include "host/data_report/data_report.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "host/data_report/calendar.h"
#include "host/data_report/data_figures.h"
#include "host/text/field_values.h"
#include "host/text/text.h"
#include "kernels/cpu/parallel.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr size_t kMaxTextBytes = 4096;

/// A text as it may be shown; null for what is none: manifests outlive the program that wrote them.
json Text(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? json(Printable(found->get<std::string>(), kMaxTextBytes))
                                                     : json();
}

json Count(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? *found : json();
}

/// Members of the member that are counts: {reason: count, ...}.
json Counts(const json& object, const char* name) {
  json out = json::object();
  const auto found = object.find(name);
  if (found == object.end() || !found->is_object()) return out;
  for (const auto& [key, n] : found->items())
    if (n.is_number_integer()) out[Printable(key, kMaxTextBytes)] = n;
  return out;
}

/// The objects of the member that is an array, reduced to members that are texts and counts.
json Objects(const json& object, const char* name, const std::vector<const char*>& texts,
             const std::vector<const char*>& counts) {
  json out = json::array();
  const auto found = object.find(name);
  if (found == object.end() || !found->is_array()) return out;
  for (const json& entry : *found) {
    if (!entry.is_object()) continue;
    json kept;
    for (const char* text : texts) kept[text] = Text(entry, text);
    for (const char* count : counts) kept[count] = Count(entry, count);
    out.push_back(std::move(kept));
  }
  return out;
}

/// How the export was read: what was said, as texts.
json Settings(const json& manifest) {
  json out = json::object();
  const auto reader = manifest.find("reader");
  if (reader == manifest.end() || !reader->is_object()) return out;
  for (const auto& [name, value] : reader->items())
    if (!value.is_null())
      out[Printable(name)] = Printable(value.is_string() ? value.get<std::string>() : value.dump(), kMaxTextBytes);
  return out;
}

json Origin(const json& manifest) {
  json out;
  for (const char* text : {"created_at", "kindred_version"}) out[text] = Text(manifest, text);
  for (const char* count : {"n_files", "n_rows", "n_bad_rows", "n_bad_events", "n_filtered", "n_duplicates"})
    out[count] = Count(manifest, count);
  for (const char* counts : {"bad_rows", "unmatched"}) out[counts] = Counts(manifest, counts);
  out["reader"] = Settings(manifest);
  out["sources"] = Objects(manifest, "sources", {"path", "sha256"}, {"bytes"});
  for (const char* columns : {"item_columns", "user_columns"})
    out[columns] = Objects(manifest, columns, {"name", "type"}, {"n_missing", "n_distinct"});
  out["near_types"] = json::array();
  const auto tables = manifest.find("tables");
  if (tables == manifest.end() || !tables->is_object()) return out;
  for (const auto& [side, table] : tables->items())
    if (table.is_object())
      for (json& near : Objects(table, "near_types", {"column", "file", "text", "before"}, {"line"})) {
        near["table"] = Printable(side);
        out["near_types"].push_back(std::move(near));
      }
  return out;
}

/// Says of each column whether its type was stated or guessed.
void AddGuesses(const AttributeTable& table, json& columns) {
  for (size_t k = 0; k < columns.size(); ++k) columns[k]["inferred"] = table.columns()[k].inferred;
}

/// A day behind the dataset's making, as times without a zone may be those of any.
int64_t Now(const json& created_at) {
  int64_t seconds = 0;
  if (!created_at.is_string() || ParseTime(created_at.get_ref<const std::string&>(), &seconds) != nullptr)
    return std::numeric_limits<int64_t>::max();
  return seconds + kSecondsOfDay;
}

json TimeRange(std::span<const int64_t> times) {
  if (times.empty()) return nullptr;
  const auto [first, last] = std::minmax_element(times.begin(), times.end());
  return {*first, *last};
}

}  // namespace

json DataReport(const Dataset& dataset) {
  const EventsView& events = dataset.events();
  json report = Origin(dataset.manifest());
  json degrees, types, values, repeated, times;
  // Every task reads columns of its own, from end to end: nothing is merged and nothing depends on the threads.
  const std::vector<std::function<void()>> tasks = {
      [&] { degrees = DegreeFigures(dataset); }, [&] { times = TimeFigures(dataset, Now(report["created_at"])); },
      [&] { types = TypeFigures(dataset); },     [&] { repeated = RepeatedEvents(events); },
      [&] { values = ValueFigures(events); },
  };
  ThreadPool pool;
  pool.Run(static_cast<int64_t>(tasks.size()), pool.n_threads(), [&](int64_t task, int) { tasks[task](); });

  AddGuesses(dataset.item_attributes(), report["item_columns"]);
  AddGuesses(dataset.user_attributes(), report["user_columns"]);
  report["weighting"] = WeightingJson(dataset.weighting());
  report["dataset"] = Printable(dataset.path().string(), kMaxTextBytes);
  report["digest"] = dataset.digest();
  report["n_events"] = events.size();
  report["n_users"] = events.n_users();
  report["n_items"] = dataset.items().size();
  report["n_repeated_events"] = std::move(repeated);
  report["time_range"] = TimeRange(events.times);
  report["event_types"] = std::move(types);
  report["values"] = std::move(values);
  report["times"] = std::move(times);
  report.update(degrees);
  const double n_pairs = report["n_users"].get<double>() * report["n_items"].get<double>();
  report["density"] = n_pairs > 0 ? report["n_entries"].get<double>() / n_pairs : 0;
  report["warnings"] = DataWarnings(report);
  return report;
}

}  // namespace kindred
