// The lists of all users of a version, of listed ones, or of all its items, written to a file.
//
// Lists are what serving's Recommend answers to a user id alone, and SimilarItems to an item id: the same ids and bits.
// They are made a tile at a time, of as many lists as kTileBytes hold: ranked by one call of the backend, encoded on
// all threads, and written down for good (training/resumable_file.h). Memory beside the model: a tile, and what
// ListedUsers takes. The file's bytes depend on the version and the options, not on threads, on the backend (but for
// similar items of a blend, which may be solved for there, and are all made on one), or on whether the run was ended
// and taken up again.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "host/store/model_store.h"
#include "training/listed_users.h"

namespace kindred {

/// Where tiles end; with others the journal would be of another format (training/resumable_file.cc).
inline constexpr int64_t kTileBytes = int64_t{64} << 20;
inline constexpr int64_t kMaxListsInTile = 1 << 16;

struct BatchOptions {
  std::string store = "models";
  std::string model;
  std::string version = kCurrentVersion;
  std::string out;
  std::string format;                         // csv, jsonl or parquet; empty: by the file's name
  int64_t n = 10;                             // the length of a list
  std::string users;                          // a file with an id a line, "-" for standard input; empty: all users
  std::optional<UnknownUsers> unknown_users;  // kPopular where it is not set
  bool similar_items = false;                 // lists of similar items for all items, instead
  bool include_seen = false;                  // else the items of a user's history are left out
  /// host/conditions/filter.h, over the version's attributes of items alone; empty: all items. Its now() is when the
  /// run began that may be resumed.
  std::string filter;
  std::optional<float> min_score;  // lists end before the first item whose score is lower
  bool with_scores = false;
  bool with_probabilities = false;
  int64_t batch = 0;  // lists in a tile; 0: as many as kTileBytes hold, from 1 to kMaxListsInTile
  std::string backend = "auto";
  int n_threads = 0;  // 0: one a core
  bool resume = false;
  bool overwrite = false;
};

struct BatchEvents {
  std::function<void(const std::string&)> stage, warning;
  std::function<void(int64_t done, int64_t total)> progress;  // lists, after each tile
  std::function<std::string()> stop;                          // before each tile: why to stop ("SIGINT"), or nothing
};

/// Writes the file and returns the report (docs/formats.md). Throws kUsage for options that do not go together,
/// kUnsupported for ids that the format cannot have and probabilities that the version has not, what Filter::Compile,
/// ResumableFile, ListedUsers and Ranker throw, and kIo where it is asked to stop, saying how far it is.
nlohmann::json RecommendToFile(const BatchOptions& options, const BatchEvents& events);

}  // namespace kindred
