// Adding exports to a dataset gives, byte for byte, what preparing all of them at once gives.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/intake/prepare.h"
#include "host/store/files.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// The arrays' bytes, by name.
std::map<std::string, std::string> ArraysOf(const fs::path& dataset) {
  std::map<std::string, std::string> arrays;
  for (const auto& entry : fs::directory_iterator(dataset))
    if (entry.path().extension() == ".npy")
      arrays[entry.path().filename().string()] = ReadFile(entry.path(), int64_t{1} << 30);
  return arrays;
}

nlohmann::json ContentOf(const fs::path& dataset) {
  nlohmann::json manifest = Dataset::Open(dataset)->manifest();
  for (const char* key : {"created_at", "reader"}) manifest.erase(key);
  return manifest;
}

class AppendTest : public testing::Test {
 protected:
  nlohmann::json Run(const std::vector<std::string>& inputs, const std::string& out, bool append, int n_threads = 1) {
    PrepareOptions options;
    options.inputs = inputs;
    options.out = folder_.path() / out;
    options.append = append;
    options.profile = profile_;
    options.reader.where = where_;
    options.reader.value = value_;
    options.reader.id_format = id_format_;
    options.max_bad_rows = 100;
    options.reader.n_threads = n_threads;
    options.reader.read.block_bytes = 512;
    return Prepare(options);
  }
  void ExpectSame(const std::string& a, const std::string& b) {
    const auto one = ArraysOf(folder_.path() / a), other = ArraysOf(folder_.path() / b);
    ASSERT_EQ(one.size(), other.size());
    for (const auto& [name, bytes] : one) EXPECT_TRUE(other.at(name) == bytes) << name << " differs";
    EXPECT_EQ(ContentOf(folder_.path() / a), ContentOf(folder_.path() / b));
  }

  TemporaryFolder folder_;
  ProfileConfig profile_;
  std::string where_, value_;
  IdFormat id_format_ = IdFormat::kText;
};

/// Days of events: users and items of all days, late events, events that come twice, bad rows.
std::string Day(int day, size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::string text = "user,item,event,value,time,event_id\n";
  for (size_t i = 0; i < n; ++i) {
    const int late = random() % 5 == 0 ? 2 : 0;
    const unsigned id =
        random() % 8 == 0 ? static_cast<unsigned>(i) : 1000 * static_cast<unsigned>(day) + static_cast<unsigned>(i);
    text += "u" + std::to_string(random() % 50) + ",i" +
            std::to_string(random() % 40 + static_cast<unsigned>(day) * 5) + "," +
            std::string(random() % 2 ? "view"
                        : day % 2    ? "buy"
                                     : "cart") +
            "," + std::to_string(random() % 3) + "," +
            std::to_string((day - late) * 100 + static_cast<int>(random() % 100)) + ",e" + std::to_string(id) + "\n";
    if (i % 97 == 3) text += "bad\n";
  }
  return text;
}

TEST_F(AppendTest, EqualsPreparingEverythingAtOnce) {
  std::vector<std::string> days;
  for (int day = 0; day < 4; ++day)
    days.push_back(folder_.Write("day" + std::to_string(day) + ".csv", Day(day, 300, static_cast<unsigned>(day) + 7)));
  for (const int n_threads : {1, 3}) {
    const std::string suffix = std::to_string(n_threads);
    const nlohmann::json all = Run(days, "all" + suffix, false, n_threads);
    EXPECT_GT(all["n_duplicates"], 20);
    EXPECT_GT(all["n_bad_rows"], 8);
    Run({days[0]}, "grown" + suffix, false, n_threads);
    Run({days[1], days[2]}, "grown" + suffix, true, n_threads);
    const nlohmann::json grown = Run({days[3]}, "grown" + suffix, true, n_threads);
    EXPECT_EQ(grown["n_events"], all["n_events"]);
    EXPECT_EQ(grown["n_files"], 4);
    EXPECT_EQ(ReadFile(folder_.path() / ("all" + suffix + ".bad-rows.tsv"), 1 << 20),
              ReadFile(folder_.path() / ("grown" + suffix + ".bad-rows.tsv"), 1 << 20));
    ExpectSame("all" + suffix, "grown" + suffix);
  }
  ExpectSame("all1", "all3");
}

