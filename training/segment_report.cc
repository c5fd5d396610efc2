#include "training/segment_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "host/report/format.h"
#include "host/report/page.h"
#include "training/report_values.h"
#include "training/segment_report_parts.h"

namespace kindred {

using nlohmann::json;

const json& ListIn(const json& from, std::string_view name) {
  static const json none = json::array();
  const json& member = Member(from, name);
  return member.is_array() ? member : none;
}

double Drawable(const json& value, double none) {
  constexpr double kMost = 1e15;
  const double number = value.is_number() ? value.get<double>() : NAN;
  return std::isfinite(number) ? std::clamp(number, -kMost, kMost) : none;
}

std::string NumberIn(const json& from, std::string_view name) {
  const double number = NumberOf(from, name);
  return std::isfinite(number) ? NumberText(number) : "";
}

std::string FeatureLabel(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string SegmentLabel(const json& segment) {
  return fmt::format("{} {}", TextOf(segment, "id"), TextOf(segment, "name"));
}

std::vector<std::string> SegmentLabels(const json& report) {
  std::vector<std::string> labels;
  for (const json& segment : ListIn(report, "segments")) labels.push_back(SegmentLabel(segment));
  return labels;
}

std::string ChoiceText(const json& report) {
  const std::string chosen = TextOf(Member(report, "curves"), "chosen_by");
  return chosen.empty()      ? ""
         : chosen == "fixed" ? "as configured"
         : chosen == "kept"  ? "as in the last version"
                             : "chosen by " + chosen;
}

std::string LabelOfId(const json& segments, const std::string& id) {
  for (const json& segment : segments)
    if (TextOf(segment, "id") == id) return SegmentLabel(segment);
  return "segment " + id;
}

namespace {

constexpr TableColumn::Kind kNumber = TableColumn::kNumber, kProse = TableColumn::kProse;

/// How to read a mean silhouette (Kaufman and Rousseeuw 1990).
const char* SilhouetteWords(double silhouette) {
  return silhouette > 0.7    ? "clearly apart"
         : silhouette > 0.5  ? "reasonably apart"
         : silhouette > 0.25 ? "not far apart, with blurred borders"
                             : "hardly apart: take them as a way to cut users up, not as kinds of users";
}

std::string Notices(const json& report) {
  std::vector<std::string> notices;
  const auto add_all = [&](const json& list) {
    for (const json& text : list) notices.push_back(TextOf(text));
  };
  const json &lineage = Member(report, "lineage"), &gate = Member(Member(report, "audit"), "gate");
  const char* published = Member(report, "published") == json(true) ? "Published nevertheless" : "Not published";
  if (!ListIn(lineage, "reasons").empty())
    notices.push_back(fmt::format("{}: it drifted too far from the last version.", published));
  add_all(ListIn(lineage, "reasons"));
  if (Member(gate, "passed") == json(false))
    notices.push_back(fmt::format("{}: groups of users are treated too differently.", published));
  add_all(ListIn(gate, "reasons"));
  add_all(ListIn(report, "warnings"));
  return NoticesHtml("Worth a look", notices);
}

std::string Tiles(const json& report) {
  std::vector<Tile> tiles;
  const json& metrics = Member(report, "metrics");
  if (const std::string n = CountOf(report, "n_users"); !n.empty()) {
    tiles.push_back({"users", n});
    if (const std::string without = CountOf(report, "n_users_without_events"); !without.empty() && without != "0")
      tiles.back().note = without + " of them without events, in no segment";
  }
  if (const std::string k = CountOf(metrics, "k"); !k.empty()) tiles.push_back({"segments", k, ChoiceText(report)});
  if (const double silhouette = NumberOf(metrics, "silhouette"); std::isfinite(silhouette)) {
    const std::string kind = TextOf(metrics, "silhouette_kind");
    tiles.push_back({"silhouette", NumberText(silhouette), "1 is best" + (kind.empty() ? "" : "; " + kind)});
  }
  if (const double share = NumberOf(Member(report, "lineage"), "share_movers"); std::isfinite(share))
    tiles.push_back({"moved", PercentText(share), "of the users in both versions, to another segment"});
  return TilesHtml(tiles);
}

std::string Sizes(const json& report) {
  Table table = {"", {{"segment"}, {"users", kNumber}, {"share", kNumber}}, {}};
  std::string sentences;
  const json& segments = ListIn(report, "segments");
  const std::vector<std::string> labels = SegmentLabels(report);
  for (size_t s = 0; s < segments.size(); ++s) {
    const double share = NumberOf(segments[s], "share");
    table.rows.push_back({labels[s], CountOf(segments[s], "size"),
                          TableCell(PartText(share), std::isfinite(share) ? std::max(share, 0.0) : -1)});
    if (const std::string text = TextOf(segments[s], "in_words"); !text.empty())
      sentences += fmt::format("<li value=\"{}\">{}</li>\n", EscapeHtml(TextOf(segments[s], "id")), EscapeHtml(text));
  }
  return table.rows.empty()
             ? ""
             : SectionHtml("The segments",
                           "Names say what sets a segment apart, the strongest first, "
                           "unless people gave them.",
                           TableHtml(table) + "<p>In words, with medians:</p>\n<ol>\n" + sentences + "</ol>\n");
}

/// "gap; log, 3 values cut below 3 and above 812, missing ones as 40".
std::string TreatmentText(const json& feature) {
  const json& normalization = Member(feature, "normalization");
  std::string text = fmt::format("{}; {}", TextOf(feature, "kind"), TextOf(normalization, "kind"));
  const json &clip = ListIn(normalization, "clip"), &quantiles = ListIn(feature, "quantiles");
  if (const double n = NumberOf(normalization, "n_clipped"); n > 0 && clip.size() == 2 && !quantiles.empty()) {
    const double low = Drawable(clip[0], NAN), high = Drawable(clip[1], NAN);
    const bool is_low = Drawable(quantiles.front(), 0)<low, is_high = Drawable(quantiles.back(), 0)> high;
    text += fmt::format(", {} {} cut", CountOf(normalization, "n_clipped"), n == 1 ? "value" : "values");
    if (is_low) text += " below " + NumberText(low);
    if (is_high) text += (is_low ? " and above " : " above ") + NumberText(high);
  }
  if (const double impute = NumberOf(normalization, "impute");
      std::isfinite(impute) && NumberOf(feature, "n_missing") > 0)
    text += fmt::format(", missing ones as {}", NumberText(impute));
  return text;
}

/// Who has the values farthest out, those that were cut first.
std::string Extremes(const json& report) {
  const std::vector<TableColumn> columns = {
      {"feature"}, {"user"}, {"value", kNumber}, {"taken as", kNumber}, {"segment"}};
  Table cut = {"Values that were cut, so that they do not outweigh all others", columns, {}};
  Table others = {"", columns, {}};
  for (const json& feature : ListIn(report, "features"))
    for (const json& extreme : ListIn(feature, "extremes")) {
      const std::string value = NumberIn(extreme, "value"), used = NumberIn(extreme, "used");
      Table& table = Member(extreme, "value") == Member(extreme, "used") ? others : cut;
      table.rows.push_back({FeatureLabel(TextOf(feature, "name")), TextOf(extreme, "user"), value, used,
                            LabelOfId(ListIn(report, "segments"), TextOf(extreme, "segment"))});
    }
  std::string html = cut.rows.empty() ? "" : TableHtml(cut);
  if (!others.rows.empty())
    html += "<details><summary>Who has the largest values</summary>\n" + TableHtml(others) + "</details>\n";
  return html;
}

std::string Features(const json& report) {
  constexpr const char* kQuantiles[] = {"min", "p10", "p25", "median", "p75", "p90", "p99", "max"};
  Table table = {"", {{"feature"}, {"missing", kNumber}}, {}};
  const bool is_kept = Member(Member(report, "curves"), "chosen_by") == json("kept");
  for (const char* name : kQuantiles) table.columns.push_back({name, kNumber});
  table.columns.push_back({"kind, and how it is made comparable", kProse});
  for (const json& feature : ListIn(report, "features")) {
    const json& quantiles = ListIn(feature, "quantiles");
    const bool is_constant = Member(feature, "constant") == json(true);
    table.rows.push_back(
        {FeatureLabel(TextOf(feature, "name")) + (is_constant ? " (constant)" : ""), CountOf(feature, "n_missing")});
    for (size_t q = 0; q < std::size(kQuantiles); ++q) {
      const double value = q < quantiles.size() ? Drawable(quantiles[q], NAN) : NAN;
      table.rows.back().emplace_back(std::isfinite(value) ? NumberText(value) : "");
    }
    table.rows.back().emplace_back(TreatmentText(feature));
  }
  return table.rows.empty()
             ? ""
             : SectionHtml("What is known of users",
                           is_kept ? "Values as they came when the clusters that were kept were made; those who have "
                                     "the largest, as they are now."
                                   : "Values as they came.",
                           TableHtml(table) + Extremes(report));
}

std::string Origin(const json& report) {
  Table table = {"", {{"setting"}, {"value"}}, {}};
  const auto add = [&](const char* name, const json& value) {
    if (!value.is_null() && value != "" && !value.is_structured()) table.rows.push_back({name, TextOf(value)});
  };
  const json& metrics = Member(report, "metrics");
  add("looked back from", Member(report, "reference"));
  add("backend", Member(Member(report, "backend"), "name").is_null() ? Member(report, "backend")
                                                                     : Member(Member(report, "backend"), "name"));
  add("device", Member(Member(report, "backend"), "device"));
  add("seed", Member(report, "seed"));
  add("inertia", NumberIn(metrics, "inertia"));
  add("iterations", Member(metrics, "n_iterations"));
  add("events later than the reference, left out", CountOf(report, "n_future_events"));
  if (const json& seconds = Member(report, "seconds"); seconds.is_object())
    for (const auto& [part, value] : seconds.items()) add(("seconds: " + part).c_str(), NumberIn(seconds, part));
  else
    add("seconds", seconds);
  return table.rows.empty() ? "" : SectionHtml("How it was made", "", TableHtml(table));
}

}  // namespace

std::string SegmentVerdict(const json& report) {
  const json& segments = ListIn(report, "segments");
  if (segments.empty()) return "There are no segments: nobody has events to go by.";
  const json* largest = &segments[0];
  for (const json& segment : segments)
    if (Drawable(Member(segment, "size"), 0) > Drawable(Member(*largest, "size"), 0)) largest = &segment;
  std::string text = segments.size() == 1
                         ? "All users are in one segment."
                         : fmt::format("{} segments; the largest, \"{}\", has {} of the users.", segments.size(),
                                       TextOf(*largest, "name"), PartText(NumberOf(*largest, "share")));
  const json& metrics = Member(report, "metrics");
  if (const double silhouette = NumberOf(metrics, "silhouette"); segments.size() > 1 && std::isfinite(silhouette))
    text += fmt::format(" They are {} (silhouette {}).", SilhouetteWords(silhouette), NumberText(silhouette));
  if (const json& lineage = Member(report, "lineage"); lineage.is_object()) {
    const std::string share = PartText(NumberOf(lineage, "share_movers"));
    const size_t n_kept = ListIn(lineage, "kept").size();
    text += fmt::format(" {} of them {} there in version {} already{}.", n_kept, n_kept == 1 ? "was" : "were",
                        CountOf(lineage, "from_version"),
                        share.empty() ? "" : fmt::format("; {} of the users moved", share));
  }
  return text;
}

std::string SegmentReportHtml(const json& report, const std::string& dendrogram) {
  std::string subject = TextOf(report, "model");
  if (const std::string version = TextOf(report, "version"); !version.empty()) subject += " version " + version;
  subject += fmt::format(": segments of {}", TextOf(Member(report, "dataset"), "path"));
  Page page = {"Segments", subject, {}, {}};
  page.html = fmt::format("<section>\n<p class=\"verdict\">{}</p>\n</section>\n", EscapeHtml(SegmentVerdict(report))) +
              Notices(report) + Tiles(report) + Sizes(report) + SegmentProfilesHtml(report) + SegmentMapHtml(report) +
              SegmentNumberHtml(report) + DendrogramSectionHtml(report, dendrogram) + SegmentExamplesHtml(report) +
              SegmentRulesHtml(report) + SegmentStagesHtml(report) + LikelihoodHtml(report) + LineageHtml(report) +
              SegmentAuditHtml(report) + Features(report) + Origin(report);
  page.origin = {fmt::format("dataset {}", TextOf(Member(report, "dataset"), "digest")),
                 fmt::format("made {}", TextOf(report, "created_at"))};
  return PageHtml(page);
}

}  // namespace kindred
