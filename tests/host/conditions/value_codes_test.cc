#include "host/conditions/value_codes.h"

#include <thread>

#include "host/conditions/item_table.h"
#include "tests/support/errors.h"
#include "tests/support/small_items.h"

namespace kindred {
namespace {

constexpr int64_t kItems = 70;

std::shared_ptr<const ItemColumn> ColumnOf(const ItemTable& items, const std::string& name) {
  return items.columns()[static_cast<size_t>(items.Find(name))];
}

TEST(ValueCodes, AreEqualWhereValuesAre) {
  const SmallItems small(kItems);
  const auto items = ItemTable::From(small.table(), nullptr);
  const ValueCodesCache cache;
  for (const char* name : {"price", "category", "title", "in_stock", "released"}) {
    SCOPED_TRACE(name);
    const auto column = ColumnOf(*items, name);
    const auto coded = cache.Of(column);
    ASSERT_EQ(std::ssize(coded->codes), kItems);
    for (int64_t a = 0; a < kItems; ++a) {
      const AttributeValue value = column->Value(a);
      EXPECT_EQ(coded->codes[static_cast<size_t>(a)] < 0, std::holds_alternative<std::monostate>(value)) << a;
      for (int64_t b = 0; b < a; ++b)
        EXPECT_EQ(coded->codes[static_cast<size_t>(a)] == coded->codes[static_cast<size_t>(b)],
                  value == column->Value(b))
            << a << " and " << b;
    }
  }
}

TEST(ValueCodes, TagsHaveNone) {
  const SmallItems small(kItems);
  const auto items = ItemTable::From(small.table(), nullptr);
  const ValueCodesCache cache;
  ExpectError(ErrorCode::kInvalidArgument, "found tags, of which an item may have several",
              [&] { cache.Of(ColumnOf(*items, "tags")); });
}

TEST(ValueCodes, FollowUpdates) {
  const SmallItems small(kItems);
  const auto before = ItemTable::From(small.table(), nullptr);
  const ValueCodesCache cache;
  for (const char* name : {"price", "category"}) {
    const AttributeValue value = name == std::string("price") ? AttributeValue(1234.0) : AttributeValue("gloves");
    const auto old = cache.Of(ColumnOf(*before, name));
    EXPECT_EQ(cache.Of(ColumnOf(*before, name)), old);
    const ItemUpdate updates[] = {{3, name, value}, {9, name, value}};
    const auto after = before->With(updates);
    const auto coded = cache.Of(ColumnOf(*after, name));
    EXPECT_EQ(coded->codes[3], coded->codes[9]);
    EXPECT_EQ(std::ranges::count(coded->codes, coded->codes[3]), 2);
  }
}

TEST(ValueCodes, OfTheNewestColumnAreKept) {
  const SmallItems small(kItems);
  const auto before = ItemTable::From(small.table(), nullptr);
  const ItemUpdate update = {3, "price", 1234.0};
  const auto after = before->With({&update, 1});
  const ValueCodesCache cache;
  const auto old = cache.Of(ColumnOf(*before, "price"));
  const auto coded = cache.Of(ColumnOf(*after, "price"));
  EXPECT_EQ(cache.Of(ColumnOf(*before, "price"))->own, old->own) << "who still holds an older snapshot";
  EXPECT_EQ(cache.Of(ColumnOf(*after, "price")), coded) << "does not push out what is newer";
}

TEST(ValueCodes, ThreadsAskAtOnce) {
  const SmallItems small(1000);
  const auto items = ItemTable::From(small.table(), nullptr);
  const ValueCodesCache cache;
  const std::vector<const char*> names = {"price", "category", "title", "released"};
  std::vector<std::vector<std::shared_ptr<const ValueCodes>>> found(4);
  std::vector<std::thread> threads;
  for (auto& of_thread : found)
    threads.emplace_back([&] {
      for (const char* name : names) of_thread.push_back(cache.Of(ColumnOf(*items, name)));
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto& of_thread : found)
    for (size_t k = 0; k < names.size(); ++k) EXPECT_EQ(of_thread[k], cache.Of(ColumnOf(*items, names[k]))) << names[k];
}

}  // namespace
}  // namespace kindred
