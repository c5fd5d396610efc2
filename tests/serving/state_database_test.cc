#include "serving/state_database.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>

#include "host/text/text.h"
#include "serving/item_updates.h"
#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class StateDatabaseTest : public testing::Test {
 protected:
  fs::path file() const { return folder_.path() / "state.sqlite3"; }

  /// "item.attribute=value" of all that is kept; tags with '|'.
  static std::vector<std::string> All(ItemUpdates& updates) {
    std::vector<std::string> all;
    updates.ForEach([&](const KeptUpdate& update) {
      std::string text = update.item_id + "." + update.attribute + "=";
      if (const auto* number = std::get_if<double>(&update.value)) text += std::to_string(*number);
      if (const auto* boolean = std::get_if<bool>(&update.value)) text += *boolean ? "true" : "false";
      if (const auto* value = std::get_if<std::string>(&update.value)) text += "'" + *value + "'";
      if (const auto* tags = std::get_if<std::vector<std::string>>(&update.value))
        for (const std::string& tag : *tags) text += tag + "|";
      all.push_back(text);
    });
    return all;
  }

  TemporaryFolder folder_;
};

TEST_F(StateDatabaseTest, KeepsTheLastValueOfEachAttribute) {
  const std::vector<ItemChange> changes = {{"b", "price", AttributeValue(1.5)},
                                           {"a", "stock", AttributeValue(true)},
                                           {"a", "name", AttributeValue(std::string("x'\0\"y\xc3\xa4", 7))},
                                           {"a", "tags", AttributeValue(std::vector<std::string>{"u,", "\"v"})},
                                           {"a", "price", AttributeValue()},
                                           {"b", "price", AttributeValue(-2.0)}};
  {
    StateDatabase database(folder_.path());
    ItemUpdates updates(database);
    EXPECT_EQ(updates.epoch(), 0);
    updates.Apply(changes, 1);
    updates.Apply(std::vector<ItemChange>{{"a", "price", AttributeValue(3.0)}, {"c", "price", AttributeValue(4.0)}}, 2);
    EXPECT_EQ(updates.n_values(), 6);
  }
  StateDatabase database(folder_.path());
  ItemUpdates updates(database);
  EXPECT_EQ(updates.epoch(), 2);
  EXPECT_EQ(updates.n_values(), 6);
  EXPECT_THAT(All(updates), ElementsAre(std::string("a.name='x'\0\"y\xc3\xa4'", 16), "a.price=3.000000", "a.stock=true",
                                        "a.tags=u,|\"v|", "b.price=-2.000000", "c.price=4.000000"));
  const KeptItem a = ReadItem(database, "a");
  EXPECT_EQ(a.epoch, 2);
  ASSERT_EQ(a.updates.size(), 4u);
  EXPECT_EQ(a.updates[0].updated_at, 1);
  EXPECT_EQ(a.updates[1].updated_at, 2);
  EXPECT_EQ(ReadItem(database, "z").epoch, 2);
  EXPECT_TRUE(ReadItem(database, "z").updates.empty());
  EXPECT_TRUE(updates.Has("a", "price"));
  EXPECT_FALSE(updates.Has("a", "color"));
  updates.Apply(std::vector<ItemChange>{{"a", "price", {}}, {"a", "none", {}}}, 3);
  EXPECT_FALSE(updates.Has("a", "price"));
  EXPECT_EQ(updates.n_values(), 5);
  EXPECT_EQ(updates.epoch(), 3);
}

TEST_F(StateDatabaseTest, WhatIsNotCommittedIsGone) {
  StateDatabase database(folder_.path());
  ItemUpdates updates(database);
  {
    Transaction transaction(database);
    database.Run("INSERT INTO item_updates VALUES ('a', 'price', 'number', 1.0, 1)");
  }
  EXPECT_TRUE(All(updates).empty());
  updates.Apply(std::vector<ItemChange>{{"a", "price", AttributeValue(2.0)}}, 1);
  EXPECT_EQ(All(updates).size(), 1u);
}

