#include "host/evaluation/split.h"

#include <gtest/gtest.h>

#include <set>

#include "host/evaluation/holdout_file.h"
#include "tests/host/data/random_events.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

// Three users: 0 meets items 0 1 2 1 at times 10..40, 1 meets 3 at 15, 2 meets 0 0 4 at 20 25 50.
struct Events {
  std::vector<int64_t> indptr = {0, 4, 5, 8};
  std::vector<int32_t> items = {0, 1, 2, 1, 3, 0, 0, 4};
  std::vector<float> values = std::vector<float>(8, 1);
  std::vector<int64_t> times = {10, 20, 30, 40, 15, 20, 25, 50};

  EventsView view() const { return {indptr, items, values, times}; }
};

std::set<std::pair<int64_t, int32_t>> Pairs(const Csr& matrix) {
  std::set<std::pair<int64_t, int32_t>> pairs;
  for (int64_t r = 0; r < matrix.n_rows; ++r)
    for (int32_t item : matrix.view().row(r)) pairs.emplace(r, item);
  return pairs;
}

using P = std::set<std::pair<int64_t, int32_t>>;

SplitOptions Options(SplitKind kind) {
  SplitOptions options;
  options.kind = kind;
  return options;
}

TEST(Split, NoneHoldsNothingOut) {
  const Events events;
  const Split split = SplitEvents(events.view(), 5, Options(SplitKind::kNone));
  EXPECT_TRUE(split.keep.empty());
  EXPECT_TRUE(split.holdout.relevant.indices.empty());
}

TEST(Split, LeaveLastNTakesTheItemsFirstMetLastWithAllTheirEvents) {
  const Events events;
  const Split split = SplitEvents(events.view(), 5, Options(SplitKind::kLeaveLastN));
  EXPECT_EQ(Pairs(split.holdout.relevant), (P{{0, 2}, {2, 4}}));
  EXPECT_EQ(split.keep, (std::vector<uint8_t>{1, 1, 0, 1, 1, 1, 1, 0}));
  SplitOptions two = Options(SplitKind::kLeaveLastN);
  two.n = 2;
  EXPECT_EQ(Pairs(SplitEvents(events.view(), 5, two).holdout.relevant), (P{{0, 1}, {0, 2}}));
}

