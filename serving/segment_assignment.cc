#include "serving/segment_assignment.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <unordered_set>

#include "host/text/text.h"
#include "kernels/error.h"
#include "serving/live_items.h"

namespace kindred {
namespace {

[[noreturn]] void Refuse(const std::string& place, const std::string& wrong) {
  throw Error(ErrorCode::kInvalidArgument, place + ": " + wrong);
}

/// A user's events as columns; those that the version's do not have are empty.
struct EventColumns {
  std::vector<int32_t> items;
  std::vector<float> values;
  std::vector<int64_t> times;
  std::vector<uint8_t> types;

  UserEvents view() const { return {items, values, times, types}; }

  void Add(const UserEvents& from, size_t i) {
    items.push_back(from.items[i]);
    values.push_back(from.values.empty() ? 1 : from.values[i]);
    if (!from.times.empty()) times.push_back(from.times[i]);
    if (!from.types.empty()) types.push_back(from.types[i]);
  }
};

/// The index of the type.
uint8_t ReadType(const EventsView& stored, const GivenEvent& event, const std::string& place) {
  const auto found = std::ranges::find(stored.type_names, event.type);
  if (found != stored.type_names.end()) return static_cast<uint8_t>(found - stored.type_names.begin());
  const std::vector<std::string_view> known(stored.type_names.begin(), stored.type_names.end());
  Refuse(place + ".type", event.type.empty() ? "is empty, expected a type of event, as the version's have types"
                                             : fmt::format("no events are of type '{}'{}", Printable(event.type),
                                                           NearestText(event.type, known)));
}

/// In their order.
EventColumns ReadEvents(const SegmentModel& model, const EventsQuery& query, int64_t latest,
                        std::vector<std::string_view>* unknown_items) {
  const EventsView& stored = model.events();
  EventColumns columns;
  std::unordered_set<std::string_view> unknown;
  for (size_t i = 0; i < query.events.size(); ++i) {
    const GivenEvent& event = query.events[i];
    const std::string place = fmt::format("events[{}]", i);
    if (event.item_id.empty()) Refuse(place + ".item_id", "is empty, expected an item id");
    if (event.item_id.size() > static_cast<size_t>(kMaxItemIdBytes))
      Refuse(place + ".item_id",
             fmt::format("has {} bytes, expected at most {}", event.item_id.size(), kMaxItemIdBytes));
    columns.items.push_back(model.items().Find(event.item_id));
    if (columns.items.back() < 0 && unknown.insert(event.item_id).second) unknown_items->push_back(event.item_id);
    if (!stored.types.empty())
      columns.types.push_back(ReadType(stored, event, place));
    else if (!event.type.empty())
      Refuse(place + ".type", fmt::format("is '{}', but the version's events have no types", Printable(event.type)));
    if (stored.times.empty() && event.time) Refuse(place + ".time", "is set, but the version's events have no times");
    if (!stored.times.empty()) {
      if (!event.time) Refuse(place + ".time", "is not set, expected a time, as the version's events have times");
      if (*event.time > latest)
        Refuse(
            place + ".time",
            fmt::format("is {} s later than {}, which did not happen yet; expected at most {} s",
                        *event.time - latest + kMaxClockSkew,
                        latest - kMaxClockSkew > model.reference() ? "now" : "the version's reference", kMaxClockSkew));
      columns.times.push_back(*event.time);
    }
    const float value = event.value.value_or(1);
    if (!(std::fabs(value) <= kMaxEventValue))
      Refuse(place + ".value", fmt::format("is {}, expected a number from -1e9 to 1e9", value));
    columns.values.push_back(value);
  }
  return columns;
}

/// Both by time; of one time the stored ones first, then in the order given. Those behind the reference are counted.
EventColumns MergeByTime(const UserEvents& stored, const UserEvents& given, int64_t reference, AssignedUser* assigned) {
  const bool has_times = !given.times.empty() || !stored.times.empty();
  std::vector<size_t> order(given.items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  if (!given.times.empty()) std::ranges::stable_sort(order, {}, [&](size_t i) { return given.times[i]; });
  EventColumns merged;
  const auto add = [&](const UserEvents& from, size_t i, int64_t* n) {
    if (has_times && from.times[i] > reference) {
      ++assigned->n_later;
      return;
    }
    merged.Add(from, i);
    ++*n;
  };
  size_t next = 0;
  for (size_t i = 0; i < stored.items.size(); ++i) {
    while (has_times && next < order.size() && given.times[order[next]] < stored.times[i])
      add(given, order[next++], &assigned->n_given);
    add(stored, i, &assigned->n_stored);
  }
  while (next < order.size()) add(given, order[next++], &assigned->n_given);
  return merged;
}

}  // namespace

AssignedUser AssignEvents(const ServedSegments& served, const EventsQuery& query, int64_t now) {
  const SegmentModel& model = *served.model;
  if (std::ssize(query.events) > kMaxEvents)
    Refuse("events", fmt::format("has {} entries, expected at most {}", query.events.size(), kMaxEvents));
  const int64_t user = query.user_id.empty() ? -1 : model.users().Find(query.user_id);
  if (query.events.empty() && user < 0) Refuse("events", "is empty, expected one, as the version has no such user");
  if (query.events.empty() && query.only_these_events)
    Refuse("events", "is empty, expected one, as no others are to count");

  AssignedUser assigned;
  assigned.known = user >= 0;
  const int64_t latest = std::max(now, model.reference()) + kMaxClockSkew;
  const EventColumns given = ReadEvents(model, query, latest, &assigned.unknown_items);
  assigned.reference = model.reference();
  for (const int64_t time : given.times) assigned.reference = std::max(assigned.reference, time);
  if (query.reference) assigned.reference = *query.reference;
  const UserEvents stored = user >= 0 && !query.only_these_events ? EventsOf(model.events(), user) : UserEvents{};
  const EventColumns events = MergeByTime(stored, given.view(), assigned.reference, &assigned);
  assigned.segments = model.Assign(events.view(), user, assigned.reference);
  return assigned;
}

UserSegments AssignFeatures(const ServedSegments& served, const std::map<std::string_view, double>& features) {
  if (features.empty()) Refuse("features", "is empty, expected at least one value");
  if (std::ssize(features) > kMaxFeatureValues)
    Refuse("features", fmt::format("has {} entries, expected at most {}", features.size(), kMaxFeatureValues));
  std::vector<double> values(served.catalogue.features().size(), std::numeric_limits<double>::quiet_NaN());
  for (const auto& [name, value] : features) {
    const int64_t feature = served.catalogue.FindFeature("features", name);
    if (!std::isfinite(value))
      Refuse(fmt::format("features[\"{}\"]", Printable(name)),
             fmt::format("found {}; expected a finite number, and no entry where the value is missing", value));
    values[static_cast<size_t>(feature)] = value;
  }
  return served.model->AssignFeatures(values);
}

}  // namespace kindred
