#include "host/models/popular_lists.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <set>
#include <utility>

#include "host/text/text.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kDay = 86400, kStart = 1'700'000'000;
constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

struct OneEvent {
  int user, item;
  int64_t time = kStart;
  uint8_t type = 0;
  float value = 1;
};

/// Users with events and a category.
struct Shop {
  Shop(int n_users, int of_items, std::vector<OneEvent> of) : n_items(of_items), all(std::move(of)) {
    std::stable_sort(all.begin(), all.end(), [](const OneEvent& a, const OneEvent& b) {
      return std::pair(a.user, a.time) < std::pair(b.user, b.time);
    });
    for (const OneEvent& event : all) {
      items.push_back(event.item);
      times.push_back(event.time);
      types.push_back(event.type);
      values.push_back(event.value);
    }
    size_t at = 0;
    for (int user = 0; user < n_users; ++user) {
      while (at < all.size() && all[at].user == user) ++at;
      indptr.push_back(static_cast<int64_t>(at));
    }
    codes.assign(static_cast<size_t>(n_users), -1);
  }

  EventsView events() const { return {indptr, items, values, times, types, type_names}; }
  int n_users() const { return static_cast<int>(codes.size()); }

  AttributeColumn Column(const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      bytes.insert(bytes.end(), name.begin(), name.end());
      offsets.push_back(std::ssize(bytes));
    }
    AttributeColumn column;
    column.name = "country";
    column.type = AttributeType::kCategory;
    column.codes = codes;
    column.dictionary = {bytes, offsets};
    return column;
  }

  int n_items;
  std::vector<OneEvent> all;
  std::vector<std::string> type_names = {"view", "cart", "buy"};
  std::vector<int64_t> indptr = {0}, times;
  std::vector<int32_t> items, codes;
  std::vector<uint8_t> types, bytes;
  std::vector<float> values;
  std::vector<int64_t> offsets = {0};
};

Shop RandomShop(int n_users, int n_items, int n_events, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<OneEvent> events;
  for (int e = 0; e < n_events; ++e)
    events.push_back({static_cast<int>(random() % static_cast<uint32_t>(n_users)),
                      static_cast<int>(random() % static_cast<uint32_t>(n_items)),
                      kStart + static_cast<int64_t>(random() % (20 * kDay)), static_cast<uint8_t>(random() % 3),
                      0.25f * static_cast<float>(random() % 8)});
  Shop shop(n_users, n_items, std::move(events));
  for (int32_t& code : shop.codes) code = static_cast<int32_t>(random() % 5) - 1;
  return shop;
}

const EventWeighting kPlain;

// The formulas of the header, pair by pair.
class Reference {
 public:
  Reference(const Shop& shop, std::span<const uint8_t> keep, const EventWeighting& weighting,
            const PopularListOptions& options, const AttributeColumn* released = nullptr)
      : shop_(shop), keep_(keep), weighting_(weighting), options_(options), released_(released) {
    for (size_t e = 0; e < shop.all.size(); ++e)
      if (Kept(e)) last_ = std::max(last_, shop.all[e].time);
  }

  double Counts(size_t e, int64_t reference) const {
    const OneEvent& event = shop_.all[e];
    double weight =
        *weighting_.WeightOf(shop_.type_names[event.type]) * std::min<double>(event.value, weighting_.value_cap);
    if (weighting_.decays() && options_.kind != ListKind::kLatest)
      weight *= std::pow(2, static_cast<double>(event.time - reference) / weighting_.half_life);
    return weight;
  }

  /// m_ui of window 0, the last, or 1, the one before.
  std::map<std::pair<int, int>, double> Pairs(const std::set<int>& users, int window, bool capped = true) const {
    std::map<std::pair<int, int>, double> pairs;
    for (size_t e = 0; e < shop_.all.size(); ++e) {
      const OneEvent& event = shop_.all[e];
      if (!Kept(e) || !users.contains(event.user)) continue;
      const auto age = static_cast<double>(last_ - event.time);
      if (options_.window < kNoLimit && !(age >= window * options_.window && age < (window + 1) * options_.window))
        continue;
      const double counts = Counts(e, last_ - (window == 0 ? 0 : static_cast<int64_t>(options_.window)));
      if (counts > 0) pairs[{event.user, event.item}] += counts;
    }
    for (auto& [pair, sum] : pairs)
      if (capped) sum = std::min({sum, 1.0, weighting_.confidence_cap});
    return pairs;
  }

