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
// Blocks of 16 or 8 accumulators: what the registers hold.
constexpr int kBlockRows = KINDRED_SIMD_BYTES == 64 ? 4 : 2;
constexpr int kColumnVectors = KINDRED_SIMD_BYTES == 64 ? 4 : 2;
constexpr int64_t kGatherRows = 64;

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

constexpr float kRounding = 0x1p-15f;  // 512 times 2^-24: rounding grown by the conditioning of what came before

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
// False at a pivot that is not above `floor` times its own diagonal entry: lost to rounding.
bool FactorWithColumn(float* u, int64_t n, int64_t stride, float floor) {
  for (int64_t i = 0; i < n; ++i) {
    const float diagonal = u[i * stride + i];
    int64_t from = i / kLanes * kLanes;
    for (; from + 4 * kLanes <= stride; from += 4 * kLanes) Eliminate<4>(u, stride, i, from);
    for (; from < stride; from += kLanes) Eliminate<1>(u, stride, i, from);
    const float pivot = u[i * stride + i];
    if (!(pivot > floor * diagonal) || !(pivot > 0)) return false;
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
  if (!FactorWithColumn(system, n, stride, 0)) return false;
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

// c[i][j] += sum over rows r of a[r][i] a[r][j] for kBlockRows i and kVectors vectors of j.
template <int kVectors>
inline void UpdateBlock(const float* a, int64_t n_rows, int64_t stride, int64_t i, int64_t j, float* c,
                        int64_t c_stride) {
  Vec sums[4][kVectors];
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[x][v] = Load(c + (i + x) * c_stride + j + v * kLanes);
  for (int64_t r = 0; r < n_rows; ++r) {
    const float* row = a + r * stride;
    Vec right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = Load(row + j + v * kLanes);
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      const Vec left = Splat(row[i + x]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[x][v] += left * right[v];
    }
  }
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) Store(c + (i + x) * c_stride + j + v * kLanes, sums[x][v]);
}

void RankUpdate(const float* a, int64_t n_rows, int64_t width, float* c) {
  constexpr int64_t kWide = kColumnVectors * kLanes;
  for (int64_t i = 0; i < width; i += 4) {
    int64_t j = i / kLanes * kLanes;
    for (; j + kWide <= width; j += kWide) UpdateBlock<kColumnVectors>(a, n_rows, width, i, j, c, width);
    for (; j < width; j += kLanes) UpdateBlock<1>(a, n_rows, width, i, j, c, width);
  }
}

bool SolvePrimal(PrimalRow& row) {
  const int64_t f = row.n_factors, width = RoundUp(f + 1, 16);
  float* system = row.workspace;             // width x width; column f: the right-hand side
  float* gathered = system + width * width;  // kGatherRows x width
  for (int64_t k = 0; k < width * width; ++k) system[k] = 0;
  for (int64_t begin = 0; begin < row.n_entries; begin += kGatherRows) {
    int64_t count = 0;
    for (int64_t e = begin; e < row.n_entries && e < begin + kGatherRows; ++e) {
      const float* y = row.fixed + static_cast<int64_t>(row.indices[e]) * f;
      const float weight = row.weights[e], root = __builtin_sqrtf(weight);
      if (weight > 0) {
        float* to = gathered + count++ * width;
        const Vec by = Splat(root);
        int64_t k = 0;
        for (; k + kLanes <= f; k += kLanes) Store(to + k, Load(y + k) * by);
        for (; k < f; ++k) to[k] = y[k] * root;
        to[k++] = row.targets[e] / root;
        for (; k < width; ++k) to[k] = 0;
      } else if (row.targets[e] != 0) {
        for (int64_t k = 0; k < f; ++k) system[k * width + f] += row.targets[e] * y[k];
      }
    }
    RankUpdate(gathered, count, width, system);
  }
  const double constant = system[f * width + f];  // sum b^2/w
  for (int64_t k = 0; k < f; ++k) system[k * width + k] += row.diagonal[k];
  if (!FactorWithColumn(system, f, width, __builtin_sqrtf(static_cast<float>(f)) * kRounding)) return false;
  BackSubstitute(system, f, width, row.solution);
  double gain = 0;  // x . sum b y = |Ut^-1 sum b y|^2
  float check = 0;
  for (int64_t k = 0; k < f; ++k) {
    gain += static_cast<double>(system[k * width + f]) * system[k * width + f];
    check += row.solution[k] * 0.0f;
  }
  row.loss = constant - gain;
  return check == 0;
}

// kRows rows times one panel.
template <int kRows>
inline void MultiplyPanel(const float* rows, int64_t stride, int64_t n, const float* panel, float* out,
                          int64_t out_stride) {
  for (int64_t lane = 0; lane < kPanelWidth; lane += kColumnVectors * kLanes) {
    Vec sums[kRows][kColumnVectors] = {};
    for (int64_t k = 0; k < n; ++k) {
      Vec right[kColumnVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kColumnVectors; ++v) right[v] = Load(panel + k * kPanelWidth + lane + v * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Vec left = Splat(rows[r * stride + k]);
#pragma GCC unroll 4
        for (int v = 0; v < kColumnVectors; ++v) sums[r][v] += left * right[v];
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kColumnVectors; ++v) Store(out + r * out_stride + lane + v * kLanes, sums[r][v]);
  }
}

void MultiplyPanels(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panels, int64_t n_panels,
                    float* out, int64_t out_stride) {
  for (int64_t p = 0; p < n_panels; ++p) {
    const float* panel = panels + p * n * kPanelWidth;
    float* to = out + p * kPanelWidth;
    int64_t r = 0;
    for (; r + 4 <= n_rows; r += 4)
      MultiplyPanel<4>(rows + r * stride, stride, n, panel, to + r * out_stride, out_stride);
    for (; r < n_rows; ++r) MultiplyPanel<1>(rows + r * stride, stride, n, panel, to + r * out_stride, out_stride);
  }
}

}  // namespace

extern const SimdKernels kKernels;
const SimdKernels kKernels = {KINDRED_SIMD_NAME, SolveDual, SolvePrimal, RankUpdate, MultiplyPanels};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
