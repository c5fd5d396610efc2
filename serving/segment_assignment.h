// Placing somebody whom a version of segments has not seen, or has not seen do this. No gRPC types.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "serving/segment_watcher.h"

namespace kindred {

inline constexpr int kMaxEvents = 10000;
inline constexpr int kMaxFeatureValues = 4096;
inline constexpr float kMaxEventValue = 1e9f;
/// How much later than now an event may be: clocks differ.
inline constexpr int64_t kMaxClockSkew = 300;

/// Views into a request.
struct GivenEvent {
  std::string_view item_id;
  std::string_view type = {};
  std::optional<int64_t> time = {};  // unix seconds
  std::optional<float> value = {};   // unset: 1
};

struct EventsQuery {
  std::string_view user_id = {};  // empty: of nobody the version has
  std::vector<GivenEvent> events = {};
  std::optional<int64_t> reference = {};  // unset: the later of the version's and the last of these events
  bool only_these_events = false;
};

struct AssignedUser {
  UserSegments segments;
  int64_t reference = 0;
  bool known = false;                                // the version has the user
  int64_t n_stored = 0, n_given = 0;                 // events that count
  int64_t n_later = 0;                               // than the reference: left out
  std::vector<std::string_view> unknown_items = {};  // views into the query
};

/// What AssignEvents of proto/kindred/v1/segments.proto says. `now` is unix seconds. Throws kInvalidArgument naming the
/// field, what was found and what was expected.
AssignedUser AssignEvents(const ServedSegments& served, const EventsQuery& query, int64_t now);

/// Likewise AssignFeatures: values by the names of SegmentCatalogue.
UserSegments AssignFeatures(const ServedSegments& served, const std::map<std::string_view, double>& features);

}  // namespace kindred
