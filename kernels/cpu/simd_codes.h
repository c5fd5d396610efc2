// Products of 8-bit codes, and the defined sum, compiled once for each instruction set like simd.h.
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"

namespace kindred {

inline constexpr int64_t kCodeItems = 64;   // items of a block
inline constexpr int64_t kCodeStep = 4;     // factors whose codes stand together, as the processor multiplies them
inline constexpr int64_t kCodeLanes = 16;   // items that `extend` takes together
inline constexpr int64_t kCodeQueries = 6;  // queries that `scan` takes together, at most

/// A block is n_steps x kCodeItems x kCodeStep bytes, 64-byte aligned, each a code and 128; a query is n_steps *
/// kCodeStep codes. Codes are -127 to 127, so that a sum of 2^16 products is exact. All instruction sets give the same.
struct SimdCodes {
  /// dots[r * kCodeItems + i] = the product of query r and item i; bit i of reached[r] says whether it is at least
  /// at_least[r]. The dots of a query that no item reaches may be left out.
  void (*scan)(const uint8_t* block, int64_t n_steps, const int8_t* const* queries, int64_t n_queries,
               const int32_t* at_least, uint64_t* reached, int32_t* dots);
  /// dots[i] += the product over these steps, for the lanes of items that `wanted` has a bit of, and maybe others.
  void (*extend)(const uint8_t* steps, int64_t n_steps, const int8_t* query, uint64_t wanted, int32_t* dots);
  /// Bit i: whether unit (dots[i] - offset) + others[i] is at least `least`, but for roundings, or not a number.
  uint64_t (*reach_with)(const int32_t* dots, int32_t offset, double unit, const double* others, double least);
  /// sums[i] = sum of query[k] items[i][k] over increasing k in double, as the score is defined (kernels/backend.h).
  void (*defined_sums)(const float* query, int64_t n_factors, const float* const* items, int64_t n_items, double* sums);
};

/// The best that this level has on this processor: VNNI is there with AVX-512 or not.
const SimdCodes& SimdCodesOf(SimdLevel level);

}  // namespace kindred
