// What is planted in a generated shop is found again in its files, and nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <tuple>

#include "host/shop/generate.h"
#include "host/text/field_values.h"
#include "tests/host/shop/table.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

class GenerateTruthTest : public testing::Test {
 protected:
  GenerateTruthTest() {
    options_.out = folder_.path() / "shop";
    options_.n_users = 1500;
    options_.n_items = 600;
    options_.n_events = 50000;
    options_.n_days = 400;
    options_.seed = 11;
    options_.cold_items = 0.05;
    options_.duplicates = 0.02;
    options_.bots = 0.004;
    options_.missing = 0.03;
  }

  void Make() {
    report_ = Generate(options_);
    truth_ = nlohmann::json::parse(Content(options_.out / "truth.json"));
    for (const char* name :
         {"events.csv", "items.csv", "users.csv", "truth_duplicates.csv", "truth_bots.csv", "truth_missing.csv"})
      tables_.emplace(name, Table(options_.out / name));
  }
  const Table& Of(const char* name) const { return tables_.at(name); }
  const Table& Events() const { return Of("events.csv"); }

  TemporaryFolder folder_;
  GenerateOptions options_;
  nlohmann::json report_, truth_;
  std::map<std::string, Table> tables_;
};

int64_t TimeOf(const std::string& text) {
  int64_t time = 0;
  EXPECT_EQ(ParseTime(text, &time), nullptr) << text;
  return time;
}

using Cells = std::set<std::tuple<std::string, size_t, std::string>>;

TEST_F(GenerateTruthTest, Duplicates) {
  Make();
  std::map<std::string, size_t> first_line;
  std::set<std::pair<std::string, size_t>> found, told;
  for (size_t line = 2; line < Events().size() + 2; ++line) {
    const auto [place, is_new] = first_line.emplace(Events().OnLine(line, "event_id"), line);
    if (is_new) continue;
    found.emplace(place->first, line);
    EXPECT_EQ(Events().Line(line), Events().Line(place->second)) << "the whole line";
  }
  const Table& list = Of("truth_duplicates.csv");
  for (size_t row = 0; row < list.size(); ++row)
    told.emplace(list.At(row, "event_id"), std::stoull(list.At(row, "line")));
  EXPECT_EQ(found, told);
  EXPECT_EQ(told.size(), 1000u);
  EXPECT_EQ(list.size(), 1000u);
  EXPECT_EQ(truth_["planted"]["n_duplicates"], 1000);
  EXPECT_EQ(report_["n_duplicates"], 1000);
  // Ids count what happened.
  std::set<std::string> expected;
  for (int i = 1; i <= 49000; ++i) expected.insert("e" + std::to_string(i));
  std::set<std::string> ids;
  for (const auto& [id, line] : first_line) ids.insert(id);
  EXPECT_EQ(ids, expected);
}

TEST_F(GenerateTruthTest, MissingValues) {
  Make();
  const std::map<std::string, std::set<std::string>> optional = {{"events.csv", {"session_id", "price", "quantity"}},
                                                                 {"items.csv", {"brand", "tags", "description"}},
                                                                 {"users.csv", {"country", "age_group", "device"}}};
  Cells found, told;
  std::map<std::string, std::map<std::string, int64_t>> counts;
  for (const auto& [file, columns] : optional) {
    const Table& table = tables_.at(file);
    for (const std::string& column : table.header()) {
      int64_t n = 0;
      for (size_t line = 2; line < table.size() + 2; ++line) {
        if (!table.OnLine(line, column).empty()) continue;
        found.emplace(file, line, column);
        ++n;
      }
      EXPECT_EQ(n > 0, columns.count(column) > 0) << file << " " << column;
      if (columns.count(column) == 0) continue;
      counts[file][column] = n;
      const double expected = 0.03 * static_cast<double>(table.size());
      EXPECT_NEAR(static_cast<double>(n), expected, 5 * std::sqrt(expected)) << file << " " << column;
    }
  }
  const Table& list = Of("truth_missing.csv");
  for (size_t row = 0; row < list.size(); ++row)
    told.emplace(list.At(row, "file"), std::stoull(list.At(row, "line")), list.At(row, "column"));
  EXPECT_EQ(found, told);
  EXPECT_EQ(list.size(), told.size());
  EXPECT_EQ(truth_["planted"]["missing"], nlohmann::json(counts));
  EXPECT_EQ(report_["n_missing"], told.size());
}

