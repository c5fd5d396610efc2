// Names and sentences for segments, in plain words, from what sets each apart (host/segments/profile.h).
//
// A trait is a feature whose deviation has at least NamingOptions::least standard deviations; the largest come first,
// of equals that of the first feature. Words go by the feature's kind: a low recency is "recent", a high one "lapsed".
// A name is the first three traits, "buys often, high value, recent", each word once; "typical" where there is none.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "host/segments/profile.h"

namespace kindred {

struct NamingOptions {
  double least = 0.5;   // standard deviations
  size_t n_traits = 3;  // of a name
};

/// What a feature is called in words, high or low: "recent", "buys often", "much of shoes", "high user age".
std::string TraitWords(const ProfiledFeature& feature, bool is_high);

struct Trait {
  size_t feature = 0;
  double deviations = 0;
  std::string words;
};
/// What sets the segment apart, strongest first; of those with the same words the strongest only.
std::vector<Trait> TraitsOf(const SegmentProfile& segment, std::span<const ProfiledFeature> features,
                            const NamingOptions& options = {});

/// "Buys often (frequency: 12 against 2 of all users) and recent (...)": medians, means where medians are equal. How
/// like all users it is where nothing sets it apart.
std::string InWords(const SegmentProfile& segment, const SegmentProfiles& profiles,
                    std::span<const ProfiledFeature> features, const NamingOptions& options = {});

struct SegmentName {
  std::string name;
  bool by_person = false;  // else from the profile
};

/// The names that are there before: people's in the configuration, and those of the last version.
struct KnownNames {
  std::map<std::string, std::string> given;      // by stable id; go before all others
  std::map<std::string, SegmentName> kept = {};  // by stable id, of the last version
};

/// A name for each segment, no two alike whatever the case of their letters. The given ones first, then the last
/// version's that people gave, then its others, then those made of profiles, in the order of segments; one that is
/// taken by then gets the next trait, and where there are no more a number: "typical (2)". A last name that is taken is
/// made anew from the profile.
///
/// Throws kInvalidArgument for a given name that is empty, no printable UTF-8, longer than 80 bytes, or given to two
/// ids. Given names of ids that no segment has are ignored: callers warn.
std::vector<SegmentName> NameSegments(const SegmentProfiles& profiles, std::span<const ProfiledFeature> features,
                                      std::span<const std::string> ids, const KnownNames& known = {},
                                      const NamingOptions& options = {});

}  // namespace kindred
