#include "bench/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>
#include <vector>

#include "bench/table.h"
#include "host/report/format.h"
#include "host/report/page.h"
#include "host/report/style.h"

namespace kindred {
namespace {

constexpr double kWidth = 900, kMargin = 20;
// Of report pages (host/report/style.cc).
constexpr const char* kStyle = R"css(
  svg { --card: #ffffff; --ink: #1b1c1e; --soft: #5a5d63; --grid: #e7e7e4;
    --s0: #1f63ad; --s1: #d97706; --s2: #0f8f6a; --s3: #c2417a; --s4: #7c5bc4;
    --s5: #8f8a00; --s6: #3d9bcf; --s7: #85888f; }
  @media (prefers-color-scheme: dark) { svg { --card: #1c1e21; --ink: #ececea; --soft: #a6a9af; --grid: #2b2e33;
    --s0: #5b9fe8; --s1: #f0983a; --s2: #35bd93; --s3: #e874a6; --s4: #a78bea;
    --s5: #c9c23a; --s6: #7cc7ee; --s7: #8f939b; } }
  text { font: 13px system-ui, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; fill: var(--ink); }
  .title { font-size: 17px; font-weight: 600; } .case { font-weight: 600; } .soft { fill: var(--soft); }
  .card { fill: var(--card); } .grid { stroke: var(--grid); } .spread { stroke: var(--ink); stroke-width: 1.5; }
  .tail { fill: none; stroke: var(--soft); stroke-dasharray: 3 2; }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
)css";

std::string TextAt(double x, double y, const std::string& text, const char* attributes = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}{}>{}</text>\n", x, y, *attributes == 0 ? "" : " ", attributes,
                     EscapeHtml(text));
}

std::string Colour(size_t series) {
  return fmt::format("var(--s{})", series % kNumberOfColours);
}

std::string Svg(double height, const std::string& title, const std::string& body) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1:.0f}\" width=\"{0}\" height=\"{1:.0f}\" "
      "role=\"img\">\n<title>{2}</title>\n<style>{3}</style>\n<rect class=\"card\" width=\"{0}\" "
      "height=\"{1:.0f}\"/>\n{4}{5}</svg>\n",
      kWidth, height, EscapeHtml(title), kStyle, TextAt(kMargin, 30, title, "class=\"title\""), body);
}

/// Names in the order they first come in; their colours follow it.
class Names {
 public:
  size_t IndexOf(const std::string& name) {
    const auto found = std::find(names_.begin(), names_.end(), name);
    if (found != names_.end()) return static_cast<size_t>(found - names_.begin());
    names_.push_back(name);
    return names_.size() - 1;
  }

 private:
  std::vector<std::string> names_;
};

/// What 99 of 100 calls do not exceed; 0 where calls were not timed one by one.
double TailOf(const Row& row) {
  return row.p99_seconds ? row.p99_seconds->median : 0;
}

std::string Bars(const std::vector<const Row*>& rows, const std::string& title) {
  constexpr double kBar = 16, kStep = 21, kLeft = 240, kGap = 16;
  const bool any_tail = std::any_of(rows.begin(), rows.end(), [](const Row* row) { return TailOf(*row) > 0; });
  const double right = any_tail ? 290 : 250;  // for the texts
  const bool one_measure =
      std::all_of(rows.begin(), rows.end(), [&](const Row* row) { return row->measure == rows.front()->measure; });
  std::vector<std::pair<std::string, std::vector<const Row*>>> groups;
  for (const Row* row : rows) {
    const std::string name = row->case_name + (one_measure ? "" : ": " + row->measure);
    if (groups.empty() || std::none_of(groups.begin(), groups.end(), [&](const auto& g) { return g.first == name; }))
      groups.push_back({name, {}});
    std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == name; })->second.push_back(row);
  }
  Names programs;
  std::string body;
  double y = 55;
  for (const auto& [name, group] : groups) {
    double longest = 0;
    for (const Row* row : group) longest = std::max({longest, row->seconds->max, TailOf(*row)});
    const double scale = (kWidth - kLeft - right) / longest;
    body += TextAt(kMargin, y + 8, name, "class=\"case\"");
    y += 18;
    for (const Row* row : group) {
      const Spread& seconds = *row->seconds;
      const double middle = y + kBar / 2;
      body += TextAt(kLeft - 8, y + 12.5, row->program, "text-anchor=\"end\"");
      body += fmt::format("<rect x=\"{}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" rx=\"2\" fill=\"{}\"/>\n", kLeft,
                          y, std::max(1.0, seconds.median * scale), kBar, Colour(programs.IndexOf(row->program)));
      body += fmt::format("<path class=\"spread\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", kLeft + seconds.min * scale, middle,
                          kLeft + seconds.max * scale);
      double end = kLeft + seconds.max * scale;
      std::string label = SecondsText(seconds.median);
      if (const double tail = TailOf(*row); tail > 0) {
        const double at = kLeft + tail * scale;
        body += fmt::format("<path class=\"tail\" d=\"M{:.1f} {:.1f}H{:.1f}m0 -5v10\"/>\n",
                            kLeft + seconds.median * scale, middle, at);
        label += ", p99 " + SecondsText(tail);
        end = std::max(end, at);
      }
      const auto ours = std::find_if(group.begin(), group.end(),
                                     [&](const Row* other) { return other->ratios.contains(row->program); });
      if (ours != group.end())
        label += fmt::format("; {} takes {}x", (*ours)->program, NumberText((*ours)->ratios.at(row->program).median));
      body += TextAt(end + 8, y + 12.5, label);
      y += kStep;
    }
    y += kGap;
  }
  return Svg(y + 4, title, body);
}