TEST_F(GenerateTruthTest, Bots) {
  Make();
  std::map<std::string, int64_t> events;
  std::map<std::string, std::vector<int64_t>> times;
  for (size_t row = 0; row < Events().size(); ++row) {
    const std::string& user = Events().At(row, "user_id");
    ++events[user];
    times[user].push_back(TimeOf(Events().At(row, "timestamp")));
  }
  const Table& list = Of("truth_bots.csv");
  ASSERT_EQ(list.size(), 6u);
  int64_t n_bot_events = 0;
  std::set<std::string> bots;
  for (size_t row = 0; row < list.size(); ++row) {
    const std::string& bot = list.At(row, "user_id");
    bots.insert(bot);
    EXPECT_EQ(std::to_string(events[bot]), list.At(row, "n_events"));
    EXPECT_EQ(truth_["users"][bot], nlohmann::json({{"bot", true}}));
    n_bot_events += events[bot];
  }
  EXPECT_EQ(truth_["planted"]["n_bot_events"], n_bot_events);
  EXPECT_GE(n_bot_events, 50000 * 0.12) << "each as many as thirty others";
  EXPECT_LE(n_bot_events, 50000 * 0.12 * 1.04) << "and some of them twice";
  for (const auto& [user, entry] : truth_["users"].items())
    EXPECT_EQ(entry.contains("bot"), bots.count(user) > 0) << user;
  // No human looks at ten things in twenty seconds; bots always do.
  for (const auto& [user, moments] : times) {
    bool fast = false;
    for (size_t i = 10; i < moments.size(); ++i) fast |= moments[i] - moments[i - 10] <= 20;
    EXPECT_EQ(fast, bots.count(user) > 0) << user;
  }
}

TEST_F(GenerateTruthTest, ColdItemsAndReleases) {
  Make();
  std::map<std::string, std::string> released;
  const Table& items = Of("items.csv");
  for (size_t row = 0; row < items.size(); ++row) released[items.At(row, "item_id")] = items.At(row, "released");
  EXPECT_EQ(released.size(), 600u);
  EXPECT_EQ(truth_["items"].size(), 600u);
  std::set<std::string> seen;
  for (size_t row = 0; row < Events().size(); ++row) {
    const std::string& item = Events().At(row, "item_id");
    seen.insert(item);
    ASSERT_LE(released.at(item), Events().At(row, "timestamp")) << item;
  }
  ASSERT_EQ(truth_["cold_items"].size(), 30u);
  for (const auto& item : truth_["cold_items"]) EXPECT_EQ(seen.count(item.get<std::string>()), 0u) << item;
  EXPECT_GT(seen.size(), 550u);
  int64_t n_new = 0;
  for (const auto& [item, time] : released) n_new += time >= "2025-01-01" && seen.count(item) > 0;
  EXPECT_GT(n_new, 20);
}

TEST_F(GenerateTruthTest, PricesFollowTheSales) {
  Make();
  std::map<std::string, std::pair<std::string, double>> items;  // category, price
  for (size_t row = 0; row < Of("items.csv").size(); ++row)
    items[Of("items.csv").At(row, "item_id")] = {Of("items.csv").At(row, "category"),
                                                 std::stod(Of("items.csv").At(row, "price"))};
  int64_t n_on_sale = 0;
  for (size_t row = 0; row < Events().size(); ++row) {
    const std::string& price = Events().At(row, "price");
    if (price.empty()) continue;
    const auto& [category, usual] = items.at(Events().At(row, "item_id"));
    const std::string day = Events().At(row, "timestamp").substr(0, 10);
    int percent = 0;
    for (const nlohmann::json& sale : truth_["sales"])
      if (sale["category"] == category && sale["first_day"] <= day && day <= sale["last_day"])
        percent = sale["percent"].get<int>();
    n_on_sale += percent > 0;
    ASSERT_NEAR(std::stod(price), usual * (100 - percent) / 100, 0.0101) << Events().Line(row + 2);
  }
  EXPECT_GT(n_on_sale, 2000);
  EXPECT_LT(n_on_sale, 15000);
}

