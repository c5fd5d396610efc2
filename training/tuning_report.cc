#include "training/tuning_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "host/report/chart.h"
#include "host/report/format.h"
#include "host/report/page.h"
#include "host/text/text.h"
#include "training/report_values.h"
#include "training/tuning_text.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr TableColumn::Kind kNumber = TableColumn::kNumber;

bool Is(const json& trial, const char* state) {
  return TextOf(trial, "state") == state;
}

std::string Metric(const json& report) {
  return MetricLabel(TextOf(report, "metric"));
}

/// The trials as points: where `place` puts them, by their metric; complete and stopped ones apart.
std::vector<LineSeries> Points(const json& report, const std::function<double(const json& trial)>& place) {
  LineSeries complete = {"complete", {}, true}, stopped = {"stopped, on the sample", {}, true};
  for (const json& trial : Member(report, "trials")) {
    const double x = place(trial), y = NumberOf(trial, Is(trial, "complete") ? "value" : "sample_value");
    if (std::isfinite(x) && std::isfinite(y)) (Is(trial, "complete") ? complete : stopped).points.emplace_back(x, y);
  }
  std::vector<LineSeries> series;
  for (LineSeries* one : {&complete, &stopped}) {
    std::ranges::sort(one->points);
    if (!one->points.empty()) series.push_back(std::move(*one));
  }
  return series;
}

std::string CountOfTrials(double n) {
  return n == std::round(n) ? fmt::format("{:.0f}", n) : "";
}

std::string ProgressChart(const json& report) {
  std::vector<LineSeries> series = Points(report, [](const json& trial) { return NumberOf(trial, "trial"); });
  LineSeries best = {"best so far", {}};
  for (const json& trial : Member(report, "trials")) {
    const double before = best.points.empty() ? NAN : best.points.back().second;
    const double now = std::fmax(before, Is(trial, "complete") ? NumberOf(trial, "value") : NAN);
    if (std::isfinite(now)) best.points.emplace_back(NumberOf(trial, "trial"), now);
  }
  series.push_back(std::move(best));
  return LineChartHtml({Metric(report) + " over the trials", "trial", Metric(report) + " on the validation slice",
                        series, CountOfTrials, MetricText});
}

/// Parameters on a logarithmic scale lie by their logarithm; a value of 0 has no place there.
std::string ParameterChart(const json& report, const json& parameter) {
  const std::string name = TextOf(parameter, "name");
  const bool log = TextOf(parameter, "scale") == "log";
  const std::vector<LineSeries> series = Points(report, [&](const json& trial) {
    const double value = NumberOf(Member(trial, "parameters"), name);
    return log ? std::log10(value) : value;
  });
  if (series.empty()) return "";
  const auto text = [log](double x) { return NumberText(log ? std::pow(10, x) : x); };
  return LineChartHtml({name, name + (log ? ", logarithmic" : ""), Metric(report), series, text, MetricText});
}

std::string TrialTable(const json& report) {
  const bool has_epochs = Member(report, "best").contains("epochs");
  Table table = {"Best first", {{"trial"}, {Metric(report), kNumber}, {"on the sample", kNumber}}, {}};
  for (const json& parameter : Member(report, "space")) table.columns.push_back({TextOf(parameter, "name"), kNumber});
  if (has_epochs) table.columns.push_back({"epochs", kNumber});
  table.columns.push_back({"seconds", kNumber});
  table.columns.push_back({"", TableColumn::kProse});
  const double best = NumberOf(Member(report, "best"), "value");
  for (const json& trial : Ranked(report)) {
    const double value = NumberOf(trial, "value");
    std::vector<TableCell> row = {TextOf(trial, "trial"),
                                  {MetricText(value), std::isfinite(value) && best > 0 ? value / best : -1},
                                  MetricText(NumberOf(trial, "sample_value"))};
    for (const json& parameter : Member(report, "space"))
      row.emplace_back(NumberText(NumberOf(Member(trial, "parameters"), TextOf(parameter, "name"))));
    if (has_epochs) row.emplace_back(TextOf(trial, "epochs"));
    row.emplace_back(NumberText(NumberOf(trial, "seconds")));
    row.emplace_back(Is(trial, "complete") ? trial["trial"] == 1 ? FirstTrialText(report) : ""
                                           : fmt::format("{}: {}", TextOf(trial, "state"), TextOf(trial, "why")));
    table.rows.push_back(std::move(row));
  }
  return TableHtml(table);
}

std::string Verdict(const json& report) {
  const json& best = Member(report, "best");
  const double value = NumberOf(best, "value"), defaults = NumberOf(Member(report, "trials")[0], "value");
  std::string text = fmt::format("Trial {} is the best: {} {} with {}", TextOf(best, "trial"), Metric(report),
                                 MetricText(value), PointText(best));
  if (TextOf(best, "trial") == "1")
    text += fmt::format(", which are {}", FirstTrialText(report));
  else if (std::isfinite(defaults))
    text += fmt::format("; {} have {}", FirstTrialText(report), MetricText(defaults));
  return text + ".";
}

std::string Tiles(const json& report) {
  const json& trials = Member(report, "trials");
  const auto count = [&](const char* state) {
    return std::ranges::count_if(trials, [&](const json& trial) { return Is(trial, state); });
  };
  double seconds = 0;
  for (const json& trial : trials) seconds += NumberOf(trial, "seconds");
  const json& slice = Member(report, "slice");
  return TilesHtml(
      {{Metric(report), MetricText(NumberOf(Member(report, "best"), "value")), "the best trial"},
       {"trials", CountText(std::ssize(trials)),
        fmt::format("{} complete, {} stopped early, {} failed", count("complete"), count("stopped"), count("failed"))},
       {"users", CountOf(slice, "n_users"),
        fmt::format("of the validation slice, with {} items; {} in the sample", CountOf(slice, "n_pairs"),
                    CountOf(slice, "n_sample_users"))},
       {"seconds", NumberText(seconds), "in trials"}});
}

}  // namespace

std::string TuningReportHtml(const json& report) {
  Page page = {"Tuning report",
               fmt::format("{} on {}", TextOf(report, "algorithm"), TextOf(Member(report, "dataset"), "path")),
               {},
               {}};
  std::vector<std::string> charts;
  for (const json& parameter : Member(report, "space")) charts.push_back(ParameterChart(report, parameter));
  page.html = fmt::format("<section>\n<p class=\"verdict\">{}</p>\n</section>\n", EscapeHtml(Verdict(report))) +
              Tiles(report) +
              SectionHtml("How the search went",
                          "Trials are measured on the users of the validation slice; those that were stopped, on a "
                          "sample of them.",
                          ProgressChart(report)) +
              SectionHtml("What matters", "The metric against each parameter.", BesideHtml(charts)) +
              SectionHtml("All trials", "", TrialTable(report));
  page.origin = {fmt::format("dataset {}", TextOf(Member(report, "dataset"), "digest")),
                 fmt::format("seed {}; made {} by kindred {}", TextOf(report, "seed"), TextOf(report, "created_at"),
                             TextOf(report, "kindred_version"))};
  return PageHtml(page);
}

}  // namespace kindred