  std::set<int> Active(const std::set<int>& users) const {
    std::set<int> active;
    for (int window = 0; window < (options_.kind == ListKind::kTrending ? 2 : 1); ++window)
      for (const auto& [pair, sum] : Pairs(users, window)) active.insert(pair.first);
    return active;
  }

  /// n: what the users' events count in the windows, of each at most 1.
  double NumberOfUsers(const std::set<int>& users) const {
    std::map<int, double> sums;
    for (int window = 0; window < (options_.kind == ListKind::kTrending ? 2 : 1); ++window)
      for (const auto& [pair, sum] : Pairs(users, window, false)) sums[pair.first] += sum;
    double n = 0;
    for (const auto& [user, sum] : sums) n += std::min(1.0, sum);
    return n;
  }

  std::vector<double> Scores(const std::set<int>& users) const {
    const auto n_items = static_cast<size_t>(shop_.n_items);
    std::vector<double> now(n_items, 0), before(n_items, 0), scores(n_items, 0);
    for (const auto& [pair, sum] : Pairs(users, 0)) now[static_cast<size_t>(pair.second)] += sum;
    if (options_.kind == ListKind::kTrending)
      for (const auto& [pair, sum] : Pairs(users, 1)) before[static_cast<size_t>(pair.second)] += sum;
    const double n = NumberOfUsers(users);
    double all_now = 0, all_before = 0;
    for (size_t i = 0; i < n_items; ++i) all_now += now[i], all_before += before[i];
    for (size_t i = 0; i < n_items; ++i)
      if (options_.kind == ListKind::kPopular) {
        scores[i] = n > 0 ? now[i] / n : 0;
      } else if (options_.kind == ListKind::kTrending) {
        const double expected = all_before > 0 ? before[i] * all_now / all_before : 0;
        scores[i] = std::log(GammaLowQuantile(options_.trend_prior + now[i]) / (options_.trend_prior + expected));
      } else {
        scores[i] = Newness(static_cast<int>(i)) *
                    (NumberOfEvents(users, static_cast<int>(i)) >= options_.min_events ? 1 : std::pow(2, -30));
      }
    return scores;
  }

  double Newness(int item) const {
    int64_t first = kNoTime;
    for (size_t e = 0; e < shop_.all.size() && released_ == nullptr; ++e)
      if (Kept(e) && shop_.all[e].item == item && Counts(e, last_) > 0)
        first = first == kNoTime ? shop_.all[e].time : std::min(first, shop_.all[e].time);
    if (released_ != nullptr) first = released_->times[static_cast<size_t>(item)];
    if (first == kNoTime || first > last_ + kDay) return 0;
    return 1 / (1 + std::max(0.0, static_cast<double>(last_ - first) / kDay));
  }

  int64_t NumberOfEvents(const std::set<int>& users, int item) const {
    int64_t n = 0;
    for (size_t e = 0; e < shop_.all.size(); ++e)
      n += Kept(e) && users.contains(shop_.all[e].user) && shop_.all[e].item == item && Counts(e, last_) > 0 ? 1 : 0;
    return n;
  }

  std::set<int> Users(int code = -2) const {
    std::set<int> users;
    for (int user = 0; user < shop_.n_users(); ++user)
      if (code == -2 || shop_.codes[static_cast<size_t>(user)] == code) users.insert(user);
    return users;
  }

 private:
  bool Kept(size_t e) const { return keep_.empty() || keep_[e] != 0; }

  const Shop& shop_;
  std::span<const uint8_t> keep_;
  EventWeighting weighting_;
  PopularListOptions options_;
  const AttributeColumn* released_;
  int64_t last_ = kNoTime;
};