TEST_F(GenerateTruthTest, SeasonsAreSeen) {
  Make();
  ASSERT_GE(truth_["seasons"].size(), 5u);
  // In the month around its peak, a category's share of the events beside what it has half a year away.
  for (const auto& [category, season] : truth_["seasons"].items()) {
    const int64_t peak = TimeOf("2025-" + season["peak"].get<std::string>());
    double share[2] = {};
    for (const int opposite : {0, 1}) {
      const int64_t middle = peak + (opposite == 0 ? 0 : (peak < 1751328000 ? 182 : -182)) * 86400;
      int64_t all = 0, own = 0;
      for (size_t row = 0; row < Events().size(); ++row) {
        const int64_t time = TimeOf(Events().At(row, "timestamp"));
        if (std::abs(time - middle) > 15 * 86400) continue;
        ++all;
        own += truth_["items"][Events().At(row, "item_id")]["category"] == category;
      }
      share[opposite] = static_cast<double>(own) / static_cast<double>(all);
    }
    const double height = season["height"].get<double>();
    EXPECT_GT(share[0] / share[1], 1 + 0.25 * (height - 1)) << category << ": " << share[0] << " and " << share[1];
  }
}

TEST_F(GenerateTruthTest, SessionsAreOneUsersAndShort) {
  Make();
  struct Session {
    std::string user;
    int64_t first = 0, last = 0;
  };
  std::map<std::string, Session> sessions;
  int64_t n_buys = 0;
  for (size_t row = 0; row < Events().size(); ++row) {
    const std::string& id = Events().At(row, "session_id");
    if (id.empty()) continue;
    const int64_t time = TimeOf(Events().At(row, "timestamp"));
    const auto [place, is_new] = sessions.try_emplace(id);
    Session& session = place->second;
    if (is_new) session = {Events().At(row, "user_id"), time, time};
    EXPECT_EQ(session.user, Events().At(row, "user_id"));
    session.last = time;
    const std::string& quantity = Events().At(row, "quantity");
    const std::string& type = Events().At(row, "event");
    if (quantity.empty()) continue;
    if (type == "view") {
      EXPECT_EQ(quantity, "1");
    }
    n_buys += type == "buy";
  }
  EXPECT_GT(sessions.size(), 5000u);
  EXPECT_LT(sessions.size(), 15000u);
  EXPECT_GT(n_buys, 1500);
  for (const auto& [id, session] : sessions) EXPECT_LE(session.last - session.first, 90 * 95) << id;
}

TEST_F(GenerateTruthTest, NobodyActsBeforeSigningUp) {
  Make();
  const Table& users = Of("users.csv");
  std::map<std::string, std::string> signed_up;
  for (size_t row = 0; row < users.size(); ++row) signed_up[users.At(row, "user_id")] = users.At(row, "signed_up");
  ASSERT_EQ(signed_up.size(), 1500u);
  for (size_t row = 0; row < Events().size(); ++row)
    ASSERT_LT(signed_up.at(Events().At(row, "user_id")), Events().At(row, "timestamp"));
}

TEST_F(GenerateTruthTest, NothingIsWrongWhereNothingWasAskedFor) {
  options_.cold_items = options_.duplicates = options_.bots = options_.missing = 0;
  Make();
  for (const char* name : {"truth_duplicates.csv", "truth_bots.csv", "truth_missing.csv"})
    EXPECT_EQ(Of(name).size(), 0u) << name;
  EXPECT_TRUE(truth_["cold_items"].empty());
  std::set<std::string> ids;
  for (size_t row = 0; row < Events().size(); ++row) ids.insert(Events().At(row, "event_id"));
  EXPECT_EQ(ids.size(), 50000u);
  for (const char* name : {"events.csv", "items.csv", "users.csv"})
    for (size_t row = 0; row < Of(name).size(); ++row)
      for (const std::string& column : Of(name).header()) ASSERT_NE(Of(name).At(row, column), "") << name;
}

}  // namespace
}  // namespace kindred
