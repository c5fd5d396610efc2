#include "host/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "host/report/format.h"
#include "host/report/page.h"
#include "host/report/plot.h"

namespace kindred {
namespace {

constexpr double kWidth = kPlotWidth, kHeight = kPlotHeight;
constexpr double kBarShare = 0.86;  // of a bar's place, where there is room for gaps
constexpr int kYTicks = 4;

}  // namespace

std::string BarChartHtml(const BarChart& chart) {
  const size_t n = chart.labels.size();
  std::vector<double> totals(n, 0);
  for (const ChartSeries& series : chart.series)
    for (size_t i = 0; i < n; ++i) totals[i] += series.values[i];
  const double largest = n > 0 ? *std::max_element(totals.begin(), totals.end()) : 0;
  const std::vector<double> y_ticks = LinearTicks(largest, kYTicks, true);
  const double step = kWidth / static_cast<double>(std::max<size_t>(n, 1)), scale = kHeight / y_ticks.back();

  Plot plot;
  plot.title = chart.title;
  plot.description = fmt::format("{} bars, the highest {}", n, CountText(std::llround(largest)));
  for (const double y : y_ticks) plot.y.push_back({y / y_ticks.back(), ShortText(y)});
  for (const BarTick& tick : chart.ticks)
    plot.x.push_back({(static_cast<double>(tick.bar) + 0.5) * step / kWidth, tick.text});
  plot.x_name = chart.x_name;
  plot.y_name = chart.y_name;
  plot.svg = GridSvg(plot.y, {});
  plot.table.columns = {{chart.bars_name}};
  std::vector<double> below(n, 0);
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const ChartSeries& series = chart.series[s];
    plot.legend.push_back(series.name);
    plot.table.columns.push_back({series.name, TableColumn::kNumber});
    std::string path;
    for (size_t i = 0; i < n; ++i) {
      if (series.values[i] <= 0) continue;
      const double height = series.values[i] * scale, bottom = kHeight - below[i] * scale;
      below[i] += series.values[i];
      fmt::format_to(std::back_inserter(path), "M{:.2f} {:.2f}h{:.2f}v{:.3f}h-{:.2f}z",
                     (static_cast<double>(i) + (1 - kBarShare) / 2) * step, bottom, kBarShare * step, -height,
                     kBarShare * step);
    }
    plot.svg += fmt::format("<path class=\"s{}\" d=\"{}\"/>\n", s, path);
  }
  if (chart.series.size() > 1) plot.table.columns.push_back({"all", TableColumn::kNumber});
  for (size_t i = 0; i < n; ++i) {
    std::string tip = chart.labels[i];
    std::vector<TableCell> row = {chart.labels[i]};
    for (const ChartSeries& series : chart.series) {
      row.emplace_back(CountText(std::llround(series.values[i])));
      tip += fmt::format("\n{}: {}", series.name, row.back().text);
    }
    if (chart.series.size() > 1) {
      row.emplace_back(CountText(std::llround(totals[i])));
      tip += "\nall: " + row.back().text;
    }
    plot.table.rows.push_back(std::move(row));
    plot.svg +=
        fmt::format("<rect class=\"tip\" x=\"{:.2f}\" width=\"{:.2f}\" height=\"{}\"><title>{}</title></rect>\n",
                    static_cast<double>(i) * step, step, kHeight, EscapeHtml(tip));
  }
  return PlotHtml(std::move(plot));
}