TEST_F(AppendTest, TablesStayWhereNoneAreGiven) {
  const std::vector<std::string> days = {folder_.Write("day0.csv", Day(0, 100, 1)),
                                         folder_.Write("day1.csv", Day(1, 100, 2))};
  // i500 is never bought; some of the items come only with the second day.
  std::string table = "item_id,price,tags,name,in_stock,released,brand\ni500,5,a|b,never,true,2020-01-01,x\n";
  for (int i = 0; i < 45; i += 2)
    table += "i" + std::to_string(i) + "," + std::to_string(i) + ".5,b|c,name of " + std::to_string(i) +
             ",false,2021-01-0" + std::to_string(1 + i % 9) + "," + (i % 3 ? "x" : "y") + "\n";
  profile_.items = {FileSource(folder_.Write("items.csv", table))};
  Run(days, "all", false);
  Run({days[0]}, "grown", false);
  profile_ = {};
  Run({days[1]}, "grown", true);
  EXPECT_EQ(ArraysOf(folder_.path() / "all"), ArraysOf(folder_.path() / "grown"));
  const auto dataset = Dataset::Open(folder_.path() / "grown");
  EXPECT_EQ(dataset->items().Find("i500"), dataset->n_event_items());
  EXPECT_EQ(dataset->item_attributes().columns().size(), 6u);

  // Tables that are given replace those before.
  profile_.items = {FileSource(folder_.Write("new.csv", "item_id,price\ni501,7\n"))};
  Run({folder_.Write("day2.csv", Day(2, 10, 3))}, "grown", true);
  const auto replaced = Dataset::Open(folder_.path() / "grown");
  EXPECT_EQ(replaced->items().Find("i500"), -1);
  EXPECT_EQ(replaced->items().Find("i501"), replaced->n_event_items());
  EXPECT_EQ(replaced->item_attributes().columns().size(), 1u);
}

TEST_F(AppendTest, TheSameExportAgainChangesNothing) {
  const std::string day = folder_.Write("day.csv", Day(1, 200, 3));
  Run({day}, "once", false);
  Run({day}, "twice", false);
  const nlohmann::json report = Run({day}, "twice", true);
  EXPECT_EQ(ArraysOf(folder_.path() / "once"), ArraysOf(folder_.path() / "twice"));
  EXPECT_EQ(report["n_duplicates"].get<int64_t>(),
            Dataset::Open(folder_.path() / "once")->manifest()["n_duplicates"].get<int64_t>() + 200);
}

TEST_F(AppendTest, ADayWithoutEventsAddsNone) {
  Run({folder_.Write("day.csv", "user,item,time\nu,i,1\n")}, "data", false);
  const auto before = ArraysOf(folder_.path() / "data");
  const nlohmann::json report = Run({folder_.Write("none.csv", "user,item,time\nbad\n")}, "data", true);
  EXPECT_EQ(ArraysOf(folder_.path() / "data"), before);
  EXPECT_EQ(report["n_files"], 2);
  EXPECT_EQ(report["n_rows"], 2);
  EXPECT_EQ(report["n_bad_events"], 1);
}

TEST_F(AppendTest, WithoutIdsEveryEventCounts) {
  const std::string day = folder_.Write("day.csv", "user,item\nu,i\nv,j\n");
  Run({day}, "data", false);
  EXPECT_EQ(Run({day}, "data", true)["n_events"], 4);
}

TEST_F(AppendTest, WhatDoesNotFitIsRefusedAndNothingChanges) {
  Run({folder_.Write("a.csv", "user,item,time\nu,i,1\n")}, "data", false);
  const auto before = ArraysOf(folder_.path() / "data");
  const auto refuse = [&](const char* text, const char* expected) {
    try {
      Run({folder_.Write("b.csv", text)}, "data", true);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(expected));
    }
    EXPECT_EQ(ArraysOf(folder_.path() / "data"), before);
  };
  refuse("user,item\nu,i\n", "b.csv: no time column, but the dataset");
  refuse("user,item,time,event\nu,i,1,view\n", "b.csv: this file has the event column, but the dataset");
  refuse("user,item,time,event_id\nu,i,1,e\n", "b.csv: this file has the event id column, but the dataset");
  refuse("user,item,time,value\nu,i,1,2\n", "b.csv: this file has the value column, but the dataset");
  where_ = "user != \"x\"";
  refuse("user,item,time\nu,i,1\n", "--where is 'user != \"x\"', but the dataset");
  where_ = "";
  value_ = "number(time)";
  refuse("user,item,time\nu,i,1\n", "--value is 'number(time)', but the dataset");
  value_ = "";
  id_format_ = IdFormat::kInteger;
  refuse("user,item,time\nu,i,1\n", "--id-format is 'integer', but the dataset");
  id_format_ = IdFormat::kText;
  try {
    Run({folder_.Write("b.csv", "user,item\nu,i\n")}, "nothing", true);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
  }
}

}  // namespace
}  // namespace kindred
