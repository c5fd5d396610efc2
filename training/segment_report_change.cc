#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "host/report/format.h"
#include "host/report/page.h"
#include "host/report/row_charts.h"
#include "training/report_values.h"
#include "training/segment_report_parts.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr TableColumn::Kind kNumber = TableColumn::kNumber;
constexpr double kOtherPopulation = 0.25, kSomeDrift = 0.1;

std::string FlowsHtml(const json& report, const json& lineage) {
  const json &flows = ListIn(lineage, "flows"), &from = ListIn(lineage, "from"), &segments = ListIn(report, "segments");
  if (flows.size() != from.size() + 1 || from.empty() || segments.empty()) return "";
  std::map<std::string, int> place_of_id;
  for (size_t s = 0; s < segments.size(); ++s) place_of_id.emplace(TextOf(segments[s], "id"), static_cast<int>(s));
  FlowChart chart = {"Where users went", "version " + CountOf(lineage, "from_version"), "now", "users", {}, {}, {}};
  for (const json& segment : from) {
    const auto place = place_of_id.find(TextOf(segment, "id"));
    chart.from.push_back({SegmentLabel(segment), place == place_of_id.end() ? -1 : place->second});
  }
  chart.from.push_back({"not there"});
  const std::vector<std::string> labels = SegmentLabels(report);
  for (size_t s = 0; s < labels.size(); ++s) chart.to.push_back({labels[s], static_cast<int>(s)});
  chart.to.push_back({"gone"});
  for (const json& row : flows) {
    chart.flows.emplace_back(chart.to.size(), 0);
    for (size_t t = 0; row.is_array() && t < std::min(row.size(), chart.to.size()); ++t)
      chart.flows.back()[t] = std::max(Drawable(row[t], 0), 0.0);
  }
  return FlowChartHtml(chart);
}

/// '"Champions" was split into "A" and "B"', one for each change.
std::vector<std::string> ChangesOf(const json& report, const json& lineage) {
  const auto joined = [](const std::vector<std::string>& names) {
    std::string text;
    for (size_t i = 0; i < names.size(); ++i) text += (i == 0 ? "" : i + 1 == names.size() ? " and " : ", ") + names[i];
    return text;
  };
  const auto now = [&](const json& id) {
    return fmt::format("\"{}\"", LabelOfId(ListIn(report, "segments"), TextOf(id)));
  };
  const auto then = [&](const json& id) {
    return fmt::format("\"{}\"", LabelOfId(ListIn(lineage, "from"), TextOf(id)));
  };
  const auto names_of = [](const json& ids, const auto& name_of) {
    std::vector<std::string> names;
    for (const json& id : ids) names.push_back(name_of(id));
    return names;
  };
  std::vector<std::string> changes;
  for (const json& one : ListIn(lineage, "split"))
    changes.push_back(
        fmt::format("{} was split into {}", then(Member(one, "id")), joined(names_of(ListIn(one, "into"), now))));
  for (const json& one : ListIn(lineage, "merged"))
    changes.push_back(
        fmt::format("{} is {} together", now(Member(one, "id")), joined(names_of(ListIn(one, "from"), then))));
  if (const auto names = names_of(ListIn(lineage, "new"), now); !names.empty())
    changes.push_back(fmt::format("new: {}", joined(names)));
  if (const auto names = names_of(ListIn(lineage, "gone"), then); !names.empty())
    changes.push_back(fmt::format("gone: {}", joined(names)));
  return changes;
}

std::string DriftTable(const json& lineage) {
  Table table = {"How much the values of each feature moved",
                 {{"feature"}, {"stability index", kNumber}, {"by chance", kNumber}, {""}},
                 {}};
  for (const json& one : ListIn(lineage, "psi")) {
    const double psi = Drawable(Member(one, "psi"), NAN);
    table.rows.push_back({FeatureLabel(TextOf(one, "feature")),
                          {std::isfinite(psi) ? NumberText(psi) : "",
                           std::isfinite(psi) ? std::max(psi / (2 * kOtherPopulation), 0.0) : -1},
                          NumberIn(one, "by_chance"),
                          !std::isfinite(psi)       ? "new"
                          : psi >= kOtherPopulation ? "changed"
                          : psi >= kSomeDrift       ? "moved"
                                                    : "stable"});
  }
  return table.rows.empty() ? "" : TableHtml(table);
}

double SharesOf(const json& segments, const json& all_groups, size_t s) {
  double n = 0, all = 0;
  for (const json& group : all_groups) {
    const json& counts = ListIn(group, "by_segment");
    for (size_t i = 0; i < std::min(counts.size(), segments.size()); ++i) {
      const double count = std::max(Drawable(counts[i], 0), 0.0);
      all += count;
      if (i == s) n += count;
    }
  }
  return all > 0 ? n / all : 0;
}

/// "0.31 (0.24 to 0.38, at 95 %): the two go together moderately."
std::string AssociationText(const json& association) {
  const double v = NumberOf(association, "v"), low = NumberOf(association, "low"), high = NumberOf(association, "high");
  if (!std::isfinite(v) || !std::isfinite(low) || !std::isfinite(high)) return "";
  const char* words = low == 0  ? "no more than chance makes"
                      : v < 0.1 ? "hardly"
                      : v < 0.3 ? "weakly"
                      : v < 0.5 ? "moderately"
                                : "strongly";
  return fmt::format("Cram\xC3\xA9r's V {} ({} to {}, at 95 %): group and segment go together {}.", NumberText(v),
                     NumberText(low), NumberText(high), words);
}

