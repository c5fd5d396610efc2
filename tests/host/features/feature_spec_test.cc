#include "host/features/feature_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

FeatureSpec Parse(const std::string& text) {
  const toml::table file = ParseToml(text, "a/segments.toml");
  return ReadFeatureSpec(TomlTable(file, {"a/segments.toml"}, kFeatureSpecKeys));
}

FeatureDeclaration One(const std::string& text) {
  return Parse("[[features]]\nname = 'x'\n" + text).features.at(0);
}

void Refuses(const std::string& text, const std::string& message) {
  SCOPED_TRACE(text);
  ExpectError(ErrorCode::kUsage, message, [&] { Parse(text); });
}
void RefusesOne(const std::string& text, const std::string& message) {
  Refuses("[[features]]\nname = 'x'\n" + text, message);
}

TEST(FeatureSpec, AKindIsEnough) {
  const FeatureDeclaration feature = One("kind = 'recency'");
  EXPECT_EQ(feature.kind, FeatureKind::kRecency);
  EXPECT_THAT(feature.events, IsEmpty());
  EXPECT_FALSE(feature.window);
  EXPECT_EQ(feature.normalization.kind, NormalizationKind::kZ);
  EXPECT_EQ(feature.normalization.clip, ClipKind::kNone);
  EXPECT_EQ(feature.normalization.impute, ImputeKind::kMax);
  EXPECT_EQ(feature.normalization.weight, 1);
  EXPECT_EQ(One("kind = 'count'").normalization.impute, ImputeKind::kZero);
  EXPECT_EQ(One("kind = 'gap'").normalization.impute, ImputeKind::kMedian);
}

TEST(FeatureSpec, EverythingThatCanBeSaid) {
  const FeatureSpec spec = Parse(R"(
reference = "2011-12-10"

[events]
views = "view"
carts = ["cart", "add_to_cart"]

[[features]]
name = "a_1"
kind = "rate"
events = ["views", "buy"]
window = "30d"
where = 'category = "shoes"'
per = "12h"
normalize = "log"
clip = [0.01, 0.99]
impute = -1.5
weight = 2

[[features]]
name = "b"
kind = "category_shares"
of = "category"
top = 3
normalize = "quantile"
clip = "iqr"
impute = "mean"

[[features]]
name = "c"
kind = "dwell"
session_gap = "10m"
normalize = "robust"
clip = "none"

[[features]]
name = "d"
kind = "factors"
model = "shop"
version = "12"
normalize = "none"

[[features]]
name = "e"
kind = "category_shares"
of = "tags"
values = ["x", "y"]
)");
  EXPECT_EQ(spec.reference, 1323475200);
  EXPECT_THAT(spec.events.at("carts"), ElementsAre("cart", "add_to_cart"));
  ASSERT_THAT(spec.features, SizeIs(5));
  const FeatureDeclaration& a = spec.features[0];
  EXPECT_EQ(a.name, "a_1");
  EXPECT_THAT(a.events, ElementsAre("views", "buy"));
  EXPECT_EQ(a.window, 30 * 86400);
  EXPECT_EQ(a.where, "category = \"shoes\"");
  EXPECT_EQ(a.per, 12 * 3600);
  EXPECT_EQ(a.normalization,
            (NormalizationRule{NormalizationKind::kLog, ClipKind::kQuantiles, .01, .99, ImputeKind::kNumber, -1.5, 2}));
  EXPECT_EQ(a.place, "a/segments.toml: line 8, column 1: features: ");
  EXPECT_EQ(spec.features[1].top, 3);
  EXPECT_EQ(spec.features[1].normalization.clip, ClipKind::kIqr);
  EXPECT_EQ(spec.features[1].normalization.impute, ImputeKind::kMean);
  EXPECT_EQ(spec.features[2].session_gap, 600);
  EXPECT_EQ(spec.features[2].normalization.clip, ClipKind::kNone);
  EXPECT_EQ(spec.features[3].model, "shop");
  EXPECT_EQ(spec.features[3].version, "12");
  EXPECT_THAT(spec.features[4].values, ElementsAre("x", "y"));
}

TEST(FeatureSpec, TimesInEveryForm) {
  for (const char* time : {"'2011-12-10'", "2011-12-10", "2011-12-10T00:00:00", "2011-12-10T01:00:00+01:00",
                           "'2011-12-10T00:00:00Z'", "'1323475200'", "1323475200"})
    EXPECT_EQ(Parse(std::string("reference = ") + time).reference, 1323475200) << time;
  EXPECT_FALSE(Parse("").reference);
  Refuses("reference = 'yesterday'", "a/segments.toml: line 1, column 13: 'reference': ");
  Refuses("reference = 12:00:00", "'reference': expected a time");
  Refuses("reference = 1e9", "'reference': expected a time");
}

