// A search as a page.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// The report that Tune returns, as one HTML page (host/report/page.h): what was found and how much better it is than
/// train's defaults, the metric over the trials and against each parameter, and a table of all trials.
std::string TuningReportHtml(const nlohmann::json& report);

}  // namespace kindred
