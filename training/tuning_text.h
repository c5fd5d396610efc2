// A search for people, and its result for train. `report` is as Tune returns it, a trial as TrialJson makes it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "training/tuning.h"

namespace kindred {

/// "n-factors 64, regularization 0.01, 8 epochs".
std::string PointText(const nlohmann::json& trial);

/// One line, as the trial ends; `best` is the best so far, or null.
std::string TrialText(const nlohmann::json& trial, int64_t n_trials, const std::string& metric,
                      const nlohmann::json& best);

/// The trials of a report, best first: complete ones by their value, stopped ones by that on the sample, failed ones.
std::vector<nlohmann::json> Ranked(const nlohmann::json& report);

/// What the first trial is: "train's defaults", or where these may not be, "next to train's defaults".
const char* FirstTrialText(const nlohmann::json& report);

/// The trials as a table, best first, and what to do next.
std::string TuneText(const nlohmann::json& report);

/// The file for `train --config`: what was found as comments, then the best trial's parameters and `config`.
std::string TunedToml(const nlohmann::json& report, const std::vector<ConfigFlag>& config);

}  // namespace kindred
