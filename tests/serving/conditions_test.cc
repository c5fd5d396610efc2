// Answers under conditions: filters, candidates and exclusions.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "serving/recommender.h"
#include "tests/serving/tiny_model.h"
#include "tests/support/backends.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kNow = kFirstEvent + 10 * kDay;
constexpr const char* kAll = "price is present or price is missing";

std::vector<std::string> Ids(const Recommendation& result) {
  std::vector<std::string> ids;
  for (const ScoredItem& item : result.items) ids.emplace_back(item.item_id);
  return ids;
}

class ConditionsTest : public BackendTest {
 protected:
  void SetUp() override { Use({.described = true}); }

  void Use(const TinyModelOptions& options) {
    ranker_.reset();
    model_ = std::make_unique<TinyModel>(backend(), options);
    ranker_ = std::make_unique<const Ranker>(backend(), model_->view(), nullptr);
    filters_ = std::make_unique<FilterCache>(model().user_columns);
    now_ = {ItemTable::From(model().item_columns, nullptr), filters_.get(), nullptr, kNow};
  }

  const ModelView& model() const { return ranker_->model(); }
  Recommendation Ask(const RecommendQuery& query) { return Recommend(context(), *ranker_, query, now_); }
  Recommendation Similar(std::string_view item, int32_t n, std::string_view filter) {
    return SimilarItems(context(), *ranker_, item, n, filter, now_);
  }

  AttributeValue Of(std::string_view item, std::string_view attribute) const {
    return now_.items->columns()[static_cast<size_t>(now_.items->Find(attribute))]->Value(model().items.Find(item));
  }

  /// All items as the user gets them, with what was had to do with among them.
  std::vector<std::string> Everything(RecommendQuery query) {
    query.n = 1000;
    query.conditions = {};
    query.conditions.exclude_events = {{"", 0}};
    std::vector<std::string> all = Ids(Ask(query));
    EXPECT_EQ(std::ssize(all), model().n_items());
    return all;
  }

  /// Those of the user's events that are of the type, and not older.
  std::set<std::string> ItemsWith(int user, int type, int64_t after) const {
    std::set<std::string> items;
    const EventsView& events = model().events;
    for (auto e = static_cast<size_t>(events.indptr[user]); e < static_cast<size_t>(events.indptr[user + 1]); ++e)
      if ((type < 0 || events.types[e] == type) && events.times[e] > after)
        items.emplace(model().items.Id(events.items[e]));
    return items;
  }

  std::unique_ptr<TinyModel> model_;
  std::unique_ptr<const Ranker> ranker_;
  std::unique_ptr<FilterCache> filters_;
  ItemsNow now_;
};
KINDRED_ON_ALL_BACKENDS(ConditionsTest);

template <class Keep>
std::vector<std::string> Kept(const std::vector<std::string>& all, size_t n, const Keep& keep) {
  std::vector<std::string> kept;
  for (const std::string& id : all)
    if (kept.size() < n && keep(id)) kept.push_back(id);
  return kept;
}

TEST_P(ConditionsTest, AFilterGivesTheBestOfTheItemsForWhichItIsTrue) {
  const std::string filter = R"(category in ["shoes", "bags"] and not price > 60)";
  const auto is_true = [&](const std::string& id) {
    const AttributeValue category = Of(id, "category"), price = Of(id, "price");
    return (category == AttributeValue("shoes") || category == AttributeValue("bags")) &&
           !(std::holds_alternative<double>(price) && std::get<double>(price) > 60);
  };
  for (RecommendQuery query :
       {RecommendQuery{"u5", {}, 3}, {"u5", {{"i1", 1}}, 3}, {"", {{"i1", 1}}, 3}, {"", {}, 3}}) {
    const std::vector<std::string> all = Everything(query);
    query.conditions.filter = filter;
    const Recommendation found = Ask(query);
    std::set<std::string> history;
    if (query.user_id == "u5") history = ItemsWith(5, -1, 0);
    if (!query.history.empty()) history.insert("i1");
    EXPECT_EQ(Ids(found), Kept(all, 3, [&](auto& id) { return is_true(id) && !history.contains(id); }));
  }
}

