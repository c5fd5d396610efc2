// The instruction sets that this machine has, for tests of what is compiled once for each.
#pragma once

#include <vector>

#include "kernels/cpu/simd.h"

namespace kindred {

inline std::vector<SimdLevel> SimdLevels() {
  std::vector<SimdLevel> levels;
  for (const SimdLevel level : {SimdLevel::kBaseline, SimdLevel::kAvx2, SimdLevel::kAvx512})
    if (level <= DetectSimdLevel()) levels.push_back(level);
  return levels;
}

}  // namespace kindred
