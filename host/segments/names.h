// Names and sentences for segments, in plain words, from what sets each apart (host/segments/profile.h).
//
// A trait is a feature that is off all users' mean, and known of at least half of the segment's users; the farthest off
// come first, of equals that of the first feature. Words go by the feature's kind, a low recency is "recent", a high
// one "lapsed", and by how far off it is:
//
//   deviations >= 1.5    "very high value", "buys very often", "long lapsed"
//              >= 0.5    "high value", "buys often", "lapsed"
//              >= 0.25   "rather high value", "buys rather often", "rather lapsed": a slight trait
//
// A name is the first three traits that are not slight, "buys often, high value, recent"; where there is but one, the
// strongest slight one stands behind it, and where there is none, the segment is "typical".
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "host/segments/profile.h"

namespace kindred {

inline constexpr double kSlightDeviations = 0.25, kPlainDeviations = 0.5, kStrongDeviations = 1.5;
inline constexpr size_t kMostNameTraits = 3;

/// What a feature so far off the mean is called: "very recent", "buys often", "rather high share of shoes", "low user
/// age". `among`: all features; of two of a kind the words say which: "recent (views)".
std::string TraitWords(const ProfiledFeature& feature, double deviations, std::span<const ProfiledFeature> among);

struct Trait {
  size_t feature = 0;
  double deviations = 0;
  std::string words;

  bool is_slight() const;
};
/// What sets the segment apart, strongest first; of those that say the same the strongest only.
std::vector<Trait> TraitsOf(const SegmentProfile& segment, std::span<const ProfiledFeature> features);

/// "Buys often (frequency 12 against 2 of all users) and recent (recency 4 days against 50 days)": what the name is
/// made of, with medians, means where medians are equal. Where nothing sets it apart, the same of what is farthest off
/// the mean.
std::string InWords(const SegmentProfile& segment, const SegmentProfiles& profiles,
                    std::span<const ProfiledFeature> features);

struct SegmentName {
  std::string name;
  bool by_person = false;  // else from the profile
};

/// The names that are there before: people's in the configuration, and those of the last version.
struct KnownNames {
  std::map<std::string, std::string> given;      // by stable id; go before all others
  std::map<std::string, SegmentName> kept = {};  // by stable id, of the last version
};

/// Throws kInvalidArgument for a given name that is empty, no printable UTF-8, longer than 80 bytes, or given to two
/// ids.
void CheckGivenNames(const std::map<std::string, std::string>& given);

/// A name for each segment, no two alike whatever the case of their letters and the order of their traits. The given
/// ones first, then the last version's that people gave, then its others, then those made of profiles, in the order of
/// segments; one that is taken by then gets the next traits, slight ones too, or else goes without its weakest, and
/// where that does not do either has a number: "typical (2)". A last name that is taken is made anew from the profile.
///
/// Throws as CheckGivenNames does. Given names of ids that no segment has are ignored: callers warn.
std::vector<SegmentName> NameSegments(const SegmentProfiles& profiles, std::span<const ProfiledFeature> features,
                                      std::span<const std::string> ids, const KnownNames& known = {});

}  // namespace kindred
