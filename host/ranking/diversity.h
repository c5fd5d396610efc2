// Maximal marginal relevance over a pool (host/ranking/rules.h, step 5).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/views.h"

namespace kindred {

/// What items are compared by: vectors; where they have no columns, the values of attributes, -1 for none.
struct ItemLikeness {
  HostMatrix<const float> vectors;
  std::vector<std::span<const int32_t>> attributes;

  bool empty() const { return vectors.n_cols == 0 && attributes.empty(); }
};

/// One item of a pool.
struct PoolItem {
  int32_t item = 0;
  double value = 0;  // what is beyond 1e300 counts as that
  enum Place : uint8_t {
    kFree,
    kFirst,     // has one of the first places; such come first in the pool
    kReserved,  // is among those picked, wherever
  } place = kFree;
};

/// Places in the pool of the n that are picked, in the order in which they are; all where there are fewer. No more than
/// n are first or reserved. What an item is worth only falls as more are picked, so one is compared with the picks
/// since it was last looked at only when it seems the best (Minoux 1978). Cost: at most n times the pool's size times
/// the columns, mostly a small part of it; the pool's vectors again.
std::vector<size_t> PickDiverse(std::span<const PoolItem> pool, int64_t n, double strength,
                                const ItemLikeness& likeness);

}  // namespace kindred
