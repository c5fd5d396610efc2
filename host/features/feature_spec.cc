#include "host/features/feature_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <limits>
#include <unordered_set>
#include <utility>

#include "host/data/event_weighting.h"
#include "host/features/feature_kinds.h"
#include "host/text/edit_distance.h"
#include "host/text/text.h"
#include "host/text/time_format.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr FeatureKindInfo kKinds[] = {
    {FeatureKind::kRecency, "recency", ImputeKind::kMax, FeatureOf::kNothing, true, true},
    {FeatureKind::kTenure, "tenure", ImputeKind::kZero, FeatureOf::kNothing, true, true},
    {FeatureKind::kCount, "count", ImputeKind::kZero},
    {FeatureKind::kRate, "rate", ImputeKind::kZero, FeatureOf::kNothing, true, true},
    {FeatureKind::kSum, "sum", ImputeKind::kZero, FeatureOf::kItemNumber},
    {FeatureKind::kMean, "mean", ImputeKind::kMedian, FeatureOf::kItemNumber},
    {FeatureKind::kMax, "max", ImputeKind::kMedian, FeatureOf::kItemNumber},
    {FeatureKind::kGap, "gap", ImputeKind::kMedian, FeatureOf::kNothing, true, true},
    {FeatureKind::kBaskets, "baskets", ImputeKind::kZero, FeatureOf::kNothing, true, true},
    {FeatureKind::kBasketSize, "basket_size", ImputeKind::kMedian, FeatureOf::kNothing, true, true},
    {FeatureKind::kBasketValue, "basket_value", ImputeKind::kMedian, FeatureOf::kItemNumber, true, true},
    {FeatureKind::kShare, "share", ImputeKind::kZero},
    {FeatureKind::kCategoryShares, "category_shares", ImputeKind::kZero, FeatureOf::kItemValues},
    {FeatureKind::kDistinct, "distinct", ImputeKind::kZero, FeatureOf::kItemValues},
    {FeatureKind::kEntropy, "entropy", ImputeKind::kZero, FeatureOf::kItemValues},
    {FeatureKind::kSessions, "sessions", ImputeKind::kZero, FeatureOf::kNothing, true, true, true},
    {FeatureKind::kSessionLength, "session_length", ImputeKind::kMedian, FeatureOf::kNothing, true, true, true},
    {FeatureKind::kDwell, "dwell", ImputeKind::kMedian, FeatureOf::kNothing, true, true, true},
    {FeatureKind::kVelocity, "velocity", ImputeKind::kMedian, FeatureOf::kNothing, true, true, true},
    {FeatureKind::kRepeatVisits, "repeat_visits", ImputeKind::kZero, FeatureOf::kNothing, true, true, true},
    {FeatureKind::kFactors, "factors", ImputeKind::kZero, FeatureOf::kNothing, false},
    {FeatureKind::kAttribute, "attribute", ImputeKind::kMedian, FeatureOf::kUser, false},
};

constexpr size_t kMaxNameBytes = 100;

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::ranges::all_of(text, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; });
}

FeatureKind ReadKind(const TomlTable& table) {
  const std::string* text = table.Text("kind");
  if (text == nullptr) table.Refuse("kind", "no 'kind'; expected one of a feature, such as \"count\"");
  if (const auto kind = FeatureKindNamed(*text)) return *kind;
  std::vector<std::string_view> names;
  for (const FeatureKindInfo& info : kKinds) names.emplace_back(info.name);
  const int nearest = NearestName(*text, names);
  table.Refuse("kind", fmt::format("unknown kind '{}'{}", Printable(*text),
                                   nearest < 0 ? ""
                                               : fmt::format("; the nearest known kind is '{}'",
                                                             names[static_cast<size_t>(nearest)])));
}

/// Refuses keys that the kind has no use for, and the lack of those that it needs.
void CheckKeys(const TomlTable& table, const FeatureDeclaration& feature) {
  using enum FeatureKind;
  const FeatureKindInfo& info = InfoOf(feature.kind);
  const bool shares = feature.kind == kCategoryShares, factors = feature.kind == kFactors;
  const std::pair<const char*, bool> allowed[] = {{"events", info.of_events},
                                                  {"window", info.of_events},
                                                  {"where", info.of_events},
                                                  {"of", info.of != FeatureOf::kNothing},
                                                  {"per", feature.kind == kRate},
                                                  {"session_gap", info.has_sessions},
                                                  {"top", shares},
                                                  {"values", shares},
                                                  {"model", factors},
                                                  {"version", factors}};
  for (const auto& [key, fits] : allowed)
    if (!fits && table.Find(key) != nullptr)
      table.Refuse(key, fmt::format("'{}' is not for features of kind '{}'", key, info.name));
  if (const char* key = NeededKey(feature.kind); key != nullptr && table.Find(key) == nullptr)
    table.Refuse(key, fmt::format("a feature of kind '{}' needs '{}'", info.name, key));
  if (table.Find("top") != nullptr && table.Find("values") != nullptr)
    table.Refuse("top", "'top' is for where no 'values' are named");
}

