// The system that a user's factors solve, factored in double on the host: what a score is made of, and how sure it is.
//
//   A = a0 YtY + sum over the history of w y yt + l I
//
// (host/models/als.h; of ratings, explicit_als.h: a0 = 0 and w = 1).
//
// The item factors of a model have a diagonal Gram matrix, so A = D + Yt W Y with D = a0 e + l. The shorter of the two
// forms of ARCHITECTURE.md, "The ALS half-step", is factored: A itself, or for fewer entries than factors the dual
// I + M Mt with M = W^1/2 Y D^-1/2.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/models/model.h"

namespace kindred {

class RowSystem {
 public:
  /// Of a history: increasing items, and a value each. `model` is an "als"; it and the history outlive this. Throws
  /// kNumeric where A is singular, and where the values are no confidences. Cost, with n entries and f factors:
  /// n^2 f + n^3 / 3, or n f^2 + f^3 / 3 where n > f; memory n f, or f^2.
  RowSystem(const ModelView& model, std::span<const int32_t> items, std::span<const float> values);

  /// A^-1 sum_j w_j t_j y_j: for targets t of 1 the factors themselves. [n_factors] Cost: n f, or f^2.
  std::vector<double> Solve(std::span<const double> targets) const;
  /// w_j y_j . A^-1 v for each j of the history, v of n_factors; for v = y_i and targets of 1 what j adds to the score
  /// of i. Cost as above, and n^2.
  std::vector<double> Parts(std::span<const float> v) const;
  /// v . A^-1 v, not negative; to some 1e-15 of what it is without the history. Cost as Parts.
  double Square(std::span<const float> v) const;

 private:
  std::span<const float> Item(size_t j) const { return item_factors_.row(items_[j]); }
  void FactorDual();
  void FactorPrimal();
  std::vector<double> Scaled(std::span<const float> v) const;
  std::vector<double> TimesRows(std::span<const double> v) const;

  const HostMatrix<const float> item_factors_;
  const std::span<const int32_t> items_;
  std::vector<double> weights_;   // w [n]
  std::vector<double> diagonal_;  // D [n_factors]
  bool dual_ = false;
  std::vector<double> rows_;      // dual: M [n x n_factors]
  std::vector<double> cholesky_;  // of the matrix that is factored, its lower triangle by columns
};

}  // namespace kindred
