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

/// Floats of workspace that SolveDual needs; grows with n_entries.
int64_t DualWorkspace(int64_t n_entries, int64_t n_factors);

struct SimdKernels {
  const char* name;
  /// False where a pivot is not positive or the solution is not finite.
  bool (*solve_dual)(DualRow& row);
  /// scores[i] = items[i] . query for n_items rows of n_factors, in float32, in no stated order.
  void (*dot_rows)(const float* items, int64_t n_items, int64_t n_factors, const float* query, float* scores);
};

enum class SimdLevel { kBaseline, kAvx2, kAvx512 };

/// The best level this processor and its operating system support.
SimdLevel DetectSimdLevel();
const SimdKernels& SimdKernelsOf(SimdLevel level);

}  // namespace kindred
