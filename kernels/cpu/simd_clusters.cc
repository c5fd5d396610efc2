// See simd_clusters.h: compiled once for each instruction set.
#include "kernels/cpu/simd_clusters.h"

#include "kernels/cpu/simd_vector.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

typedef int32_t Ints __attribute__((vector_size(KINDRED_SIMD_BYTES), may_alias));
typedef int32_t IntsAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(4), may_alias));
typedef int64_t Longs __attribute__((vector_size(KINDRED_SIMD_BYTES), may_alias));
typedef int64_t LongsAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(8), may_alias));
typedef double DoublesAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(8), may_alias));
typedef float HalfAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES / 2), aligned(4), may_alias));

// Blocks of accumulators, kVectors of points by some centroids, that the registers hold.
constexpr int kVectors = kManyRegisters ? 4 : 2;
constexpr int kCentroids = kManyRegisters ? 6 : 4;
constexpr int kWide = kLanes / 2;
constexpr int kWideVectors = kManyRegisters ? 4 : 2;
constexpr int kWideCentroids = kManyRegisters ? 6 : 4;

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
    const auto compare_rest = [&]<int kCount>(const auto& fewer) {  // in one go: each would load the points anew
      if constexpr (kCount > 0) {
        if (n_centroids - c == kCount)
          compare.template operator()<kCount>();
        else
          fewer.template operator()<kCount - 1>(fewer);
      }
    };
    compare_rest.template operator()<kCentroids - 1>(compare_rest);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      Store(best + p + v * kLanes, nearest.best[v]);
      Store(second + p + v * kLanes, nearest.second[v]);
      *reinterpret_cast<IntsAnywhere*>(index + p + v * kLanes) = nearest.index[v];
    }
  }
}

inline uint32_t OrOfLanes(Ints v) {
#ifdef __clang__
  return static_cast<uint32_t>(__builtin_reduce_or(v));
#else
  Ints place;
  for (int l = 0; l < kLanes; ++l) place[l] = l;
#pragma GCC unroll 4
  for (int apart = kLanes / 2; apart > 0; apart /= 2) v |= __builtin_shuffle(v, place ^ apart);
  return static_cast<uint32_t>(v[0]);
#endif
}

uint64_t Unsettled(const float* best, const float* second, const int32_t* index, const float* norms,
                   const int32_t* labels, float error_of_norm, float error_0) {
  constexpr int kOfWord = 32 / kLanes;  // vectors whose lanes have a bit of one 32-bit word
  Ints bit;
  for (int l = 0; l < kLanes; ++l) bit[l] = 1 << l;
  uint64_t bits = 0;
#pragma GCC unroll 2
  for (int w = 0; w < kPanelWidth / 32; ++w) {
    Ints word = {};
#pragma GCC unroll 8
    for (int v = 0; v < kOfWord; ++v) {
      const int64_t p = w * 32 + v * kLanes;
      const Vec gap = Load(best + p) - Load(second + p);
      const Vec error = Splat(error_of_norm) * Load(norms + p) + Splat(error_0);
      const Ints found = *reinterpret_cast<const IntsAnywhere*>(index + p);
      const Ints open = ~((gap > error) & (error < Splat(kLargestError))) |
                        (found != *reinterpret_cast<const IntsAnywhere*>(labels + p));
      word |= open & (bit << (v * kLanes));
    }
    bits |= static_cast<uint64_t>(OrOfLanes(word)) << (w * 32);
  }
  return bits;
}

inline Doubles LoadDoubles(const double* p) {
  return *reinterpret_cast<const DoublesAnywhere*>(p);
}
inline void StoreDoubles(double* p, Doubles v) {
  *reinterpret_cast<DoublesAnywhere*>(p) = v;
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
#pragma GCC unroll 8
    for (int c = 0; c < kCount; ++c) {
      const Doubles by = static_cast<double>(centroids[c * n_features + j]) - Doubles{};
#pragma GCC unroll 4
      for (int v = 0; v < kWideVectors; ++v) sums[c][v] += by * x[v];
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < kCount; ++c)
#pragma GCC unroll 4
    for (int v = 0; v < kWideVectors; ++v) StoreDoubles(products + c * kPanelWidth + v * kWide, sums[c][v]);
}

void ProductsInDouble(const float* panel, int64_t n_features, const float* centroids, int64_t n_centroids,
                      double* products) {
  for (int64_t p = 0; p < kPanelWidth; p += kWideVectors * kWide) {
    int64_t c = 0;
    const auto multiply = [&]<int kCount>() {
      MultiplyInDouble<kCount>(panel + p, n_features, centroids + c * n_features, products + c * kPanelWidth + p);
      c += kCount;
    };
    while (c + kWideCentroids <= n_centroids) multiply.template operator()<kWideCentroids>();
    while (c + 2 <= n_centroids) multiply.template operator()<2>();
    if (c < n_centroids) multiply.template operator()<1>();
  }
}

