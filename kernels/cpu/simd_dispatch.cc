#include "kernels/cpu/simd.h"

namespace kindred {

namespace simd_baseline {
extern const SimdKernels kKernels;
}
#ifdef KINDRED_X86_SIMD
namespace simd_avx2 {
extern const SimdKernels kKernels;
}
namespace simd_avx512 {
extern const SimdKernels kKernels;
}
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

namespace {

int64_t Rounded(int64_t n) {
  return (n + 15) / 16 * 16;
}

}  // namespace

int64_t DualWorkspace(int64_t n_entries, int64_t n_factors) {
  const int64_t rows = (n_entries + 3) / 4 * 4;
  return rows * Rounded(n_factors) + rows * Rounded(n_entries + 1) + Rounded(n_entries) + 2 * Rounded(n_factors);
}

int64_t PrimalWorkspace(int64_t n_factors) {
  const int64_t width = Rounded(n_factors + 1);
  return width * width + 64 * width;
}

}  // namespace kindred
