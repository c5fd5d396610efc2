// From exports to a dataset: what `kindred prepare` does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/event_weighting.h"
#include "host/intake/event_reader.h"
#include "host/intake/profile_config.h"

namespace kindred {

struct PrepareOptions {
  std::vector<std::string> inputs;
  EventReaderOptions reader;
  std::filesystem::path out;
  /// More bad rows than these are an error, and nothing is written.
  int64_t max_bad_rows = 0;
  /// Where bad rows go. Empty: OUT.bad-rows.tsv
  std::filesystem::path bad_rows_file;
  /// Replaces a dataset, and a file of bad rows.
  bool overwrite = false;
  /// Adds to the dataset at `out`, which must have the same parts of events: the result equals what preparing all
  /// exports at once gives, in this order. Events whose id is there already are dropped; bad rows go behind those that
  /// are in their file.
  bool append = false;
  /// Tables of attributes to join. Of an append, those of items or of users are replaced where there are any here.
  ProfileConfig profile;
  /// What the events are to count in trainings. Of an append, changes of what the dataset says.
  WeightingChanges weighting;
  /// Bytes read so far, and in all (0: not known); may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

/// Where bad rows go.
std::filesystem::path BadRowsPath(const PrepareOptions& options);

/// Reads the exports and writes the dataset and, where there are any, the file of bad rows: both or, for every
/// error, neither. Returns a report: the manifest's members about the content (see dataset.h), and "dataset",
/// "density", "n_files", "n_rows", "n_bad_rows", "bad_rows" (count by kind), "bad_rows_file" (or null).
///
/// Throws what ReadEvents, EventTableBuilder, CheckWeighting and ArtifactWriter throw; kInvalidArgument for too many
/// bad rows (naming the first ones by file and line) and for exports without events; kAlreadyExists, before anything is
/// read, where something that is not to be overwritten is in the way.
nlohmann::json Prepare(const PrepareOptions& options);

}  // namespace kindred
