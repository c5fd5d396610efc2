// How far the values found in a Krylov space may be off.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

namespace kindred {

/// Error bounds of the first k Ritz values theta (descending, all of the space's), relative to the singular values
/// theta^1/2. `residuals`, [width x n], has in column i what the operator leads out of the space from Ritz vector i.
/// For every group of the first p vectors: |lambda_i - theta_i| <= |R_p|^2 / (theta_i - theta_p+1), R_p its residuals'
/// spectral norm (Mathias 1998; theta_p+1 stands for the largest value outside of the group); and |lambda_i - theta_i|
/// <= |R_i|. The least of these counts. Values at or below `negligible` have the error 0.
std::vector<double> RitzErrors(const Eigen::VectorXd& theta, const Eigen::MatrixXd& residuals, int64_t k,
                               double negligible);

}  // namespace kindred
