// Placing users whom a version of segments has not seen, or has not seen do this; and what there is to be placed in.
#include "serving/segment_assignment.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <numeric>
#include <random>

#include "host/text/text.h"
#include "tests/serving/tiny_segments.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kReference = TinySegments::kReference, kDay = TinySegments::kDay;

class SegmentAssignmentTest : public testing::Test {
 protected:
  void Publish(const TinySegmentsOptions& options = {}) {
    TinySegments(options).Publish(store_, "segments");
    served_ = LoadServedSegments(store_, "segments", 0);
  }
  const SegmentModel& model() const { return *served_->model; }

  /// The user's stored events as a request has them, in an order of a seed.
  EventsQuery StoredEvents(int64_t user, uint64_t seed) {
    EventsQuery query;
    const UserEvents events = EventsOf(model().events(), user);
    for (size_t i = 0; i < events.items.size(); ++i) {
      GivenEvent& event = query.events.emplace_back();
      event.item_id = model().items().Id(events.items[i]);
      event.value = events.values[i];
      if (!events.types.empty()) event.type = model().events().type_names[events.types[i]];
      if (!events.times.empty()) event.time = events.times[i];
    }
    std::shuffle(query.events.begin(), query.events.end(), std::mt19937_64(seed));
    return query;
  }

  void Expect(const std::string& message, const EventsQuery& query, int64_t now = kReference) {
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { AssignEvents(*served_, query, now); });
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path()};
  std::shared_ptr<const ServedSegments> served_;
};

void ExpectSame(const UserSegments& a, const UserSegments& b) {
  ASSERT_EQ(a.values.size(), b.values.size());
  for (size_t f = 0; f < a.values.size(); ++f)
    EXPECT_TRUE(a.values[f] == b.values[f] || (std::isnan(a.values[f]) && std::isnan(b.values[f]))) << f;
  EXPECT_EQ(a.stage, b.stage);
  EXPECT_EQ(a.stage_reasons, b.stage_reasons);
  EXPECT_EQ(a.likelihood, b.likelihood);
  EXPECT_EQ(a.is_likely, b.is_likely);
  ASSERT_EQ(a.rules.size(), b.rules.size());
  for (size_t r = 0; r < a.rules.size(); ++r) {
    EXPECT_EQ(a.rules[r].rule, b.rules[r].rule);
    EXPECT_EQ(a.rules[r].reasons, b.rules[r].reasons);
  }
}

TEST_F(SegmentAssignmentTest, WhoDidNothingNewIsAsStored) {
  Publish();
  for (int64_t user = 0; user + 1 < model().users().size(); ++user) {
    SCOPED_TRACE(user);
    // A clock of years later moves nobody.
    const AssignedUser assigned =
        AssignEvents(*served_, {.user_id = model().users().Id(user)}, kReference + 3000 * kDay);
    const UserSegments stored = model().Of(user);
    ExpectSame(assigned.segments, stored);
    EXPECT_EQ(assigned.reference, kReference);
    EXPECT_TRUE(assigned.known);
    EXPECT_EQ(assigned.n_stored, std::ssize(EventsOf(model().events(), user).items));
    EXPECT_EQ(assigned.n_given + assigned.n_later, 0);
    const bool nearest = stored.next < 0 || stored.distance <= stored.next_distance;
    EXPECT_EQ(assigned.segments.segment, nearest ? stored.segment : stored.next);
  }
}

TEST_F(SegmentAssignmentTest, GivenEventsAreAsStoredOnesInAnyOrder) {
  for (const bool has_times : {true, false})
    for (const bool has_types : {true, false}) {
      SCOPED_TRACE(testing::Message() << has_times << has_types);
      Publish({.n_users = 20, .has_times = has_times, .has_types = has_types});
      for (int64_t user = 0; user + 1 < model().users().size(); ++user) {
        SCOPED_TRACE(user);
        const UserSegments stored = model().Of(user);
        EventsQuery query = StoredEvents(user, 7);
        ExpectSame(AssignEvents(*served_, query, kReference).segments, stored);  // of nobody
        query.user_id = "a stranger";
        EXPECT_FALSE(AssignEvents(*served_, query, kReference).known);
        query.user_id = model().users().Id(user);
        query.only_these_events = true;
        const AssignedUser alone = AssignEvents(*served_, query, kReference);
        ExpectSame(alone.segments, stored);
        EXPECT_EQ(alone.n_stored, 0);
        query.only_these_events = false;
        EXPECT_EQ(AssignEvents(*served_, query, kReference).segments.values[has_times ? 1 : 0],
                  2 * stored.values[has_times ? 1 : 0])
            << "the count of events";
      }
    }
}

