#include "host/ranking/row_system.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "kernels/error.h"

namespace kindred {
namespace {

using ColumnMajor = Eigen::MatrixXd;
using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kLeastRatio = 1e-6;  // of D's smallest to its largest, for the dual
constexpr int64_t kRowsAtOnce = 256;  // that are gathered for the primal

Eigen::Map<const Eigen::VectorXd> Vector(std::span<const double> v) {
  return {v.data(), std::ssize(v)};
}

Eigen::Map<const Eigen::VectorXf> Vector(std::span<const float> v) {
  return {v.data(), std::ssize(v)};
}

/// x becomes L^-1 x.
void SolveLower(const std::vector<double>& cholesky, Eigen::Ref<Eigen::VectorXd> x) {
  Eigen::Map<const ColumnMajor>(cholesky.data(), x.size(), x.size()).triangularView<Eigen::Lower>().solveInPlace(x);
}

/// x becomes (L Lt)^-1 x.
void SolveBoth(const std::vector<double>& cholesky, Eigen::Ref<Eigen::VectorXd> x) {
  SolveLower(cholesky, x);
  const Eigen::Map<const ColumnMajor> lower(cholesky.data(), x.size(), x.size());
  lower.transpose().triangularView<Eigen::Upper>().solveInPlace(x);
}

void FactorInPlace(std::vector<double>& matrix, int64_t n) {
  if (n == 0) return;
  Eigen::Map<ColumnMajor> map(matrix.data(), n, n);
  const Eigen::LLT<Eigen::Ref<ColumnMajor>> factored(map);
  if (factored.info() != Eigen::Success || !map.diagonal().allFinite())
    throw Error(ErrorCode::kNumeric, "the system of the user's factors is singular");
}

}  // namespace

RowSystem::RowSystem(const ModelView& model, std::span<const int32_t> items, std::span<const float> values)
    : item_factors_(model.item_factors), items_(items), weights_(values.begin(), values.end()) {
  if (model.has_ratings()) std::fill(weights_.begin(), weights_.end(), 1.0);
  for (const double weight : weights_)
    if (!(weight >= 0) || !std::isfinite(weight))
      throw Error(ErrorCode::kNumeric, "a confidence of the history is negative or not finite");
  const double regularization = model.objective.RowRegularization(std::ssize(items), model.n_items());
  for (const float e : model.eigenvalues)
    diagonal_.push_back(double{model.objective.unobserved_weight} * std::max(e, 0.0f) + regularization);
  const auto [least, most] = std::minmax_element(diagonal_.begin(), diagonal_.end());
  dual_ = items_.size() <= diagonal_.size() && *least > 0 && *least >= kLeastRatio * *most;
  dual_ ? FactorDual() : FactorPrimal();
}

void RowSystem::FactorDual() {
  const auto n = std::ssize(items_), f = std::ssize(diagonal_);
  rows_.resize(static_cast<size_t>(n * f));
  cholesky_.resize(static_cast<size_t>(n * n));
  const Eigen::ArrayXd scale = Vector(diagonal_).array().rsqrt();
  Eigen::Map<RowMajor> rows(rows_.data(), n, f);
  for (int64_t j = 0; j < n; ++j)
    rows.row(j) = std::sqrt(weights_[j]) * (Vector(Item(j)).cast<double>().array() * scale).matrix().transpose();
  Eigen::Map<ColumnMajor> matrix(cholesky_.data(), n, n);
  matrix.setIdentity();
  matrix.selfadjointView<Eigen::Lower>().rankUpdate(rows);
  FactorInPlace(cholesky_, n);
}

void RowSystem::FactorPrimal() {
  const auto n = std::ssize(items_), f = std::ssize(diagonal_);
  cholesky_.assign(static_cast<size_t>(f * f), 0);
  Eigen::Map<ColumnMajor> matrix(cholesky_.data(), f, f);
  matrix.diagonal() = Vector(diagonal_);
  for (int64_t first = 0; first < n; first += kRowsAtOnce) {
    ColumnMajor gathered(f, std::min(kRowsAtOnce, n - first));
    for (int64_t c = 0; c < gathered.cols(); ++c)
      gathered.col(c) = std::sqrt(weights_[first + c]) * Vector(Item(first + c)).cast<double>();
    matrix.selfadjointView<Eigen::Lower>().rankUpdate(gathered);
  }
  FactorInPlace(cholesky_, f);
}

/// Of the dual: D^-1/2 v.
std::vector<double> RowSystem::Scaled(std::span<const float> v) const {
  std::vector<double> scaled(v.size());
  for (size_t k = 0; k < v.size(); ++k) scaled[k] = v[k] / std::sqrt(diagonal_[k]);
  return scaled;
}

/// Of the dual: M v.
std::vector<double> RowSystem::TimesRows(std::span<const double> v) const {
  std::vector<double> result(items_.size());
  const auto n = std::ssize(result);
  Eigen::Map<Eigen::VectorXd>(result.data(), n) =
      Eigen::Map<const RowMajor>(rows_.data(), n, std::ssize(v)) * Vector(v);
  return result;
}

std::vector<double> RowSystem::Solve(std::span<const double> targets) const {
  const auto n = std::ssize(items_), f = std::ssize(diagonal_);
  std::vector<double> result(diagonal_.size());
  Eigen::Map<Eigen::VectorXd> x(result.data(), f);
  if (dual_) {
    Eigen::VectorXd right = Vector(std::span<const double>(weights_)).array().sqrt() * Vector(targets).array();
    SolveBoth(cholesky_, right);
    x = Eigen::Map<const RowMajor>(rows_.data(), n, f).transpose() * right;
    x.array() /= Vector(diagonal_).array().sqrt();
    return result;
  }
  x.setZero();
  for (int64_t j = 0; j < n; ++j) x += weights_[j] * targets[j] * Vector(Item(j)).cast<double>();
  SolveBoth(cholesky_, x);
  return result;
}

std::vector<double> RowSystem::Parts(std::span<const float> v) const {
  const auto n = std::ssize(items_);
  if (dual_) {
    std::vector<double> parts = TimesRows(Scaled(v));
    Eigen::Map<Eigen::VectorXd> map(parts.data(), n);
    SolveBoth(cholesky_, map);
    for (int64_t j = 0; j < n; ++j) parts[j] *= std::sqrt(weights_[j]);
    return parts;
  }
  Eigen::VectorXd solved = Vector(v).cast<double>();
  SolveBoth(cholesky_, solved);
  std::vector<double> parts(items_.size());
  for (int64_t j = 0; j < n; ++j) parts[j] = weights_[j] * Vector(Item(j)).cast<double>().dot(solved);
  return parts;
}

double RowSystem::Square(std::span<const float> v) const {
  if (dual_) {
    const std::vector<double> scaled = Scaled(v);
    std::vector<double> known = TimesRows(scaled);
    SolveLower(cholesky_, Eigen::Map<Eigen::VectorXd>(known.data(), std::ssize(known)));
    return std::max(0.0, Vector(scaled).squaredNorm() - Vector(known).squaredNorm());
  }
  Eigen::VectorXd solved = Vector(v).cast<double>();
  SolveLower(cholesky_, solved);
  return solved.squaredNorm();
}

}  // namespace kindred
