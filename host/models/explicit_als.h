// Explicit feedback: ratings factorized beside biases, by alternating least squares over the seam.
//
//   L = sum over observed (u,i) of (r_ui - mean - b_u - b_i - x_u.y_i)^2
//       + sum_u l_u |x_u|^2 + sum_i l_i |y_i|^2  +  bias_regularization * (sum_u b_u^2 + sum_i b_i^2)
//   l_u = regularization * n_u^regularization_exponent, and l_i likewise
//
// Zhou, Wilkinson, Schreiber and Pan 2008 (ALS-WR; exponent 1), with the biases of Koren 2008. What is not rated has no
// part in it: a0 is 0. An epoch solves the users' factors, then the items', each exactly, on the ratings less the
// biases. After epochs 2, 4, 8, ... the biases are fitted again to what the factors leave: factors change ever less, so
// that these few times are as good as every time. At the end each user's factors and bias are solved together, which is
// how users are folded in too.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "host/models/als.h"
#include "host/models/rating_biases.h"

namespace kindred {

/// What people get who do not say: for ratings of about 1 to 5. Ratings on a scale k times as wide want a
/// regularization k times as large.
inline constexpr float kRatingRegularization = 1;
inline constexpr float kRatingRegularizationExponent = 0.5f;

struct ExplicitFactors {
  AlsFactors factors;  // as of FitAls; loss is L
  RatingBiases biases;
};

/// Trains on users x items ratings, any finite numbers. options.objective.unobserved_weight must be 0. Every epoch's
/// loss is L, and never more than that before it but for rounding. `start` and `on_half_step` are FitAls's: a state
/// after an epoch has the biases that the next one begins with; with factors and no half-steps, the fit begins with the
/// biases that answer to them. Throws as FitAls does, and kInvalidArgument for ratings that are not finite.
/// Deterministic; the host's part runs on `pool` (null: the caller's thread).
/// Cost: an ALS epoch each, and the biases, O(nnz n_factors) for each time they are fitted.
/// Memory: as FitAls, and three floats a rating for each side.
ExplicitFactors FitExplicitAls(Backend& backend, const CsrView& ratings, const AlsOptions& options,
                               ThreadPool* pool = nullptr, const std::function<void(const AlsEpoch&)>& on_epoch = {},
                               AlsState start = {}, const AlsHook& on_half_step = {});

/// The items of a model of ratings, as users are solved against them.
struct RatedItems {
  HostMatrix<const float> factors;   // [n_items x n_factors]
  MatrixView<const float> resident;  // the same on the backend, as Diagonalize leaves it
  View<const float> eigenvalues;
  std::span<const float> biases;  // [n_items]
  float mean = 0;
};

/// Users that answer to items, a row each.
struct RatingUsers {
  std::vector<float> factors;  // [n_rows x n_factors]
  std::vector<float> biases;   // [n_rows]
  std::vector<double> losses;  // [n_rows] the row's part of L, without the items' regularization
};

/// Each row's factors and bias that minimize its part of L together. With A = YtY + l I over the row's items,
/// A p = Yt (r - mean - b_i) and A q = Yt 1, two half-steps, the bias is
/// sum (r - mean - b_i - y.p) / (sum (1 - y.q) + bias_regularization), and x = p - b q. Rows without ratings get 0.
/// `context` has nothing queued; errors as of Context::Wait.
RatingUsers SolveRatingUsers(Backend& backend, Context& context, const RatedItems& items, const CsrView& ratings,
                             const AlsObjective& objective, ThreadPool* pool = nullptr,
                             int64_t max_entry_bytes = INT64_MAX);

}  // namespace kindred
