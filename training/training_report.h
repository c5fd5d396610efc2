// The report of a training as one page to look at (host/report/page.h): what was trained on what, whether it is better
// than popularity and than the version before, for whom, and what its scores mean.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// One sentence or two: better or worse than popularity and than the last version, and by how much. For people.
std::string TrainingVerdict(const nlohmann::json& report);

/// `report` is what Train returns (docs/formats.md); a version's manifest does as well. What it lacks, as those of
/// older programs do, is not shown. Nothing but the report is read.
std::string TrainingReportHtml(const nlohmann::json& report);

}  // namespace kindred
