// Products of small matrices. See simd.h: compiled once for each instruction set.
#include "kernels/cpu/simd_dense.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

// Blocks of accumulators: what the registers hold.
constexpr int kDotRows = kManyRegisters ? 4 : 2;
constexpr int kBlockVectors = kManyRegisters ? 3 : 2;
constexpr int kPanelVectors = kManyRegisters ? 4 : 2;
constexpr int64_t kPassRows = 16;  // of RowGram's left side, while four rows of the right one stay in the first cache

// gram[r + i][c + j] = m[r + i] . m[c + j] for kDotRows i and 4 j.
inline void DotBlock(const float* m, int64_t width, int64_t r, int64_t c, float* gram, int64_t stride) {
  Vec sums[kDotRows * 4] = {};
  const float* left = m + r * width;
  const float* right = m + c * width;
  for (int64_t k = 0; k < width; k += kLanes) {
    Vec b[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) b[j] = Load(right + j * width + k);
#pragma GCC unroll 4
    for (int i = 0; i < kDotRows; ++i) {
      const Vec a = Load(left + i * width + k);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sums[i * 4 + j] += a * b[j];
    }
  }
#pragma GCC unroll 4
  for (int part = 0; part < kDotRows * 4 / kLanes; ++part) {
    float dots[kLanes];
    Store(dots, SumLanes(sums + part * kLanes));
#pragma GCC unroll 4
    for (int i = 0; i < kLanes / 4; ++i)
      *reinterpret_cast<Vec4Anywhere*>(gram + (r + part * (kLanes / 4) + i) * stride + c) =
          *reinterpret_cast<Vec4Anywhere*>(dots + i * 4);
  }
}

// c[x][v] += or -= sum over r of a[r][x] b[r][v] for kRows x and kVectors vectors v, a and b with one stride.
template <int kRows, int kVectors, bool kSubtract>
inline void UpdateBlock(const float* a, const float* b, int64_t n, int64_t stride, float* c, int64_t c_stride) {
  Vec sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int x = 0; x < kRows; ++x)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[x][v] = Load(c + x * c_stride + v * kLanes);
  for (int64_t r = 0; r < n; ++r) {
    Vec right[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) right[v] = Load(b + r * stride + v * kLanes);
#pragma GCC unroll 8
    for (int x = 0; x < kRows; ++x) {
      const Vec left = Splat(a[r * stride + x]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        if (kSubtract) {
          sums[x][v] -= left * right[v];
        } else {
          sums[x][v] += left * right[v];
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int x = 0; x < kRows; ++x)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) Store(c + x * c_stride + v * kLanes, sums[x][v]);
}

// kUpdateRows rows from row i on, columns [j, width).
template <bool kSubtract>
inline void UpdateRows(const float* a, int64_t n, int64_t stride, int64_t i, int64_t j, int64_t width, float* c) {
  for (int64_t left = (width - j) / kLanes; left > 0;) {
    // 4 = 2 + 2: a block of one vector would wait for its own sums.
    const int64_t vectors = left == kBlockVectors + 1 ? 2 : left < kBlockVectors ? left : kBlockVectors;
    const float* from = a + j;
    float* to = c + i * stride + j;
    if (vectors == kBlockVectors)
      UpdateBlock<kUpdateRows, kBlockVectors, kSubtract>(a + i, from, n, stride, to, stride);
    else if (vectors == 2)
      UpdateBlock<kUpdateRows, 2, kSubtract>(a + i, from, n, stride, to, stride);
    else
      UpdateBlock<kUpdateRows, 1, kSubtract>(a + i, from, n, stride, to, stride);
    j += vectors * kLanes;
    left -= vectors;
  }
}

// kRows rows times one panel; or subtracted from what is there, which is fetched while they are multiplied.
template <int kRows, bool kSubtract = false>
inline void MultiplyPanel(const float* rows, int64_t stride, int64_t n, const float* panel, float* out,
                          int64_t out_stride) {
  for (int64_t lane = 0; lane < kPanelWidth; lane += kPanelVectors * kLanes) {
    Vec sums[kRows][kPanelVectors] = {};
    if (kSubtract) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
        for (int v = 0; v < kPanelVectors; ++v) __builtin_prefetch(out + r * out_stride + lane + v * kLanes, 1);
    }
    for (int64_t k = 0; k < n; ++k) {
      Vec right[kPanelVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kPanelVectors; ++v) right[v] = Load(panel + k * kPanelWidth + lane + v * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Vec left = Splat(rows[r * stride + k]);
#pragma GCC unroll 4
        for (int v = 0; v < kPanelVectors; ++v) sums[r][v] += left * right[v];
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < kPanelVectors; ++v) {
        float* to = out + r * out_stride + lane + v * kLanes;
        Store(to, kSubtract ? Load(to) - sums[r][v] : sums[r][v]);
      }
  }
}

// The first n_columns of a panel.
void SubtractNarrow(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panel, int64_t n_columns,
                    float* out, int64_t out_stride) {
  for (int64_t r = 0; r < n_rows; ++r) {
    float product[kPanelWidth];
    MultiplyPanel<1>(rows + r * stride, stride, n, panel, product, kPanelWidth);
    for (int64_t c = 0; c < n_columns; ++c) out[r * out_stride + c] -= product[c];
  }
}

}  // namespace

void RowGram(const float* m, int64_t n_rows, int64_t width, float* gram, int64_t stride) {
  for (int64_t pass = 0; pass < n_rows; pass += kPassRows)
    for (int64_t c = pass; c < n_rows; c += 4)
      for (int64_t r = pass; r < pass + kPassRows && r < c + 4; r += kDotRows) DotBlock(m, width, r, c, gram, stride);
}

void RankUpdateRows(const float* a, int64_t n_rows, int64_t width, int64_t i, float* c) {
  UpdateRows<false>(a, n_rows, width, i, i / kLanes * kLanes, width, c);
}

void RankUpdate(const float* a, int64_t n_rows, int64_t width, float* c) {
  for (int64_t i = 0; i < width; i += kUpdateRows) RankUpdateRows(a, n_rows, width, i, c);
}

void SubtractRowsAbove(float* u, int64_t begin, int64_t width, int64_t stride) {
  for (int64_t i = begin; i < begin + kLanes; i += kUpdateRows) UpdateRows<true>(u, begin, stride, i, begin, width, u);
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

void SubtractPanels(const float* rows, int64_t n_rows, int64_t stride, int64_t n, const float* panels,
                    int64_t n_columns, float* out, int64_t out_stride) {
  for (int64_t c = 0; c < n_columns; c += kPanelWidth, panels += n * kPanelWidth) {
    float* to = out + c;
    if (n_columns - c < kPanelWidth)
      return SubtractNarrow(rows, n_rows, stride, n, panels, n_columns - c, to, out_stride);
    int64_t r = 0;
    for (; r + 4 <= n_rows; r += 4)
      MultiplyPanel<4, true>(rows + r * stride, stride, n, panels, to + r * out_stride, out_stride);
    for (; r < n_rows; ++r)
      MultiplyPanel<1, true>(rows + r * stride, stride, n, panels, to + r * out_stride, out_stride);
  }
}

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