double ScoreOf(const PopularLists& lists, int item, size_t factor) {
  return lists.model.item_factors[static_cast<size_t>(item * lists.model.n_factors) + factor];
}

/// The items of one list, best first.
std::vector<int> ListOf(const PopularLists& lists, size_t factor) {
  std::vector<int> items(lists.model.item_factors.size() / static_cast<size_t>(lists.model.n_factors));
  for (size_t i = 0; i < items.size(); ++i) items[i] = static_cast<int>(i);
  std::stable_sort(items.begin(), items.end(),
                   [&](int a, int b) { return ScoreOf(lists, a, factor) > ScoreOf(lists, b, factor); });
  return items;
}

PopularListOptions Options(ListKind kind, double window, int64_t min_group_users = 3) {
  PopularListOptions options;
  options.kind = kind;
  options.window = window;
  options.min_group_users = min_group_users;
  options.group_prior = 7;
  options.min_events = 2;
  return options;
}

const std::vector<std::string> kNames = {"DE", "FR", "UK", "IT"};

void ExpectFollowsFormulas(Shop& shop, const PopularListOptions& options, const EventWeighting& weighting,
                           std::span<const uint8_t> keep) {
  const AttributeColumn countries = shop.Column(kNames);
  const EventsView events = shop.events();
  const PopularLists lists = FitPopularLists({events, weighting, keep, shop.n_items, &countries, nullptr}, options);
  const Reference reference(shop, keep, weighting, options);
  const std::vector<double> of_all = reference.Scores(reference.Users());
  EXPECT_EQ(lists.n_active_users, std::ssize(reference.Active(reference.Users())));
  ASSERT_EQ(lists.model.n_factors, 1 + std::ssize(lists.groups));
  for (int item = 0; item < shop.n_items; ++item)
    ASSERT_NEAR(ScoreOf(lists, item, 0), of_all[static_cast<size_t>(item)], 1e-6) << "item " << item;

  std::set<std::string> found;
  for (size_t g = 0; g < lists.groups.size(); ++g) {
    const auto code = static_cast<int32_t>(std::ranges::find(kNames, lists.groups[g].name) - kNames.begin());
    const std::set<int> users = reference.Users(code);
    const double n = reference.NumberOfUsers(users);
    EXPECT_EQ(lists.groups[g].n_users, std::ssize(users));
    EXPECT_EQ(lists.groups[g].n_active_users, std::ssize(reference.Active(users)));
    const std::vector<double> own = reference.Scores(users);
    for (int item = 0; item < shop.n_items; ++item) {
      const auto i = static_cast<size_t>(item);
      const double expected = (n * own[i] + options.group_prior * of_all[i]) / (n + options.group_prior);
      ASSERT_NEAR(ScoreOf(lists, item, 1 + g), expected, 1e-6) << "item " << item << " of " << lists.groups[g].name;
    }
    found.insert(lists.groups[g].name);
  }
  for (int code = 0; code < 4; ++code)
    EXPECT_EQ(found.contains(kNames[static_cast<size_t>(code)]),
              std::ssize(reference.Active(reference.Users(code))) >= options.min_group_users)
        << code;
  for (int user = 0; user < shop.n_users(); ++user)
    for (int64_t f = 0; f < lists.model.n_factors; ++f) {
      const int32_t code = shop.codes[static_cast<size_t>(user)];
      const bool own = code >= 0 && found.contains(kNames[static_cast<size_t>(code)]);
      const bool is =
          f == 0 ? !own : own && lists.groups[static_cast<size_t>(f - 1)].name == kNames[static_cast<size_t>(code)];
      ASSERT_EQ(lists.model.user_factors[static_cast<size_t>(user * lists.model.n_factors + f)], is ? 1 : 0) << user;
    }
}

