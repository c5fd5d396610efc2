#include "host/text/words.h"

#include <gtest/gtest.h>

#include <random>

namespace kindred {
namespace {

using List = std::vector<std::string>;

TEST(Words, AreRunsOfLettersAndDigitsInLowerCase) {
  EXPECT_EQ(Words(""), List{});
  EXPECT_EQ(Words(" -- \t.\n"), List{});
  EXPECT_EQ(Words("WHITE HANGING HEART T-LIGHT HOLDER"), (List{"white", "hanging", "heart", "t", "light", "holder"}));
  EXPECT_EQ(Words("set of 3, 3 SETS"), (List{"set", "of", "3", "3", "sets"}));
}

TEST(Words, OfOtherAlphabets) {
  EXPECT_EQ(Words("Größe ÉCLAIR «œuvre»"), (List{"größe", "éclair", "œuvre"}));
  EXPECT_EQ(Words("Žluťoučký KŮŇ, ŁÓDŹ"), (List{"žluťoučký", "kůň", "łódź"}));
  EXPECT_EQ(Words("ΚΟΣΜΟΣ κόσμος ΆΛΦΑ"), (List{"κοσμοσ", "κόσμοσ", "άλφα"}));
  EXPECT_EQ(Words("Ёлка и МОСКВА — Київ"), (List{"ёлка", "и", "москва", "київ"}));
  EXPECT_EQ(Words("한국어 글"), (List{"한국어", "글"}));
  EXPECT_EQ(Words("a\u00d7b c\u2019d 5\u20ac \U0001f600x"), (List{"a", "b", "c", "d", "5", "x"}));
}

TEST(Words, OfScriptsWithoutSpacesArePairsOfCharacters) {
  EXPECT_EQ(Words("木製の椅子"), (List{"木製", "製の", "の椅", "椅子"}));
  EXPECT_EQ(Words("椅"), (List{"椅"}));
  EXPECT_EQ(Words("IKEA椅子2"), (List{"ikea", "椅子", "2"}));
  EXPECT_EQ(Words("木。子"), (List{"木", "子"}));
}

TEST(Words, LongOnesAreNone) {
  const std::string longest(kLongestWord, 'x');
  EXPECT_EQ(Words(longest + " " + longest + "y z"), (List{longest, "z"}));
}

TEST(Words, AnyBytesWillDo) {
  EXPECT_EQ(Words("caf\xe9 ole"), (List{"caf", "ole"}));
  EXPECT_EQ(Words("a\xf0\x9f"), (List{"a"}));
  for (const char* none : {"\xe0\x81\x81", "\xf0\x80\x81\x81", "\xed\xa0\x80", "\xf4\x90\x80\x80"})
    EXPECT_EQ(Words("x" + std::string(none) + "y"), (List{"x", "y"})) << "overlong, a surrogate or beyond Unicode";
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes;
    for (unsigned n = random() % 40; n > 0; --n)
      bytes.push_back(static_cast<char>(random() % 3 ? 0xc0 + random() % 64 : random()));
    for (const std::string& word : Words(bytes)) {
      EXPECT_FALSE(word.empty());
      EXPECT_EQ(Words(word), List{word}) << "seed 1, round " << round;
    }
  }
}

}  // namespace
}  // namespace kindred
