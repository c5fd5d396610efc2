// Interactions by chance, for tests that fit them.
#pragma once

#include "host/data/interactions.h"
#include "host/data/random.h"

namespace kindred {

/// Confidences from 1 to 5 of n_users x n_items, about one pair in `sparsity`; user 0 has every item but item 1, and
/// user 1 and item 1 nothing.
inline Csr RandomInteractions(int64_t n_users, int64_t n_items, uint64_t sparsity, uint64_t seed) {
  Csr matrix;
  matrix.n_rows = n_users;
  matrix.n_cols = n_items;
  for (int64_t u = 0; u < n_users; ++u) {
    for (int64_t i = 0; i < n_items; ++i) {
      const auto at = static_cast<uint64_t>(u * n_items + i);
      if (u == 1 || i == 1 || (u != 0 && RandomBits(seed, at) % sparsity != 0)) continue;
      matrix.indices.push_back(static_cast<int32_t>(i));
      matrix.values.push_back(static_cast<float>(1 + RandomBits(seed + 1, at) % 5));
    }
    matrix.indptr.push_back(static_cast<int64_t>(matrix.indices.size()));
  }
  return matrix;
}

}  // namespace kindred
