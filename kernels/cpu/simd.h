// The inner loops of the CPU backend, compiled once for each instruction set and chosen at run time.
//
// simd.cc is compiled with KINDRED_SIMD_BYTES = 16 (baseline), 32 (AVX2 and FMA) and 64 (AVX-512); it includes
// nothing whose inline functions another file could be given compiled for a processor that is not there.
#pragma once

#include <cstdint>

namespace kindred {

/// One short row of an ALS half-step, solved in the dual. With D = a0 e + l, S = W^1/2 Y and M = S D^-1/2:
/// (I + M Mt) y = W^-1/2 b,  x = D^-1/2 Mt y  (entries with w = 0 but b != 0 are carried beside).
struct DualRow {
  const float* fixed;  // Y, rows of n_factors
  int64_t n_factors;
  const int32_t* indices;  // n_entries rows of Y
  const float* weights;    // w, n_entries
  const float* targets;    // b, n_entries
  int64_t n_entries;
  const float* scale;  // D^-1/2, n_factors
  float* workspace;    // DualWorkspace(n_entries, n_factors) floats, 64-byte aligned
  float* solution;     // x, n_factors
  double loss;         // out: the row's minimum plus sum b^2/w over w > 0
};

/// One long row, solved in the primal: (diag(a0 e + l) + sum w y yt) x = sum b y.
struct PrimalRow {
  const float* fixed;  // as in DualRow
  int64_t n_factors;
  const int32_t* indices;
  const float* weights;
  const float* targets;
  int64_t n_entries;
  const float* diagonal;  // a0 e + l, n_factors
  float* workspace;       // PrimalWorkspace(n_factors) floats, 64-byte aligned
  float* solution;        // x, n_factors
  double loss;            // out, as in DualRow
};

/// Floats of workspace; the dual's grows with n_entries.
int64_t DualWorkspace(int64_t n_entries, int64_t n_factors);
int64_t PrimalWorkspace(int64_t n_factors);

/// The right factor of a product, packed: panels of kPanelWidth columns, each n x kPanelWidth, row-major.
inline constexpr int64_t kPanelWidth = 64;
inline int64_t CountPanels(int64_t n_columns) {
  return (n_columns + kPanelWidth - 1) / kPanelWidth;
}

struct SimdKernels {
  const char* name;
  /// Both false where a pivot is lost to rounding or the solution is not finite.
  bool (*solve_dual)(DualRow& row);
  bool (*solve_primal)(PrimalRow& row);
  /// c += at a on the upper triangle; `width` a multiple of 16, a [n_rows x width], c [width x width].
  void (*rank_update)(const float* a, int64_t n_rows, int64_t width, float* c);
  /// out = rows times the packed panels, in float32, each sum in increasing order of n terms.
  /// rows [n_rows x n] with a stride, out [n_rows x n_panels * kPanelWidth] with a stride.
  void (*multiply_panels)(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panels,
                          int64_t n_panels, float* out, int64_t out_stride);
};

enum class SimdLevel { kBaseline, kAvx2, kAvx512 };

/// The best level this processor and its operating system support.
SimdLevel DetectSimdLevel();
const SimdKernels& SimdKernelsOf(SimdLevel level);

}  // namespace kindred
