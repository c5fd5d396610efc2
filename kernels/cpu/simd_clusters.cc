// See simd_clusters.h: compiled once for each instruction set.
#include "kernels/cpu/simd_clusters.h"

#include "kernels/cpu/simd_vector.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

typedef int32_t Ints __attribute__((vector_size(KINDRED_SIMD_BYTES), may_alias));
typedef int32_t IntsAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(4), may_alias));
typedef double DoublesAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(8), may_alias));
typedef float HalfAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES / 2), aligned(4), may_alias));

// Blocks of accumulators, kVectors of points by some centroids, that the registers hold.
constexpr int kVectors = kManyRegisters ? 4 : 2;
constexpr int kCentroids = kManyRegisters ? 6 : 4;
constexpr int kWide = kLanes / 2;
constexpr int kWideVectors = kManyRegisters ? 4 : 2;
constexpr int kWideCentroids = 4;

struct Nearest {
  Vec best[kVectors], second[kVectors];
  Ints index[kVectors];
};

template <int kCount>
inline void CompareCentroids(const float* points, int64_t n_features, const float* centroids, const float* starts,
                             int32_t first, Nearest& nearest) {
  Vec sums[kCount][kVectors];
#pragma GCC unroll 8
  for (int c = 0; c < kCount; ++c)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[c][v] = Splat(starts[c]);
  for (int64_t j = 0; j < n_features; ++j) {
    Vec x[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) x[v] = Load(points + j * kPanelWidth + v * kLanes);
#pragma GCC unroll 8
    for (int c = 0; c < kCount; ++c) {
      const Vec by = Splat(centroids[c * n_features + j]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[c][v] += by * x[v];
    }
  }
#pragma GCC unroll 8
  for (int c = 0; c < kCount; ++c) {
    const Ints place = first + c - Ints{};
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Vec s = sums[c][v], best = nearest.best[v];
      const Vec lower = s < best ? s : best;
      nearest.second[v] = lower > nearest.second[v] ? lower : nearest.second[v];
      nearest.index[v] = s > best ? place : nearest.index[v];
      nearest.best[v] = s > best ? s : best;
    }
  }
}

void NearestTwo(const float* panel, int64_t n_features, const float* centroids, int64_t n_centroids,
                const float* starts, float* best, float* second, int32_t* index) {
  for (int64_t p = 0; p < kPanelWidth; p += kVectors * kLanes) {
    Nearest nearest;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      nearest.best[v] = nearest.second[v] = Splat(-__builtin_inff());
      nearest.index[v] = Ints{};
    }
    int64_t c = 0;
    const auto compare = [&]<int kCount>() {
      CompareCentroids<kCount>(panel + p, n_features, centroids + c * n_features, starts + c, static_cast<int32_t>(c),
                               nearest);
      c += kCount;
    };
    while (c + kCentroids <= n_centroids) compare.template operator()<kCentroids>();
    while (c + 2 <= n_centroids) compare.template operator()<2>();
    if (c < n_centroids) compare.template operator()<1>();
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      Store(best + p + v * kLanes, nearest.best[v]);
      Store(second + p + v * kLanes, nearest.second[v]);
      *reinterpret_cast<IntsAnywhere*>(index + p + v * kLanes) = nearest.index[v];
    }
  }
}

template <int kCount>
inline void MultiplyInDouble(const float* points, int64_t n_features, const float* centroids, double* products) {
  Doubles sums[kCount][kWideVectors] = {};
  for (int64_t j = 0; j < n_features; ++j) {
    Doubles x[kWideVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kWideVectors; ++v)
      x[v] = __builtin_convertvector(*reinterpret_cast<const HalfAnywhere*>(points + j * kPanelWidth + v * kWide),
                                     Doubles);
#pragma GCC unroll 4
    for (int c = 0; c < kCount; ++c) {
      const Doubles by = static_cast<double>(centroids[c * n_features + j]) - Doubles{};
#pragma GCC unroll 4
      for (int v = 0; v < kWideVectors; ++v) sums[c][v] += by * x[v];
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < kCount; ++c)
#pragma GCC unroll 4
    for (int v = 0; v < kWideVectors; ++v)
      *reinterpret_cast<DoublesAnywhere*>(products + c * kPanelWidth + v * kWide) = sums[c][v];
}

void ProductsInDouble(const float* panel, int64_t n_features, const float* centroids, int64_t n_centroids,
                      double* products) {
  for (int64_t p = 0; p < kPanelWidth; p += kWideVectors * kWide) {
    int64_t c = 0;
    for (; c + kWideCentroids <= n_centroids; c += kWideCentroids)
      MultiplyInDouble<kWideCentroids>(panel + p, n_features, centroids + c * n_features,
                                       products + c * kPanelWidth + p);
    for (; c < n_centroids; ++c)
      MultiplyInDouble<1>(panel + p, n_features, centroids + c * n_features, products + c * kPanelWidth + p);
  }
}

inline Vec Root(Vec v) {
  float lanes[kLanes];
  Store(lanes, v);
  for (int l = 0; l < kLanes; ++l) lanes[l] = __builtin_sqrtf(lanes[l]);
  return Load(lanes);
}

template <int kRows>
inline void AddDistancesOf(const float* panel, int64_t n_features, int64_t n_points, const float* const* rows,
                           double* sums) {
  Doubles low[kRows] = {}, high[kRows] = {};
  for (int64_t p = 0; p < n_points; p += kVectors * kLanes) {
    Vec squares[kRows][kVectors] = {};
    for (int64_t j = 0; j < n_features; ++j) {
      Vec x[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) x[v] = Load(panel + j * kPanelWidth + p + v * kLanes);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Vec from = Splat(rows[r][j]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          const Vec way = from - x[v];
          squares[r][v] += way * way;
        }
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const int64_t left = n_points - p - v * kLanes;
      if (left <= 0) break;
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        Vec distances = Root(squares[r][v]);
        if (left < kLanes)
          for (int64_t l = left; l < kLanes; ++l) distances[l] = 0;
        low[r] += Widened<0>(distances, HalfOfLanes{});
        high[r] += Widened<kLanes / 2>(distances, HalfOfLanes{});
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int l = 0; l < kWide; ++l) sums[r] += low[r][l] + high[r][l];
}

void AddDistances(const float* panel, int64_t n_features, int64_t n_points, const float* const* rows, int64_t n_rows,
                  double* sums) {
  if (n_rows == kSilhouetteRows) {
    AddDistancesOf<kSilhouetteRows>(panel, n_features, n_points, rows, sums);
  } else {
    for (int64_t r = 0; r < n_rows; ++r) AddDistancesOf<1>(panel, n_features, n_points, rows + r, sums + r);
  }
}

float Dot(const float* a, const float* b, int64_t n) {
  Vec sums[4] = {};
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes)
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) sums[v] += Load(a + j + v * kLanes) * Load(b + j + v * kLanes);
  for (; j + kLanes <= n; j += kLanes) sums[0] += Load(a + j) * Load(b + j);
  float sum = Sum(sums[0] + sums[1] + (sums[2] + sums[3]));
  for (; j < n; ++j) sum += a[j] * b[j];
  return sum;
}

}  // namespace

extern const SimdClusters kClusters;
const SimdClusters kClusters = {NearestTwo, ProductsInDouble, AddDistances, Dot};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
