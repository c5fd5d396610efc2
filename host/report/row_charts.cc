#include "host/report/row_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "host/report/format.h"
#include "host/report/plot.h"

namespace kindred {
namespace {

constexpr double kLinesOfARow = 2, kLinesOfABand = 3.2;
constexpr int kTicks = 4;

/// The middle of a row, from below.
double MiddleOf(size_t row, size_t n_rows) {
  return 1 - (static_cast<double>(row) + 0.5) / static_cast<double>(n_rows);
}

std::string Signed(double value) {
  const std::string text = NumberText(std::fabs(value));
  return value > 0 ? "+" + text : value < 0 ? "\xE2\x88\x92" + text : text;
}

double HeightOf(size_t n_rows, double lines, double least) {
  return std::max(least, static_cast<double>(n_rows) * lines);
}

/// A line down the plot: class "zero" or "mean".
std::string Upright(const char* name, double at) {
  return fmt::format("<path class=\"{}\" d=\"M{:.2f} 0V{}\"/>\n", name, kPlotWidth * at, kPlotHeight);
}

}  // namespace

std::string RowLineChartHtml(const RowLineChart& chart) {
  double largest = 0;
  for (const RowSeries& series : chart.series)
    for (const double value : series.values)
      if (std::isfinite(value)) largest = std::max(largest, std::fabs(value));
  std::vector<double> ticks = LinearTicks(largest, kTicks - 1, false);
  const double end = ticks.back();
  for (size_t tick = ticks.size() - 1; tick > 0; --tick) ticks.push_back(-ticks[tick]);
  const auto place = [end](double value) { return (value + end) / (2 * end); };

  Plot plot;
  plot.title = chart.title;
  plot.description = fmt::format("{} lines over {} rows, the farthest from 0 is {}", chart.series.size(),
                                 chart.rows.size(), NumberText(largest));
  plot.x_name = chart.x_name;
  plot.has_rows = true;
  plot.height = HeightOf(chart.rows.size(), kLinesOfARow, 5);
  plot.table.columns = {{chart.rows_name}};
  for (size_t r = 0; r < chart.rows.size(); ++r) {
    plot.y.push_back({MiddleOf(r, chart.rows.size()), chart.rows[r]});
    plot.table.rows.push_back({chart.rows[r]});
  }
  std::sort(ticks.begin(), ticks.end());
  for (const double x : ticks) plot.x.push_back({place(x), Signed(x)});
  plot.svg = GridSvg(plot.y, plot.x) + Upright("zero", place(0));
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const RowSeries& series = chart.series[s];
    plot.legend.push_back(series.name);
    plot.table.columns.push_back({series.name, TableColumn::kNumber});
    std::string line, dots;
    bool is_broken = true;
    for (size_t r = 0; r < chart.rows.size(); ++r) {
      const double value = series.values[r];
      plot.table.rows[r].emplace_back(std::isfinite(value) ? Signed(value) : "");
      if (std::isfinite(value)) {
        const double x = kPlotWidth * place(value), y = kPlotHeight * (1 - plot.y[r].at);
        fmt::format_to(std::back_inserter(line), "{}{:.2f} {:.2f}", is_broken ? "M" : "L", x, y);
        fmt::format_to(std::back_inserter(dots), "M{:.2f} {:.2f}h0", x, y);
      }
      is_broken = !std::isfinite(value);
    }
    if (line.empty()) continue;
    plot.svg += fmt::format("<path class=\"line {}\" d=\"{}\"><title>{}</title></path>\n", SeriesClass(s), line,
                            EscapeHtml(series.name));
    plot.svg += fmt::format("<path class=\"line {} dot\" d=\"{}\"><title>{}</title></path>\n", SeriesClass(s), dots,
                            EscapeHtml(series.name));
  }
  return PlotHtml(std::move(plot));
}

