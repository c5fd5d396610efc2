// The products of the CPU backend that the SVD is made of, compiled once for each instruction set like simd.h.
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"

namespace kindred {

/// Widths are multiples of this (backend.h, kPanelColumns): a cache line of floats.
inline constexpr int64_t kSimdPanelColumns = 16;

struct SimdProducts {
  /// out[r] = sum over entries e of row r of values[e] dense[indices[e]], in float32, in the order of the entries, for
  /// n_rows rows of offsets indptr; dense and out are `width` wide.
  void (*multiply_rows)(const int64_t* indptr, int64_t n_rows, const int32_t* indices, const float* values,
                        const float* dense, int64_t width, float* out);
  /// c += at b over n_rows rows: a [n_rows x a_width], b [n_rows x b_width], c [a_width x b_width]; widths are
  /// multiples of kSimdPanelColumns.
  void (*add_transposed_product)(const float* a, int64_t a_width, const float* b, int64_t b_width, int64_t n_rows,
                                 float* c);
  /// c += at a, where each product and sum is in double: a [n_rows x width], c [width x width].
  void (*add_gram_in_double)(const float* a, int64_t width, int64_t n_rows, double* c);
  /// out += a s: a [n_rows x a_width], s [a_width x s_width], out [n_rows x s_width]; widths as above.
  void (*add_product)(const float* a, int64_t a_width, const float* s, int64_t s_width, int64_t n_rows, float* out);
};

const SimdProducts& SimdProductsOf(SimdLevel level);

}  // namespace kindred
