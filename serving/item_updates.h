// The item updates that a state database keeps: of each attribute of each item, the last value that it was set to.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "host/conditions/item_column.h"
#include "serving/state_database.h"

namespace kindred {

/// A change of an attribute of an item. Views of whatever it is made from, which lives longer.
struct ItemChange {
  std::string_view item_id, attribute;
  /// None: no longer changed, it is again what the version has. std::monostate: explicitly missing.
  std::optional<AttributeValue> value;
  int32_t update = 0;  // of a call: which of its updates it is of, for messages
};

struct KeptUpdate {
  std::string item_id, attribute;
  AttributeValue value;
  int64_t updated_at = 0;  // unix microseconds
};

/// What is kept of an item, by attribute, and the epoch that it is of.
struct KeptItem {
  int64_t epoch = 0;
  std::vector<KeptUpdate> updates;
};

/// As the connection sees it: one snapshot. Throws as ItemUpdates.
KeptItem ReadItem(StateDatabase& database, std::string_view item_id);

/// Not thread-safe. Throws as StateDatabase does, and kCorrupt naming the row for one that holds no value.
class ItemUpdates {
 public:
  explicit ItemUpdates(StateDatabase& database);

  /// Grows by one with each Apply, for as long as the database is there.
  int64_t epoch() const { return epoch_; }
  int64_t n_values() const { return n_values_; }

  /// All or nothing, in order, on the disk when it returns.
  void Apply(std::span<const ItemChange> changes, int64_t now_microseconds);

  /// By item id, then by attribute.
  void ForEach(const std::function<void(KeptUpdate)>& take);
  bool Has(std::string_view item_id, std::string_view attribute);

 private:
  /// How many rows there are more.
  int64_t Write(const ItemChange& change, int64_t now_microseconds);

  StateDatabase& database_;
  Statement replace_, insert_, remove_, find_, count_epoch_;
  int64_t epoch_ = 0;
  int64_t n_values_ = 0;
};

}  // namespace kindred
