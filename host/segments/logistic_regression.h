// Logistic regression with a penalty on its coefficients, to the end: the numbers it gives are the optimum's.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cpu/parallel.h"

namespace kindred {

/// P(y = 1 | x) = 1 / (1 + exp(-(intercept + sum over j of coefficients[j] * (x_j - means[j]) / deviations[j]))).
struct LogisticModel {
  std::vector<double> means, deviations;  // of the features that it was fitted on; a deviation of 0: constant
  std::vector<double> coefficients;       // for a standard deviation; 0 of what is constant
  double intercept = 0;

  /// The logarithm of the odds. `x` are the features, [coefficients].
  double LogOdds(std::span<const float> x) const;
  /// The part of feature j in it.
  double Part(size_t j, float x) const {
    return deviations[j] == 0 ? 0 : coefficients[j] * (static_cast<double>(x) - means[j]) / deviations[j];
  }
};

/// 1 / (1 + exp(-t)), exact for large |t|.
double Sigmoid(double t);

struct LogisticFit {
  LogisticModel model;
  int n_iterations = 0;
  double loss = 0;         // mean of -log P(y), without the penalty
  bool separable = false;  // every y = 1 has larger odds than every y = 0: only the penalty keeps coefficients finite
};

/// Minimizes, over the rows with labels 0 or 1 (those with -1 are left out),
///
///   sum of -log P(y)  +  l2 / 2 * sum over j of coefficients[j]^2
///
/// with the features standardized on these rows (mean, and deviation over n), by Newton's method (iteratively
/// reweighted least squares) in double, halving steps that do not descend, until a step is one from a Newton
/// decrement below 1e-12 of the loss. The objective is strictly convex for l2 > 0, so that collinear features share
/// their coefficient and separable data have an optimum too. The penalty is scikit-learn's of C = 1 / l2. Bits do not
/// depend on the threads.
///
/// `x` is [labels.size() x n_features], row after row. Throws kInvalidArgument where a feature is not finite, where not
/// both labels are there, or l2 <= 0; kNumeric where 100 iterations do not get there. Cost an iteration: n d^2 / 2
/// multiplications and a Cholesky factorization.
LogisticFit FitLogistic(std::span<const float> x, std::span<const int8_t> labels, int64_t n_features, double l2,
                        ThreadPool& pool);

}  // namespace kindred