TEST(FeatureSpec, WhatIsRefused) {
  Refuses("[[feature]]", "unknown key 'feature'; the nearest known key is 'features'");
  Refuses("[features]", "'features' is no list of tables; write [[features]]");
  Refuses("[[features]]\nkind = 'count'", "line 1, column 1: features: no 'name'");
  Refuses("[[features]]\nname = 'x'", "line 1, column 1: features: no 'kind'");
  Refuses("[[features]]\nname = 'a b'\nkind = 'count'", "'a b' is no name of letters, digits and _");
  Refuses("[[features]]\nname = 'x'\nkind = 'count'\n[[features]]\nname = 'x'\nkind = 'sum'",
          "line 4, column 1: two features are called 'x'");
  Refuses("[events]\na = 1", "line 2, column 5: events: 'a' is neither a text nor a list of texts");
  Refuses("[events]\na = []", "'a' is an empty list");
  RefusesOne("kind = 'recensy'",
             "line 3, column 8: features: unknown kind 'recensy'; the nearest known kind is 'recency'");
  RefusesOne("kind = 'count'\nwindw = '1d'",
             "line 4, column 1: features: unknown key 'windw'; the nearest known key is 'window'");
  RefusesOne("kind = 'count'\nwindow = 30", "line 4, column 10: features: 'window' is no text");
  RefusesOne("kind = 'count'\nwindow = '30'", "'window': '30': expected a number > 0 and its unit");
  RefusesOne("kind = 'count'\nwindow = '0.5s'", "'window' is '0.5s'; expected whole seconds");
  RefusesOne("kind = 'count'\nwindow = '1e300w'", "'window'");
  RefusesOne("kind = 'count'\nper = '7d'", "'per' is not for features of kind 'count'");
  RefusesOne("kind = 'count'\nof = 'price'", "'of' is not for features of kind 'count'");
  RefusesOne("kind = 'sum'\nsession_gap = '1h'", "'session_gap' is not for features of kind 'sum'");
  RefusesOne("kind = 'factors'\nmodel = 'm'\nevents = 'buy'", "'events' is not for features of kind 'factors'");
  RefusesOne("kind = 'factors'", "a feature of kind 'factors' needs 'model'");
  RefusesOne("kind = 'attribute'", "a feature of kind 'attribute' needs 'of'");
  RefusesOne("kind = 'share'", "a feature of kind 'share' needs 'where'");
  RefusesOne("kind = 'category_shares'\nof = 'c'\ntop = 0", "'top' is 0; expected 1 to 1000");
  RefusesOne("kind = 'category_shares'\nof = 'c'\ntop = 1\nvalues = ['a']", "'top' is for where no 'values' are named");
  RefusesOne("kind = 'count'\nnormalize = 'zscore'",
             "'normalize' is 'zscore'; expected 'none', 'z', 'robust', 'log' or 'quantile'");
  RefusesOne("kind = 'count'\nclip = [0.9, 0.1]", "'clip' is neither");
  RefusesOne("kind = 'count'\nclip = [0.1, 'a']", "'clip' is neither");
  RefusesOne("kind = 'count'\nclip = 0.1", "'clip' is neither");
  RefusesOne("kind = 'count'\nclip = 'tukey'", "'clip' is 'tukey'; expected 'none' or 'iqr'");
  RefusesOne("kind = 'count'\nimpute = 'average'", "'impute' is 'average'; expected");
  RefusesOne("kind = 'count'\nimpute = inf", "'impute' is inf");
  RefusesOne("kind = 'count'\nweight = -1", "'weight' is -1");
  RefusesOne("kind = 'count'\nevents = ''", "'events' is neither a text nor a list of texts");
}