TEST(PopularLists, FollowTheirFormulas) {
  EventWeighting weighted;
  weighted.event_weights = {{"view", 0.25}, {"cart", 1}, {"buy", 0}};
  weighted.value_cap = 1.5;
  weighted.confidence_cap = 0.875;
  EventWeighting decaying = weighted;
  decaying.half_life = 3 * kDay;
  uint32_t seed = 100;
  for (const auto& [n_users, n_items, n_events] :
       {std::tuple(1, 1, 40), {30, 1, 100}, {1, 33, 60}, {31, 32, 300}, {60, 33, 700}})
    for (const auto& [kind, window] : {std::pair(ListKind::kPopular, kNoLimit),
                                       {ListKind::kPopular, 5.0 * kDay},
                                       {ListKind::kLatest, kNoLimit},
                                       {ListKind::kTrending, 6.5 * kDay}})
      for (const EventWeighting* weighting : {&kPlain, &std::as_const(weighted), &std::as_const(decaying)})
        for (const bool all : {true, false}) {
          SCOPED_TRACE(testing::Message()
                       << n_users << " x " << n_items << ", kind " << static_cast<int>(kind) << ", seed " << ++seed);
          Shop shop = RandomShop(n_users, n_items, n_events, seed);
          std::vector<uint8_t> keep(all ? 0 : shop.all.size(), 1);
          for (size_t e = 0; e < keep.size(); e += 3) keep[e] = 0;
          ExpectFollowsFormulas(shop, Options(kind, window), *weighting, keep);
          if (HasFatalFailure()) return;
        }
}

TEST(PopularLists, OfNothing) {
  for (const ListKind kind : {ListKind::kPopular, ListKind::kLatest})
    for (const int n_items : {0, 1, 5}) {
      const Shop none(3, n_items, {});
      const EventsView events = none.events();
      const PopularLists lists =
          FitPopularLists({events, kPlain, {}, n_items, nullptr, nullptr}, Options(kind, kNoLimit));
      EXPECT_EQ(lists.model.item_factors, std::vector<float>(static_cast<size_t>(n_items), 0));
      EXPECT_EQ(lists.model.user_factors, std::vector<float>(3, 1));
      EXPECT_EQ(lists.model.base_query, std::vector<float>(1, 1));
      EXPECT_EQ(lists.n_active_users, 0);
    }
}

TEST(PopularLists, GroupsTooSmallAndTooManyGetTheListOfAll) {
  std::vector<OneEvent> events;
  for (int user = 0; user < 300; ++user) events.push_back({user, user % 3});
  events.push_back({300, 1});
  Shop shop(303, 3, events);
  std::vector<std::string> names;
  for (int user = 0; user < 303; ++user) {
    shop.codes[static_cast<size_t>(user)] = std::min(user, 300);  // the last three are of one group, and one is active
    if (user <= 300) names.push_back("g" + std::to_string(user));
  }
  names[5] = "\x01\xff";
  shop.codes[7] = -1;
  const AttributeColumn column = shop.Column(names);
  const EventsView view = shop.events();
  const ListedEvents data = {view, kPlain, {}, 3, &column, nullptr};
  const PopularLists many = FitPopularLists(data, Options(ListKind::kPopular, kNoLimit, 1));
  ASSERT_EQ(std::ssize(many.groups), kMostListGroups);
  EXPECT_EQ(many.n_left_out_groups, 300 - kMostListGroups) << "one has no users";
  EXPECT_EQ(many.n_small_groups, 0);
  EXPECT_EQ(many.groups[5].name, "\\x01\\xff");
  EXPECT_EQ(many.model.n_factors, 256);
  EXPECT_EQ(many.model.user_factors[7 * 256], 1);
  EXPECT_EQ(many.model.user_factors[299 * 256], 1);
  EXPECT_EQ(many.model.user_factors[6 * 256 + 1 + 6], 1);
  const PopularLists few = FitPopularLists(data, Options(ListKind::kPopular, kNoLimit, 2));
  EXPECT_THAT(few.groups, IsEmpty());
  EXPECT_EQ(few.n_small_groups, 300) << "of the last group's three users one is active";
  EXPECT_EQ(few.model.n_factors, 1);
}

