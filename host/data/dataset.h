// A dataset: the artifact `kindred prepare` writes and every training reads.
//
//   user_ids_*.npy, item_ids_*.npy   the id maps (host/data/id_map.h)
//   event_indptr.npy   int64 [n_users + 1]  where each user's events start
//   event_items.npy    int32 [n_events]     item index
//   event_values.npy   float32 [n_events]   value of the event, >= 0; 1 where the export has none
//   event_times.npy    int64 [n_events]     unix seconds; absent where the export has none
//   event_types.npy    uint8 [n_events]     index into the manifest's "event_types"; absent where there are none
//
// A user's events are in order of time, then of input. The manifest has schema_version, kindred_version,
// created_at, n_users, n_items, n_events, n_entries (distinct pairs), time_range ([first, last] or null) and
// event_types ([{"name", "n_events"}]), and what the export was read from (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/id_map.h"
#include "host/store/artifact.h"
#include "kernels/views.h"

namespace kindred {

/// The layout above. A reader refuses a newer one with a message.
inline constexpr int kDatasetSchema = 1;
inline constexpr const char* kDatasetKind = "dataset";

struct EventsView {
  std::span<const int64_t> indptr;
  std::span<const int32_t> items;
  std::span<const float> values;
  std::span<const int64_t> times;  // empty: no times
  std::span<const uint8_t> types;  // empty: no types

  int64_t n_users() const { return indptr.empty() ? 0 : static_cast<int64_t>(indptr.size()) - 1; }
  int64_t size() const { return static_cast<int64_t>(items.size()); }
};

class Dataset {
 public:
  /// Verifies, maps and checks that every offset and index is in range and every value finite and >= 0.
  /// Throws as Artifact::Open does.
  static std::shared_ptr<const Dataset> Open(const std::filesystem::path& path);

  const IdMap& users() const { return users_; }
  const IdMap& items() const { return items_; }
  const EventsView& events() const { return events_; }
  const std::vector<std::string>& event_types() const { return event_types_; }
  const nlohmann::json& manifest() const { return artifact_->manifest(); }
  const std::string& digest() const { return artifact_->digest(); }

 private:
  void ReadEventTypes();
  void Check() const;

  std::shared_ptr<const Artifact> artifact_;
  IdMap users_;
  IdMap items_;
  EventsView events_;
  std::vector<std::string> event_types_;
};

}  // namespace kindred
