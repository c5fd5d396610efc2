#include "host/segments/thresholds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "host/expression/lexer.h"
#include "host/features/normalization.h"
#include "host/store/json_reader.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

[[noreturn]] void Refuse(const ThresholdSpec& spec, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument, fmt::format("{}threshold '{}': {}", spec.place, Printable(spec.name), what));
}

void Check(const ThresholdSpec& spec) {
  if (!IsPlainName(spec.name)) Refuse(spec, "expected a name of letters, digits and _");
  if (spec.value.has_value() == spec.quantile.has_value()) Refuse(spec, "expected one of 'value' and 'quantile'");
  if (spec.value && !std::isfinite(*spec.value)) Refuse(spec, "expected a finite 'value'");
  if (spec.value && (!spec.of.empty() || spec.max_step))
    Refuse(spec, "a fixed 'value' is not 'of' a feature, and has no 'max_step'");
  if (spec.quantile && !(*spec.quantile >= 0 && *spec.quantile <= 1))
    Refuse(spec, fmt::format("'quantile' is {}; expected 0 to 1", *spec.quantile));
  if (spec.quantile && spec.of.empty()) Refuse(spec, "a 'quantile' is 'of' a feature; none is named");
  if (spec.max_step && !(*spec.max_step >= 0 && std::isfinite(*spec.max_step)))
    Refuse(spec, fmt::format("'max_step' is {}; expected 0 or more", *spec.max_step));
}

size_t IndexOf(const ThresholdSpec& spec, std::span<const std::string> feature_names) {
  const auto found = std::find(feature_names.begin(), feature_names.end(), spec.of);
  if (found != feature_names.end()) return static_cast<size_t>(found - feature_names.begin());
  const std::vector<std::string_view> known(feature_names.begin(), feature_names.end());
  const int nearest = NearestName(spec.of, known);
  Refuse(spec,
         fmt::format(
             "unknown feature '{}'{}", Printable(spec.of),
             nearest < 0 ? "" : fmt::format("; the nearest is '{}'", Printable(known[static_cast<size_t>(nearest)]))));
}

double Towards(double wanted, double last, const ThresholdSpec& spec) {
  if (!spec.max_step || last == 0) return wanted;
  const double step = *spec.max_step * std::fabs(last);
  return std::clamp(wanted, last - step, last + step);
}

/// Increasing, of the users with events who have the feature.
std::vector<double> ValuesOf(const FeatureTable& table, size_t feature) {
  std::vector<double> values;
  for (int64_t user = 0; user < table.n_users; ++user)
    if (const double value = table.row(user)[feature];
        table.n_events[static_cast<size_t>(user)] > 0 && std::isfinite(value))
      values.push_back(value);
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

std::vector<Threshold> SetThresholds(std::span<const ThresholdSpec> specs, const FeatureTable& table,
                                     std::span<const Threshold> last) {
  std::vector<Threshold> thresholds;
  std::set<std::string> names;
  for (const ThresholdSpec& spec : specs) {
    Check(spec);
    if (!names.insert(spec.name).second) Refuse(spec, "is there twice; expected different names");
    Threshold& threshold =
        thresholds.emplace_back(Threshold{.name = spec.name, .of = spec.of, .quantile = spec.quantile});
    const auto before = std::find_if(last.begin(), last.end(), [&](const Threshold& old) {
      return old.name == spec.name && old.of == spec.of && old.quantile == spec.quantile;
    });
    if (before != last.end()) threshold.last = before->value;
    if (spec.value) {
      threshold.value = threshold.wanted = *spec.value;
      continue;
    }
    const std::vector<double> values = ValuesOf(table, IndexOf(spec, table.names));
    if (values.empty()) Refuse(spec, fmt::format("no user has a value of '{}'", Printable(spec.of)));
    threshold.wanted = Quantile(values, *spec.quantile);
    threshold.value = threshold.last ? Towards(threshold.wanted, *threshold.last, spec) : threshold.wanted;
  }
  return thresholds;
}

nlohmann::json ThresholdsJson(std::span<const Threshold> thresholds) {
  nlohmann::json json = nlohmann::json::object();
  for (const Threshold& threshold : thresholds) {
    nlohmann::json& entry = json[threshold.name];
    entry["value"] = threshold.value;
    entry["wanted"] = threshold.wanted;
    entry["last"] = entry["of"] = entry["quantile"] = entry["moved"] = nullptr;
    if (threshold.last) entry["last"] = *threshold.last;
    if (!threshold.of.empty()) entry["of"] = threshold.of;
    if (threshold.quantile) entry["quantile"] = *threshold.quantile;
    if (threshold.last) entry["moved"] = threshold.value - *threshold.last;
  }
  return json;
}

std::vector<Threshold> ParseThresholds(const nlohmann::json& json, const std::string& where) {
  if (!json.is_object()) throw Error(ErrorCode::kCorrupt, where + ": thresholds are no object");
  std::vector<Threshold> thresholds;
  for (const auto& [name, entry] : json.items()) {
    constexpr double kLargest = std::numeric_limits<double>::max();
    const JsonReader reader(entry, fmt::format("{}: threshold '{}'", where, Printable(name)));
    const auto number = [&](const char* key, double least, double most) -> std::optional<double> {
      if (reader.Get(key).is_null()) return std::nullopt;
      return reader.Number(key, least, most);
    };
    Threshold& threshold = thresholds.emplace_back(Threshold{.name = name});
    threshold.value = reader.Number("value", -kLargest, kLargest);
    threshold.wanted = reader.Number("wanted", -kLargest, kLargest);
    threshold.last = number("last", -kLargest, kLargest);
    if (!reader.Get("of").is_null()) threshold.of = reader.Text("of");
    threshold.quantile = number("quantile", 0, 1);
  }
  return thresholds;
}

}  // namespace kindred
