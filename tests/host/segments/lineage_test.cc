#include "host/segments/lineage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "host/data/random.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// The users of a table of flows: rows old, columns new; the last of each are those in none.
struct Moved {
  std::vector<int32_t> labels;
  LastVersion last;
  int64_t n_segments;
};

Moved Flows(const std::vector<std::vector<int>>& flows) {
  Moved moved;
  const auto n_old = static_cast<int32_t>(flows.size()) - 1, n_new = static_cast<int32_t>(flows[0].size()) - 1;
  moved.n_segments = n_new;
  for (int32_t o = 0; o <= n_old; ++o) {
    int64_t size = 0;
    for (int32_t s = 0; s <= n_new; ++s) {
      const int n = flows[static_cast<size_t>(o)][static_cast<size_t>(s)];
      size += n;
      moved.labels.insert(moved.labels.end(), static_cast<size_t>(n), s < n_new ? s : -1);
      moved.last.labels.insert(moved.last.labels.end(), static_cast<size_t>(n), o < n_old ? o : -1);
    }
    if (o < n_old) moved.last.segments.push_back({std::to_string(o + 1), "old " + std::to_string(o + 1), size});
  }
  moved.last.next_id = n_old + 1;
  moved.last.version = 4;
  return moved;
}

Lineage Trace(const std::vector<std::vector<int>>& flows) {
  const Moved moved = Flows(flows);
  return TraceSegments(moved.labels, moved.n_segments, moved.last);
}

TEST(Lineage, OfAFirstVersionNumbersSegments) {
  const Lineage lineage = FirstLineage(std::vector<int32_t>{0, 2, -1}, 3);
  EXPECT_THAT(lineage.ids, ElementsAre("1", "2", "3"));
  EXPECT_THAT(lineage.kept_from, ElementsAre(-1, -1, -1));
  EXPECT_EQ(lineage.next_id, 4);
  EXPECT_EQ(lineage.n_in_both, 0);
  EXPECT_EQ(lineage.share_movers, 0);
  EXPECT_THAT(FirstLineage({}, 0).ids, IsEmpty());
}

TEST(Lineage, IdsFollowTheUsersWhateverTheOrder) {
  const Lineage lineage = Trace({{0, 90, 10, 3}, {80, 0, 5, 0}, {1, 2, 70, 0}, {4, 0, 0, 6}});
  EXPECT_THAT(lineage.ids, ElementsAre("2", "1", "3"));
  EXPECT_THAT(lineage.kept_from, ElementsAre(1, 0, 2));
  EXPECT_EQ(lineage.n_in_both, 258);
  EXPECT_EQ(lineage.n_movers, 18);
  EXPECT_DOUBLE_EQ(lineage.share_movers, 18.0 / 258);
  EXPECT_THAT(lineage.flows[0], ElementsAre(0, 90, 10, 3));
  EXPECT_THAT(lineage.flows[3], ElementsAre(4, 0, 0, 0)) << "those in none twice are no flow";
  EXPECT_THAT(lineage.gone, IsEmpty());
  EXPECT_THAT(lineage.fresh, IsEmpty());
  EXPECT_EQ(lineage.next_id, 4);
}

TEST(Lineage, ASplitKeepsTheLargerPart) {
  const Lineage lineage = Trace({{40, 60, 0, 0}, {0, 0, 50, 0}, {0, 0, 0, 0}});
  EXPECT_THAT(lineage.ids, ElementsAre("3", "1", "2"));
  ASSERT_EQ(lineage.split.size(), 1u);
  EXPECT_EQ(lineage.split[0].segment, 0u);
  EXPECT_THAT(lineage.split[0].parts, ElementsAre(1, 0));
  EXPECT_THAT(lineage.merged, IsEmpty());
  EXPECT_THAT(lineage.fresh, ElementsAre(0));
  EXPECT_EQ(lineage.n_movers, 40);
}

TEST(Lineage, WhoJoinsAnotherSegmentDoesNotSplitTheirs) {
  const Lineage lineage = Trace({{60, 40, 0}, {0, 100, 0}, {0, 0, 0}});
  EXPECT_THAT(lineage.ids, ElementsAre("1", "2"));
  EXPECT_THAT(lineage.split, IsEmpty());
  EXPECT_THAT(lineage.merged, IsEmpty());
}

TEST(Lineage, AMergeKeepsTheLargerPart) {
  const Lineage lineage = Trace({{40, 0}, {60, 0}, {0, 0}});
  EXPECT_THAT(lineage.ids, ElementsAre("2"));
  ASSERT_EQ(lineage.merged.size(), 1u);
  EXPECT_EQ(lineage.merged[0].segment, 0u);
  EXPECT_THAT(lineage.merged[0].parts, ElementsAre(1, 0));
  EXPECT_THAT(lineage.split, IsEmpty());
  EXPECT_THAT(lineage.gone, ElementsAre(0));
}

TEST(Lineage, WhatIsShuffledIsNew) {
  const Lineage lineage = Trace({{10, 10, 10, 0}, {10, 10, 10, 0}, {10, 10, 10, 0}, {0, 0, 0, 0}});
  EXPECT_THAT(lineage.ids, ElementsAre("4", "5", "6"));
  EXPECT_EQ(lineage.share_movers, 1);
  EXPECT_THAT(lineage.gone, ElementsAre(0, 1, 2));
  EXPECT_EQ(lineage.next_id, 7);
}

