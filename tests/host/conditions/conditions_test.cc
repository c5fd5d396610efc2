#include "host/conditions/conditions.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/support/errors.h"
#include "tests/support/small_items.h"

namespace kindred {
namespace {

TEST(Conditions, AFilterThatWasAskedBeforeIsLookedUp) {
  const SmallItems items(100);
  const Conditions conditions(items.table(), {}, nullptr);
  const RequestContext one = {{"limit", 50.0}}, other = {{"limit", 60.0}};
  const BoundFilter first = conditions.Bind("price < context.limit", {-1, &one, 1});
  const BoundFilter again = conditions.Bind("price < context.limit", {3, &one, 2});
  EXPECT_EQ(first.filter, again.filter);
  EXPECT_EQ(first.key, again.key);
  EXPECT_EQ(conditions.Eligible(first), conditions.Eligible(again));
  const BoundFilter more = conditions.Bind("price < context.limit", {-1, &other, 1});
  EXPECT_EQ(first.filter, more.filter);
  EXPECT_NE(conditions.Eligible(first), conditions.Eligible(more));
  EXPECT_LT(conditions.Eligible(first)->n_set, conditions.Eligible(more)->n_set);
  EXPECT_EQ(conditions.Eligible(conditions.Bind("price<context.limit", {-1, &one, 1})), conditions.Eligible(first))
      << "the same in other words";
  const RequestContext text = {{"limit", "50"}};
  ExpectError(ErrorCode::kInvalidArgument, "expected a number", [&] {
    conditions.Bind("price < context.limit", {-1, &text, 1});
  });
}

TEST(Conditions, AnUpdateHasItsEffectOnTheNextRequest) {
  const SmallItems items(100);
  Conditions conditions(items.table(), {}, nullptr);
  const auto eligible = [&] { return conditions.Eligible(conditions.Bind("price < 50", {})); };
  const auto before = eligible();
  const auto table = conditions.items();
  int32_t item = 0;
  while (before->Has(item)) ++item;
  const ItemUpdate update = {item, "price", 1.0};
  conditions.Replace(table->With({&update, 1}));
  EXPECT_EQ(conditions.items()->epoch(), 1u);
  EXPECT_TRUE(eligible()->Has(item));
  EXPECT_FALSE(before->Has(item));
  EXPECT_EQ(eligible()->n_set, before->n_set + 1);
  EXPECT_EQ(eligible(), eligible());
}

TEST(Conditions, NoMoreIsKeptThanThereIsRoomFor) {
  const SmallItems items(6400);
  const Conditions conditions(items.table(), {}, nullptr, {.max_bitmap_bytes = 3000, .max_filter_bytes = 10000});
  std::vector<std::weak_ptr<const ItemBits>> bitmaps;
  std::vector<std::weak_ptr<const Filter>> filters;
  for (int limit = 0; limit < 50; ++limit) {
    const BoundFilter filter = conditions.Bind("price < " + std::to_string(limit), {});
    filters.push_back(filter.filter);
    bitmaps.push_back(conditions.Eligible(filter));
    const auto kept = [](const auto& all) { return std::ranges::count_if(all, [](auto& p) { return !p.expired(); }); };
    EXPECT_EQ(kept(bitmaps), std::min(limit + 1, 3));
    EXPECT_LE(kept(filters), 5);
  }
  const Conditions none(items.table(), {}, nullptr, {.max_bitmap_bytes = 0, .max_filter_bytes = 0});
  EXPECT_GT(none.Eligible(none.Bind("price < 50", {}))->n_set, 0) << "nothing is kept, and all works";
}

TEST(Conditions, ThreadsAskWhileItemsChange) {
  const SmallItems items(1000);
  Conditions conditions(items.table(), {}, nullptr, {.max_bitmap_bytes = 1000});
  const ItemUpdate set = {0, "price", 1.0};
  conditions.Replace(conditions.items()->With({&set, 1}));
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      while (!done) {
        const auto bits = conditions.Eligible(conditions.Bind("price < " + std::to_string(2 + t), {}));
        ASSERT_TRUE(bits->Has(0));
      }
    });
  for (int i = 0; i < 200; ++i) {
    const ItemUpdate update = {1 + i % 999, "price", static_cast<double>(i)};
    conditions.Replace(conditions.items()->With({&update, 1}));
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(conditions.items()->epoch(), 201u);
}

}  // namespace
}  // namespace kindred
