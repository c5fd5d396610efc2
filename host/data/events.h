// Events: what users did with items, one after another, as columns.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace kindred {

/// Events grouped by user; a user's are in order of time, then of input. The memory is a dataset's, a model's or that
/// of EventArrays.
struct EventsView {
  std::span<const int64_t> indptr = {};  // [n_users + 1]
  std::span<const int32_t> items = {};   // [n_events], as all below
  std::span<const float> values = {};    // finite; empty in a model, which does not keep them
  std::span<const int64_t> times = {};   // unix seconds; empty: no times
  std::span<const uint8_t> types = {};   // indices into type_names; empty: no types
  std::span<const std::string> type_names = {};

  int64_t n_users() const { return indptr.empty() ? 0 : static_cast<int64_t>(indptr.size()) - 1; }
  int64_t size() const { return static_cast<int64_t>(items.size()); }
};

/// The same events, each counting as if its value were 1.
inline EventsView WithoutValues(EventsView events) {
  events.values = {};
  return events;
}

/// The last time of the events that `keep` (per event, or empty for all) has; none where they have no times.
std::optional<int64_t> LastTime(const EventsView& events, std::span<const uint8_t> keep = {});

/// Events that own their columns, all but the values.
struct EventArrays {
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> items;
  std::vector<int64_t> times;
  std::vector<uint8_t> types;
  std::span<const std::string> type_names;  // those of where the events are from

  EventsView view() const { return {indptr, items, {}, times, types, type_names}; }
};

/// The events that `keep` (per event) has, in their order. Cost: one pass.
EventArrays KeepEvents(const EventsView& events, std::span<const uint8_t> keep);

}  // namespace kindred
