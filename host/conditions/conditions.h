// What conditions of requests to one version go by: the attributes of its items as they are now, and filters that were
// asked for before.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "host/conditions/bounded_cache.h"
#include "host/conditions/filter.h"
#include "host/conditions/item_table.h"

namespace kindred {

struct ConditionsOptions {
  int64_t max_bitmap_bytes = int64_t{128} << 20;  // an eighth of a byte an item and filter
  int64_t max_filter_bytes = int64_t{16} << 20;   // of parsed filters, about
};

/// A filter, and the inputs of one request, which must live as long.
struct BoundFilter {
  std::shared_ptr<const Filter> filter;
  FilterInputs inputs;
  std::string key;  // equal where the same items are let through, as long as those do not change
};

/// Thread-safe. A filter that was asked before with the same values costs a look-up.
class Conditions {
 public:
  /// `items` and `users` are the tables of a version; `keep` holds the memory behind them.
  Conditions(const AttributeTable& items, const AttributeTable& users, const std::shared_ptr<const void>& keep,
             const ConditionsOptions& options = {});

  /// The items as they are now.
  std::shared_ptr<const ItemTable> items() const;
  /// From now on they are these: items() with updates. Of those who update at the same time, one is at a time.
  void Replace(std::shared_ptr<const ItemTable> items);
  const AttributeTable& users() const { return users_; }

  /// Throws as Filter::Compile does.
  BoundFilter Bind(std::string_view text, const FilterInputs& inputs) const;
  /// The items that it lets through now.
  std::shared_ptr<const ItemBits> Eligible(const BoundFilter& filter) const;

 private:
  const AttributeTable users_;
  const std::shared_ptr<const void> keep_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ItemTable> items_;
  mutable BoundedCache<Filter> filters_;
  mutable BoundedCache<ItemBits> bitmaps_;
};

}  // namespace kindred