TEST_P(ConditionsTest, AttributesOfTheUserAndOfTheRequest) {
  RecommendQuery query = {"u4", {}, 1000};  // likes "bags", as 4 % 3 is 1
  query.conditions.exclude_events = {{"", 0}};
  query.conditions.filter = "category = user.likes";
  const std::vector<std::string> all = Everything(query);
  EXPECT_EQ(Ids(Ask(query)), Kept(all, 1000, [&](auto& id) { return Of(id, "category") == AttributeValue("bags"); }));
  query.user_id = "stranger";
  EXPECT_THAT(Ids(Ask(query)), IsEmpty());
  query.user_id = "u4";
  query.conditions.filter = "category = context.wanted and in_stock = context.there";
  query.conditions.context = {{"wanted", "hats"}, {"there", true}, {"unused", {}}};
  EXPECT_EQ(Ids(Ask(query)), Kept(all, 1000, [&](auto& id) {
              return Of(id, "category") == AttributeValue("hats") && Of(id, "in_stock") == AttributeValue(true);
            }));
  query.conditions.context["there"] = {};
  EXPECT_THAT(Ids(Ask(query)), IsEmpty()) << "missing";
}

TEST_P(ConditionsTest, CandidatesAreAllThatIsRanked) {
  RecommendQuery query = {"u5", {}, 1000};
  const std::vector<std::string> all = Everything(query);
  const std::set<std::string> history = ItemsWith(5, -1, 0);
  query.conditions.candidates = {"i3", "i29", "lost", "i7", "i3", "i11", "i20", "lost"};
  const auto is_candidate = [&](const std::string& id) {
    return std::ranges::find(query.conditions.candidates, id) != query.conditions.candidates.end();
  };
  const Recommendation found = Ask(query);
  EXPECT_EQ(Ids(found), Kept(all, 1000, [&](auto& id) { return is_candidate(id) && !history.contains(id); }));
  ASSERT_TRUE(found.shortfall);
  EXPECT_EQ(found.shortfall->reason, "the model has 30 items, 5 of the 6 candidates are among them, and " +
                                         std::to_string(5 - std::ssize(found.items)) +
                                         " of those are in the user's history");
  query.conditions.filter = "in_stock";
  EXPECT_EQ(Ids(Ask(query)), Kept(all, 1000, [&](auto& id) {
              return is_candidate(id) && !history.contains(id) && Of(id, "in_stock") == AttributeValue(true);
            }));
}

TEST_P(ConditionsTest, EventsSayWhatIsLeftOutInPlaceOfTheHistory) {
  RecommendQuery query = {"u5", {{"i1", 1}}, 1000};
  const std::vector<std::string> all = Everything(query);
  const auto expect = [&](std::vector<EventExclusion> exclusions, const std::set<std::string>& left_out) {
    query.conditions.exclude_events = std::move(exclusions);
    EXPECT_EQ(Ids(Ask(query)), Kept(all, 1000, [&](auto& id) { return !left_out.contains(id); }));
  };
  const std::set<std::string> bought = ItemsWith(5, 1, 0), viewed = ItemsWith(5, 0, 0);
  ASSERT_GT(bought.size(), 1u);
  ASSERT_LT(bought.size(), viewed.size());
  expect({{"buy", {}}}, bought);
  expect({{"", {}}}, viewed);
  expect({{"", 0}}, {});
  for (const int64_t days : {5, 7, 8, 9, 10, 11}) {
    expect({{"view", days * kDay}}, ItemsWith(5, 0, kNow - days * kDay));
    std::set<std::string> either = ItemsWith(5, 1, kNow - days * kDay);
    either.merge(ItemsWith(5, 0, kNow - 8 * kDay));
    expect({{"buy", days * kDay}, {"view", 8 * kDay}}, either);
  }
  expect({{"view", 8 * kDay}}, ItemsWith(5, 0, kFirstEvent + 2 * kDay));  // not the one of that moment
  expect({{"view", std::numeric_limits<int64_t>::max()}}, viewed);
  query.conditions.exclude_items = {"i2", "lost", "i2", "i9"};
  std::set<std::string> more = bought;
  more.merge(std::set<std::string>{"i2", "i9"});
  expect({{"buy", {}}}, more);
  query.conditions.exclude_events.clear();
  std::set<std::string> history = viewed;
  history.merge(std::set<std::string>{"i1", "i2", "i9"});
  EXPECT_EQ(Ids(Ask(query)), Kept(all, 1000, [&](auto& id) { return !history.contains(id); }));
}

