// Filters that were asked for before: parsed, and the items that they let through.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "host/conditions/bounded_cache.h"
#include "host/conditions/filter.h"
#include "host/conditions/item_table.h"

namespace kindred {

struct FilterCacheOptions {
  // Of bitmaps, each an eighth of a byte an item, its name and BoundedCache::kEntryCost; a backend takes more beside.
  int64_t max_bitmap_bytes = int64_t{64} << 20;
  int64_t max_filter_bytes = int64_t{16} << 20;  // of parsed filters, about
};

/// A filter, and the inputs of one request, which must live as long.
struct BoundFilter {
  std::shared_ptr<const Filter> filter;
  FilterInputs inputs;
  std::string key;  // equal where the same items are let through, of one snapshot of them
};

/// Of one version. Thread-safe. A filter that was asked before with the same values costs a look-up.
class FilterCache {
 public:
  /// `users` is the version's table; `keep` holds the memory behind it.
  explicit FilterCache(AttributeTable users, std::shared_ptr<const void> keep = nullptr,
                       const FilterCacheOptions& options = {});

  /// `items` is any snapshot of the version's table, as types never change. Throws as Filter::Compile does.
  BoundFilter Bind(std::string_view text, const ItemTable& items, const FilterInputs& inputs);
  /// The items of this snapshot that it lets through. They are kept for as long as no column that it reads has a newer
  /// value; what it let through before is then forgotten.
  std::shared_ptr<const ItemBits> Eligible(const BoundFilter& filter, const ItemTable& items);

 private:
  struct LetThrough {
    std::vector<uint64_t> columns;  // Filter::ColumnsIn
    std::shared_ptr<const ItemBits> items;
  };

  const AttributeTable users_;
  const std::shared_ptr<const void> keep_;
  BoundedCache<Filter> filters_;
  BoundedCache<LetThrough> let_through_;  // by the keys of bound filters
};

}  // namespace kindred