TEST_F(SegmentAssignmentTest, TheReferenceIsTheLastThingKnown) {
  Publish();
  EventsQuery query = {.user_id = "u2", .events = {{"i1", "buy", kReference + 5 * kDay, 20.0f}}};
  const AssignedUser later = AssignEvents(*served_, query, kReference + 6 * kDay);
  EXPECT_EQ(later.reference, kReference + 5 * kDay);
  EXPECT_EQ(later.segments.values[0], 0) << "bought at the reference";
  EXPECT_EQ(later.segments.values[2], model().Of(2).values[2] + 20);
  EXPECT_EQ(later.segments.stage, 1);
  EXPECT_EQ(later.n_given, 1);

  query.reference = kReference + 15 * kDay;  // said: nothing came for ten days
  EXPECT_EQ(AssignEvents(*served_, query, kReference + 6 * kDay).segments.values[0], 10);
  query.reference = kReference;
  const AssignedUser before = AssignEvents(*served_, query, kReference + 6 * kDay);
  ExpectSame(before.segments, model().Of(2));
  EXPECT_EQ(before.n_given, 0);
  EXPECT_EQ(before.n_later, 1);
  query.reference = kReference - 1000 * kDay;  // before all
  const AssignedUser none = AssignEvents(*served_, query, kReference + 6 * kDay);
  EXPECT_EQ(none.segments.segment, -1);
  EXPECT_EQ(none.n_stored, 0);
  EXPECT_EQ(none.n_later, std::ssize(EventsOf(model().events(), 2).items) + 1);

  query = {.events = {{"i1", "view", kReference - 9 * kDay}}};  // earlier than the version's
  EXPECT_EQ(AssignEvents(*served_, query, kReference).segments.values[0], 9);
  query = {.user_id = "u59"};  // whose events are behind the reference
  EXPECT_EQ(AssignEvents(*served_, query, kReference).segments.segment, -1);
}

TEST_F(SegmentAssignmentTest, WhatIsYetToComeIsRefused) {
  Publish();
  const auto at = [](int64_t time) { return EventsQuery{.events = {{"i1", "buy", time}}}; };
  const int64_t now = kReference + 100 * kDay;
  EXPECT_EQ(AssignEvents(*served_, at(now + kMaxClockSkew), now).n_given, 1);
  Expect("events[0].time: is 301 s later than now, which did not happen yet; expected at most 300 s",
         at(now + kMaxClockSkew + 1), now);
  // A clock that is behind the data goes by the data.
  EXPECT_EQ(AssignEvents(*served_, at(kReference + kMaxClockSkew), 0).n_given, 1);
  Expect("is 301 s later than the version's reference", at(kReference + kMaxClockSkew + 1), 0);
}

TEST_F(SegmentAssignmentTest, UnknownItemsCountAndAreNamedOnce) {
  Publish();
  const AssignedUser assigned = AssignEvents(*served_,
                                             {.events = {{"x", "view", kReference - 3},
                                                         {"i1", "view", kReference - 2},
                                                         {"y", "buy", kReference - 1, 3.0f},
                                                         {"x", "view", kReference}}},
                                             kReference);
  EXPECT_THAT(assigned.unknown_items, ElementsAre("x", "y"));
  EXPECT_EQ(assigned.segments.values[1], 4);
  EXPECT_EQ(assigned.segments.stage, 1);
}

TEST_F(SegmentAssignmentTest, BadEventsAreRefusedByTheirPlace) {
  Publish();
  const auto bad = [](const GivenEvent& event) { return EventsQuery{.events = {{"i1", "buy", kReference}, event}}; };
  constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
  const std::string longest(4096, 'x'), longer(4097, 'x');
  EXPECT_EQ(AssignEvents(*served_, bad({longest, "buy", kReference}), kReference).n_given, 2);
  Expect("events[1].item_id: is empty, expected an item id", bad({"", "buy", kReference}));
  Expect("events[1].item_id: has 4097 bytes, expected at most 4096", bad({longer, "buy", kReference}));
  Expect("events[1].type: is empty, expected a type of event", bad({"i1", "", kReference}));
  Expect("events[1].type: no events are of type 'buyy'; the nearest is 'buy'", bad({"i1", "buyy", kReference}));
  Expect("events[1].type: no events are of type 'purchases'", bad({"i1", "purchases", kReference}));
  Expect("events[1].time: is not set", bad({"i1", "buy"}));
  Expect("events[1].value: is nan, expected a number from -1e9 to 1e9", bad({"i1", "buy", kReference, kNaN}));
  Expect("events[1].value: is 2000000000, expected", bad({"i1", "buy", kReference, 2e9f}));
  Expect("events: is empty, expected one, as the version has no such user", {});
  Expect("events: is empty, expected one, as the version has no such user", {.user_id = "stranger"});
  Expect("events: is empty, expected one, as no others are to count", {.user_id = "u1", .only_these_events = true});
  EventsQuery many;
  many.events.resize(kMaxEvents, {"i1", "buy", kReference});
  EXPECT_EQ(AssignEvents(*served_, many, kReference).n_given, kMaxEvents);
  many.events.push_back({"i1", "buy", kReference});
  Expect("events: has 10001 entries, expected at most 10000", many);
  EventsQuery far = bad({"i1", "buy", kReference});
  far.reference = std::numeric_limits<int64_t>::max();
  Expect("the years 1 to 9999", far);

  Publish({.n_users = 10, .has_times = false, .has_types = false});
  Expect("events[0].type: is 'buy', but the version's events have no types", {.events = {{"i1", "buy"}}});
  Expect("events[0].time: is set, but the version's events have no times", {.events = {{"i1", "", 0}}});
}

