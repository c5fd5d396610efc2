// Vectors of floats of whatever width a file is compiled for (simd.h), and what registers can do among themselves.
//
// Everything here is of internal linkage: each instruction set has its own, and no linker can mix them up.
#pragma once

#include <cstdint>

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

constexpr int kLanes = KINDRED_SIMD_BYTES / 4;
constexpr bool kManyRegisters = KINDRED_SIMD_BYTES == 64;  // 32 of them, where the others have 16

typedef float Vec __attribute__((vector_size(KINDRED_SIMD_BYTES), may_alias));
typedef float VecAnywhere __attribute__((vector_size(KINDRED_SIMD_BYTES), aligned(4), may_alias));
typedef double Doubles __attribute__((vector_size(KINDRED_SIMD_BYTES)));
typedef float Vec4Anywhere __attribute__((vector_size(16), aligned(4), may_alias));

inline Vec Load(const float* p) {
  return *reinterpret_cast<const VecAnywhere*>(p);
}
inline void Store(float* p, Vec v) {
  *reinterpret_cast<VecAnywhere*>(p) = v;
}
inline Vec Splat(float x) {
  return x - Vec{};  // a plain broadcast; with + the compiler must turn -0 into 0
}
inline int64_t RoundUp(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

template <int... kLane>
struct LaneList {};
#if KINDRED_SIMD_BYTES == 64
typedef LaneList<0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15> AllLanes;
typedef LaneList<0, 1, 2, 3, 4, 5, 6, 7> HalfOfLanes;
#elif KINDRED_SIMD_BYTES == 32
typedef LaneList<0, 1, 2, 3, 4, 5, 6, 7> AllLanes;
typedef LaneList<0, 1, 2, 3> HalfOfLanes;
#else
typedef LaneList<0, 1, 2, 3> AllLanes;
typedef LaneList<0, 1> HalfOfLanes;
#endif

// Two vectors into one: lane l from y where l has bit kBit, else from x; from the same lane, or from its neighbour at
// distance kBit on one side or on both.
template <int kBit, int... kLane>
inline Vec Straight(Vec x, Vec y, LaneList<kLane...>) {
  return __builtin_shufflevector(x, y, (kLane & kBit ? kLane + kLanes : kLane)...);
}
template <int kBit, int... kLane>
inline Vec Crossed(Vec x, Vec y, LaneList<kLane...>) {
  return __builtin_shufflevector(x, y, (kLane & kBit ? kLane - kBit + kLanes : kLane + kBit)...);
}
template <int kBit, int... kLane>
inline Vec Lower(Vec x, Vec y, LaneList<kLane...>) {
  return __builtin_shufflevector(x, y, (kLane & kBit ? kLane - kBit + kLanes : kLane)...);
}
template <int kBit, int... kLane>
inline Vec Upper(Vec x, Vec y, LaneList<kLane...>) {
  return __builtin_shufflevector(x, y, (kLane & kBit ? kLane + kLanes : kLane + kBit)...);
}

// Lane l of the result: the sum of the lanes of v[l]. Always in the same order.
template <int kBit = kLanes / 2>
[[gnu::always_inline]] inline Vec SumLanes(Vec* v) {
  if constexpr (kBit == 0) {
    return v[0];
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < kBit; ++i)
      v[i] = Straight<kBit>(v[i], v[i + kBit], AllLanes{}) + Crossed<kBit>(v[i], v[i + kBit], AllLanes{});
    return SumLanes<kBit / 2>(v);
  }
}

template <int kBit = kLanes / 2>
[[gnu::always_inline]] inline void Transpose(Vec* v) {
  if constexpr (kBit > 0) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if (i & kBit) continue;
      const Vec x = v[i], y = v[i + kBit];
      v[i] = Lower<kBit>(x, y, AllLanes{});
      v[i + kBit] = Upper<kBit>(x, y, AllLanes{});
    }
    Transpose<kBit / 2>(v);
  }
}

inline float Sum(Vec v) {
  Vec all[kLanes] = {v};
  return SumLanes(all)[0];
}

inline Vec InverseRoot(Vec v) {
  float lanes[kLanes];
  Store(lanes, v);
  for (int l = 0; l < kLanes; ++l) lanes[l] = 1.0f / __builtin_sqrtf(lanes[l]);
  return Load(lanes);
}

template <int kFirst, int... kLane>
inline Doubles Widened(Vec v, LaneList<kLane...>) {
  return __builtin_convertvector(__builtin_shufflevector(v, v, (kFirst + kLane)...), Doubles);
}

// Sums of squares in double.
struct SquaredSum {
  Doubles low = {}, high = {};

  void Add(Vec v) {
    const Doubles a = Widened<0>(v, HalfOfLanes{}), b = Widened<kLanes / 2>(v, HalfOfLanes{});
    low += a * a;
    high += b * b;
  }
  double Total() const {
    double total = 0;
    for (int l = 0; l < kLanes / 2; ++l) total += low[l] + high[l];
    return total;
  }
};

}  // namespace
}  // namespace kindred::KINDRED_SIMD_NAMESPACE