TEST(Split, TimeHoldsOutFromOneMomentAndCountsOnlyNewPairs) {
  const Events events;
  SplitOptions options = Options(SplitKind::kTime);
  options.has_moment = true;
  options.moment = 25;
  const Split split = SplitEvents(events.view(), 5, options);
  EXPECT_EQ(split.keep, (std::vector<uint8_t>{1, 1, 0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(Pairs(split.holdout.relevant), (P{{0, 2}, {2, 4}}));  // not the repeats (0, 1) and (2, 0)
  SplitOptions fraction = Options(SplitKind::kTime);
  fraction.fraction = 0.25;
  EXPECT_EQ(SplitEvents(events.view(), 5, fraction).moment, 40);
}

TEST(Split, RandomKeepsPairsTogetherAndDependsOnTheSeedOnly) {
  Events events;
  events.indptr = {0};
  events.items.clear();
  for (int32_t user = 0; user < 50; ++user) {
    for (int32_t e = 0; e < 40; ++e) events.items.push_back((user + e * 7) % 20);
    events.indptr.push_back(static_cast<int64_t>(events.items.size()));
  }
  events.values.assign(events.items.size(), 1);
  events.times.clear();
  SplitOptions options = Options(SplitKind::kRandom);
  options.fraction = 0.3;
  const Split split = SplitEvents(events.view(), 20, options);
  const P training = Pairs(SumEvents(events.view(), 20, {.keep = split.keep})), held = Pairs(split.holdout.relevant);
  EXPECT_EQ(training.size() + held.size(), 50u * 20u);
  for (const auto& pair : held) EXPECT_FALSE(training.contains(pair));
  EXPECT_NEAR(static_cast<double>(held.size()), 300, 60);
  EXPECT_EQ(SplitEvents(events.view(), 20, options).keep, split.keep);
  options.seed = 2;
  EXPECT_NE(SplitEvents(events.view(), 20, options).keep, split.keep);
}

// As above, with a type each: 0 views, 1 buys.
struct TypedEvents : Events {
  std::vector<uint8_t> types = {1, 1, 0, 1, 1, 1, 1, 0};
  std::vector<std::string> names = {"view", "buy"};

  EventsView view() const { return {indptr, items, values, times, types, names}; }
};

TEST(Split, EventsOfWeightZeroAreNoPairs) {
  const TypedEvents events;
  const EventWeighting weighting = {.event_weights = {{"view", 0}, {"buy", 2}}};
  // (0, 2) and (2, 4) were only viewed: the items met last are 1 and, of user 2, none to spare.
  const Split last = SplitEvents(events.view(), 5, Options(SplitKind::kLeaveLastN), weighting);
  EXPECT_EQ(Pairs(last.holdout.relevant), (P{{0, 1}}));
  EXPECT_EQ(last.keep, (std::vector<uint8_t>{1, 0, 1, 0, 1, 1, 1, 1}));

  SplitOptions time = Options(SplitKind::kTime);
  time.has_moment = true;
  time.moment = 20;
  const P all = {{0, 1}, {0, 2}, {2, 0}, {2, 4}}, bought = {{0, 1}, {2, 0}};
  EXPECT_EQ(Pairs(SplitEvents(events.view(), 5, time).holdout.relevant), all);
  EXPECT_EQ(Pairs(SplitEvents(events.view(), 5, time, weighting).holdout.relevant), bought);

  SplitOptions random = Options(SplitKind::kRandom);
  random.fraction = 0.5;
  P held;
  for (random.seed = 1; random.seed <= 40; ++random.seed) try {
      held.merge(Pairs(SplitEvents(events.view(), 5, random, weighting).holdout.relevant));
    } catch (const Error&) {  // all four pairs on one side
    }
  EXPECT_EQ(held, (P{{0, 0}, {0, 1}, {1, 3}, {2, 0}}));
}

TEST(Split, AnItemSeenBeforeItWasBoughtIsHeldOutWithItsViews) {
  TypedEvents events;
  events.types = {1, 0, 1, 1, 1, 1, 1, 1};  // user 0 saw item 1 before item 2, and bought it after
  const EventWeighting weighting = {.event_weights = {{"view", 0}, {"buy", 1}}};
  const Split split = SplitEvents(events.view(), 5, Options(SplitKind::kLeaveLastN), weighting);
  EXPECT_TRUE(Pairs(split.holdout.relevant).contains({0, 1}));
  EXPECT_EQ(std::vector<uint8_t>(split.keep.begin(), split.keep.begin() + 4), (std::vector<uint8_t>{1, 0, 1, 0}));
}

TEST(Split, ItemsAreHeldOutWithAllTheirEvents) {
  const RandomEvents events(3, {40, 33, 0, 31, 1}, 25);
  SplitOptions options = Options(SplitKind::kItems);
  std::set<int32_t> first;
  for (const uint64_t seed : {1, 2}) {
    options.seed = seed;
    const Split split = SplitEvents(events.view(), 25, options);
    std::set<int32_t> kept, held;
    for (size_t e = 0; e < split.keep.size(); ++e) (split.keep[e] ? kept : held).insert(events.view().items[e]);
    for (const int32_t item : held) EXPECT_FALSE(kept.contains(item)) << "item " << item << ", seed " << seed;
    const std::vector<int32_t>& relevant = split.holdout.relevant.indices;
    EXPECT_FALSE(relevant.empty());
    for (const int32_t item : relevant) EXPECT_TRUE(held.contains(item)) << "item " << item << ", seed " << seed;
    EXPECT_GT(held.size(), 0u);
    EXPECT_LT(held.size(), 15u);
    EXPECT_NE(held, first);
    first = held;
  }
  options.fraction = 1 - 1e-9;
  ExpectError(ErrorCode::kInvalidArgument, "everything would be held out",
              [&] { SplitEvents(events.view(), 25, options); });
  EXPECT_EQ(ParseSplitKind("items"), SplitKind::kItems);
}

TEST(Split, DecayAndThreadsDoNotChangeWhatIsHeldOut) {
  const RandomEvents events(1, {40, 33, 0, 31, 1}, 25);
  ThreadPool pool(3);
  for (const SplitKind kind : {SplitKind::kRandom, SplitKind::kLeaveLastN, SplitKind::kTime, SplitKind::kItems}) {
    const Split plain = SplitEvents(events.view(), 25, Options(kind));
    const Split decayed = SplitEvents(events.view(), 25, Options(kind), {.half_life = 0.001}, &pool);
    EXPECT_EQ(decayed.keep, plain.keep);
    EXPECT_EQ(Pairs(decayed.holdout.relevant), Pairs(plain.holdout.relevant));
  }
}

TEST(Split, AllWeightsZeroLeaveNothingToTrainOn) {
  const TypedEvents events;
  ExpectError(ErrorCode::kInvalidArgument, "all events count 0", [&] {
    SplitEvents(events.view(), 5, Options(SplitKind::kLeaveLastN), {.event_weights = {{"*", 0}}});
  });
}

TEST(Split, WhatCannotBeSplitIsRefused) {
  Events events;
  const auto refused = [&](const SplitOptions& options, const std::string& part) {
    try {
      SplitEvents(events.view(), 5, options);
      ADD_FAILURE() << "not refused: " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  SplitOptions options = Options(SplitKind::kRandom);
  for (double fraction : {0.0, 1.0, -1.0}) {
    options.fraction = fraction;
    refused(options, "fraction");
  }
  options = Options(SplitKind::kLeaveLastN);
  options.n = 0;
  refused(options, "n is 0");
  options.n = 100;
  refused(options, "nothing would be held out");
  options = Options(SplitKind::kTime);
  options.has_moment = true;
  options.moment = 0;
  refused(options, "everything would be held out");
  options.moment = 1000;
  refused(options, "nothing would be held out");
  events.times.clear();
  refused(Options(SplitKind::kLeaveLastN), "needs times");
  refused(Options(SplitKind::kTime), "needs times");
  EXPECT_THROW(ParseSplitKind("last"), Error);
}

TEST(HoldoutFile, MapsIdsAndCountsWhatTheModelLacks) {
  const TemporaryFolder folder;
  const std::vector<std::string> paths = {folder.Write("test.txt", "a x y z z\nb x\nc x y\nd q\n")};
  IdMapBuilder users, items;
  for (const char* id : {"b", "a"}) users.Intern(id);
  for (const char* id : {"y", "x"}) items.Intern(id);
  EventReaderOptions options;
  options.read.format = InputFormat::kAdjacency;
  const Holdout holdout = ReadHoldout(paths, options, users.view(), items.view());
  EXPECT_EQ(Pairs(holdout.relevant), (P{{0, 1}, {1, 0}, {1, 1}}));
  EXPECT_EQ(holdout.n_missing_items, (std::vector<int64_t>{0, 1}));  // (a, z), once
  EXPECT_EQ(holdout.n_missing_users, 2);
  EXPECT_EQ(holdout.n_missing_user_items, 3);
}

TEST(HoldoutFile, EventsOfWeightZeroAreNoPairs) {
  IdMapBuilder users, items;
  users.Intern("a");
  for (const char* item : {"x", "y", "z"}) items.Intern(item);
  const TemporaryFolder folder;
  const auto held = [&](const std::string& text, TypeWeights weights) {
    const std::vector<std::string> paths = {folder.Write("test.csv", text)};
    return Pairs(ReadHoldout(paths, {}, users.view(), items.view(), {.event_weights = std::move(weights)}).relevant);
  };
  const std::string typed = "user,item,event\na,x,view\na,y,buy\n", plain = "user,item\na,x\na,z\n";
  EXPECT_EQ(held(typed, {}), (P{{0, 0}, {0, 1}}));
  EXPECT_EQ(held(typed, {{"view", 0}, {"buy", 0.5}}), (P{{0, 1}}));
  EXPECT_EQ(held(typed, {{"buy", 1}, {"*", 0}}), (P{{0, 1}}));
  EXPECT_EQ(held(plain, {{"buy", 1}, {"*", 0}}), (P{{0, 0}, {0, 2}}));
  EXPECT_EQ(held(plain, {{"", 0}, {"buy", 1}}), P());
  ExpectError(ErrorCode::kInvalidArgument, "held-out events have the type 'buy', for which there is no weight", [&] {
    held(typed, {{"view", 1}});
  });
}

TEST(HoldoutFile, ABadRowIsNamed) {
  const TemporaryFolder folder;
  const std::vector<std::string> paths = {folder.Write("test.csv", "user,item,value\na,x,1\na,y,-2\n")};
  try {
    ReadHoldout(paths, {}, {}, {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("line 3"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace kindred
