// The charts of a training's report.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// The loss by epoch; empty where there is none.
std::string LossChartHtml(const nlohmann::json& report);
/// A metric by epoch, beside popularity's and, where it compares, the last version's; empty where no epochs were
/// evaluated.
std::string MetricChartHtml(const nlohmann::json& report, const std::string& metric);
/// How many users have how much of a metric; empty where that is not known.
std::string SpreadChartHtml(const nlohmann::json& report, const std::string& metric);
/// How many recommended items have which score; empty where there are no scores.
std::string ScoreChartHtml(const nlohmann::json& report);
/// Observed over predicted probabilities; empty without a calibration.
std::string ReliabilityChartHtml(const nlohmann::json& report);

}  // namespace kindred
