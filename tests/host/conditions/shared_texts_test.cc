#include "host/conditions/shared_texts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

namespace kindred {
namespace {

SharedTexts::Text New(const std::string& text) {
  return std::make_shared<const std::string>(text);
}

TEST(SharedTexts, CopiesAreWhatPlainMapsAre) {
  for (const uint32_t seed : {1, 2, 3}) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    struct Version {
      SharedTexts texts;
      std::map<int64_t, SharedTexts::Text> expected;
    };
    std::vector<Version> versions(1);
    for (int round = 0; round < 30; ++round) {
      Version next = versions[random() % versions.size()];
      for (uint32_t change = random() % 20; change > 0; --change) {
        const auto place = static_cast<int64_t>(random() % 1000);
        const SharedTexts::Text text = random() % 4 == 0 ? nullptr : New(std::to_string(random()));
        next.texts.Set(place, text);
        next.expected[place] = text;
      }
      versions.push_back(std::move(next));
    }
    for (const Version& version : versions)
      for (int64_t place = 0; place < 1100; ++place) {
        const auto found = version.expected.find(place);
        ASSERT_EQ(version.texts.At(place), found == version.expected.end() ? nullptr : found->second) << place;
      }
  }
}

TEST(SharedTexts, ACopyHoldsOnlyTheBlocksThatChangedAnew) {
  SharedTexts texts;
  std::vector<std::weak_ptr<const std::string>> held;
  for (int64_t place = 0; place < 100'000; ++place) {
    const SharedTexts::Text text = New("x");
    texts.Set(place, text);
    held.push_back(text);
  }
  SharedTexts copy = texts;
  copy.Set(5, New("y"));
  const auto n_twice = std::ranges::count_if(held, [](const auto& text) { return text.use_count() > 1; });
  EXPECT_GT(n_twice, 0);
  EXPECT_LT(n_twice, 1000);
  EXPECT_EQ(*texts.At(5), "x");
  EXPECT_EQ(*copy.At(5), "y");
}

TEST(SharedTexts, WhatIsSetToNothingIsFreed) {
  SharedTexts texts;
  SharedTexts::Text text = New("x");
  const std::weak_ptr<const std::string> held = text;
  texts.Set(3, std::move(text));
  {
    SharedTexts copy = texts;
    texts = SharedTexts();
    copy.Set(3, nullptr);
    EXPECT_TRUE(held.expired());
    EXPECT_EQ(copy.At(3), nullptr);
  }
}

}  // namespace
}  // namespace kindred
