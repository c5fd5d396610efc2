// What a dataset holds, for people and programs: the figures, a text for the terminal, a page to look at.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "host/data/dataset.h"

namespace kindred {

/// The figures of a dataset: what its manifest says, what its events show, and what deserves a person's attention.
/// The members are described in docs/formats.md. Ids, names and paths in it are printable (host/text/text.h).
/// What older or newer programs left out of a manifest, or wrote in another form, is absent or null.
///
/// Quantiles are nearest ranks (host/data_report/distribution.h); times are UTC, weeks ISO 8601.
///
/// Cost: three passes over the events' columns, on all cores. Memory beyond the mapped dataset: up to
/// 36 + n_types / 8 bytes an item, 20 bytes a user, 8 bytes an event of one user at one time, 8 bytes a day and
/// 8 n_types bytes a week that has events.
nlohmann::json DataReport(const Dataset& dataset);

/// The report as lines of a label and figures. Where it has a "bad_rows_file", that is named.
std::string DataReportText(const nlohmann::json& report);

/// The report as one HTML page (host/report/page.h) that needs no network and no script.
std::string DataReportHtml(const nlohmann::json& report);

}  // namespace kindred
