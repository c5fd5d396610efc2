// Small kernels in the style of kernels/cuda/, right as they are: what the emulator and `make mutate` are tried on.
#pragma once

#include <cstdint>

namespace kindred::simt {

/// sums[c] = the sum of column c of values, n_rows x n_cols; one block a column.
void SumColumns(const float* values, int n_rows, int n_cols, float* sums);

/// Solves a x = b for n_systems symmetric positive definite systems of order n by Cholesky, one block a system.
/// singular[s] = the first bad pivot + 1, or 0.
void SolveCholesky(const float* a, const float* b, int n, int n_systems, float* x, int* singular);

/// gram = sum over i in [0, n) of y_i y_it for 32 factors, y = rows[indices[i]]; products in bf16. 16-byte aligned
/// rows.
void GatheredGram(const float* rows, const int* indices, int n, float* gram);

}  // namespace kindred::simt
