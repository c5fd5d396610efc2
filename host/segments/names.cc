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

/// "*" is where "very" and "rather" stand.
struct KindWords {
  std::string_view kind, high, low;
};
/// Kinds whose words do not name the feature.
constexpr KindWords kKindWords[] = {
    {"recency", "*lapsed", "*recent"},
    {"tenure", "*long-standing", "*new"},
    {"gap", "*long gaps", "*short gaps"},
    {"baskets", "buys *often", "buys *rarely"},
    {"basket_size", "*large baskets", "*small baskets"},
    {"basket_value", "*high basket value", "*low basket value"},
    {"sum", "*high value", "*low value"},
    {"entropy", "*varied tastes", "*focused tastes"},
    {"sessions", "*many visits", "*few visits"},
    {"session_length", "*long visits", "*short visits"},
    {"dwell", "*long looks", "*short looks"},
    {"velocity", "browses *fast", "browses *slowly"},
    {"repeat_visits", "*often comes back to items", "*seldom comes back to items"},
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

/// "*low value" and "very" as "very low value".
std::string Graded(std::string_view words, double deviations) {
  const double size = std::fabs(deviations);
  const std::string_view grade = size >= kStrongDeviations ? "very " : size >= kPlainDeviations ? "" : "rather ";
  std::string text(words);
  text.replace(text.find('*'), 1, grade);
  return text == "very lapsed" ? "long lapsed" : text;
}

/// A feature's name as words: "carts_7d" as "carts in 7d".
std::string FeatureWords(const std::string& name) {
  std::string text = Spaced(name);
  const size_t last = text.rfind(' ') + 1;  // 0: there is one word
  const size_t digits = text.find_first_not_of("0123456789", last);
  const bool is_window = last > 0 && digits > last && digits + 1 == text.size() &&
                         std::string_view("smhdw").find(text.back()) != std::string_view::npos;
  return is_window ? text.insert(last, "in ") : text;
}

/// What else there is in the name of a feature than its kind: "recency_views" and "views_recency" as "views".
std::string BesidesKind(const ProfiledFeature& feature) {
  const std::string name = FeatureWords(feature.name), kind = Spaced(feature.kind);
  if (name.starts_with(kind + " ")) return name.substr(kind.size() + 1);
  if (name.ends_with(" " + kind)) return name.substr(0, name.size() - kind.size() - 1);
  return name;
}

/// How many of the traits, strongest first, a name has if it need not tell segments apart.
size_t NumberNamed(const std::vector<Trait>& traits) {
  const auto n = static_cast<size_t>(std::ranges::count(traits, false, &Trait::is_slight));
  return n == 1 ? std::min<size_t>(2, traits.size()) : std::min(n, kMostNameTraits);
}

std::string Joined(const std::vector<Trait>& traits, size_t n) {
  std::string text;
  for (size_t t = 0; t < n; ++t) text += (t > 0 ? ", " : "") + traits[t].words;
  return n == 0 ? "typical" : text;
}

class NamesTaken {
 public:
  /// Whether it was free.
  bool Take(const std::string& name) {
    std::set<std::string> parts;  // "recent, high value" says no more than "high value, recent"
    for (size_t at = 0; at < name.size();) {
      const size_t end = std::min(name.find(", ", at), name.size());
      parts.insert(LowerCase(name.substr(at, end - at)));
      at = end + 2;
    }
    return taken_.insert(std::move(parts)).second;
  }

  /// The traits of a name: more, or else fewer of them, where it is taken otherwise.
  std::string FromTraits(const std::vector<Trait>& traits) {
    const size_t n_named = NumberNamed(traits);
    for (size_t n = n_named; n <= traits.size(); ++n)
      if (std::string name = Joined(traits, n); Take(name)) return name;
    for (size_t n = n_named; n > 1; --n)
      if (std::string name = Joined(traits, n - 1); Take(name)) return name;
    const std::string name = Joined(traits, n_named);
    for (int number = 2;; ++number)
      if (std::string numbered = fmt::format("{} ({})", name, number); Take(numbered)) return numbered;
  }

 private:
  std::set<std::set<std::string>> taken_;
};

}  // namespace

