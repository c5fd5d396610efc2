#include "serving/live_items.h"

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <atomic>
#include <future>
#include <thread>

#include "tests/support/errors.h"
#include "tests/support/small_items.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kItems = 33;

/// Items PREFIX0, PREFIX1, ... of SmallItems, without the columns behind the first `n_columns`.
std::shared_ptr<LiveItems> Version(const std::string& prefix = "i", size_t n_columns = 6, int64_t n_items = kItems) {
  struct Kept {
    explicit Kept(int64_t n) : items(n) {}
    SmallItems items;
    IdMapBuilder ids;
  };
  const auto kept = std::make_shared<Kept>(n_items);
  for (int64_t i = 0; i < n_items; ++i) kept->ids.Intern(prefix + std::to_string(i));
  const AttributeTable all = kept->items.table();
  const AttributeTable table(n_items, {all.columns().begin(), all.columns().begin() + static_cast<int64_t>(n_columns)});
  return std::make_shared<LiveItems>(kept->ids.view(), ItemTable::From(table, kept), kept);
}

AttributeValue ValueOf(const ItemTable& table, int64_t item, std::string_view attribute) {
  return table.columns()[static_cast<size_t>(table.Find(attribute))]->Value(item);
}

class LiveItemsTest : public testing::Test {
 protected:
  LiveItemsTest() { Open(); }

  void Open() {
    state_.reset();
    state_ = std::make_unique<ItemState>(folder_.path());
  }
  std::shared_ptr<LiveItems> Attached(std::shared_ptr<LiveItems> items) {
    state_->Attach(items);
    return items;
  }
  void Set(const LiveItems& items, const std::string& item, const std::string& attribute, AttributeValue value,
           bool allow_unknown = false) {
    state_->Update(items, std::vector<ItemChange>{{item, attribute, std::move(value)}}, allow_unknown);
  }

  TemporaryFolder folder_;
  std::unique_ptr<ItemState> state_;
};

TEST_F(LiveItemsTest, AnUpdateIsSeenAtOnceAndAfterAReopening) {
  const auto items = Attached(Version());
  const auto before = items->Current();
  const std::vector<ItemChange> changes = {{"i3", "price", AttributeValue(7.25), 0},
                                           {"i3", "category", AttributeValue(std::string("boots")), 0},
                                           {"i32", "tags", AttributeValue(std::vector<std::string>{"new", "blue"}), 1},
                                           {"i0", "in_stock", AttributeValue(), 2},
                                           {"i0", "title", AttributeValue(std::string("first")), 2},
                                           {"i0", "title", AttributeValue(std::string("last")), 3},
                                           {"i1", "released", AttributeValue(std::string("2026-01-02")), 4}};
  const ItemUpdateOutcome done = state_->Update(*items, changes, false);
  EXPECT_EQ(done.n_items, 4);
  EXPECT_EQ(done.n_values, 6);
  EXPECT_EQ(done.epoch, 1);
  const auto check = [](const ItemTable& table) {
    EXPECT_EQ(ValueOf(table, 3, "price"), AttributeValue(7.25));
    EXPECT_EQ(ValueOf(table, 3, "category"), AttributeValue(std::string("boots")));
    EXPECT_EQ(ValueOf(table, 32, "tags"), AttributeValue(std::vector<std::string>{"new", "blue"}));
    EXPECT_EQ(ValueOf(table, 0, "in_stock"), AttributeValue());
    EXPECT_EQ(ValueOf(table, 0, "title"), AttributeValue(std::string("last")));
    EXPECT_EQ(ValueOf(table, 1, "released"), AttributeValue(1767312000.0));
  };
  check(*items->Current());
  EXPECT_NE(items->Current()->epoch(), before->epoch());
  EXPECT_EQ(ValueOf(*before, 3, "price"), ValueOf(items->own(), 3, "price"));
  Open();
  check(*Attached(Version())->Current());
  EXPECT_EQ(state_->info().epoch, 1);
  EXPECT_EQ(state_->info().n_values, 6);
}

