// Rows of an ALS half-step in the primal. See simd.h: compiled once for each instruction set.
#include "kernels/cpu/simd_als.h"

namespace kindred::KINDRED_SIMD_NAMESPACE {
namespace {

constexpr int64_t kGatherFloats = 8192;  // gathered at a time, and multiplied out of the first cache
constexpr int64_t kMaxGatherRows = 64;

int64_t GatherRows(int64_t width) {
  const int64_t rows = kGatherFloats / width;
  return rows < 16 ? 16 : rows > kMaxGatherRows ? kMaxGatherRows : rows;
}

// Rows of `gathered`: those of Y of kEntries entries, times w^1/2; and b y of each added to `right`, sum b^2/w to
// `constant`.
template <int kEntries>
void GatherEntries(const FixedSide& fixed, const AlsRow& row, int64_t begin, int64_t width, float* gathered,
                   float* right, double& constant) {
  const int64_t f = fixed.n_factors;
  const float* from[kEntries];
  float roots[kEntries], targets[kEntries];
  for (int e = 0; e < kEntries; ++e) {
    const float weight = row.weights[begin + e];
    from[e] = fixed.rows + static_cast<int64_t>(row.indices[begin + e]) * f;
    roots[e] = __builtin_sqrtf(weight);
    targets[e] = row.targets[begin + e];
    if (weight > 0) constant += static_cast<double>(targets[e]) * targets[e] / weight;
  }
  int64_t k = 0;
  for (; k + kLanes <= f; k += kLanes) {
    Vec sum = Load(right + k);
#pragma GCC unroll 4
    for (int e = 0; e < kEntries; ++e) {
      const Vec y = Load(from[e] + k);
      Store(gathered + e * width + k, y * Splat(roots[e]));
      sum += y * Splat(targets[e]);
    }
    Store(right + k, sum);
  }
  for (; k < f; ++k)
    for (int e = 0; e < kEntries; ++e) {
      gathered[e * width + k] = from[e][k] * roots[e];
      right[k] += from[e][k] * targets[e];
    }
  for (; k < width; ++k)
    for (int e = 0; e < kEntries; ++e) gathered[e * width + k] = 0;
}

void SetTriangleZero(float* system, int64_t width) {
  for (int64_t i = 0; i < width; ++i)
    for (int64_t k = i / kLanes * kLanes; k < width; k += kLanes) Store(system + i * width + k, Vec{});
  for (int64_t k = 0; k < width; k += kLanes) Store(system + width * width + k, Vec{});
}

}  // namespace

double GatherPrimal(const FixedSide& fixed, const AlsRow& part, float* system, float* workspace) {
  const int64_t width = RoundUp(fixed.n_factors, 16), step = GatherRows(width), n = part.n_entries;
  float* right = system + width * width;
  SetTriangleZero(system, width);
  double constant = 0;
  for (int64_t begin = 0; begin < n; begin += step) {
    const int64_t end = begin + step < n ? begin + step : n;
    const int64_t n_next = (end + step < n ? end + step : n) - end;
    int64_t e = begin;
    for (; e + 4 <= end; e += 4)
      GatherEntries<4>(fixed, part, e, width, workspace + (e - begin) * width, right, constant);
    for (; e < end; ++e) GatherEntries<1>(fixed, part, e, width, workspace + (e - begin) * width, right, constant);
    for (int64_t i = 0; i < width; i += kUpdateRows) {
      Prefetch(fixed, part.indices, end + n_next * i / width, end + n_next * (i + kUpdateRows) / width);
      RankUpdateRows(workspace, end - begin, width, i, system);
    }
  }
  return constant;
}

void SolveGathered(const FixedSide& fixed, AlsRow& row, float* system, double constant, float* workspace) {
  const int64_t f = fixed.n_factors, width = RoundUp(f, 16);
  float* right = system + width * width;
  for (int64_t k = 0; k < f; ++k) system[k * width + k] += row.diagonal[k];
  row.solved = false;
  if (!SolvePositive(system, f, width, __builtin_sqrtf(static_cast<float>(f)) * kRounding, right, workspace)) return;
  double gain = 0;  // x . sum b y = |Ut^-1 sum b y|^2
  for (int64_t k = 0; k < f; ++k) gain += static_cast<double>(right[k]) * right[k];
  row.loss = constant - gain;
  WriteSolution(workspace, nullptr, f, row);
}

void SolvePrimal(const FixedSide& fixed, AlsRow* rows, int64_t n_rows, float* workspace) {
  float* gathered = workspace + PrimalSystemSize(fixed.n_factors);
  for (int64_t r = 0; r < n_rows; ++r) {
    const double constant = GatherPrimal(fixed, rows[r], workspace, gathered);
    SolveGathered(fixed, rows[r], workspace, constant, gathered);
  }
}

}  // namespace kindred::KINDRED_SIMD_NAMESPACE