TEST_P(ConditionsTest, WindowsOfEventsThatAreLaterOrHaveNoTimes) {
  ModelView view = model();
  QueryConditions conditions;
  const auto excluded = [&](const std::string& event, std::optional<int64_t> within, int64_t now) {
    conditions.exclude_events = {{event, within}};
    return ExcludedItems(view, conditions, 5, {}, now);
  };
  const std::vector<int32_t> viewed = excluded("view", {}, kNow);
  ASSERT_FALSE(viewed.empty());
  const int64_t before_all = kFirstEvent - 10 * kDay;
  EXPECT_TRUE(excluded("view", 0, kNow).empty());
  EXPECT_TRUE(excluded("view", 0, before_all).empty());
  EXPECT_EQ(excluded("view", 1, before_all), viewed);
  view.events.times = {};
  EXPECT_TRUE(excluded("", 0, kNow).empty());
  EXPECT_TRUE(excluded("view", 0, kNow).empty());
  EXPECT_EQ(excluded("view", {}, kNow), viewed);
  ExpectError(ErrorCode::kInvalidArgument, "exclude_events[0].within_seconds: is set, and the version's events have no",
              [&] { excluded("view", 1, kNow); });
  ExpectError(ErrorCode::kInvalidArgument, "no event of the version is a 'bye'", [&] { excluded("bye", 0, kNow); });
}

TEST_P(ConditionsTest, ShortfallsSayWhy) {
  RecommendQuery query = {"u5", {}, 30};
  const auto reason = [&] { return Ask(query).shortfall.value().reason; };
  const std::string n_history = std::to_string(model().history.row(5).size());
  EXPECT_EQ(reason(), "the model has 30 items, and " + n_history + " of them are in the user's history");
  query.conditions.filter = "price < 0";
  EXPECT_EQ(reason(),
            "the model has 30 items, the filter lets 0 of them through, and 0 of those are in the user's history");
  query.conditions.filter = kAll;
  query.conditions.exclude_events = {{"", 0}};
  query.conditions.exclude_items = {"i4"};
  EXPECT_EQ(reason(), "the model has 30 items, the filter lets 30 of them through, and 1 of those is excluded");
  query.conditions.candidates = {"i4", "i5", "lost"};
  EXPECT_EQ(reason(),
            "the model has 30 items, 2 of the 3 candidates are among them, the filter lets 2 of those through, and 1 "
            "of those is excluded");
  query.conditions.candidates = {"i4"};
  query.conditions.filter = {};
  EXPECT_EQ(reason(), "the model has 30 items, 1 of the 1 candidate is among them, and 1 of those is excluded");
  query.conditions.candidates = {"i4", "i5", "lost"};
  query.n = 1;
  EXPECT_FALSE(Ask(query).shortfall);
  EXPECT_THAT(Ids(Ask(query)), ElementsAre("i5"));
  EXPECT_EQ(Similar("i3", 30, "price < 0").shortfall->reason,
            "the model has 30 items, the filter lets 0 of them through, and one of the others was asked about");
}

TEST_P(ConditionsTest, SimilarItemsAreFiltered) {
  const std::vector<std::string> all = Ids(Similar("i3", 1000, ""));
  EXPECT_EQ(Ids(Similar("i3", 4, "in_stock")),
            Kept(all, 4, [&](auto& id) { return Of(id, "in_stock") == AttributeValue(true); }));
  EXPECT_THAT(Ids(Similar("i3", 4, "category = user.likes")), IsEmpty()) << "nobody asks";
  ExpectError(ErrorCode::kInvalidArgument, "unknown attribute 'context.x'", [&] { Similar("i3", 4, "context.x = 5"); });
}

