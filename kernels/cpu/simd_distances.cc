// See simd_distances.h: compiled once for each instruction set.
#include "kernels/cpu/simd_distances.h"

#if KINDRED_SIMD_BYTES >= 32
#include <immintrin.h>
#endif

#include "kernels/cpu/simd_vector.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

constexpr int kVectors = 4;                        // of a part of a block that is added up together
constexpr int64_t kPart = kVectors * kLanes;       // its points
constexpr int64_t kStretch = 16;                   // features between two looks at whether any point is near still
constexpr int kWideLanes = kLanes / 2, kWide = 2;  // vectors of doubles, for each of kTogether queries
constexpr int kTogether = 4;

// Bit l: not (a > b) in lane l, so that what is no number counts.
inline uint64_t NotAbove(Vec a, Vec b) {
#if KINDRED_SIMD_BYTES == 64
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_NGT_UQ);
#elif KINDRED_SIMD_BYTES == 32
  return static_cast<uint64_t>(
      _mm256_movemask_ps(_mm256_cmp_ps(reinterpret_cast<__m256>(a), reinterpret_cast<__m256>(b), _CMP_NGT_UQ)));
#else
  uint64_t mask = 0;
  for (int l = 0; l < kLanes; ++l) mask |= static_cast<uint64_t>(!(a[l] > b[l])) << l;
  return mask;
#endif
}

// Sums only grow, so a part whose points are all too far can be left.
inline uint64_t FindNearPart(const float* blocks, int64_t offset, int64_t n_features, const float* query,
                             const Vec* limits) {
  Vec sums[kVectors] = {};
  uint64_t near = 0;
  for (int64_t first = 0; first == 0 || first < n_features; first += kStretch) {
    const int64_t end = first + kStretch < n_features ? first + kStretch : n_features;
    for (int64_t f = first; f < end; ++f) {
      const Vec at = Splat(query[f]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const Vec apart = Load(blocks + offset + f * kBlockPoints + v * kLanes) - at;
        sums[v] += apart * apart;
      }
    }
    near = 0;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) near |= NotAbove(sums[v], limits[v]) << (v * kLanes);
    if (near == 0) break;
  }
  return near;
}

void FindNear(const float* blocks, int64_t n_blocks, int64_t n_features, const float* query,
              const DistanceLimits& limits, uint64_t* near) {
  const Vec constant = Splat(limits.constant), factor = Splat(limits.factor);
  for (int64_t b = 0; b < n_blocks; ++b) {
    near[b] = 0;
    for (int64_t p = 0; p < kBlockPoints; p += kPart) {
      Vec of_points[kVectors];
      const int64_t at = b * kBlockPoints + p;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v)
        of_points[v] =
            constant + factor * Load(limits.factors + at + v * kLanes) + Load(limits.slacks + at + v * kLanes);
      near[b] |= FindNearPart(blocks, b * n_features * kBlockPoints + p, n_features, query, of_points) << p;
    }
  }
}

inline Doubles SplatDouble(double x) {
  return x - Doubles{};
}

template <int kQueries>
inline void SquarePart(const double* block, int64_t offset, int64_t n_features, const double* const* queries,
                       double* squares) {
  Doubles sums[kQueries][kWide] = {};
  for (int64_t f = 0; f < n_features; ++f) {
    Doubles points[kWide];
#pragma GCC unroll 2
    for (int v = 0; v < kWide; ++v)
      points[v] = *reinterpret_cast<const Doubles*>(block + offset + f * kBlockPoints + v * kWideLanes);
#pragma GCC unroll 4
    for (int q = 0; q < kQueries; ++q) {
      const Doubles at = SplatDouble(queries[q][f]);
#pragma GCC unroll 2
      for (int v = 0; v < kWide; ++v) {
        const Doubles apart = points[v] - at;
        sums[q][v] += apart * apart;
      }
    }
  }
#pragma GCC unroll 4
  for (int q = 0; q < kQueries; ++q)
#pragma GCC unroll 2
    for (int v = 0; v < kWide; ++v)
      __builtin_memcpy(squares + q * kBlockPoints + v * kWideLanes, &sums[q][v], sizeof(Doubles));
}

void SquareDistances(const double* block, int64_t n_features, const double* const* queries, int64_t n_queries,
                     double* squares) {
  for (int64_t p = 0; p < kBlockPoints; p += kWide * kWideLanes) {
    int64_t q = 0;
    for (; q + kTogether <= n_queries; q += kTogether)
      SquarePart<kTogether>(block, p, n_features, queries + q, squares + q * kBlockPoints + p);
    for (; q < n_queries; ++q) SquarePart<1>(block, p, n_features, queries + q, squares + q * kBlockPoints + p);
  }
}

}  // namespace

extern const SimdDistances kDistances;
const SimdDistances kDistances = {FindNear, SquareDistances};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
