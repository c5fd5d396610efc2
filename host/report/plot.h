// The frame that charts of report pages share: a title, a legend, axes with labels in the page's own size, an SVG that
// stretches to the space, and the figures as a table behind a click.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/report/page.h"

namespace kindred {

/// The plot's own coordinates: it is stretched to what the page has.
inline constexpr double kPlotWidth = 1000, kPlotHeight = 300;

/// A place on an axis, 0 to 1, with its label.
struct AxisTick {
  double at;
  std::string text;
};

/// A label in the plot, in the colour of a series. From the lower left, 0 to 1.
struct PlotMark {
  double x, y;
  size_t series;
  std::string text;
};

struct Plot {
  std::string title;
  std::string description;          // for those who do not see it
  std::vector<std::string> legend;  // names of series; shown from two on
  std::vector<AxisTick> y, x;
  std::string svg;
  std::string x_name = {}, y_name = {};
  Table table;
  std::vector<AxisTick> right = {};  // names of rows at the other end
  std::vector<PlotMark> marks = {};
  bool has_rows = false;  // what is to the left are names of rows, not numbers
  double height = 0;      // in lines of text; 0: the usual
};
std::string PlotHtml(Plot plot);

/// Lines across the plot at the ticks.
std::string GridSvg(const std::vector<AxisTick>& y, const std::vector<AxisTick>& x);

/// The classes of a series: colours come again after kNumberOfColours, lines are dashed then.
std::string SeriesClass(size_t series);

/// An axis: where its labels are, and where values are, 0 to 1.
struct Axis {
  std::vector<double> ticks;
  std::function<double(double value)> place;
};
Axis LinearAxis(double min, double max, int n_ticks);
Axis LogAxis(double min, double max);

}  // namespace kindred