void NearestInDouble(const float* panel, int64_t n_features, const float* centroids, int64_t n_centroids,
                     const double* squared, double* least, double* next, int32_t* index) {
  for (int64_t p = 0; p < kPanelWidth; p += kWideVectors * kWide) {
    Doubles first[kWideVectors], second[kWideVectors];
    Longs place[kWideVectors] = {};
    for (int v = 0; v < kWideVectors; ++v) first[v] = second[v] = __builtin_inf() - Doubles{};
    double products[kWideCentroids * kPanelWidth];
    int64_t c = 0;
    const auto compare = [&]<int kCount>() {
      MultiplyInDouble<kCount>(panel + p, n_features, centroids + c * n_features, products);
      for (int i = 0; i < kCount; ++i, ++c)
#pragma GCC unroll 4
        for (int v = 0; v < kWideVectors; ++v) {
          const Doubles key =
              (squared[c] - Doubles{}) - (2.0 - Doubles{}) * LoadDoubles(products + i * kPanelWidth + v * kWide);
          const auto closer = key < first[v];
          const Doubles higher = closer ? first[v] : key;
          second[v] = higher < second[v] ? higher : second[v];
          place[v] = closer ? c - Longs{} : place[v];
          first[v] = closer ? key : first[v];
        }
    };
    while (c + kWideCentroids <= n_centroids) compare.template operator()<kWideCentroids>();
    while (c + 2 <= n_centroids) compare.template operator()<2>();
    if (c < n_centroids) compare.template operator()<1>();
    for (int v = 0; v < kWideVectors; ++v) {
      StoreDoubles(least + p + v * kWide, first[v]);
      StoreDoubles(next + p + v * kWide, second[v]);
      for (int l = 0; l < kWide; ++l) index[p + v * kWide + l] = static_cast<int32_t>(place[v][l]);
    }
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

// A double from 0 to 2^51 is the whole number nearest to it, halves to even, in the bits that are left when 2^52 is
// added; with 1.5 2^52 the same holds from -2^51 to 2^51.
constexpr double kToWhole = 0x1p52, kToSigned = 0x1.8p52;

inline Longs Whole(Doubles v, double to) {
  const Doubles moved = v + (to - Doubles{});
  const Doubles none = to - Doubles{};
  return reinterpret_cast<const Longs&>(moved) - reinterpret_cast<const Longs&>(none);
}
inline int64_t Whole(double v, double to) {
  const double moved = v + to;
  return __builtin_bit_cast(int64_t, moved) - __builtin_bit_cast(int64_t, to);
}
inline uint64_t Total(Longs v) {
  uint64_t total = 0;
  for (int l = 0; l < kWide; ++l) total += static_cast<uint64_t>(v[l]);
  return total;
}

inline Doubles SquaredDistances(const double* squared, const double* products, double centre_squared) {
  const Doubles distances =
      LoadDoubles(squared) + ((centre_squared - Doubles{}) - (2.0 - Doubles{}) * LoadDoubles(products));
  return distances > 0.0 - Doubles{} ? distances : Doubles{};
}
inline double SquaredDistance(double squared, double product, double centre_squared) {
  const double distance = squared + (centre_squared - 2 * product);
  return distance > 0 ? distance : 0;
}

double LowerDistances(const double* squared, const double* products, double centre_squared, int64_t n_points,
                      double* nearest) {
  Doubles most = {};
  int64_t p = 0;
  for (; p + kWide <= n_points; p += kWide) {
    const Doubles distances = SquaredDistances(squared + p, products + p, centre_squared);
    const Doubles before = LoadDoubles(nearest + p);
    const Doubles now = distances < before ? distances : before;
    StoreDoubles(nearest + p, now);
    most = now > most ? now : most;
  }
  double largest = 0;
  for (int l = 0; l < kWide; ++l) largest = most[l] > largest ? most[l] : largest;
  for (; p < n_points; ++p) {
    const double distance = SquaredDistance(squared[p], products[p], centre_squared);
    nearest[p] = distance < nearest[p] ? distance : nearest[p];
    largest = nearest[p] > largest ? nearest[p] : largest;
  }
  return largest;
}

uint64_t WeightLeft(const double* squared, const double* products, double centre_squared, int64_t n_points,
                    const double* nearest, double scale) {
  Longs sums = {};
  int64_t p = 0;
  for (; p + kWide <= n_points; p += kWide) {
    const Doubles distances = SquaredDistances(squared + p, products + p, centre_squared);
    const Doubles before = LoadDoubles(nearest + p);
    sums += Whole((distances < before ? distances : before) * (scale - Doubles{}), kToWhole);
  }
  uint64_t total = Total(sums);
  for (; p < n_points; ++p) {
    const double distance = SquaredDistance(squared[p], products[p], centre_squared);
    total += static_cast<uint64_t>(Whole((distance < nearest[p] ? distance : nearest[p]) * scale, kToWhole));
  }
  return total;
}

uint64_t WeightOf(const double* nearest, int64_t n_points, double scale) {
  Longs sums = {};
  int64_t p = 0;
  for (; p + kWide <= n_points; p += kWide) sums += Whole(LoadDoubles(nearest + p) * (scale - Doubles{}), kToWhole);
  uint64_t total = Total(sums);
  for (; p < n_points; ++p) total += static_cast<uint64_t>(Whole(nearest[p] * scale, kToWhole));
  return total;
}

void WholeNumbers(const float* x, const double* scales, int64_t n_features, int64_t* whole) {
  int64_t j = 0;
  for (; j + kWide <= n_features; j += kWide) {
    const Doubles values = __builtin_convertvector(*reinterpret_cast<const HalfAnywhere*>(x + j), Doubles);
    *reinterpret_cast<LongsAnywhere*>(whole + j) = Whole(values * LoadDoubles(scales + j), kToSigned);
  }
  for (; j < n_features; ++j) whole[j] = Whole(static_cast<double>(x[j]) * scales[j], kToSigned);
}

}  // namespace

extern const SimdClusters kClusters;
const SimdClusters kClusters = {NearestTwo, Unsettled,      ProductsInDouble, NearestInDouble, AddDistances,
                                Dot,        LowerDistances, WeightLeft,       WeightOf,        WholeNumbers};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
