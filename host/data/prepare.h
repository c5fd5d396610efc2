// From exports to a dataset: what `kindred prepare` does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/event_reader.h"

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
  /// Bytes read so far, and in all (0: not known); may be empty.
  std::function<void(int64_t, int64_t)> progress;
};

/// Reads the exports and writes the dataset and, where there are any, the file of bad rows: both or, for every
/// error, neither. Returns a report: the manifest's members about the content (see dataset.h), and "dataset",
/// "density", "n_files", "n_lines", "n_bad_rows", "bad_rows" (count by kind), "bad_rows_file" (or null).
///
/// Throws what ReadEvents, DatasetWriter and ArtifactWriter throw; kInvalidArgument for too many bad rows (naming
/// the first ones by file and line) and for exports without events; kAlreadyExists, before anything is read,
/// where something that is not to be overwritten is in the way.
nlohmann::json Prepare(const PrepareOptions& options);

}  // namespace kindred
