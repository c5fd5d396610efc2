// See simd_codes.h: compiled once for each instruction set.
#include "kernels/cpu/simd_codes.h"

#if KINDRED_SIMD_BYTES >= 32
#include <immintrin.h>
#endif

#include "kernels/cpu/simd_vector.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

constexpr int64_t kStepBytes = kCodeItems * kCodeStep;

#if KINDRED_SIMD_BYTES == 64

// The rest of the level is for processors without VNNI, too.
#define KINDRED_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

inline __m512i Repeated(const int8_t* codes) {
  int32_t four;
  __builtin_memcpy(&four, codes, 4);
  return _mm512_set1_epi32(four);
}

template <int kRows>
KINDRED_VNNI void ScanRows(const uint8_t* block, int64_t n_steps, const int8_t* const* queries, const int32_t* at_least,
                           uint64_t* reached, int32_t* dots) {
  __m512i sums[kRows][4] = {};
  for (int64_t s = 0; s < n_steps; ++s) {
    __m512i items[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) items[v] = _mm512_load_si512(block + s * kStepBytes + v * 64);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512i query = Repeated(queries[r] + s * kCodeStep);
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], items[v], query);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const __m512i limit = _mm512_set1_epi32(at_least[r]);
    uint64_t mask = 0;
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v)
      mask |= static_cast<uint64_t>(_mm512_cmpge_epi32_mask(sums[r][v], limit)) << (v * kCodeLanes);
    reached[r] = mask;
    if (mask == 0) continue;
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) _mm512_storeu_si512(dots + r * kCodeItems + v * kCodeLanes, sums[r][v]);
  }
}

KINDRED_VNNI void Scan(const uint8_t* block, int64_t n_steps, const int8_t* const* queries, int64_t n_queries,
                       const int32_t* at_least, uint64_t* reached, int32_t* dots) {
  static_assert(kCodeQueries == 6);
  switch (n_queries) {
    case 1:
      return ScanRows<1>(block, n_steps, queries, at_least, reached, dots);
    case 2:
      return ScanRows<2>(block, n_steps, queries, at_least, reached, dots);
    case 3:
      return ScanRows<3>(block, n_steps, queries, at_least, reached, dots);
    case 4:
      return ScanRows<4>(block, n_steps, queries, at_least, reached, dots);
    case 5:
      return ScanRows<5>(block, n_steps, queries, at_least, reached, dots);
    default:
      return ScanRows<6>(block, n_steps, queries, at_least, reached, dots);
  }
}

KINDRED_VNNI void Extend(const uint8_t* steps, int64_t n_steps, const int8_t* query, uint64_t wanted, int32_t* dots) {
  for (int64_t v = 0; v < kCodeItems / kCodeLanes; ++v) {
    if ((wanted >> (v * kCodeLanes) & 0xffff) == 0) continue;
    const uint8_t* from = steps + v * 64;
    __m512i even = _mm512_loadu_si512(dots + v * kCodeLanes), odd = _mm512_setzero_si512();
    int64_t s = 0;
    for (; s + 2 <= n_steps; s += 2) {
      even = _mm512_dpbusd_epi32(even, _mm512_load_si512(from + s * kStepBytes), Repeated(query + s * kCodeStep));
      odd = _mm512_dpbusd_epi32(odd, _mm512_load_si512(from + (s + 1) * kStepBytes),
                                Repeated(query + (s + 1) * kCodeStep));
    }
    if (s < n_steps)
      even = _mm512_dpbusd_epi32(even, _mm512_load_si512(from + s * kStepBytes), Repeated(query + s * kCodeStep));
    _mm512_storeu_si512(dots + v * kCodeLanes, _mm512_add_epi32(even, odd));
  }
}

#elif KINDRED_SIMD_BYTES == 32

