#include "training/training_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "host/data_report/calendar.h"
#include "host/report/format.h"
#include "host/report/page.h"
#include "training/report_values.h"
#include "training/training_report_charts.h"
#include "training/training_report_models.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr TableColumn::Kind kNumber = TableColumn::kNumber;
constexpr const char* kBaseline = "popularity_";
constexpr const char* kLeading[] = {"ndcg", "recall", "hit_rate"};  // what is shown first
/// Of metrics that say more or less, but not better or worse.
constexpr std::array<std::pair<const char*, const char*>, 5> kKinds = {{
    {"coverage", "the share of all items that somebody is shown"},
    {"novelty", "how little known the shown items are, in bits: one more is half as many users"},
    {"diversity", "how different the items of a list are: 0 all alike, 1 unrelated"},
    {"popularity_lift", "how popular shown items are against what the same users had: 1 just as much"},
    {"exposure_gini", "how unevenly items are shown: 0 all as often, 1 few all the time"},
}};

/// The metrics of `of`, those of hits first and in the order of the text; the baseline's are not among them.
std::vector<std::string> MetricNames(const json& of, bool of_hits) {
  std::vector<std::string> names;
  if (!of.is_object()) return names;
  for (const auto& [name, value] : of.items()) {
    if (!value.is_number() || !of.contains(kBaseline + name)) continue;
    const bool is_kind = std::any_of(kKinds.begin(), kKinds.end(), [&](const auto& kind) {
      return name.starts_with(std::string(kind.first) + "_at_");
    });
    if (is_kind != of_hits) names.push_back(name);
  }
  return names;
}

std::string ModelName(const json& report) {
  const std::string name = TextOf(report, "algorithm");
  return name == "als" ? "ALS" : name;
}

/// "2.1 % better", "4.2 times as good", as far as four digits tell; "better" than nothing.
std::string Change(double now, double before) {
  if (!(before > 0)) return now > 0 ? "better" : "as good";
  const double part = now / before - 1;
  if (std::fabs(part) < 5e-4) return "as good";
  if (part > 1) return fmt::format("{} times as good", NumberText(now / before));
  return fmt::format("{} {}", PercentText(std::fabs(part)), part > 0 ? "better" : "worse");
}

std::string AgainstPopularity(const json& report, const std::string& metric, double value, double baseline) {
  const json& difference = Member(Member(Member(report, "evaluation"), "against_popularity"), metric);
  const double low = NumberOf(difference, "low"), high = NumberOf(difference, "high");
  const char* verdict = low > 0    ? "better than popularity"
                        : high < 0 ? "worse than popularity"
                                   : "no different from popularity beyond chance";
  std::string text = fmt::format("{} is {}: {} {} against {}, {}", ModelName(report), verdict, MetricLabel(metric),
                                 MetricText(value), MetricText(baseline), Change(value, baseline));
  if (const std::string interval = IntervalText(difference); !interval.empty())
    text += fmt::format(" (the difference is {}, at 95 %)", interval);
  return text + ".";
}

std::string AgainstLast(const json& report, const std::string& metric, double value) {
  const json& last = Member(report, "last_version");
  if (!last.is_object()) return "";
  const std::string version = "version " + TextOf(last, "version");
  if (const std::string why = TextOf(last, "why_not"); !why.empty())
    return fmt::format(" It does not compare with {}: {}.", version, why);
  const double before = NumberOf(Member(last, "metrics"), metric);
  if (!std::isfinite(before)) return "";
  const std::string change = Change(value, before);
  return fmt::format(" It is {} {} {}, which has {}.", change, change.ends_with("as good") ? "as" : "than", version,
                     MetricText(before));
}

}  // namespace

std::string TrainingVerdict(const json& report) {
  const json& metrics = Member(report, "metrics");
  const std::string metric = AtK(report, "ndcg");
  const double value = NumberOf(metrics, metric), baseline = NumberOf(metrics, kBaseline + metric);
  if (!std::isfinite(value) || !std::isfinite(baseline))
    return "Nothing was held out, so nothing says how good it is; --split or --test does.";
  const std::string text =
      TextOf(report, "algorithm") == "popularity"
          ? fmt::format("Popularity, the baseline, has {} {}.", MetricLabel(metric), MetricText(value))
          : AgainstPopularity(report, metric, value, baseline);
  return text + AgainstLast(report, metric, value);
}

