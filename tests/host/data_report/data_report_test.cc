#include "host/data_report/data_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <tuple>

#include "host/data_report/calendar.h"
#include "tests/host/data_report/report_dataset.h"

namespace kindred {
namespace {

using nlohmann::json;

ReportInput RandomInput(int n, unsigned seed) {
  std::mt19937 random(seed);
  ReportInput input;
  for (int i = 0; i < n; ++i) {
    const bool huge = random() % 3 == 0;  // one user has a third of the events
    input.events.push_back({huge ? "huge" : "u" + std::to_string(random() % 50), "i" + std::to_string(random() % 30),
                            std::vector<std::string>{"view", "buy", "like"}[random() % 3],
                            static_cast<float>(random() % 5) / 2,
                            static_cast<int64_t>(random() % 100) * 50'000 - 900'000});
  }
  return input;
}

/// Degrees from their names, as the plain reference counts them.
struct Side {
  std::map<std::string, int64_t> events;
  std::map<std::string, std::set<std::string>> others;

  std::vector<int64_t> Sorted() const {
    std::vector<int64_t> out;
    for (const auto& [name, n] : events) out.push_back(n);
    std::sort(out.begin(), out.end());
    return out;
  }
};

/// Percentile by the definition: the least number that at least `percent` % do not exceed.
template <class T>
T Percentile(std::vector<T> numbers, int percent) {
  std::sort(numbers.begin(), numbers.end());
  size_t i = 0;
  while (100 * (i + 1) < static_cast<size_t>(percent) * numbers.size()) ++i;
  return numbers[i];
}

void ExpectSide(const json& found, const Side& side, int64_t n_events) {
  const std::vector<int64_t> degrees = side.Sorted();
  for (const auto& [name, percent] : {std::pair("min", 0),
                                      {"p10", 10},
                                      {"p25", 25},
                                      {"median", 50},
                                      {"p75", 75},
                                      {"p90", 90},
                                      {"p99", 99},
                                      {"max", 100}})
    EXPECT_EQ(found["events"][name], Percentile(degrees, percent)) << name;
  int64_t n_entries = 0, single = 0;
  for (const auto& [name, others] : side.others) {
    n_entries += static_cast<int64_t>(others.size());
    single += others.size() == 1;
  }
  EXPECT_DOUBLE_EQ(found["entries"]["mean"].get<double>(),
                   static_cast<double>(n_entries) / static_cast<double>(degrees.size()));
  EXPECT_EQ(found["n_with_one_entry"], single);
  EXPECT_EQ(found["n_with_one_event"], std::count(degrees.begin(), degrees.end(), 1));
  EXPECT_EQ(found["top"].size(), std::min<size_t>(20, degrees.size()));
  for (size_t i = 0; i < found["top"].size(); ++i) {
    const json& top = found["top"][i];
    EXPECT_EQ(top["n_events"], degrees[degrees.size() - 1 - i]);
    EXPECT_EQ(top["n_events"], side.events.at(top["id"]));
    EXPECT_EQ(top["n_entries"], side.others.at(top["id"]).size());
    EXPECT_DOUBLE_EQ(top["share"].get<double>(), top["n_events"].get<double>() / static_cast<double>(n_events));
  }
}

TEST(DataReport, AgreesWithAPlainCount) {
  for (const int n : {1, 2, 31, 32, 33, 4000}) {
    SCOPED_TRACE(n);
    const ReportInput input = RandomInput(n, static_cast<unsigned>(n));
    const json report = ReportOf(input);
    Side users, items;
    std::set<std::pair<std::string, std::string>> entries;
    std::set<std::tuple<std::string, std::string, std::string, int64_t>> different;
    std::map<std::string, int64_t> types;
    std::vector<float> values;
    for (const OwnedEvent& event : input.events) {
      ++users.events[event.user];
      users.others[event.user].insert(event.item);
      ++items.events[event.item];
      items.others[event.item].insert(event.user);
      entries.emplace(event.user, event.item);
      different.emplace(event.user, event.item, event.type, event.time);
      ++types[event.type];
      values.push_back(event.value);
    }
    EXPECT_EQ(report["n_events"], n);
    EXPECT_EQ(report["n_entries"], entries.size());
    EXPECT_EQ(report["n_repeated_events"], input.events.size() - different.size());
    EXPECT_DOUBLE_EQ(
        report["density"].get<double>(),
        static_cast<double>(entries.size()) / static_cast<double>(users.events.size() * items.events.size()));
    ExpectSide(report["users"], users, n);
    ExpectSide(report["items"], items, n);
    for (const auto& [name, percent] : {std::pair("min", 0), {"p10", 10}, {"median", 50}, {"p90", 90}, {"max", 100}})
      EXPECT_EQ(report["values"][name], Percentile(values, percent)) << name;
    EXPECT_EQ(report["values"]["n_zero"], std::count(values.begin(), values.end(), 0.0f));
    ASSERT_EQ(report["event_types"].size(), types.size());
    for (const json& type : report["event_types"]) {
      std::set<std::string> of_users, of_items;
      double sum = 0;
      for (const OwnedEvent& event : input.events) {
        if (event.type != type["name"]) continue;
        of_users.insert(event.user);
        of_items.insert(event.item);
        sum += event.value;
      }
      EXPECT_EQ(type["n_events"], types[type["name"]]);
      EXPECT_EQ(type["n_users"], of_users.size());
      EXPECT_EQ(type["n_items"], of_items.size());
      EXPECT_DOUBLE_EQ(type["mean_value"].get<double>(), sum / type["n_events"].get<double>());
    }
  }
}

TEST(DataReport, NegativeValuesAreInOrder) {
  ReportInput input = RandomInput(4000, 5);
  std::vector<float> values;
  for (OwnedEvent& event : input.events) {
    event.value -= 3.25f;
    values.push_back(event.value);
  }
  const json report = ReportOf(input);
  for (const auto& [name, percent] : {std::pair("min", 0), {"p10", 10}, {"median", 50}, {"p90", 90}, {"max", 100}})
    EXPECT_EQ(report["values"][name], Percentile(values, percent)) << name;
  EXPECT_LT(report["values"]["min"].get<double>(), 0);
}

TEST(DataReport, TimesAgreeWithAPlainCount) {
  for (const int n : {1, 33, 4000}) {
    SCOPED_TRACE(n);
    const ReportInput input = RandomInput(n, static_cast<unsigned>(n));
    const json report = ReportOf(input);
    std::map<std::string, int64_t> weeks, new_users, new_items;
    std::map<std::pair<std::string, std::string>, int64_t> by_type;
    std::map<std::string, int64_t> first_of_user, first_of_item;
    std::vector<std::vector<int64_t>> hours(7, std::vector<int64_t>(24, 0));
    std::set<int64_t> days;
    const auto week_of = [](int64_t time) { return IsoWeekText(WeekOfDay(DayOf(time))); };
    const auto earlier = [](std::map<std::string, int64_t>& first, const std::string& id, int64_t time) {
      const auto [place, is_new] = first.emplace(id, time);
      if (!is_new) place->second = std::min(place->second, time);
    };
    for (const OwnedEvent& event : input.events) {
      ++weeks[week_of(event.time)];
      ++by_type[{week_of(event.time), event.type}];
      const int64_t day = DayOf(event.time);
      days.insert(day);
      ++hours[static_cast<size_t>(WeekdayOf(day))][static_cast<size_t>((event.time - day * 86400) / 3600)];
      earlier(first_of_user, event.user, event.time);
      earlier(first_of_item, event.item, event.time);
    }
    for (const auto& [id, time] : first_of_user) ++new_users[week_of(time)];
    for (const auto& [id, time] : first_of_item) ++new_items[week_of(time)];
    const json& times = report["times"];
    ASSERT_EQ(times["weeks"].size(), weeks.size());
    auto expected = weeks.begin();
    for (const json& week : times["weeks"]) {
      EXPECT_EQ(week["week"], expected->first);
      EXPECT_EQ(week["n_events"], expected->second);
      EXPECT_EQ(week["n_new_users"], new_users[expected->first]);
      EXPECT_EQ(week["n_new_items"], new_items[expected->first]);
      for (size_t type = 0; type < report["event_types"].size(); ++type)
        EXPECT_EQ(week["by_type"][type], (by_type[{expected->first, report["event_types"][type]["name"]}]));
      ++expected;
    }
    EXPECT_EQ(times["weekday_hours"], json(hours));
    EXPECT_EQ(times["n_days"], *days.rbegin() - *days.begin() + 1);
    EXPECT_EQ(times["n_days_with_events"], days.size());
  }
}

TEST(DataReport, HasTheSameMembersWhateverTheDataset) {
  const auto keys = [](const json& object) {
    std::set<std::string> out;
    for (const auto& [key, value] : object.items()) out.insert(key);
    return out;
  };
  const json rich = ReportOf(RandomInput(100, 1));
  ReportInput poor;
  poor.events = {{"u", "i"}};
  poor.has_times = poor.has_types = false;
  const json report = ReportOf(poor);
  EXPECT_EQ(keys(report), keys(rich));
  EXPECT_EQ(keys(report),
            (std::set<std::string>{
                "near_types",   "weighting",   "bad_rows",          "created_at",   "dataset",         "density",
                "digest",       "event_types", "item_columns",      "items",        "kindred_version", "n_bad_rows",
                "n_duplicates", "n_entries",   "n_bad_events",      "n_events",     "n_files",         "n_filtered",
                "n_items",      "n_rows",      "n_repeated_events", "n_users",      "reader",          "sources",
                "time_range",   "times",       "unmatched",         "user_columns", "users",           "values",
                "warnings"}));
  EXPECT_EQ(keys(report["users"]),
            (std::set<std::string>{"entries", "events", "gini", "n_with_half", "n_with_one_entry", "n_with_one_event",
                                   "placeholders", "tail", "top", "top_10_percent_share", "top_1_percent_share"}));
  EXPECT_EQ(keys(rich["times"]),
            (std::set<std::string>{"median_day", "middle", "n_days", "n_days_with_events", "n_in_1970", "n_in_future",
                                   "n_without_date", "unusual_days", "weekday_hours", "weeks", "whole_days"}));
  EXPECT_EQ(keys(rich["times"]["weeks"][0]),
            (std::set<std::string>{"by_type", "monday", "n_events", "n_new_items", "n_new_users", "week"}));
  EXPECT_EQ(report["times"], nullptr);
  EXPECT_EQ(report["time_range"], nullptr);
  EXPECT_EQ(report["event_types"], json::array());
  EXPECT_EQ(report["density"], 1.0);
  EXPECT_EQ(report["n_rows"], nullptr) << "the manifest does not say";
}

TEST(DataReport, RepeatsCountWhatThereIs) {
  ReportInput input;
  input.events = {{"u", "i", "a", 1, 5}, {"u", "i", "a", 2, 5}, {"u", "i", "b", 1, 5},
                  {"u", "i", "a", 1, 6}, {"v", "i", "a", 1, 5}, {"u", "i", "a", 1, 5}};
  EXPECT_EQ(ReportOf(input)["n_repeated_events"], 2);
  for (OwnedEvent& event : input.events) event.time = 0;
  input.has_times = false;
  EXPECT_EQ(ReportOf(input)["n_repeated_events"], 3);
  for (OwnedEvent& event : input.events) event.type = "";
  input.has_types = false;
  EXPECT_EQ(ReportOf(input)["n_repeated_events"], 4);
}

TEST(DataReport, ValuesOfAllSizes) {
  ReportInput input;
  for (const float value : {0.0f, -0.0f, 1e-45f, 1.5f, 3.4e38f}) input.events.push_back({"u", "i", "a", value, 0});
  const json values = ReportOf(input)["values"];
  EXPECT_EQ(values["min"], 0);
  EXPECT_EQ(values["median"], 1e-45f);
  EXPECT_EQ(values["p75"], 1.5);
  EXPECT_EQ(values["max"], 3.4e38f);
  EXPECT_EQ(values["n_zero"], 2);
}

TEST(DataReport, TimesWithoutADateAreCountedAside) {
  ReportInput input;
  input.events = {{"u", "i", "a", 1, INT64_MIN},      {"u", "j", "a", 1, kYear1 - 1}, {"u", "i", "a", 1, kYear1},
                  {"u", "i", "a", 1, kYear10000 - 1}, {"v", "k", "a", 1, kYear10000}, {"v", "k", "a", 1, INT64_MAX}};
  const json report = ReportOf(input);
  const json& times = report["times"];
  EXPECT_EQ(times["n_without_date"], 4);
  ASSERT_EQ(times["weeks"].size(), 2u);
  EXPECT_EQ(times["weeks"][0]["week"], "0001-W01");
  EXPECT_EQ(times["weeks"][0]["n_new_users"], 1);
  EXPECT_EQ(times["weeks"][0]["n_new_items"], 1);
  EXPECT_EQ(times["weeks"][1]["week"], "9999-W52");
  EXPECT_EQ(times["n_days"], 3652059);
  EXPECT_FALSE(DataReportText(report).empty());
  EXPECT_FALSE(DataReportHtml(report).empty());

  input.events = {{"u", "i", "a", 1, INT64_MAX}};
  EXPECT_EQ(ReportOf(input)["times"]["n_without_date"], 1);
  EXPECT_EQ(ReportOf(input)["times"]["middle"], nullptr);
  EXPECT_FALSE(DataReportText(ReportOf(input)).empty());
  EXPECT_FALSE(DataReportHtml(ReportOf(input)).empty());
}

TEST(DataReport, OfNothing) {  // prepare writes no such dataset, but a reader takes it
  const json report = ReportOf({});
  EXPECT_EQ(report["n_events"], 0);
  EXPECT_EQ(report["density"], 0);
  EXPECT_EQ(report["users"]["events"], nullptr);
  EXPECT_EQ(report["values"], nullptr);
  EXPECT_EQ(report["warnings"], json::array());
  EXPECT_FALSE(DataReportText(report).empty());
  EXPECT_FALSE(DataReportHtml(report).empty());
}

TEST(DataReport, AManifestOfAnotherFormIsNoProblem) {
  ReportInput input;
  input.events = {{"u", "i", "a", 1, 0}};
  input.manifest = json::parse(R"({"n_rows": "many", "n_bad_rows": [1], "bad_rows": {"x": "y", "\u001b": 2}, "sources":
      [1, {"path": 3, "bytes": "x"}, {"path": "p\u0007", "bytes": 5, "sha256": "s"}], "reader": {"a": null, "b": [1]},
      "unmatched": 4})");
  const json report = ReportOf(input);
  EXPECT_EQ(report["n_rows"], nullptr);
  EXPECT_EQ(report["n_bad_rows"], nullptr);
  EXPECT_EQ(report["bad_rows"], json::parse(R"({"\\x1b": 2})"));
  EXPECT_EQ(report["sources"], json::parse(R"([{"path": null, "bytes": null, "sha256": null},
                                               {"path": "p\\x07", "bytes": 5, "sha256": "s"}])"));
  EXPECT_EQ(report["reader"], json::parse(R"({"b": "[1]"})"));
  EXPECT_EQ(report["item_columns"], json::array());
  EXPECT_EQ(report["unmatched"], json::object());
  EXPECT_FALSE(DataReportText(report).empty());
  EXPECT_FALSE(DataReportHtml(report).empty());
}

}  // namespace
}  // namespace kindred
