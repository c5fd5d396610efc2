#include "host/conditions/item_table.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>
#include <thread>

#include "tests/support/errors.h"
#include "tests/support/small_items.h"

namespace kindred {
namespace {

using Texts = std::vector<std::string>;

/// All values, as (column, item) has them.
std::vector<std::vector<AttributeValue>> ValuesOf(const ItemTable& table) {
  std::vector<std::vector<AttributeValue>> values;
  for (const auto& column : table.columns()) {
    auto& of_column = values.emplace_back();
    for (int64_t i = 0; i < table.n_items(); ++i) of_column.push_back(column->Value(i));
  }
  return values;
}

AttributeValue ValueOf(const ItemTable& table, int64_t item, std::string_view attribute) {
  return table.columns()[static_cast<size_t>(table.Find(attribute))]->Value(item);
}

TEST(ItemTable, HasTheVersionsValues) {
  const SmallItems items(33);
  const AttributeTable from = items.table();
  const auto table = ItemTable::From(from, nullptr);
  EXPECT_EQ(table->n_items(), 33);
  EXPECT_EQ(table->epoch(), 0u);
  ASSERT_EQ(table->columns().size(), 6u);
  EXPECT_EQ(table->Find("price"), 0);
  EXPECT_EQ(table->Find("prise"), -1);
  for (size_t k = 0; k < 6; ++k) {
    const ItemColumn& column = *table->columns()[k];
    EXPECT_EQ(column.name(), from.columns()[k].name);
    EXPECT_EQ(column.type(), from.columns()[k].type);
    std::vector<std::string_view> texts;
    const Column expected = from.AsColumn(static_cast<int64_t>(k), texts);
    EXPECT_EQ(column.column().type, expected.type);
    EXPECT_TRUE(std::ranges::equal(column.column().texts, expected.texts));
    EXPECT_TRUE(std::ranges::equal(column.column().dictionary, expected.dictionary));
    EXPECT_TRUE(std::ranges::equal(column.column().codes, expected.codes));
  }
}

TEST(ItemTable, AnUpdateIsInTheNextSnapshotAlone) {
  const SmallItems items(5);
  const auto before = ItemTable::From(items.table(), nullptr);
  const auto values = ValuesOf(*before);
  const ItemUpdate updates[] = {
      {1, "price", 19.5},
      {1, "category", "boats"},
      {2, "category", "shoes"},
      {1, "tags", Texts{"b", "", "sale", "b"}},
      {3, "title", "a title"},
      {0, "in_stock", true},
      {4, "released", "2024-11-24T16:00:00Z"},
      {3, "released", 7.0},
  };
  const auto after = before->With(updates);
  EXPECT_EQ(after->epoch(), 1u);
  EXPECT_EQ(ValuesOf(*before), values);
  EXPECT_EQ(ValueOf(*after, 1, "price"), AttributeValue(19.5));
  EXPECT_EQ(ValueOf(*after, 1, "category"), AttributeValue("boats"));
  EXPECT_EQ(ValueOf(*after, 2, "category"), AttributeValue("shoes"));
  EXPECT_EQ(ValueOf(*after, 1, "tags"), AttributeValue(Texts{"b", "sale"}));
  EXPECT_EQ(ValueOf(*after, 3, "title"), AttributeValue("a title"));
  EXPECT_EQ(ValueOf(*after, 0, "in_stock"), AttributeValue(true));
  EXPECT_EQ(ValueOf(*after, 4, "released"), AttributeValue(1732464000.0));
  EXPECT_EQ(ValueOf(*after, 3, "released"), AttributeValue(7.0));

  const ItemUpdate one[] = {{1, "price", 20.0}};
  const auto last = after->With(one);
  EXPECT_EQ(last->epoch(), 2u);
  EXPECT_EQ(ValueOf(*last, 1, "price"), AttributeValue(20.0));
  EXPECT_NE(last->columns()[0], after->columns()[0]);
  for (size_t k = 1; k < 6; ++k) EXPECT_EQ(last->columns()[k], after->columns()[k]) << "untouched columns are shared";
  EXPECT_EQ(before->With({})->epoch(), 1u);
}

TEST(ItemTable, WhatIsMissing) {
  const SmallItems items(2);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const ItemUpdate set[] = {{0, "price", 1.0}, {0, "category", "bags"}, {0, "tags", Texts{"a"}},
                            {0, "title", "t"}, {0, "in_stock", false},  {0, "released", 1.0}};
  const auto table = ItemTable::From(items.table(), nullptr)->With(set);
  for (const ItemUpdate& update : std::vector<ItemUpdate>{{0, "price", nan},
                                                          {0, "price", {}},
                                                          {0, "category", ""},
                                                          {0, "category", {}},
                                                          {0, "tags", Texts{}},
                                                          {0, "tags", Texts{""}},
                                                          {0, "tags", {}},
                                                          {0, "title", ""},
                                                          {0, "title", {}},
                                                          {0, "in_stock", {}},
                                                          {0, "released", ""},
                                                          {0, "released", nan},
                                                          {0, "released", {}}}) {
    EXPECT_NE(ValueOf(*table, 0, update.attribute), AttributeValue());
    EXPECT_EQ(ValueOf(*table->With({&update, 1}), 0, update.attribute), AttributeValue()) << update.attribute;
  }
}

TEST(ItemTable, RandomUpdatesGiveWhatAPlainTableHas) {
  for (const int n_items : {1, 31, 32, 33, 64, 65}) {
    const SmallItems items(n_items, 7);
    auto table = ItemTable::From(items.table(), nullptr);
    auto expected = ValuesOf(*table);
    std::mt19937_64 random(static_cast<uint64_t>(n_items));
    for (int round = 0; round < 20; ++round) {
      std::vector<ItemUpdate> updates(random() % 8);
      for (ItemUpdate& update : updates) {
        const size_t k = random() % 6;
        update = {static_cast<int32_t>(random() % static_cast<uint64_t>(n_items)), table->columns()[k]->name(), {}};
        const std::string text = "value " + std::to_string(random() % 30);
        if (random() % 6 != 0)
          update.value = k == 0   ? AttributeValue(static_cast<double>(random() % 9))
                         : k == 2 ? AttributeValue(Texts{text, "sale"})
                         : k == 4 ? AttributeValue(random() % 2 == 0)
                         : k == 5 ? AttributeValue(static_cast<double>(random() % 1000))
                                  : AttributeValue(text);
        expected[k][static_cast<size_t>(update.item)] = update.value;
      }
      table = table->With(updates);
      ASSERT_EQ(ValuesOf(*table), expected) << n_items << " items, round " << round;
    }
  }
}

TEST(ItemTable, AnUpdateThatDoesNotFitIsRefusedAndNothingOfItStays) {
  const SmallItems items(3);
  const auto table = ItemTable::From(items.table(), nullptr);
  const double infinity = std::numeric_limits<double>::infinity();
  const std::pair<ItemUpdate, const char*> cases[] = {
      {{3, "price", 1.0}, "item 3: expected one of the 3 items"},
      {{-1, "price", 1.0}, "item -1: expected one of the 3 items"},
      {{0, "prise", 1.0}, "unknown attribute 'prise'; the nearest is 'price'"},
      {{0, "price", "5"}, "attribute 'price': found a text; expected a number"},
      {{0, "price", infinity}, "attribute 'price': found inf; expected a finite number"},
      {{0, "category", 5.0}, "attribute 'category': found a number; expected a text"},
      {{0, "category", "\xff"}, "expected UTF-8"},
      {{0, "title", Texts{"a"}}, "attribute 'title': found a list of texts; expected a text"},
      {{0, "tags", "sale"}, "attribute 'tags': found a text; expected a list of texts"},
      {{0, "tags", Texts{"a|b"}}, "found the tag 'a|b'; expected tags without '|'"},
      {{0, "in_stock", 1.0}, "attribute 'in_stock': found a number; expected a boolean"},
      {{0, "released", true}, "attribute 'released': found a boolean; expected a time"},
      {{0, "released", "yesterday"}, "found 'yesterday'; expected unix seconds or a time such as"},
      {{0, "released", 0.5}, "found 0.5; expected whole unix seconds"},
      {{0, "released", 1e300}, "expected whole unix seconds of the years 1 to 9999"},
  };
  for (const auto& [update, message] : cases) {
    const ItemUpdate updates[] = {{1, "price", 77.0}, update};
    ExpectError(ErrorCode::kInvalidArgument, message, [&] { table->Check(updates[1]); });
    ExpectError(ErrorCode::kInvalidArgument, std::string("updates[1]: "), [&] { table->With(updates); });
  }
  const auto none = ItemTable::From({3, {}}, nullptr);
  ExpectError(ErrorCode::kInvalidArgument, "unknown attribute 'price'; the version keeps no attributes of items", [&] {
    none->Check({0, "price", 1.0});
  });
}

TEST(ItemTable, ADictionaryForgetsValuesThatNoItemHas) {
  const SmallItems items(4);
  auto table = ItemTable::From(items.table(), nullptr);
  for (int i = 0; i < 5000; ++i) {
    const ItemUpdate updates[] = {{i % 4, "category", "c" + std::to_string(i)},
                                  {i % 4, "tags", Texts{"t" + std::to_string(i)}}};
    table = table->With(updates);
    for (const size_t k : {1, 2}) ASSERT_LE(table->columns()[k]->column().dictionary.size(), 1100u);
    for (int j = 0; j < std::min(i + 1, 4); ++j) {
      ASSERT_EQ(ValueOf(*table, (i - j) % 4, "category"), AttributeValue("c" + std::to_string(i - j)));
      ASSERT_EQ(ValueOf(*table, (i - j) % 4, "tags"), AttributeValue(Texts{"t" + std::to_string(i - j)}));
    }
  }
}

TEST(ItemTable, TextsOutliveTheSnapshotThatBroughtThem) {
  const SmallItems items(3);
  std::shared_ptr<const ItemTable> table;
  {
    const ItemUpdate first[] = {{0, "category", std::string(100, 'c')}, {0, "title", std::string(100, 't')}};
    const ItemUpdate second[] = {{1, "category", "x"}, {1, "title", "y"}};
    table = ItemTable::From(items.table(), nullptr)->With(first)->With(second);
  }
  EXPECT_EQ(ValueOf(*table, 0, "category"), AttributeValue(std::string(100, 'c')));
  EXPECT_EQ(ValueOf(*table, 0, "title"), AttributeValue(std::string(100, 't')));
}

TEST(ItemTable, ThreadsReadOne) {
  const SmallItems items(1000);
  const auto table = ItemTable::From(items.table(), nullptr);
  std::vector<std::vector<std::vector<AttributeValue>>> found(4);
  std::vector<std::thread> threads;
  for (auto& values : found) threads.emplace_back([&] { values = ValuesOf(*table); });
  for (std::thread& thread : threads) thread.join();
  for (const auto& values : found) EXPECT_EQ(values, found[0]);
}

}  // namespace
}  // namespace kindred