TEST(Lineage, AllUsersNewOrGone) {
  const Lineage fresh = Trace({{0, 0, 9}, {0, 0, 0}, {20, 30, 5}});
  EXPECT_THAT(fresh.ids, ElementsAre("3", "4"));
  EXPECT_EQ(fresh.n_in_both, 0);
  EXPECT_EQ(fresh.share_movers, 0);
  Moved moved = Flows({{5, 0, 0}, {0, 5, 0}, {0, 0, 0}});
  moved.last.segments[0].size = 105;
  EXPECT_THAT(TraceSegments(moved.labels, 2, moved.last).flows[0], ElementsAre(5, 0, 100));
  EXPECT_THAT(TraceSegments({}, 0, {}).ids, IsEmpty());
}

TEST(Lineage, AnIdIsNeverGivenTwice) {
  Moved moved = Flows({{5, 0, 0}, {0, 0, 0}, {0, 5, 0}});
  moved.last.next_id = 12;
  const Lineage lineage = TraceSegments(moved.labels, 2, moved.last);
  EXPECT_THAT(lineage.ids, ElementsAre("1", "12")) << "2 is free now, and was another segment's";
  EXPECT_EQ(lineage.next_id, 13);
}

TEST(Lineage, MatchesAsMuchAsCanBe) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const auto n_old = static_cast<size_t>(1 + RandomUniform(seed, 0) * 5),
               n_new = static_cast<size_t>(1 + RandomUniform(seed, 1) * 5);
    std::vector<std::vector<int>> flows(n_old + 1, std::vector<int>(n_new + 1, 0));
    for (size_t o = 0; o <= n_old; ++o)
      for (size_t s = 0; s <= n_new; ++s) {
        const double drawn = RandomUniform(seed, 100 + o * 10 + s);
        flows[o][s] = static_cast<int>(drawn * drawn * drawn * 40);
      }
    const Lineage lineage = Trace(flows);
    // Of all one-to-one matchings the best, by trying them.
    std::vector<int> of_old(n_old, 0), of_new(n_new, 0);
    for (size_t o = 0; o < n_old; ++o)
      for (size_t s = 0; s < n_new; ++s) of_old[o] += flows[o][s], of_new[s] += flows[o][s];
    const auto worth = [&](size_t o, size_t s) {
      if (o >= n_old || s >= n_new) return 0;
      return 2 * flows[o][s] >= of_old[o] || 2 * flows[o][s] >= of_new[s] ? flows[o][s] : 0;
    };
    const size_t n = std::max(n_old, n_new);
    std::vector<size_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    int best = 0, found = 0;
    do {
      int sum = 0;
      for (size_t s = 0; s < n; ++s) sum += worth(order[s], s);
      best = std::max(best, sum);
    } while (std::next_permutation(order.begin(), order.end()));
    std::vector<int32_t> kept;
    for (size_t s = 0; s < n_new; ++s)
      if (const int32_t o = lineage.kept_from[s]; o >= 0) {
        EXPECT_GT(worth(static_cast<size_t>(o), s), 0) << "seed " << seed;
        found += worth(static_cast<size_t>(o), s);
        kept.push_back(o);
      }
    EXPECT_EQ(found, best) << "seed " << seed;
    std::sort(kept.begin(), kept.end());
    EXPECT_EQ(std::adjacent_find(kept.begin(), kept.end()), kept.end()) << "seed " << seed;
    EXPECT_EQ(lineage.n_in_both - lineage.n_movers, found) << "seed " << seed;
    EXPECT_EQ(lineage.fresh.size() + kept.size(), n_new);
    EXPECT_EQ(lineage.gone.size() + kept.size(), n_old);
  }
}

TEST(Lineage, RefusesWhatDoesNotFit) {
  const Moved moved = Flows({{5, 0}, {0, 0}});
  const auto refuses = [&](const auto& change) {
    Moved wrong = moved;
    change(wrong);
    EXPECT_THROW(TraceSegments(wrong.labels, wrong.n_segments, wrong.last), Error);
  };
  refuses([](Moved& wrong) { wrong.labels[0] = 1; });
  refuses([](Moved& wrong) { wrong.labels[0] = -2; });
  refuses([](Moved& wrong) { wrong.last.labels[0] = 1; });
  refuses([](Moved& wrong) { wrong.last.labels.pop_back(); });
  for (const char* id : {"", "0", "2", "-1", "1a", "x", "99999999999999999999"})
    refuses([&](Moved& wrong) { wrong.last.segments[0].id = id; });
  refuses([](Moved& wrong) { wrong.last.segments.push_back(wrong.last.segments[0]); });
}

TEST(LineageJson, NamesEachByItsId) {
  const Moved moved = Flows({{40, 60, 0, 0}, {0, 0, 50, 0}, {0, 0, 2, 0}, {0, 0, 0, 0}});
  const nlohmann::json json = LineageJson(TraceSegments(moved.labels, 3, moved.last), moved.last);
  EXPECT_EQ(json["from_version"], 4);
  EXPECT_EQ(json["kept"], (nlohmann::json{"1", "2"}));
  EXPECT_EQ(json["new"], nlohmann::json{"4"});
  EXPECT_EQ(json["gone"], nlohmann::json{"3"});
  EXPECT_EQ(json["split"], (nlohmann::json::array({{{"id", "1"}, {"into", {"1", "4"}}}})));
  EXPECT_EQ(json["merged"], nlohmann::json::array()) << "two of 52 are no part";
  EXPECT_EQ(json["from"][0]["name"], "old 1");
  EXPECT_EQ(json["flows"][1], (nlohmann::json{0, 0, 50, 0}));
}

}  // namespace
}  // namespace kindred
