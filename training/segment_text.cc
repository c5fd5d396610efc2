#include "training/segment_text.h"

#include <fmt/format.h>

#include "host/report/format.h"
#include "host/text/counted.h"
#include "training/report_values.h"
#include "training/segment_report_parts.h"

namespace kindred {
namespace {

using nlohmann::json;

std::string RuleLines(const json& report) {
  std::string text;
  for (const json& rule : report["rules"])
    text += fmt::format("  rule {}: {} ({})\n", TextOf(rule, "name"), CountOf(rule, "size"),
                        PartText(NumberOf(rule, "share")));
  const json& stages = report["stages"];
  for (size_t s = 0; s < stages["names"].size(); ++s)
    text += fmt::format("  stage {}: {}\n", TextOf(stages["names"][s]), CountText(stages["sizes"][s].get<int64_t>()));
  if (const json& likelihood = report["likelihood"]; !likelihood.is_null())
    text += fmt::format("  likely to have {} within {}: {} (AUC {})\n", TextOf(likelihood, "event"),
                        TextOf(likelihood, "horizon"), CountOf(likelihood, "n_likely"),
                        MetricText(NumberOf(likelihood, "auc")));
  return text;
}

}  // namespace

std::string SegmentText(const json& report) {
  const bool published = report["published"].get<bool>();
  const auto n_idle = report["n_users_without_events"].get<int64_t>();
  const int64_t n_users = report["n_users"].get<int64_t>() - n_idle;
  const std::string silhouette = MetricText(NumberOf(report["metrics"], "silhouette"));  // "" of one segment
  std::string text = fmt::format(
      "{}{}: {} of {}, {}; {}k {}\n", TextOf(report, "model"),
      published ? fmt::format(" version {}", report["version"].get<int64_t>()) : "",
      Counted(std::ssize(report["segments"]), "segment"), n_users == 1 ? "1 user" : CountText(n_users) + " users",
      Counted(std::ssize(report["features"]), "feature"),
      silhouette.empty()
          ? ""
          : fmt::format("silhouette {} ({}), ", silhouette, TextOf(report["metrics"], "silhouette_kind")),
      ChoiceText(report));
  for (const json& segment : report["segments"])
    text += fmt::format("  {:>3}  {:>9}  {:>6}  {}\n", TextOf(segment, "id"), CountOf(segment, "size"),
                        PartText(NumberOf(segment, "share")), TextOf(segment, "name"));
  for (const json& merged : report["merged"])
    text += fmt::format("  a cluster of {} was too small, and joined segment {}\n", CountOf(merged, "size"),
                        TextOf(merged, "into"));
  if (n_idle > 0) text += fmt::format("  {} without events: in no cluster\n", Counted(n_idle, "user"));
  text += RuleLines(report);
  if (const json& lineage = report["lineage"]; !lineage.is_null())
    text += fmt::format("since version {}: {} users moved ({})\n", lineage["from_version"].get<int64_t>(),
                        CountOf(lineage, "n_movers"), PartText(NumberOf(lineage, "share_movers")));
  if (report.contains("fell_back")) text += "on the CPU: " + TextOf(report, "fell_back") + "\n";
  if (published) text += "published " + TextOf(report, "path") + "\n";
  return text;
}

std::string SegmentRefusalText(const json& report) {
  std::string text = fmt::format("'{}' was not published:", TextOf(report, "model"));
  for (const json& reason : report["reasons"]) text += "\n  " + reason.get<std::string>();
  return text;
}

}  // namespace kindred