TEST_P(ConditionsTest, ABatchGivesEachWhatItWouldGetAlone) {
  std::mt19937_64 random(5);
  std::vector<RecommendQuery> queries;
  std::deque<std::string> users;
  for (int q = 0; q < 60; ++q) {
    RecommendQuery& query = queries.emplace_back();
    query.user_id = users.emplace_back(q % 7 == 0 ? "stranger" : "u" + std::to_string(random() % 40));
    query.n = static_cast<int32_t>(1 + random() % 12);
    if (random() % 4 == 0) query.history = {{"i2", 1.0f}};
    constexpr std::string_view kFilters[] = {
        "", "in_stock", "price < 50", "category = user.likes", "prise < 5", "price < context.limit"};
    query.conditions.filter = kFilters[random() % 6];
    query.conditions.context = {{"limit", static_cast<double>(30 * (random() % 3))}};
    if (random() % 3 == 0) query.conditions.candidates = {"i1", "i2", "i3", "i4", "i5"};
    if (random() % 3 == 0) query.conditions.exclude_events = {{"buy", {}}};
  }
  const std::vector<RecommendOutcome> together = RecommendAll(context(), *ranker_, queries, now_);
  int n_errors = 0;
  for (size_t q = 0; q < queries.size(); ++q) {
    SCOPED_TRACE(q);
    if (const Error* error = std::get_if<Error>(&together[q])) {
      ++n_errors;
      ExpectError(error->code(), error->what(), [&] { Ask(queries[q]); });
      continue;
    }
    const Recommendation &found = std::get<Recommendation>(together[q]), alone = Ask(queries[q]);
    EXPECT_EQ(Ids(found), Ids(alone));
    EXPECT_EQ(found.shortfall.has_value(), alone.shortfall.has_value());
    if (found.shortfall && alone.shortfall) {
      EXPECT_EQ(found.shortfall->reason, alone.shortfall->reason);
    }
  }
  EXPECT_GT(n_errors, 0);
}

TEST_P(ConditionsTest, AnUpdateCountsFromTheNextCallOn) {
  RecommendQuery query = {"u5", {}, 1000};
  query.conditions.filter = "category = \"boats\"";
  EXPECT_THAT(Ids(Ask(query)), IsEmpty());
  const ItemUpdate update = {static_cast<int32_t>(model().items.Find(Everything(query)[0])), "category", "boats"};
  query.conditions.exclude_events = {{"", 0}};
  now_.items = now_.items->With({&update, 1});
  EXPECT_EQ(Ask(query).items.size(), 1u);
}

TEST_P(ConditionsTest, WhatDoesNotDoIsRefusedByName) {
  const auto refused = [&](const std::string& message, const auto& change) {
    RecommendQuery query = {"u5", {}, 3};
    change(query.conditions);
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { Ask(query); });
  };
  const auto filter = [&](std::string_view text, const std::string& message) {
    refused(message, [&](QueryConditions& conditions) {
      conditions.filter = text;
      conditions.context = {{"device", "phone"}};
    });
  };
  filter("prise < 5", "filter: line 1, column 1: unknown attribute 'prise'; the nearest is 'price'");
  filter("price < \"5\"", "filter: line 1, column 9: found a text; expected a number");
  filter("price <", "filter: line 1, column 8");
  filter("price < context.device", "filter: line 1, column 9");
  filter("context.devise = \"x\"", "unknown attribute 'context.devise'; the nearest is 'context.device'");
  filter("price < context.price",
         "filter: line 1, column 9: unknown attribute 'context.price'; the nearest is "
         "'context.device' in the request's context");
  refused("unknown attribute 'context.price'; the request has no context",
          [](QueryConditions& conditions) { conditions.filter = "price < context.price"; });
  filter(std::string(70000, ' '), "filter: has 70000 bytes, expected at most 65536");
  const auto events = [&](EventExclusion exclusion, const std::string& message) {
    refused(message, [&](QueryConditions& conditions) { conditions.exclude_events = {{"", {}}, exclusion}; });
  };
  events({"bye", {}}, "exclude_events[1].event: no event of the version is a 'bye'; the nearest is 'buy'");
  events({"buy", -1}, "exclude_events[1].within_seconds: is -1, expected at least 0");
  refused("exclude_events: has 101 entries, expected at most 100",
          [](QueryConditions& conditions) { conditions.exclude_events.resize(101); });
  refused("candidates[1]: is empty, expected an item id", [](QueryConditions& conditions) {
    conditions.candidates = {"i1", ""};
  });
  refused("candidates: has 10001 entries, expected at most 10000",
          [](QueryConditions& conditions) { conditions.candidates.assign(10001, "i1"); });
  refused("exclude_items[0]: is empty, expected an item id",
          [](QueryConditions& conditions) { conditions.exclude_items = {""}; });
  refused("exclude_items: has 10001 entries, expected at most 10000",
          [](QueryConditions& conditions) { conditions.exclude_items.assign(10001, "i1"); });
  refused("context: has 101 entries, expected at most 100", [](QueryConditions& conditions) {
    for (int i = 0; i < 101; ++i) conditions.context.emplace(std::to_string(i), 1.0);
  });
}