std::string BandChartHtml(const BandChart& chart) {
  constexpr double kFilled = 0.86;  // of a band's place
  double least = 0;
  for (const Band& band : chart.bands)
    for (const double value : band.values) least = std::min(least, value);
  const Axis axis = LinearAxis(least, 1, kTicks + 1);
  const double zero = kPlotWidth * axis.place(0),
               place = kPlotHeight / static_cast<double>(std::max<size_t>(chart.bands.size(), 1));

  Plot plot;
  plot.title = chart.title;
  plot.description = fmt::format("{} bands of sorted bars", chart.bands.size());
  if (std::isfinite(chart.mean)) plot.description += fmt::format(", the mean of all is {}", NumberText(chart.mean));
  plot.x_name = chart.x_name;
  plot.has_rows = true;
  plot.height = HeightOf(chart.bands.size(), kLinesOfABand, 6);
  plot.table.columns = {{"segment"},
                        {"mean", TableColumn::kNumber},
                        {"highest", TableColumn::kNumber},
                        {"lowest", TableColumn::kNumber},
                        {"below 0", TableColumn::kNumber}};
  for (const double x : axis.ticks) plot.x.push_back({axis.place(x), Signed(x)});
  plot.svg = GridSvg({}, plot.x);
  for (size_t b = 0; b < chart.bands.size(); ++b) {
    const Band& band = chart.bands[b];
    plot.y.push_back({MiddleOf(b, chart.bands.size()), band.name});
    const double top = place * (static_cast<double>(b) + (1 - kFilled) / 2);
    const double step = place * kFilled / static_cast<double>(std::max<size_t>(band.values.size(), 1));
    std::string path = fmt::format("M{:.2f} {:.2f}", zero, top);
    for (size_t i = 0; i < band.values.size(); ++i)
      fmt::format_to(std::back_inserter(path), "H{:.2f}V{:.2f}", kPlotWidth * axis.place(band.values[i]),
                     top + step * static_cast<double>(i + 1));
    plot.svg += fmt::format("<path class=\"{}\" d=\"{}H{:.2f}z\"><title>{}</title></path>\n", SeriesClass(b), path,
                            zero, EscapeHtml(band.name));
    const auto n = static_cast<double>(std::max<size_t>(band.values.size(), 1));
    const auto below = std::count_if(band.values.begin(), band.values.end(), [](double value) { return value < 0; });
    const bool is_empty = band.values.empty();
    plot.table.rows.push_back({band.name, std::isfinite(band.mean) ? NumberText(band.mean) : "",
                               is_empty ? "" : NumberText(band.values.front()),
                               is_empty ? "" : NumberText(band.values.back()),
                               is_empty ? "" : PercentText(static_cast<double>(below) / n)});
  }
  plot.svg += Upright("zero", axis.place(0));
  if (std::isfinite(chart.mean)) plot.svg += Upright("mean", axis.place(chart.mean));
  return PlotHtml(std::move(plot));
}

namespace {

constexpr double kLinesOfANode = 3.4, kLinesBetween = 1.7;
constexpr double kNodeWidth = 14;

/// Where the nodes of one side begin, from above, in the plot's coordinates.
std::vector<double> Tops(const std::vector<double>& sizes, double scale, double between) {
  double used = 0;
  for (const double size : sizes) used += size * scale + between;
  double at = (kPlotHeight - used) / 2;
  std::vector<double> tops;
  for (const double size : sizes) {
    tops.push_back(at + between / 2);
    at += size * scale + between;
  }
  return tops;
}

std::string ColourOf(const FlowNode& node) {
  return node.colour < 0 ? "none" : SeriesClass(static_cast<size_t>(node.colour));
}

std::string Ribbon(double from, double to, double thickness) {
  const double left = kNodeWidth, right = kPlotWidth - kNodeWidth, middle = kPlotWidth / 2;
  return fmt::format(
      "M{0:.2f} {2:.2f}C{4:.2f} {2:.2f} {4:.2f} {3:.2f} {1:.2f} {3:.2f}v{5:.2f}C{4:.2f} {7:.2f} {4:.2f} "
      "{6:.2f} {0:.2f} {6:.2f}z",
      left, right, from, to, middle, thickness, from + thickness, to + thickness);
}

}  // namespace

