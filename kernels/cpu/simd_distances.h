// Squared distances of points to a block of points, compiled once for each instruction set like simd.h.
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"

namespace kindred {

/// Points of a block, which is [n_features x kBlockPoints]: point p has its feature f at f * kBlockPoints + p.
inline constexpr int64_t kBlockPoints = 64;

/// What a squared distance is held against: the limit of point p is constant + factor * factors[p] + slacks[p].
struct DistanceLimits {
  float constant;
  float factor;
  const float* factors;
  const float* slacks;
};

struct SimdDistances {
  /// Bit p of near[b]: not (the squared distance of `query` and point p of block b > the point's limit), where the
  /// distance is a sum in float32 of which a part may do. Blocks, factors and slacks are 64-byte aligned.
  void (*find_near)(const float* blocks, int64_t n_blocks, int64_t n_features, const float* query,
                    const DistanceLimits& limits, uint64_t* near);
  /// squares[q * kBlockPoints + p] = the squared distance of query q and point p, in double in increasing feature. The
  /// block is 64-byte aligned.
  void (*square_distances)(const double* block, int64_t n_features, const double* const* queries, int64_t n_queries,
                           double* squares);
};

const SimdDistances& SimdDistancesOf(SimdLevel level);

}  // namespace kindred