std::string SpreadTable(const json& report, const json& of) {
  constexpr double kFull = 0.3;  // of the users of a group more or less than of all that have the full colour
  const json &segments = ListIn(report, "segments"), &groups = ListIn(of, "groups");
  const std::vector<std::string> labels = SegmentLabels(report);
  Table table = {"By " + TextOf(of, "attribute"), {{"group"}, {"users", kNumber}}, {}};
  for (const std::string& label : labels) table.columns.push_back({label, kNumber});
  for (const json& group : groups) {
    const json& counts = ListIn(group, "by_segment");
    double all = 0;
    for (const json& n : counts) all += std::max(Drawable(n, 0), 0.0);
    const bool is_small = Member(group, "small") == json(true);
    table.rows.push_back({TextOf(group, "group") + (is_small ? " (few users)" : ""), CountOf(group, "n_users")});
    for (size_t s = 0; s < labels.size(); ++s) {
      const double share = s < counts.size() && all > 0 ? std::max(Drawable(counts[s], 0), 0.0) / all : 0;
      table.rows.back().push_back(HeatedCell(PercentText(std::round(1000 * share) / 1000),
                                             is_small ? 0 : (share - SharesOf(segments, groups, s)) / kFull));
    }
  }
  const std::string text = AssociationText(Member(of, "association"));
  return table.rows.empty()
             ? ""
             : TableHtml(table) + (text.empty() ? "" : "<p class=\"note\">" + EscapeHtml(text) + "</p>\n");
}

std::string QualityTable(const json& of, const std::string& metric) {
  Table table = {fmt::format("How good recommendations are, by {}", TextOf(of, "attribute")),
                 {{"group"},
                  {"evaluated", kNumber},
                  {MetricLabel(metric), kNumber},
                  {"95 %", kNumber},
                  {"novelty", kNumber},
                  {"popularity lift", kNumber}},
                 {}};
  double largest = 0;
  for (const json& group : ListIn(of, "groups"))
    largest = std::max(largest, Drawable(Member(Member(group, "quality"), "mean"), 0));
  for (const json& group : ListIn(of, "groups")) {
    const json &quality = Member(group, "quality"), &exposure = Member(group, "exposure");
    const double mean = NumberOf(quality, "mean");
    if (!std::isfinite(mean)) continue;
    table.rows.push_back({TextOf(group, "group"), CountOf(group, "n_evaluated"),
                          TableCell(MetricText(mean), largest > 0 ? std::max(mean / largest, 0.0) : -1),
                          IntervalText(quality), NumberIn(Member(exposure, "novelty"), "mean"),
                          NumberIn(exposure, "popularity_lift")});
  }
  if (table.rows.empty()) return "";
  std::string text;
  if (const json& gap = Member(of, "largest_gap"); gap.is_object() && std::isfinite(NumberOf(gap, "gap")))
    text = fmt::format("The largest gap: {} is {} below {} ({} to {}, at 95 %).", TextOf(gap, "worst"),
                       PartText(NumberOf(gap, "gap")), TextOf(gap, "best"), PartText(NumberOf(gap, "low")),
                       PartText(NumberOf(gap, "high")));
  return TableHtml(table) + (text.empty() ? "" : "<p class=\"note\">" + EscapeHtml(text) + "</p>\n");
}

std::string AnomaliesTable(const json& audit) {
  Table table = {"Days with unusual numbers of events",
                 {{"day"}, {"of"}, {"events", kNumber}, {"expected", kNumber}, {"robust z", kNumber}},
                 {}};
  for (const json& one : ListIn(audit, "anomalies")) {
    table.rows.push_back({TextOf(one, "day"), TextOf(one, "source"), CountOf(one, "n_events"), CountOf(one, "expected"),
                          NumberIn(one, "z")});
  }
  return table.rows.empty() ? "" : TableHtml(table);
}

}  // namespace

std::string LineageHtml(const json& report) {
  const json& lineage = Member(report, "lineage");
  if (!lineage.is_object()) return "";
  std::string changes;
  for (const std::string& change : ChangesOf(report, lineage)) changes += "<li>" + EscapeHtml(change) + "</li>\n";
  const std::string n_movers = CountOf(lineage, "n_movers"), share = PartText(NumberOf(lineage, "share_movers"));
  return SectionHtml(
      "Since version " + CountOf(lineage, "from_version"),
      n_movers.empty() ? ""
                       : fmt::format("{} users changed their segment, {} of those in both versions.", n_movers, share),
      (changes.empty() ? "" : "<ul class=\"changes\">\n" + changes + "</ul>\n") + FlowsHtml(report, lineage) +
          DriftTable(lineage));
}

std::string SegmentAuditHtml(const json& report) {
  const json& audit = Member(report, "audit");
  std::string spread;
  for (const json& of : ListIn(audit, "attributes"))
    spread += SpreadTable(report, of) + QualityTable(of, TextOf(audit, "metric"));
  const std::string html = spread + AnomaliesTable(audit);
  return html.empty()
             ? ""
             : SectionHtml("Are groups treated alike?",
                           "What part of each group is in which segment: orange more than of all users, blue "
                           "less. Differences may be what people do, or what the data says of them: look before "
                           "you act on a segment.",
                           html);
}

}  // namespace kindred
