// Writes events in order as a dataset.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "host/data/attribute_table.h"
#include "host/data/event_table.h"

namespace kindred {

/// Attributes of all its items and users; tables without columns: none.
struct DatasetAttributes {
  AttributeTable items, users;
};

/// Writes and commits the dataset: what ArtifactWriter::Commit says of errors and `overwrite` holds. Adds counts, time
/// range, event types, attributes, versions and the time to `manifest` and returns it. The events' columns are freed as
/// they are written.
nlohmann::json WriteDataset(const std::filesystem::path& path, EventTable table, const DatasetAttributes& attributes,
                            nlohmann::json manifest, bool overwrite);

}  // namespace kindred