void ReadClip(const TomlTable& table, NormalizationRule& rule) {
  const toml::node* node = table.Find("clip");
  if (node == nullptr) return;
  if (const toml::array* ends = node->as_array()) {
    const auto end = [&](size_t i) { return ends->get(i)->value<double>().value_or(-1); };
    if (ends->size() == 2 && end(0) >= 0 && end(0) < end(1) && end(1) <= 1) {
      rule.clip = ClipKind::kQuantiles;
      rule.clip_low = end(0);
      rule.clip_high = end(1);
      return;
    }
  } else if (node->is_string()) {
    return table.Read("clip", rule.clip, {{"none", ClipKind::kNone}, {"iqr", ClipKind::kIqr}});
  }
  table.Refuse("clip", "'clip' is neither \"iqr\", \"none\" nor two quantiles from 0 to 1, such as [0.01, 0.99]");
}

NormalizationRule ReadNormalization(const TomlTable& table, FeatureKind kind) {
  NormalizationRule rule;
  rule.impute = InfoOf(kind).impute;
  table.Read("normalize", rule.kind,
             {{"none", NormalizationKind::kNone},
              {"z", NormalizationKind::kZ},
              {"robust", NormalizationKind::kRobust},
              {"log", NormalizationKind::kLog},
              {"quantile", NormalizationKind::kQuantile}});
  ReadClip(table, rule);
  const toml::node* impute = table.Find("impute");
  if (impute != nullptr && impute->is_number()) {
    constexpr double kMost = std::numeric_limits<double>::max();
    rule.impute = ImputeKind::kNumber;
    table.Read("impute", rule.impute_with, -kMost, kMost);
  } else {
    table.Read("impute", rule.impute,
               {{"median", ImputeKind::kMedian},
                {"mean", ImputeKind::kMean},
                {"min", ImputeKind::kMin},
                {"max", ImputeKind::kMax},
                {"zero", ImputeKind::kZero}});
  }
  table.Read("weight", rule.weight, 0, 1e6);
  return rule;
}

FeatureDeclaration ReadFeature(const toml::table& at, const std::string& file) {
  const TomlPlace place = {file, "features"};
  const TomlTable table(at, place,
                        {"name", "kind", "events", "window", "where", "of", "per", "session_gap", "top", "values",
                         "model", "version", "normalize", "clip", "impute", "weight"});
  FeatureDeclaration feature;
  feature.place = place.Prefix(at.source());
  const std::string* name = table.Text("name");
  if (name == nullptr) table.Refuse("name", "no 'name'; each feature needs one");
  if (!IsName(*name))
    table.Refuse("name",
                 fmt::format("'{}' is no name of letters, digits and _, at most {}", Printable(*name), kMaxNameBytes));
  feature.name = *name;
  feature.kind = ReadKind(table);
  CheckKeys(table, feature);
  feature.events = table.Texts("events");
  feature.window = TomlDuration(table, "window");
  table.Read("where", feature.where);
  table.Read("of", feature.of);
  feature.per = TomlDuration(table, "per").value_or(feature.per);
  feature.session_gap = TomlDuration(table, "session_gap").value_or(feature.session_gap);
  table.Read("top", feature.top, 1, 1000);
  feature.values = table.Texts("values");
  table.Read("model", feature.model);
  table.Read("version", feature.version);
  feature.normalization = ReadNormalization(table, feature.kind);
  return feature;
}

EventNames ReadEventNames(const TomlTable& file) {
  EventNames names;
  const toml::table* table = file.Table("events");
  if (table == nullptr) return names;
  std::vector<std::string_view> keys;
  for (const auto& [key, node] : *table) keys.push_back(key.str());
  const TomlTable entries(*table, {file.place().file, "events"}, keys);
  for (const auto& [key, node] : *table) {
    if (key.str().empty()) entries.place().Refuse(key.source(), "a name is empty");
    names.emplace(key.str(), entries.Texts(key.str()));
  }
  return names;
}

/// Of the types, those that are purchases by their name.
std::vector<std::string> PurchaseTypes(std::span<const std::string> types) {
  std::vector<std::string> found;
  for (const std::string& type : types) {
    std::string lower = type;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (lower == "buy" || lower == "purchase" || lower == "order" || lower == "transaction") found.push_back(type);
  }
  return found;
}

int64_t FromToml(const toml::date_time& time) {
  const std::chrono::year_month_day date(std::chrono::year(time.date.year), std::chrono::month(time.date.month),
                                         std::chrono::day(time.date.day));
  const int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  const int64_t minutes = time.time.hour * 60 + time.time.minute - (time.offset ? time.offset->minutes : 0);
  return days * 86400 + minutes * 60 + time.time.second;
}

}  // namespace

std::span<const FeatureKindInfo> FeatureKinds() {
  return kKinds;
}

const char* FeatureKindName(FeatureKind kind) {
  return InfoOf(kind).name;
}