void CheckGivenNames(const std::map<std::string, std::string>& given) {
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

bool Trait::is_slight() const {
  return std::fabs(deviations) < kPlainDeviations;
}

std::string TraitWords(const ProfiledFeature& feature, double deviations, std::span<const ProfiledFeature> among) {
  const bool is_high = deviations > 0;
  for (const KindWords& words : kKindWords)
    if (words.kind == feature.kind) {
      const std::string text = Graded(is_high ? words.high : words.low, deviations);
      const std::string which = BesidesKind(feature);
      const bool is_only = std::ranges::count(among, feature.kind, &ProfiledFeature::kind) < 2;
      return is_only || which == Spaced(feature.kind) ? text : fmt::format("{} ({})", text, which);
    }
  const std::string name = FeatureWords(feature.name);
  const auto named = [&](const char* high, const char* low, const std::string& of) {
    return Graded(is_high ? high : low, deviations) + of;
  };
  if (feature.kind == "count" || feature.kind == "rate") {
    if (!feature.of_purchases) return named("*many ", "*few ", name);
    const bool has_baskets = std::ranges::count(among, "baskets", &ProfiledFeature::kind) > 0;  // which say how often
    return has_baskets ? named("buys *many items", "buys *few items", "") : named("buys *often", "buys *rarely", "");
  }
  if (feature.kind == "distinct") return named("*wide ", "*narrow ", name);
  if (feature.kind == "share" || feature.kind == "category_shares")
    return named("*high share of ", "*low share of ", SharedOf(feature.name));
  return named("*high ", "*low ", name);
}

std::vector<Trait> TraitsOf(const SegmentProfile& segment, std::span<const ProfiledFeature> features) {
  std::vector<Trait> traits;
  for (size_t f = 0; f < features.size(); ++f) {
    const double deviations = segment.features[f].deviations;
    const bool is_known = 2 * segment.features[f].n >= segment.size;
    if (is_known && std::fabs(deviations) >= kSlightDeviations)
      traits.push_back({f, deviations, Printable(TraitWords(features[f], deviations, features), kMostNameBytes)});
  }
  std::ranges::stable_sort(traits, std::ranges::greater(),
                           [](const Trait& trait) { return std::fabs(trait.deviations); });
  std::set<std::string> said;  // "buys very often" says "buys often", too
  std::erase_if(traits, [&](const Trait& trait) {
    return !said.insert(TraitWords(features[trait.feature], std::copysign(1.0, trait.deviations), features)).second;
  });
  return traits;
}

std::string InWords(const SegmentProfile& segment, const SegmentProfiles& profiles,
                    std::span<const ProfiledFeature> features) {
  if (segment.size == 0) return "No users.";
  std::vector<Trait> traits = TraitsOf(segment, features);
  const size_t n_named = NumberNamed(traits);
  traits.resize(n_named > 0 ? n_named : std::min(traits.size(), kMostNameTraits));
  if (traits.empty())
    return fmt::format("Like all users: no feature is as much as {} standard deviations off their mean.",
                       NumberText(kSlightDeviations));
  std::string text = n_named > 0 ? "" : "near the mean of all users: ";
  for (size_t t = 0; t < traits.size(); ++t) {
    const ProfiledFeature& feature = features[traits[t].feature];
    const FeatureProfile &own = segment.features[traits[t].feature], &all = profiles.population[traits[t].feature];
    const bool are_medians = own.median != all.median;
    text += t == 0 ? "" : t + 1 == traits.size() ? " and " : ", ";
    text +=
        fmt::format("{} ({}{} {} against {}{})", traits[t].words, Printable(FeatureWords(feature.name), kMostNameBytes),
                    are_medians ? "" : ", on average", ValueWords(feature, are_medians ? own.median : own.mean),
                    ValueWords(feature, are_medians ? all.median : all.mean), t == 0 ? " of all users" : "");
  }
  return Capital(text) + ".";
}

std::vector<SegmentName> NameSegments(const SegmentProfiles& profiles, std::span<const ProfiledFeature> features,
                                      std::span<const std::string> ids, const KnownNames& known) {
  CheckGivenNames(known.given);
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
    if (names[s].name.empty()) names[s].name = taken.FromTraits(TraitsOf(profiles.segments[s], features));
  return names;
}

}  // namespace kindred
