// What is to be known of each user as numbers: the features that a file declares (segments.toml), or those taken where
// nothing is declared.
//
//   reference = "2011-12-10"        what all features look back from; default: the last event
//
//   [events]                        names for types of event; a type goes by its own name too
//   carts = ["cart", "add_to_cart"]
//   purchases = "buy"
//
//   [[features]]
//   name = "recency"                letters, digits and _
//   kind = "recency"
//   events = "purchases"            a name or a list; default: all events
//   window = "30d"                  only events with R - window < time <= R
//   where = 'category = "shoes"'    only events with such items (docs/expressions.md)
//   normalize = "log"               and clip, impute, weight (host/features/normalization.h)
//
// E are the events of a user that `events`, `window` and `where` select, R is the reference, times are in days. What
// has no value is missing. `of` names a number (or boolean) of the items in place of the value of the event, or, where
// values are told apart, a category or tags of the items in place of the items themselves.
//
//   kind             feature                                                        without E        imputed
//   recency          R - last time                                                  missing          max
//   tenure           R - first time                                                 missing          zero
//   count            events                                                         0                zero
//   rate             events in each `per` ("7d"), of the window, or of the time     0                zero
//                    from the first to R, at least one `per`
//   sum              of the values, or `of`                                         0                zero
//   mean, max        likewise                                                       missing          median
//   gap              median days between consecutive different times                missing (< 2)    median
//   baskets          different times                                                0                zero
//   basket_size      mean events of a time                                          missing          median
//   basket_value     mean sum of a time's values, or `of`                           missing          median
//   share            part of the events (of `events`, `window`) with `where`        missing          zero
//   category_shares  of each of the `top` values of `of` (or of those in `values`): missing          zero
//                    part of the events whose items have one that have this one
//   distinct         different items, or values of `of`                             0                zero
//   entropy          of the items, or values of `of`, in bits                       missing          zero
//   sessions         runs of events not more than `session_gap` ("30m") apart       0                zero
//   session_length   mean seconds from the first to the last event of a session     missing          median
//   dwell            mean seconds between events of a session                       missing          median
//   velocity         events an hour, of the sessions of some length                 missing          median
//   repeat_visits    part of the sessions with an item of an earlier one            missing          zero
//   factors          the user's factors in `model` (`version`), one feature each    missing: unknown zero
//   attribute        `of` the user: a number, a boolean (0, 1), or a time (R - it)  missing: unknown median
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/features/normalization_rule.h"
#include "host/text/toml_table.h"

namespace kindred {

enum class FeatureKind : uint8_t {
  kRecency,
  kTenure,
  kCount,
  kRate,
  kSum,
  kMean,
  kMax,
  kGap,
  kBaskets,
  kBasketSize,
  kBasketValue,
  kShare,
  kCategoryShares,
  kDistinct,
  kEntropy,
  kSessions,
  kSessionLength,
  kDwell,
  kVelocity,
  kRepeatVisits,
  kFactors,
  kAttribute,
};

/// "recency", "tenure", ...: as above.
const char* FeatureKindName(FeatureKind kind);
std::optional<FeatureKind> FeatureKindNamed(std::string_view name);

/// Declared features that become more than one are NAME.VALUE (category_shares) and NAME.f1, NAME.f2, ... (factors).
struct FeatureDeclaration {
  std::string name;
  FeatureKind kind = FeatureKind::kCount;
  std::vector<std::string> events = {};  // names; empty: all
  std::optional<int64_t> window = {};    // seconds
  std::string where = {};                // empty: all items
  std::string of = {};                   // empty: the event's value, the item itself
  int64_t per = 7 * 86400;               // seconds
  int64_t session_gap = 30 * 60;         // seconds
  int64_t top = 8;                       // values of category_shares, where `values` does not say which
  std::vector<std::string> values = {};  // of category_shares
  std::string model = {}, version = {};  // of factors; version: a number or a label; empty: CURRENT
  NormalizationRule normalization = {};
  std::string place = {};  // where it stands, for messages: "segments.toml: line 3, column 1: "

  bool operator==(const FeatureDeclaration&) const = default;
};

/// Names that people give to types of event, or to several.
using EventNames = std::map<std::string, std::vector<std::string>, std::less<>>;

struct FeatureSpec {
  EventNames events;
  std::vector<FeatureDeclaration> features;
  std::optional<int64_t> reference;  // unix seconds

  bool operator==(const FeatureSpec&) const = default;
};

/// What ReadFeatureSpec reads of a file; whoever reads the rest knows these keys too.
inline constexpr std::string_view kFeatureSpecKeys[] = {"reference", "events", "features"};
inline constexpr int kMaxFeatures = 1024;  // declared

/// Reads these keys of a file. Throws kUsage with file, line and column for unknown keys (naming the nearest), keys
/// that a kind does not have or lacks, values of another type or out of range, and names that are there twice. What
/// depends on a dataset (whether types, attributes and models are there) is FeatureProgram::Compile's to say.
FeatureSpec ReadFeatureSpec(const TomlTable& file);

/// What is known of everybody: recency, frequency (baskets) and monetary (the sum of values), each by its logarithm and
/// clipped at Tukey's fences there, of the types called buy, purchase, order or transaction in any case, or of all
/// where there is none. Without times there is no recency, and the frequency is a count; without values the count of
/// events stands in for monetary, as "events", if the frequency is not that already.
FeatureSpec DefaultFeatureSpec(std::span<const std::string> event_types, bool has_times, bool has_values);

/// "declared" of the report: everything that is said or follows from the kind, by the keys of the file.
nlohmann::json FeatureJson(const FeatureDeclaration& declaration);
nlohmann::json FeatureSpecJson(const FeatureSpec& spec);
/// The same back, without places. Throws kCorrupt, beginning with `where`, for what is none.
FeatureSpec ParseFeatureSpec(const nlohmann::json& json, const std::string& where);

/// Which types of event a name means, as indices into `types`, increasing: those of [events], or the type of that name.
/// Throws kInvalidArgument for a name that is neither, naming the nearest, and for a type that events do not have.
std::vector<int> TypesOf(const EventNames& names, std::string_view name, std::span<const std::string> types);

/// Whether the name is "events" and nothing else is called so: where rules and a likelihood speak of all events.
bool MeansAllEvents(const EventNames& names, std::string_view name, std::span<const std::string> types);

/// A time ("2011-12-10", "2011-12-10T12:00:00Z", unix seconds, or TOML's own without quotes; UTC where nothing is said)
/// as unix seconds; none where the key is absent. Throws kUsage.
std::optional<int64_t> TomlTime(const TomlTable& table, std::string_view key);
/// A duration ("30m", "7d") as whole seconds, at least 1; none where the key is absent. Throws kUsage.
std::optional<int64_t> TomlDuration(const TomlTable& table, std::string_view key);

}  // namespace kindred
