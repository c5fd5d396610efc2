// The parts of a data report (host/data_report/data_report.h), each from the columns it needs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/dataset.h"

namespace kindred {

/// An event's type is one byte; a manifest that names more has types without events.
inline constexpr size_t kMaxEventTypes = 256;

/// Members "users", "items" and "n_entries": degrees, their concentration, and who has most.
nlohmann::json DegreeFigures(const Dataset& dataset);

/// One object an event type: name, events, users, items, and the values' mean.
nlohmann::json TypeFigures(const Dataset& dataset);

/// Quantiles, mean and sum of the values, and how many are 0.
nlohmann::json ValueFigures(const EventsView& events);

/// How many events repeat another one: the same user, item and, where there are any, type and time.
int64_t RepeatedEvents(const EventsView& events);

/// In what such events agree: "user, item and time".
std::string RepeatedParts(const nlohmann::json& report);

/// Days, weeks, weekdays and hours; null without times. Times later than `now` (unix seconds) are counted as in the
/// future.
nlohmann::json TimeFigures(const Dataset& dataset, int64_t now);

/// What deserves attention in a report that has all else: [{"kind", "message"}, ...], gravest first.
nlohmann::json DataWarnings(const nlohmann::json& report);

}  // namespace kindred
