// See simd.h: compiled once for each instruction set.
#include "kernels/cpu/simd.h"

#if KINDRED_SIMD_BYTES == 64
#define KINDRED_SIMD_NAMESPACE simd_avx512
#define KINDRED_SIMD_NAME "avx512"
#elif KINDRED_SIMD_BYTES == 32
#define KINDRED_SIMD_NAMESPACE simd_avx2
#define KINDRED_SIMD_NAME "avx2"
#else
#define KINDRED_SIMD_NAMESPACE simd_baseline
#define KINDRED_SIMD_NAME "baseline"
#endif

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

constexpr int64_t kLanes = KINDRED_SIMD_BYTES / 4;
constexpr int kBlockRows = KINDRED_SIMD_BYTES == 64 ? 4 : 2;  // 16 or 8 accumulators: what the registers hold

typedef float Vec __attribute__((vector_size(KINDRED_SIMD_BYTES)));
typedef float VecAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(4), may_alias));
typedef float Vec4 __attribute__((vector_size(16)));
typedef float Vec4Anywhere __attribute__((vector_size(16), aligned(4), may_alias));
#if KINDRED_SIMD_BYTES == 64
typedef float Vec8 __attribute__((vector_size(32)));
#endif

inline Vec Load(const float* p) {
  return *reinterpret_cast<const VecAnywhere*>(p);
}
inline void Store(float* p, Vec v) {
  *reinterpret_cast<VecAnywhere*>(p) = v;
}
inline Vec Splat(float x) {
  return Vec{} + x;
}
inline int64_t RoundUp(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

inline Vec4 Fold(Vec v) {
#if KINDRED_SIMD_BYTES == 64
  const Vec8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                    __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#elif KINDRED_SIMD_BYTES == 32
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
#else
  return v;
#endif
}

// The sums of four vectors, as four lanes.
inline Vec4 Sum4(Vec a, Vec b, Vec c, Vec d) {
  const Vec4 w = Fold(a), x = Fold(b), y = Fold(c), z = Fold(d);
  const Vec4 wx = __builtin_shufflevector(w, x, 0, 4, 1, 5) + __builtin_shufflevector(w, x, 2, 6, 3, 7);
  const Vec4 yz = __builtin_shufflevector(y, z, 0, 4, 1, 5) + __builtin_shufflevector(y, z, 2, 6, 3, 7);
  return __builtin_shufflevector(wx, yz, 0, 1, 4, 5) + __builtin_shufflevector(wx, yz, 2, 3, 6, 7);
}

inline float Sum(Vec v) {
  const Vec4 f = Fold(v);
  return (f[0] + f[2]) + (f[1] + f[3]);
}

// gram[r][c] = m[r] . m[c] for r <= c: the upper triangle, in blocks; m has n_rows (a multiple of 4) padded rows.
void UpperGram(const float* m, int64_t n_rows, int64_t width, float* gram, int64_t stride) {
  for (int64_t r = 0; r < n_rows; r += kBlockRows) {
    for (int64_t c = r / 4 * 4; c < n_rows; c += 4) {
      Vec sums[kBlockRows][4] = {};
      for (int64_t k = 0; k < width; k += kLanes) {
        Vec right[4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) right[j] = Load(m + (c + j) * width + k);
#pragma GCC unroll 4
        for (int i = 0; i < kBlockRows; ++i) {
          const Vec left = Load(m + (r + i) * width + k);
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) sums[i][j] += left * right[j];
        }
      }
#pragma GCC unroll 4
      for (int i = 0; i < kBlockRows; ++i)
        *reinterpret_cast<Vec4Anywhere*>(gram + (r + i) * stride + c) =
            Sum4(sums[i][0], sums[i][1], sums[i][2], sums[i][3]);
    }
  }
}

// row[i] -= sum over k < i of u[k][i] u[k], for kVectors vectors from column `from`.
template <int kVectors>
inline void Eliminate(float* u, int64_t stride, int64_t i, int64_t from) {
  Vec even[kVectors], odd[kVectors] = {};
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) even[v] = Load(u + i * stride + from + v * kLanes);
  int64_t k = 0;
  for (; k + 1 < i; k += 2) {
    const float* first = u + k * stride;
    const float* second = first + stride;
    const Vec a = Splat(first[i]), b = Splat(second[i]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      even[v] -= a * Load(first + from + v * kLanes);
      odd[v] += b * Load(second + from + v * kLanes);
    }
  }
  if (k < i) {
    const Vec a = Splat(u[k * stride + i]);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) even[v] -= a * Load(u + k * stride + from + v * kLanes);
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) Store(u + i * stride + from + v * kLanes, even[v] - odd[v]);
}

// K = Ut U in place on the upper triangle, row by row; column n (the right-hand side) becomes Ut^-1 g.
bool FactorWithColumn(float* u, int64_t n, int64_t stride) {
  for (int64_t i = 0; i < n; ++i) {
    int64_t from = i / kLanes * kLanes;
    for (; from + 4 * kLanes <= stride; from += 4 * kLanes) Eliminate<4>(u, stride, i, from);
    for (; from < stride; from += kLanes) Eliminate<1>(u, stride, i, from);
    const float pivot = u[i * stride + i];
    if (!(pivot > 0)) return false;
    const Vec scale = Splat(1.0f / __builtin_sqrtf(pivot));
    for (int64_t c = i / kLanes * kLanes; c < stride; c += kLanes)
      Store(u + i * stride + c, Load(u + i * stride + c) * scale);
  }
  return true;
}

