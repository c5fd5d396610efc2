#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

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
constexpr double kStrong = 2;  // standard deviations that have the full colour
constexpr size_t kMostSilhouettes = 200;

std::string SignedText(double value) {
  if (!std::isfinite(value)) return "";
  const std::string text = fmt::format("{:.1f}", std::fabs(value));
  if (text == "0.0") return "0";
  return (value > 0 ? "+" : "\xE2\x88\x92") + text;
}

/// The features that any segment has a profile of, in the order of the first.
std::vector<std::string> ProfiledNames(const json& report) {
  std::vector<std::string> names;
  for (const json& segment : ListIn(report, "segments"))
    for (const json& feature : ListIn(segment, "profile"))
      if (std::string name = TextOf(feature, "feature"); std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(std::move(name));
  return names;
}

const json& ProfileOf(const json& segment, const std::string& feature) {
  static const json null;
  for (const json& profile : ListIn(segment, "profile"))
    if (TextOf(profile, "feature") == feature) return profile;
  return null;
}

double DeviationsOf(const json& segment, const std::string& feature) {
  return Drawable(Member(ProfileOf(segment, feature), "deviations"), NAN);
}

/// Medians of the segments, with the mean where a reader may want it.
std::string MediansTable(const json& report, const std::vector<std::string>& features) {
  Table table = {"Medians, and means in brackets", {{"segment"}}, {}};
  for (const std::string& feature : features) table.columns.push_back({FeatureLabel(feature), kNumber});
  const std::vector<std::string> labels = SegmentLabels(report);
  const json& segments = ListIn(report, "segments");
  for (size_t s = 0; s < segments.size(); ++s) {
    table.rows.push_back({labels[s]});
    for (const std::string& feature : features) {
      const json& profile = ProfileOf(segments[s], feature);
      const double median = NumberOf(profile, "median"), mean = NumberOf(profile, "mean");
      table.rows.back().emplace_back(std::isfinite(median) && std::isfinite(mean)
                                         ? fmt::format("{} ({})", NumberText(median), NumberText(mean))
                                         : "");
    }
  }
  return "<details><summary>The values behind it</summary>\n" + TableHtml(table) + "</details>\n";
}

LineSeries Marked(const json& curves, const json& values, double at, const std::string& name) {
  LineSeries marked = {name, {}, true};
  const json& ks = ListIn(curves, "k");
  for (size_t i = 0; i < std::min(ks.size(), values.size()); ++i)
    if (const double y = Drawable(values[i], NAN); Drawable(ks[i], NAN) == at && std::isfinite(y))
      marked.points.emplace_back(at, y);
  return marked;
}

std::string CurveHtml(const json& report, const char* member, const std::string& title, const std::string& y_name,
                      const std::pair<const char*, const char*>& suggested) {
  const json& curves = Member(report, "curves");
  const json &ks = ListIn(curves, "k"), &values = ListIn(curves, member);
  LineSeries line = {member, {}};
  for (size_t i = 0; i < std::min(ks.size(), values.size()); ++i)
    if (const double x = Drawable(ks[i], NAN), y = Drawable(values[i], NAN); std::isfinite(x) && std::isfinite(y))
      line.points.emplace_back(x, y);
  if (line.points.size() < 2) return "";
  std::stable_sort(line.points.begin(), line.points.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  const double chosen = NumberOf(Member(report, "metrics"), "k"), best = NumberOf(curves, suggested.first);
  std::vector<LineSeries> series = {line};
  if (LineSeries mark = Marked(curves, values, chosen, "chosen: " + NumberText(chosen)); !mark.points.empty())
    series.push_back(std::move(mark));
  if (best != chosen)
    if (LineSeries mark = Marked(curves, values, best, fmt::format("{}: {}", suggested.second, NumberText(best)));
        !mark.points.empty())
      series.push_back(std::move(mark));
  return LineChartHtml({title, "number of segments", y_name, series,
                        [](double k) { return k == std::round(k) ? fmt::format("{:.0f}", k) : ""; },
                        [](double value) { return std::fabs(value) >= 1000 ? ShortText(value) : NumberText(value); }});
}

std::string SilhouettesHtml(const json& report) {
  const json& all = ListIn(report, "silhouettes");
  const json& segments = ListIn(report, "segments");
  if (all.empty() || all.size() != segments.size()) return "";
  const std::vector<std::string> labels = SegmentLabels(report);
  BandChart chart = {"Silhouettes",
                     "silhouette of a user: near 1 well placed, below 0 nearer to another segment",
                     {},
                     Drawable(Member(Member(report, "metrics"), "silhouette"), NAN)};
  if (std::fabs(chart.mean) > 1) chart.mean = NAN;
  for (size_t s = 0; s < all.size(); ++s) {
    Band band = {labels[s], {}, Drawable(Member(segments[s], "mean_silhouette"), NAN)};
    if (all[s].is_array())
      for (const json& value : all[s])
        if (const double drawn = Drawable(value, NAN); std::fabs(drawn) <= 1 && band.values.size() < kMostSilhouettes)
          band.values.push_back(drawn);
    std::sort(band.values.rbegin(), band.values.rend());
    chart.bands.push_back(std::move(band));
  }
  return BandChartHtml(chart);
}

/// What an axis of the map is made of: "mostly monetary, frequency".
std::string AxisWords(const json& report, size_t component) {
  const json &map = Member(report, "map"), &loadings = ListIn(map, "loadings"), &features = ListIn(report, "features");
  std::string text = component == 0 ? "first direction" : "second direction";
  const json& explained = ListIn(map, "explained");
  if (component < explained.size() && std::isfinite(Drawable(explained[component], NAN)))
    text += fmt::format(", {} of the differences", PercentText(Drawable(explained[component], 0)));
  if (component >= loadings.size() || !loadings[component].is_array()) return text;
  std::vector<std::pair<double, size_t>> strongest;
  for (size_t f = 0; f < std::min(loadings[component].size(), features.size()); ++f)
    if (const double loading = Drawable(loadings[component][f], 0); std::fabs(loading) >= 0.3)
      strongest.emplace_back(-std::fabs(loading), f);
  std::sort(strongest.begin(), strongest.end());
  for (size_t i = 0; i < std::min<size_t>(strongest.size(), 3); ++i) {
    const size_t f = strongest[i].second;
    text += fmt::format("{}{}{}", i == 0 ? ": " : ", ", Drawable(loadings[component][f], 0) < 0 ? "less " : "more ",
                        FeatureLabel(TextOf(features[f], "name")));
  }
  return text;
}

}  // namespace

std::string SegmentProfilesHtml(const json& report) {
  const std::vector<std::string> features = ProfiledNames(report);
  const json& segments = ListIn(report, "segments");
  if (features.empty()) return "";
  const std::vector<std::string> labels = SegmentLabels(report);
  Table table = {"Standard deviations off all users", {{"segment"}}, {}};
  RowLineChart lines = {"Profiles side by side", "feature", "standard deviations off the mean of all users", {}, {}};
  for (const std::string& feature : features) {
    table.columns.push_back({FeatureLabel(feature), kNumber});
    lines.rows.push_back(FeatureLabel(feature));
  }
  for (size_t s = 0; s < segments.size(); ++s) {
    table.rows.push_back({labels[s]});
    lines.series.push_back({labels[s], {}});
    for (const std::string& feature : features) {
      const double deviations = DeviationsOf(segments[s], feature);
      lines.series.back().values.push_back(deviations);
      table.rows.back().push_back(
          HeatedCell(SignedText(deviations), std::isfinite(deviations) ? deviations / kStrong : 0));
    }
  }
  return SectionHtml("What sets them apart",
                     "How far a segment's mean is from that of all users, in standard deviations of what clusters were "
                     "made of (logarithms, where values differ by factors): orange above, blue below, stronger the "
                     "farther. Within half a deviation is hardly different.",
                     TableHtml(table) + MediansTable(report, features) + RowLineChartHtml(lines));
}

std::string SegmentMapHtml(const json& report) {
  const json& points = ListIn(Member(report, "map"), "points");
  ScatterChart chart = {"Users on a map", AxisWords(report, 0), AxisWords(report, 1), {}};
  for (const json& segment : ListIn(report, "segments"))
    chart.series.push_back({SegmentLabel(segment), {}, TextOf(segment, "id")});
  size_t n = 0;
  for (const json& point : points) {
    const double x = Drawable(Member(point, "x"), NAN), y = Drawable(Member(point, "y"), NAN),
                 segment = NumberOf(point, "segment");
    if (!std::isfinite(x) || !std::isfinite(y) || !(segment >= 0 && segment < static_cast<double>(chart.series.size())))
      continue;
    chart.series[static_cast<size_t>(segment)].points.emplace_back(x, y);
    ++n;
  }
  if (n == 0) return "";
  return SectionHtml("Where users are",
                     "Each dot is a user, laid flat so that as much as possible of what differs is seen; the numbers "
                     "are at the middles of the segments. What the two directions leave out is not seen: segments "
                     "that overlap here may be apart.",
                     ScatterChartHtml(chart));
}

std::string SegmentExamplesHtml(const json& report) {
  const std::vector<std::string> features = ProfiledNames(report);
  const json& segments = ListIn(report, "segments");
  const std::vector<std::string> labels = SegmentLabels(report);
  Table table = {"", {{"segment"}, {"user"}, {"", TableColumn::kText}, {"distance", kNumber}}, {}};
  for (const std::string& feature : features) table.columns.push_back({FeatureLabel(feature), kNumber});
  for (size_t s = 0; s < segments.size(); ++s) {
    std::string label = labels[s];  // in full once
    for (const json& example : ListIn(segments[s], "examples")) {
      const std::string next = TextOf(example, "next");
      table.rows.push_back({std::exchange(label, TextOf(segments[s], "id")), TextOf(example, "user"),
                            next.empty() ? "typical" : "near " + next, NumberIn(example, "distance")});
      for (const std::string& feature : features) {
        table.rows.back().emplace_back(NumberIn(Member(example, "values"), feature));
      }
    }
  }
  if (table.rows.empty()) return "";
  return SectionHtml("Users to look at",
                     "Those nearest to the middle of their segment, and one at its border, with the number of the "
                     "segment that it is as near to.",
                     TableHtml(table));
}

std::string SegmentNumberHtml(const json& report) {
  std::vector<std::string> charts;
  for (std::string chart : {CurveHtml(report, "inertia", "Inertia by number",
                                      "inertia: squared distances to the middles", {"elbow_k", "elbow"}),
                            CurveHtml(report, "silhouette", "Silhouette by number", "mean silhouette of users",
                                      {"silhouette_k", "highest"})})
    if (!chart.empty()) charts.push_back(std::move(chart));
  std::string html = charts.empty() ? "" : BesideHtml(charts);
  html += SilhouettesHtml(report);
  Table merged = {"Merged because they were too small",
                  {{"cluster"}, {"users", kNumber}, {"merged into"}, {"distance", kNumber}},
                  {}};
  for (const json& one : ListIn(report, "merged")) {
    merged.rows.push_back({CountOf(one, "index"), CountOf(one, "size"),
                           LabelOfId(ListIn(report, "segments"), TextOf(one, "into")), NumberIn(one, "distance")});
  }
  if (!merged.rows.empty()) html += TableHtml(merged);
  if (html.empty()) return "";
  const std::string chosen = ChoiceText(report), k = CountOf(Member(report, "metrics"), "k");
  std::string note;
  if (!k.empty() && !chosen.empty()) note = fmt::format("{} segment{}, {}. ", k, k == "1" ? "" : "s", chosen);
  note +=
      "More segments always lower the inertia; where the curve bends, one more no longer helps much. The silhouette "
      "says how much nearer users are to their own segment than to the next.";
  return SectionHtml("How many there are, and how distinct", note, html);
}

std::string DendrogramSectionHtml(const json& report, const std::string& figure) {
  if (figure.empty()) return "";
  const std::string linkage = TextOf(Member(report, "dendrogram"), "linkage");
  return SectionHtml(
      "How they join",
      fmt::format("Groups joined{}, the most alike first: the farther to the left a join is, the more it "
                  "joins what differs.",
                  linkage.empty() ? "" : fmt::format(" by {} linkage", linkage)),
      figure);
}

}  // namespace kindred
