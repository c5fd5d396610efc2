// Rows of an ALS half-step in the dual, by lanes or one at a time. See simd.h: compiled once for each instruction set.
#include "kernels/cpu/simd_als.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

// A row as the dual sees it.
struct DualRow {
  float* m;        // W^1/2 Y D^-1/2. [entries, filled up with zero rows, x width]
  float* carried;  // D^-1/2 times the sum of b y over entries with w = 0; only if it carries
  float* g;        // W^-1/2 b
  int64_t g_stride;
  int64_t width;
  bool carries = false;
  double g_squared = 0;
};

void GatherScaled(const float* y, const float* scale, float factor, int64_t f, int64_t width, float* out) {
  const Vec by = Splat(factor);
  int64_t k = 0;
  for (; k + kLanes <= f; k += kLanes) Store(out + k, Load(y + k) * Load(scale + k) * by);
  for (; k < f; ++k) out[k] = y[k] * scale[k] * factor;
  for (; k < width; ++k) out[k] = 0;
}

void SetZero(float* to, int64_t n) {
  for (int64_t k = 0; k < n; k += kLanes) Store(to + k, Vec{});
}

void AddTo(float* to, const float* from, int64_t n) {
  for (int64_t k = 0; k < n; k += kLanes) Store(to + k, Load(to + k) + Load(from + k));
}

// `image`: width floats of workspace.
void Gather(const FixedSide& fixed, const AlsRow& row, int64_t n_rows, float* image, DualRow& to) {
  const int64_t f = fixed.n_factors, width = to.width;
  for (int64_t i = 0; i < row.n_entries; ++i) {
    const float weight = row.weights[i], target = row.targets[i];
    const float* y = fixed.rows + static_cast<int64_t>(row.indices[i]) * f;
    float g = 0;
    if (weight > 0) {
      const float root = __builtin_sqrtf(weight);
      GatherScaled(y, row.diagonal, root, f, width, to.m + i * width);
      g = target / root;
      to.g_squared += static_cast<double>(g) * g;
    } else {
      SetZero(to.m + i * width, width);
      if (target != 0) {
        if (!to.carries) SetZero(to.carried, width);
        to.carries = true;
        GatherScaled(y, row.diagonal, target, f, width, image);
        AddTo(to.carried, image, width);
      }
    }
    to.g[i * to.g_stride] = g;
  }
  SetZero(to.m + row.n_entries * width, (n_rows - row.n_entries) * width);
  for (int64_t i = row.n_entries; i < n_rows; ++i) to.g[i * to.g_stride] = 0;
}

double Dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

void SubtractCarried(const DualRow& row, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    row.g[i * row.g_stride] =
        static_cast<float>(row.g[i * row.g_stride] - Dot(row.m + i * row.width, row.carried, row.width));
}

// out = Mt y for n rows of m. [width]
template <int kVectors>
inline void TransposedTimes(const float* m, int64_t n, int64_t width, const float* y, int64_t y_stride, float* out) {
  Vec sums[2][kVectors] = {};
  int64_t i = 0;
  for (; i + 1 < n; i += 2)
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; ++odd)
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        sums[odd][v] += Splat(y[(i + odd) * y_stride]) * Load(m + (i + odd) * width + v * kLanes);
  if (i < n)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[0][v] += Splat(y[i * y_stride]) * Load(m + i * width + v * kLanes);
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) Store(out + v * kLanes, sums[0][v] + sums[1][v]);
}

// x = D^-1/2 (Mt y + carried) and what is told of it. `norm`: g . y, where nothing is carried.
void FinishDual(const FixedSide& fixed, const DualRow& dual, const float* y, int64_t y_stride, double norm,
                float* image, AlsRow& row) {
  const int64_t f = fixed.n_factors, n = row.n_entries, width = dual.width;
  int64_t k = 0;
  for (; k + 4 * kLanes <= width; k += 4 * kLanes) TransposedTimes<4>(dual.m + k, n, width, y, y_stride, image + k);
  for (; k < width; k += kLanes) TransposedTimes<1>(dual.m + k, n, width, y, y_stride, image + k);
  if (dual.carries) AddTo(image, dual.carried, width);
  WriteSolution(image, row.diagonal, f, row);
  row.loss = norm;
  if (!dual.carries) return;
  row.loss = dual.g_squared - Dot(image, dual.carried, f);
  for (int64_t i = 0; i < n; ++i) {
    if (!(row.weights[i] > 0)) continue;
    const double g = row.targets[i] / __builtin_sqrtf(row.weights[i]);
    row.loss -= g * Dot(dual.m + i * width, image, f);
  }
}

}  // namespace

void SolveLanesOfRows(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace) {
  int64_t longest = 0;
  for (int64_t r = 0; r < n_rows; ++r) longest = rows[r].n_entries > longest ? rows[r].n_entries : longest;
  const int n = static_cast<int>(RoundUp(longest, 4));
  const int64_t width = RoundUp(fixed.n_factors, 16), stride = RoundUp(n, kLanes);
  float* m = workspace;
  float* grams = m + kLanes * n * width;
  float* triangle = grams + kLanes * n * stride;
  float* y = triangle + LaneTriangle(n);
  float* image = y + n * kLanes;
  float* carried = image + width;

  DualRow duals[kLanes];
  const float* systems[kLanes];
  for (int64_t l = 0; l < kLanes; ++l) {
    if (l >= n_rows) {
      systems[l] = systems[n_rows - 1];
      continue;
    }
    duals[l] = {m + l * n * width, carried + l * width, y + l, kLanes, width};
    Gather(fixed, rows[l], n, image, duals[l]);
    if (duals[l].carries) SubtractCarried(duals[l], rows[l].n_entries);
    float* gram = grams + l * n * stride;
    if (l + 1 < n_rows) Prefetch(fixed, rows[l + 1].indices, 0, rows[l + 1].n_entries);
    RowGram(duals[l].m, n, width, gram, stride);
    systems[l] = gram;
  }
  for (int i = 0; i < n; ++i) {
    Vec g = Load(y + i * kLanes);
    for (int64_t l = n_rows; l < kLanes; ++l) g[l] = 0;
    Store(LaneRow(triangle, n, i) + n * kLanes, g);
  }
  double norms[kLanes];
  SolveLanes(systems, n, stride, triangle, y, norms);
  for (int64_t l = 0; l < n_rows; ++l) FinishDual(fixed, duals[l], y + l, kLanes, norms[l], image, rows[l]);
}

void SolveDual(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace) {
  for (int64_t r = 0; r < n_rows; ++r) {
    AlsRow& row = rows[r];
    const int64_t n = row.n_entries, padded = RoundUp(n, 16), width = RoundUp(fixed.n_factors, 16);
    float* m = workspace;
    float* system = m + padded * width;
    float* g = system + padded * padded;
    float* y = g + padded;
    float* image = y + padded;
    DualRow dual = {m, image + width, g, 1, width};
    Gather(fixed, row, RoundUp(n, 4), image, dual);
    if (dual.carries) SubtractCarried(dual, n);
    if (r + 1 < n_rows) Prefetch(fixed, rows[r + 1].indices, 0, rows[r + 1].n_entries);
    RowGram(m, RoundUp(n, 4), width, system, padded);
    for (int64_t i = 0; i < n; ++i) system[i * padded + i] += 1.0f;
    row.solved = false;
    if (!SolvePositive(system, n, padded, 0, g, y)) continue;
    double norm = 0;
    for (int64_t i = 0; i < n; ++i) norm += static_cast<double>(g[i]) * g[i];
    FinishDual(fixed, dual, y, 1, norm, image, row);
  }
}

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
