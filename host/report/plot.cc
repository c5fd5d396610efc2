#include "host/report/plot.h"

#include <fmt/format.h>

#include <cmath>

#include "host/report/format.h"
#include "host/report/style.h"

namespace kindred {
namespace {

std::string Legend(const std::vector<std::string>& names) {
  if (names.size() < 2) return "";
  std::string out = "<ul class=\"legend\">";
  for (size_t i = 0; i < names.size(); ++i)
    out += fmt::format("<li><i class=\"{}\"></i><bdi>{}</bdi></li>", SeriesClass(i), EscapeHtml(names[i]));
  return out + "</ul>\n";
}

std::string YAxis(const std::vector<AxisTick>& ticks, const char* side) {
  std::string out = fmt::format("<div class=\"{}\" aria-hidden=\"true\">", side);
  for (const AxisTick& tick : ticks)
    out += fmt::format("<span style=\"bottom:{:.2f}%\">{}</span>", 100 * tick.at, EscapeHtml(tick.text));
  return out + "</div>\n";
}

/// Labels at the ends stay within the chart; of more than a few, every second one is left out where it is narrow.
std::string XAxis(const std::vector<AxisTick>& ticks) {
  constexpr double kEnd = 0.05;
  constexpr size_t kFew = 4;
  std::string out = "<div class=\"x\" aria-hidden=\"true\">";
  for (size_t i = 0; i < ticks.size(); ++i) {
    const double at = ticks[i].at;
    out += fmt::format("<span class=\"{}{}\" style=\"left:{:.2f}%\">{}</span>",
                       i % 2 == 1 && ticks.size() > kFew ? "second" : "first",
                       at < kEnd       ? " left"
                       : at > 1 - kEnd ? " right"
                                       : "",
                       100 * at, EscapeHtml(ticks[i].text));
  }
  return out + "</div>\n";
}

std::string Marks(const std::vector<PlotMark>& marks) {
  if (marks.empty()) return "";
  std::string out = "<div class=\"marks\" aria-hidden=\"true\">";
  for (const PlotMark& mark : marks)
    out += fmt::format("<span class=\"{}\" style=\"left:{:.2f}%;bottom:{:.2f}%\">{}</span>", SeriesClass(mark.series),
                       100 * mark.x, 100 * mark.y, EscapeHtml(mark.text));
  return out + "</div>\n";
}

}  // namespace

std::string SeriesClass(size_t series) {
  constexpr size_t n = kNumberOfColours;
  return fmt::format("s{}{}", series % n, series >= n ? " again" : "");
}

std::string PlotHtml(Plot plot) {
  const std::string classes =
      std::string("plot") + (plot.has_rows ? " rows" : "") + (plot.right.empty() ? "" : " both");
  std::string out =
      fmt::format("<figure>\n<figcaption>{}</figcaption>\n", EscapeHtml(plot.title)) + Legend(plot.legend) +
      (plot.y_name.empty() ? "" : fmt::format("<p class=\"axis above\">{}</p>\n", EscapeHtml(plot.y_name))) +
      fmt::format("<div class=\"{}\"{}>\n", classes,
                  plot.height > 0 ? fmt::format(" style=\"grid-template-rows:{:.1f}rem 1.5rem\"", plot.height) : "") +
      YAxis(plot.y, "y") +
      fmt::format("<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\n",
                  kPlotWidth, kPlotHeight, EscapeHtml(plot.title + ". " + plot.description)) +
      plot.svg + "</svg>\n" + Marks(plot.marks) + (plot.right.empty() ? "" : YAxis(plot.right, "y other")) +
      XAxis(plot.x) + "</div>\n";
  if (!plot.x_name.empty()) out += fmt::format("<p class=\"axis\">{}</p>\n", EscapeHtml(plot.x_name));
  plot.table.caption = plot.title;
  return out + "<details><summary>The figures as a table</summary>\n" + TableHtml(plot.table) +
         "</details>\n</figure>\n";
}

std::string GridSvg(const std::vector<AxisTick>& y, const std::vector<AxisTick>& x) {
  std::string path;
  for (const AxisTick& tick : y) path += fmt::format("M0 {:.2f}H{}", kPlotHeight * (1 - tick.at), kPlotWidth);
  for (const AxisTick& tick : x) path += fmt::format("M{:.2f} 0V{}", kPlotWidth * tick.at, kPlotHeight);
  return fmt::format("<path class=\"grid\" d=\"{}\"/>\n", path);
}

Axis LinearAxis(double min, double max, int n_ticks) {
  const std::vector<double> ticks = RangeTicks(min, max, n_ticks);
  return {ticks, [ticks](double value) { return (value - ticks.front()) / (ticks.back() - ticks.front()); }};
}

Axis LogAxis(double min, double max) {
  const std::vector<double> ticks = LogTicks(min, max);
  return {ticks, [ticks](double value) {
            return std::log10(value / ticks.front()) / std::log10(ticks.back() / ticks.front());
          }};
}

}  // namespace kindred