std::optional<FeatureKind> FeatureKindNamed(std::string_view name) {
  for (const FeatureKindInfo& info : kKinds)
    if (name == info.name) return info.kind;
  return std::nullopt;
}

FeatureSpec ReadFeatureSpec(const TomlTable& file) {
  FeatureSpec spec;
  spec.reference = TomlTime(file, "reference");
  spec.events = ReadEventNames(file);
  std::unordered_set<std::string> names;
  for (const toml::table* table : file.Tables("features")) {
    spec.features.push_back(ReadFeature(*table, file.place().file));
    if (!names.insert(spec.features.back().name).second)
      file.place().Refuse(*table, fmt::format("two features are called '{}'", spec.features.back().name));
    if (spec.features.size() > kMaxFeatures)
      file.place().Refuse(*table, fmt::format("more than {} features", kMaxFeatures));
  }
  return spec;
}

FeatureSpec DefaultFeatureSpec(std::span<const std::string> event_types, bool has_times, bool has_values) {
  FeatureSpec spec;
  const std::vector<std::string> purchases = PurchaseTypes(event_types);
  const auto add = [&](const char* name, FeatureKind kind) {
    FeatureDeclaration& feature = spec.features.emplace_back();
    feature.name = name;
    feature.kind = kind;
    feature.events = purchases;
    feature.normalization = {.kind = NormalizationKind::kLog, .clip = ClipKind::kIqr, .impute = InfoOf(kind).impute};
  };
  if (has_times) add("recency", FeatureKind::kRecency);
  if (has_times)
    add("frequency", FeatureKind::kBaskets);
  else
    add(purchases.empty() ? "events" : "frequency", FeatureKind::kCount);
  if (has_values)
    add("monetary", FeatureKind::kSum);
  else if (has_times)
    add("events", FeatureKind::kCount);
  return spec;
}

std::vector<int> TypesOf(const EventNames& names, std::string_view name, std::span<const std::string> types) {
  const auto index_of = [&](std::string_view type) {
    return static_cast<int>(std::find(types.begin(), types.end(), type) - types.begin());
  };
  const int n_types = static_cast<int>(types.size());
  const auto refuse = [&](std::string_view unknown, std::string_view in, bool with_names) {
    std::vector<std::string_view> known(types.begin(), types.end());
    for (const auto& [key, values] : names)
      if (with_names) known.push_back(key);
    const int nearest = NearestName(unknown, known);
    throw Error(ErrorCode::kInvalidArgument,
                fmt::format("no events are of type '{}'{}{}", Printable(unknown),
                            in.empty() ? "" : fmt::format(", which '{}' names", Printable(in)),
                            types.empty() ? "; the events have no types"
                            : nearest < 0 ? ""
                                          : fmt::format("; the nearest known name is '{}'",
                                                        Printable(known[static_cast<size_t>(nearest)]))));
  };
  std::vector<int> found;
  if (const auto named = names.find(name); named != names.end()) {
    for (const std::string& type : named->second) {
      found.push_back(index_of(type));
      if (found.back() == n_types) refuse(type, name, false);
    }
  } else {
    found.push_back(index_of(name));
    if (found.back() == n_types) refuse(name, "", true);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

bool MeansAllEvents(const EventNames& names, std::string_view name, std::span<const std::string> types) {
  return name == "events" && !names.contains(name) && std::ranges::find(types, name) == types.end();
}

std::optional<int64_t> TomlTime(const TomlTable& table, std::string_view key) {
  const toml::node* node = table.Find(key);
  if (node == nullptr) return std::nullopt;
  if (const auto* date = node->as_date()) return FromToml(toml::date_time(date->get(), toml::time{}));
  if (const auto* time = node->as_date_time()) return FromToml(time->get());
  int64_t seconds = 0;
  const std::string number = node->is_integer() ? std::to_string(node->as_integer()->get()) : std::string();
  if (!number.empty() && ParseTime(number, &seconds) == nullptr) return seconds;
  const char* wrong =
      node->is_string() ? ParseTime(node->as_string()->get(), &seconds) : "expected a time, such as \"2011-12-10\"";
  if (wrong != nullptr) table.Refuse(key, fmt::format("'{}': {}", key, wrong));
  return seconds;
}

std::optional<int64_t> TomlDuration(const TomlTable& table, std::string_view key) {
  const std::string* text = table.Text(key);
  if (text == nullptr) return std::nullopt;
  double seconds = 0;
  try {
    seconds = ParseDuration(*text);
  } catch (const Error& error) {
    table.Refuse(key, fmt::format("'{}': {}", key, error.what()));
  }
  constexpr double kMost = 1e11;  // longer than times reach
  if (seconds < 1 || seconds > kMost || seconds != static_cast<double>(static_cast<int64_t>(seconds)))
    table.Refuse(key,
                 fmt::format("'{}' is '{}'; expected whole seconds, at most {} of them", key, Printable(*text), kMost));
  return static_cast<int64_t>(seconds);
}

}  // namespace kindred
