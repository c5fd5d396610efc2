// What the make-believe shop is made of.
#include "host/shop/shop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <vector>

#include "host/shop/put_text.h"
#include "host/shop/shop_calendar.h"
#include "host/shop/shop_catalogue.h"
#include "host/shop/shop_events.h"

namespace kindred {
namespace {

TEST(ShopCalendar, TimePassesMonotonically) {
  for (const int64_t n_days : {1, 7, 31, 366, 3650}) {
    const ShopCalendar calendar(n_days, 1);
    EXPECT_EQ(calendar.TimeAt(0), 0);
    EXPECT_EQ(calendar.TimeAt(1), static_cast<double>(86400 * n_days));
    double before = 0;
    for (int i = 0; i <= 10000; ++i) {
      const double time = calendar.TimeAt(i / 10000.0);
      ASSERT_LE(before, time) << n_days << " days, " << i;
      before = time;
    }
  }
}

TEST(ShopCalendar, SeasonsPeakWhenTheySay) {
  const ShopCalendar calendar(3 * 365, 1);
  for (size_t c = 0; c < kShopCategories; ++c) {
    const Season& season = kCategories[c].season;
    SCOPED_TRACE(kCategories[c].name);
    for (int year = 0; year < 3; ++year) {
      const auto peak = std::chrono::sys_days(std::chrono::year(2025 + year) / season.month / season.day) -
                        std::chrono::sys_days(std::chrono::days(ShopCalendar::kFirstSecond / 86400));
      const auto day = static_cast<int64_t>(peak.count());
      if (season.height > 1) {
        EXPECT_EQ(calendar.Discount(day, c), 0) << "no sale in the season";
        EXPECT_DOUBLE_EQ(calendar.Demand(day, c), season.height);
      }
      const int64_t opposite = (day + 182) % (3 * 365);
      EXPECT_NEAR(calendar.Demand(opposite, c) / (calendar.Discount(opposite, c) > 0 ? 1.5 : 1.0), 1, 1e-3);
    }
  }
}

TEST(ShopCalendar, SalesAreWhatTheTablesSay) {
  const ShopCalendar calendar(365, 3);
  std::vector<int> discounts(365 * kShopCategories);
  for (const ShopCalendar::Sale& sale : calendar.sales()) {
    EXPECT_LE(sale.last_day - sale.first_day, 6);
    EXPECT_GE(sale.percent, 10);
    EXPECT_LE(sale.percent, 30);
    for (int32_t day = sale.first_day; day <= sale.last_day; ++day)
      discounts[static_cast<size_t>(day) * kShopCategories + static_cast<size_t>(sale.category)] = sale.percent;
  }
  EXPECT_GT(calendar.sales().size(), 50u);
  EXPECT_LT(calendar.sales().size(), 150u);
  for (int64_t day = 0; day < 365; ++day)
    for (size_t c = 0; c < kShopCategories; ++c)
      ASSERT_EQ(calendar.Discount(day, c), discounts[static_cast<size_t>(day) * kShopCategories + c]);
}

TEST(Shop, ItemsHaveNamesOfTheirOwn) {
  const ShopCalendar calendar(30, 7);
  const Shop shop({.n_users = 1, .n_items = 20000, .n_bots = 0, .n_cold_items = 0, .seed = 7}, calendar);
  std::set<std::string> names, ids;
  for (int64_t i = 0; i < 20000; ++i) {
    const ItemText text = DescribeItem(shop, i);
    EXPECT_TRUE(names.insert(text.name).second) << text.name;
    EXPECT_TRUE(ids.insert(shop.ItemId(i)).second);
    EXPECT_GE(shop.items()[static_cast<size_t>(i)].cents, 90);
    ASSERT_GT(text.margin, 0);
    ASSERT_LT(text.margin, 100);
  }
}

TEST(Shop, WordsShowTheStyle) {
  const ShopCalendar calendar(30, 7);
  const Shop shop({.n_users = 1, .n_items = 5000, .n_bots = 0, .n_cold_items = 0, .seed = 7}, calendar);
  int64_t named = 0, own_brand = 0;
  for (int64_t i = 0; i < 5000; ++i) {
    const ItemText text = DescribeItem(shop, i);
    const auto style = static_cast<size_t>(shop.items()[static_cast<size_t>(i)].style);
    named += ("|" + text.tags + "|").find(std::string("|") + kStyles[style].name + "|") != std::string::npos;
    for (const char* brand : kStyles[style].brands) own_brand += text.brand == brand;
    std::set<std::string> tags;
    for (size_t from = 0; from <= text.tags.size();) {
      const size_t to = std::min(text.tags.find('|', from), text.tags.size());
      const std::string tag = text.tags.substr(from, to - from);
      EXPECT_TRUE(!tag.empty() && tags.insert(tag).second) << text.tags;
      from = to + 1;
    }
    EXPECT_NE(text.description.find(text.name), std::string::npos) << text.description;
  }
  EXPECT_NEAR(static_cast<double>(named) / 5000, 0.85, 0.03);
  EXPECT_NEAR(static_cast<double>(own_brand) / 5000, 0.85, 0.03);
}

TEST(Shop, PeopleAreAsTheirGroups) {
  const ShopCalendar calendar(30, 7);
  const Shop shop({.n_users = 20000, .n_items = 10, .n_bots = 0, .n_cold_items = 0, .seed = 7}, calendar);
  std::map<std::string, int> old, all;
  for (int64_t u = 0; u < 20000; ++u) {
    const UserText text = DescribeUser(shop, calendar, u);
    const char* group = kGroups[static_cast<size_t>(shop.users()[static_cast<size_t>(u)].groups[0].group)].name;
    ++all[group];
    old[group] += text.age_group == "55-64" || text.age_group == "65+";
  }
  EXPECT_GT(old["gardeners"], all["gardeners"] / 2);
  EXPECT_EQ(old["young families"], 0);
}

TEST(Shop, ArrivalsAndDebutsAgree) {
  const ShopCalendar calendar(30, 7);
  for (const int64_t n : {1, 2, 33, 5000}) {
    const Shop shop({.n_users = n, .n_items = 1, .n_bots = 0, .n_cold_items = 0, .seed = 7}, calendar);
    for (int64_t u = 0; u < n; ++u) {
      const double debut = shop.Debut(u);
      EXPECT_GE(debut, 0);
      EXPECT_LT(debut, 0.8);
      EXPECT_GE(shop.Arrived(debut + 1e-9), u + 1) << n;
      EXPECT_LE(shop.Arrived(debut - 1e-9), std::max<int64_t>(u, 1)) << n;
    }
    EXPECT_EQ(shop.Arrived(0), 1);
    EXPECT_EQ(shop.Arrived(0.8), n);
    EXPECT_EQ(shop.Arrived(1), n);
  }
}

TEST(Shop, BotsAreDifferentUsersAndNeverTheFirst) {
  const ShopCalendar calendar(2, 7);
  const int64_t cases[][2] = {{2, 1}, {3, 1}, {3, 2}, {33, 16}, {1000, 1}, {1000, 500}, {1000, 667}};
  for (const auto& [n_users, n_bots] : cases) {
    const Shop shop({.n_users = n_users, .n_items = 1, .n_bots = n_bots, .n_cold_items = 0, .seed = 7}, calendar);
    const std::set<int32_t> bots(shop.bots().begin(), shop.bots().end());
    EXPECT_EQ(static_cast<int64_t>(bots.size()), n_bots) << n_users;
    EXPECT_TRUE(std::is_sorted(shop.bots().begin(), shop.bots().end()));
    EXPECT_GE(*bots.begin(), 1);
    EXPECT_LT(*bots.rbegin(), n_users);
  }
}

TEST(ShopEvents, SlicesAreDrawnApart) {
  // One user, one item and one day: nothing else could make them differ.
  const ShopCalendar calendar(1, 1);
  const Shop shop({.n_users = 1, .n_items = 1, .n_bots = 0, .n_cold_items = 0, .seed = 1}, calendar);
  const ShopEvents all(shop, calendar, 4 * ShopEvents::kSliceEvents, 0, 1);
  ASSERT_EQ(all.n_slices(), 4);
  std::set<int64_t> n_buys;
  for (int64_t slice = 0; slice < 4; ++slice) {
    std::vector<ShopEvent> events;
    all.Make(slice, events);
    EXPECT_EQ(events.size(), 8192u);
    EXPECT_GE(events.front().second, all.FirstSecond(slice));
    n_buys.insert(std::count_if(events.begin(), events.end(),
                                [](const ShopEvent& event) { return event.type == ShopEventType::kBuy; }));
  }
  EXPECT_GT(n_buys.size(), 2u);
}

TEST(PutText, NumbersAndTimes) {
  char buffer[64];
  const auto text = [&](char* end) { return std::string(buffer, end); };
  EXPECT_EQ(text(PutNumber(buffer, 0)), "0");
  EXPECT_EQ(text(PutNumber(buffer, 18446744073709551615u)), "18446744073709551615");
  EXPECT_EQ(text(PutPadded(buffer, 7, 4)), "0007");
  EXPECT_EQ(text(PutPadded(buffer, 12345, 4)), "12345");
  EXPECT_EQ(text(PutCents(buffer, 5)), "0.05");
  EXPECT_EQ(text(PutCents(buffer, 1290)), "12.90");
  EXPECT_EQ(text(PutTime(buffer, 0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(text(PutTime(buffer, -1)), "1969-12-31T23:59:59Z");
  EXPECT_EQ(text(PutTime(buffer, 1709251199)), "2024-02-29T23:59:59Z");
  EXPECT_EQ(text(PutTime(buffer, ShopCalendar::kFirstSecond)), "2025-01-01T00:00:00Z");
}

}  // namespace
}  // namespace kindred
