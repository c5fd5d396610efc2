// The sections of a segments report (training/segment_report.h); each is empty where the report has nothing for it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace kindred {

/// The member as a list; an empty one where it is none.
const nlohmann::json& ListIn(const nlohmann::json& from, std::string_view name);
/// A finite number that charts can show, within +-1e15; `none` where it is no number.
double Drawable(const nlohmann::json& value, double none);
/// A number as people read it; "" where it is none.
std::string NumberIn(const nlohmann::json& from, std::string_view name);
/// "discount_share" as "discount share".
std::string FeatureLabel(std::string name);
/// "2 Champions": the id and the name.
std::string SegmentLabel(const nlohmann::json& segment);
std::vector<std::string> SegmentLabels(const nlohmann::json& report);
/// How their number came about: "chosen by elbow", "as configured", "as in the last version"; "" where it is not said.
std::string ChoiceText(const nlohmann::json& report);
/// The label of the one with that id among `segments`, "segment 7" where there is none.
std::string LabelOfId(const nlohmann::json& segments, const std::string& id);

// What they are like (segment_report_shape.cc).
std::string SegmentProfilesHtml(const nlohmann::json& report);
std::string SegmentMapHtml(const nlohmann::json& report);
std::string SegmentExamplesHtml(const nlohmann::json& report);
std::string SegmentNumberHtml(const nlohmann::json& report);
std::string DendrogramSectionHtml(const nlohmann::json& report, const std::string& figure);

// Who else they are (segment_report_rules.cc).
std::string SegmentRulesHtml(const nlohmann::json& report);
std::string SegmentStagesHtml(const nlohmann::json& report);
std::string LikelihoodHtml(const nlohmann::json& report);

// What became of those before, and for whom (segment_report_change.cc).
std::string LineageHtml(const nlohmann::json& report);
std::string SegmentAuditHtml(const nlohmann::json& report);

}  // namespace kindred
