#include "serving/live_items.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <unordered_set>

#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

constexpr std::chrono::seconds kMoment{1};

std::string PlaceOf(const ItemChange& change) {
  return fmt::format("updates[{}].attributes[\"{}\"]", change.update, Printable(change.attribute));
}

/// Throws kInvalidArgument where the items have no such attribute, or one of another type; whatever the item.
void CheckAttribute(const ItemTable& table, const ItemChange& change) {
  const int64_t k = table.Find(change.attribute);
  if (k < 0) table.Check({0, std::string(change.attribute), {}});
  if (change.value) table.columns()[static_cast<size_t>(k)]->Check(*change.value);
}

int64_t NowMicroseconds() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct ItemState::Next {
  std::shared_ptr<const ItemTable> table;  // null: the same as before
  Unused unused;
};

ItemState::ItemState(const std::filesystem::path& folder)
    : database_(folder), updates_(database_), reader_(database_.NewReader()), shown_epoch_(updates_.epoch()) {
  PublishInfo();
}

ItemState::Next ItemState::After(const LiveItems& items, std::span<const ItemChange> changes) {
  Next next;
  std::vector<ItemUpdate> fitting;
  const auto refuse = [&](const ItemChange& change, const char* reason) {
    if (change.value) next.unused[Key(change.item_id, change.attribute)] = reason;
  };
  for (const ItemChange& change : changes) {
    Forget(next.unused, change);
    const int32_t item = items.ids().Find(change.item_id);
    if (item < 0) {
      refuse(change, "the model has no such item");
      continue;
    }
    try {
      CheckAttribute(items.own(), change);
      const int64_t k = items.own().Find(change.attribute);
      fitting.push_back({item, std::string(change.attribute),
                         change.value ? *change.value : items.own().columns()[static_cast<size_t>(k)]->Value(item)});
    } catch (const Error& error) {
      refuse(change, error.what());
    }
  }
  if (!fitting.empty()) next.table = items.Current()->With(fitting);
  return next;
}

void ItemState::Attach(const std::shared_ptr<LiveItems>& items) {
  std::lock_guard lock(mutex_);
  std::vector<KeptUpdate> kept;
  updates_.ForEach([&](KeptUpdate update) { kept.push_back(std::move(update)); });
  std::vector<ItemChange> changes;
  changes.reserve(kept.size());
  for (KeptUpdate& update : kept) changes.push_back({update.item_id, update.attribute, std::move(update.value)});
  Next next = After(*items, changes);
  if (next.table) items->Set(std::move(next.table));
  std::erase_if(attached_, [](const Attached& one) { return one.items.expired(); });
  attached_.push_back({items, std::move(next.unused)});
  PublishInfo();
}

void ItemState::CheckAttributes(const ItemTable& table, std::span<const ItemChange> changes) {
  for (const ItemChange& change : changes) {
    try {
      if (!IsResetOfKept(change)) CheckAttribute(table, change);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", PlaceOf(change), error.what()));
    }
  }
}

void ItemState::Forget(Unused& unused, const ItemChange& change) {
  const auto found = unused.find(KeyView(change.item_id, change.attribute));
  if (found != unused.end()) unused.erase(found);
}

std::vector<std::string> ItemState::UnknownItems(const IdMap& ids, std::span<const ItemChange> changes, bool allowed) {
  std::vector<std::string> unknown;
  std::unordered_set<std::string_view> seen;
  const ItemChange* first = nullptr;
  for (const ItemChange& change : changes) {
    if (ids.Find(change.item_id) >= 0 || IsResetOfKept(change) || !seen.insert(change.item_id).second) continue;
    if (first == nullptr) first = &change;
    unknown.emplace_back(change.item_id);
  }
  if (first != nullptr && !allowed)
    throw Error(
        ErrorCode::kNotFound,
        fmt::format("updates[{}].item_id: the model has no item '{}'{}; nothing was changed: allow_unknown keeps "
                    "such updates for a later version",
                    first->update, Printable(first->item_id),
                    unknown.size() > 1 ? fmt::format(", nor {} more of this call", unknown.size() - 1) : ""));
  return unknown;
}

ItemUpdateOutcome ItemState::Update(const LiveItems& items, std::span<const ItemChange> changes, bool allow_unknown) {
  std::lock_guard lock(mutex_);
  ItemUpdateOutcome outcome;
  CheckAttributes(items.own(), changes);
  outcome.unknown_items = UnknownItems(items.ids(), changes, allow_unknown);

  // What may fail is done before the disk has it.
  std::set<std::string_view> changed_items;
  std::set<std::pair<std::string_view, std::string_view>> changed;
  for (const ItemChange& change : changes) {
    changed_items.insert(change.item_id);
    changed.insert({change.item_id, change.attribute});
  }
  std::vector<std::pair<std::shared_ptr<LiveItems>, Next>> next;
  std::erase_if(attached_, [](const Attached& one) { return one.items.expired(); });
  for (const Attached& one : attached_)
    if (auto live = one.items.lock()) next.emplace_back(live, After(*live, changes));

  if (!changes.empty()) updates_.Apply(changes, NowMicroseconds());
  Show(next);
  for (auto& [live, after] : next)
    for (Attached& one : attached_) {
      if (one.items.lock() != live) continue;
      for (const ItemChange& change : changes) Forget(one.unused, change);
      one.unused.merge(after.unused);
    }
  PublishInfo();
  outcome.n_items = static_cast<int64_t>(changed_items.size());
  outcome.n_values = static_cast<int64_t>(changed.size());
  outcome.epoch = updates_.epoch();
  return outcome;
}

void ItemState::Show(std::span<std::pair<std::shared_ptr<LiveItems>, Next>> next) {
  {
    std::lock_guard lock(look_mutex_);
    for (auto& [live, after] : next)
      if (after.table) live->Set(std::move(after.table));
    shown_epoch_ = updates_.epoch();
  }
  shown_.notify_all();
}

ItemState::View ItemState::Look(const LiveItems& items, std::string_view item_id) {
  std::unique_lock lock(look_mutex_);
  for (;;) {
    KeptItem kept = ReadItem(*reader_, item_id);
    // What is on the disk is shown a moment later, unless somebody else has written there.
    const bool again =
        kept.epoch > shown_epoch_ && shown_.wait_for(lock, kMoment, [&] { return shown_epoch_ >= kept.epoch; });
    if (!again) return {std::move(kept.updates), items.Current()};
  }
}

ItemStateInfo ItemState::info() const {
  std::lock_guard lock(info_mutex_);
  return info_;
}

void ItemState::PublishInfo() {
  ItemStateInfo info;
  info.path = database_.path().string();
  info.epoch = updates_.epoch();
  info.n_values = updates_.n_values();
  if (!attached_.empty()) {
    const Unused& unused = attached_.back().unused;
    info.n_unused = static_cast<int64_t>(unused.size());
    for (const auto& [key, reason] : unused) {
      if (info.unused.size() == static_cast<size_t>(kMaxUnusedShown)) break;
      info.unused.push_back({key.first, key.second, reason});
    }
  }
  std::lock_guard lock(info_mutex_);
  info_ = std::move(info);
}

}  // namespace kindred
