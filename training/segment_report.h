// The report of segments as one page to look at (host/report/page.h): who the segments are, what sets them apart, how
// their number was chosen, what became of those before, and whether groups of users are treated alike.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace kindred {

/// A few sentences on what was found and whether to trust it. For people.
std::string SegmentVerdict(const nlohmann::json& report);

/// `report` is what a segments job returns (docs/formats.md); a version's manifest does as well. What it lacks is not
/// shown. `dendrogram` is the figure of the member of that name (host/clustering/dendrogram_picture.h), HTML that is
/// put in as it is; empty: none. Nothing else is read.
std::string SegmentReportHtml(const nlohmann::json& report, const std::string& dendrogram = {});

}  // namespace kindred
