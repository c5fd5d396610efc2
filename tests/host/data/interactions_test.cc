#include "host/data/interactions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "tests/host/data/random_events.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

/// Events as a dataset holds them, from one list a user.
struct Events {
  explicit Events(const std::vector<std::vector<std::pair<int32_t, float>>>& users) {
    for (const auto& user : users) {
      for (const auto& [item, value] : user) {
        items.push_back(item);
        values.push_back(value);
      }
      indptr.push_back(static_cast<int64_t>(items.size()));
    }
  }
  EventsView view() const { return {indptr, items, values}; }

  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> items;
  std::vector<float> values;
};

TEST(SumEvents, RepeatsAddUpAndZerosAreLeftOut) {
  const Events events({{{2, 1}, {0, 3}, {2, 0.5f}}, {}, {{1, 0}, {0, 1}, {1, 0}}});
  const Csr sum = SumEvents(events.view(), 3);
  EXPECT_EQ(sum.n_rows, 3);
  EXPECT_EQ(sum.n_cols, 3);
  EXPECT_EQ(sum.indptr, (std::vector<int64_t>{0, 2, 2, 3}));
  EXPECT_EQ(sum.indices, (std::vector<int32_t>{0, 2, 0}));
  EXPECT_EQ(sum.values, (std::vector<float>{3, 1.5f, 1}));
}

TEST(SumEvents, OnlyKeptEventsCount) {
  const Events events({{{2, 1}, {0, 3}, {2, 0.5f}}});
  const std::vector<uint8_t> keep = {0, 0, 1};
  const Csr sum = SumEvents(events.view(), 3, {.keep = keep});
  EXPECT_EQ(sum.indices, (std::vector<int32_t>{2}));
  EXPECT_EQ(sum.values, (std::vector<float>{0.5f}));
}

TEST(SumEvents, ManySmallValuesDoNotGetLost) {
  std::vector<std::pair<int32_t, float>> user(1, {0, 16777216.0f});
  for (int i = 0; i < 64; ++i) user.emplace_back(0, 1.0f);
  EXPECT_EQ(SumEvents(Events({user}).view(), 1).values, (std::vector<float>{16777280.0f}));
}

TEST(SumEvents, ASumThatNoFloatHoldsIsAnErrorThatNamesTheUserAndTheItem) {
  const float large = std::numeric_limits<float>::max();
  const Events events({{}, {{0, 1}, {1, large}, {1, large}}});
  ExpectError(ErrorCode::kNumeric, "the events of user 1 and item 1 sum to 6.8", [&] { SumEvents(events.view(), 2); });
  IdMapBuilder users, items;
  for (const char* id : {"ann", "b\xff"}) users.Intern(id), items.Intern(std::string("item ") + id);
  const IdMap user_ids = users.view(), item_ids = items.view();
  ExpectError(ErrorCode::kNumeric, "of user 'b\\xff' and item 'item b\\xff' sum to",
              [&] { SumEvents(events.view(), 2, {.users = &user_ids, .items = &item_ids}); });
  const Csr capped = SumEvents(events.view(), 2, {.weighting = {.confidence_cap = large}});
  EXPECT_EQ(capped.values, (std::vector<float>{1, large}));
}

TEST(SumEvents, OfManyErrorsTheFirstUsersIsTold) {
  const float large = std::numeric_limits<float>::max();
  std::vector<std::vector<std::pair<int32_t, float>>> users(400);
  for (size_t user = 0; user < users.size(); ++user) {
    users[user].assign(1000, {0, 1});
    if (user >= 70) users[user].assign(1000, {0, large});
  }
  ThreadPool pool(4);
  const Events events(users);
  for (int i = 0; i < 20; ++i)
    ExpectError(ErrorCode::kNumeric, "of user 70 and", [&] { SumEvents(events.view(), 1, {.pool = &pool}); });
}

TEST(SumEvents, NoEventsAtAll) {
  EXPECT_EQ(SumEvents(EventsView{}, 0).indptr, (std::vector<int64_t>{0}));
  EXPECT_EQ(SumEvents(Events({{}, {}}).view(), 5).indptr, (std::vector<int64_t>{0, 0, 0}));
}

