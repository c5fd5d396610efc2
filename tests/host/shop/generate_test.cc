#include "host/shop/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "host/intake/prepare.h"
#include "host/store/checksum.h"
#include "tests/host/intake/export.h"
#include "tests/host/shop/table.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFiles[] = {"events.csv",           "items.csv",      "users.csv",        "truth.json",
                                  "truth_duplicates.csv", "truth_bots.csv", "truth_missing.csv"};

class GenerateTest : public testing::Test {
 protected:
  GenerateTest() { options_.out = folder_.path() / "shop"; }

  Export Events() {
    Generate(options_);
    return ReadFiles({(options_.out / "events.csv").string()}, {});
  }
  nlohmann::json Truth() { return nlohmann::json::parse(Content(options_.out / "truth.json")); }
  std::map<std::string, std::string> Bytes() {
    options_.overwrite = true;
    Generate(options_);
    std::map<std::string, std::string> bytes;
    for (const char* name : kFiles) bytes[name] = Content(options_.out / name);
    return bytes;
  }

  TemporaryFolder folder_;
  GenerateOptions options_;
};

TEST_F(GenerateTest, HoldsWhatWasAskedFor) {
  const Export read = Events();
  EXPECT_TRUE(read.bad_rows.empty());
  ASSERT_EQ(read.events.size(), 60000u);
  const nlohmann::json truth = Truth();
  EXPECT_EQ(truth["seed"], 1);
  EXPECT_EQ(truth["users"].size(), 2000u);
  EXPECT_EQ(truth["items"].size(), 800u);
  std::set<std::string> users, items;
  std::map<std::string, int64_t> types;
  int64_t before = 0;
  for (const OwnedEvent& event : read.events) {
    users.insert(event.user);
    items.insert(event.item);
    ++types[event.type];
    EXPECT_EQ(event.value, event.type == "view" ? 1 : event.type == "cart" ? 3 : 5);
    ASSERT_LE(before, event.time);
    before = event.time;
    ASSERT_TRUE(truth["users"].contains(event.user)) << event.user;
    ASSERT_TRUE(truth["items"].contains(event.item)) << event.item;
  }
  EXPECT_EQ(users.size(), 2000u) << "everybody is seen";
  EXPECT_GE(items.size(), 770u);
  EXPECT_GT(types["view"], 5 * types["cart"]);
  EXPECT_GT(types["cart"], types["buy"]);
  EXPECT_GT(types["buy"], 2000);
  EXPECT_GE(read.events.front().time, 1735689600);
  EXPECT_LT(read.events.back().time, 1735689600 + 120 * 86400);
  EXPECT_GT(read.events.back().time - read.events.front().time, 119 * 86400);
}

TEST_F(GenerateTest, EverybodyIsSeenWhereThereIsRoom) {
  options_.n_users = 6000;
  options_.n_events = 8192;
  options_.bots = options_.duplicates = 0;
  std::set<std::string> users;
  for (const OwnedEvent& event : Events().events) users.insert(event.user);
  EXPECT_EQ(users.size(), 6000u);
}

TEST_F(GenerateTest, TheSameSeedGivesTheSameBytesOnAnyNumberOfThreads) {
  options_.n_threads = 1;
  const auto first = Bytes();
  for (const int n_threads : {2, 3, 8}) {
    options_.n_threads = n_threads;
    const auto again = Bytes();
    for (const char* name : kFiles) EXPECT_EQ(again.at(name), first.at(name)) << name << " on " << n_threads;
  }
  options_.seed = 2;
  const auto other = Bytes();
  for (const char* name : kFiles) EXPECT_NE(other.at(name), first.at(name)) << name;
}

TEST_F(GenerateTest, BatchesOfSlicesJoin) {
  // More slices than are made at once, and sessions that go on through many of them.
  options_.n_users = 1000;
  options_.n_events = 40 * 8192 + 5;
  options_.n_days = 1;
  options_.n_threads = 1;
  const auto first = Bytes();
  options_.n_threads = 3;
  EXPECT_EQ(Bytes(), first);
  const Table events(options_.out / "events.csv");
  ASSERT_EQ(events.size(), 327685u);
  std::map<std::string, std::string> session_users;
  std::set<std::string> ids;
  for (size_t row = 0; row < events.size(); ++row) {
    ids.insert(events.At(row, "event_id"));
    if (row > 0) {
      ASSERT_LE(events.At(row - 1, "timestamp"), events.At(row, "timestamp"));
    }
    const std::string& session = events.At(row, "session_id");
    if (session.empty()) continue;
    const std::string& user = events.At(row, "user_id");
    ASSERT_EQ(session_users.emplace(session, user).first->second, user) << session;
  }
  EXPECT_EQ(ids.size(), 327685u - 1638u);
  EXPECT_LT(events.At(events.size() - 1, "timestamp"), "2025-01-02");
}

