#include "host/models/sparse_ridge.h"

#include <fmt/format.h>

#include <cmath>

#include "host/models/sparse_product.h"

namespace kindred {
namespace {

/// Of the columns.
std::vector<double> SquaredNorms(std::span<const float> matrix, size_t n_cols) {
  std::vector<double> sums(n_cols, 0);
  for (size_t first = 0; first < matrix.size(); first += n_cols)
    for (size_t t = 0; t < n_cols; ++t) sums[t] += double{matrix[first + t]} * matrix[first + t];
  return sums;
}

std::vector<float> Multiply(Backend& backend, Context& context, const SparseRows& by, std::span<const float> matrix,
                            int64_t n_cols) {
  const Resident<float> resident(backend, by.n_cols(), n_cols);
  resident.Upload(backend, context, matrix);
  return MultiplySparseRows(backend, context, by, resident.matrix());
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
  std::vector<float> residual = Multiply(backend_, *context, *columns_, targets, n_targets);
  std::vector<float> direction = residual, image(targets.size()), back(weights.size());
  const Resident<float> resident_direction(backend_, n_features, n_targets),
      resident_back(backend_, n_features, n_targets);
  const Resident<float> resident_image(backend_, n_rows, n_targets);
  std::vector<double> squared = SquaredNorms(residual, n), enough, length(n), turn(n);
  for (const double norm : squared) enough.push_back(norm * kRidgeTolerance * kRidgeTolerance);
  const auto is_done = [&](size_t t) { return squared[t] <= enough[t]; };
  for (int step = 0; step < kMostRidgeSteps; ++step) {
    resident_direction.Upload(backend_, *context, direction);
    backend_.MultiplySparse(*context, *rows_, resident_direction.matrix(), resident_image.matrix());
    backend_.MultiplySparse(*context, *columns_, resident_image.matrix(), resident_back.matrix());
    resident_image.Download(backend_, *context, std::span<float>(image));
    resident_back.Download(backend_, *context, std::span<float>(back));
    context->Wait();
    const std::vector<double> of_image = SquaredNorms(image, n), of_direction = SquaredNorms(direction, n);
    for (size_t t = 0; t < n; ++t) length[t] = is_done(t) ? 0 : squared[t] / (of_image[t] + ridge * of_direction[t]);
    for (size_t first = 0; first < weights.size(); first += n)
      for (size_t t = 0, e = first; t < n; ++t, ++e) {
        weights[e] = static_cast<float>(weights[e] + length[t] * direction[e]);
        residual[e] = static_cast<float>(residual[e] - length[t] * (back[e] + ridge * direction[e]));
      }
    const std::vector<double> now = SquaredNorms(residual, n);
    bool all_done = true;
    for (size_t t = 0; t < n; ++t) {
      turn[t] = is_done(t) ? 0 : now[t] / squared[t];
      squared[t] = now[t];
      all_done = all_done && is_done(t);
    }
    if (all_done) break;
    for (size_t first = 0; first < direction.size(); first += n)
      for (size_t t = 0, e = first; t < n; ++t, ++e)
        direction[e] = static_cast<float>(residual[e] + turn[t] * direction[e]);
  }
  return weights;
}

std::vector<float> MultiplyFeatures(Backend& backend, const CsrView& features, std::span<const float> factors,
                                    int64_t n_factors) {
  if (features.nnz() == 0) return std::vector<float>(static_cast<size_t>(features.n_rows * n_factors));
  const auto context = backend.NewContext();
  return Multiply(backend, *context, *backend.NewSparseRows(features, {}, nullptr), factors, n_factors);
}

}  // namespace kindred
