// Implicit-feedback matrix factorization by alternating least squares, exact.
//
//   L = sum over observed (u,i) of c_ui (1 - x_u.y_i)^2  +  a0 * sum over all (u,i) of (x_u.y_i)^2
//       + sum_u l_u |x_u|^2 + sum_i l_i |y_i|^2
//   l_u = regularization * (n_u + a0 * n_items)^regularization_exponent, and l_i likewise with n_users
//
// Hu, Koren and Volinsky 2008, in the form of Rendle, Krichene, Zhang and Koren 2022 (iALS revisited).
// implicit's objective is another scaling of it; ARCHITECTURE.md has the conversion.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "host/models/model.h"
#include "kernels/backend.h"

namespace kindred {

struct AlsOptions {
  int64_t n_factors = 64;
  AlsObjective objective;
  int64_t epochs = 15;
  uint64_t seed = 1;
};

struct AlsEpoch {
  int64_t epoch = 0;  // 1 is the first
  double loss = 0;    // L after it
};

struct AlsFactors {
  std::vector<float> user_factors;  // [n_users x n_factors], the exact answer to item_factors
  std::vector<float> item_factors;  // [n_items x n_factors], in the eigenbasis of its gramian
  std::vector<float> eigenvalues;   // [n_factors], descending
  double loss = 0;
};

/// Trains on users x items confidences (> 0). An epoch solves the users, then the items; at the end the users
/// are solved once more, so that the stored factors are what folding in their history gives.
/// Throws kInvalidArgument for options out of range and kNumeric (naming the row) for a singular system or a
/// loss that is not finite, and kOutOfMemory before it starts where Backend::PlanAls does. Deterministic. Memory: both
/// factor matrices, and the interactions twice.
AlsFactors FitAls(Backend& backend, const CsrView& interactions, const AlsOptions& options,
                  const std::function<void(const AlsEpoch&)>& on_epoch = {});

/// Number of users with each item. [n_items]
std::vector<float> ItemPopularity(const CsrView& interactions);

}  // namespace kindred
