#include "host/segments/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kernels/error.h"

namespace kindred {
namespace {

using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const std::vector<ProfiledFeature> kRfm = {
    {"recency", "recency"}, {"frequency", "baskets"}, {"monetary", "sum"}, {"tenure", "tenure"}};

/// Profiles with these deviations, a row a segment; means and medians follow.
SegmentProfiles Deviating(const std::vector<std::vector<double>>& deviations) {
  SegmentProfiles profiles;
  profiles.population.assign(deviations.empty() ? 0 : deviations[0].size(), {10, 100, 50, 0});
  for (const std::vector<double>& row : deviations) {
    SegmentProfile& profile = profiles.segments.emplace_back();
    profile.size = 5;
    for (const double value : row) profile.features.push_back({5, 100 + 10 * value, 50 + 5 * value, value});
  }
  return profiles;
}

std::vector<std::string> Names(const std::vector<std::vector<double>>& deviations, const KnownNames& known = {}) {
  std::vector<std::string> ids, names;
  for (size_t s = 0; s < deviations.size(); ++s) ids.push_back(std::to_string(s + 1));
  for (const SegmentName& name : NameSegments(Deviating(deviations), kRfm, ids, known)) names.push_back(name.name);
  return names;
}

TEST(SegmentNames, SayWhatSetsASegmentApartAndHowFar) {
  EXPECT_THAT(Names({{-0.6, 2, 1.4, 0.4},
                     {1.5, -0.5, -0.49, -0.7},
                     {0.1, 0, kNan, 0.24},
                     {-0.4, 0.1, -0.5, 0.3},
                     {-1.6, 0.9, 2.1, -1.7}}),
              testing::ElementsAre("buys very often, high value, recent", "long lapsed, new, buys rarely", "typical",
                                   "low value, rather recent", "very high value, very new, very recent"));
}

TEST(SegmentNames, AreUniqueByMoreTraitsThenByLessThenByNumber) {
  EXPECT_THAT(
      Names({{-1, 1.4, 1.3, 0.6}, {-1, 1.4, 1.3, 0.7}, {-1, 1.3, 1.4, 0.3}, {-1, 1.4, 1.3, 0}, {1.4, -1.3, 1, 0}}),
      testing::ElementsAre("buys often, high value, recent", "buys often, high value, recent, long-standing",
                           "high value, buys often, recent, rather long-standing", "buys often, high value",
                           "lapsed, buys rarely, high value"));
  EXPECT_THAT(Names({{0, 0, 0, 0}, {0, 0, 0.3, -0.4}, {0, 0, 0.4, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}}),
              testing::ElementsAre("typical", "rather new", "rather high value", "typical (2)", "typical (3)"));
}

TEST(SegmentNames, DoNotGoByWhatIsKnownOfFew) {
  SegmentProfiles profiles = Deviating({{-2, 1, 0, 0}});
  profiles.segments[0].features[0].n = 2;  // of five users
  EXPECT_EQ(NameSegments(profiles, kRfm, std::vector<std::string>{"1"})[0].name, "buys often");
}

TEST(SegmentNames, PeopleAndTheLastVersionComeFirst) {
  KnownNames known;
  known.given = {{"2", "Champions"}, {"9", "Nobody has this id"}};
  known.kept = {{"1", {"champions", true}},  // taken by the given one, whatever its case
                {"2", {"Old name", true}},   // replaced
                {"3", {"typical", false}},   // kept though its profile has changed
                {"4", {"Sleepers", true}}};  // people's stay
  const std::vector<std::string> ids = {"1", "2", "3", "4", "5"};
  const auto names = NameSegments(Deviating({{-1, 0, 0, 0}, {0, 0, 0, 0}, {0, 3, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}}),
                                  kRfm, ids, known);
  EXPECT_EQ(names[0].name, "recent");
  EXPECT_FALSE(names[0].by_person);
  EXPECT_EQ(names[1].name, "Champions");
  EXPECT_TRUE(names[1].by_person);
  EXPECT_EQ(names[2].name, "typical");
  EXPECT_FALSE(names[2].by_person);
  EXPECT_EQ(names[3].name, "Sleepers");
  EXPECT_TRUE(names[3].by_person);
  EXPECT_EQ(names[4].name, "typical (2)");

  known.kept = {{"1", {"Sleepers", false}}, {"4", {"Sleepers", true}}};
  EXPECT_EQ(Names({{-1, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}}, known)[3], "Sleepers")
      << "a person's goes before a profile's, wherever it stands";
}

TEST(SegmentNames, RefusesNamesThatPeopleMayNotGive) {
  const auto refusal = [](std::map<std::string, std::string> given) -> std::string {
    try {
      Names({{0, 0, 0, 0}}, {std::move(given)});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(refusal({{"1", "Same"}, {"2", "same"}}), HasSubstr("segments 1 and 2 are both named 'same'"));
  EXPECT_THAT(refusal({{"1", ""}}), HasSubstr("the name of segment 1 is ''"));
  EXPECT_THAT(refusal({{"1", "a\nb"}}), HasSubstr("a\\x0ab"));
  EXPECT_THAT(refusal({{"1", std::string(81, 'a')}}), HasSubstr("expected 1 to 80 bytes"));
  EXPECT_EQ(refusal({{"1", std::string(80, 'a')}}), "");
}

TEST(TraitWords, GoByTheKindAndTheSize) {
  const auto words = [](const ProfiledFeature& feature, double size = 1) {
    return TraitWords(feature, size, {&feature, 1}) + " / " + TraitWords(feature, -size, {&feature, 1});
  };
  EXPECT_EQ(words({"r", "recency"}), "lapsed / recent");
  EXPECT_EQ(words({"r", "recency"}, 1.5), "long lapsed / very recent");
  EXPECT_EQ(words({"r", "recency"}, 0.49), "rather lapsed / rather recent");
  EXPECT_EQ(words({"f", "baskets"}, 3), "buys very often / buys very rarely");
  EXPECT_EQ(words({"carts_7d", "count"}), "many carts in 7d / few carts in 7d");
  EXPECT_EQ(words({"orders", "count", true}), "buys often / buys rarely");
  EXPECT_EQ(words({"discount_share", "share"}), "high share of discount / low share of discount");
  EXPECT_EQ(words({"category.shoes", "category_shares"}, 2), "very high share of shoes / very low share of shoes");
  EXPECT_EQ(words({"breadth", "distinct"}), "wide breadth / narrow breadth");
  EXPECT_EQ(words({"shop_factor_3", "factors"}), "high shop factor 3 / low shop factor 3");
  EXPECT_EQ(words({"share", "share"}), "high share of share / low share of share");
}

TEST(TraitWords, NameTheFeatureWhereTwoAreOfAKind) {
  const std::vector<ProfiledFeature> features = {
      {"recency", "recency"}, {"recency_views", "recency"}, {"cart_recency", "recency"}, {"monetary", "sum"}};
  EXPECT_EQ(TraitWords(features[0], -1, features), "recent");
  EXPECT_EQ(TraitWords(features[1], -1, features), "recent (views)");
  EXPECT_EQ(TraitWords(features[2], 2, features), "long lapsed (cart)");
  EXPECT_EQ(TraitWords(features[3], 1, features), "high value");
}

TEST(TraitsOf, HaveEveryWordOnce) {
  const std::vector<ProfiledFeature> features = {{"a", "rate", true}, {"b", "count", true}, {"c", "recency"}};
  const SegmentProfiles profiles = Deviating({{1, 2, -3}});
  const std::vector<Trait> traits = TraitsOf(profiles.segments[0], features);
  ASSERT_EQ(traits.size(), 2u);
  EXPECT_EQ(traits[0].words, "very recent");
  EXPECT_EQ(traits[1].words, "buys very often");
  EXPECT_EQ(traits[1].feature, 1u);
}

TEST(TraitsOf, DoNotContradictEachOther) {
  const std::vector<ProfiledFeature> features = {{"frequency", "baskets"}, {"events", "count", true}};
  const SegmentProfiles profiles = Deviating({{-1, 2}});  // much at once
  const std::vector<Trait> traits = TraitsOf(profiles.segments[0], features);
  ASSERT_EQ(traits.size(), 2u);
  EXPECT_EQ(traits[0].words, "buys very many items");
  EXPECT_EQ(traits[1].words, "buys rarely");
}

TEST(InWords, SaysTheMediansAndWhereTheyAreEqualTheMeans) {
  SegmentProfiles profiles = Deviating({{-2, 1, 0.6, 0}, {0, 0, 0, 0}});
  EXPECT_EQ(InWords(profiles.segments[0], profiles, kRfm),
            "Very recent (recency 40 days against 50 days of all users), buys often (frequency 55 against 50) and high "
            "value (monetary 53 against 50).");
  EXPECT_THAT(InWords(profiles.segments[1], profiles, kRfm), HasSubstr("Like all users"));
  const SegmentProfiles slight = Deviating({{0, 0.4, -0.3, 0}});
  EXPECT_EQ(InWords(slight.segments[0], slight, kRfm),
            "Near the mean of all users: buys rather often (frequency 52 against 50 of all users) and rather low value "
            "(monetary 48.5 against 50).");
  profiles.segments[0].features[0].median = 50;
  EXPECT_THAT(InWords(profiles.segments[0], profiles, kRfm),
              HasSubstr("(recency, on average 80 days against 100 days of all users)"));
}

}  // namespace
}  // namespace kindred
