// Charts of report pages (host/report/page.h): SVG that stretches to the page, with labels of the page's own size and,
// behind a click, the figures as a table. Pointing at a bar or cell shows its figures.
//
// Values are finite, and >= 0 but for those of LineChart. Texts are foreign and escaped, as in page.h.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace kindred {

struct ChartSeries {
  std::string name;
  std::vector<double> values;
};

/// A label below the axis, at the middle of a bar.
struct BarTick {
  size_t bar;
  std::string text;
};

struct BarChart {
  std::string title;
  std::string bars_name;            // what a bar is: "week"
  std::vector<std::string> labels;  // of the bars
  std::vector<BarTick> ticks;       // ascending
  std::vector<ChartSeries> series;  // stacked from below; a value a bar; at most kNumberOfColours (host/report/style.h)
  std::string x_name = {}, y_name = {};
};
std::string BarChartHtml(const BarChart& chart);

struct LineSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;  // ascending in x
  bool dots = false;                              // points by themselves, without a line
};

/// Lines, or series of points, over two axes that span what is there.
struct LineChart {
  std::string title;
  std::string x_name;
  std::string y_name;
  std::vector<LineSeries> series;
  std::function<std::string(double)> x_text;  // of ticks and in the table
  std::function<std::string(double)> y_text;
  bool logarithmic = false;  // both axes; x and y > 0
};
std::string LineChartHtml(const LineChart& chart);

/// Cells are the stronger the larger their values; the largest is written below.
struct HeatMap {
  std::string title;
  std::string columns_name;
  std::vector<std::string> rows;
  std::vector<std::string> columns;
  std::vector<std::vector<double>> values;  // rows x columns
  size_t column_step = 1;                   // every so many columns are labelled
};
std::string HeatMapHtml(const HeatMap& map);

}  // namespace kindred
