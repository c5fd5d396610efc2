// What events count: from their types, values and times to the confidence of a pair of user and item,
//
//   c = min(confidence_cap, sum over the pair's events of
//           weight(type) * min(value, value_cap) * 2^(-(reference - time) / half_life)).
//
// The reference is the last time of the events that are summed up. So a training that holds out the last week reckons
// from the end of what it sees, and its confidences are as large as those of a training on everything.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/data/events.h"

namespace kindred {

/// Weights by the name of the type; "*" stands for all types that are not named.
using TypeWeights = std::map<std::string, double, std::less<>>;
inline constexpr const char* kOtherTypes = "*";

/// A cap or a half-life that is not there.
inline constexpr double kNoLimit = std::numeric_limits<double>::infinity();
/// The largest weight: what a float32 value and a great many events can be multiplied with.
inline constexpr double kLargestTypeWeight = 1e30;

struct EventWeighting {
  TypeWeights event_weights = {};    // from 0 to kLargestTypeWeight; empty: every event has weight 1
  double value_cap = kNoLimit;       // > 0; of one event's value
  double confidence_cap = kNoLimit;  // > 0; of a pair's sum
  double half_life = kNoLimit;       // > 0; seconds after which an event counts half

  bool operator==(const EventWeighting&) const = default;
  bool decays() const { return half_life < kNoLimit; }
  /// The weight of a type; none where there are weights and it has no part in them.
  std::optional<double> WeightOf(std::string_view type) const;
};

/// Settings in place of others; those that are absent stay.
struct WeightingChanges {
  std::optional<TypeWeights> event_weights = {};
  std::optional<double> value_cap = {}, confidence_cap = {}, half_life = {};

  EventWeighting Of(EventWeighting weighting) const;
};

/// Refuses (kInvalidArgument) numbers out of range and what does not fit the events: a type without a weight, a weight
/// without a type, weights where there are no types, a half-life where there are no times.
void CheckWeighting(const EventWeighting& weighting, std::span<const std::string> event_types, bool has_times);

/// The member "weighting" of a manifest: event_weights, value_cap, confidence_cap, half_life_seconds; each null where
/// it is not there.
nlohmann::json WeightingJson(const EventWeighting& weighting);
/// The same back; null: no weighting. kCorrupt, beginning with `where`, for what is none.
EventWeighting ParseWeighting(const nlohmann::json& json, const std::string& where);

/// "view=1,cart=3", "*=0": each text has one weight or more. Throws kUsage saying what is wrong, also for a type that
/// is there twice.
TypeWeights ParseTypeWeights(std::span<const std::string> texts);
/// A number > 0. Throws kUsage.
double ParseCap(std::string_view text);
/// A number > 0 and its unit: "90s", "15m", "12h", "30d", "2w". Returns seconds. Throws kUsage.
double ParseDuration(std::string_view text);

/// What each event counts; where events have no values, as if these were 1. Views the memory of the events.
class EventWeights {
 public:
  /// Throws as CheckWeighting does. `reference`: a time that no event asked for lies behind.
  EventWeights(const EventWeighting& weighting, const EventsView& events, std::optional<int64_t> reference);

  /// What the event adds to its pair; 0 where that is less than a double holds.
  double operator()(size_t event) const;

 private:
  EventsView events_;
  std::vector<double> type_weights_;  // by type; empty: all are 1
  double value_cap_;
  double half_life_;
  double reference_;
};

}  // namespace kindred
