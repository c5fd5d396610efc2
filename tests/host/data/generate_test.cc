#include "host/data/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "host/data/prepare.h"
#include "host/data/shop.h"
#include "host/store/checksum.h"
#include "tests/host/data/export.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;

class GenerateTest : public testing::Test {
 protected:
  GenerateTest() { options_.out = folder_.path() / "shop"; }

  Export Events() {
    Generate(options_);
    return ReadFiles({(options_.out / "events.csv").string()}, {});
  }
  nlohmann::json Truth() { return nlohmann::json::parse(Content(options_.out / "truth.json")); }

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
  EXPECT_GE(items.size(), 790u);
  EXPECT_GT(types["view"], 5 * types["cart"]);
  EXPECT_GT(types["cart"], types["buy"]);
  EXPECT_GT(types["buy"], 2000);
  EXPECT_LT(read.events.back().time - read.events.front().time, 120 * 86400);
  EXPECT_GT(read.events.back().time - read.events.front().time, 119 * 86400);
}

TEST_F(GenerateTest, TheSameSeedGivesTheSameBytes) {
  Generate(options_);
  std::map<std::string, std::string> first;
  for (const char* name : {"events.csv", "items.csv", "truth.json"}) first[name] = Content(options_.out / name);
  options_.overwrite = true;
  Generate(options_);
  for (const auto& [name, content] : first) EXPECT_EQ(Content(options_.out / name), content) << name;
  options_.seed = 2;
  Generate(options_);
  for (const auto& [name, content] : first) EXPECT_NE(Content(options_.out / name), content) << name;
}

TEST_F(GenerateTest, TheBytesOfSeedOneAreKnown) {
  // Every machine and compiler makes this shop.
  options_.n_users = 100;
  options_.n_items = 50;
  options_.n_events = 1000;
  options_.n_days = 10;
  Generate(options_);
  EXPECT_EQ(Sha256(Content(options_.out / "events.csv")),
            "30b5062074a298eadd72a5a822b3eaa8f2c9c95fe83131edbd192b08f963d9a3");
  EXPECT_EQ(Sha256(Content(options_.out / "items.csv")),
            "5069f02bfa9c6bbb79dc95453ee1412c46c72bd764346b58ac318eda2d013b7b");
  EXPECT_EQ(Sha256(Content(options_.out / "truth.json")),
            "16aa535cab25b1991d7d8c6d066a6dce6f443ca0cb206a9895ce5ed9ad036fb7");
}

TEST_F(GenerateTest, UsersDoWhatTheirTasteSays) {
  const Export read = Events();
  const nlohmann::json truth = Truth();
  int64_t in_group = 0, in_style = 0;
  for (const OwnedEvent& event : read.events) {
    const nlohmann::json& user = truth["users"][event.user];
    const nlohmann::json& item = truth["items"][event.item];
    bool liked = false;
    for (const auto& [group, weight] : user["groups"].items())
      liked |= truth["groups"][group].contains(item["category"].get<std::string>());
    in_group += liked;
    in_style += user["style"] == item["style"];
  }
  const auto n = static_cast<double>(read.events.size());
  EXPECT_GT(static_cast<double>(in_group) / n, 0.85);
  EXPECT_GT(static_cast<double>(in_style) / n, 0.6);
  for (const auto& [id, user] : truth["users"].items()) {
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

TEST_F(GenerateTest, ItemsHaveNamesOfTheirOwn) {
  const Shop shop(1, 20000, 7);
  std::set<std::string> names, ids;
  for (size_t i = 0; i < shop.items().size(); ++i) {
    EXPECT_TRUE(names.insert(shop.items()[i].name).second) << shop.items()[i].name;
    EXPECT_TRUE(ids.insert(shop.ItemId(static_cast<int64_t>(i))).second);
    EXPECT_GE(shop.items()[i].cents, 90);
  }
}

TEST_F(GenerateTest, OfAnySize) {
  const int64_t sizes[][4] = {{1, 1, 1, 1}, {1, 1, 100, 3}, {50, 1, 20, 1}, {3, 500, 2, 30}, {33, 31, 32, 7}};
  options_.overwrite = true;
  for (const auto& [users, items, events, days] : sizes) {
    options_.n_users = users;
    options_.n_items = items;
    options_.n_events = events;
    options_.n_days = days;
    EXPECT_EQ(Events().events.size(), static_cast<size_t>(events));
    EXPECT_EQ(Truth()["users"].size(), static_cast<size_t>(users));
    EXPECT_EQ(Truth()["items"].size(), static_cast<size_t>(items));
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
  EXPECT_TRUE(fs::exists(options_.out / "truth.json"));
}

TEST_F(GenerateTest, PrepareReadsItAsItIs) {
  Generate(options_);
  PrepareOptions prepare;
  prepare.inputs = {(options_.out / "events.csv").string()};
  prepare.out = folder_.path() / "dataset";
  const nlohmann::json report = Prepare(prepare);
  EXPECT_EQ(report["n_events"], 60000);
  EXPECT_EQ(report["n_users"], 2000);
  EXPECT_EQ(report["event_types"].size(), 3u);
}

TEST(WeightedChoice, DrawsInProportion) {
  const std::vector<double> weights = {0, 1, 0, 3, 0};
  const WeightedChoice choice(weights);
  EXPECT_EQ(choice.Draw(0), 1);
  EXPECT_EQ(choice.Draw(0.249), 1);
  EXPECT_EQ(choice.Draw(0.25), 3);
  EXPECT_EQ(choice.Draw(0.999999999), 3);
  EXPECT_EQ(choice.Draw(0.999999999, 3), 1);
  EXPECT_EQ(choice.Share(1), 0.25);
  EXPECT_EQ(choice.Share(4), 1);
}

}  // namespace
}  // namespace kindred
