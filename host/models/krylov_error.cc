#include "host/models/krylov_error.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>

namespace kindred {
namespace {

constexpr int64_t kGroupStep = 8;

}  // namespace

std::vector<double> RitzErrors(const Eigen::VectorXd& theta, const Eigen::MatrixXd& residuals, int64_t k,
                               double negligible) {
  const int64_t n = theta.size(), width = residuals.rows();
  std::vector<double> errors(static_cast<size_t>(k), 0);
  for (int64_t i = 0; i < k; ++i)  // |sigma - s| / s = |lambda - theta| / 2 theta, to first order
    if (theta[i] > negligible) errors[static_cast<size_t>(i)] = residuals.col(i).norm() / (2 * theta[i]);
  Eigen::MatrixXd squared = Eigen::MatrixXd::Zero(width, width);
  int64_t done = 0;
  for (int64_t p = 1; p < std::min(n, 2 * k + 4 * width); p += p < 4 ? 1 : kGroupStep) {
    for (; done < p; ++done) squared += residuals.col(done) * residuals.col(done).transpose();
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(squared, Eigen::EigenvaluesOnly);
    const double norm = std::max(0.0, solver.eigenvalues()[width - 1]);
    for (int64_t i = 0; i < std::min(k, p); ++i) {
      const double gap = theta[i] - theta[p];
      if (theta[i] > negligible && gap > 0)
        errors[static_cast<size_t>(i)] = std::min(errors[static_cast<size_t>(i)], norm / (2 * gap * theta[i]));
    }
  }
  return errors;
}

}  // namespace kindred
