// The items of the versions that are served, with the updates of run time laid over each version's own attributes.
// No gRPC types.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "host/conditions/item_table.h"
#include "host/data/id_map.h"
#include "serving/item_updates.h"

namespace kindred {

// Of one call.
inline constexpr int32_t kMaxItemUpdates = 10000;
inline constexpr int32_t kMaxItemChanges = 100000;  // attributes and resets of all updates
inline constexpr int32_t kMaxItemIdBytes = 4096;
inline constexpr int32_t kMaxItemTags = 1000;  // of one value

/// The items of one version. Thread-safe.
class LiveItems {
 public:
  /// `keep` holds the memory behind the ids.
  LiveItems(IdMap ids, std::shared_ptr<const ItemTable> own, std::shared_ptr<const void> keep)
      : ids_(ids), keep_(std::move(keep)), own_(std::move(own)), current_(own_) {}

  /// What conditions see from now on: a call takes it once. Cost: a lock and a reference count.
  std::shared_ptr<const ItemTable> Current() const {
    std::lock_guard lock(mutex_);
    return current_;
  }
  /// As the version has them.
  const ItemTable& own() const { return *own_; }
  const IdMap& ids() const { return ids_; }

 private:
  friend class ItemState;

  void Set(std::shared_ptr<const ItemTable> table) noexcept {
    std::lock_guard lock(mutex_);
    current_.swap(table);
  }

  const IdMap ids_;
  const std::shared_ptr<const void> keep_;
  const std::shared_ptr<const ItemTable> own_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ItemTable> current_;
};

/// An update that is kept although the version has no such item, no such attribute, or one of another type.
struct UnusedUpdate {
  std::string item_id, attribute, reason;
};

/// What is kept, and what of it the version that was attached last does not use.
struct ItemStateInfo {
  std::string path;
  int64_t epoch = 0;
  int64_t n_values = 0;
  int64_t n_unused = 0;
  std::vector<UnusedUpdate> unused;  // the first kMaxUnusedShown, by item and attribute
};

inline constexpr int kMaxUnusedShown = 10;

struct ItemUpdateOutcome {
  int64_t n_items = 0;
  int64_t n_values = 0;  // of one attribute of one item, the last counts
  int64_t epoch = 0;
  std::vector<std::string> unknown_items;  // kept all the same; each once, in order of first appearance
};

/// The durable updates (StateDatabase), and the versions that they are laid over. Thread-safe: one Update or Attach at
/// a time, others wait; Look and info wait for neither.
class ItemState {
 public:
  /// Throws as StateDatabase and ItemUpdates do.
  explicit ItemState(const std::filesystem::path& folder);

  /// Lays what is kept over a version's items, and every later update as well. To be called before calls see the
  /// version, so that none of them misses an update. Updates that do not fit the version stay kept.
  /// Cost: a pass over all updates.
  void Attach(const std::shared_ptr<LiveItems>& items);

  /// All or nothing: checked against `items`, on the disk, and then in the snapshot of every version that is attached.
  ///
  /// Throws kInvalidArgument naming the place ("updates[3].attributes[\"price\"]: ..."), kNotFound naming the first
  /// item that is not among `items`, unless `allow_unknown`, and as StateDatabase does; nothing is changed then. What
  /// is kept can always be reset. Cost: one sync to the disk, and what ItemTable::With costs.
  ItemUpdateOutcome Update(const LiveItems& items, std::span<const ItemChange> changes, bool allow_unknown);

  /// An item as calls see it: what is kept of it, by attribute, and the snapshot with just that.
  struct View {
    std::vector<KeptUpdate> kept;
    std::shared_ptr<const ItemTable> table;
  };
  View Look(const LiveItems& items, std::string_view item_id);
  /// Does not wait for an update that is being written.
  ItemStateInfo info() const;

 private:
  using Key = std::pair<std::string, std::string>;  // item, attribute
  using KeyView = std::pair<std::string_view, std::string_view>;
  struct Less {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const { return KeyView(a) < KeyView(b); }
  };
  using Unused = std::map<Key, std::string, Less>;  // with the reason
  struct Attached {
    std::weak_ptr<LiveItems> items;
    Unused unused;
  };
  struct Next;

  /// The snapshot of a version with these changes, and what they do to its unused ones.
  static Next After(const LiveItems& items, std::span<const ItemChange> changes);
  /// Whether it drops what is kept, which needs no such attribute, nor such an item.
  bool IsResetOfKept(const ItemChange& change) {
    return !change.value && updates_.Has(change.item_id, change.attribute);
  }
  void CheckAttributes(const ItemTable& table, std::span<const ItemChange> changes);
  /// The items of changes that are not among these ids.
  std::vector<std::string> UnknownItems(const IdMap& ids, std::span<const ItemChange> changes, bool allowed);
  /// Of a version the snapshot that it has from now on.
  void Show(std::span<std::pair<std::shared_ptr<LiveItems>, Next>> next);
  static void Forget(Unused& unused, const ItemChange& change);
  void PublishInfo();

  std::mutex mutex_;  // of these
  StateDatabase database_;
  ItemUpdates updates_;
  std::vector<Attached> attached_;

  std::mutex look_mutex_;  // of these
  std::unique_ptr<StateDatabase> reader_;
  int64_t shown_epoch_ = 0;  // of the snapshots; the database is there first
  std::condition_variable shown_;

  mutable std::mutex info_mutex_;
  ItemStateInfo info_;
};

}  // namespace kindred
