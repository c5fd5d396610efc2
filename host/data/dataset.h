// A dataset: the artifact `kindred prepare` writes and every training reads.
//
//   user_ids_*.npy, item_ids_*.npy   the id maps (host/data/id_map.h)
//   event_indptr.npy   int64 [n_users + 1]  where each user's events start
//   event_items.npy    int32 [n_events]     item index
//   event_values.npy   float32 [n_events]   value of the event; 1 where the export has none
//   event_times.npy    int64 [n_events]     unix seconds; absent where the export has none
//   event_types.npy    uint8 [n_events]     index into the manifest's "event_types"; absent where there are none
//   item_column_K_*.npy, user_column_K_*.npy   tables of attributes (host/data/attribute_table.h)
//   event_id_hashes.npy  int64 [n_ids, 2]   XXH3-128 (high, low) of the events' ids, ascending as unsigned numbers;
//                                           absent where the export has none
//
// A user's events are in order of time, then of input. The manifest has schema_version, kindred_version,
// created_at, n_users, n_items, n_events, n_entries (distinct pairs), time_range ([first, last] or null) and
// event_types ([{"name", "n_events"}]), weighting (host/data/event_weighting.h), and what the export was read from
// (docs/formats.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "host/data/attribute_table.h"
#include "host/data/event_weighting.h"
#include "host/data/events.h"
#include "host/data/id_map.h"
#include "host/store/artifact.h"

namespace kindred {

/// The layout above. A reader refuses a newer one with a message.
inline constexpr int kDatasetSchema = 2;
inline constexpr const char* kDatasetKind = "dataset";

class Dataset {
 public:
  /// Verifies, maps and checks that every offset and index is in range and every value finite.
  /// Throws as Artifact::Open does.
  static std::shared_ptr<const Dataset> Open(const std::filesystem::path& path);

  const IdMap& users() const { return users_; }
  const IdMap& items() const { return items_; }
  const EventsView& events() const { return events_; }
  const std::vector<std::string>& event_types() const { return event_types_; }
  /// [2 n] as stored; empty where there are none.
  std::span<const int64_t> event_id_hashes() const { return event_id_hashes_; }
  /// Users and items up to these have come with events, in the order of their first appearance; those behind only with
  /// a table of attributes.
  int64_t n_event_users() const { return n_event_users_; }
  int64_t n_event_items() const { return n_event_items_; }
  /// A row for each item, and for each user; tables without columns where nothing is known of them.
  const AttributeTable& item_attributes() const { return item_attributes_; }
  const AttributeTable& user_attributes() const { return user_attributes_; }
  /// What its events count, where a training says nothing else.
  const EventWeighting& weighting() const { return weighting_; }
  const nlohmann::json& manifest() const { return artifact_->manifest(); }
  const std::string& digest() const { return artifact_->digest(); }
  const std::filesystem::path& path() const { return artifact_->path(); }

 private:
  int64_t Count(const char* key, int64_t most) const;
  void ReadEventTypes();
  void Check() const;

  std::shared_ptr<const Artifact> artifact_;
  IdMap users_;
  IdMap items_;
  EventsView events_;
  std::vector<std::string> event_types_;
  std::span<const int64_t> event_id_hashes_;
  int64_t n_event_users_ = 0;
  int64_t n_event_items_ = 0;
  AttributeTable item_attributes_, user_attributes_;
  EventWeighting weighting_;
};

}  // namespace kindred