struct Curve {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

/// One panel with both axes logarithmic.
std::string Panel(double left, double width, const std::string& title, const std::vector<Curve>& curves,
                  const std::function<std::string(double)>& y_text) {
  constexpr double kTop = 80, kHeight = 260;
  double min_x = HUGE_VAL, max_x = 0, min_y = HUGE_VAL, max_y = 0;
  for (const Curve& curve : curves)
    for (const auto& [x, y] : curve.points) {
      min_x = std::min(min_x, x), max_x = std::max(max_x, x);
      min_y = std::min(min_y, y), max_y = std::max(max_y, y);
    }
  if (max_x == 0) return "";
  const std::vector<double> x_ticks = LogTicks(min_x, max_x), y_ticks = LogTicks(min_y, max_y);
  const auto place = [](double value, const std::vector<double>& ticks) {
    return std::log10(value / ticks.front()) / std::log10(ticks.back() / ticks.front());
  };
  const auto at_x = [&](double x) { return left + width * place(x, x_ticks); };
  const auto at_y = [&](double y) { return kTop + kHeight * (1 - place(y, y_ticks)); };
  std::string body = TextAt(left, kTop - 14, title, "class=\"case\"");
  for (const double x : x_ticks) {
    body += fmt::format("<path class=\"grid\" d=\"M{:.1f} {}v{}\"/>\n", at_x(x), kTop, kHeight);
    body += TextAt(at_x(x), kTop + kHeight + 18, ShortText(x), "class=\"soft\" text-anchor=\"middle\"");
  }
  for (const double y : y_ticks) {
    body += fmt::format("<path class=\"grid\" d=\"M{:.1f} {:.1f}h{:.1f}\"/>\n", left, at_y(y), width);
    body += TextAt(left - 8, at_y(y) + 4, y_text(y), "class=\"soft\" text-anchor=\"end\"");
  }
  for (size_t c = 0; c < curves.size(); ++c) {
    std::string path;
    for (const auto& [x, y] : curves[c].points) {
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : "L", at_x(x), at_y(y));
      body += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\" fill=\"{}\"/>\n", at_x(x), at_y(y), Colour(c));
    }
    body += fmt::format("<path class=\"line\" stroke=\"{}\" d=\"{}\"/>\n", Colour(c), path);
    const double below = kTop + kHeight + 48 + 20 * static_cast<double>(c);
    body += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"12\" height=\"12\" rx=\"3\" fill=\"{}\"/>\n", left,
                        below - 10, Colour(c));
    body += TextAt(left + 20, below, curves[c].name);
  }
  return body;
}

std::string CurvesSvg(const std::vector<const Row*>& rows, const std::string& title) {
  std::vector<Curve> seconds, memory;
  const auto add = [](std::vector<Curve>& curves, const std::string& name, double x, double y) {
    auto found = std::find_if(curves.begin(), curves.end(), [&](const Curve& curve) { return curve.name == name; });
    if (found == curves.end()) found = curves.insert(curves.end(), Curve{name, {}});
    if (found->points.empty() || found->points.back().first != x) found->points.emplace_back(x, y);
  };
  for (const Row* row : rows) {
    add(seconds, row->program + ": " + row->measure, row->size, row->seconds->median);
    if (row->peak_rss_bytes) add(memory, row->program, row->size, static_cast<double>(*row->peak_rss_bytes));
  }
  for (std::vector<Curve>* curves : {&seconds, &memory})
    for (Curve& curve : *curves) std::sort(curve.points.begin(), curve.points.end());
  const std::string body = Panel(75, 340, "seconds, by size", seconds, SecondsText) +
                           Panel(535, 340, "peak memory, by size", memory, [](double bytes) {
                             return bytes >= 1e9 ? NumberText(bytes / 1e9) + " GB" : NumberText(bytes / 1e6) + " MB";
                           });
  return Svg(395 + 20 * static_cast<double>(seconds.size()), title, body);
}

}  // namespace

std::string PlotSvg(const Result& result, const WorkloadHead& workload) {
  std::vector<const Row*> rows;
  const bool curve = workload.plot == Workload::Plot::kCurve;
  for (const Row& row : result.rows)
    if (row.workload == workload.name && row.status == RowStatus::kOk && (!curve || row.size > 0)) rows.push_back(&row);
  if (rows.empty()) return Svg(60, workload.title + ": nothing was measured", "");
  return curve ? CurvesSvg(rows, workload.title) : Bars(rows, workload.title);
}

}  // namespace kindred