TEST_F(LiveItemsTest, AResetGivesBackWhatTheVersionHas) {
  const auto items = Attached(Version());
  for (const char* attribute : {"price", "category", "tags", "title", "in_stock", "released"})
    for (int64_t item = 0; item < kItems; ++item) Set(*items, "i" + std::to_string(item), attribute, AttributeValue());
  for (int64_t item = 0; item < kItems; ++item) EXPECT_EQ(ValueOf(*items->Current(), item, "tags"), AttributeValue());
  std::vector<ItemChange> resets;
  for (const char* attribute : {"price", "category", "tags", "title", "in_stock", "released"})
    for (int64_t item = 0; item < kItems; ++item)
      resets.push_back({items->ids().Id(static_cast<int32_t>(item)), attribute, {}});
  state_->Update(*items, resets, false);
  for (const ItemChange& reset : resets) {
    const int64_t item = items->ids().Find(reset.item_id);
    EXPECT_EQ(ValueOf(*items->Current(), item, reset.attribute), ValueOf(items->own(), item, reset.attribute));
  }
  EXPECT_EQ(state_->info().n_values, 0);
}

TEST_F(LiveItemsTest, ACallIsDoneWholeOrNotAtAll) {
  const auto items = Attached(Version());
  const auto before = items->Current();
  const auto refuse = [&](ErrorCode code, const std::string& message, ItemChange bad) {
    const std::vector<ItemChange> changes = {{"i1", "price", AttributeValue(1.0), 0}, std::move(bad)};
    ExpectError(code, message, [&] { state_->Update(*items, changes, false); });
    EXPECT_EQ(items->Current(), before);
    EXPECT_EQ(state_->info().epoch, 0);
    EXPECT_EQ(state_->info().n_values, 0);
  };
  refuse(ErrorCode::kInvalidArgument, "updates[7].attributes[\"price\"]: found a text; expected a number",
         {"i2", "price", AttributeValue(std::string("1")), 7});
  refuse(ErrorCode::kInvalidArgument,
         "updates[7].attributes[\"prise\"]: unknown attribute 'prise'; the nearest is 'price'",
         {"i2", "prise", AttributeValue(1.0), 7});
  refuse(ErrorCode::kInvalidArgument, "updates[7].attributes[\"prise\"]: unknown", {"i2", "prise", {}, 7});
  refuse(ErrorCode::kInvalidArgument, "updates[7].attributes[\"released\"]: found 'soon'",
         {"i2", "released", AttributeValue(std::string("soon")), 7});
  refuse(ErrorCode::kNotFound, "updates[7].item_id: the model has no item 'z'; nothing was changed",
         {"z", "price", AttributeValue(1.0), 7});
  const std::vector<ItemChange> unknown = {{"y", "price", AttributeValue(1.0), 0},
                                           {"y", "title", AttributeValue(), 0},
                                           {"z", "price", AttributeValue(1.0), 1}};
  ExpectError(ErrorCode::kNotFound, "no item 'y', nor 1 more of this call",
              [&] { state_->Update(*items, unknown, false); });
}

TEST_F(LiveItemsTest, ItemsThatAreNotThereYetWaitForAVersion) {
  const auto items = Attached(Version("i", 6, 5));
  const std::vector<ItemChange> changes = {{"i9", "price", AttributeValue(9.0), 0},
                                           {"i1", "price", AttributeValue(1.0), 1},
                                           {"i7", "price", AttributeValue(7.0), 2},
                                           {"i9", "title", AttributeValue(), 3}};
  EXPECT_THAT(state_->Update(*items, changes, true).unknown_items, ElementsAre("i9", "i7"));
  ItemStateInfo info = state_->info();
  EXPECT_EQ(info.n_values, 4);
  EXPECT_EQ(info.n_unused, 3);
  ASSERT_EQ(info.unused.size(), 3u);
  EXPECT_EQ(info.unused[0].item_id, "i7");
  EXPECT_EQ(info.unused[0].reason, "the model has no such item");
  EXPECT_EQ(state_->Look(*items, "i9").kept.size(), 2u);

  const auto next = Attached(Version());
  EXPECT_EQ(ValueOf(*next->Current(), 9, "price"), AttributeValue(9.0));
  EXPECT_EQ(ValueOf(*next->Current(), 7, "price"), AttributeValue(7.0));
  EXPECT_EQ(ValueOf(*next->Current(), 1, "price"), AttributeValue(1.0));
  EXPECT_EQ(state_->info().n_unused, 0);
}

