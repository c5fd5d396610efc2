#include "host/models/als_side.h"

#include <cmath>
#include <string>

namespace kindred {
namespace {

const char* Name(bool of_users) {
  return of_users ? "user" : "item";
}

}  // namespace

AlsSide::AlsSide(Backend& backend, Context& context, const CsrView& rows, const AlsOptions& options, bool users)
    : of_users(users),
      factors(backend, rows.n_rows, options.n_factors),
      resident_regularization(backend, rows.n_rows),
      loss(backend, rows.n_rows),
      squared_norm(backend, rows.n_rows) {
  for (int64_t r = 0; r < rows.n_rows; ++r)
    regularization.push_back(options.objective.RowRegularization(rows.indptr[r + 1] - rows.indptr[r], rows.n_cols));
  resident_regularization.Upload(backend, context, regularization);
  context.Wait();
}

double SolveSide(Backend& backend, Context& context, AlsSide& solved, const AlsSide& fixed, View<float> eigenvalues,
                 float unobserved_weight, const AlsSolver& solver, int64_t epoch) {
  const bool starts_from_it = solver.method != AlsMethod::kExact && solver.warm;
  backend.Diagonalize(context, fixed.factors.matrix(), eigenvalues,
                      starts_from_it ? solved.factors.matrix() : MatrixView<float>());
  backend.SolveAls(context, {solved.observed.get(), fixed.factors.matrix(), eigenvalues, unobserved_weight,
                             solved.resident_regularization.view(), solved.factors.matrix(), solved.loss.view(),
                             solved.squared_norm.view(), solver});
  try {
    context.Wait();
  } catch (const Error& error) {
    ThrowOfSide(error, solved.of_users);
  }
  const std::vector<double> minima = Downloaded(backend, context, solved.loss);
  const std::vector<double> squared_norms = Downloaded(backend, context, solved.squared_norm);
  double loss = 0;
  solved.penalty = 0;
  for (size_t r = 0; r < minima.size(); ++r) {
    if (!std::isfinite(minima[r]) || !std::isfinite(squared_norms[r]))
      throw NotFinite(static_cast<int64_t>(r), solved.of_users, epoch);
    loss += minima[r];
    solved.penalty += solved.regularization[r] * squared_norms[r];
  }
  loss += fixed.penalty;
  if (!std::isfinite(loss) || !std::isfinite(solved.penalty))
    throw Error(ErrorCode::kNumeric, "ALS: the loss is not finite in epoch " + std::to_string(epoch));
  return loss;
}

void ThrowOfSide(const Error& error, bool of_users) {
  const std::string message = error.what() + (" (solving the " + std::string(Name(of_users)) + " side)");
  if (error.row() >= 0) throw AlsRowError(message, error.row(), of_users);
  throw Error(error.code(), message);
}

AlsRowError NotFinite(int64_t row, bool of_users, int64_t epoch) {
  return {"ALS: row " + std::to_string(row) + " of the " + Name(of_users) + " side is not finite in epoch " +
              std::to_string(epoch),
          row, of_users};
}

void CheckAlsStart(const AlsState& start, const CsrView& interactions, const AlsOptions& options, bool with_biases) {
  const auto expect = [](const std::string& what, int64_t found, int64_t least, int64_t most) {
    if (found < least || found > most)
      throw Error(ErrorCode::kInvalidArgument, "ALS: the start has " + std::to_string(found) + " " + what +
                                                   "; expected " + std::to_string(least) +
                                                   (least < most ? " to " + std::to_string(most) : ""));
  };
  const auto expect_size = [&](const std::string& what, const std::vector<float>& values, int64_t size) {
    expect(what, static_cast<int64_t>(values.size()), size, size);
  };
  const auto& [users, items, eigenvalues, loss] = start.factors;
  if (start.n_half_steps == 0 && users.empty() && items.empty()) return;
  const int64_t f = options.n_factors;
  expect("half-steps", start.n_half_steps, 0, 2 * options.epochs + 1);
  expect_size("values in its user factors", users, interactions.n_rows * f);
  expect_size("values in its item factors", items, interactions.n_cols * f);
  if (start.n_half_steps == 0) return;
  expect_size("eigenvalues", eigenvalues, f);
  expect_size("user biases", start.biases.users, with_biases ? interactions.n_rows : 0);
  expect_size("item biases", start.biases.items, with_biases ? interactions.n_cols : 0);
}

}  // namespace kindred