namespace {

struct Bounds {
  double min_x = HUGE_VAL, max_x = -HUGE_VAL, min_y = HUGE_VAL, max_y = -HUGE_VAL;
};

Bounds BoundsOf(const std::vector<LineSeries>& series) {
  Bounds bounds;
  for (const LineSeries& line : series)
    for (const auto& [x, y] : line.points) {
      bounds.min_x = std::min(bounds.min_x, x), bounds.max_x = std::max(bounds.max_x, x);
      bounds.min_y = std::min(bounds.min_y, y), bounds.max_y = std::max(bounds.max_y, y);
    }
  return bounds;
}

/// `description` says what the axes are beside their names.
std::string LinesHtml(const LineChart& chart, const Axis& x_axis, const Axis& y_axis, const std::string& description) {
  Plot plot;
  plot.title = chart.title;
  plot.description = chart.y_name + " over " + chart.x_name + description;
  plot.x_name = chart.x_name;
  plot.y_name = chart.y_name;
  for (const double x : x_axis.ticks) plot.x.push_back({x_axis.place(x), chart.x_text(x)});
  for (const double y : y_axis.ticks) plot.y.push_back({y_axis.place(y), chart.y_text(y)});
  plot.svg = GridSvg(plot.y, plot.x);
  plot.table.columns = {{"of"}, {chart.x_name, TableColumn::kNumber}, {chart.y_name, TableColumn::kNumber}};
  for (size_t s = 0; s < chart.series.size(); ++s) {
    const LineSeries& series = chart.series[s];
    plot.legend.push_back(series.name);
    std::string path;
    for (const auto& [x, y] : series.points) {
      fmt::format_to(std::back_inserter(path), "{}{:.2f} {:.2f}{}", path.empty() || series.dots ? "M" : "L",
                     kWidth * x_axis.place(x), kHeight * (1 - y_axis.place(y)), series.dots ? "h0" : "");
      plot.table.rows.push_back({series.name, chart.x_text(x), chart.y_text(y)});
    }
    const char* dot = series.dots || series.points.size() == 1 ? " dot" : "";
    if (!path.empty()) plot.svg += fmt::format("<path class=\"line s{}{}\" d=\"{}h0\"/>\n", s, dot, path);
  }
  return PlotHtml(std::move(plot));
}

}  // namespace

std::string LineChartHtml(const LineChart& chart) {
  constexpr int kXTicks = 6;
  Bounds bounds = BoundsOf(chart.series);
  if (bounds.min_x > bounds.max_x) bounds = chart.logarithmic ? Bounds{1, 1, 1, 1} : Bounds{0, 1, 0, 1};
  if (chart.logarithmic)
    return LinesHtml(chart, LogAxis(bounds.min_x, bounds.max_x),
                     LogAxis(std::min(bounds.min_y, bounds.max_y / 10), bounds.max_y), ", both axes logarithmic");
  return LinesHtml(chart, LinearAxis(bounds.min_x, bounds.max_x, kXTicks),
                   LinearAxis(bounds.min_y, bounds.max_y, kYTicks), "");
}

std::string HeatMapHtml(const HeatMap& map) {
  double largest = 0;
  for (const std::vector<double>& row : map.values)
    for (const double value : row) largest = std::max(largest, value);
  const double width = kWidth / static_cast<double>(map.columns.size());
  const double height = kHeight / static_cast<double>(map.rows.size());

  Plot plot;
  plot.title = map.title;
  plot.description = fmt::format("The largest of {} x {} cells is {}", map.rows.size(), map.columns.size(),
                                 CountText(std::llround(largest)));
  plot.x_name = fmt::format("{}; the strongest is {}", map.columns_name, CountText(std::llround(largest)));
  plot.table.columns = {{map.columns_name}};
  for (size_t c = 0; c < map.columns.size(); ++c) {
    plot.table.columns.push_back({map.columns[c], TableColumn::kNumber});
    if (c % map.column_step == 0) plot.x.push_back({(static_cast<double>(c) + 0.5) * width / kWidth, map.columns[c]});
  }
  for (size_t r = 0; r < map.rows.size(); ++r) {
    plot.y.push_back({1 - (static_cast<double>(r) + 0.5) * height / kHeight, map.rows[r]});
    plot.table.rows.push_back({map.rows[r]});
    for (size_t c = 0; c < map.columns.size(); ++c) {
      const double value = map.values[r][c];
      const std::string text = CountText(std::llround(value));
      plot.table.rows.back().emplace_back(text);
      plot.svg += fmt::format(
          "<rect class=\"cell\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill-opacity=\"{:.3f}\">"
          "<title>{}</title></rect>\n",
          static_cast<double>(c) * width, static_cast<double>(r) * height, width, height,
          largest > 0 ? value / largest : 0, EscapeHtml(fmt::format("{}, {}: {}", map.rows[r], map.columns[c], text)));
    }
  }
  return PlotHtml(std::move(plot));
}

}  // namespace kindred
