// See simd_svd.h: compiled once for each instruction set.
#include "kernels/cpu/simd_svd.h"

#include "kernels/cpu/simd_vector.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

constexpr int kVectors = kSimdPanelColumns / kLanes;  // of a panel's columns
// Rows of a block of accumulators: what the registers hold beside them, and a divisor of kSimdPanelColumns.
constexpr int kBlock = kManyRegisters ? 16 : KINDRED_SIMD_BYTES == 32 ? 4 : 2;
constexpr int64_t kAhead = 12;  // entries between the one that is added and the one that is fetched
constexpr int64_t kLineFloats = 16;

typedef double DoublesAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(8), may_alias));
typedef float HalfAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES / 2), aligned(4), may_alias));

struct Entries {
  const int32_t* indices;
  const float* values;
  int64_t n;
  int64_t n_ahead;  // entries up to the end of the rows, for fetching
};

// kCount vectors of a row's sum, from `column` on.
template <int kCount>
inline void MultiplyRow(const Entries& row, const float* dense, int64_t width, int64_t column, float* out) {
  Vec sums[kCount] = {};
  const float* from = dense + column;
  for (int64_t e = 0; e < row.n; ++e) {
    if (e + kAhead < row.n_ahead) {
      const float* next = from + static_cast<int64_t>(row.indices[e + kAhead]) * width;
#pragma GCC unroll 8
      for (int64_t k = 0; k < kCount * kLanes; k += kLineFloats) __builtin_prefetch(next + k);
    }
    const float* y = from + static_cast<int64_t>(row.indices[e]) * width;
    const Vec by = Splat(row.values[e]);
#pragma GCC unroll 8
    for (int v = 0; v < kCount; ++v) sums[v] += by * Load(y + v * kLanes);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kCount; ++v) Store(out + column + v * kLanes, sums[v]);
}

void MultiplyRows(const int64_t* indptr, int64_t n_rows, const int32_t* indices, const float* values,
                  const float* dense, int64_t width, float* out) {
  for (int64_t r = 0; r < n_rows; ++r) {
    const Entries row = {indices + indptr[r], values + indptr[r], indptr[r + 1] - indptr[r],
                         indptr[n_rows] - indptr[r]};
    float* to = out + r * width;
    int64_t column = 0;
    for (; column + 8 * kLanes <= width; column += 8 * kLanes) MultiplyRow<8>(row, dense, width, column, to);
    for (; column + 4 * kLanes <= width; column += 4 * kLanes) MultiplyRow<4>(row, dense, width, column, to);
    for (; column + 2 * kLanes <= width; column += 2 * kLanes) MultiplyRow<2>(row, dense, width, column, to);
    for (; column + kLanes <= width; column += kLanes) MultiplyRow<1>(row, dense, width, column, to);
    for (; column < width; ++column) {
      float sum = 0;
      for (int64_t e = 0; e < row.n; ++e) sum += row.values[e] * dense[row.indices[e] * width + column];
      to[column] = sum;
    }
  }
}

// c[i][j] += sum over rows r of a[r][i] b[r][j], for kBlock i and a panel of j.
inline void AddTransposedBlock(const float* a, int64_t a_width, const float* b, int64_t b_width, int64_t n_rows,
                               float* c) {
  Vec sums[kBlock][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kBlock; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[i][v] = Load(c + i * b_width + v * kLanes);
  for (int64_t r = 0; r < n_rows; ++r) {
    const float* left = a + r * a_width;
    const float* right = b + r * b_width;
    Vec columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) columns[v] = Load(right + v * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kBlock; ++i) {
      const Vec by = Splat(left[i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[i][v] += by * columns[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kBlock; ++i)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) Store(c + i * b_width + v * kLanes, sums[i][v]);
}

void AddTransposedProduct(const float* a, int64_t a_width, const float* b, int64_t b_width, int64_t n_rows, float* c) {
  for (int64_t j = 0; j < b_width; j += kSimdPanelColumns)
    for (int64_t i = 0; i < a_width; i += kBlock)
      AddTransposedBlock(a + i, a_width, b + j, b_width, n_rows, c + i * b_width + j);
}

// c[i][j] += sum over rows r of a[r][i] a[r][j] for 4 i and 2 vectors of j.
inline void AddGramBlock(const float* a, int64_t width, int64_t n_rows, int64_t i, int64_t j, double* c) {
  constexpr int64_t kWideLanes = kLanes / 2;
  Doubles sums[4][2] = {};
  for (int64_t r = 0; r < n_rows; ++r) {
    const float* row = a + r * width;
    Doubles right[2];
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v)
      right[v] = __builtin_convertvector(*reinterpret_cast<const HalfAnywhere*>(row + j + v * kWideLanes), Doubles);
#pragma GCC unroll 4
    for (int x = 0; x < 4; ++x) {
      const Doubles left = Doubles{} + static_cast<double>(row[i + x]);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) sums[x][v] += left * right[v];
    }
  }
#pragma GCC unroll 4
  for (int x = 0; x < 4; ++x)
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v)
      *reinterpret_cast<DoublesAnywhere*>(c + (i + x) * width + j + v * kWideLanes) += sums[x][v];
}

void AddGramInDouble(const float* a, int64_t width, int64_t n_rows, double* c) {
  for (int64_t i = 0; i < width; i += 4)
    for (int64_t j = 0; j < width; j += kLanes) AddGramBlock(a, width, n_rows, i, j, c);
}

// out[r][j] += sum over i of a[r][i] s[i][j], for kRows r and a panel of j.
template <int kRows>
inline void AddBlock(const float* a, int64_t a_width, const float* s, int64_t s_width, float* out) {
  Vec sums[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[r][v] = Load(out + r * s_width + v * kLanes);
  for (int64_t i = 0; i < a_width; ++i) {
    Vec columns[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) columns[v] = Load(s + i * s_width + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec by = Splat(a[r * a_width + i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[r][v] += by * columns[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) Store(out + r * s_width + v * kLanes, sums[r][v]);
}

void AddProduct(const float* a, int64_t a_width, const float* s, int64_t s_width, int64_t n_rows, float* out) {
  for (int64_t j = 0; j < s_width; j += kSimdPanelColumns) {
    int64_t r = 0;
    for (; r + kBlock <= n_rows; r += kBlock)
      AddBlock<kBlock>(a + r * a_width, a_width, s + j, s_width, out + r * s_width + j);
    for (; r < n_rows; ++r) AddBlock<1>(a + r * a_width, a_width, s + j, s_width, out + r * s_width + j);
  }
}

}  // namespace

extern const SimdProducts kProducts;
const SimdProducts kProducts = {MultiplyRows, AddTransposedProduct, AddGramInDouble, AddProduct};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
