#include "host/conditions/filter_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "tests/support/errors.h"
#include "tests/support/small_items.h"

namespace kindred {
namespace {

TEST(FilterCache, AFilterThatWasAskedBeforeIsLookedUp) {
  const SmallItems small(100);
  const auto items = ItemTable::From(small.table(), nullptr);
  FilterCache cache{AttributeTable()};
  const RequestContext one = {{"limit", 50.0}}, other = {{"limit", 60.0}};
  const auto bind = [&](std::string_view text, const FilterInputs& inputs) { return cache.Bind(text, *items, inputs); };
  const auto eligible = [&](const BoundFilter& filter) { return cache.Eligible(filter, *items); };
  const BoundFilter first = bind("price < context.limit", {-1, &one, 1});
  const BoundFilter again = bind("price < context.limit", {3, &one, 2});
  EXPECT_EQ(first.filter, again.filter);
  EXPECT_EQ(first.key, again.key);
  EXPECT_EQ(eligible(first), eligible(again));
  const BoundFilter more = bind("price < context.limit", {-1, &other, 1});
  EXPECT_EQ(first.filter, more.filter);
  EXPECT_NE(eligible(first), eligible(more));
  EXPECT_LT(eligible(first)->n_set, eligible(more)->n_set);
  EXPECT_EQ(eligible(bind("price<context.limit", {-1, &one, 1})), eligible(first)) << "the same in other words";
  const RequestContext text = {{"limit", "50"}};
  ExpectError(ErrorCode::kInvalidArgument, "expected a number", [&] { bind("price < context.limit", {-1, &text, 1}); });
}

TEST(FilterCache, AnUpdateHasItsEffectOnTheNextRequest) {
  const SmallItems small(100);
  const auto items = ItemTable::From(small.table(), nullptr);
  FilterCache cache{AttributeTable()};
  const BoundFilter filter = cache.Bind("price < 50", *items, {});
  std::shared_ptr<const ItemBits> before = cache.Eligible(filter, *items);
  int32_t item = 0;
  while (before->Has(item)) ++item;
  const ItemUpdate update = {item, "price", 1.0};
  const auto updated = items->With({&update, 1});
  const auto after = cache.Eligible(filter, *updated);
  EXPECT_TRUE(after->Has(item));
  EXPECT_FALSE(before->Has(item));
  EXPECT_EQ(after->n_set, before->n_set + 1);
  EXPECT_EQ(cache.Eligible(filter, *updated), after);
  const std::weak_ptr<const ItemBits> old = std::exchange(before, nullptr);
  EXPECT_TRUE(old.expired()) << "nobody asks for it again";
  EXPECT_FALSE(cache.Eligible(filter, *items)->Has(item)) << "but who still holds the snapshot";
}

TEST(FilterCache, AnUpdateOfWhatAFilterDoesNotReadLeavesItsItems) {
  const SmallItems small(100);
  const auto items = ItemTable::From(small.table(), nullptr);
  FilterCache cache{AttributeTable()};
  const BoundFilter by_price = cache.Bind("price < 50", *items, {}),
                    by_both = cache.Bind("price < 50 or in_stock", *items, {});
  const BoundFilter by_none = cache.Bind("now() - now() < 1d", *items, {});
  const auto price_before = cache.Eligible(by_price, *items), both_before = cache.Eligible(by_both, *items);
  const auto none_before = cache.Eligible(by_none, *items);
  const ItemUpdate in_stock = {3, "in_stock", true}, price = {3, "price", 1.0};
  const auto updated = items->With({&in_stock, 1});
  EXPECT_EQ(cache.Eligible(by_price, *updated), price_before);
  const auto both_after = cache.Eligible(by_both, *updated);
  EXPECT_NE(both_after, both_before);
  const auto again = updated->With({&price, 1});
  EXPECT_NE(cache.Eligible(by_price, *again), price_before);
  EXPECT_EQ(cache.Eligible(by_none, *again), none_before) << "reads no item";
  EXPECT_EQ(cache.Eligible(by_both, *items)->words, both_before->words) << "who still holds an older snapshot";
  EXPECT_EQ(cache.Eligible(by_both, *updated), both_after) << "does not push out what is newer";
}

// Names of a context may hold any bytes.
TEST(FilterCache, ContextsOfOtherNamesAreOthers) {
  const SmallItems small(10);
  const auto items = ItemTable::From(small.table(), nullptr);
  FilterCache cache{AttributeTable()};
  const std::string text = "context.a = 1 and context.b = 1";
  const RequestContext two = {{"a", 1.0}, {"b", 1.0}}, one = {{std::string("a\0nb", 4), 1.0}};
  EXPECT_EQ(cache.Eligible(cache.Bind(text, *items, {-1, &two, 1}), *items)->n_set, 10);
  ExpectError(ErrorCode::kInvalidArgument, "unknown attribute 'context.a'", [&] {
    cache.Bind(text, *items, {-1, &one, 1});
  });
}

TEST(FilterCache, NoMoreIsKeptThanThereIsRoomFor) {
  const SmallItems small(6400);
  const auto items = ItemTable::From(small.table(), nullptr);
  FilterCache cache(AttributeTable(), nullptr, {.max_bitmap_bytes = 4500, .max_filter_bytes = 10000});
  std::vector<std::weak_ptr<const ItemBits>> bitmaps;
  std::vector<std::weak_ptr<const Filter>> filters;
  for (int limit = 0; limit < 50; ++limit) {
    const BoundFilter filter = cache.Bind("price < " + std::to_string(limit), *items, {});
    filters.push_back(filter.filter);
    bitmaps.push_back(cache.Eligible(filter, *items));
    const auto kept = [](const auto& all) { return std::ranges::count_if(all, [](auto& p) { return !p.expired(); }); };
    EXPECT_EQ(kept(bitmaps), std::min(limit + 1, 3));
    EXPECT_LE(kept(filters), 5);
  }
  // Of few items it is not the bits that take the room.
  const SmallItems few(10);
  const auto few_items = ItemTable::From(few.table(), nullptr);
  FilterCache small_cache(AttributeTable(), nullptr, {.max_bitmap_bytes = 10 * BoundedCache<int>::kEntryCost});
  bitmaps.clear();
  for (int limit = 0; limit < 50; ++limit)
    bitmaps.push_back(
        small_cache.Eligible(small_cache.Bind("price < " + std::to_string(limit), *few_items, {}), *few_items));
  EXPECT_EQ(std::ranges::count_if(bitmaps, [](const auto& bits) { return !bits.expired(); }), 9);
  FilterCache none(AttributeTable(), nullptr, {.max_bitmap_bytes = 0, .max_filter_bytes = 0});
  EXPECT_GT(none.Eligible(none.Bind("price < 50", *items, {}), *items)->n_set, 0) << "nothing is kept, and all works";
}

TEST(FilterCache, ThreadsAskWhileItemsChange) {
  const SmallItems small(1000);
  FilterCache cache(AttributeTable(), nullptr, {.max_bitmap_bytes = 2000});
  const ItemUpdate set = {0, "price", 1.0};
  std::mutex mutex;
  auto items = ItemTable::From(small.table(), nullptr)->With({&set, 1});
  const auto current = [&] {
    const std::lock_guard lock(mutex);
    return items;
  };
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      while (!done) {
        const auto now = current();
        ASSERT_TRUE(cache.Eligible(cache.Bind("price < " + std::to_string(2 + t), *now, {}), *now)->Has(0));
      }
    });
  for (int i = 0; i < 200; ++i) {
    const ItemUpdate update = {1 + i % 999, "price", static_cast<double>(i)};
    auto next = current()->With({&update, 1});
    const std::lock_guard lock(mutex);
    items.swap(next);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace kindred
