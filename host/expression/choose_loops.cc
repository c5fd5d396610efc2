#include "host/expression/loops.h"
#include "kernels/cpu/simd.h"

namespace kindred {

namespace loops_baseline {
extern const Loops kLoops;
}
#ifdef KINDRED_X86_SIMD
namespace loops_avx2 {
extern const Loops kLoops;
}
namespace loops_avx512 {
extern const Loops kLoops;
}
#endif

const Loops& ChooseLoops() {
#ifdef KINDRED_X86_SIMD
  static const SimdLevel level = DetectSimdLevel();
  if (level == SimdLevel::kAvx512) return loops_avx512::kLoops;
  if (level == SimdLevel::kAvx2) return loops_avx2::kLoops;
#endif
  return loops_baseline::kLoops;
}

}  // namespace kindred