TEST_F(GenerateTest, TheBytesOfSeedOneAreKnown) {
  // Every machine and compiler makes this shop.
  options_.n_users = 100;
  options_.n_items = 50;
  options_.n_events = 1000;
  options_.n_days = 10;
  options_.bots = 0.02;
  const auto bytes = Bytes();
  const std::map<std::string, std::string> expected = {
      {"events.csv", "3b73a0a07c3263186c84e5b1600bde8065297bc636a50cdd1088ebab3e949f5e"},
      {"items.csv", "cf3fff9085be1ae25c759e111b90aa692925ef8f88e1bc2658cceb42ca6deb79"},
      {"users.csv", "2dbc3583448a2ef5b7a6899aef9d4003254d4b6604226a1e5d93d2907d97784e"},
      {"truth.json", "00b00ae47e417651c0f4841286a1254e4165c122dbb6b1494dc843963f762708"},
      {"truth_duplicates.csv", "947046d122b971e955d5fac12f971217c26a75356172adb3bdd57c9b0ce019f5"},
      {"truth_bots.csv", "3d46c2313916edc40cb31af8afc5162ad95030c75acf066042ce3c41ecc8ef12"},
      {"truth_missing.csv", "cdf60cc006e3530fd4bed4f860ac1c347341137061bbb97b969160fad52079b0"}};
  for (const auto& [name, digest] : expected) EXPECT_EQ(Sha256(bytes.at(name)), digest) << name;
}

TEST_F(GenerateTest, UsersDoWhatTheirTasteSays) {
  const Export read = Events();
  const nlohmann::json truth = Truth();
  int64_t n_human = 0, in_group = 0, in_style = 0;
  for (const OwnedEvent& event : read.events) {
    const nlohmann::json& user = truth["users"][event.user];
    const nlohmann::json& item = truth["items"][event.item];
    if (user.contains("bot")) continue;
    ++n_human;
    bool liked = false;
    for (const auto& [group, weight] : user["groups"].items())
      liked |= truth["groups"][group].contains(item["category"].get<std::string>());
    in_group += liked;
    in_style += user["style"] == item["style"];
  }
  EXPECT_GT(static_cast<double>(in_group) / static_cast<double>(n_human), 0.85);
  EXPECT_GT(static_cast<double>(in_style) / static_cast<double>(n_human), 0.6);
  for (const auto& [id, user] : truth["users"].items()) {
    if (user.contains("bot")) continue;
    double total = 0;
    for (const auto& [group, weight] : user["groups"].items()) total += weight.get<double>();
    EXPECT_NEAR(total, 1, 2e-4) << id;
  }
}

TEST_F(GenerateTest, PopularityIsSkewedAndWeeksHaveARhythm) {
  const Export read = Events();
  std::map<std::string, int64_t> items;
  int64_t weekdays[7] = {}, hours[24] = {};
  for (const OwnedEvent& event : read.events) {
    ++items[event.item];
    const auto time = static_cast<std::time_t>(event.time);
    std::tm parts{};
    gmtime_r(&time, &parts);
    ++weekdays[parts.tm_wday];
    ++hours[parts.tm_hour];
  }
  std::vector<int64_t> counts;
  for (const auto& [item, n] : items) counts.push_back(n);
  std::sort(counts.rbegin(), counts.rend());
  EXPECT_GT(std::accumulate(counts.begin(), counts.begin() + 80, int64_t{0}), 60000 / 4);
  EXPECT_GT(weekdays[0], weekdays[5] * 5 / 4) << "Sundays against Fridays";
  EXPECT_GT(hours[20], 5 * hours[3]);
}

