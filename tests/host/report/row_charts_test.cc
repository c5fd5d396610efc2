#include "host/report/row_charts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/html.h"

namespace kindred {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kHostile = "\"><script>alert(1)</script>";

void ExpectSound(const std::string& html) {
  const HtmlContent content = ReadHtml(html);
  EXPECT_EQ(content.problem, "");
  EXPECT_EQ(content.tags.count("script"), 0u);
  for (const char* none : {"nan", "inf"}) EXPECT_THAT(html, Not(HasSubstr(none)));
}

TEST(RowLineChart, OfAnySize) {
  for (const size_t n_rows : {0, 1, 2, 33})
    for (const size_t n_series : {0, 1, 8, 20})
      for (const double scale : {0.0, 1.0, 1e15}) {
        RowLineChart chart = {kHostile, kHostile, kHostile, {}, {}};
        for (size_t r = 0; r < n_rows; ++r) chart.rows.push_back(kHostile);
        for (size_t s = 0; s < n_series; ++s) {
          chart.series.push_back({kHostile, {}});
          for (size_t r = 0; r < n_rows; ++r)
            chart.series.back().values.push_back((r + s) % 5 == 4 ? NAN : scale * (static_cast<double>(r) - 3));
        }
        ExpectSound(RowLineChartHtml(chart));
      }
}

TEST(RowLineChart, LinesGoDownTheRowsAndBreakWhereThereIsNothing) {
  const std::string html =
      RowLineChartHtml({"t", "feature", "x", {"a", "b", "c"}, {{"s", {-1, 0, NAN}}, {"u", {1, NAN, 1}}}});
  EXPECT_THAT(html, HasSubstr("<path class=\"line s0\" d=\"M0.00 50.00L500.00 150.00\">"));
  EXPECT_THAT(html, HasSubstr("<path class=\"line s1\" d=\"M1000.00 50.00M1000.00 250.00\">"));
  EXPECT_THAT(html, HasSubstr("<path class=\"zero\" d=\"M500.00 0V300\"/>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\"><bdi>\xE2\x88\x92"
                              "1</bdi></td>"));
}

TEST(BandChart, OfAnySize) {
  for (const size_t n : {0, 1, 20})
    for (const size_t n_values : {0, 1, 200})
      for (const double value : {-1.0, 0.0, 1.0}) {
        BandChart chart = {kHostile, kHostile, {}, n == 1 ? NAN : value};
        for (size_t b = 0; b < n; ++b) chart.bands.push_back({kHostile, std::vector<double>(n_values, value), NAN});
        ExpectSound(BandChartHtml(chart));
      }
}

TEST(BandChart, BarsBeginAtZero) {
  const std::string html = BandChartHtml({"t", "x", {{"a", {1, 0.5}, 0.75}, {"b", {-0.5}, -0.5}}, 0.5});
  // From -0.5 to 1 in steps of 0.5; a band of 150 of which 129 are filled.
  EXPECT_THAT(html, HasSubstr("<path class=\"s0\" d=\"M333.33 10.50H1000.00V75.00H666.67V139.50H333.33z\">"));
  EXPECT_THAT(html, HasSubstr("<path class=\"s1\" d=\"M333.33 160.50H0.00V289.50H333.33z\">"));
  EXPECT_THAT(html, HasSubstr("<path class=\"mean\" d=\"M666.67 0V300\"/>"));
  EXPECT_THAT(html, HasSubstr("<bdi>100 %</bdi>"));
}

TEST(FlowChart, OfAnySize) {
  for (const size_t n_from : {0, 1, 12})
    for (const size_t n_to : {0, 1, 9})
      for (const double flow : {0.0, 1.0, 1e15}) {
        FlowChart chart = {kHostile, kHostile, kHostile, kHostile, {}, {}, {}};
        for (size_t f = 0; f < n_from; ++f) {
          chart.from.push_back({kHostile, static_cast<int>(f) - 1});
          chart.flows.emplace_back(n_to, flow);
        }
        for (size_t t = 0; t < n_to; ++t) chart.to.push_back({kHostile, static_cast<int>(t)});
        ExpectSound(FlowChartHtml(chart));
      }
}

TEST(FlowChart, RibbonsAreAsWideAsTheFlowsAndLieBelowEachOther) {
  const std::string html =
      FlowChartHtml({"t", "then", "now", "users", {{"a", 0}, {"b", -1}}, {{"c", 0}, {"d", 1}}, {{30, 10}, {0, 60}}});
  const auto n = [&](const std::string& what) {
    int count = 0;
    for (size_t at = html.find(what); at != html.npos; at = html.find(what, at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(n("class=\"ribbon"), 3) << "no ribbon of nothing";
  // 9 lines, of which 1.7 go between the nodes of each row: 300 (1 - 2 x 1.7 / 9) for 100 users.
  const double scale = 300 * (1 - 3.4 / 9) / 100;
  const auto height = [](double users) {
    char text[32];
    std::snprintf(text, sizeof text, "v%.2f", users);
    return std::string(text);
  };
  for (const double users : {30, 10, 60}) EXPECT_THAT(html, HasSubstr(height(users * scale) + "C"));
  EXPECT_THAT(html, HasSubstr("<title>a to c: 30</title>"));
  EXPECT_THAT(html, HasSubstr("<path class=\"none\""));
  EXPECT_THAT(html, HasSubstr("M14.00 28.33C500.00 28.33 500.00 28.33 986.00 28.33"));
}

TEST(ScatterChart, OfAnySize) {
  for (const size_t n : {0, 1, 2, 100})
    for (const size_t n_series : {0, 1, 20})
      for (const double scale : {0.0, 1.0, 1e15}) {
        ScatterChart chart = {kHostile, kHostile, kHostile, {}};
        for (size_t s = 0; s < n_series; ++s) {
          chart.series.push_back({kHostile, {}});
          for (size_t i = 0; i < n; ++i)
            chart.series.back().points.emplace_back(scale * static_cast<double>(i), -scale * static_cast<double>(s));
        }
        ExpectSound(ScatterChartHtml(chart));
      }
}

TEST(ScatterChart, PointsAndNumbersAreWhereTheyBelong) {
  const std::string html =
      ScatterChartHtml({"t", "x", "y", {{"a", {{0, 0}, {2, 4}}}, {"b", {}}, {"c", {{1, 2}}, "<7"}}});
  EXPECT_THAT(html, HasSubstr("<path class=\"line point s0\" d=\"M0.0 300.0h0M1000.0 0.0h0\">"));
  EXPECT_THAT(html, HasSubstr("<span class=\"s0\" style=\"left:50.00%;bottom:50.00%\">1</span>"));
  EXPECT_THAT(html, HasSubstr(">&lt;7</span>"));
}

}  // namespace
}  // namespace kindred
