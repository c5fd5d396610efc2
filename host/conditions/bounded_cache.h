// Values by name, of which those that were used last are kept.
#pragma once

#include <cstdint>
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

  /// The value that is kept: this one, or one that came first.
  std::shared_ptr<const Value> Keep(std::string name, std::shared_ptr<const Value> value, int64_t cost) {
    const std::lock_guard lock(mutex_);
    if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second->value;
    if (cost > most_) return value;
    for (cost_ += cost; cost_ > most_; entries_.pop_back()) {
      cost_ -= entries_.back().cost;
      by_name_.erase(entries_.back().name);
    }
    entries_.push_front({std::move(name), value, cost});
    by_name_.emplace(entries_.front().name, entries_.begin());
    return value;
  }

  void Clear() {
    const std::lock_guard lock(mutex_);
    by_name_.clear();
    entries_.clear();
    cost_ = 0;
  }

 private:
  struct Entry {
    std::string name;
    std::shared_ptr<const Value> value;
    int64_t cost = 0;
  };

  const int64_t most_;
  std::mutex mutex_;
  int64_t cost_ = 0;
  std::list<Entry> entries_;                                                           // used last first
  std::unordered_map<std::string_view, typename std::list<Entry>::iterator> by_name_;  // views of the entries' names
};

}  // namespace kindred
