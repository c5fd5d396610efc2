#include "host/data/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/host/data/random_events.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;

TEST(Events, TheLastTimeIsThatOfAKeptEvent) {
  RandomEvents events(1, {3, 0, 2}, 4);
  events.times = {10, 20, 50, -5, 40};
  EXPECT_EQ(LastTime(events.view()), 50);
  EXPECT_EQ(LastTime(events.view(), std::vector<uint8_t>{1, 1, 0, 1, 1}), 40);
  EXPECT_EQ(LastTime(events.view(), std::vector<uint8_t>{0, 0, 0, 1, 0}), -5);
  EXPECT_EQ(LastTime(events.view(), std::vector<uint8_t>(5, 0)), std::nullopt);
  EXPECT_EQ(LastTime(EventsView{}), std::nullopt);
}

TEST(Events, KeptEventsStayInOrderWithAllTheyHave) {
  const RandomEvents events(2, {3, 0, 2, 1}, 9);
  const EventArrays kept = KeepEvents(events.view(), std::vector<uint8_t>{1, 0, 1, 0, 0, 1});
  EXPECT_THAT(kept.indptr, ElementsAre(0, 2, 2, 2, 3));
  EXPECT_THAT(kept.items, ElementsAre(events.items[0], events.items[2], events.items[5]));
  EXPECT_THAT(kept.times, ElementsAre(events.times[0], events.times[2], events.times[5]));
  EXPECT_THAT(kept.types, ElementsAre(events.types[0], events.types[2], events.types[5]));
  EXPECT_THAT(kept.view().type_names, ElementsAre("view", "cart", "buy"));
  EXPECT_THAT(kept.view().values, IsEmpty());
}

TEST(Events, WhatIsNotThereIsNotKept) {
  const RandomEvents events(3, {33}, 9);
  const EventsView bare = {events.indptr, events.items};
  const EventArrays kept = KeepEvents(bare, std::vector<uint8_t>(33, 1));
  EXPECT_THAT(kept.items, ElementsAreArray(events.items));
  EXPECT_THAT(kept.times, IsEmpty());
  EXPECT_THAT(kept.types, IsEmpty());
  EXPECT_THAT(KeepEvents(events.view(), std::vector<uint8_t>(33, 0)).indptr, ElementsAre(0, 0));
  EXPECT_THAT(KeepEvents(EventsView{}, {}).indptr, ElementsAre(0));
}

}  // namespace
}  // namespace kindred
