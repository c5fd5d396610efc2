// A sparse matrix as a dense one in double, for tests that compare with a closed form.
#pragma once

#include <Eigen/Core>

#include "kernels/views.h"

namespace kindred {

inline Eigen::MatrixXd ToDense(const CsrView& matrix) {
  Eigen::MatrixXd dense = Eigen::MatrixXd::Zero(matrix.n_rows, matrix.n_cols);
  for (int64_t r = 0; r < matrix.n_rows; ++r)
    for (size_t e = 0; e < matrix.row(r).size(); ++e) dense(r, matrix.row(r)[e]) = matrix.row_values(r)[e];
  return dense;
}

}  // namespace kindred
