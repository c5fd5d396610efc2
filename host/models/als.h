// Implicit-feedback matrix factorization by alternating least squares, exact unless an approximate solver is asked for.
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
#include <map>
#include <string>
#include <vector>

#include "host/models/model.h"
#include "host/models/rating_biases.h"
#include "host/models/resident_interactions.h"
#include "kernels/backend.h"

namespace kindred {

struct AlsOptions {
  int64_t n_factors = 64;
  AlsObjective objective;
  int64_t epochs = 15;
  uint64_t seed = 1;
  AlsSolver solver = {};  // of the epochs' half-steps, each from where the last one left; `warm` is set by the fit
};

struct AlsEpoch {
  int64_t epoch = 0;  // 1 is the first
  double loss = 0;    // L after it
  /// Of the model after it, by name, for who evaluates it; a fit leaves them empty.
  std::map<std::string, double> metrics = {};
};

struct AlsFactors {
  std::vector<float> user_factors;  // [n_users x n_factors], the exact answer to item_factors
  std::vector<float> item_factors;  // [n_items x n_factors], in the eigenbasis of its gramian
  std::vector<float> eigenvalues;   // [n_factors], descending
  double loss = 0;

  /// Sets the parts of `view`. Needs factors.
  void SetIn(ModelView* view) const;
};

/// A fit between two half-steps: all that the next ones depend on. The users are solved in the 1st, 3rd, ..., the items
/// in the 2nd, 4th, ...; a fit has two an epoch and one more.
struct AlsState {
  int64_t n_half_steps = 0;  // done
  double penalty = 0;        // sum of l |x|^2 over the side that was solved last
  AlsFactors factors;        // as they are; both sides and the loss are finite
  RatingBiases biases = {};  // of explicit feedback (host/models/explicit_als.h), else empty
};

/// Told after each half-step; `state` downloads it, a copy of both sides. What it throws ends the fit.
using AlsHook = std::function<void(int64_t n_half_steps, const std::function<AlsState()>& state)>;

/// A row that no finite factors solve (kNumeric), with its side.
class AlsRowError : public Error {
 public:
  AlsRowError(const std::string& message, int64_t row, bool is_user)
      : Error(ErrorCode::kNumeric, message, row), is_user_(is_user) {}
  bool is_user() const { return is_user_; }

 private:
  bool is_user_;
};

/// Throws kInvalidArgument naming the option that is out of range.
void CheckAlsOptions(const AlsOptions& options);

/// Trains on users x items confidences (> 0). An epoch solves the users, then the items; at the end the users
/// are solved once more, exactly, so that the stored factors are what folding in their history gives.
///
/// `start` is where it begins. Without factors: small random ones. After some half-steps, as a hook got it: what
/// follows has the bits of a fit that was never stopped. With factors and no half-steps: a fit from these factors.
///
/// Throws kInvalidArgument for options out of range and a start of other shape, AlsRowError for a singular system or
/// values that are not finite, kNumeric where there is no such row, and kOutOfMemory before it starts where
/// Backend::PlanAls does. Deterministic. Memory: both factor matrices, and the interactions twice.
AlsFactors FitAls(Backend& backend, const CsrView& interactions, const AlsOptions& options,
                  const std::function<void(const AlsEpoch&)>& on_epoch = {}, AlsState start = {},
                  const AlsHook& on_half_step = {});

/// The same, bit by bit, on interactions that are resident already, in whatever part: whoever made them has asked
/// Backend::PlanAls.
AlsFactors FitAls(Backend& backend, const ResidentInteractions& interactions, const AlsOptions& options,
                  const std::function<void(const AlsEpoch&)>& on_epoch = {}, AlsState start = {},
                  const AlsHook& on_half_step = {});

/// The small random factors that a fit without a start begins with. [n_rows x n_factors]
std::vector<float> RandomFactors(const AlsOptions& options, int64_t n_rows);

/// Number of users with each item. [n_items]
std::vector<float> ItemPopularity(const CsrView& interactions);

}  // namespace kindred
