// Rows of the ALS half-step by the approximate methods of AlsSolver (kernels/backend.h).
#pragma once

#include <span>

#include "kernels/cpu/backend.h"

namespace kindred {

/// Whether the step's solver leaves rows of so many entries to an approximate method.
bool IsApproximate(const AlsHalfStep& step, int64_t n_entries);

/// Floats of workspace for rows of at most so many entries.
int64_t ApproximateStepWorkspace(int64_t n_entries, int64_t n_factors);

/// Row `r` of the step, whose entries are given. False where its numbers do not stay finite, or a block is lost to
/// rounding: the row of `solved` is then of no use.
bool SolveApproximately(const AlsHalfStep& step, int64_t r, std::span<const int32_t> indices,
                        std::span<const float> weights, std::span<const float> targets, const SimdKernels& simd,
                        float* workspace, double* loss);

}  // namespace kindred
