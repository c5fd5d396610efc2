// Sparse rows times a matrix, on a backend and back.
#pragma once

#include <vector>

#include "kernels/backend.h"

namespace kindred {

/// by times `matrix`, which is resident. [by.n_rows x matrix.n_cols] Waits for the context. Cost: 2 nnz n_cols flops.
std::vector<float> MultiplySparseRows(Backend& backend, Context& context, const SparseRows& by,
                                      MatrixView<const float> matrix);

}  // namespace kindred
