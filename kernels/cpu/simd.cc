// See simd.h: compiled once for each instruction set.
#include "kernels/cpu/simd_als.h"
#include "kernels/cpu/simd_approximate.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {

extern const SimdKernels kKernels;
const SimdKernels kKernels = {KINDRED_SIMD_NAME, kLanes,       SolveLanesOfRows, SolveDual,
                              SolvePrimal,       GatherPrimal, SolveGathered,    StepGradients,
                              SweepBlocks,       RankUpdate,   MultiplyPanels,   SubtractPanels};

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