// Adds to sums, of kCodeLanes items, their products with a query: bytes become 16-bit, whose products add in pairs.
inline void AddLanes(const uint8_t* steps, int64_t n_steps, const int8_t* query, int32_t* dots) {
  __m256i sums[4] = {};
  for (int64_t s = 0; s < n_steps; ++s) {
    int32_t four;
    __builtin_memcpy(&four, query + s * kCodeStep, 4);
    const __m256i codes = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const __m128i bytes = _mm_load_si128(reinterpret_cast<const __m128i*>(steps + s * kStepBytes + v * 16));
      sums[v] = _mm256_add_epi32(sums[v], _mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), codes));
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < 4; v += 2) {
    const __m256i eight = _mm256_permute4x64_epi64(_mm256_hadd_epi32(sums[v], sums[v + 1]), 0xd8);
    auto* to = reinterpret_cast<__m256i*>(dots + v * 4);
    _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), eight));
  }
}

#else

inline void AddLanes(const uint8_t* steps, int64_t n_steps, const int8_t* query, int32_t* dots) {
  for (int64_t s = 0; s < n_steps; ++s) {
    const uint8_t* from = steps + s * kStepBytes;
    const int8_t* codes = query + s * kCodeStep;
    for (int64_t i = 0; i < kCodeLanes; ++i)
      for (int64_t k = 0; k < kCodeStep; ++k) dots[i] += from[i * kCodeStep + k] * codes[k];
  }
}

#endif

#if KINDRED_SIMD_BYTES < 64

void Scan(const uint8_t* block, int64_t n_steps, const int8_t* const* queries, int64_t n_queries,
          const int32_t* at_least, uint64_t* reached, int32_t* dots) {
  for (int64_t r = 0; r < n_queries; ++r) {
    int32_t* to = dots + r * kCodeItems;
    reached[r] = 0;
    for (int64_t i = 0; i < kCodeItems; ++i) to[i] = 0;
    for (int64_t first = 0; first < kCodeItems; first += kCodeLanes)
      AddLanes(block + first * kCodeStep, n_steps, queries[r], to + first);
    for (int64_t i = 0; i < kCodeItems; ++i) reached[r] |= static_cast<uint64_t>(to[i] >= at_least[r]) << i;
  }
}

void Extend(const uint8_t* steps, int64_t n_steps, const int8_t* query, uint64_t wanted, int32_t* dots) {
  for (int64_t first = 0; first < kCodeItems; first += kCodeLanes)
    if ((wanted >> first & 0xffff) != 0) AddLanes(steps + first * kCodeStep, n_steps, query, dots + first);
}

#endif

uint64_t ReachWith(const int32_t* dots, int32_t offset, double unit, const double* others, double least) {
  alignas(64) uint8_t reaches[kCodeItems];
  for (int64_t i = 0; i < kCodeItems; ++i) {
    const double sum = unit * (dots[i] - offset), other = others[i];
    const double slack = 1e-15 * (__builtin_fabs(sum) + __builtin_fabs(other));
    reaches[i] = !(sum + other + slack < least);
  }
  uint64_t bits = 0;
  for (int64_t i = 0; i < kCodeItems; i += 8) {
    uint64_t eight;
    __builtin_memcpy(&eight, reaches + i, 8);
    bits |= (eight * 0x0102040810204080) >> 56 << i;  // the low bit of each byte, in order
  }
  return bits;
}

// kItems sums at once: each waits for itself only.
template <int kItems>
inline void DefinedSumsOf(const float* query, int64_t n_factors, const float* const* items, double* sums) {
  double of_item[kItems] = {};
  for (int64_t k = 0; k < n_factors; ++k) {
    const double q = query[k];
#pragma GCC unroll 8
    for (int i = 0; i < kItems; ++i) of_item[i] += q * static_cast<double>(items[i][k]);
  }
  for (int i = 0; i < kItems; ++i) sums[i] = of_item[i];
}

void DefinedSums(const float* query, int64_t n_factors, const float* const* items, int64_t n_items, double* sums) {
  int64_t i = 0;
  for (; i + 8 <= n_items; i += 8) DefinedSumsOf<8>(query, n_factors, items + i, sums + i);
  for (; i < n_items; ++i) DefinedSumsOf<1>(query, n_factors, items + i, sums + i);
}

}  // namespace

extern const SimdCodes kCodes;
const SimdCodes kCodes = {Scan, Extend, ReachWith, DefinedSums};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
