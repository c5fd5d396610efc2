// What fits of implicit and of explicit feedback share: a side of the factorization, and its half-step.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "host/models/als.h"
#include "kernels/backend.h"

namespace kindred {

/// One side of a factorization with what its half-steps need.
struct AlsSide {
  /// A row of `rows` each. The factors hold anything, and `observed` is for the fit to set.
  AlsSide(Backend& backend, Context& context, const CsrView& rows, const AlsOptions& options, bool users);

  bool of_users;
  std::shared_ptr<const SparseRows> observed;
  std::vector<float> regularization;  // l
  Resident<float> factors;
  Resident<float> resident_regularization;
  Resident<double> loss;
  Resident<double> squared_norm;
  double penalty = 0;  // sum of l |x|^2, once it was solved
};

/// Solves `solved` against `fixed`, which is left in the eigenbasis of its gramian with these eigenvalues, and sets its
/// penalty. Returns the sum of the rows' minima and fixed.penalty. `epoch` is for messages. Throws AlsRowError for a
/// row that is singular or not finite, and kNumeric for a sum that is not.
double SolveSide(Backend& backend, Context& context, AlsSide& solved, const AlsSide& fixed, View<float> eigenvalues,
                 float unobserved_weight, const AlsSolver& solver, int64_t epoch);

/// What Context::Wait threw while a side was solved, with the side, and as AlsRowError where it has a row.
[[noreturn]] void ThrowOfSide(const Error& error, bool of_users);

AlsRowError NotFinite(int64_t row, bool of_users, int64_t epoch);

/// Throws kInvalidArgument where FitAls or, `with_biases`, FitExplicitAls cannot go on from `start`.
void CheckAlsStart(const AlsState& start, const CsrView& interactions, const AlsOptions& options, bool with_biases);

template <class T>
std::vector<T> Downloaded(Backend& backend, Context& context, const Resident<T>& from) {
  std::vector<T> to(static_cast<size_t>(from.n_rows() * from.n_cols()));
  from.Download(backend, context, std::span<T>(to));
  context.Wait();
  return to;
}

}  // namespace kindred
