// Days on which the events of a source are many more or many fewer than around: campaigns, outages, robots, exports
// that were cut or read twice. Segments computed from such days may say more about them than about users.
//
// With y = ln(1 + events of the day), a day is compared with the days of the same weekday up to four weeks before and
// behind (with all within two weeks, where there are less than four of those):
//
//   z = (y - median) / max(1.4826 x median absolute deviation, e^(-median / 2), kLeastSpread)
//
// the second being how far a count of that size is off by chance. A day is a jump or a drop where |z| >= 5, which
// kLeastSpread makes at least twice or half of what was expected, e^median - 1, and where the events are at least
// kUnusualEvents off. The first and the last day may not be whole and are no drops.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/events.h"

namespace kindred {

inline constexpr double kLeastSpread = 0.15;
inline constexpr int64_t kUnusualEvents = 50;
inline constexpr int64_t kMostDays = 3660;

struct DailyCounts {
  std::string source;           // "all events", or the type of event
  int64_t first_day = 0;        // from 1970-01-01
  std::vector<int64_t> counts;  // of each day from then on
};
/// All events, and those of each type where there are two types or more, up to the day of `reference` (unix seconds)
/// and at most kMostDays of them. Empty without times.
std::vector<DailyCounts> CountDays(const EventsView& events, int64_t reference);

struct Anomaly {
  std::string source;
  int64_t day = 0;
  int64_t n_events = 0;
  double expected = 0;
  double z = 0;
};
/// Those of all sources with the largest |z|, at most `most`.
std::vector<Anomaly> FindAnomalies(std::span<const DailyCounts> sources, size_t most = 10);

/// [{"source", "day", "n_events", "expected", "z"}]: the member "anomalies" of the audit.
nlohmann::json AnomaliesJson(std::span<const Anomaly> anomalies);

}  // namespace kindred
