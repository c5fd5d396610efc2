// Biases of users and items: what of the ratings is due to who rates and what is rated alone.
//
//   sum over observed (u,i) of (t_ui - b_u - b_i)^2  +  regularization * (sum_u b_u^2 + sum_i b_i^2)
//
// (Koren 2008, the baseline estimates). The regularization does not grow with a row's ratings: it is the number of
// ratings of average height that each row is given in addition, so that a row of few ratings stays near 0.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/views.h"

namespace kindred {

struct RatingBiases {
  float mean = 0;            // of all ratings
  std::vector<float> users;  // [n_users], 0 without ratings
  std::vector<float> items;  // [n_items], likewise
};

/// Moves `biases` to the minimum over t, which `by_user` and its transpose `by_item` hold; the mean is left alone.
/// Users and items take turns until no bias moves by more than 1e-6 of the largest |t|, or 100 turns. Cost: two passes
/// over nnz a turn, on the threads of `pool` (null: the caller's), on which the result does not depend.
void FitBiases(const CsrView& by_user, const CsrView& by_item, double regularization, ThreadPool* pool,
               RatingBiases* biases);

/// The mean of the ratings, and the biases with t = rating - mean.
RatingBiases FitRatingBiases(const CsrView& ratings, double regularization, ThreadPool* pool);

/// The mean, in double over all ratings, rounded once; 0 without ratings.
float MeanRating(const CsrView& ratings);

/// body(row) for every row, in tasks of equally many.
template <class Body>
void ForEachRow(ThreadPool* pool, int64_t n_rows, const Body& body) {
  constexpr int64_t kRowsPerTask = 256;
  const auto task = [&](int64_t t, int) {
    for (int64_t row = t * kRowsPerTask; row < std::min(n_rows, (t + 1) * kRowsPerTask); ++row) body(row);
  };
  const int64_t n_tasks = (n_rows + kRowsPerTask - 1) / kRowsPerTask;
  if (pool != nullptr)
    pool->Run(n_tasks, pool->n_threads(), task);
  else
    for (int64_t t = 0; t < n_tasks; ++t) task(t, 0);
}

}  // namespace kindred