TEST(FeatureSpec, TheSameFromJson) {
  FeatureSpec spec = Parse(
      "reference = 2020-01-01\n[events]\na = ['b', 'c']\n\"d\\u0000e\" = 'f'\n[[features]]\nname = 'x'\nkind = "
      "'rate'\nwindow = '2d'\nwhere "
      "= 'p > 1'\nevents = 'a'\nclip = [0.1, 0.30000000000000004]\nimpute = 0.1\n[[features]]\nname = 'y'\nkind = "
      "'category_shares'\nof = 'c'\nvalues = ['v']\nclip = 'iqr'\n[[features]]\nname = 'z'\nkind = 'factors'\nmodel = "
      "'m'\n[[features]]\nname = 'w'\nkind = 'velocity'\nsession_gap = '1m'\nweight = 0.25\n");
  for (FeatureDeclaration& feature : spec.features) feature.place.clear();
  const nlohmann::json json = nlohmann::json::parse(FeatureSpecJson(spec).dump());
  EXPECT_EQ(ParseFeatureSpec(json, "here"), spec);

  const auto refuse = [&](const char* pointer, const nlohmann::json& value, const std::string& message) {
    nlohmann::json changed = json;
    changed[nlohmann::json::json_pointer(pointer)] = value;
    ExpectError(ErrorCode::kCorrupt, message, [&] { ParseFeatureSpec(changed, "here"); });
  };
  refuse("/features", 1, "here: 'features' is not a list");
  refuse("/features/0/kind", "x", "here: feature 0: 'kind' is not a kind that is known");
  refuse("/features/0/window", 0, "'window' is not a whole number from 1");
  refuse("/features/0/window", 1e300, "'window' is not a whole number from 1");
  refuse("/features/0/clip", {1, 0}, "'clip' is not two quantiles");
  refuse("/features/0/impute", "never", "'impute' is not a name that is known");
  refuse("/features/0/impute", "number", "'impute' is not a number or a rule");
  refuse("/features/1/name", "x", "'features' is not of different names");
  refuse("/features/1/values", {1}, "'values' is not a list of texts");
  refuse("/features/3/weight", -1, "'weight' is not a number from 0");
  refuse("/features/3/session_gap", nullptr, "'session_gap' is not a whole number");
  refuse("/events", 1, "'events' is not an object");
  ExpectError(ErrorCode::kCorrupt, "here: found number; expected an object", [] { ParseFeatureSpec(1, "here"); });
  ExpectError(ErrorCode::kCorrupt, "here: no 'events'", [] { ParseFeatureSpec(nlohmann::json::object(), "here"); });
}

TEST(FeatureSpec, TypesByNameOrByTheirOwn) {
  const std::vector<std::string> types = {"view", "cart", "buy"};
  const EventNames names = {{"interest", {"cart", "view", "cart"}}, {"buy", {"cart"}}, {"gone", {"byu"}}};
  EXPECT_THAT(TypesOf(names, "view", types), ElementsAre(0));
  EXPECT_THAT(TypesOf(names, "interest", types), ElementsAre(0, 1));
  EXPECT_THAT(TypesOf(names, "buy", types), ElementsAre(1));  // what is declared comes first
  ExpectError(ErrorCode::kInvalidArgument, "no events are of type 'interst'; the nearest known name is 'interest'",
              [&] { TypesOf(names, "interst", types); });
  ExpectError(ErrorCode::kInvalidArgument,
              "no events are of type 'byu', which 'gone' names; the nearest known name is 'buy'",
              [&] { TypesOf(names, "gone", types); });
  ExpectError(ErrorCode::kInvalidArgument, "the events have no types", [&] { TypesOf({}, "view", {}); });
}

TEST(FeatureSpec, WithoutAFile) {
  const auto names = [](const FeatureSpec& spec) {
    std::vector<std::string> found;
    for (const FeatureDeclaration& feature : spec.features) found.push_back(feature.name);
    return found;
  };
  const std::vector<std::string> types = {"view", "Purchase", "buy"};
  const FeatureSpec spec = DefaultFeatureSpec(types, true, true);
  EXPECT_THAT(names(spec), ElementsAre("recency", "frequency", "monetary"));
  for (const FeatureDeclaration& feature : spec.features) {
    EXPECT_THAT(feature.events, ElementsAre("Purchase", "buy"));
    EXPECT_EQ(feature.normalization.kind, NormalizationKind::kLog);
    EXPECT_EQ(feature.normalization.clip, ClipKind::kIqr);
  }
  EXPECT_EQ(spec.features[0].normalization.impute, ImputeKind::kMax);
  EXPECT_EQ(spec.features[1].kind, FeatureKind::kBaskets);
  EXPECT_EQ(spec.features[2].kind, FeatureKind::kSum);
  EXPECT_THAT(DefaultFeatureSpec(std::vector<std::string>{"view"}, true, true).features[0].events, IsEmpty());
  EXPECT_THAT(names(DefaultFeatureSpec({}, true, false)), ElementsAre("recency", "frequency", "events"));
  EXPECT_THAT(names(DefaultFeatureSpec(types, false, true)), ElementsAre("frequency", "monetary"));
  EXPECT_THAT(names(DefaultFeatureSpec({}, false, true)), ElementsAre("events", "monetary"));
  EXPECT_THAT(names(DefaultFeatureSpec({}, false, false)), ElementsAre("events"));
  EXPECT_EQ(DefaultFeatureSpec({}, false, false).features[0].kind, FeatureKind::kCount);
}

TEST(FeatureSpec, KindsHaveTheirNames) {
  for (int kind = 0; kind <= static_cast<int>(FeatureKind::kAttribute); ++kind)
    EXPECT_EQ(FeatureKindNamed(FeatureKindName(static_cast<FeatureKind>(kind))), static_cast<FeatureKind>(kind));
  EXPECT_FALSE(FeatureKindNamed("x"));
}

}  // namespace
}  // namespace kindred
