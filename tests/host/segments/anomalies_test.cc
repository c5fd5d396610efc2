#include "host/segments/anomalies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "host/data/random.h"
#include "host/data_report/calendar.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// So many days of about `n` events, none on Saturdays.
DailyCounts Shop(int n_days, int n, uint64_t seed) {
  DailyCounts counts = {"all events", 19000, {}};
  for (int day = 0; day < n_days; ++day) {
    const double noisy = n + std::sqrt(n) * RandomNormal(seed, static_cast<uint64_t>(day));
    counts.counts.push_back(WeekdayOf(counts.first_day + day) == 5 ? 0 : std::max<int64_t>(std::llround(noisy), 0));
  }
  return counts;
}

std::vector<int64_t> Days(const DailyCounts& counts) {
  std::vector<int64_t> days;
  for (const Anomaly& anomaly : FindAnomalies(std::vector<DailyCounts>{counts}, 1000)) days.push_back(anomaly.day);
  return days;
}

TEST(Anomalies, OrdinaryDaysAreNone) {
  for (const int n : {0, 1, 5, 100, 10000})
    for (uint64_t seed = 0; seed < 20; ++seed) EXPECT_THAT(Days(Shop(200, n, seed)), IsEmpty()) << n << " " << seed;
}

TEST(Anomalies, JumpsAndDropsAreFound) {
  DailyCounts counts = Shop(200, 300, 1);
  const auto weekday = [&](int64_t day) { return WeekdayOf(counts.first_day + day); };
  int64_t jump = 100, drop = 60, saturday = 140;
  while (weekday(jump) == 5) ++jump;
  while (weekday(drop) == 5) ++drop;
  while (weekday(saturday) != 5) ++saturday;
  counts.counts[static_cast<size_t>(jump)] = 3000;
  counts.counts[static_cast<size_t>(drop)] = 3;
  counts.counts[static_cast<size_t>(saturday)] = 200;
  EXPECT_THAT(Days(counts), testing::UnorderedElementsAre(counts.first_day + jump, counts.first_day + drop,
                                                          counts.first_day + saturday));
  const Anomaly first = FindAnomalies(std::vector<DailyCounts>{counts}, 1)[0];
  EXPECT_GT(std::fabs(first.z), 5);
  // 600 is twice as many, and 5 spreads of 0.15 above only when more.
  counts = Shop(200, 300, 1);
  counts.counts[static_cast<size_t>(jump)] = 560;
  EXPECT_THAT(Days(counts), IsEmpty());
}

TEST(Anomalies, SmallNumbersAndPartsOfDaysAreNone) {
  DailyCounts few = Shop(100, 2, 3);
  few.counts[50] = 45;
  EXPECT_THAT(Days(few), IsEmpty());
  DailyCounts counts = Shop(100, 400, 3);
  counts.counts.front() = counts.counts.back() = 1;
  EXPECT_THAT(Days(counts), IsEmpty());
  counts.counts.back() = 40000;
  EXPECT_THAT(Days(counts), ElementsAre(counts.first_day + 99)) << "half a day with so many is a jump all the same";
  for (size_t n = 0; n < 4; ++n) EXPECT_THAT(Days({"all events", 0, std::vector<int64_t>(n, 1000)}), IsEmpty());
}

TEST(CountDays, CountsByDayAndTypeUpToTheReference) {
  const std::vector<std::string> names = {"view", "buy"};
  const std::vector<int64_t> indptr = {0, 6}, times = {-1, 0, 86399, 86400, 3 * 86400, kYear10000};
  const std::vector<int32_t> items(6, 0);
  const std::vector<uint8_t> types = {0, 0, 1, 1, 0, 0};
  const EventsView events = {indptr, items, {}, times, types, names};
  const std::vector<DailyCounts> all = CountDays(events, 2 * 86400);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].source, "all events");
  EXPECT_EQ(all[0].first_day, -1);
  EXPECT_THAT(all[0].counts, ElementsAre(1, 2, 1, 0));
  EXPECT_THAT(all[1].counts, ElementsAre(1, 1, 0, 0));
  EXPECT_THAT(all[2].counts, ElementsAre(0, 1, 1, 0));
  EXPECT_EQ(CountDays({indptr, items, {}, times, {}, {}}, 2 * 86400).size(), 1u);
  EXPECT_THAT(CountDays({indptr, items, {}, {}, {}, {}}, 0), IsEmpty());
  EXPECT_THAT(CountDays(events, -2 * 86400), IsEmpty()) << "all later than the reference";
  EXPECT_EQ(std::ssize(CountDays(events, kYear10000 - 1)[0].counts), kMostDays);
}

TEST(AnomaliesJson, IsPrintable) {
  const nlohmann::json json = AnomaliesJson(std::vector<Anomaly>{{"\xff", 0, 5, 1.5, 7}});
  EXPECT_EQ(json[0]["source"], "\\xff");
  EXPECT_EQ(json[0]["day"], "1970-01-01");
}

}  // namespace
}  // namespace kindred
