#include "host/report/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/report/format.h"
#include "host/report/style.h"
#include "tests/support/html.h"

namespace kindred {
namespace {

using testing::HasSubstr;

const std::string kHostile = "\"><script>alert(1)</script>";

BarChart Bars(size_t n, int n_series, double value) {
  BarChart chart = {kHostile, kHostile, {}, {}, {}};
  for (size_t i = 0; i < n; ++i) chart.labels.push_back(kHostile + std::to_string(i));
  if (n > 0) chart.ticks = {{0, kHostile}, {n / 2, "middle"}, {n - 1, "last"}};
  for (int s = 0; s < n_series; ++s) chart.series.push_back({kHostile, std::vector<double>(n, value)});
  return chart;
}

void ExpectSound(const std::string& html) {
  const HtmlContent content = ReadHtml(html);
  EXPECT_EQ(content.problem, "");
  EXPECT_EQ(content.tags.count("script"), 0u);
  EXPECT_THAT(html, testing::Not(HasSubstr("nan")));
  EXPECT_THAT(html, testing::Not(HasSubstr("inf")));
}

TEST(BarChart, OfAnySize) {
  for (const size_t n : {0, 1, 2, 33, 300})
    for (const int n_series : {1, 2, kNumberOfColours})
      for (const double value : {0.0, 1.0, 1e15}) ExpectSound(BarChartHtml(Bars(n, n_series, value)));
}

TEST(BarChart, BarsStandOnEachOther) {
  BarChart chart = {"t", "week", {"w"}, {}, {{"a", {10}}, {"b", {30}}}};
  const std::string html = BarChartHtml(chart);
  // The axis ends at 40, in a plot of 1000 x 300.
  EXPECT_THAT(html, HasSubstr("<path class=\"s0\" d=\"M70.00 300.00h860.00v-75.000h-860.00z\"/>"));
  EXPECT_THAT(html, HasSubstr("<path class=\"s1\" d=\"M70.00 225.00h860.00v-225.000h-860.00z\"/>"));
  EXPECT_THAT(html, HasSubstr("<title>w\na: 10\nb: 30\nall: 40</title>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\"><bdi>40</bdi></td>"));
}

TEST(LineChart, OfAnySizeAndSign) {
  for (const size_t n : {0, 1, 2, 33})
    for (const double scale : {0.0, 1.0, -1e-9, 1e12}) {
      LineChart chart = {kHostile, kHostile, kHostile, {}, ShortText, NumberText};
      for (const bool dots : {false, true}) {
        chart.series.push_back({kHostile, {}, dots});
        for (size_t i = 0; i < n; ++i)
          chart.series.back().points.emplace_back(static_cast<double>(i), scale * (static_cast<double>(i) - 7));
      }
      ExpectSound(LineChartHtml(chart));
    }
}

TEST(LineChart, PointsAreWhereTheyBelong) {
  LineChart chart = {"t", "x", "y", {{"a", {{0, 10}, {1, 20}, {2, 30}}}}, ShortText, ShortText};
  const std::string html = LineChartHtml(chart);
  EXPECT_THAT(html, HasSubstr("<path class=\"line s0\" d=\"M0.00 300.00L500.00 150.00L1000.00 0.00h0\"/>"));
  EXPECT_THAT(html, HasSubstr("<p class=\"axis above\">y</p>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"n\"><bdi>20</bdi></td>"));
  chart.series[0].dots = true;
  EXPECT_THAT(LineChartHtml(chart), HasSubstr("s0 dot\" d=\"M0.00 300.00h0M500.00 150.00h0M1000.00 0.00h0h0\"/>"));
}

TEST(LogarithmicLineChart, OfAnySize) {
  for (const size_t n : {0, 1, 2, 33}) {
    LineChart chart = {kHostile, kHostile, kHostile, {}, ShortText, PercentText, true};
    for (int s = 0; s < 2; ++s) {
      chart.series.push_back({kHostile, {}});
      for (size_t i = 1; i <= n; ++i)
        chart.series.back().points.emplace_back(static_cast<double>(i), 1 / static_cast<double>(i));
    }
    ExpectSound(LineChartHtml(chart));
  }
}

TEST(LogarithmicLineChart, PointsAreWhereTheyBelong) {
  const LineChart chart = {"t", "x", "y", {{"a", {{1, 1}, {10, 0.1}, {100, 0.01}}}}, ShortText, PercentText, true};
  EXPECT_THAT(LineChartHtml(chart), HasSubstr("<path class=\"line s0\" d=\"M0.00 0.00L500.00 150.00L1000.00 300.00"));
}

TEST(HeatMap, StrengthFollowsTheValue) {
  const HeatMap map = {kHostile, kHostile, {kHostile, "b"}, {"0", "1"}, {{0, 1}, {2, 4}}, 1};
  const std::string html = HeatMapHtml(map);
  ExpectSound(html);
  for (const char* strength : {"0.000", "0.250", "0.500", "1.000"})
    EXPECT_THAT(html, HasSubstr("fill-opacity=\"" + std::string(strength) + "\""));
  EXPECT_THAT(html, HasSubstr("<title>b, 1: 4</title>"));
  ExpectSound(HeatMapHtml({"t", "c", {"a"}, {"0"}, {{0}}, 1}));
}

}  // namespace
}  // namespace kindred
