#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/report/chart.h"
#include "host/report/format.h"
#include "host/report/page.h"
#include "host/report/row_charts.h"
#include "training/report_values.h"
#include "training/segment_report_parts.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr TableColumn::Kind kNumber = TableColumn::kNumber;

TableCell ShareCell(double share) {
  return {PartText(share), std::isfinite(share) ? std::max(share, 0.0) : -1};
}

std::string ThresholdsTable(const json& report) {
  const json& thresholds = Member(report, "thresholds");
  if (!thresholds.is_object() || thresholds.empty()) return "";
  Table table = {"Thresholds that rules use",
                 {{"threshold"}, {"value", kNumber}, {"of"}, {"quantile", kNumber}, {"last", kNumber}},
                 {}};
  for (const auto& [name, threshold] : thresholds.items()) {
    const auto number = [&](const char* member) {
      const double value = NumberOf(threshold, member);
      return std::isfinite(value) ? NumberText(value) : "";
    };
    table.rows.push_back(
        {TextOf(json(name)), number("value"), TextOf(threshold, "of"), number("quantile"), number("last")});
  }
  return TableHtml(table);
}

/// Where users of each stage were, and are; "" without a last version, whose stages may be others.
std::string TransitionsHtml(const json& stages, const std::vector<std::string>& names) {
  const json &transitions = ListIn(stages, "transitions"), &last_names = ListIn(stages, "last_names");
  if (transitions.empty() || transitions.size() != last_names.size() + 1) return "";
  FlowChart chart = {"Since the last version", "stage then", "stage now", "users", {}, {}, {}};
  for (size_t s = 0; s < names.size(); ++s) chart.to.push_back({names[s], static_cast<int>(s)});
  for (const json& last : last_names) {
    const auto same = std::find(names.begin(), names.end(), TextOf(last));
    chart.from.push_back({TextOf(last), same == names.end() ? -1 : static_cast<int>(same - names.begin())});
  }
  for (std::vector<FlowNode>* ends : {&chart.from, &chart.to}) ends->push_back({"none"});
  for (const json& row : transitions) {
    chart.flows.emplace_back(chart.to.size(), 0);
    for (size_t t = 0; row.is_array() && t < std::min(row.size(), chart.to.size()); ++t)
      chart.flows.back()[t] = std::max(Drawable(row[t], 0), 0.0);
  }
  return FlowChartHtml(chart);
}

std::string CalibrationHtml(const json& likelihood) {
  LineSeries observed = {"observed", {}, true};
  double most = 0;
  for (const json& bin : ListIn(likelihood, "calibration")) {
    const double x = Drawable(Member(bin, "predicted"), NAN), y = Drawable(Member(bin, "observed"), NAN);
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    observed.points.emplace_back(x, y);
    most = std::max({most, x, y});
  }
  if (observed.points.empty()) return "";
  if (most == 0) most = 1;
  std::stable_sort(observed.points.begin(), observed.points.end());
  return LineChartHtml({"What was said and what came",
                        "predicted likelihood",
                        "part of the users that did",
                        {observed, {"as it should be", {{0, 0}, {most, most}}}},
                        PercentText,
                        PercentText});
}

std::string CoefficientsHtml(const json& likelihood) {
  const json& coefficients = ListIn(likelihood, "coefficients");
  std::vector<const json*> order;
  double largest = 0;
  for (const json& one : coefficients) {
    order.push_back(&one);
    largest = std::max(largest, std::fabs(Drawable(Member(one, "coefficient"), 0)));
  }
  if (order.empty()) return "";
  std::stable_sort(order.begin(), order.end(), [](const json* a, const json* b) {
    return std::fabs(Drawable(Member(*a, "coefficient"), 0)) > std::fabs(Drawable(Member(*b, "coefficient"), 0));
  });
  Table table = {"What makes it likelier (orange) and less likely (blue)",
                 {{"feature"}, {"coefficient", kNumber}, {"odds ratio", kNumber}},
                 {}};
  for (const json* one : order) {
    const double coefficient = Drawable(Member(*one, "coefficient"), 0);
    table.rows.push_back({FeatureLabel(TextOf(*one, "feature")),
                          HeatedCell(NumberIn(*one, "coefficient"), largest > 0 ? coefficient / largest : 0),
                          NumberIn(*one, "odds_ratio")});
  }
  return TableHtml(table);
}

}  // namespace

