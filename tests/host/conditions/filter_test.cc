#include "host/conditions/filter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "tests/support/errors.h"
#include "tests/support/small_items.h"

namespace kindred {
namespace {

constexpr int64_t kNow = 1'705'000'000;

/// Users 0 to 3: of each, the attribute "likes" (category), "wants" (tags), "budget" (number), "since" (time) and
/// "adult" (boolean); user 3 has none of them.
class SmallUsers {
 public:
  SmallUsers() {
    likes_.type = AttributeType::kCategory;
    likes_.codes = {0, 1, 1, kMissingCode};
    likes_.bytes = {'b', 'a', 'g', 's', 'h', 'a', 't', 's'};
    likes_.offsets = {0, 4, 8};
    wants_.type = AttributeType::kTags;
    wants_.codes = {0, 1, 1};
    wants_.indptr = {0, 2, 3, 3, 3};
    wants_.bytes = {'b', 'a', 'g', 's', 's', 'h', 'o', 'e', 's'};
    wants_.offsets = {0, 4, 9};
    budget_.type = AttributeType::kNumber;
    budget_.numbers = {20, 70, 50, std::nan("")};
    since_.type = AttributeType::kTime;
    since_.times = {kNow - 86400, 1'702'000'000, 0, kMissingInteger};
    adult_.type = AttributeType::kBoolean;
    adult_.booleans = {1, 0, 1, kMissingBoolean};
  }
  AttributeTable table() const {
    return {4,
            {likes_.View("likes", "u"), wants_.View("wants", "u"), budget_.View("budget", "u"),
             since_.View("since", "u"), adult_.View("adult", "u")}};
  }

 private:
  AttributeArrays likes_, wants_, budget_, since_, adult_;
};

/// A condition as text, and what it gives for an item: the language once more, plainly.
struct Condition {
  std::string text;
  std::function<bool(int64_t item)> holds;
};

class RandomConditions {
 public:
  RandomConditions(const AttributeTable& items, const AttributeTable& users, const FilterInputs& inputs, uint64_t seed)
      : items_(items), users_(users), inputs_(inputs), random_(seed) {}

  Condition Next(int depth) {
    if (depth == 0) return Leaf();
    const Condition a = Next(depth - 1), b = Next(static_cast<int>(Below(static_cast<size_t>(depth))));
    switch (Below(4)) {
      case 0:
        return {"(" + a.text + ") and (" + b.text + ")", [=](int64_t i) { return a.holds(i) && b.holds(i); }};
      case 1:
        return {"(" + a.text + ") or (" + b.text + ")", [=](int64_t i) { return a.holds(i) || b.holds(i); }};
      case 2:
        return {"not (" + a.text + ")", [=](int64_t i) { return !a.holds(i); }};
      default:
        return a;
    }
  }

 private:
  size_t Below(size_t n) { return static_cast<size_t>(random_() % n); }

  using Text = std::optional<std::string>;
  std::function<Text(int64_t)> TextIn(const AttributeTable& table, size_t k) const {
    return [column = table.columns()[k]](int64_t i) {
      const AttributeValue value = ValueOf(column, i);
      return std::holds_alternative<std::string>(value) ? Text(std::get<std::string>(value)) : std::nullopt;
    };
  }
  std::function<double(int64_t)> NumberIn(const AttributeTable& table, size_t k) const {
    return [column = table.columns()[k]](int64_t i) {
      const AttributeValue value = ValueOf(column, i);
      return std::holds_alternative<double>(value) ? std::get<double>(value) : std::nan("");
    };
  }
  bool HasTag(const AttributeTable& table, size_t k, int64_t row, const std::string& tag) const {
    const AttributeValue value = ValueOf(table.columns()[k], row);
    const auto* tags = std::get_if<std::vector<std::string>>(&value);
    return tags != nullptr && std::ranges::find(*tags, tag) != tags->end();
  }
  double UserNumber(size_t k) const { return inputs_.user < 0 ? std::nan("") : NumberIn(users_, k)(inputs_.user); }
  Text UserText(size_t k) const { return inputs_.user < 0 ? std::nullopt : TextIn(users_, k)(inputs_.user); }

