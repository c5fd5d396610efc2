// Charts whose rows have names, which stand to the left of them: they keep room for names on a phone, too. As
// host/report/chart.h otherwise.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kindred {

struct RowSeries {
  std::string name;
  std::vector<double> values;  // a value a row; NaN: none, and the line is broken
};

/// Parallel coordinates with an axis below each other: a line for each series down the rows, and a stronger line at 0,
/// which is in the middle.
struct RowLineChart {
  std::string title;
  std::string rows_name;  // what a row is: "feature"
  std::string x_name;
  std::vector<std::string> rows;  // from above
  std::vector<RowSeries> series;
};
std::string RowLineChartHtml(const RowLineChart& chart);

struct Band {
  std::string name;
  std::vector<double> values;  // descending, in [-1, 1]
  double mean = 0;             // NaN: not known
};

/// The silhouette plot of Rousseeuw (1987): for each band its values, sorted, as bars that begin at 0. Bands are
/// equally high, and have the colours of their places.
struct BandChart {
  std::string title;
  std::string x_name;
  std::vector<Band> bands;  // from above
  double mean = 0;          // a broken line; NaN: none
};
std::string BandChartHtml(const BandChart& chart);

struct FlowNode {
  std::string name;
  int colour = -1;  // a series; below 0: grey
};

/// What flows from rows on the left to rows on the right (a Sankey diagram of two levels), as bands as wide as the
/// flows, in the colours of where they end.
struct FlowChart {
  std::string title;
  std::string from_name, to_name;  // of the columns of the table: "version 3"
  std::string unit;                // what flows: "users"
  std::vector<FlowNode> from, to;
  std::vector<std::vector<double>> flows;  // from x to; finite, >= 0
};
std::string FlowChartHtml(const FlowChart& chart);

struct PointSeries {
  std::string name;
  std::vector<std::pair<double, double>> points;
  std::string mark = {};  // at the mean of its points; default: its number, counted from 1
};

/// Points in the plane, a colour a series. The table has the means.
struct ScatterChart {
  std::string title;
  std::string x_name, y_name;
  std::vector<PointSeries> series;
};
std::string ScatterChartHtml(const ScatterChart& chart);

}  // namespace kindred