TEST_F(StateDatabaseTest, AReaderSeesWhatIsCommittedAndWaitsForNothing) {
  StateDatabase database(folder_.path());
  ItemUpdates updates(database);
  const std::unique_ptr<StateDatabase> reader = database.NewReader();
  updates.Apply(std::vector<ItemChange>{{"a", "n", AttributeValue(1.0)}}, 1);
  const auto expect_read = [&](int64_t epoch, double value) {
    const KeptItem item = ReadItem(*reader, "a");
    EXPECT_EQ(item.epoch, epoch);
    ASSERT_EQ(item.updates.size(), 1u);
    EXPECT_EQ(std::get<double>(item.updates[0].value), value);
  };
  expect_read(1, 1);
  {
    Transaction transaction(database);
    database.Run("UPDATE item_updates SET value = 2.0; UPDATE item_epoch SET epoch = 2");
    expect_read(1, 1);
    transaction.Commit();
  }
  expect_read(2, 2);
  EXPECT_THROW(reader->Run("DELETE FROM item_updates"), Error);
}

TEST_F(StateDatabaseTest, OneProcessAtATime) {
  StateDatabase database(folder_.path());
  ExpectError(ErrorCode::kAlreadyExists, "the state in '" + folder_.path().string() + "' is used by process ",
              [&] { StateDatabase(folder_.path()); });
}

/// A child that updates without end is killed; what it was told is kept must be there, and nothing by halves.
TEST_F(StateDatabaseTest, AKilledProcessLosesNothingItWasToldIsKept) {
  for (int round = 0; round < 3; ++round) {
    int told[2];
    ASSERT_EQ(::pipe(told), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      StateDatabase database(folder_.path());
      ItemUpdates updates(database);
      for (int64_t i = updates.epoch() + 1;; ++i) {
        std::vector<ItemChange> changes;
        for (const char* item : {"a", "b", "c"}) changes.push_back({item, "n", AttributeValue(static_cast<double>(i))});
        updates.Apply(changes, i);
        if (::write(told[1], &i, sizeof i) != sizeof i) ::_exit(1);
      }
    }
    ::close(told[1]);
    int64_t last = 0;
    for (int i = 0; i < 20 + round; ++i) ASSERT_EQ(::read(told[0], &last, sizeof last), ssize_t{sizeof last});
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    for (int64_t more = 0; ::read(told[0], &more, sizeof more) == ssize_t{sizeof more};) last = more;
    ::close(told[0]);

    StateDatabase database(folder_.path());
    ItemUpdates updates(database);
    EXPECT_GE(updates.epoch(), last);
    EXPECT_LE(updates.epoch(), last + 1);
    for (const char* item : {"a", "b", "c"}) {
      const std::vector<KeptUpdate> kept = ReadItem(database, item).updates;
      ASSERT_EQ(kept.size(), 1u);
      EXPECT_EQ(std::get<double>(kept[0].value), static_cast<double>(updates.epoch()));
    }
  }
}

TEST_F(StateDatabaseTest, AProcessThatEndsWithinATransactionLeavesNothingOfIt) {
  const pid_t child = ::fork();
  if (child == 0) {
    StateDatabase database(folder_.path());
    ItemUpdates(database).Apply(std::vector<ItemChange>{{"a", "n", AttributeValue(1.0)}}, 1);
    database.Run("BEGIN IMMEDIATE; UPDATE item_updates SET value = 2.0; UPDATE item_epoch SET epoch = 7");
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  StateDatabase database(folder_.path());
  ItemUpdates updates(database);
  EXPECT_EQ(updates.epoch(), 1);
  EXPECT_THAT(All(updates), ElementsAre("a.n=1.000000"));
}

/// Wherever the file is cut, it is refused, or what it has is whole.
TEST_F(StateDatabaseTest, ACutFileIsRefused) {
  {
    StateDatabase database(folder_.path());
    ItemUpdates updates(database);
    std::vector<std::string> ids;
    for (int i = 0; i < 2000; ++i) ids.push_back("item " + std::to_string(i));
    std::vector<ItemChange> changes;
    for (const std::string& id : ids) changes.push_back({id, "n", AttributeValue(1.0)});
    updates.Apply(changes, 1);
  }
  ASSERT_FALSE(fs::exists(file().string() + "-wal"));
  const std::string whole = Content(file());
  ASSERT_GT(whole.size(), 20u << 10);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{50}, size_t{4095}, size_t{4096}, whole.size() / 2,
                            whole.size() - 4096, whole.size() - 1}) {
    SCOPED_TRACE(size);
    folder_.Write("state.sqlite3", whole.substr(0, size));
    ExpectError(ErrorCode::kCorrupt,
                "the state '" + file().string() + "' is damaged: ", [&] { StateDatabase(folder_.path()); });
  }
  folder_.Write("state.sqlite3", whole);
  StateDatabase database(folder_.path());
  EXPECT_EQ(ItemUpdates(database).n_values(), 2000);
}