TEST(SumEvents, AgreesWithAMap) {
  for (const int n_items : {1, 31, 32, 33, 500}) {
    std::mt19937 random(static_cast<unsigned>(n_items));
    std::vector<std::vector<std::pair<int32_t, float>>> users(33);
    std::map<std::pair<int64_t, int32_t>, float> expected;
    for (size_t user = 0; user < users.size(); ++user) {
      const int n = user == 32 ? 5000 : static_cast<int>(random() % 40);
      for (int i = 0; i < n; ++i) {
        users[user].emplace_back(static_cast<int32_t>(random() % static_cast<unsigned>(n_items)), random() % 3);
        const auto& [item, value] = users[user].back();
        if (value > 0) expected[{static_cast<int64_t>(user), item}] += value;
      }
    }
    const Csr sum = SumEvents(Events(users).view(), n_items);
    std::map<std::pair<int64_t, int32_t>, float> found;
    for (int64_t row = 0; row < sum.n_rows; ++row) {
      int32_t before = -1;
      for (int64_t at = sum.indptr[row]; at < sum.indptr[row + 1]; ++at) {
        EXPECT_LT(before, sum.indices[at]);
        before = sum.indices[at];
        found[{row, before}] = sum.values[at];
      }
    }
    EXPECT_EQ(found, expected) << n_items << " items";
  }
}

using Confidences = std::map<std::pair<int64_t, int32_t>, double>;

/// The definition, event by event, in long double.
Confidences Reference(const RandomEvents& events, const EventWeighting& weighting, const std::vector<uint8_t>& keep) {
  const auto kept = [&](size_t e) { return keep.empty() || keep[e] != 0; };
  int64_t reference = std::numeric_limits<int64_t>::min();
  for (size_t e = 0; e < events.times.size(); ++e)
    if (kept(e)) reference = std::max(reference, events.times[e]);
  std::map<std::pair<int64_t, int32_t>, long double> sums;
  for (size_t user = 0; user + 1 < events.indptr.size(); ++user)
    for (auto e = static_cast<size_t>(events.indptr[user]); e < static_cast<size_t>(events.indptr[user + 1]); ++e) {
      long double weight = events.values[e];
      if (weight > weighting.value_cap) weight = weighting.value_cap;
      if (!weighting.event_weights.empty()) weight *= weighting.event_weights.at(events.type_names[events.types[e]]);
      if (weighting.half_life < kNoLimit) {
        const long double age = reference - events.times[e];
        weight *= std::pow(0.5L, age / static_cast<long double>(weighting.half_life));
      }
      if (kept(e)) sums[{static_cast<int64_t>(user), events.items[e]}] += weight;
    }
  Confidences out;
  for (const auto& [pair, sum] : sums)
    if (const auto capped = static_cast<double>(std::min<long double>(sum, weighting.confidence_cap));
        static_cast<float>(capped) > 0)
      out[pair] = capped;
  return out;
}

void ExpectReference(const Csr& found, const Confidences& expected) {
  ASSERT_EQ(found.indices.size(), expected.size());
  auto next = expected.begin();
  for (int64_t user = 0; user < found.n_rows; ++user)
    for (int64_t at = found.indptr[user]; at < found.indptr[user + 1]; ++at, ++next) {
      ASSERT_EQ(next->first, std::pair(user, found.indices[at]));
      EXPECT_NEAR(found.values[at], next->second, 1e-6 * next->second);
    }
}