  /// A number, as text and as value; NaN: missing.
  std::pair<std::string, double> Number() {
    const double literal = static_cast<double>(Below(100));
    const auto& limit = inputs_.context->at("limit");
    switch (Below(4)) {
      case 0:
        return {"user.budget", UserNumber(2)};
      case 1:
        return {"context.limit", std::holds_alternative<double>(limit) ? std::get<double>(limit) : std::nan("")};
      default:
        return {std::to_string(static_cast<int>(literal)), literal};
    }
  }

  Condition Leaf() {
    const auto price = NumberIn(items_, 0), released = NumberIn(items_, 5);
    const auto category = TextIn(items_, 1), title = TextIn(items_, 3);
    const auto [number_text, number] = Number();
    const auto user = inputs_.user;
    switch (Below(16)) {
      case 0:
        return {"price < " + number_text, [=](int64_t i) { return price(i) < number; }};
      case 1:
        return {"price >= " + number_text, [=](int64_t i) { return price(i) >= number; }};
      case 2:
        return {"price != " + number_text,
                [=](int64_t i) { return !std::isnan(price(i)) && !std::isnan(number) && price(i) != number; }};
      case 3:
        return {"not price = " + number_text, [=](int64_t i) { return !(price(i) == number); }};
      case 4:
        return {R"(category in ["shoes", "hats"])",
                [=](int64_t i) { return category(i) == "shoes" || category(i) == "hats"; }};
      case 5:
        return {"category = user.likes", [=, likes = UserText(0)](int64_t i) { return likes && category(i) == likes; }};
      case 6:
        return {"category in user.wants",
                [=, this](int64_t i) { return user >= 0 && category(i) && HasTag(users_, 1, user, *category(i)); }};
      case 7:
        return {R"("sale" in tags)", [this](int64_t i) { return HasTag(items_, 2, i, "sale"); }};
      case 8:
        return {R"(tags in ["new", "none"])", [this](int64_t i) { return HasTag(items_, 2, i, "new"); }};
      case 9:
        return {"in_stock", [this](int64_t i) { return ValueOf(items_.columns()[4], i) == AttributeValue(true); }};
      case 10:
        return {"in_stock = user.adult", [=, this](int64_t i) {
                  const AttributeValue adult = user < 0 ? AttributeValue() : ValueOf(users_.columns()[4], user);
                  return adult != AttributeValue() && ValueOf(items_.columns()[4], i) == adult;
                }};
      case 11:
        return {"now() - released < 30d",
                [=](int64_t i) { return static_cast<double>(kNow) - released(i) < 30 * 86400; }};
      case 12:
        return {"released > user.since", [=, since = UserNumber(3)](int64_t i) { return released(i) > since; }};
      case 13:
        return {"price is missing", [=](int64_t i) { return std::isnan(price(i)); }};
      case 14:
        return {R"(title = context.title or starts_with(title, "item 1"))", [=, this](int64_t i) {
                  const auto* wanted = std::get_if<std::string>(&inputs_.context->at("title"));
                  return title(i) && ((wanted && *wanted == *title(i)) || title(i)->starts_with("item 1"));
                }};
      default:
        return {"context.flag", [this](int64_t) { return inputs_.context->at("flag") == AttributeValue(true); }};
    }
  }

