#include "training/list_fitting.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "host/models/popular_lists.h"
#include "host/report/format.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr double kDay = 86400;
constexpr double kTrendWindow = 7 * kDay;
constexpr size_t kMostListed = 30;

PopularListOptions ListOptions(const TrainOptions& options) {
  const ListTrainOptions& lists = options.lists;
  PopularListOptions found;
  found.kind = options.algorithm == "latest"     ? ListKind::kLatest
               : options.algorithm == "trending" ? ListKind::kTrending
                                                 : ListKind::kPopular;
  found.window = lists.window.value_or(found.kind == ListKind::kTrending ? kTrendWindow : kNoLimit);
  found.min_events = lists.min_events.value_or(lists.released.empty() ? 1 : 0);
  found.trend_prior = lists.trend_prior.value_or(found.trend_prior);
  found.group_prior = lists.group_prior.value_or(found.group_prior);
  found.min_group_users = lists.min_group_users.value_or(found.min_group_users);
  return found;
}

/// The column of the flag; null where it is not given. `of`: "users" or "items".
const AttributeColumn* ColumnOf(const AttributeTable& table, const std::string& name, AttributeType type,
                                const char* flag, const char* of) {
  if (name.empty()) return nullptr;
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, fmt::format("{} '{}': {}", flag, Printable(name), what));
  };
  if (table.columns().empty())
    refuse(fmt::format("this dataset knows nothing of its {}; prepare it with --{} FILE", of, of));
  if (const int64_t found = table.Find(name); found >= 0) {
    const AttributeColumn& column = table.columns()[static_cast<size_t>(found)];
    if (column.type != type)
      refuse(fmt::format(
          "this attribute of {} is of type {}; expected {}: say columns = {{ {} = \"{}\" }} in the "
          "profile of prepare, if it is one",
          of, AttributeTypeName(column.type), AttributeTypeName(type), Printable(name), AttributeTypeName(type)));
    return &column;
  }
  std::vector<std::string_view> names;
  std::vector<std::string> fitting;
  for (const AttributeColumn& column : table.columns()) {
    names.push_back(column.name);
    if (column.type == type && fitting.size() < kMostListed) fitting.push_back(Printable(column.name));
  }
  const int nearest = NearestName(name, names);
  refuse(fmt::format("there is no such attribute of {}{}; those of type {}: {}", of,
                     nearest < 0 ? "" : fmt::format(" (nearest: '{}')", Printable(names[static_cast<size_t>(nearest)])),
                     AttributeTypeName(type), fitting.empty() ? "none" : fmt::format("{}", fmt::join(fitting, ", "))));
  return nullptr;
}

const AttributeColumn* GroupBy(const TrainOptions& options, const Dataset& dataset) {
  return ColumnOf(dataset.user_attributes(), options.lists.group_by, AttributeType::kCategory, "--group-by", "users");
}

const AttributeColumn* Released(const TrainOptions& options, const Dataset& dataset) {
  return ColumnOf(dataset.item_attributes(), options.lists.released, AttributeType::kTime, "--released", "items");
}

void WarnOfWindow(const PopularListOptions& options, const EventsView& events, const TrainEvents& to) {
  if (!(options.window < kNoLimit) || events.times.empty() || !to.warning) return;
  const auto [first, last] = std::minmax_element(events.times.begin(), events.times.end());
  const double span = static_cast<double>(*last) - static_cast<double>(*first);
  const std::string of_data = fmt::format("the data, which are of {} days", NumberText(span / kDay));
  if (options.window > span)
    to.warning(fmt::format("the window of {} days is longer than {}", NumberText(options.window / kDay), of_data));
  else if (options.kind == ListKind::kTrending && 2 * options.window > span)
    to.warning(
        fmt::format("the window of {} days and the one before are longer than {}: trends compare shares of "
                    "what there is",
                    NumberText(options.window / kDay), of_data));
}

/// The options, as a report has them.
json SettingsJson(const TrainOptions& options, const PopularListOptions& lists) {
  json settings = json::object();
  if (lists.kind != ListKind::kLatest)
    settings["window_seconds"] = lists.window < kNoLimit ? json(lists.window) : json();
  if (lists.kind == ListKind::kTrending) settings["trend_prior"] = lists.trend_prior;
  if (lists.kind == ListKind::kLatest) {
    settings["min_events"] = lists.min_events;
    settings["released"] = options.lists.released.empty() ? json() : json(Printable(options.lists.released));
  }
  if (!options.lists.group_by.empty())
    settings.update({{"group_by", Printable(options.lists.group_by)},
                     {"group_prior", lists.group_prior},
                     {"min_group_users", lists.min_group_users}});
  return settings;
}

}  // namespace

FittedLists FitLists(const Dataset& dataset, std::span<const uint8_t> keep, const EventWeighting& weighting,
                     const TrainOptions& options) {
  const PopularListOptions of = ListOptions(options);
  PopularLists lists = FitPopularLists({.events = dataset.events(),
                                        .weighting = weighting,
                                        .keep = keep,
                                        .n_items = dataset.items().size(),
                                        .group_by = GroupBy(options, dataset),
                                        .released = Released(options, dataset)},
                                       of);
  FittedLists fitted;
  fitted.model = std::move(lists.model);
  fitted.report = SettingsJson(options, of);
  fitted.report["n_active_users"] = lists.n_active_users;
  if (lists.last_time) fitted.report["reference_time"] = *lists.last_time;
  if (options.lists.group_by.empty()) return fitted;
  fitted.attribute = Printable(options.lists.group_by);
  fitted.report.update({{"n_groups", lists.groups.size()},
                        {"n_small_groups", lists.n_small_groups},
                        {"n_left_out_groups", lists.n_left_out_groups}});
  json& groups = fitted.report["groups"] = json::array();
  for (ListGroup& group : lists.groups) {
    groups.push_back({{"group", group.name}, {"n_users", group.n_users}, {"n_active_users", group.n_active_users}});
    fitted.groups.push_back(std::move(group.name));
  }
  return fitted;
}

void CheckLists(const TrainOptions& options, const Dataset& dataset, const TrainEvents& events) {
  const PopularListOptions lists = ListOptions(options);
  CheckListOptions(lists, dataset.events());
  Released(options, dataset);
  const AttributeColumn* group_by = GroupBy(options, dataset);
  if (group_by != nullptr && lists.kind == ListKind::kLatest && lists.min_events == 0)
    throw Error(ErrorCode::kInvalidArgument,
                "--group-by tells groups apart by the events that they have with an item; expected --min-events 1 or "
                "more");
  WarnOfWindow(lists, dataset.events(), events);
  if (group_by == nullptr || !events.warning) return;
  const int64_t n_values = group_by->dictionary.size();
  const std::string name = Printable(group_by->name);
  if (n_values < 2)
    events.warning(fmt::format("users have {} of the attribute '{}': there are no groups to tell apart",
                               n_values == 0 ? "no value" : "one value", name));
  if (n_values > kMostListGroups)
    events.warning(
        fmt::format("the attribute '{}' has {} values: the {} with the most users have lists of their own at "
                    "most, all others get that of all users",
                    name, n_values, kMostListGroups));
}

int64_t MostLists(const TrainOptions& options, const Dataset& dataset) {
  const AttributeColumn* group_by = GroupBy(options, dataset);
  return 1 + (group_by == nullptr ? 0 : std::min(kMostListGroups, group_by->dictionary.size()));
}

}  // namespace kindred
