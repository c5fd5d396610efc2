#include "training/training_report_charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "host/report/chart.h"
#include "host/report/format.h"
#include "training/report_values.h"

namespace kindred {
namespace {

using nlohmann::json;

/// What a chart can show of a number that should be a count.
double Count(double n) {
  return n > 0 ? std::min(n, 1e15) : 0;
}

std::vector<double> Counts(const json& from, const char* name) {
  std::vector<double> counts;
  const json& list = Member(from, name);
  if (!list.is_array()) return counts;
  for (const json& n : list) counts.push_back(n.is_number() ? Count(n.get<double>()) : 0);
  return counts;
}

std::string EpochText(double epoch) {
  return epoch == std::round(epoch) ? fmt::format("{:.0f}", epoch) : "";
}

/// Six digits or all of them: losses of late epochs differ in the last ones.
std::string LossText(double loss) {
  const double size = std::fabs(loss);
  return size >= 1e4 && size < 1e8 ? CountText(std::llround(loss)) : fmt::format("{:.6g}", loss);
}

}  // namespace

std::string LossChartHtml(const json& report) {
  LineSeries line = {"loss", {}};
  const json& epochs = Member(report, "epochs");
  if (epochs.is_array())
    for (const json& epoch : epochs)
      if (const double loss = NumberOf(epoch, "loss"), number = NumberOf(epoch, "epoch");
          std::isfinite(loss) && std::isfinite(number))
        line.points.emplace_back(number, loss);
  if (line.points.empty()) return "";
  return LineChartHtml(
      {"Loss by epoch", "epoch", "loss: what the fit makes as small as it can", {line}, EpochText, LossText});
}

std::string MetricChartHtml(const json& report, const std::string& metric) {
  LineSeries line = {"this training", {}};
  const json& epochs = Member(Member(report, "evaluation"), "epochs");
  if (epochs.is_array())
    for (const json& epoch : epochs)
      if (const double value = NumberOf(Member(epoch, "metrics"), metric), number = NumberOf(epoch, "epoch");
          std::isfinite(value) && std::isfinite(number))
        line.points.emplace_back(number, value);
  if (line.points.empty()) return "";
  std::vector<LineSeries> series = {line};
  const auto add_level = [&](const std::string& name, double value) {
    if (!std::isfinite(value)) return;
    series.push_back({name, {{line.points.front().first, value}}});
    if (line.points.size() > 1) series.back().points.emplace_back(line.points.back().first, value);
  };
  add_level("popularity", NumberOf(Member(report, "metrics"), "popularity_" + metric));
  if (const json& last = Member(report, "last_version"); last.is_object() && TextOf(last, "why_not").empty())
    add_level("version " + TextOf(last, "version"), NumberOf(Member(last, "metrics"), metric));
  return LineChartHtml({MetricLabel(metric) + " by epoch", "epoch", MetricLabel(metric) + " on the holdout", series,
                        EpochText, MetricText});
}

std::string SpreadChartHtml(const json& report, const std::string& metric) {
  const json& spread = Member(Member(Member(report, "evaluation"), "spread"), metric);
  std::vector<double> counts = Counts(spread, "counts");
  if (counts.empty()) return "";
  const auto n = static_cast<double>(counts.size());
  BarChart chart;
  chart.title = fmt::format("Users by their {}", MetricLabel(metric));
  chart.bars_name = MetricLabel(metric);
  chart.labels = {"0"};
  chart.ticks = {{0, "0"}};
  for (size_t bin = 0; bin < counts.size(); ++bin) {
    const double first = static_cast<double>(bin) / n, last = static_cast<double>(bin + 1) / n;
    chart.labels.push_back(fmt::format("{} {:.3g} to {:.3g}", bin == 0 ? "above" : "from", first, last));
    if ((bin + 1) % 4 == 0) chart.ticks.push_back({bin + 1, fmt::format("{:.3g}", last)});
  }
  counts.insert(counts.begin(), Count(NumberOf(spread, "n_zero")));
  chart.series = {{"users", counts}};
  chart.x_name = fmt::format("{} of a user; the first bar has none", MetricLabel(metric));
  chart.y_name = "users";
  return BarChartHtml(chart);
}

std::string ScoreChartHtml(const json& report) {
  const json& scores = Member(Member(report, "evaluation"), "scores");
  const std::vector<double> hits = Counts(scores, "hits"), others = Counts(scores, "others");
  const double first = NumberOf(scores, "first"), last = NumberOf(scores, "last");
  if (hits.empty() || hits.size() != others.size() || !std::isfinite(first) || !std::isfinite(last)) return "";
  const auto edge = [&](size_t bin) {
    return fmt::format("{:.3g}", first + (last - first) * static_cast<double>(bin) / static_cast<double>(hits.size()));
  };
  BarChart chart = {"Scores of recommended items", "score", {}, {}, {{"hits", hits}, {"others", others}}, {}, {}};
  for (size_t bin = 0; bin < hits.size(); ++bin) {
    chart.labels.push_back(fmt::format("{} to {}", edge(bin), edge(bin + 1)));
    if (bin % 8 == 4) chart.ticks.push_back({bin, edge(bin)});
  }
  chart.x_name = "score";
  chart.y_name = "recommended items";
  return BarChartHtml(chart);
}

std::string ReliabilityChartHtml(const json& report) {
  const json& bins = Member(Member(Member(report, "evaluation"), "calibration"), "bins");
  if (!bins.is_array() || bins.empty()) return "";
  LineSeries observed = {"observed", {}, true};
  double most = 0;
  for (const json& bin : bins) {
    const double x = NumberOf(bin, "predicted"), y = NumberOf(bin, "observed");
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    observed.points.emplace_back(x, y);
    most = std::max({most, x, y});
  }
  if (most == 0) most = 1;
  LineSeries exact = {"as it should be", {{0, 0}, {most, most}}};
  return LineChartHtml({"Reliability of the probability",
                        "predicted probability",
                        "part of the items that were hits",
                        {observed, exact},
                        PercentText,
                        PercentText});
}

}  // namespace kindred
