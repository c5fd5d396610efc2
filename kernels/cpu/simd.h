// The inner loops of the CPU backend, compiled once for each instruction set and chosen at run time.
//
// simd*.cc (but simd_dispatch.cc) are compiled with KINDRED_SIMD_BYTES = 16 (baseline), 32 (AVX2 and FMA) and 64
// (AVX-512); they include nothing whose inline functions another file could be given compiled for a processor that is
// not there.
#pragma once

#include <cstdint>

namespace kindred {

/// Y of an ALS half-step. [rows x n_factors]
struct FixedSide {
  const float* rows;
  int64_t n_factors;
};

/// One row of an ALS half-step: (diag(D) + sum w y yt) x = sum b y over its entries, with D = a0 e + l.
struct AlsRow {
  const int32_t* indices;  // n_entries rows of Y
  const float* weights;    // w, n_entries
  const float* targets;    // b, n_entries
  int64_t n_entries;
  const float* diagonal;    // n_factors: D^-1/2 in the dual, D in the primal
  float* solution;          // out: x, n_factors
  double loss = 0;          // out: the row's minimum plus sum b^2/w over w > 0
  double squared_norm = 0;  // out: |x|^2
  bool solved = false;      // out; false where a pivot is lost to rounding or the solution is not finite
};

/// How a row is solved; its bits depend on that and on the row, never on other rows.
enum class AlsWay {
  kLanes,   // the dual, SimdKernels::n_lanes rows at once
  kDual,    // (I + M Mt) y = W^-1/2 b, x = D^-1/2 Mt y with M = W^1/2 Y D^-1/2, one row at a time
  kPrimal,  // the system as it stands
};

/// The fastest way, as measured, of those that are open to a row; `dual` where the dual is.
AlsWay FastestWay(int64_t n_entries, int64_t n_factors, bool dual);

/// Floats of workspace, 64-byte aligned, that any of them needs.
int64_t AlsWorkspace(int64_t n_factors);

/// n_factors up to a multiple of 16, the most lanes there are.
int64_t PaddedFactors(int64_t n_factors);

/// Floats of a primal system while it is added up, width = PaddedFactors: the matrix on and right of the diagonal
/// [width x width], the right-hand side [width].
int64_t PrimalSystemSize(int64_t n_factors);

/// One row of an approximate half-step: x gets better, from what it is.
struct ApproximateRow {
  const float* fixed;  // Y, rows of n_factors
  int64_t n_factors;
  const int32_t* indices;
  const float* weights;
  const float* targets;
  int64_t n_entries;
  const float* diagonal;  // D = a0 e + l, n_factors
  float* workspace;       // ApproximateWorkspace floats, 64-byte aligned
  float* solution;        // x, n_factors: in and out
  double loss;            // out: the row's objective at x plus sum b^2/w over w > 0
};

/// Floats of gathered factors that an approximate row keeps from pass to pass: what a core's cache holds.
inline constexpr int64_t kGatheredFloats = int64_t{1} << 17;

/// Floats of workspace of an approximate row.
int64_t ApproximateWorkspace(int64_t n_entries, int64_t n_factors);

/// The right factor of a product, packed: panels of kPanelWidth columns, each n x kPanelWidth, row-major.
inline constexpr int64_t kPanelWidth = 64;
inline int64_t CountPanels(int64_t n_columns) {
  return (n_columns + kPanelWidth - 1) / kPanelWidth;
}
/// Where an entry of an n-row matrix in panels is.
inline int64_t PanelOffset(int64_t n, int64_t row, int64_t column) {
  return (column / kPanelWidth * n + row) * kPanelWidth + column % kPanelWidth;
}

struct SimdKernels {
  const char* name;
  int64_t n_lanes;
  /// Rows of similar length, of which kLanes takes at most n_lanes. All with at least one entry, in the dual with at
  /// most n_factors.
  void (*solve_lanes)(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace);
  void (*solve_dual)(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace);
  void (*solve_primal)(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace);
  /// A long row in parts. gather_primal sets `system` to the sums over the entries and returns sum b^2/w over w > 0;
  /// solve_gathered solves what the systems of all parts add up to, which it overwrites; `constant` likewise.
  double (*gather_primal)(const FixedSide& fixed, const AlsRow& part, float* system, float* workspace);
  void (*solve_gathered)(const FixedSide& fixed, AlsRow& row, float* system, double constant, float* workspace);
  /// Both false where a number is not finite, or a block's pivot is lost; x is then of no use.
  bool (*step_gradients)(ApproximateRow& row, int64_t n_steps);
  bool (*sweep_blocks)(ApproximateRow& row, int64_t n_sweeps, int64_t block_size);
  /// c += at a on the upper triangle; `width` a multiple of 16, a [n_rows x width], c [width x width].
  void (*rank_update)(const float* a, int64_t n_rows, int64_t width, float* c);
  /// out = rows times the packed panels, in float32, each sum in increasing order of n terms.
  /// rows [n_rows x n] with a stride, out [n_rows x n_panels * kPanelWidth] with a stride.
  void (*multiply_panels)(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panels,
                          int64_t n_panels, float* out, int64_t out_stride);
  /// out -= the same, of which only n_columns are there.
  void (*subtract_panels)(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panels,
                          int64_t n_columns, float* out, int64_t out_stride);
};

enum class SimdLevel { kBaseline, kAvx2, kAvx512 };

/// The best level this processor and its operating system support.
SimdLevel DetectSimdLevel();
const SimdKernels& SimdKernelsOf(SimdLevel level);

}  // namespace kindred
