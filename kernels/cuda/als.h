// What the kernels of als.cu are given, and the rows they are given for.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/libs.h"

namespace kindred::cuda {

/// A half-step (kernels/backend.h) in device pointers.
struct AlsArguments {
  const float* fixed = nullptr;
  const float* eigenvalues = nullptr;
  const float* regularization = nullptr;
  const int64_t* indptr = nullptr;
  const int32_t* indices = nullptr;
  const float* weights = nullptr;
  const float* targets = nullptr;
  const int64_t* order = nullptr;  // rows, longest first
  int64_t n_factors = 0;
  float unobserved_weight = 0;
  float* solved = nullptr;
  double* loss = nullptr;          // or null
  double* squared_norm = nullptr;  // or null
  unsigned long long* failure = nullptr;
};

/// Entries [begin, end) of one row of the primal.
struct PrimalChunk {
  int64_t begin, end;
};

/// A row of the primal and its chunks within a batch.
struct PrimalRow {
  int64_t row, first_chunk, end_chunk;
};

/// The systems of a batch's rows.
struct PrimalSystems {
  float* matrices = nullptr;    // [n_rows, width, width]
  float* rights = nullptr;      // [n_rows, n_factors]
  float* diagonals = nullptr;   // [n_rows, n_factors]
  double* constants = nullptr;  // [n_rows] sum b^2/w
  int32_t* info = nullptr;      // [n_rows] of the library's Cholesky
};

class CudaSparseRows : public SparseRows {
 public:
  CudaSparseRows(const CsrView& rows, std::span<const float> targets);

  int64_t Degree(int64_t row) const {
    return host_indptr[static_cast<size_t>(row) + 1] - host_indptr[static_cast<size_t>(row)];
  }
  /// The first place of the order whose row has at most n_entries.
  int64_t FirstOfAtMost(int64_t n_entries) const;

  std::vector<int64_t> host_indptr;
  std::vector<int64_t> order_host;
  DeviceMemory indptr, indices, weights, targets, order;
};

}  // namespace kindred::cuda
