// The machine and the sources a result belongs to.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "bench/process.h"

namespace kindred {

/// {"cpu", "instruction_set", "cores", "memory_bytes", "kernel", "gpu"}; "gpu" is null, as no workload here uses one.
nlohmann::json DescribeMachine();

/// {"id", "dirty"} of the git repository at `sources`; null where there is none.
nlohmann::json DescribeCommit(const StopSignals& signals, const std::filesystem::path& sources,
                              const std::filesystem::path& errors);

/// [1, 5 and 15 minutes]
nlohmann::json LoadAverages();

/// "2026-01-31T12:00:00Z"
std::string UtcNow();

}  // namespace kindred