// y = U^-1 (column n of u).
void BackSubstitute(const float* u, int64_t n, int64_t stride, float* y) {
  for (int64_t i = n - 1; i >= 0; --i) {
    const float* row = u + i * stride;
    float sum = row[n];
    int64_t c = i + 1;
    Vec sums = {};
    for (; c + kLanes <= n; c += kLanes) sums += Load(row + c) * Load(y + c);
    sum -= Sum(sums);
    for (; c < n; ++c) sum -= row[c] * y[c];
    y[i] = sum / row[i];
  }
}

// out = at y for n rows of m. [width]
void TransposedTimes(const float* m, int64_t n, int64_t width, const float* y, float* out) {
  for (int64_t k = 0; k < width; k += kLanes) {
    Vec even = {}, odd = {};
    int64_t i = 0;
    for (; i + 1 < n; i += 2) {
      even += Splat(y[i]) * Load(m + i * width + k);
      odd += Splat(y[i + 1]) * Load(m + (i + 1) * width + k);
    }
    if (i < n) even += Splat(y[i]) * Load(m + i * width + k);
    Store(out + k, even + odd);
  }
}

// The rows of Y that a row needs, scaled: m[i] = factor * fixed[index] * scale, zero up to `width`.
void GatherScaled(const DualRow& row, int64_t i, float factor, int64_t width, float* out) {
  const int64_t f = row.n_factors;
  const float* from = row.fixed + static_cast<int64_t>(row.indices[i]) * f;
  const Vec by = Splat(factor);
  int64_t k = 0;
  for (; k + kLanes <= f; k += kLanes) Store(out + k, Load(from + k) * Load(row.scale + k) * by);
  for (; k < f; ++k) out[k] = from[k] * row.scale[k] * factor;
  for (; k < width; ++k) out[k] = 0;
}

double Dot(const float* a, const float* b, int64_t n) {
  double sum = 0;
  for (int64_t k = 0; k < n; ++k) sum += static_cast<double>(a[k]) * b[k];
  return sum;
}

bool SolveDual(DualRow& row) {
  const int64_t n = row.n_entries, f = row.n_factors;
  const int64_t n_rows = RoundUp(n, 4), width = RoundUp(f, 16), stride = RoundUp(n + 1, 16);
  float* m = row.workspace;
  float* system = m + n_rows * width;
  float* y = system + n_rows * stride;
  float* image = y + RoundUp(n, 16);  // Mt y
  float* carried = image + width;     // D^-1/2 times the sum of b y over entries with w = 0
  bool carries = false;
  double g_squared = 0;

  for (int64_t i = 0; i < n_rows; ++i) {
    const float weight = i < n ? row.weights[i] : 0;
    const float root = __builtin_sqrtf(weight);
    if (weight > 0) {
      GatherScaled(row, i, root, width, m + i * width);
    } else {
      for (int64_t k = 0; k < width; ++k) m[i * width + k] = 0;
    }
    if (i < n && weight == 0 && row.targets[i] != 0) {
      if (!carries)
        for (int64_t k = 0; k < width; ++k) carried[k] = 0;
      carries = true;
      GatherScaled(row, i, row.targets[i], width, image);
      for (int64_t k = 0; k < width; k += kLanes) Store(carried + k, Load(carried + k) + Load(image + k));
    }
  }
  UpperGram(m, n_rows, width, system, stride);
  for (int64_t i = 0; i < n; ++i) {
    float* u = system + i * stride;
    u[i] += 1.0f;
    for (int64_t c = n; c < stride; ++c) u[c] = 0;
    const float g = row.weights[i] > 0 ? row.targets[i] / __builtin_sqrtf(row.weights[i]) : 0;
    g_squared += static_cast<double>(g) * g;
    u[n] = carries ? static_cast<float>(g - Dot(m + i * width, carried, f)) : g;
  }
  if (!FactorWithColumn(system, n, stride)) return false;
  BackSubstitute(system, n, stride, y);
  TransposedTimes(m, n, width, y, image);
  if (carries)
    for (int64_t k = 0; k < width; k += kLanes) Store(image + k, Load(image + k) + Load(carried + k));

  float check = 0;
  for (int64_t k = 0; k < f; ++k) {
    row.solution[k] = image[k] * row.scale[k];
    check += row.solution[k] * 0.0f;
  }
  double gain = 0;  // x . sum b y
  double plain = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float g = row.weights[i] > 0 ? row.targets[i] / __builtin_sqrtf(row.weights[i]) : 0;
    plain += static_cast<double>(g) * y[i];
    if (carries) gain += static_cast<double>(g) * Dot(m + i * width, image, f);
  }
  row.loss = carries ? g_squared - gain - Dot(image, carried, f) : plain;
  return check == 0;
}

void DotRows(const float* items, int64_t n_items, int64_t n_factors, const float* query, float* scores) {
  int64_t i = 0;
  for (; i + 4 <= n_items; i += 4) {
    const float* row = items + i * n_factors;
    Vec sums[4] = {};
    int64_t k = 0;
    for (; k + kLanes <= n_factors; k += kLanes) {
      const Vec q = Load(query + k);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sums[j] += q * Load(row + j * n_factors + k);
    }
    Vec4 total = Sum4(sums[0], sums[1], sums[2], sums[3]);
    for (; k < n_factors; ++k)
      total += query[k] * Vec4{row[k], row[n_factors + k], row[2 * n_factors + k], row[3 * n_factors + k]};
    *reinterpret_cast<Vec4Anywhere*>(scores + i) = total;
  }
  for (; i < n_items; ++i) {
    float total = 0;
    for (int64_t k = 0; k < n_factors; ++k) total += query[k] * items[i * n_factors + k];
    scores[i] = total;
  }
}

}  // namespace

extern const SimdKernels kKernels;
const SimdKernels kKernels = {KINDRED_SIMD_NAME, SolveDual, DotRows};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