/// Whatever bytes are others: an error, or values that are values.
TEST_F(StateDatabaseTest, ADamagedFileIsRefusedOrRead) {
  {
    StateDatabase database(folder_.path());
    ItemUpdates(database).Apply(std::vector<ItemChange>{{"a", "n", AttributeValue(1.0)},
                                                        {"b", "t", AttributeValue(std::vector<std::string>{"x", "y"})},
                                                        {"c", "s", AttributeValue(std::string(9000, 'z'))}},
                                1);
  }
  const std::string whole = Content(file());
  std::mt19937_64 random(1);
  int n_refused = 0;
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE(round);
    std::string damaged = whole;
    for (int i = 0; i <= round % 8; ++i) {
      // Half of them where SQLite keeps what it knows of pages.
      const size_t page = random() % (whole.size() / 4096) * 4096;
      damaged[page + random() % (round % 2 == 0 ? 128 : 4096)] = static_cast<char>(random());
    }
    for (const char* log : {"-wal", "-shm"}) fs::remove(file().string() + log);
    folder_.Write("state.sqlite3", damaged);
    try {
      StateDatabase database(folder_.path());
      ItemUpdates updates(database);
      updates.ForEach([](const KeptUpdate& update) { EXPECT_TRUE(IsUtf8(update.item_id)); });
      updates.Apply(std::vector<ItemChange>{{"a", "n", AttributeValue(2.0)}}, 2);
    } catch (const Error&) {
      ++n_refused;
    }
  }
  EXPECT_GT(n_refused, 50);
}

TEST_F(StateDatabaseTest, ForeignFiles) {
  folder_.Write("state.sqlite3", std::string(9000, 'x'));
  ExpectError(ErrorCode::kCorrupt, "is damaged: file is not a database", [&] { StateDatabase(folder_.path()); });
  fs::remove(file());
  {
    StateDatabase database(folder_.path());
    database.Run("DROP TABLE schema_version; CREATE TABLE others (x)");
  }
  ExpectError(ErrorCode::kCorrupt, "is no state of Kindred's", [&] { StateDatabase(folder_.path()); });
  fs::remove(file());
  fs::create_directory(file());
  EXPECT_THROW(StateDatabase(folder_.path()), Error);
}

TEST_F(StateDatabaseTest, OfANewerProgram) {
  {
    StateDatabase database(folder_.path());
    database.Run("UPDATE schema_version SET version = 2");
  }
  ExpectError(ErrorCode::kUnsupported, "has schema version 2, and this program knows up to 1",
              [&] { StateDatabase(folder_.path()); });
}

TEST_F(StateDatabaseTest, RowsThatHoldNoValue) {
  for (const char* row :
       {"'number', NULL", "'number', 9e999", "'number', '12abc'", "'number', x'31'", "'text', NULL", "'text', x'41'",
        "'text', 5", "'tags', '[1]'", "'tags', 'x'", "'tags', 5", "'colour', 'red'", "'boolean', NULL",
        "'boolean', 'yes'", "'boolean', 2", "'boolean', 0.5", "'missing', 1.0", "'missing', 'x'"}) {
    SCOPED_TRACE(row);
    StateDatabase database(folder_.path());
    ItemUpdates updates(database);
    database.Run(("INSERT INTO item_updates VALUES ('a', 'x', " + std::string(row) + ", 1)").c_str());
    ExpectError(ErrorCode::kCorrupt, "item_updates, item 'a', attribute 'x': holds no value of kind",
                [&] { ReadItem(database, "a"); });
    ExpectError(ErrorCode::kCorrupt, "item 'a'", [&] { All(updates); });
    database.Run("DELETE FROM item_updates");  // no statement is left that reads
  }
}

TEST_F(StateDatabaseTest, AHalfMadeOneIsMadeAnew) {
  folder_.Write(".state.sqlite3.tmp", "what a killed process left");
  StateDatabase database(folder_.path() / "." / "");
  EXPECT_EQ(ItemUpdates(database).epoch(), 0);
  EXPECT_FALSE(fs::exists(folder_.path() / ".state.sqlite3.tmp"));
}

}  // namespace
}  // namespace kindred
