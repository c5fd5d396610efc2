#include "host/models/sparse_ridge.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

namespace kindred {
namespace {

std::vector<double> SquaredNorms(std::span<const float> matrix, size_t n_cols) {
  std::vector<double> sums(n_cols, 0);
  for (size_t e = 0; e < matrix.size(); ++e) sums[e % n_cols] += double{matrix[e]} * matrix[e];
  return sums;
}

/// `by` times a matrix of n_cols columns, which has `n_to` rows.
std::vector<float> Multiply(Backend& backend, Context& context, const SparseRows& by, std::span<const float> matrix,
                            int64_t n_to, int64_t n_cols) {
  const Resident<float> from(backend, std::ssize(matrix) / n_cols, n_cols), to(backend, n_to, n_cols);
  std::vector<float> product(static_cast<size_t>(n_to * n_cols));
  from.Upload(backend, context, matrix);
  backend.MultiplySparse(context, by, from.matrix(), to.matrix());
  to.Download(backend, context, std::span<float>(product));
  context.Wait();
  return product;
}

}  // namespace

SparseRidge::SparseRidge(Backend& backend, const CsrView& features)
    : backend_(backend), features_(features), transpose_(Transpose(features)) {
  if (features.nnz() == 0) return;
  rows_ = backend.NewSparseRows(features, {}, nullptr);
  columns_ = backend.NewSparseRows(transpose_.view(), {}, nullptr);
}

std::vector<float> SparseRidge::Fit(std::span<const float> targets, int64_t n_targets, double ridge) const {
  if (!(ridge > 0) || !std::isfinite(ridge))
    throw Error(ErrorCode::kInvalidArgument, fmt::format("regression: the ridge is {}; expected more than 0", ridge));
  const int64_t n_rows = features_.n_rows, n_features = features_.n_cols;
  const auto n = static_cast<size_t>(n_targets);
  std::vector<float> weights(static_cast<size_t>(n_features * n_targets), 0.0f);
  if (weights.empty() || features_.nnz() == 0) return weights;
  const auto context = backend_.NewContext();
  std::vector<float> residual = Multiply(backend_, *context, *columns_, targets, n_features, n_targets);
  std::vector<float> direction = residual;
  std::vector<double> squared = SquaredNorms(residual, n), enough, length(n), turn(n);
  for (const double norm : squared) enough.push_back(norm * kRidgeTolerance * kRidgeTolerance);
  const auto is_done = [&](size_t t) { return squared[t] <= enough[t]; };
  for (int step = 0; step < kMostRidgeSteps; ++step) {
    const std::vector<float> image = Multiply(backend_, *context, *rows_, direction, n_rows, n_targets);
    const std::vector<float> back = Multiply(backend_, *context, *columns_, image, n_features, n_targets);
    const std::vector<double> of_image = SquaredNorms(image, n), of_direction = SquaredNorms(direction, n);
    for (size_t t = 0; t < n; ++t) length[t] = is_done(t) ? 0 : squared[t] / (of_image[t] + ridge * of_direction[t]);
    for (size_t e = 0; e < weights.size(); ++e) {
      weights[e] = static_cast<float>(weights[e] + length[e % n] * direction[e]);
      residual[e] = static_cast<float>(residual[e] - length[e % n] * (back[e] + ridge * direction[e]));
    }
    const std::vector<double> now = SquaredNorms(residual, n);
    bool all_done = true;
    for (size_t t = 0; t < n; ++t) {
      turn[t] = is_done(t) ? 0 : now[t] / squared[t];
      squared[t] = now[t];
      all_done = all_done && is_done(t);
    }
    if (all_done) break;
    for (size_t e = 0; e < direction.size(); ++e)
      direction[e] = static_cast<float>(residual[e] + turn[e % n] * direction[e]);
  }
  return weights;
}

std::vector<float> MultiplyFeatures(Backend& backend, const CsrView& features, std::span<const float> factors,
                                    int64_t n_factors) {
  if (features.nnz() == 0) return std::vector<float>(static_cast<size_t>(features.n_rows * n_factors));
  const auto context = backend.NewContext();
  const auto rows = backend.NewSparseRows(features, {}, nullptr);
  return Multiply(backend, *context, *rows, factors, features.n_rows, n_factors);
}

}  // namespace kindred
