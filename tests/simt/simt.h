// What kernels/cuda/device.h and CUDA offer a .cu file, for g++: each GPU thread is a fiber. See scheduler.h.
//
// Not emulated: wgmma, TMA and clusters; waiting for another block, or by spinning; divergence within a warp
// (__activemask has all lanes that have not exited); the order in which mma.sync adds.
#pragma once

#include <math.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <type_traits>
#include <utility>

#include "kernels/error.h"
#include "tests/simt/scheduler.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) alignas(n)

#define threadIdx (::kindred::simt::g_thread->thread_index)
#define blockIdx (::kindred::simt::g_thread->block_index)
#define blockDim (::kindred::simt::g_thread->block_dim)
#define gridDim (::kindred::simt::g_thread->grid_dim)
constexpr int warpSize = 32;

#define KINDRED_NOINLINE __attribute__((noinline))
#define KINDRED_SHARED(T, name, n)                                                                              \
  static constexpr ::kindred::simt::SharedSite kindred_site_##name{#name, __FILE__, __LINE__, sizeof(T) * (n)}; \
  T(&name)[n] = *static_cast<T(*)[n]>(::kindred::simt::StaticShared(kindred_site_##name))
#define KINDRED_DYNAMIC_SHARED(T, name) \
  T* const name = static_cast<T*>(::kindred::simt::DynamicShared({#name, __FILE__, __LINE__, 0}))

#define KINDRED_SIMT_HERE std::source_location here = std::source_location::current()

// Barriers and fences.

inline void __syncthreads(KINDRED_SIMT_HERE) {
  kindred::simt::WaitAtBarrier("__syncthreads", false, here);
}
inline int __syncthreads_count(int predicate, KINDRED_SIMT_HERE) {
  return kindred::simt::WaitAtBarrier("__syncthreads_count", predicate != 0, here).n_true;
}
inline int __syncthreads_or(int predicate, KINDRED_SIMT_HERE) {
  return kindred::simt::WaitAtBarrier("__syncthreads_or", predicate != 0, here).n_true > 0;
}
inline int __syncthreads_and(int predicate, KINDRED_SIMT_HERE) {
  const auto result = kindred::simt::WaitAtBarrier("__syncthreads_and", predicate != 0, here);
  return result.n_true == result.n_threads;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, KINDRED_SIMT_HERE) {
  kindred::simt::Meet(kindred::simt::kSyncWarp, mask, nullptr, here);
}
inline void __threadfence() {
  kindred::simt::Fence();
}
inline void __threadfence_block() {}
inline unsigned __activemask() {
  return kindred::simt::LanesNotDone();
}

// Warp operations.

namespace kindred::simt {

struct ShufflePayload {
  uint64_t value;
  int source;
};
struct VotePayload {
  uint32_t value;
};
struct MmaPayload {
  const uint32_t* a;
  const uint32_t* b;
  float* d;
};
struct MatricesPayload {
  uint16_t row[8];
  uint32_t* to;
};
extern const WarpOperation kShuffle, kShuffleUp, kShuffleDown, kShuffleXor, kBallot, kAny, kAll, kMmaBf16,
    kLoadMatrices, kLoadMatricesTransposed, kReduceAdd, kReduceMaxUnsigned, kReduceMaxInt, kReduceMinUnsigned,
    kReduceMinInt, kReduceAnd, kReduceOr, kReduceXor;

/// `source` is a lane; one outside the mask gives all ones, a NaN.
template <class T>
T Shuffle(const WarpOperation& operation, unsigned mask, T value, int source, const Place& place) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  ShufflePayload payload = {0, source};
  std::memcpy(&payload.value, &value, sizeof(T));
  Meet(operation, mask, &payload, place);
  std::memcpy(&value, &payload.value, sizeof(T));
  return value;
}

inline uint32_t Vote(const WarpOperation& operation, unsigned mask, uint32_t value, const Place& place) {
  VotePayload payload = {value};
  Meet(operation, mask, &payload, place);
  return payload.value;
}

inline int Lane() {
  return g_thread->lane;
}
inline int Segment(int width) {
  return g_thread->lane & ~(width - 1);
}

}  // namespace kindred::simt

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, KINDRED_SIMT_HERE) {
  const int lane = kindred::simt::Segment(width) + (source & (width - 1));
  return kindred::simt::Shuffle(kindred::simt::kShuffle, mask, value, lane, here);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, KINDRED_SIMT_HERE) {
  const int lane = kindred::simt::Lane() - static_cast<int>(delta);
  return kindred::simt::Shuffle(kindred::simt::kShuffleUp, mask, value,
                                lane < kindred::simt::Segment(width) ? kindred::simt::Lane() : lane, here);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, KINDRED_SIMT_HERE) {
  const int lane = kindred::simt::Lane() + static_cast<int>(delta);
  return kindred::simt::Shuffle(kindred::simt::kShuffleDown, mask, value,
                                lane >= kindred::simt::Segment(width) + width ? kindred::simt::Lane() : lane, here);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, KINDRED_SIMT_HERE) {
  const int lane = kindred::simt::Lane() ^ lane_mask;
  return kindred::simt::Shuffle(kindred::simt::kShuffleXor, mask, value,
                                lane >= kindred::simt::Segment(width) + width ? kindred::simt::Lane() : lane, here);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, KINDRED_SIMT_HERE) {
  return kindred::simt::Vote(kindred::simt::kBallot, mask, predicate != 0, here);
}
inline int __any_sync(unsigned mask, int predicate, KINDRED_SIMT_HERE) {
  return kindred::simt::Vote(kindred::simt::kAny, mask, predicate != 0, here) != 0;
}
inline int __all_sync(unsigned mask, int predicate, KINDRED_SIMT_HERE) {
  return kindred::simt::Vote(kindred::simt::kAll, mask, predicate != 0, here) == mask;
}

#define KINDRED_SIMT_REDUCE(T, name, operation)                                                                     \
  inline T name(unsigned mask, T value, KINDRED_SIMT_HERE) {                                                        \
    return static_cast<T>(kindred::simt::Vote(kindred::simt::operation, mask, static_cast<uint32_t>(value), here)); \
  }
KINDRED_SIMT_REDUCE(unsigned, __reduce_add_sync, kReduceAdd)
KINDRED_SIMT_REDUCE(int, __reduce_add_sync, kReduceAdd)
KINDRED_SIMT_REDUCE(unsigned, __reduce_max_sync, kReduceMaxUnsigned)
KINDRED_SIMT_REDUCE(int, __reduce_max_sync, kReduceMaxInt)
KINDRED_SIMT_REDUCE(unsigned, __reduce_min_sync, kReduceMinUnsigned)
KINDRED_SIMT_REDUCE(int, __reduce_min_sync, kReduceMinInt)
KINDRED_SIMT_REDUCE(unsigned, __reduce_and_sync, kReduceAnd)
KINDRED_SIMT_REDUCE(unsigned, __reduce_or_sync, kReduceOr)
KINDRED_SIMT_REDUCE(unsigned, __reduce_xor_sync, kReduceXor)
#undef KINDRED_SIMT_REDUCE

// Bits, arithmetic and loads.

inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __popcll(unsigned long long x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
inline int __clzll(long long x) {
  return std::countl_zero(static_cast<unsigned long long>(x));
}
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  return static_cast<unsigned long long>((static_cast<unsigned __int128>(x) * y) >> 64);
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline long long __double_as_longlong(double x) {
  return std::bit_cast<long long>(x);
}
inline double __longlong_as_double(long long x) {
  return std::bit_cast<double>(x);
}
inline float __double2float_rn(double x) {
  return static_cast<float>(x);
}
inline float rsqrtf(float x) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x)));
}
inline float __fsqrt_rn(float x) {
  return std::sqrt(x);
}
inline float __frsqrt_rn(float x) {
  return rsqrtf(x);
}
inline float __fadd_rn(float x, float y) {
  return x + y;
}
inline float __fmul_rn(float x, float y) {
  return x * y;
}
inline float __fdiv_rn(float x, float y) {
  return x / y;
}
inline float __frcp_rn(float x) {
  return 1.0f / x;
}
inline float __fmaf_rn(float x, float y, float z) {
  return std::fma(x, y, z);
}
inline double __dadd_rn(double x, double y) {
  return x + y;
}
inline double __dmul_rn(double x, double y) {
  return x * y;
}
inline double __fma_rn(double x, double y, double z) {
  return std::fma(x, y, z);
}
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}

