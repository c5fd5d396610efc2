// What the ways to solve rows share, within one instruction set (simd.h).
#pragma once

#include "kernels/cpu/simd_dense.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {

void SolveLanesOfRows(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace);
void SolveDual(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace);
void SolvePrimal(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace);
double GatherPrimal(const FixedSide& fixed, const AlsRow& part, float* system, float* workspace);
void SolveGathered(const FixedSide& fixed, AlsRow& row, float* system, double constant, float* workspace);
void MultiplyPanels(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panels, int64_t n_panels,
                    float* out, int64_t out_stride);
void SubtractPanels(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panels,
                    int64_t n_columns, float* out, int64_t out_stride);

namespace {

/// Asks for the rows of Y of entries [begin, end), which are needed soon.
inline void Prefetch(const FixedSide& fixed, const int32_t* indices, int64_t begin, int64_t end) {
  for (int64_t e = begin; e < end; ++e) {
    const float* y = fixed.rows + static_cast<int64_t>(indices[e]) * fixed.n_factors;
    for (int64_t k = 0; k < fixed.n_factors; k += 16) __builtin_prefetch(y + k, 0, 2);
  }
}

/// Writes x = image (* scale), |x|^2 and whether x is finite.
inline void WriteSolution(const float* image, const float* scale, int64_t f, AlsRow& row) {
  SquaredSum norm;
  int64_t k = 0;
  for (; k + kLanes <= f; k += kLanes) {
    const Vec x = scale == nullptr ? Load(image + k) : Load(image + k) * Load(scale + k);
    Store(row.solution + k, x);
    norm.Add(x);
  }
  double total = norm.Total();
  for (; k < f; ++k) {
    row.solution[k] = scale == nullptr ? image[k] : image[k] * scale[k];
    total += static_cast<double>(row.solution[k]) * row.solution[k];
  }
  row.squared_norm = total;
  row.solved = total - total == 0;
}

}  // namespace
}  // namespace kindred::KINDRED_SIMD_NAMESPACE
