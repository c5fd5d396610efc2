#include "kernels/cpu/simd.h"
#include "kernels/cpu/simd_clusters.h"
#include "kernels/cpu/simd_codes.h"
#include "kernels/cpu/simd_distances.h"
#include "kernels/cpu/simd_svd.h"

#include <algorithm>

namespace kindred {

namespace simd_baseline {
extern const SimdKernels kKernels;
extern const SimdProducts kProducts;
extern const SimdCodes kCodes;
extern const SimdClusters kClusters;
extern const SimdDistances kDistances;
}  // namespace simd_baseline
#ifdef KINDRED_X86_SIMD
namespace simd_avx2 {
extern const SimdKernels kKernels;
extern const SimdProducts kProducts;
extern const SimdCodes kCodes;
extern const SimdClusters kClusters;
extern const SimdDistances kDistances;
}  // namespace simd_avx2
namespace simd_avx512 {
extern const SimdKernels kKernels;
extern const SimdProducts kProducts;
extern const SimdCodes kCodes;
extern const SimdClusters kClusters;
extern const SimdDistances kDistances;
}  // namespace simd_avx512
#endif

SimdLevel DetectSimdLevel() {
#ifdef KINDRED_X86_SIMD
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    return SimdLevel::kAvx512;
  if (avx2) return SimdLevel::kAvx2;
#endif
  return SimdLevel::kBaseline;
}

const SimdKernels& SimdKernelsOf(SimdLevel level) {
#ifdef KINDRED_X86_SIMD
  if (level == SimdLevel::kAvx512) return simd_avx512::kKernels;
  if (level == SimdLevel::kAvx2) return simd_avx2::kKernels;
#endif
  static_cast<void>(level);
  return simd_baseline::kKernels;
}

const SimdProducts& SimdProductsOf(SimdLevel level) {
#ifdef KINDRED_X86_SIMD
  if (level == SimdLevel::kAvx512) return simd_avx512::kProducts;
  if (level == SimdLevel::kAvx2) return simd_avx2::kProducts;
#endif
  static_cast<void>(level);
  return simd_baseline::kProducts;
}

const SimdDistances& SimdDistancesOf(SimdLevel level) {
#ifdef KINDRED_X86_SIMD
  if (level == SimdLevel::kAvx512) return simd_avx512::kDistances;
  if (level == SimdLevel::kAvx2) return simd_avx2::kDistances;
#endif
  static_cast<void>(level);
  return simd_baseline::kDistances;
}

const SimdCodes& SimdCodesOf(SimdLevel level) {
#ifdef KINDRED_X86_SIMD
  __builtin_cpu_init();
  if (level == SimdLevel::kAvx512 && __builtin_cpu_supports("avx512vnni")) return simd_avx512::kCodes;
  if (level >= SimdLevel::kAvx2) return simd_avx2::kCodes;
#endif
  static_cast<void>(level);
  return simd_baseline::kCodes;
}

const SimdClusters& SimdClustersOf(SimdLevel level) {
#ifdef KINDRED_X86_SIMD
  if (level == SimdLevel::kAvx512) return simd_avx512::kClusters;
  if (level == SimdLevel::kAvx2) return simd_avx2::kClusters;
#endif
  static_cast<void>(level);
  return simd_baseline::kClusters;
}

int64_t PaddedFactors(int64_t n_factors) {
  return (n_factors + 15) / 16 * 16;
}

int64_t PrimalSystemSize(int64_t n_factors) {
  return PaddedFactors(n_factors) * (PaddedFactors(n_factors) + 1);
}

namespace {

// By lanes up to this many entries, and floats of one row's gathered factors: then all lanes fit the second cache.
constexpr int64_t kLaneEntries = 48, kLaneFloats = 8192;
constexpr int64_t kMaxLanes = 16;
constexpr int64_t kMaxGatherRows = 64;  // as in simd_primal.cc

int64_t LanesWorkspace(int64_t n_factors) {
  const int64_t n = std::min((n_factors + 3) / 4 * 4, kLaneEntries), width = PaddedFactors(n_factors);
  const int64_t each = std::min(n * width, kLaneFloats) + n * PaddedFactors(n) + (n + 1) * (n + 2) / 2 + n + width;
  return kMaxLanes * each + width;
}

int64_t DualWorkspace(int64_t n_factors) {
  const int64_t width = PaddedFactors(n_factors);
  return 2 * width * width + 4 * width;
}

int64_t PrimalWorkspace(int64_t n_factors) {
  return PrimalSystemSize(n_factors) + kMaxGatherRows * PaddedFactors(n_factors);
}

}  // namespace

AlsWay FastestWay(int64_t n_entries, int64_t n_factors, bool dual) {
  if (!dual || n_entries > n_factors) return AlsWay::kPrimal;
  if (n_entries > kLaneEntries) return AlsWay::kDual;
  return (n_entries + 3) / 4 * 4 * PaddedFactors(n_factors) <= kLaneFloats ? AlsWay::kLanes : AlsWay::kDual;
}

int64_t AlsWorkspace(int64_t n_factors) {
  return std::max({LanesWorkspace(n_factors), DualWorkspace(n_factors), PrimalWorkspace(n_factors)});
}

// Five vectors and what is gathered, or a number an entry and two vectors, a block's system and what is gathered for
// it.
int64_t ApproximateWorkspace(int64_t n_entries, int64_t n_factors) {
  constexpr int64_t kBlock = 64;  // AlsSolver::kMaxBlockSize
  const int64_t width = PaddedFactors(n_factors);
  const int64_t gradients = 5 * width + std::max(kGatheredFloats, 64 * width);
  const int64_t blocks = (n_entries + 15) / 16 * 16 + 2 * kBlock + kBlock * kBlock + 64 * kBlock;
  return std::max(gradients, blocks);
}

}  // namespace kindred