namespace {

std::string Notices(const json& report) {
  std::vector<std::string> notices;
  if (const std::string what = TextOf(report, "fell_back"); !what.empty()) notices.push_back("On the CPU: " + what);
  const json& holdout = Member(report, "holdout");
  const double n_users = NumberOf(holdout, "n_users"), n_cold = NumberOf(holdout, "n_cold_users");
  if (n_users > 0 && n_cold / n_users > 0.1)
    notices.push_back(fmt::format("{} of the evaluated users have no history and are shown what is popular",
                                  PercentText(n_cold / n_users)));
  const double n_pairs = NumberOf(holdout, "n_pairs"), n_missing = NumberOf(holdout, "n_missing_pairs");
  if (n_pairs > 0 && n_missing / n_pairs > 0.1)
    notices.push_back(
        fmt::format("the model lacks the user or the item of {} of the held-out pairs: they count as misses",
                    PercentText(n_missing / n_pairs)));
  if (const double n_seen = NumberOf(holdout, "n_seen_pairs"); n_pairs > 0 && n_seen / n_pairs > 0.01)
    notices.push_back(fmt::format("{} of the held-out pairs are in the history as well and cannot be hits",
                                  PercentText(n_seen / n_pairs)));
  return NoticesHtml("Worth a look", notices);
}

std::string Tiles(const json& report) {
  std::vector<Tile> tiles;
  const json& metrics = Member(report, "metrics");
  for (const char* metric : kLeading) {
    const std::string name = AtK(report, metric);
    const double value = NumberOf(metrics, name);
    if (std::isfinite(value))
      tiles.push_back({MetricLabel(name), MetricText(value),
                       fmt::format("popularity {}", MetricText(NumberOf(metrics, kBaseline + name)))});
  }
  for (const auto& [name, member] : {std::pair("users", "n_users"), {"items", "n_items"}, {"entries", "n_entries"}})
    if (const std::string n = CountOf(report, member); !n.empty()) tiles.push_back({name, n});
  if (!tiles.empty() && tiles.back().name == "entries")
    tiles.back().note = "pairs of user and item the version is fitted on";
  double seconds = 0;
  if (const json& parts = Member(report, "seconds"); parts.is_object())
    for (const auto& [part, value] : parts.items()) seconds += value.is_number() ? value.get<double>() : 0;
  const json& plan = Member(report, "plan");
  const double planned_seconds = NumberOf(Member(plan, "seconds"), "total");
  const double planned_bytes = NumberOf(plan, "peak_memory_bytes");
  const auto planned = [](bool is_known, const std::string& text) { return is_known ? "; planned " + text : ""; };
  if (seconds > 0)
    tiles.push_back(
        {"seconds", NumberText(seconds),
         "from the start to the published version" + planned(planned_seconds > 0, NumberText(planned_seconds))});
  if (const double bytes = NumberOf(report, "peak_memory_bytes"); bytes > 0 && bytes < 1e18)
    tiles.push_back(
        {"memory", BytesText(std::llround(bytes)),
         "at its peak" + planned(planned_bytes > 0 && planned_bytes < 1e18, BytesText(std::llround(planned_bytes)))});
  return TilesHtml(tiles);
}

/// A value with a bar against the largest of its row.
TableCell Barred(double value, double largest) {
  if (!std::isfinite(value)) return "";
  return {MetricText(value), largest > 0 ? value / largest : 0};
}

std::string Quality(const json& report) {
  const json& metrics = Member(report, "metrics");
  const json& last = Member(report, "last_version");
  const bool compares = last.is_object() && TextOf(last, "why_not").empty();
  Table table = {
      "", {{"metric"}, {ModelName(report), kNumber}, {"popularity", kNumber}, {"difference, 95 %", kNumber}}, {}};
  if (last.is_object())
    table.columns.push_back(
        {fmt::format("version {}{}", TextOf(last, "version"), compares ? "" : ", other data"), kNumber});
  for (const std::string& name : MetricNames(metrics, true)) {
    const double value = NumberOf(metrics, name), baseline = NumberOf(metrics, kBaseline + name);
    const double largest = std::max(value, baseline);
    table.rows.push_back({MetricLabel(name), Barred(value, largest), Barred(baseline, largest),
                          IntervalText(Member(Member(Member(report, "evaluation"), "against_popularity"), name))});
    if (last.is_object()) table.rows.back().emplace_back(MetricText(NumberOf(Member(last, "metrics"), name)));
  }
  if (table.rows.empty()) return "";
  const json& holdout = Member(report, "holdout");
  const std::string note = fmt::format(
      "Lists over all items for {} users with {} held-out pairs; bars are relative to the better of the two.",
      CountOf(holdout, "n_users"), CountOf(holdout, "n_pairs"));
  return SectionHtml("How good it is", note, TableHtml(table));
}

std::string Kinds(const json& report) {
  const json& metrics = Member(report, "metrics");
  const json& last = Member(report, "last_version");
  Table table = {"", {{"figure"}, {ModelName(report), kNumber}, {"popularity", kNumber}}, {}};
  if (last.is_object()) table.columns.push_back({"version " + TextOf(last, "version"), kNumber});
  table.columns.push_back({"what it says", TableColumn::kProse});
  for (const auto& [kind, meaning] : kKinds) {
    const std::string name = AtK(report, kind);
    const double value = NumberOf(metrics, name);
    if (!std::isfinite(value)) continue;
    table.rows.push_back({MetricLabel(name), MetricText(value), MetricText(NumberOf(metrics, kBaseline + name))});
    if (last.is_object()) table.rows.back().emplace_back(MetricText(NumberOf(Member(last, "metrics"), name)));
    table.rows.back().emplace_back(meaning);
  }
  return table.rows.empty() ? "" : SectionHtml("What the lists are like", "", TableHtml(table));
}

std::string Learning(const json& report) {
  const std::string loss = LossChartHtml(report);
  std::vector<std::string> charts = {loss};
  for (const char* metric : kLeading)
    if (std::string chart = MetricChartHtml(report, AtK(report, metric)); !chart.empty())
      charts.push_back(std::move(chart));
  if (charts.size() == 1)
    return loss.empty() ? "" : SectionHtml("How it learned", "Of the fit that was published.", loss);
  return SectionHtml("How it learned",
                     "The loss is of the fit that was published, metrics are of the fit that was evaluated: what it "
                     "would have had if it had ended after the epoch.",
                     BesideHtml(charts));
}

std::string Spread(const json& report) {
  const std::string ndcg = AtK(report, "ndcg"), recall = AtK(report, "recall");
  std::vector<std::string> charts;
  for (const std::string& metric : {ndcg, recall})
    if (std::string chart = SpreadChartHtml(report, metric); !chart.empty()) charts.push_back(std::move(chart));
  if (charts.empty()) return "";
  return SectionHtml("Users, one by one", "Users the model has; --metrics-out writes a line for each.",
                     BesideHtml(charts));
}

std::string UserGroupTable(const json& report, const json& of) {
  const std::string ndcg = AtK(report, "ndcg"), recall = AtK(report, "recall"), hit_rate = AtK(report, "hit_rate"),
                    lift = AtK(report, "popularity_lift");
  Table table = {fmt::format("By {}", TextOf(of, "attribute")),
                 {{"group"},
                  {"users", kNumber},
                  {MetricLabel(ndcg), kNumber},
                  {"95 %", kNumber},
                  {"popularity", kNumber},
                  {MetricLabel(recall), kNumber},
                  {MetricLabel(hit_rate), kNumber},
                  {"lift", kNumber}},
                 {}};
  const json& groups = Member(of, "groups");
  double largest = 0;
  for (const json& group : groups) {
    const double value = NumberOf(Member(group, ndcg), "mean");
    if (std::isfinite(value)) largest = std::max(largest, value);
  }
  for (const json& group : groups)
    table.rows.push_back(
        {TextOf(group, "group"), CountOf(group, "n_users"), Barred(NumberOf(Member(group, ndcg), "mean"), largest),
         IntervalText(Member(group, ndcg)), MetricText(NumberOf(group, kBaseline + ndcg)),
         MetricText(NumberOf(Member(group, recall), "mean")), MetricText(NumberOf(Member(group, hit_rate), "mean")),
         std::isfinite(NumberOf(group, lift)) ? NumberText(NumberOf(group, lift)) : ""});
  return TableHtml(table);
}

std::string ItemGroupTable(const json& of) {
  Table table = {fmt::format("By {}", TextOf(of, "attribute")),
                 {{"group"},
                  {"items", kNumber},
                  {"of all items", kNumber},
                  {"of the held-out pairs", kNumber},
                  {"of what is shown", kNumber},
                  {"of the hits", kNumber},
                  {"shown by popularity", kNumber}},
                 {}};
  for (const json& group : Member(of, "groups")) {
    table.rows.push_back({TextOf(group, "group"), CountOf(group, "n_items")});
    for (const char* share : {"of_items", "of_holdout", "of_recommended", "of_hits", "of_popular"}) {
      const double part = NumberOf(group, share);
      table.rows.back().push_back({PartText(part), std::isfinite(part) ? part : -1});
    }
  }
  return TableHtml(table);
}

std::string Groups(const json& report) {
  const json& evaluation = Member(report, "evaluation");
  std::string users, items;
  if (const json& all = Member(evaluation, "user_groups"); all.is_array())
    for (const json& of : all)
      if (Member(of, "groups").is_array()) users += UserGroupTable(report, of);
  if (const json& all = Member(evaluation, "item_groups"); all.is_array())
    for (const json& of : all)
      if (Member(of, "groups").is_array()) items += ItemGroupTable(of);
  std::string html;
  if (!users.empty())
    html += SectionHtml("For whom it works",
                        "Means over the users of a group, with the interval that chance allows; where groups are small "
                        "it is rough. Bars are relative to the best group. Lift: how popular shown items are against "
                        "what these users had.",
                        users);
  if (!items.empty())
    html += SectionHtml("What is shown",
                        "Shares of items, of held-out pairs, of places in lists and of hits: what is shown far more or "
                        "less than it is wanted stands out.",
                        items);
  return html;
}

std::string Reliability(const json& report) {
  const json& calibration = Member(Member(report, "evaluation"), "calibration");
  const std::string scores = ScoreChartHtml(report), chart = ReliabilityChartHtml(report);
  if (const std::string why = TextOf(calibration, "absent"); !why.empty() && chart.empty())
    return SectionHtml("What scores mean", fmt::format("There is no probability: {}.", why), scores);
  if (chart.empty()) return "";
  Table table = {
      "The bins",
      {{"predicted", kNumber}, {"observed", kNumber}, {"95 %", kNumber}, {"items", kNumber}, {"hits", kNumber}},
      {}};
  double most = 0;
  for (const json& bin : calibration["bins"])
    if (const double n = NumberOf(bin, "n"); std::isfinite(n)) most = std::max(most, n);
  for (const json& bin : calibration["bins"]) {
    const double n = NumberOf(bin, "n");
    const std::string low = PartText(NumberOf(bin, "low")), high = PartText(NumberOf(bin, "high"));
    table.rows.push_back({PartText(NumberOf(bin, "predicted")), PartText(NumberOf(bin, "observed")),
                          low.empty() || high.empty() ? "" : fmt::format("{} to {}", low, high),
                          TableCell(CountOf(bin, "n"), n > 0 ? n / most : -1), CountOf(bin, "n_hits")});
  }
  const std::string note = fmt::format(
      "The probability that goes with a score: that the recommended item is among the user's held-out ones, of the fit "
      "that was evaluated. It was learned on {} recommended items of half of the users and is measured here on {} of "
      "the other half. Brier score {}, where the same probability for all has {}; expected calibration error {}.",
      CountOf(calibration, "n_learning"), CountOf(calibration, "n_measuring"),
      MetricText(NumberOf(calibration, "brier")), MetricText(NumberOf(calibration, "brier_of_base")),
      MetricText(NumberOf(calibration, "expected_error")));
  return SectionHtml("What scores mean", note, BesideHtml({chart, scores}) + TableHtml(table));
}

/// A setting or a figure of any kind, by the kind its name tells.
std::string ValueText(std::string_view name, const json& value) {
  constexpr std::string_view kTimes[] = {"from_time", "reference_time", "time_range"};
  if (std::find(std::begin(kTimes), std::end(kTimes), name) != std::end(kTimes)) {
    std::string text;
    for (const json& time : value.is_array() ? value : json::array({value}))
      if (time.is_number_integer())
        text += fmt::format("{}{}", text.empty() ? "" : " to ", MomentText(time.get<int64_t>()));
    return text;
  }
  if (value.is_number_float())  // seven digits: many were float32
    return std::isfinite(value.get<double>()) ? fmt::format("{:.7g}", value.get<double>()) : "";
  if (!value.is_number_integer() || name == "seed") return TextOf(value);
  return name.ends_with("bytes") ? BytesText(value.get<int64_t>()) : CountText(value.get<int64_t>());
}

/// A row for each scalar of a member and what lies in it: "objective: regularization".
void AddRows(const std::string& name, const json& value, Table& table, const std::string& above = {}) {
  if (value.is_object()) {
    const std::string path = name.empty() ? above : above + name + ": ";
    for (const auto& [inner, part] : value.items()) AddRows(inner, part, table, path);
  } else if (!value.is_null()) {
    std::string label = TextOf(json(above + name));
    std::replace(label.begin(), label.end(), '_', ' ');
    table.rows.push_back({label, ValueText(name, value)});
  }
}

std::string RowsTable(const std::string& caption, const std::vector<std::pair<std::string, json>>& members) {
  Table table = {caption, {{"setting"}, {"value"}}, {}};
  for (const auto& [name, value] : members) AddRows(name, value, table);
  return table.rows.empty() ? "" : TableHtml(table);
}

std::string Origin(const json& report) {
  // All that is not shown elsewhere is a setting, so that none is forgotten.
  static const std::set<std::string, std::less<>> elsewhere = {"metrics",
                                                               "evaluation",
                                                               "epochs",
                                                               "seconds",
                                                               "backend",
                                                               "data",
                                                               "last_version",
                                                               "dataset",
                                                               "path",
                                                               "version",
                                                               "format",
                                                               "kind",
                                                               "files",
                                                               "model",
                                                               "peak_memory_bytes",
                                                               "fell_back",
                                                               "kindred_version",
                                                               "created_at",
                                                               "n_users",
                                                               "n_items",
                                                               "n_entries",
                                                               "n_events",
                                                               "event_types",
                                                               "plan",
                                                               "list_groups",
                                                               "parts"};
  std::vector<std::pair<std::string, json>> settings;
  for (const auto& [name, value] : report.items())
    if (!elsewhere.contains(name)) {
      settings.emplace_back(name, name == TextOf(report, "algorithm") ? WithoutSections(value) : value);
    }
  json data = Member(report, "data");
  if (data.is_object()) {
    data.erase("event_types");
    if (const json types = Member(Member(report, "data"), "event_types"); types.is_array())
      for (const json& type : types) data["events of type"][TextOf(type, "name")] = Member(type, "n_events");
  }
  const std::string environment = RowsTable("Environment", {{"kindred", Member(report, "kindred_version")},
                                                            {"backend", Member(report, "backend")},
                                                            {"seconds", Member(report, "seconds")},
                                                            {"peak_memory_bytes", Member(report, "peak_memory_bytes")},
                                                            {"plan", Member(report, "plan")}});
  return SectionHtml(
      "How it was made", "",
      BesideHtml({RowsTable("Settings", settings),
                  environment + RowsTable("Data", {{"dataset", Member(report, "dataset")}, {"", data}})}));
}

}  // namespace

std::string TrainingReportHtml(const json& report) {
  std::string subject = TextOf(report, "model");
  if (const std::string version = TextOf(report, "version"); !version.empty()) subject += " version " + version;
  subject += fmt::format(": {} on {}", ModelName(report), TextOf(Member(report, "dataset"), "path"));
  Page page = {"Training report", subject, {}, {}};
  page.html = fmt::format("<section>\n<p class=\"verdict\">{}</p>\n</section>\n", EscapeHtml(TrainingVerdict(report))) +
              Notices(report) + Tiles(report) + Quality(report) + Learning(report) + Kinds(report) +
              ModelSections(report) + Groups(report) + Spread(report) + Reliability(report) + Origin(report);
  page.origin = {fmt::format("dataset {}", TextOf(Member(report, "dataset"), "digest")),
                 fmt::format("made {} by kindred {}", TextOf(report, "created_at"), TextOf(report, "kindred_version"))};
  return PageHtml(page);
}

}  // namespace kindred
