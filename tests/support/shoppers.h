// A dataset of users of three habits, so that segments have something to find.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/data/dataset_writer.h"
#include "host/data/random.h"
#include "tests/support/attributes.h"

namespace kindred {

/// User "u<n>" is of habit n % 3: buys every third day and much; bought a little in the first days and is gone; looks
/// around and buys once. Later states of the same shop have more days, and the events of the earlier ones.
struct Shoppers {
  static constexpr int64_t kFirst = 1'600'000'000, kDay = 86400;
  static constexpr int kItems = 12;

  int n_users = 60;
  int n_idle = 2;  // more users, of whom there are only attributes
  int n_days = 60;
  bool times = true, types = true, values = true, attributes = true;
  int n_movers = 0;  // the first of them, who from `moving_day` on have the next habit
  int moving_day = 40;
  float price = 40;   // of what the first habit buys
  int64_t shift = 0;  // seconds, of the times of one event of u0: a clock that is wrong

  int64_t last() const { return kFirst + (n_days - 1) * kDay; }
  void Write(const std::filesystem::path& path) const;

 private:
  struct Columns {
    std::vector<int32_t> items;
    std::vector<float> values;
    std::vector<int64_t> times;
    std::vector<uint8_t> types;
  };
  void AddDay(int user, int day, Columns* columns) const;
};

inline void Shoppers::AddDay(int user, int day, Columns* columns) const {
  const uint64_t bits = RandomBits(7, static_cast<uint64_t>(user * 1000 + day));
  const auto chance = [&](int shift_by, int n) {
    return static_cast<int>((bits >> shift_by) % static_cast<uint64_t>(n));
  };
  const auto add = [&](uint8_t type, float value) {
    const auto nth = static_cast<int64_t>(columns->times.size());
    columns->items.push_back(static_cast<int32_t>((chance(0, kItems) + nth) % kItems));
    columns->values.push_back(value);
    columns->times.push_back(kFirst + day * kDay + chance(16, 3600) - (day == n_days - 1 ? 3600 : 0) + nth % 7);
    columns->types.push_back(type);
  };
  const int habit = (user + (user < n_movers && day >= moving_day ? 1 : 0)) % 3;
  if (habit == 0 && (day + user) % 3 == 0)
    for (uint8_t type = 0; type < 3; ++type) add(type, type == 2 ? price + static_cast<float>(chance(32, 20)) : 0);
  if (habit == 1 && day < 6 && (day + user) % 3 == 0)
    for (const uint8_t type : {0, 2}) add(type, type == 2 ? 5 + static_cast<float>(chance(32, 5)) : 0);
  if (habit == 2 && (day + user) % 2 == 0) {
    add(0, 0);
    if ((day + user) % 6 == 0) add(1, 0);
    if (day == 10 + user % 5) add(2, 15 + static_cast<float>(chance(32, 5)));
  }
}

inline void Shoppers::Write(const std::filesystem::path& path) const {
  EventTable table;
  Columns columns;
  table.indptr = {0};
  if (types) table.type_names = {"view", "cart", "buy"};
  for (int user = 0; user < n_users; ++user) {
    table.users.Intern("u" + std::to_string(user));
    const auto begin = static_cast<int64_t>(columns.times.size());
    for (int day = 0; day < n_days; ++day) AddDay(user, day, &columns);
    if (user == 0 && shift != 0) columns.times.back() += shift;
    std::sort(columns.times.begin() + begin, columns.times.end());
    table.indptr.push_back(static_cast<int64_t>(columns.times.size()));
  }
  const auto copy = [](const auto& from, auto* to) {
    *to = std::remove_reference_t<decltype(*to)>(static_cast<int64_t>(from.size()));
    std::copy(from.begin(), from.end(), to->data());
  };
  copy(columns.items, &table.event_items);
  copy(columns.values, &table.values);
  if (times) copy(columns.times, &table.times);
  if (types) copy(columns.types, &table.types);
  for (int item = 0; item < kItems; ++item) table.items.Intern("i" + std::to_string(item));
  for (int user = 0; user < n_idle; ++user) table.users.Intern("idle" + std::to_string(user));
  table.n_event_items = kItems;
  table.type_counts.assign(table.type_names.size(), 1);
  const int n_all = n_users + n_idle;
  TestAttributes of_items(kItems), of_users(n_all);
  std::vector<int32_t> categories, countries;
  std::vector<double> ages;
  for (int item = 0; item < kItems; ++item) categories.push_back(item % 3);
  for (int user = 0; user < n_all; ++user) {
    countries.push_back(user % 4 == 3 ? -1 : user % 2);
    ages.push_back(user % 5 == 4 ? std::nan("") : 20.0 + user % 40);
  }
  of_items.Categories("category", categories, {"shoes", "bags", "hats"});
  of_users.Categories("country", countries, {"DE", "FR"}).Numbers("age", ages);
  DatasetAttributes tables;
  if (attributes) tables = {of_items.table(), of_users.table()};
  WriteDataset(path, std::move(table), tables,
               {{"reader", {{"value_column", values ? nlohmann::json("price") : nlohmann::json()}}}}, false);
}

/// What may be declared of them, all of it.
inline constexpr const char* kShoppersToml = R"(schema_version = 1
[events]
views = "view"
carts = "cart"
purchases = "buy"
[[features]]
name = "recency"
kind = "recency"
events = "purchases"
normalize = "log"
[[features]]
name = "frequency"
kind = "baskets"
events = "purchases"
normalize = "log"
[[features]]
name = "monetary"
kind = "sum"
events = "purchases"
normalize = "log"
clip = "iqr"
[[features]]
name = "views_7d"
kind = "count"
events = "views"
window = "7d"
[[features]]
name = "shoes"
kind = "share"
where = 'category = "shoes"'
weight = 0.1
[clusters]
k = 3
restarts = 3
names = { "2" = "Second" }
[[rules]]
name = "Cart Abandoners"
when = "views >= 3 in 7d and carts >= 1 in 7d and purchases = 0 in 7d"
[[rules]]
name = "Big"
when = "monetary >= threshold.big"
[[rules]]
name = "Germans"
when = 'user.country = "DE" and user.age < 40'
[[rules]]
name = "Hot"
when = "likelihood >= 0.5"
[[stages]]
name = "awareness"
when = "views >= 1"
[[stages]]
name = "consideration"
when = "carts >= 1"
[[stages]]
name = "purchase"
when = "purchases >= 2"
[thresholds.big]
of = "monetary"
quantile = 0.9
max_step = 0.1
[thresholds.fixed]
value = 100
[likelihood]
event = "purchases"
horizon = "7d"
)";

}  // namespace kindred
