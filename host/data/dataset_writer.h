// Collects events and writes them as a dataset.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "host/data/event_reader.h"
#include "host/data/id_map.h"
#include "host/store/artifact.h"

namespace kindred {

/// Memory: the ids, and at most 21 bytes an event (as vectors grow); 8 more an event while they are sorted.
class DatasetWriter {
 public:
  /// Throws kInvalidArgument for the 257th type of event.
  void Add(const Event& event);
  int64_t n_events() const { return static_cast<int64_t>(users_.size()); }

  /// Sorts the events by user (stable in time, then in order of Add) and commits the dataset: what
  /// ArtifactWriter::Commit says of errors and `overwrite` holds. `has_times`, `has_types`: whether the export
  /// has these columns. Adds counts, time range, event types, versions and the time to `manifest` and returns
  /// it. The writer is empty afterwards.
  nlohmann::json Write(const std::filesystem::path& path, bool has_times, bool has_types, nlohmann::json manifest,
                       bool overwrite);

 private:
  /// A column that takes no memory as long as every event has the default.
  template <class T>
  struct Column {
    T fill;
    std::vector<T> values = {};

    void Set(size_t at, T value);
    /// Moves the column into `order` and frees it.
    std::vector<T> Take(const std::vector<int64_t>& order);
  };

  std::vector<int64_t> Sort();
  nlohmann::json EventTypes(const std::vector<uint8_t>& types) const;

  IdMapBuilder user_ids_, item_ids_, type_names_;
  std::vector<int32_t> users_, items_;
  Column<float> values_{1};
  Column<int64_t> times_{0};
  Column<uint8_t> types_{0};
};

}  // namespace kindred
