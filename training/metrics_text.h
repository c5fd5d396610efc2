// Metrics as a table for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// A line for each metric of report["metrics"], beside popularity's, and what was held out.
std::string MetricsText(const nlohmann::json& report);

/// A report's rating_errors as text, the model's beside those of biases alone and of the mean.
std::string RatingErrorsText(const nlohmann::json& errors);

}  // namespace kindred