std::string FlowChartHtml(const FlowChart& chart) {
  std::vector<double> of_from(chart.from.size(), 0), of_to(chart.to.size(), 0);
  double all = 0;
  for (size_t f = 0; f < chart.from.size(); ++f)
    for (size_t t = 0; t < chart.to.size(); ++t) {
      of_from[f] += chart.flows[f][t];
      of_to[t] += chart.flows[f][t];
      all += chart.flows[f][t];
    }
  const size_t n_rows = std::max<size_t>(std::max(chart.from.size(), chart.to.size()), 1);
  Plot plot;
  plot.title = chart.title;
  plot.description = fmt::format("{} {} flow from {} to {} rows", CountText(std::llround(all)), chart.unit,
                                 chart.from.size(), chart.to.size());
  plot.has_rows = true;
  plot.height = HeightOf(n_rows, kLinesOfANode, 9);
  const double between = kPlotHeight * kLinesBetween / plot.height;
  const double scale = all > 0 ? (kPlotHeight - between * static_cast<double>(n_rows)) / all : 0;
  std::vector<double> from_tops = Tops(of_from, scale, between), to_tops = Tops(of_to, scale, between);
  plot.table.columns = {{chart.from_name}, {chart.to_name}, {chart.unit, TableColumn::kNumber}};
  const auto add_node = [&](const FlowNode& node, double size, double top, double x, std::vector<AxisTick>& names) {
    plot.svg += fmt::format("<path class=\"{}\" d=\"M{:.2f} {:.2f}h{}v{:.2f}h-{}z\"><title>{}</title></path>\n",
                            ColourOf(node), x, top, kNodeWidth, std::max(size * scale, 0.5), kNodeWidth,
                            EscapeHtml(fmt::format("{}: {}", node.name, CountText(std::llround(size)))));
    names.push_back({1 - (top + size * scale / 2) / kPlotHeight, node.name});
  };
  for (size_t f = 0; f < chart.from.size(); ++f) add_node(chart.from[f], of_from[f], from_tops[f], 0, plot.y);
  for (size_t t = 0; t < chart.to.size(); ++t)
    add_node(chart.to[t], of_to[t], to_tops[t], kPlotWidth - kNodeWidth, plot.right);
  for (size_t f = 0; f < chart.from.size(); ++f)
    for (size_t t = 0; t < chart.to.size(); ++t) {
      const double flow = chart.flows[f][t];
      if (!(flow > 0)) continue;
      const std::string n = CountText(std::llround(flow));
      plot.table.rows.push_back({chart.from[f].name, chart.to[t].name, n});
      plot.svg += fmt::format("<path class=\"ribbon {}\" d=\"{}\"><title>{}</title></path>\n", ColourOf(chart.to[t]),
                              Ribbon(from_tops[f], to_tops[t], flow * scale),
                              EscapeHtml(fmt::format("{} to {}: {}", chart.from[f].name, chart.to[t].name, n)));
      from_tops[f] += flow * scale;
      to_tops[t] += flow * scale;
    }
  return PlotHtml(std::move(plot));
}

std::string ScatterChartHtml(const ScatterChart& chart) {
  constexpr double kLines = 25;
  double min_x = HUGE_VAL, max_x = -HUGE_VAL, min_y = HUGE_VAL, max_y = -HUGE_VAL;
  int64_t n = 0;
  for (const PointSeries& series : chart.series)
    for (const auto& [x, y] : series.points) {
      min_x = std::min(min_x, x), max_x = std::max(max_x, x);
      min_y = std::min(min_y, y), max_y = std::max(max_y, y);
      ++n;
    }
  if (n == 0) min_x = min_y = 0, max_x = max_y = 1;
  const Axis x_axis = LinearAxis(min_x, max_x, 6), y_axis = LinearAxis(min_y, max_y, 6);
  Plot plot;
  plot.title = chart.title;
  plot.description = fmt::format("{} points in {} colours", CountText(n), chart.series.size());
  plot.x_name = chart.x_name;
  plot.y_name = chart.y_name;
  plot.height = kLines;
  for (const double x : x_axis.ticks) plot.x.push_back({x_axis.place(x), Signed(x)});
  for (const double y : y_axis.ticks) plot.y.push_back({y_axis.place(y), Signed(y)});
  plot.svg = GridSvg(plot.y, plot.x);
  plot.table.columns = {{"of"},
                        {"points", TableColumn::kNumber},
                        {"mean, across", TableColumn::kNumber},
                        {"mean, up", TableColumn::kNumber}};
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const PointSeries& series = chart.series[s];
    plot.legend.push_back(series.name);
    plot.table.rows.push_back({series.name, CountText(std::ssize(series.points)), "", ""});
    if (series.points.empty()) continue;
    std::string path;
    double mean_x = 0, mean_y = 0;
    for (const auto& [x, y] : series.points) {
      mean_x += x / static_cast<double>(series.points.size());
      mean_y += y / static_cast<double>(series.points.size());
      fmt::format_to(std::back_inserter(path), "M{:.1f} {:.1f}h0", kPlotWidth * x_axis.place(x),
                     kPlotHeight * (1 - y_axis.place(y)));
    }
    plot.svg += fmt::format("<path class=\"line point {}\" d=\"{}\"><title>{}</title></path>\n", SeriesClass(s), path,
                            EscapeHtml(series.name));
    plot.marks.push_back(
        {x_axis.place(mean_x), y_axis.place(mean_y), s, series.mark.empty() ? std::to_string(s + 1) : series.mark});
    plot.table.rows.back()[2] = Signed(mean_x);
    plot.table.rows.back()[3] = Signed(mean_y);
  }
  return PlotHtml(std::move(plot));
}

}  // namespace kindred