std::string SegmentRulesHtml(const json& report) {
  Table table = {"", {{"rule"}, {"users", kNumber}, {"share", kNumber}, {"when", TableColumn::kProse}}, {}};
  for (const json& rule : ListIn(report, "rules"))
    table.rows.push_back(
        {TextOf(rule, "name"), CountOf(rule, "size"), ShareCell(NumberOf(rule, "share")), TextOf(rule, "when")});
  const std::string html = (table.rows.empty() ? "" : TableHtml(table)) + ThresholdsTable(report);
  return html.empty() ? "" : SectionHtml("Segments by rule", "A user may be in several of these, or in none.", html);
}

std::string SegmentStagesHtml(const json& report) {
  const json& stages = Member(report, "stages");
  const json &names = ListIn(stages, "names"), &sizes = ListIn(stages, "sizes");
  if (names.empty()) return "";
  std::vector<std::string> texts;
  std::vector<double> n;
  double all = 0;
  for (size_t s = 0; s < names.size(); ++s) {
    texts.push_back(TextOf(names[s]));
    n.push_back(s < sizes.size() ? std::max(Drawable(sizes[s], 0), 0.0) : 0);
    all += n.back();
  }
  const double none = std::max(Drawable(Member(stages, "n_in_none"), 0), 0.0);
  all += none;
  Table table = {"", {{"stage"}, {"users", kNumber}, {"share", kNumber}}, {}};
  const auto add = [&](const std::string& stage, double users) {
    table.rows.push_back({stage, CountText(std::llround(users)), ShareCell(all > 0 ? users / all : 0)});
  };
  for (size_t s = 0; s < texts.size(); ++s) add(texts[s], n[s]);
  if (none > 0) add("none", none);
  return SectionHtml("How far they have come", "A user is in the last of these stages whose rule holds.",
                     TableHtml(table) + TransitionsHtml(stages, texts));
}

std::string LikelihoodHtml(const json& report) {
  const json& likelihood = Member(report, "likelihood");
  if (!likelihood.is_object()) return "";
  std::vector<Tile> tiles;
  const auto add = [&](const char* name, const std::string& value, const std::string& note) {
    if (!value.empty()) tiles.push_back({name, value, note});
  };
  add("likely", CountOf(likelihood, "n_likely"), "users who are in the segment now");
  add("of all users", PartText(NumberOf(likelihood, "base_rate")), "did it in the time behind the split");
  add("AUC", MetricText(NumberOf(likelihood, "auc")),
      "how often one who did is above one who did not; 0.5 is by chance");
  add("Brier score", MetricText(NumberOf(likelihood, "brier")), "mean squared error of the likelihood; 0 is best");
  const std::string n_train = CountOf(likelihood, "n_train"), n_test = CountOf(likelihood, "n_test");
  add("users", n_test, n_train.empty() ? "measured on" : "measured on, learned from " + n_train);
  std::vector<std::string> parts;
  for (std::string part : {CalibrationHtml(likelihood), CoefficientsHtml(likelihood)})
    if (!part.empty()) parts.push_back(std::move(part));
  std::string note = fmt::format("How likely {} within {} is, by a logistic regression on the features.",
                                 TextOf(likelihood, "event"), TextOf(likelihood, "horizon"));
  if (const double enter = NumberOf(likelihood, "enter"), leave = NumberOf(likelihood, "leave");
      std::isfinite(enter) && std::isfinite(leave))
    note +=
        fmt::format(" Users enter the segment at {} and leave it below {}.", PercentText(enter), PercentText(leave));
  return SectionHtml("Who is likely to come", note,
                     (tiles.empty() ? "" : TilesHtml(tiles)) + (parts.empty() ? "" : BesideHtml(parts)));
}

}  // namespace kindred
