// Sparse matrices of the host, made at random.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/views.h"

namespace kindred {

struct SparseMatrix {
  int64_t n_cols = 0;
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> indices;
  std::vector<float> values;

  int64_t n_rows() const { return static_cast<int64_t>(indptr.size()) - 1; }
  CsrView view() const { return {n_rows(), n_cols, indptr, indices, values}; }
};

/// Rows of the given lengths, or of all columns where those are fewer; values are of `value`.
template <class Value>
SparseMatrix NewSparseMatrix(const std::vector<int64_t>& lengths, int64_t n_cols, uint64_t seed, Value&& value) {
  std::mt19937_64 engine(seed);
  SparseMatrix matrix;
  matrix.n_cols = n_cols;
  std::vector<int32_t> columns(static_cast<size_t>(n_cols));
  std::iota(columns.begin(), columns.end(), 0);
  for (int64_t length : lengths) {
    std::sample(columns.begin(), columns.end(), std::back_inserter(matrix.indices), length, engine);  // in order
    while (matrix.values.size() < matrix.indices.size()) matrix.values.push_back(value(engine));
    matrix.indptr.push_back(static_cast<int64_t>(matrix.indices.size()));
  }
  return matrix;
}
inline SparseMatrix NewSparseMatrix(const std::vector<int64_t>& lengths, int64_t n_cols, uint64_t seed) {
  return NewSparseMatrix(lengths, n_cols, seed, std::uniform_real_distribution<float>(0, 2));
}

}  // namespace kindred