TEST(PopularLists, TheLargestGroupsComeFirst) {
  Shop shop(9, 2, {{0, 0}, {1, 0}, {2, 1}, {3, 1}, {4, 1}, {5, 0}, {6, 0}, {7, 1}, {8, 0}});
  shop.codes = {0, 0, 1, 1, 1, 2, 2, 3, -1};
  const AttributeColumn column = shop.Column(kNames);
  const EventsView view = shop.events();
  PopularListOptions options = Options(ListKind::kPopular, kNoLimit, 1);
  const PopularLists lists = FitPopularLists({view, kPlain, {}, 2, &column, nullptr}, options);
  std::vector<std::string> names;
  for (const ListGroup& group : lists.groups) names.push_back(group.name);
  EXPECT_THAT(names, ElementsAre("FR", "DE", "UK", "IT"));
  EXPECT_THAT(ListOf(lists, 0), ElementsAre(0, 1));
  EXPECT_THAT(ListOf(lists, 1), ElementsAre(1, 0)) << "FR alone";
  options.group_prior = 1e9;
  const PopularLists bound = FitPopularLists({view, kPlain, {}, 2, &column, nullptr}, options);
  for (size_t factor = 1; factor < 5; ++factor) EXPECT_THAT(ListOf(bound, factor), ElementsAre(0, 1));
}

TEST(PopularLists, TheLatestAreNewestFirstAndThoseWithTooFewEventsBehind) {
  // Item 0 is old, 1 new, 2 newer with one event only, 3 has none, 4 is the newest.
  const Shop shop(2, 5,
                  {{0, 0, kStart},
                   {1, 0, kStart + 9 * kDay},
                   {0, 1, kStart + 3 * kDay},
                   {1, 1, kStart + 4 * kDay},
                   {0, 2, kStart + 5 * kDay},
                   {0, 4, kStart + 6 * kDay},
                   {1, 4, kStart + 6 * kDay}});
  const EventsView view = shop.events();
  PopularListOptions options = Options(ListKind::kLatest, kNoLimit);
  const PopularLists lists = FitPopularLists({view, kPlain, {}, 5, nullptr, nullptr}, options);
  EXPECT_THAT(ListOf(lists, 0), ElementsAre(4, 1, 0, 2, 3));
  EXPECT_FLOAT_EQ(static_cast<float>(ScoreOf(lists, 1, 0)), 1.0f / 7);

  // Released: 0 with the last event, 1 within a day of it, 2 is to come, 3 at the start, 4 unknown.
  const int64_t last = kStart + 9 * kDay;
  const std::vector<int64_t> times = {last - 1, last + kDay, last + kDay + 1, kStart, kNoTime};
  AttributeColumn released;
  released.name = "released";
  released.type = AttributeType::kTime;
  released.times = times;
  options.min_events = 0;
  const PopularLists by_release = FitPopularLists({view, kPlain, {}, 5, nullptr, &released}, options);
  EXPECT_THAT(ListOf(by_release, 0), ElementsAre(1, 0, 3, 2, 4));
  const Reference reference(shop, {}, kPlain, options, &released);
  for (int item = 0; item < 5; ++item)
    EXPECT_NEAR(ScoreOf(by_release, item, 0), reference.Scores({0, 1})[static_cast<size_t>(item)], 1e-7);
}

// Twice the users are less of a trend than ten times, few users less than many, and growth of all alike none.
TEST(PopularLists, TrendsAreWhatRisesForSure) {
  std::vector<OneEvent> events;
  int user = 0;
  const auto add = [&](int item, int before, int now) {
    for (int n = 0; n < before; ++n) events.push_back({user++, item, kStart});
    for (int n = 0; n < now; ++n) events.push_back({user++, item, kStart + 5 * kDay});
  };
  add(0, 100, 100);  // steady
  add(1, 10, 100);   // tenfold
  add(2, 50, 100);   // twofold
  add(3, 1, 3);      // threefold, and next to nothing
  add(4, 200, 60);   // falls
  const Shop shop(user, 6, events);
  const EventsView view = shop.events();
  const PopularLists lists =
      FitPopularLists({view, kPlain, {}, 6, nullptr, nullptr}, Options(ListKind::kTrending, 2.0 * kDay + 3 * kDay));
  EXPECT_THAT(ListOf(lists, 0), ElementsAre(1, 2, 0, 3, 5, 4));
  EXPECT_GT(ScoreOf(lists, 2, 0), 0);
  EXPECT_LT(ScoreOf(lists, 0, 0), 0.1);
}

