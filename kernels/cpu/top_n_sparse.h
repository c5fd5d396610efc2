// The item-item part of the top-N's scores: what the items of a query's history add to a tile of items.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/backend.h"

namespace kindred {

inline constexpr int64_t kItemTile = 1024;  // items that are scanned at once
inline constexpr int64_t kItemGroup = 32;   // of them, that are touched or not

/// A query's sums over the items of a tile.
struct HistorySums {
  double of_item[kItemTile] = {};
  bool touched[kItemTile / kItemGroup] = {};  // false: the group's sums are all 0

  /// Makes the group that starts at this item of the tile 0 again.
  void Clear(int64_t group);
};

/// A query's history on its way through the catalogue. Memory: one cursor for each item of the history.
class HistoryWalk {
 public:
  HistoryWalk() = default;
  HistoryWalk(const ItemItemView& item_item, std::span<const int32_t> items, std::span<const float> weights,
              int64_t first_item);

  /// Adds to `sums`, in the order of the history, what it says of the n_items items from first_item on. Tiles come in
  /// increasing order and leave none out. Cost: the entries, and one comparison for each item of the history.
  void Add(int64_t first_item, int64_t n_items, HistorySums& sums);

 private:
  /// What is left of a row of S.
  struct Row {
    const int32_t* items;
    const int32_t* end;
    const float* values;
    int32_t next;  // *items, or where none is left more than any item
    float weight;
  };

  std::vector<Row> rows_;
};

}  // namespace kindred