TEST(SumEvents, AgreesWithTheDefinition) {
  const TypeWeights weights = {{"view", 0.5}, {"cart", 3}, {"buy", 0}};
  const EventWeighting weightings[] = {
      {},
      {.event_weights = weights},
      {.value_cap = 1.5},
      {.confidence_cap = 4},
      {.half_life = 100'000},
      {.event_weights = weights, .value_cap = 2, .confidence_cap = 3, .half_life = 300'000},
  };
  for (const int64_t n_users : {0, 1, 31, 32, 33}) {
    for (const int64_t n_items : {1, 33, 500}) {
      const auto seed = static_cast<uint32_t>(n_users * 1000 + n_items);
      std::mt19937 random(seed);
      std::vector<int64_t> n_events(static_cast<size_t>(n_users));
      for (int64_t& n : n_events) n = random() % 3 == 0 ? 0 : static_cast<int64_t>(random() % 60);
      if (n_users == 32) n_events[7] = 200'000;  // more than a block
      const RandomEvents events(seed, n_events, n_items);
      std::vector<uint8_t> keep(events.items.size());
      for (uint8_t& kept : keep) kept = random() % 4 != 0;
      for (const EventWeighting& weighting : weightings)
        for (const auto& mask : {std::vector<uint8_t>(), keep}) {
          SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << WeightingJson(weighting) << mask.size());
          const Csr sum = SumEvents(events.view(), n_items, {.weighting = weighting, .keep = mask});
          EXPECT_EQ(sum.indptr.size(), static_cast<size_t>(n_users) + 1);
          ExpectReference(sum, Reference(events, weighting, mask));
        }
    }
  }
}

TEST(SumEvents, BitsDoNotDependOnTheThreads) {
  std::vector<int64_t> n_events(3000, 100);
  n_events[1000] = 300'000;
  for (size_t user = 2000; user < 2500; ++user) n_events[user] = 0;
  const RandomEvents events(5, n_events, 50);
  const EventWeighting weighting = {.event_weights = {{"view", 0.1}, {"*", 0.7}}, .half_life = 77'777};
  const Csr alone = SumEvents(events.view(), 50, {.weighting = weighting});
  for (const int n_threads : {1, 2, 7}) {
    ThreadPool pool(n_threads);
    const Csr sum = SumEvents(events.view(), 50, {.weighting = weighting, .pool = &pool});
    EXPECT_EQ(sum.indptr, alone.indptr);
    EXPECT_EQ(sum.indices, alone.indices);
    EXPECT_EQ(sum.values, alone.values);
  }
}

TEST(SumEvents, AllWeightsZeroLeaveNothing) {
  const RandomEvents events(6, {33, 0, 31}, 10);
  const Csr sum = SumEvents(events.view(), 10, {.weighting = {.event_weights = {{"*", 0}}}});
  EXPECT_EQ(sum.indptr, (std::vector<int64_t>{0, 0, 0, 0}));
  EXPECT_TRUE(sum.indices.empty());
}

TEST(SumEvents, DecayOverDecadesEndsInNothingAndNeverInNonsense) {
  constexpr int64_t kYear = 31'557'600;
  RandomEvents events(7, {200, 200}, 400, 60 * kYear);
  std::fill(events.values.begin(), events.values.end(), std::numeric_limits<float>::max());
  size_t before = 0;
  for (const int64_t half_life : {int64_t{1}, int64_t{3600}, int64_t{86'400}, kYear, 100 * kYear}) {
    const EventWeighting weighting = {.confidence_cap = 1, .half_life = static_cast<double>(half_life)};
    const Csr sum = SumEvents(events.view(), 400, {.weighting = weighting});
    ExpectReference(sum, Reference(events, weighting, {}));
    for (const float value : sum.values) EXPECT_TRUE(value > 0 && value <= 1) << value;
    EXPECT_GE(sum.values.size(), std::max<size_t>(before, 1)) << half_life;
    before = sum.values.size();
  }
  EXPECT_GT(before, 200u);
}

TEST(SumEvents, TheReferenceIsTheLastOfTheKeptEvents) {
  RandomEvents events(8, {2}, 1);
  events.values = {1, 1};
  events.times = {100, 200};
  const EventWeighting weighting = {.half_life = 100};
  EXPECT_EQ(SumEvents(events.view(), 1, {.weighting = weighting}).values, (std::vector<float>{1.5f}));
  const std::vector<uint8_t> keep = {1, 0};
  EXPECT_EQ(SumEvents(events.view(), 1, {.weighting = weighting, .keep = keep}).values, (std::vector<float>{1}));
}

TEST(SumEvents, WeightsThatDoNotFitAreRefused) {
  const RandomEvents events(9, {5}, 3);
  ExpectError(ErrorCode::kInvalidArgument, "type 'cart' and no weight", [&] {
    SumEvents(events.view(), 3, {.weighting = {.event_weights = {{"view", 1}, {"buy", 1}}}});
  });
  const EventsView no_times = {events.indptr, events.items, events.values};
  ExpectError(ErrorCode::kInvalidArgument, "--time-column",
              [&] { SumEvents(no_times, 3, {.weighting = {.half_life = 1}}); });
}

// Two users and three items: user 0 rates item 1 three times, twice at the last moment, and item 0 with 0; user 1 rates
// item 2 below 0 and views item 1.
struct RatingEvents {
  std::vector<int64_t> indptr = {0, 4, 6};
  std::vector<int32_t> items = {1, 0, 1, 1, 2, 1};
  std::vector<float> values = {5, 0, 2, 3.5f, -1.5f, 4};
  std::vector<int64_t> times = {10, 20, 30, 30, 15, 16};
  std::vector<uint8_t> types = {0, 0, 0, 0, 0, 1};
  std::vector<std::string> names = {"rating", "view"};

  EventsView view() const { return {indptr, items, values, times, types, names}; }
};

TEST(SumEvents, TheLastRatingOfAPairCounts) {
  const RatingEvents events;
  const Csr ratings = SumEvents(events.view(), 3, {.pair_value = PairValue::kRating});
  EXPECT_EQ(ratings.indptr, (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(ratings.indices, (std::vector<int32_t>{0, 1, 1, 2}));
  EXPECT_EQ(ratings.values, (std::vector<float>{0, 2.75f, 4, -1.5f}));

  const std::vector<uint8_t> keep = {1, 0, 1, 0, 1, 0};
  const Csr kept = SumEvents(events.view(), 3, {.keep = keep, .pair_value = PairValue::kRating});
  EXPECT_EQ(kept.indptr, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(kept.values, (std::vector<float>{2, -1.5f}));
}

TEST(SumEvents, WithoutTimesARatingIsTheMean) {
  const RatingEvents events;
  const EventsView no_times = {events.indptr, events.items, events.values};
  const Csr ratings = SumEvents(no_times, 3, {.pair_value = PairValue::kRating});
  EXPECT_EQ(ratings.values, (std::vector<float>{0, 3.5f, 4, -1.5f}));
}

TEST(SumEvents, TypesOfWeight0AreNoRatings) {
  const RatingEvents events;
  const Csr ratings = SumEvents(
      events.view(), 3, {.weighting = {.event_weights = {{"rating", 1}, {"*", 0}}}, .pair_value = PairValue::kRating});
  EXPECT_EQ(ratings.indptr, (std::vector<int64_t>{0, 2, 3}));
  EXPECT_EQ(ratings.indices, (std::vector<int32_t>{0, 1, 2}));
}

TEST(SumEvents, WhatWouldChangeRatingsIsRefused) {
  const RatingEvents events;
  const auto refused = [&](const std::string& part, EventWeighting weighting) {
    ExpectError(ErrorCode::kInvalidArgument, part, [&] {
      SumEvents(events.view(), 3, {.weighting = std::move(weighting), .pair_value = PairValue::kRating});
    });
  };
  refused("a half-life", {.half_life = 10});
  refused("--value-cap none", {.value_cap = 3});
  refused("--confidence-cap none", {.confidence_cap = 3});
  refused("the weight 0.5 of 'view'", {.event_weights = {{"rating", 1}, {"view", 0.5}}});
}

TEST(SumEvents, NegativeConfidencesAreRefused) {
  const RatingEvents events;
  ExpectError(ErrorCode::kInvalidArgument, "an event of user 1 and item 2 has the value -1.5",
              [&] { SumEvents(events.view(), 3); });
  SumEvents(events.view(), 3, {.weighting = {.event_weights = {{"rating", 0}, {"view", 1}}}});
}

TEST(Transpose, IsTheTranspose) {
  Csr matrix{2, 4, {0, 3, 5}, {0, 1, 3, 1, 2}, {1, 2, 3, 4, 5}};
  const Csr transposed = Transpose(matrix.view());
  EXPECT_EQ(transposed.n_rows, 4);
  EXPECT_EQ(transposed.n_cols, 2);
  EXPECT_EQ(transposed.indptr, (std::vector<int64_t>{0, 1, 3, 4, 5}));
  EXPECT_EQ(transposed.indices, (std::vector<int32_t>{0, 0, 1, 1, 0}));
  EXPECT_EQ(transposed.values, (std::vector<float>{1, 2, 4, 5, 3}));
  const Csr back = Transpose(transposed.view());
  EXPECT_EQ(back.indptr, matrix.indptr);
  EXPECT_EQ(back.indices, matrix.indices);
  EXPECT_EQ(back.values, matrix.values);
}

TEST(Transpose, OfAPatternAndOfNothing) {
  const Csr pattern{1, 2, {0, 2}, {0, 1}, {}};
  EXPECT_EQ(Transpose(pattern.view()).indices, (std::vector<int32_t>{0, 0}));
  EXPECT_TRUE(Transpose(pattern.view()).values.empty());
  EXPECT_EQ(Transpose(Csr{0, 3, {0}, {}, {}}.view()).indptr, (std::vector<int64_t>{0, 0, 0, 0}));
  EXPECT_EQ(Transpose(Csr{3, 0, {0, 0, 0, 0}, {}, {}}.view()).indptr, (std::vector<int64_t>{0}));
}

}  // namespace
}  // namespace kindred