TEST(PopularLists, WindowsCountBackFromTheLastEventThatIsKept) {
  const Shop shop(3, 3, {{0, 0, kStart}, {1, 1, kStart + 5 * kDay}, {2, 2, kStart + 20 * kDay}});
  const EventsView view = shop.events();
  const std::vector<uint8_t> keep = {1, 1, 0};
  const PopularLists lists =
      FitPopularLists({view, kPlain, keep, 3, nullptr, nullptr}, Options(ListKind::kPopular, 5.0 * kDay));
  EXPECT_EQ(lists.last_time, kStart + 5 * kDay);
  EXPECT_EQ(lists.model.item_factors, (std::vector<float>{0, 1, 0})) << "an event as old as the window is outside";
}

TEST(PopularLists, WhatDoesNotDoIsRefused) {
  const Shop shop(2, 2, {{0, 0, kStart}, {1, 1, kStart + 5 * kDay}});
  const EventsView view = shop.events();
  const auto refused = [&](const char* message, const PopularListOptions& options, const EventsView& events) {
    ExpectError(ErrorCode::kInvalidArgument, message, [&] {
      FitPopularLists({events, kPlain, {}, 2, nullptr, nullptr}, options);
    });
  };
  refused("the window is 0", Options(ListKind::kPopular, 0), view);
  refused("the window is nan", Options(ListKind::kPopular, NAN), view);
  refused("trends compare two windows", Options(ListKind::kTrending, kNoLimit), view);
  refused("have no window", Options(ListKind::kLatest, kDay), view);
  refused("before the window, which it is compared with", Options(ListKind::kTrending, 10 * kDay), view);
  refused("before the window, which it is compared with", Options(ListKind::kTrending, 1e18), view);
  PopularListOptions options = Options(ListKind::kTrending, 5 * kDay);
  options.trend_prior = 0.5;
  refused("the trend prior is 0.5", options, view);
  options = Options(ListKind::kPopular, kNoLimit);
  options.group_prior = 0;
  refused("the group prior is 0", options, view);
  options = Options(ListKind::kPopular, kNoLimit, 0);
  refused("min_group_users is 0", options, view);
  options = Options(ListKind::kLatest, kNoLimit);
  options.min_events = -1;
  refused("min_events is -1", options, view);

  EventsView timeless = view;
  timeless.times = {};
  refused("trends need times, and this dataset has none", Options(ListKind::kTrending, kDay), timeless);
  refused("what is latest needs times", Options(ListKind::kLatest, kNoLimit), timeless);
  refused("a window needs times", Options(ListKind::kPopular, kDay), timeless);
  EXPECT_EQ(FitPopularLists({timeless, kPlain, {}, 2, nullptr, nullptr}, Options(ListKind::kPopular, kNoLimit))
                .model.item_factors,
            (std::vector<float>{0.5f, 0.5f}));
  const Shop none(2, 2, {});
  const EventsView no_events = none.events();
  refused("no event that counts is in the last 1 days", Options(ListKind::kTrending, kDay), no_events);
}

TEST(PopularLists, TheLowQuantileOfGamma) {
  for (const auto& [shape, quantile, tolerance] :
       {std::tuple(1.0, 0.0512933, 0.24), {3.0, 0.817691, 0.01}, {10.0, 5.425406, 5e-4}, {100.0, 84.13925, 5e-5}})
    EXPECT_NEAR(GammaLowQuantile(shape) / quantile, 1, tolerance) << shape;
}

}  // namespace
}  // namespace kindred