TEST_F(SegmentAssignmentTest, FeaturesByTheirNames) {
  Publish();
  for (const int64_t user : {0, 1, 2, 3, 4}) {
    const UserSegments stored = model().Of(user);
    std::map<std::string_view, double> features;
    for (size_t f = 0; f < stored.values.size(); ++f)
      if (std::isfinite(stored.values[f])) features[served_->catalogue.features()[f]] = stored.values[f];
    const UserSegments placed = AssignFeatures(*served_, features);
    const bool nearest = stored.next < 0 || stored.distance <= stored.next_distance;
    EXPECT_EQ(placed.segment, nearest ? stored.segment : stored.next);
    EXPECT_EQ(placed.likelihood, stored.likelihood);
    EXPECT_TRUE(placed.rules.empty());
  }
  EXPECT_TRUE(std::isnan(AssignFeatures(*served_, {{"frequency", 3}}).values[0])) << "missing";
  const auto refused = [&](const std::string& message, const std::map<std::string_view, double>& features) {
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { AssignFeatures(*served_, features); });
  };
  refused("features: is empty, expected at least one value", {});
  refused("features: there is no feature 'recncy'; the nearest is 'recency'", {{"frequency", 1}, {"recncy", 1}});
  refused("features[\"recency\"]: found nan", {{"recency", std::numeric_limits<double>::quiet_NaN()}});
  refused("features[\"recency\"]: found inf", {{"recency", std::numeric_limits<double>::infinity()}});
}

TEST_F(SegmentAssignmentTest, TheCatalogue) {
  Publish();
  const SegmentCatalogue& catalogue = served_->catalogue;
  std::vector<std::string> names;
  for (const SegmentEntry& entry : catalogue.entries()) {
    names.push_back(entry.name);
    const std::vector<int64_t> members = MembersOf(model(), entry);
    EXPECT_EQ(entry.size, std::ssize(members)) << entry.name;
    EXPECT_TRUE(std::ranges::is_sorted(members));
    const double of = entry.kind == SegmentKind::kCluster ? 59 : 60;
    EXPECT_EQ(entry.share, static_cast<double>(entry.size) / of);
    EXPECT_NE(entry.in_words, "");
    EXPECT_EQ(&catalogue.Find(entry.kind, entry.id), &entry);
  }
  ASSERT_EQ(names.size(), 7u);
  EXPECT_THAT(std::vector<std::string>(names.begin() + 1, names.end()),
              ElementsAre("Regulars", "Big, \"spenders\"", "Looks, buys not", "aware", "buyer", "likely to buy"));
  EXPECT_EQ(catalogue.n_in_no_cluster(), 1);
  EXPECT_TRUE(catalogue.cluster(1).named_by_person);
  EXPECT_EQ(catalogue.Find(SegmentKind::kCluster, "Regulars").id, "2");
  const auto unknown = [&](SegmentKind kind, const char* id, const std::string& message) {
    ExpectError(ErrorCode::kNotFound, message, [&] { catalogue.Find(kind, id); });
  };
  unknown(SegmentKind::kCluster, "Regular", "segment.id: there is no cluster 'Regular'; the nearest is 'Regulars'");
  unknown(SegmentKind::kRule, "aware", "segment.id: there is no rule 'aware'");
  unknown(SegmentKind::kStage, "buyers", "segment.id: there is no stage 'buyers'; the nearest is 'buyer'");
  unknown(SegmentKind::kStage, "", "segment.id: there is no stage ''");
  ExpectError(ErrorCode::kInvalidArgument, "segment.id: is not empty",
              [&] { catalogue.Find(SegmentKind::kLikely, "x"); });

  Publish({.n_users = 10, .has_behaviour = false});
  EXPECT_EQ(served_->catalogue.entries().size(), 2u);
  ExpectError(ErrorCode::kNotFound, "does not know how likely a purchase is",
              [&] { served_->catalogue.Find(SegmentKind::kLikely, ""); });
}

TEST_F(SegmentAssignmentTest, IdsThatAreNotUtf8AreRefusedAtLoading) {
  ExpectError(ErrorCode::kUnsupported, "user 0: its id 'caf\\xe90' is not UTF-8",
              [&] { Publish({.n_users = 10, .has_behaviour = false, .user_prefix = "caf\xe9"}); });
}

}  // namespace
}  // namespace kindred