TEST_P(ConditionsTest, AVersionThatKeepsNothingSaysSo) {
  Use({});
  RecommendQuery query = {"u5", {}, 3};
  query.conditions.filter = "price < 5";
  ExpectError(ErrorCode::kInvalidArgument,
              "filter: line 1, column 1: unknown attribute 'price' (the version keeps no attributes of items: ", [&] {
                Ask(query);
              });
  query.conditions.filter = {};
  query.conditions.exclude_events = {{"buy", {}}};
  ExpectError(ErrorCode::kInvalidArgument, "exclude_events: the version keeps no events", [&] { Ask(query); });
}

TEST_P(ConditionsTest, PagesUnderConditionsAreTheList) {
  for (RecommendQuery query : {RecommendQuery{"u5", {}, 1000}, {"", {{"i1", 1}}, 1000}, {"", {}, 1000}}) {
    query.conditions.filter = "category in [\"shoes\", \"bags\"]";
    query.conditions.exclude_items = {"i2", "i3"};
    const Recommendation whole = Ask(query);
    std::vector<std::string> pages;
    query.n = 3;
    for (query.n_before = 0; query.n_before < 30; query.n_before += 3) {
      const Recommendation page = Ask(query);
      EXPECT_EQ(page.items_checksum, whole.items_checksum);
      for (const std::string& id : Ids(page)) pages.push_back(id);
    }
    EXPECT_EQ(pages, Ids(whole));
  }
}

TEST_P(ConditionsTest, WhatConditionsLeaveHasAChecksum) {
  RecommendQuery query = {"u5", {}, 3};
  const std::string all = Ask(query).items_checksum;
  query.conditions.filter = kAll;
  const std::string by_filter = Ask(query).items_checksum;
  EXPECT_NE(by_filter, all);
  query.conditions.filter = "category = \"shoes\"";
  const std::string shoes = Ask(query).items_checksum;
  EXPECT_NE(shoes, by_filter);
  EXPECT_EQ(shoes, Ask(query).items_checksum);
  query.conditions = {};
  query.conditions.exclude_events = {{"", 3 * kDay}};
  std::set<std::string> by_time;
  for (now_.now = kFirstEvent; now_.now < kFirstEvent + 40 * kDay; now_.now += kDay)
    by_time.insert(Ask(query).items_checksum);
  EXPECT_GT(by_time.size(), 1u) << "windows move";
}

TEST_P(ConditionsTest, ACostSaysWhatConditionsLeave) {
  RecommendQuery query = {"u5", {}, 3};
  query.with_cost = true;
  EXPECT_EQ(Ask(query).cost->eligible, 30);
  query.conditions.candidates = {"i1", "i2", "i3"};
  const AnswerCost cost = *Ask(query).cost;
  EXPECT_EQ(cost.items, 30);
  EXPECT_EQ(cost.eligible, 3);
  EXPECT_LE(cost.scanned, 30);
}

TEST_P(ConditionsTest, WhatIsPopularUnderAFilter) {
  for (const char* algorithm : {"als", "popular"}) {
    Use({.algorithm = algorithm, .described = true});
    const std::vector<std::string> all = Ids(Popular(context(), *ranker_, "", 1000));
    EXPECT_EQ(all.size(), 30u);
    const Recommendation shoes = Popular(context(), *ranker_, "", 1000, "category = \"shoes\"", now_);
    EXPECT_EQ(Ids(shoes), Kept(all, 1000, [&](auto& id) { return Of(id, "category") == AttributeValue("shoes"); }));
    EXPECT_EQ(shoes.shortfall->reason,
              "the model has 30 items, the filter lets " + std::to_string(shoes.items.size()) + " of them through");
  }
}

}  // namespace
}  // namespace kindred
