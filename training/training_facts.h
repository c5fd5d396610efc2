// What a training's report says beside its own results: of its data, and of the version before it.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "host/data/dataset.h"
#include "host/store/model_store.h"

namespace kindred {

/// {"created_at", "n_events", "time_range", "event_types", "n_files", "n_rows", "n_bad_rows", "n_filtered",
/// "n_duplicates"}, as the dataset's manifest has them; what it lacks is left out.
nlohmann::json DataFacts(const Dataset& dataset);

/// The version that CURRENT names, beside a report with "metrics", "holdout" and "dataset": {"version", "created_at",
/// "algorithm", "metrics", "why_not"}. "why_not" says why the metrics do not compare, and is empty where they do: both
/// held out the same pairs. Null where there is no version, or it cannot be read. Reads its manifest only.
nlohmann::json LastVersion(const ModelStore& store, const std::string& model, const nlohmann::json& report);

}  // namespace kindred
