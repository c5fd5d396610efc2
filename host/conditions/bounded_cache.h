// Values by name, of which those that were used last are kept.
#pragma once

#include <cstdint>
#include <iterator>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace kindred {

/// Thread-safe. What is dropped from it lives on with whoever holds it.
template <class Value>
class BoundedCache {
 public:
  /// What an entry costs beside its value and its name: the nodes that hold it, and what follows from a value (a filter
  /// on a backend has such nodes too). Without it small values would be kept in any number.
  static constexpr int64_t kEntryCost = 512;

  /// Costs of all that is kept add up to at most this; a value that costs more is not kept.
  explicit BoundedCache(int64_t most) : most_(most) {}

  /// Null where it is not there.
  std::shared_ptr<const Value> Find(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->value;
  }

  /// The value that is kept: this one, or one that came first and that it does not outdate: `outdates(kept)`. `cost` is
  /// that of the value alone.
  template <class Outdates>
  std::shared_ptr<const Value> Keep(std::string name, std::shared_ptr<const Value> value, int64_t cost,
                                    const Outdates& outdates) {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_name_.find(name); found != by_name_.end()) {
      if (!outdates(*found->second->value)) return found->second->value;
      Drop(found->second);
    }
    cost += kEntryCost + static_cast<int64_t>(name.size());
    if (cost > most_) return value;
    while (cost_ + cost > most_) Drop(std::prev(entries_.end()));
    cost_ += cost;
    entries_.push_front({std::move(name), value, cost});
    by_name_.emplace(entries_.front().name, entries_.begin());
    return value;
  }
  std::shared_ptr<const Value> Keep(std::string name, std::shared_ptr<const Value> value, int64_t cost) {
    return Keep(std::move(name), std::move(value), cost, [](const Value&) { return false; });
  }

 private:
  struct Entry {
    std::string name;
    std::shared_ptr<const Value> value;
    int64_t cost = 0;
  };

  void Drop(typename std::list<Entry>::iterator entry) {
    cost_ -= entry->cost;
    by_name_.erase(entry->name);
    entries_.erase(entry);
  }

  const int64_t most_;
  std::mutex mutex_;
  int64_t cost_ = 0;
  std::list<Entry> entries_;                                                           // used last first
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> by_name_;  // views of the entries' names
};

}  // namespace kindred
