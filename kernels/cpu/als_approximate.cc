// What the loops of simd_approximate.cc are given: D, and the x that a row starts from.
#include "kernels/cpu/als_approximate.h"

#include <algorithm>

namespace kindred {
namespace {

int64_t DiagonalFloats(int64_t n_factors) {
  return (n_factors + 15) / 16 * 16;
}

}  // namespace

bool IsApproximate(const AlsHalfStep& step, int64_t n_entries) {
  return n_entries > step.solver.MaxExactEntries(step.fixed.n_cols);
}

int64_t ApproximateStepWorkspace(int64_t n_entries, int64_t n_factors) {
  return DiagonalFloats(n_factors) + ApproximateWorkspace(n_entries, n_factors);
}

bool SolveApproximately(const AlsHalfStep& step, int64_t r, std::span<const int32_t> indices,
                        std::span<const float> weights, std::span<const float> targets, const SimdKernels& simd,
                        float* workspace, double* loss) {
  const int64_t f = step.fixed.n_cols;
  const AlsSolver& solver = step.solver;
  float* const x = step.solved.data + r * f;
  if (!solver.warm) std::fill(x, x + f, 0.0f);
  for (int64_t k = 0; k < f; ++k)
    workspace[k] = step.unobserved_weight * step.eigenvalues.data[k] + step.regularization.data[r];
  ApproximateRow row = {step.fixed.data,
                        f,
                        indices.data(),
                        weights.data(),
                        targets.data(),
                        static_cast<int64_t>(indices.size()),
                        workspace,
                        workspace + DiagonalFloats(f),
                        x,
                        0};
  const bool solved = solver.method == AlsMethod::kBlocks ? simd.sweep_blocks(row, solver.n_steps, solver.block_size)
                                                          : simd.step_gradients(row, solver.n_steps);
  *loss = row.loss;
  return solved;
}

}  // namespace kindred