TEST_F(GenerateTest, OfAnySize) {
  const int64_t sizes[][4] = {{1, 1, 1, 1},      {1, 1, 100, 3},   {50, 1, 20, 1},      {3, 500, 2, 30},
                              {33, 31, 32, 7},   {2, 2, 8192, 1},  {9000, 40, 8193, 2}, {20000, 3, 16384, 1},
                              {5, 64, 16385, 4}, {3, 3, 100, 3650}};
  const double parts[] = {0, 0.01, 0.5};
  options_.overwrite = true;
  for (const auto& [users, items, events, days] : sizes) {
    for (const double part : parts) {
      SCOPED_TRACE(testing::Message() << users << " users, " << items << " items, " << events << " events, " << days
                                      << " days, part " << part);
      options_.n_users = users;
      options_.n_items = items;
      options_.n_events = events;
      options_.n_days = days;
      options_.cold_items = options_.duplicates = options_.bots = options_.missing = part;
      EXPECT_EQ(Events().events.size(), static_cast<size_t>(events));
      const nlohmann::json truth = Truth();
      EXPECT_EQ(truth["users"].size(), static_cast<size_t>(users));
      EXPECT_EQ(truth["items"].size(), static_cast<size_t>(items));
      const auto part_of = [&](int64_t n) { return static_cast<int64_t>(part * static_cast<double>(n)); };
      EXPECT_EQ(truth["planted"]["n_duplicates"], part_of(events));
      EXPECT_EQ(truth["planted"]["n_bots"], part_of(users));
      EXPECT_EQ(truth["planted"]["n_cold_items"], part_of(items));
      EXPECT_EQ(truth["cold_items"].size(), static_cast<size_t>(part_of(items)));
    }
  }
}

TEST_F(GenerateTest, CountsThatCannotBe) {
  for (auto member :
       {&GenerateOptions::n_users, &GenerateOptions::n_items, &GenerateOptions::n_events, &GenerateOptions::n_days}) {
    for (const int64_t count : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
      GenerateOptions options = options_;
      options.*member = count;
      ExpectError(ErrorCode::kUsage, "expected 1 to", [&] { Generate(options); });
    }
  }
  for (auto member : {&GenerateOptions::cold_items, &GenerateOptions::duplicates, &GenerateOptions::bots,
                      &GenerateOptions::missing}) {
    for (const double part : {-0.1, 0.51, std::numeric_limits<double>::quiet_NaN()}) {
      GenerateOptions options = options_;
      options.*member = part;
      ExpectError(ErrorCode::kUsage, "expected 0 to 0.5", [&] { Generate(options); });
    }
  }
  EXPECT_FALSE(fs::exists(options_.out));
}

TEST_F(GenerateTest, OnlyAGeneratedShopIsReplaced) {
  Generate(options_);
  ExpectError(ErrorCode::kAlreadyExists, "--overwrite", [&] { Generate(options_); });
  options_.overwrite = true;
  Generate(options_);
  std::ofstream(options_.out / "notes.txt") << "mine";
  ExpectError(ErrorCode::kAlreadyExists, "notes.txt", [&] { Generate(options_); });
  EXPECT_EQ(Content(options_.out / "notes.txt"), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1) << "no temporary folder stays";

  options_.out = folder_.path() / "empty";
  fs::create_directory(options_.out);
  Generate(options_);
  for (const char* name : kFiles) EXPECT_TRUE(fs::exists(options_.out / name)) << name;
  EXPECT_EQ(std::distance(fs::directory_iterator(options_.out), {}), std::ssize(kFiles));
}

TEST_F(GenerateTest, PrepareReadsItAsItIs) {
  Generate(options_);
  PrepareOptions prepare;
  prepare.inputs = {(options_.out / "events.csv").string()};
  prepare.out = folder_.path() / "dataset";
  const nlohmann::json report = Prepare(prepare);
  EXPECT_EQ(report["n_rows"], 60000);
  EXPECT_EQ(report["n_duplicates"], 300);
  EXPECT_EQ(report["n_events"], 59700);
  EXPECT_EQ(report["n_users"], 2000);
  EXPECT_EQ(report["event_types"].size(), 3u);
}

TEST_F(GenerateTest, ProgressGoesUpToTheEnd) {
  options_.n_events = 40 * 8192;
  std::vector<int64_t> seen;
  options_.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 40 * 8192);
    seen.push_back(done);
  };
  Generate(options_);
  EXPECT_GT(seen.size(), 1u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 40 * 8192);
}

}  // namespace
}  // namespace kindred
