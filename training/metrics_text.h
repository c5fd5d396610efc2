// Metrics as a table for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// A line for each metric of report["metrics"], beside popularity's, and what was held out.
std::string MetricsText(const nlohmann::json& report);

}  // namespace kindred
