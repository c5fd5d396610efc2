// Truncated singular value decomposition of a sparse matrix by randomized block Krylov.
//
// The space spanned by V, AtA V, (AtA)^2 V, ... from a random block V (Musco and Musco 2015, "Randomized block Krylov
// methods") is kept as an orthonormal basis of the matrix's shorter side, and the values are those of AtA within it.
// How far they may be off is bounded by what AtA leads out of the basis: |lambda - theta| <= |R|^2 / gap (Mathias 1998,
// "Quadratic residual bounds for the Hermitian eigenvalue problem"), and blocks are added until the bound is small
// enough.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/models/resident_interactions.h"
#include "kernels/backend.h"

namespace kindred {

struct SvdOptions {
  int64_t n_factors = 64;   // k: how many of the largest singular values
  double tolerance = 1e-4;  // relative error of each value, as estimated; at most 0.05
  int64_t max_columns = 0;  // of the basis; 0: 10 k + 256
  uint64_t seed = 1;        // of the random block
};

enum class SvdStop {
  kTolerance,  // every error estimate is within the tolerance
  kExact,      // the basis spans all there is
  kLimit,      // the basis has max_columns, and an estimate is above the tolerance
};

/// The best approximation of rank k, U diag(s) Vt. The sign of each pair makes the largest entry of v positive (the
/// first of them). Values that float32 cannot tell from 0, below 2^-20 of the largest, are 0, with zero vectors: so are
/// all beyond the matrix's rank and beyond its shorter side.
struct Svd {
  std::vector<float> left;             // U [n_rows x k]
  std::vector<float> right;            // V [n_cols x k]
  std::vector<double> values;          // s [k], descending
  std::vector<double> error;           // estimated relative error of each value; 0 for a value of 0
  std::vector<double> residual;        // |At u - s v| / s or |A v - s u| / s, measured; 0 for a value of 0
  double squared_norm = 0;             // |A|^2, the sum of all squared entries
  SvdStop stop = SvdStop::kTolerance;  // why no more blocks were added
  int64_t n_columns = 0;               // of the basis
  int64_t n_products = 0;              // of the matrix or its transpose with a block

  int64_t n_factors() const { return static_cast<int64_t>(values.size()); }
  /// The largest of the error estimates.
  double max_error() const;
  /// Share of |A|^2 that the approximation holds: sum s^2 / |A|^2; 1 for a matrix of zeros.
  double energy() const;
};

const char* Text(SvdStop stop);

/// The k largest singular values of `matrix`, whose entries are >= 0, with their vectors. Throws kInvalidArgument for
/// options out of range. The same seed gives the same start on every backend. Multiplicity of values does not matter;
/// within a space of equal values, vectors are one orthonormal basis of it. Cost: about 2 nnz c flops for a basis of c
/// columns (3 to 6 k where the spectrum falls slowly), and 4 n c^2 for its orthonormality, n the shorter side; c^3 on
/// the host a few times. Memory: 4 n max_columns bytes are reserved, the matrix is there twice, and so are the vectors.
Svd FitSvd(Backend& backend, const CsrView& matrix, const SvdOptions& options);
/// The same, bit by bit, of a matrix that is resident already.
Svd FitSvd(Backend& backend, const ResidentInteractions& matrix, const SvdOptions& options);

/// The first k columns of a matrix by rows that has n_cols. Throws kInvalidArgument unless 1 <= k <= n_cols.
std::vector<float> FirstColumns(std::span<const float> matrix, int64_t n_cols, int64_t k);

/// Its first k <= svd.n_factors() values and vectors: the best approximation of that rank. Throws as FirstColumns does.
Svd Truncated(const Svd& svd, int64_t k);

}  // namespace kindred
