// A result as Markdown.
#pragma once

#include <string>
#include <vector>

#include "bench/result.h"

namespace kindred {

/// "0.205 [0.194-0.209]", three significant digits.
std::string SpreadText(const Spread& spread);
/// A figure of quality, four significant digits.
std::string QualityText(double value);
/// Seconds with a unit that suits: "205 ms", "1.88 s".
std::string SecondsText(double seconds);

/// Cells may hold any text.
std::string MarkdownTable(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

/// A workload's page: title, machine, commit, command, versions, load, description, the table, and what failed or was
/// missing. `plot` is the name of its plot beside it; empty: none.
std::string ResultPage(const Result& result, const WorkloadHead& workload, const std::string& plot);

}  // namespace kindred
