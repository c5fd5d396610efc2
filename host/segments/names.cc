#include "host/segments/names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>

#include "host/report/format.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr size_t kMostNameBytes = 80;

struct KindWords {
  std::string_view kind, high, low;
};
/// Kinds whose words do not name the feature.
constexpr KindWords kKindWords[] = {
    {"recency", "lapsed", "recent"},
    {"tenure", "long-standing", "new"},
    {"gap", "long gaps", "short gaps"},
    {"baskets", "buys often", "buys rarely"},
    {"basket_size", "large baskets", "small baskets"},
    {"basket_value", "high basket value", "low basket value"},
    {"sum", "high value", "low value"},
    {"entropy", "varied tastes", "focused tastes"},
    {"sessions", "many visits", "few visits"},
    {"session_length", "long visits", "short visits"},
    {"dwell", "looks for long", "looks briefly"},
    {"velocity", "browses fast", "browses slowly"},
    {"repeat_visits", "comes back to items", "seldom comes back to items"},
};

std::string Spaced(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

/// What a share is of: "discount_share" as "discount", "category.shoes" as "shoes".
std::string SharedOf(const std::string& name) {
  if (const size_t dot = name.find('.'); dot != name.npos && dot + 1 < name.size()) return name.substr(dot + 1);
  const std::string text = Spaced(name);
  constexpr std::string_view kShare = " share";
  return text.size() > kShare.size() && text.ends_with(kShare) ? text.substr(0, text.size() - kShare.size()) : text;
}

std::string LowerCase(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// "12 days", "35 %", "1,234".
std::string ValueWords(const ProfiledFeature& feature, double value) {
  if (feature.kind == "share" || feature.kind == "category_shares" || feature.kind == "repeat_visits")
    return PercentText(value);
  const bool is_days = feature.kind == "recency" || feature.kind == "tenure" || feature.kind == "gap";
  const bool is_seconds = feature.kind == "dwell" || feature.kind == "session_length";
  return NumberText(value) + (is_days ? " days" : is_seconds ? " s" : "");
}

std::string Capital(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

std::string Joined(const std::vector<Trait>& traits, size_t n) {
  std::string text;
  for (size_t t = 0; t < n; ++t) text += (t > 0 ? ", " : "") + traits[t].words;
  return n == 0 ? "typical" : text;
}

class NamesTaken {
 public:
  /// Whether it was free.
  bool Take(const std::string& name) { return taken_.insert(LowerCase(name)).second; }

  /// The traits of a name, as many as it needs to be the only one.
  std::string FromTraits(const std::vector<Trait>& traits, size_t n_traits) {
    for (size_t n = std::min(n_traits, traits.size()); n <= traits.size(); ++n)
      if (std::string name = Joined(traits, n); Take(name)) return name;
    const std::string name = Joined(traits, std::min(n_traits, traits.size()));
    for (int number = 2;; ++number)
      if (std::string numbered = fmt::format("{} ({})", name, number); Take(numbered)) return numbered;
  }

 private:
  std::set<std::string> taken_;
};

void CheckGiven(const std::map<std::string, std::string>& given) {
  std::map<std::string, std::string> id_of;
  for (const auto& [id, name] : given) {
    if (name.empty() || name.size() > kMostNameBytes || Printable(name, kMostNameBytes) != name)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("the name of segment {} is '{}', expected 1 to {} bytes of printable text", Printable(id),
                              Printable(name), kMostNameBytes));
    const auto [same, is_new] = id_of.emplace(LowerCase(name), id);
    if (!is_new)
      throw Error(ErrorCode::kInvalidArgument, fmt::format("segments {} and {} are both named '{}', expected names of "
                                                           "which no two are alike",
                                                           Printable(same->second), Printable(id), name));
  }
}

}  // namespace

std::string TraitWords(const ProfiledFeature& feature, bool is_high) {
  for (const KindWords& words : kKindWords)
    if (words.kind == feature.kind) return std::string(is_high ? words.high : words.low);
  const std::string name = Spaced(feature.name);
  if (feature.kind == "count" || feature.kind == "rate") {
    if (feature.of_purchases) return is_high ? "buys often" : "buys rarely";
    return (is_high ? "many " : "few ") + name;
  }
  if (feature.kind == "distinct") return (is_high ? "wide " : "narrow ") + name;
  if (feature.kind == "share" || feature.kind == "category_shares")
    return (is_high ? "much of " : "little of ") + SharedOf(feature.name);
  return (is_high ? "high " : "low ") + name;
}

std::vector<Trait> TraitsOf(const SegmentProfile& segment, std::span<const ProfiledFeature> features,
                            const NamingOptions& options) {
  std::vector<Trait> traits;
  for (size_t f = 0; f < features.size(); ++f)
    if (const double deviations = segment.features[f].deviations; std::fabs(deviations) >= options.least)
      traits.push_back({f, deviations, Printable(TraitWords(features[f], deviations > 0), kMostNameBytes)});
  std::stable_sort(traits.begin(), traits.end(),
                   [](const Trait& a, const Trait& b) { return std::fabs(a.deviations) > std::fabs(b.deviations); });
  std::set<std::string> said;
  std::erase_if(traits, [&](const Trait& trait) { return !said.insert(trait.words).second; });
  return traits;
}

std::string InWords(const SegmentProfile& segment, const SegmentProfiles& profiles,
                    std::span<const ProfiledFeature> features, const NamingOptions& options) {
  if (segment.size == 0) return "No users.";
  std::vector<Trait> traits = TraitsOf(segment, features, options);
  if (traits.empty())
    return fmt::format("Like all users: no feature is as much as {} standard deviations off their mean.",
                       NumberText(options.least));
  traits.resize(std::min(traits.size(), options.n_traits));
  std::string text;
  for (size_t t = 0; t < traits.size(); ++t) {
    const ProfiledFeature& feature = features[traits[t].feature];
    const FeatureProfile &own = segment.features[traits[t].feature], &all = profiles.population[traits[t].feature];
    const bool are_medians = own.median != all.median;
    text += t == 0 ? "" : t + 1 == traits.size() ? " and " : ", ";
    text += fmt::format("{} ({}{} {} against {} of all users)", traits[t].words,
                        Printable(Spaced(feature.name), kMostNameBytes), are_medians ? "" : ", on average",
                        ValueWords(feature, are_medians ? own.median : own.mean),
                        ValueWords(feature, are_medians ? all.median : all.mean));
  }
  return Capital(text) + ".";
}

std::vector<SegmentName> NameSegments(const SegmentProfiles& profiles, std::span<const ProfiledFeature> features,
                                      std::span<const std::string> ids, const KnownNames& known,
                                      const NamingOptions& options) {
  CheckGiven(known.given);
  std::vector<SegmentName> names(ids.size());
  NamesTaken taken;
  for (size_t s = 0; s < ids.size(); ++s)
    if (const auto given = known.given.find(ids[s]); given != known.given.end()) {
      taken.Take(given->second);
      names[s] = {given->second, true};
    }
  for (const bool by_person : {true, false})
    for (size_t s = 0; s < ids.size(); ++s)
      if (const auto kept = known.kept.find(ids[s]); names[s].name.empty() && kept != known.kept.end() &&
                                                     kept->second.by_person == by_person &&
                                                     !kept->second.name.empty() && taken.Take(kept->second.name))
        names[s] = kept->second;
  for (size_t s = 0; s < ids.size(); ++s)
    if (names[s].name.empty())
      names[s].name = taken.FromTraits(TraitsOf(profiles.segments[s], features, options), options.n_traits);
  return names;
}

}  // namespace kindred
