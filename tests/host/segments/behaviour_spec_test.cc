// Rules, stages, thresholds and the likelihood in a file.
#include "host/segments/behaviour_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kernels/error.h"

namespace kindred {
namespace {

BehaviourSpec Read(const std::string& text) {
  const toml::table table = ParseToml(text, "segments.toml");
  return ReadBehaviourSpec(TomlTable(table, {"segments.toml"}, kBehaviourSpecKeys));
}

TEST(BehaviourSpec, ReadsEverything) {
  const BehaviourSpec spec = Read(R"([[rules]]
name = "Cart Abandoners"
when = "carts >= 1 in 7d"

[[rules]]
name = "Whales"
when = "monetary >= threshold.big"

[[stages]]
name = "awareness"
when = "views >= 1"

[thresholds.big]
of = "monetary"
quantile = 0.9
max_step = 0.1

[thresholds.fixed]
value = 500

[likelihood]
event = "purchases"
horizon = "14d"
enter = 0.7
leave = 0.3
)");
  ASSERT_EQ(spec.rules.size(), 2u);
  EXPECT_EQ(spec.rules[0].name, "Cart Abandoners");
  EXPECT_EQ(spec.rules[0].when, "carts >= 1 in 7d");
  EXPECT_EQ(spec.rules[1].place, "segments.toml: line 5, column 1: ");
  ASSERT_EQ(spec.stages.size(), 1u);
  EXPECT_EQ(spec.stages[0].name, "awareness");
  ASSERT_EQ(spec.thresholds.size(), 2u);
  EXPECT_EQ(spec.thresholds[0].name, "big");
  EXPECT_EQ(spec.thresholds[0].of, "monetary");
  EXPECT_EQ(spec.thresholds[0].quantile, 0.9);
  EXPECT_EQ(spec.thresholds[0].max_step, 0.1);
  EXPECT_EQ(spec.thresholds[0].value, std::nullopt);
  EXPECT_EQ(spec.thresholds[1].value, 500);
  ASSERT_TRUE(spec.likelihood.has_value());
  EXPECT_EQ(spec.likelihood->event, "purchases");
  EXPECT_EQ(spec.likelihood->horizon, 14 * 86400);
  EXPECT_EQ(spec.likelihood->enter, 0.7);
  EXPECT_EQ(spec.likelihood->leave, 0.3);
}

TEST(BehaviourSpec, DefaultsAreNothing) {
  const BehaviourSpec none = Read("");
  EXPECT_TRUE(none.rules.empty() && none.stages.empty() && none.thresholds.empty() && !none.likelihood);
  const BehaviourSpec spec = Read("[likelihood]\nevent = 'buy'");
  EXPECT_EQ(spec.likelihood->horizon, 30 * 86400);
  EXPECT_EQ(spec.likelihood->enter, 0.6);
  EXPECT_EQ(spec.likelihood->leave, 0.4);
}

TEST(BehaviourSpec, Refusals) {
  for (const auto& [text, message] : std::initializer_list<std::pair<const char*, const char*>>{
           {"[[rules]]\nname = 'a'", "segments.toml: line 1, column 1: no 'when'; expected one for each rule"},
           {"[[stages]]\nwhen = 'a'", "no 'name'; expected one for each stage"},
           {"[[rules]]\nname = 'a'\nwhere = 'b'",
            "line 3, column 1: unknown key 'where'; the nearest known key is 'when'"},
           {"[[rules]]\nname = 3\nwhen = 'b'", "line 2, column 8: 'name' is no text; expected a text"},
           {"[[rules]]\nname = ''\nwhen = 'b'", "line 2, column 8: 'name' is empty; expected a text"},
           {"rules = 3", "line 1, column 9: 'rules' is no list of tables; write [[rules]]"},
           {"thresholds = 3", "'thresholds' is a number; expected a table"},
           {"thresholds.big = 500",
            "line 1, column 18: threshold 'big' is a number; expected a table, written [thresholds.big]"},
           {"[thresholds.big]",
            "line 1, column 1: threshold 'big' has neither; expected one of 'value' and 'quantile'"},
           {"[thresholds.big]\nvalue = 1\nof = 'a'\nquantile = 0.5", "threshold 'big' has both"},
           {"[thresholds.big]\nquantile = 0.5", "a quantile of nothing; expected 'of', the name of a feature"},
           {"[thresholds.big]\nvalue = 1\nmax_step = 0.1",
            "line 3, column 12: 'max_step' is for a threshold with a 'quantile'"},
           {"[thresholds.big]\nof = 'a'\nquantile = 1.5", "'quantile' is 1.5; expected 0 to 1"},
           {"[thresholds.big]\nof = 'a'\nquantile = nan", "'quantile' is nan; expected 0 to 1"},
           {"[thresholds.big]\nquantil = 0.5", "unknown key 'quantil'; the nearest known key is 'quantile'"},
           {"[likelihood]\nhorizon = '3d'", "no 'event'; expected one for each likelihood"},
           {"[likelihood]\nevent = 'buy'\nhorizon = 'x'", "line 3, column 11: "},
           {"[likelihood]\nevent = 'buy'\nenter = 0.3", "'enter' is 0.3 and 'leave' 0.4; expected 0 < leave <= enter"},
           {"[likelihood]\nevent = 'buy'\nleave = 0", "line 3, column 9: 'enter' is 0.6 and 'leave' 0"},
           {"[likelihood]\nevent = 'buy'\nenter = 2", "'enter' is 2; expected 0 to 1"},
       }) {
    try {
      Read(text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << text;
      EXPECT_THAT(error.what(), testing::StartsWith("segments.toml: line ")) << text;
      EXPECT_THAT(error.what(), testing::HasSubstr(message)) << text;
    }
  }
}

}  // namespace
}  // namespace kindred
