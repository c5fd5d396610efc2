#include "training/publish_gate.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <utility>

#include "host/models/model.h"
#include "host/store/artifact.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"

namespace kindred {
namespace {

using nlohmann::json;

[[noreturn]] void Refuse(std::string_view text, const char* expected) {
  throw Error(ErrorCode::kUsage, fmt::format("'{}': expected {}", Printable(text), expected));
}

double ParseFinite(std::string_view number, std::string_view text, const char* expected) {
  const std::string copy(number);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (copy.empty() || *end != '\0' || !std::isfinite(value)) Refuse(text, expected);
  return value;
}

void CheckKnown(const std::string& metric, const std::string& text, const json& known) {
  if (known.contains(metric)) return;
  std::vector<std::string_view> names;
  for (const auto& [name, value] : known.items()) names.push_back(name);
  const int nearest = NearestName(metric, names);
  throw Error(ErrorCode::kUsage,
              fmt::format("'{}': there is no metric '{}'{}; expected one of {}", Printable(text), Printable(metric),
                          nearest < 0 ? "" : fmt::format(" (nearest: {})", names[static_cast<size_t>(nearest)]),
                          fmt::join(names, ", ")));
}

/// Where one of the members of `holdout` is another one in the manifest: what, for a message.
std::string Difference(const json& holdout, const json& before) {
  for (const auto& [key, value] : holdout.items()) {
    const json there = before.is_object() ? before.value(key, json()) : json();
    if (there != value) return fmt::format("the holdout's {} {}, and here {}", key, there.dump(), value.dump());
  }
  return "";
}

}  // namespace

MetricBound ParseMetricBound(std::string_view text) {
  constexpr const char* kExpected = "a metric, >= or <=, and a number, as in ndcg_at_20>=0.1";
  const size_t at = text.find_first_of("<>");
  if (at == std::string_view::npos || at == 0 || text.substr(at + 1, 1) != "=") Refuse(text, kExpected);
  return {std::string(text), std::string(text.substr(0, at)), text[at] == '>',
          ParseFinite(text.substr(at + 2), text, kExpected)};
}

MetricDrop ParseMetricDrop(std::string_view text) {
  constexpr const char* kExpected =
      "a metric, = and a number from 0 or percents up to 100, as in ndcg_at_20=0.005 or "
      "ndcg_at_20=2%";
  const size_t at = text.find('=');
  if (at == std::string_view::npos || at == 0) Refuse(text, kExpected);
  std::string_view margin = text.substr(at + 1);
  const bool relative = margin.ends_with('%');
  if (relative) margin.remove_suffix(1);
  const double value = ParseFinite(margin, text, kExpected) / (relative ? 100 : 1);
  if (value < 0 || (relative && value > 1)) Refuse(text, kExpected);
  return {std::string(text), std::string(text.substr(0, at)), value, relative};
}

void CheckGate(const GateOptions& options, const json& known, bool has_holdout) {
  for (const MetricBound& bound : options.bounds) CheckKnown(bound.metric, bound.text, known);
  for (const MetricDrop& drop : options.drops) CheckKnown(drop.metric, drop.text, known);
  if (!options.empty() && !has_holdout)
    throw Error(ErrorCode::kUsage,
                "--require and --max-drop ask for metrics, and nothing is held out to measure them "
                "on: expected --split or --test too");
}

PublishGate::PublishGate(GateOptions options, const ModelStore& store, const std::string& model, const json& known,
                         const json& holdout)
    : options_(std::move(options)) {
  if (options_.drops.empty() || store.Versions(model).empty()) return;
  version_ = store.Current(model);
  const json manifest = Artifact::ReadManifest(store.VersionPath(model, version_), kModelKind);
  before_ = manifest.value("metrics", json());
  const auto refuse = [&](const std::string& why) {
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("--max-drop cannot compare with version {} of '{}', the current one: {}", version_, model, why));
  };
  if (!before_.is_object()) refuse("it was not evaluated when it was trained");
  // Every name but mrr's says k, and all metrics of a version are of one.
  for (const auto& [name, value] : known.items())
    if (!before_.value(name, json()).is_number()) refuse(fmt::format("it has no {}; was its k another one?", name));
  if (const std::string difference = Difference(holdout, manifest.value("holdout", json())); !difference.empty())
    refuse(fmt::format("it was evaluated otherwise: {}", difference));
}

json PublishGate::Judge(const json& metrics) const {
  json gate = {{"passed", true}, {"conditions", json::array()}};
  const auto judge = [&](json condition, const std::string& metric, bool at_least, const json& expected) {
    if (!metrics.contains(metric))
      throw Error(ErrorCode::kInvalidArgument, fmt::format("{} asks for {}, and this evaluation has none",
                                                           condition["condition"].get<std::string>(), metric));
    const double found = metrics.at(metric).get<double>();
    const bool passed =
        expected.is_null() || (at_least ? found >= expected.get<double>() : found <= expected.get<double>());
    condition.update(
        {{"metric", metric}, {"found", found}, {at_least ? "at_least" : "at_most", expected}, {"passed", passed}});
    gate["passed"] = gate["passed"].get<bool>() && passed;
    gate["conditions"].push_back(std::move(condition));
  };
  for (const MetricBound& bound : options_.bounds)
    judge({{"condition", "--require " + bound.text}}, bound.metric, bound.at_least, bound.bound);
  for (const MetricDrop& drop : options_.drops) {
    json condition = {{"condition", "--max-drop " + drop.text}, {"version", nullptr}, {"before", nullptr}};
    json least;
    if (version_ > 0) {
      const double before = before_.at(drop.metric).get<double>();
      condition.update({{"version", version_}, {"before", before}});
      least = before - drop.margin * (drop.relative ? std::abs(before) : 1);
    }
    judge(std::move(condition), drop.metric, true, least);
  }
  return gate;
}

std::string RefusalText(const json& gate) {
  std::string text = "not published:";
  for (const json& condition : gate["conditions"]) {
    const bool at_least = condition.contains("at_least");
    const json& bound = condition[at_least ? "at_least" : "at_most"];
    text += fmt::format("\n  {}: {} is {:.6g}", condition["condition"].get<std::string>(),
                        condition["metric"].get<std::string>(), condition["found"].get<double>());
    if (!bound.is_null())
      text += fmt::format(", expected at {} {:.6g}", at_least ? "least" : "most", bound.get<double>());
    if (condition.contains("before") && !condition["before"].is_null())
      text += fmt::format(" (version {} has {:.6g})", condition["version"].get<int64_t>(),
                          condition["before"].get<double>());
    text += condition["passed"].get<bool>() ? ": holds" : ": does not hold";
  }
  return text + "\nthe same training without --require and --max-drop publishes it";
}

}  // namespace kindred
