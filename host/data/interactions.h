// Interactions: the users x items matrix that trainings factorize, summed up from events.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/data/event_weighting.h"
#include "host/data/events.h"
#include "host/data/id_map.h"
#include "kernels/cpu/parallel.h"
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

/// These rows, in this order.
Csr SelectRows(const CsrView& matrix, std::span<const int32_t> rows);

/// The sum of each column, in double and in the order of rows. Cost: a pass over nnz.
std::vector<double> ColumnSums(const CsrView& matrix);

/// Entries of the row or column that has most.
int64_t LongestRow(const CsrView& matrix);

/// What the events of a pair of user and item come to.
enum class PairValue {
  kConfidence,  // the sum of what they count (host/data/event_weighting.h)
  kRating,      // the value of the last in time; the mean of several at that time, or of all where there are no times
};

/// How events are summed up.
struct SumOptions {
  EventWeighting weighting = {};
  std::span<const uint8_t> keep = {};  // [n_events] which of them count; empty: all
  ThreadPool* pool = nullptr;          // whose threads help; the result does not depend on them
  const IdMap* users = nullptr;        // the ids that messages name; without them they name indices
  const IdMap* items = nullptr;
  PairValue pair_value = PairValue::kConfidence;
};

/// Refuses (kInvalidArgument) what says how much events count and not whether: ratings are taken as they are. Weights
/// of types are 0 or 1.
void CheckRatingWeighting(const EventWeighting& weighting);

/// Sums what the events of each (user, item) count (host/data/event_weighting.h) into one entry, in double and in their
/// order. Entries that are 0 as a float32 are left out. Of ratings, each pair with an event whose type counts is an
/// entry, whatever its rating. Throws as CheckWeighting and CheckRatingWeighting do, kInvalidArgument for confidences
/// of negative values, and kNumeric for an entry that no float32 holds. Cost: a sort of each user's events; memory
/// twice that of the result.
Csr SumEvents(const EventsView& events, int64_t n_items, const SumOptions& options = {});

}  // namespace kindred
