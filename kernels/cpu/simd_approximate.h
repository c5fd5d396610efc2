// The loops of simd_approximate.cc, of the instruction set that a file is being compiled for.
#pragma once

#include "kernels/cpu/simd.h"
#include "kernels/cpu/simd_vector.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {

bool StepGradients(ApproximateRow& row, int64_t n_steps);
bool SweepBlocks(ApproximateRow& row, int64_t n_sweeps, int64_t block_size);

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