TEST_F(LiveItemsTest, WhatDoesNotFitAVersionIsKeptAndSaid) {
  Set(*Attached(Version()), "i4", "in_stock", AttributeValue(false));
  Set(*Attached(Version()), "i5", "price", AttributeValue(5.0));
  const auto without = Attached(Version("i", 2));  // of price and category alone
  EXPECT_EQ(ValueOf(*without->Current(), 5, "price"), AttributeValue(5.0));
  ItemStateInfo info = state_->info();
  ASSERT_EQ(info.n_unused, 1);
  EXPECT_EQ(info.unused[0].attribute, "in_stock");
  EXPECT_THAT(info.unused[0].reason, HasSubstr("unknown attribute 'in_stock'"));

  const auto again = Attached(Version());
  EXPECT_EQ(ValueOf(*again->Current(), 4, "in_stock"), AttributeValue(false));
  EXPECT_EQ(state_->info().n_unused, 0);

  Attached(without);
  state_->Update(*without, std::vector<ItemChange>{{"i4", "in_stock", {}}}, false);  // what is kept can be reset
  EXPECT_EQ(state_->info().n_unused, 0);
  EXPECT_EQ(state_->info().n_values, 1);
  EXPECT_EQ(ValueOf(*again->Current(), 4, "in_stock"), ValueOf(again->own(), 4, "in_stock"));
}

TEST_F(LiveItemsTest, EveryVersionThatIsAttachedGetsAnUpdate) {
  const auto old = Attached(Version()), next = Attached(Version());
  Set(*old, "i4", "price", AttributeValue(1.0));
  EXPECT_EQ(ValueOf(*next->Current(), 4, "price"), AttributeValue(1.0));
  EXPECT_EQ(ValueOf(*old->Current(), 4, "price"), AttributeValue(1.0));
}

TEST_F(LiveItemsTest, OnlySoManyUnusedOnesAreNamed) {
  const auto items = Attached(Version());
  std::vector<std::string> ids;
  for (int i = 0; i < 40; ++i) ids.push_back("x" + std::to_string(i));
  std::vector<ItemChange> changes;
  for (const std::string& id : ids) changes.push_back({id, "price", AttributeValue(1.0)});
  state_->Update(*items, changes, true);
  EXPECT_EQ(state_->info().n_unused, 40);
  EXPECT_EQ(state_->info().unused.size(), static_cast<size_t>(kMaxUnusedShown));
}

TEST_F(LiveItemsTest, ACallWithoutChangesChangesNothing) {
  const auto items = Attached(Version());
  EXPECT_EQ(state_->Update(*items, {}, false).epoch, 0);
  EXPECT_EQ(items->Current()->epoch(), 0u);
}

/// Somebody else writes, so that an update waits for the disk; a look does not wait for the update.
TEST_F(LiveItemsTest, ALookDoesNotWaitForAnUpdateThatIsBeingWritten) {
  const auto items = Attached(Version());
  Set(*items, "i1", "price", AttributeValue(1.0));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((folder_.path() / "state.sqlite3").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  auto update = std::async(std::launch::async, [&] { Set(*items, "i1", "price", AttributeValue(2.0)); });
  for (int i = 0; i < 100; ++i) {
    const ItemState::View view = state_->Look(*items, "i1");
    ASSERT_EQ(view.kept.size(), 1u);
    EXPECT_EQ(view.kept[0].value, AttributeValue(1.0));
    EXPECT_EQ(ValueOf(*view.table, 1, "price"), AttributeValue(1.0));
    std::this_thread::yield();
  }
  ASSERT_EQ(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  update.get();
  EXPECT_EQ(state_->Look(*items, "i1").kept[0].value, AttributeValue(2.0));
}

/// Readers always see both values of a call or neither, versions that come meanwhile miss none, and no update is lost.
TEST_F(LiveItemsTest, ReadersWritersAndNewVersionsAtOnce) {
  const auto items = Attached(Version());
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) {
      const auto table = items->Current();
      if (table->epoch() == 0) continue;
      EXPECT_EQ(ValueOf(*table, 1, "price"), ValueOf(*table, 2, "price"));
      const ItemState::View view = state_->Look(*items, "i1");
      ASSERT_EQ(view.kept.size(), 1u);
      EXPECT_EQ(view.kept[0].value, ValueOf(*view.table, 1, "price"));
      state_->info();
    }
  });
  std::thread loader([&] {
    for (int i = 0; i < 10; ++i) Attached(Version());
  });
  for (int i = 0; i < 20; ++i)
    state_->Update(
        *items,
        std::vector<ItemChange>{{"i1", "price", AttributeValue(1.0 * i)}, {"i2", "price", AttributeValue(1.0 * i)}},
        false);
  loader.join();
  const auto late = Attached(Version());
  stop = true;
  reader.join();
  EXPECT_EQ(ValueOf(*late->Current(), 2, "price"), AttributeValue(19.0));
  EXPECT_EQ(state_->info().epoch, 20);
}

}  // namespace
}  // namespace kindred
