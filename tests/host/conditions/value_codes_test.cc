#include "host/conditions/value_codes.h"

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

}  // namespace
}  // namespace kindred
