// How sure a score of implicit ALS is.
//
// Given the item factors, a row's objective is that of Bayesian linear regression (Bishop 2006, section 3.3; as bandits
// use it, LinUCB: Li, Chu, Langford and Schapire 2010): targets 1 of precision c_ui / s2 for what the user did, 0 of
// precision a0 / s2 for every item, and x ~ N(0, s2 / l I). Then
//
//   x ~ N(A^-1 Yt C 1, s2 A^-1),  so  Var(x . y_i) = s2 (y_i . A^-1 y_i)      (A as in host/ranking/row_system.h)
//
// which is large for items unlike what the user has and does. It is the variance of the score, the expected preference:
// not of a target, which is 0 or 1 and for which a normal distribution would be wrong. Nor are the item factors'
// errors in it.
//
// This is a working model. Targets are not normal, what is not observed is no measurement, and what a user does is
// chosen by liking, so that news raise scores more than they lower them. The noise s2 is a scale that the objective
// does not have; it is measured on held-out data, and so is what the intervals are worth:
// host/evaluation/uncertainty_check.h.
#pragma once

#include <vector>

#include "host/models/model.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

/// Whether a model's scores have variances, given the noise: those of implicit ALS.
bool HasVariances(const ModelView& model);

/// The variance of the score of each entry of `items` for the user whose history the same row of `histories` is.
/// `items` has a row for each history, of items in any order; its values are not looked at. [items.nnz()]
/// Throws kInvalidArgument unless HasVariances, and as RowSystem does. Cost: one RowSystem a row, and its Square for
/// each entry; rows are shared out to `pool` (null: the caller's thread).
std::vector<double> ScoreVariances(const ModelView& model, double noise_variance, const CsrView& histories,
                                   const CsrView& items, ThreadPool* pool = nullptr);

}  // namespace kindred