  const AttributeTable& items_;
  const AttributeTable& users_;
  const FilterInputs& inputs_;
  std::mt19937_64 random_;
};

ItemBits Evaluate(std::string_view text, const AttributeTable& items, const AttributeTable& users,
                  const FilterInputs& inputs) {
  const auto table = ItemTable::From(items, nullptr);
  static const RequestContext kNone;
  return Filter::Compile(text, *table, users, inputs.context ? *inputs.context : kNone).Evaluate(*table, users, inputs);
}

TEST(Filter, RandomConditionsGiveWhatAPlainInterpreterGives) {
  const SmallUsers small_users;
  const AttributeTable users = small_users.table();
  const RequestContext contexts[] = {{{"limit", 50.0}, {"title", "item 7"}, {"flag", true}, {"unused", "x"}},
                                     {{"limit", {}}, {"title", {}}, {"flag", {}}},
                                     {{"limit", std::nan("")}, {"title", ""}, {"flag", false}}};
  for (const int64_t n_items : {0, 1, 31, 32, 33, 63, 64, 65, 1000}) {
    const auto seed = static_cast<uint64_t>(100 + n_items);
    const SmallItems small_items(n_items, seed);
    const AttributeTable items = small_items.table();
    for (int c = 0; c < 150; ++c) {
      const FilterInputs inputs = {c % 5 - 1, &contexts[c % 3], kNow};
      RandomConditions conditions(items, users, inputs, seed + static_cast<uint64_t>(c));
      const Condition condition = conditions.Next(c % 5);
      SCOPED_TRACE(testing::Message() << n_items << " items, seed " << seed << ", condition " << c << ", user "
                                      << inputs.user << ": " << condition.text);
      const ItemBits found = Evaluate(condition.text, items, users, inputs);
      ASSERT_EQ(found.n_items, n_items);
      ASSERT_EQ(std::ssize(found.words), (n_items + 63) / 64);
      int64_t n_set = 0;
      for (int64_t i = 0; i < n_items; ++i) {
        ASSERT_EQ(found.Has(static_cast<int32_t>(i)), condition.holds(i)) << "item " << i;
        n_set += condition.holds(i);
      }
      ASSERT_EQ(found.n_set, n_set);
      for (int64_t i = n_items; i < 64 * std::ssize(found.words); ++i)
        ASSERT_FALSE(found.Has(static_cast<int32_t>(i))) << "behind the last";
    }
  }
}

TEST(Filter, MoreItemsThanAreEvaluatedAtATime) {
  constexpr int64_t kItems = (int64_t{1} << 15) + 65;
  const SmallItems small_items(kItems);
  const SmallUsers small_users;
  const AttributeTable items = small_items.table(), users = small_users.table();
  const RequestContext context = {{"limit", 50.0}, {"title", "item 7"}, {"flag", true}};
  const FilterInputs inputs = {1, &context, kNow};
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    RandomConditions conditions(items, users, inputs, seed);
    const Condition condition = conditions.Next(3);
    const ItemBits found = Evaluate(condition.text, items, users, inputs);
    for (int64_t i = 0; i < kItems; i += i % 4096 < 3900 ? 97 : 1)
      ASSERT_EQ(found.Has(static_cast<int32_t>(i)), condition.holds(i)) << condition.text << ", item " << i;
  }
}

TEST(Filter, SeesUpdates) {
  const SmallItems items(5);
  const auto table = ItemTable::From(items.table(), nullptr);
  const Filter filter = Filter::Compile(R"(category = "boats" and price < 5)", *table, {}, {});
  EXPECT_EQ(filter.Evaluate(*table, {}, {}).n_set, 0);
  const ItemUpdate updates[] = {
      {3, "category", "boats"}, {3, "price", 1.0}, {4, "category", "boats"}, {4, "price", {}}};
  const ItemBits found = filter.Evaluate(*table->With(updates), {}, {});
  EXPECT_EQ(found.n_set, 1);
  EXPECT_TRUE(found.Has(3));
}

TEST(Filter, WhatDoesNotFitIsRefusedWithItsPlace) {
  const SmallItems small_items(3);
  const SmallUsers small_users;
  const auto items = ItemTable::From(small_items.table(), nullptr);
  const AttributeTable users = small_users.table();
  const RequestContext context = {{"device", "phone"}, {"hour", 3.0}, {"nothing", {}}};
  const std::pair<const char*, const char*> cases[] = {
      {"prise < 50", "line 1, column 1: unknown attribute 'prise'; the nearest is 'price'"},
      {"in_stock and user.like = \"x\"",
       "line 1, column 14: unknown attribute 'user.like'; the nearest is 'user.likes'"},
      {"context.devise = \"x\"", "unknown attribute 'context.devise'; the nearest is 'context.device'"},
      {"price = \"5\"", "found a text; expected a number"},
      {"price < context.device", "expected a number"},
      {"context.hour = category", "expected"},
      {"user.likes > 5", "expected"},
      {"price", "expected a boolean"},
      {"", "line 1, column 1"},
      {"price <", "line 1, column 8"},
      {"in_stock\nand prise < 5", "line 2, column 5"},
  };
  for (const auto& [text, message] : cases)
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { Filter::Compile(text, *items, users, context); });
  ExpectError(ErrorCode::kInvalidArgument, "context.list: found a list of texts; expected a number, text or boolean",
              [&] {
                Filter::Compile("in_stock", *items, users, {{"list", std::vector<std::string>{"a"}}});
              });
  const auto none = ItemTable::From({3, {}}, nullptr);
  ExpectError(ErrorCode::kInvalidArgument, "unknown attribute 'in_stock' (the version keeps no attributes of items: ",
              [&] { Filter::Compile("in_stock", *none, {}, {}); });
  ExpectError(ErrorCode::kInvalidArgument, "column 19: unknown attribute 'price' (the version keeps no attributes of",
              [&] { Filter::Compile("user.likes > 5 or price < 5 or in_stock", *none, users, {}); });
  for (const char* text : {"price <", "user.like = \"x\"", "context.devise = 1", "user.likes > 5", "not 5", ""}) {
    SCOPED_TRACE(text);
    try {
      Filter::Compile(text, *none, users, context);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(std::string_view(error.what()).find("--items"), std::string_view::npos) << error.what();
    }
  }
  EXPECT_EQ(Filter::Compile("context.nothing = 5 or true", *none, {}, context).Evaluate(*none, {}, {}).n_set, 3);
}

TEST(Filter, WithoutAContextYetAllOfItsNamesAreThere) {
  const SmallItems small_items(3);
  const auto items = ItemTable::From(small_items.table(), nullptr);
  Filter::CompileForAnyContext("context.device = \"phone\" and price < context.limit and not context.flag", *items, {});
  ExpectError(ErrorCode::kInvalidArgument, "unknown attribute 'prise'",
              [&] { Filter::CompileForAnyContext("prise < context.limit", *items, {}); });
  ExpectError(ErrorCode::kInvalidArgument, "line 1, column",
              [&] { Filter::CompileForAnyContext("price < ", *items, {}); });
}

TEST(Filter, ItsKeyHasWhatItReadsAndNothingElse) {
  const SmallItems small_items(3);
  const SmallUsers small_users;
  const auto items = ItemTable::From(small_items.table(), nullptr);
  const AttributeTable users = small_users.table();
  const RequestContext phone = {{"device", "phone"}, {"hour", 3.0}}, late = {{"device", "phone"}, {"hour", 23.0}};
  const RequestContext desk = {{"device", "desk"}, {"hour", 3.0}}, none = {{"device", {}}, {"hour", 3.0}};
  const auto compile = [&](std::string_view text) { return Filter::Compile(text, *items, users, phone); };
  const auto key = [&](const Filter& filter, int32_t user, const RequestContext& context, int64_t now) {
    return filter.Key(users, {user, &context, now});
  };
  const Filter by_device = compile("title = context.device");
  EXPECT_EQ(key(by_device, 0, phone, 1), key(by_device, 1, late, 2));
  EXPECT_NE(key(by_device, 0, phone, 1), key(by_device, 0, desk, 1));
  EXPECT_NE(key(by_device, 0, phone, 1), key(by_device, 0, none, 1));
  EXPECT_EQ(key(by_device, 0, phone, 1), key(compile("title=context.device"), 0, phone, 1)) << "the canonical text";
  const Filter by_user = compile("category = user.likes");
  EXPECT_EQ(key(by_user, 1, phone, 1), key(by_user, 2, desk, 2)) << "both like hats";
  EXPECT_NE(key(by_user, 0, phone, 1), key(by_user, 1, phone, 1));
  EXPECT_EQ(key(by_user, -1, phone, 1), key(by_user, 3, phone, 1));
  const Filter by_tags = compile("category in user.wants");
  EXPECT_NE(key(by_tags, 0, phone, 1), key(by_tags, 1, phone, 1));
  const Filter by_time = compile("now() - released < 30d");
  EXPECT_NE(key(by_time, 0, phone, 1), key(by_time, 0, phone, 2));
  EXPECT_EQ(key(by_time, 0, phone, 1), key(by_time, 1, desk, 1));
}

}  // namespace
}  // namespace kindred
