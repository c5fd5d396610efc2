// What a report warns of, its text, and its page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "host/data_report/data_figures.h"
#include "tests/host/data_report/report_dataset.h"
#include "tests/support/html.h"

namespace kindred {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kDay = 86400, kStart = 1600000000 / kDay * kDay;

/// 20 events a day of as many users with some items each, for so many days; nothing to warn of.
ReportInput Quiet(int n_days = 60) {
  ReportInput input;
  for (int day = 0; day < n_days; ++day)
    for (int i = 0; i < 20; ++i)
      input.events.push_back({"u" + std::to_string(i + 20 * (day % 10)), "i" + std::to_string((7 * i + 3 * day) % 101),
                              "view", 1, kStart + day * kDay + 600 * i});
  input.manifest = {{"n_files", 1}, {"n_rows", input.events.size()}, {"n_bad_rows", 0}, {"bad_rows", json::object()}};
  return input;
}

std::vector<std::string> Kinds(const ReportInput& input) {
  std::vector<std::string> kinds;
  const json report = ReportOf(input);
  for (const json& warning : report["warnings"]) kinds.push_back(warning["kind"]);
  return kinds;
}

std::string Message(const json& report, const std::string& kind) {
  for (const json& warning : DataWarnings(report))
    if (warning["kind"] == kind) return warning["message"];
  return "";
}

std::string Message(const ReportInput& input, const std::string& kind) {
  return Message(ReportOf(input), kind);
}

TEST(DataWarnings, NoneForADatasetLikeMost) {
  EXPECT_THAT(Kinds(Quiet()), testing::IsEmpty());
}

TEST(DataWarnings, TimesThatCannotBe) {
  ReportInput input = Quiet();
  input.events.push_back({"u1", "i1", "view", 1, 4'000'000'000});
  EXPECT_EQ(Message(input, "in_future"),
            "1 events are later than the dataset was made, the last at 2096-10-02 07:06:40");
  input = Quiet();
  input.events.push_back({"u1", "i1", "view", 1, 0});
  EXPECT_THAT(Message(input, "in_1970"), HasSubstr("1 events are of 1970, while half of all are later than 2020-10-"));
  EXPECT_THAT(Message(input, "far_times"), HasSubstr("99.8 % of the events lie between 2020-09-13 and 2020-11-11"));
  EXPECT_THAT(Kinds(input), Not(Contains("empty_weeks"))) << "only those among the others count";
  input = Quiet();
  input.events.push_back({"u1", "i1", "view", 1, INT64_MAX});
  EXPECT_EQ(Message(input, "without_date"), "1 events have a time outside the years 1 to 9999");
  for (OwnedEvent& event : input.events) event.time = kStart;
  EXPECT_THAT(Message(input, "one_time"), HasSubstr("2020-09-13 00:00:00"));
}

TEST(DataWarnings, WeeksWithoutEventsAndDaysWithTooMany) {
  ReportInput input = Quiet();
  std::erase_if(input.events,
                [](const OwnedEvent& e) { return e.time >= kStart + 15 * kDay && e.time < kStart + 29 * kDay; });
  EXPECT_EQ(Message(input, "empty_weeks"), "2 weeks among the others have no events, 2 in a row from 2020-09-28");
  input = Quiet();
  std::erase_if(input.events,
                [](const OwnedEvent& e) { return e.time >= kStart + 15 * kDay && e.time < kStart + 22 * kDay; });
  EXPECT_EQ(Message(input, "empty_weeks"), "one week has no events: that of 2020-09-28");

  input = Quiet();
  for (int i = 0; i < 79; ++i)
    input.events.push_back({"v" + std::to_string(i), "i" + std::to_string(i), "view", 1, kStart + 30 * kDay + i});
  EXPECT_THAT(Kinds(input), Not(Contains("unusual_day")));
  input.events.push_back({"w", "i1", "view", 1, kStart + 30 * kDay});
  EXPECT_EQ(Message(input, "unusual_day"), "2020-10-13 has 100 events, 5.0 times the median of the days around it");
}

TEST(DataWarnings, UsersAndItems) {
  ReportInput input = Quiet();
  for (int i = 0; i < 100; ++i) input.events.push_back({"bot", "i" + std::to_string(i), "view", 1, kStart + 700 * i});
  EXPECT_EQ(Message(input, "large_user"), "user 'bot' has 7.7 % of all events (100)");
  EXPECT_THAT(Kinds(input), Not(Contains("large_item")));
  for (int i = 0; i < 200; ++i) input.events.push_back({"u" + std::to_string(i), "hit", "view", 1, kStart + 700 * i});
  EXPECT_EQ(Message(input, "large_item"), "item 'hit' has 13.3 % of all events (200)");
  input.events.push_back({"null", "i1", "view", 1, kStart});
  EXPECT_EQ(Message(input, "placeholder_id"), "'null' is a user with 1 events: was it meant as a missing one?");
  for (int i = 0; i < 300; ++i) input.events.push_back({"once" + std::to_string(i), "i1", "view", 1, kStart + i});
  EXPECT_THAT(Message(input, "single_entries"), HasSubstr("301 of 502 users (60 %) have only one item"));
}

TEST(DataWarnings, OneUserIsNotALargeOne) {
  ReportInput input;
  for (int i = 0; i < 50; ++i) input.events.push_back({"u", "i" + std::to_string(i), "view", 1, kStart + i * kDay});
  EXPECT_THAT(Kinds(input), testing::IsEmpty());
}

TEST(DataWarnings, RowsValuesAndAttributes) {
  ReportInput input = Quiet();
  input.manifest["n_bad_rows"] = 13;
  EXPECT_EQ(Message(input, "bad_rows"), "13 of 1200 rows were bad and set aside (1.1 %)");
  for (int i = 0; i < 13; ++i) input.events.push_back(input.events[0]);
  EXPECT_EQ(Message(input, "repeated_events"), "13 events (1.1 %) have the user, item, type and time of another");
  input.events[5].value = 101;
  EXPECT_THAT(Message(input, "large_value"), HasSubstr("the largest value, 101, is 101 times that"));
  for (size_t i = 0; i < 700; ++i) input.events[i].value = 0;
  EXPECT_EQ(Message(input, "zero_values"), "700 events (58 %) have the value 0");
  json report = ReportOf(input);
  report["item_columns"] = {{{"name", "price"}, {"type", "number"}, {"n_missing", 51}},
                            {{"name", "name"}, {"type", "text"}, {"n_missing", 50}}};
  EXPECT_EQ(Message(report, "missing_attributes"), "'price' is missing for 51 of 101 items");
}

TEST(DataReportText, IsLinesOfALabelAndFigures) {
  ReportInput input;
  input.events = {{"u", "i", "view", 1, 0}, {"u", "i", "buy", 1, 5}, {"v", "i", "view", 1, 7 * kDay}};
  input.manifest = {{"n_files", 2},    {"n_rows", 9},      {"n_bad_rows", 3}, {"bad_rows", {{"too few fields", 3}}},
                    {"n_filtered", 2}, {"n_duplicates", 1}};
  json report = ReportOf(input);
  report["bad_rows_file"] = "bad.tsv";
  const std::string text = DataReportText(report);
  for (const char* line :
       {"read      9 rows of 2 files\n", "events    3\n", "users     2\n", "items     1\n",
        "entries   2 different pairs, density 100 %\n", "times     1970-01-01 00:00:00 to 1970-01-08 00:00:00 UTC\n",
        "weeks     2 with events: from 1 in 1970-W02 to 2 in 1970-W01\n", "types     2 view\n          1 buy\n",
        "          a user           1        1        1        1        2        2        2        2      1.5\n",
        "left out  2 rows by the filter\n", "doubles   1 events whose id was there already\n",
        "bad rows  3, in bad.tsv\n          3 too few fields\n",
        "look at   3 of 9 rows were bad and set aside (33.3 %)\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

TEST(DataReportHtml, IsSoundForAnyDataset) {
  std::vector<ReportInput> inputs = {Quiet(), Quiet(1), Quiet(400)};
  inputs.push_back({{{"u", "i"}}, false, false, json::object()});
  inputs.push_back({{{"u", "i", "a", 0, 0}, {"u", "i", "a", 0, 60000 * kDay}}, true, true, json::object()});
  ReportInput long_ago = {{}, true, true, json::object()};
  for (int year = 0; year < 500; ++year) long_ago.events.push_back({"u", "i", "", 1, -year * 366 * kDay});
  inputs.push_back(long_ago);
  ReportInput types;
  for (int i = 0; i < 256; ++i) types.events.push_back({"u", "i", "type" + std::to_string(i), 1, kStart + i * kDay});
  inputs.push_back(types);
  for (size_t i = 0; i < inputs.size(); ++i) {
    SCOPED_TRACE(i);
    const std::string html = DataReportHtml(ReportOf(inputs[i]));
    EXPECT_EQ(ReadHtml(html).problem, "");
    EXPECT_THAT(html, Not(HasSubstr("nan")));
    EXPECT_THAT(html, Not(HasSubstr("inf")));
  }
}

TEST(DataReportHtml, NothingForeignBecomesMarkup) {
  const std::string hostile = "</td><script>alert(1)</script><img src=x onerror=\"alert(2)\">'&amp;";
  ReportInput input = Quiet();
  for (int i = 0; i < 200; ++i) input.events.push_back({hostile, hostile, hostile, 1, kStart + i * kDay});
  input.events.push_back({"\xff\xfe", std::string("a\0b", 3), "view", 1, kStart});
  input.manifest = {{"n_rows", 5},
                    {"n_bad_rows", 2},
                    {"bad_rows", {{hostile, 2}}},
                    {"unmatched", {{hostile, 2}}},
                    {"sources", {{{"path", hostile}, {"bytes", 5}, {"sha256", hostile}}}},
                    {"reader", {{hostile, hostile}}},
                    {"item_columns", {{{"name", hostile}, {"type", hostile}, {"n_missing", 300}, {"n_distinct", 4}}}}};
  const json report = ReportOf(input);
  const HtmlContent content = ReadHtml(DataReportHtml(report));
  EXPECT_EQ(content.problem, "");
  for (const char* tag : {"script", "img", "a", "link", "iframe"}) EXPECT_EQ(content.tags.count(tag), 0u) << tag;
  EXPECT_EQ(content.attributes.count("onerror"), 0u);
  EXPECT_THAT(content.links, testing::IsEmpty());
  EXPECT_THAT(content.text, HasSubstr(hostile));
  EXPECT_NO_THROW(report.dump()) << "all of it is UTF-8";
}

TEST(DataReportHtml, LongRangesAreDrawnByMonthOrYear) {
  const auto of_weeks = [](int n_weeks) {
    ReportInput input;
    for (int week = 0; week < n_weeks; ++week)
      input.events.push_back({"u" + std::to_string(week % 7), "i", "view", 1, kStart - week * 7 * kDay});
    return DataReportHtml(ReportOf(input));
  };
  EXPECT_THAT(of_weeks(200), HasSubstr("Events by week<"));
  EXPECT_THAT(of_weeks(300), HasSubstr("Events by month<"));
  EXPECT_THAT(of_weeks(2000), HasSubstr("Events by year<"));
}

}  // namespace
}  // namespace kindred
