// Each row of S that a history names is walked once over the whole catalogue, tile by tile beside the others, so that
// memory follows the history and not the items, and sums stay in the first cache.
#include "kernels/cpu/top_n_sparse.h"

#include <algorithm>

namespace kindred {
namespace {

constexpr int32_t kNoItem = INT32_MAX;  // indices are below it

}  // namespace

void HistorySums::Clear(int64_t group) {
  std::fill_n(of_item + group, kItemGroup, 0.0);
  touched[group / kItemGroup] = false;
}

HistoryWalk::HistoryWalk(const ItemItemView& item_item, std::span<const int32_t> items, std::span<const float> weights,
                         int64_t first_item) {
  rows_.reserve(items.size());
  for (size_t place = 0; place < items.size(); ++place) {
    const int64_t begin = item_item.indptr.data[items[place]], end = item_item.indptr.data[items[place] + 1];
    const int32_t* const last = item_item.items.data + end;
    const int32_t* const first = std::lower_bound(item_item.items.data + begin, last, first_item);
    if (first < last)
      rows_.push_back({first, last, item_item.values.data + (first - item_item.items.data), *first, weights[place]});
  }
}

void HistoryWalk::Add(int64_t first_item, int64_t n_items, HistorySums& sums) {
  const int64_t last_item = first_item + n_items;
  for (Row& row : rows_) {
    if (row.next >= last_item) continue;
    const double weight = row.weight;
    int32_t next = row.next;
    do {
      const int64_t i = next - first_item;
      sums.of_item[i] += weight * *row.values;
      sums.touched[i / kItemGroup] = true;
      ++row.values;
      next = ++row.items < row.end ? *row.items : kNoItem;
    } while (next < last_item);
    row.next = next;
  }
}

}  // namespace kindred