template <class A, class B>
requires std::is_arithmetic_v<A> && std::is_arithmetic_v<B>
constexpr auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(std::fmin(static_cast<T>(a), static_cast<T>(b)));
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(a) : static_cast<T>(b);
}
template <class A, class B>
requires std::is_arithmetic_v<A> && std::is_arithmetic_v<B>
constexpr auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(std::fmax(static_cast<T>(a), static_cast<T>(b)));
  return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(b) : static_cast<T>(a);
}

// Atomics. They order nothing.

namespace kindred::simt {

template <class T, class Change>
T AtomicChange(T* p, const Change& change) {
  const std::atomic_ref<T> target(*p);
  T old = target.load(std::memory_order_relaxed);
  while (!target.compare_exchange_weak(old, change(old), std::memory_order_relaxed)) {
  }
  return old;
}

}  // namespace kindred::simt

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*p).fetch_add(value, std::memory_order_relaxed);
}
template <class T>
T atomicSub(T* p, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*p).fetch_sub(value, std::memory_order_relaxed);
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return kindred::simt::AtomicChange(p, [value](T old) { return old < value ? value : old; });
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> value) {
  static_assert(std::is_integral_v<T>);
  return kindred::simt::AtomicChange(p, [value](T old) { return value < old ? value : old; });
}
template <class T>
T atomicOr(T* p, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*p).fetch_or(value, std::memory_order_relaxed);
}
template <class T>
T atomicAnd(T* p, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*p).fetch_and(value, std::memory_order_relaxed);
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> value) {
  return std::atomic_ref<T>(*p).exchange(value, std::memory_order_relaxed);
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  std::atomic_ref<T>(*p).compare_exchange_strong(expected, value, std::memory_order_relaxed);
  return expected;
}

