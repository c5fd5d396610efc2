// Interactions: the users x items matrix that trainings factorize, summed up from events.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "host/data/dataset.h"
#include "kernels/views.h"

namespace kindred {

/// A sparse matrix that owns its arrays.
struct Csr {
  int64_t n_rows = 0;
  int64_t n_cols = 0;
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> indices;
  std::vector<float> values;

  CsrView view() const { return {n_rows, n_cols, indptr, indices, values}; }
};

/// The transpose; rows keep increasing columns. Cost: two passes over nnz.
Csr Transpose(const CsrView& matrix);

/// Sums the events of each (user, item) into one entry; `keep` (per event, or empty for all) says which count.
/// Entries whose sum is 0 are left out.
Csr SumEvents(const EventsView& events, int64_t n_items, std::span<const uint8_t> keep = {});

}  // namespace kindred