// What device.h itself defines for nvcc.

namespace kindred::cuda {

using StreamHandle = void*;

/// Runs the kernel to its end. Throws kDevice for limits a GPU has, and with a report for a kernel that fails.
template <class... Parameters, class... Arguments>
void Launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t shared_bytes, StreamHandle,
            Arguments&&... arguments) {
  simt::NoteLaunch(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes);
  const auto call = [kernel, ... values = static_cast<Parameters>(arguments)] { kernel(values...); };
  simt::RunGrid(
      grid, block, shared_bytes, [](const void* c) { (*static_cast<decltype(&call)>(c))(); }, &call);
}

inline void MmaBf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], KINDRED_SIMT_HERE) {
  simt::MmaPayload payload = {a, b, d};
  simt::Meet(simt::kMmaBf16, 0xffffffffu, &payload, here);
}

inline void LoadMatrices(uint32_t (&to)[4], const void* row, KINDRED_SIMT_HERE) {
  simt::MatricesPayload payload = {{}, to};
  std::memcpy(payload.row, row, sizeof payload.row);
  simt::Meet(simt::kLoadMatrices, 0xffffffffu, &payload, here);
}
inline void LoadMatricesTransposed(uint32_t (&to)[4], const void* row, KINDRED_SIMT_HERE) {
  simt::MatricesPayload payload = {{}, to};
  std::memcpy(payload.row, row, sizeof payload.row);
  simt::Meet(simt::kLoadMatricesTransposed, 0xffffffffu, &payload, here);
}

inline uint32_t PackBf16(float low, float high) {
  const auto round = [](float x) -> uint32_t {  // to nearest, ties to even
    const uint32_t bits = std::bit_cast<uint32_t>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fff;
    return (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
  };
  return round(low) | round(high) << 16;
}

inline void CopyAsync16(void* shared, const void* global, int bytes = 16, KINDRED_SIMT_HERE) {
  simt::CopyAsync(shared, global, bytes, here);
}
inline void CommitCopies() {
  simt::CommitCopies();
}
template <int kPending>
void WaitForCopies(KINDRED_SIMT_HERE) {
  static_assert(kPending >= 0);
  simt::WaitForCopies(kPending, here);
}

}  // namespace kindred::cuda

#undef KINDRED_SIMT_HERE
