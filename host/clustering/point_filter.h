// Points rounded to float32, to rule out those that are too far from another before exact distances are taken.
//
// With x' the point x rounded, |x' - y'| differs from |x - y| by at most e = 2^-24 (|x'| + |y'|) and what the double
// differences are off, so that |x' - y'|^2 <= (1 + l) |x - y|^2 + (1 + 1/l) e^2 for any l > 0; its sum in float32 is
// off by a part of at most (n_features + 2) 2^-24. With l = 2^-11, factors of two to spare, and 10^-30 for what is lost
// to underflow, nothing is ruled out that might be near. Points are taken relative to a centre and scaled to at most 1,
// so that an offset common to all, or very large and small values, do no harm but to themselves.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/clustering/linkage_steps.h"
#include "kernels/cpu/simd_distances.h"

namespace kindred {

class PointFilter {
 public:
  /// Slots for all the points, in order, with factors of 0; the centre is the median of each feature.
  explicit PointFilter(const WeightedPoints& points);

  /// A point within the range of those that there were.
  void Put(int64_t slot, const double* point);
  /// Above 2^-126, or 0.
  void SetFactor(int64_t slot, double factor) { Factor(slot) = static_cast<float>(factor); }
  void Move(int64_t from, int64_t to);

  struct Query {
    std::vector<float> point;
    float slack = 0;
  };
  Query MakeQuery(int64_t slot) const;

  /// Bit p of near[b]: slot p of block first + b may be at a distance whose square, times squared_scale(), is at most
  /// constant + factor * the slot's factor; it is set wherever that is so. Bits of slots that hold no point say
  /// nothing. Cost: n_features operations a slot at most, less where it is far.
  void FindNear(const Query& query, int64_t first, int64_t n_blocks, double constant, double factor,
                uint64_t* near) const;
  double squared_scale() const { return scale_ * scale_; }

  /// Slots that one thread takes at once, a multiple of kBlockPoints.
  int64_t slots_per_task() const;

 private:
  struct alignas(64) Line {
    float values[16];
  };

  static float* Floats(const std::vector<Line>& lines) { return const_cast<float*>(lines.data()->values); }
  float* BlockAt(int64_t block) const { return Floats(blocks_) + block * n_features_ * kBlockPoints; }
  float& At(int64_t slot, int64_t feature) const {
    return BlockAt(slot / kBlockPoints)[feature * kBlockPoints + slot % kBlockPoints];
  }
  float& Factor(int64_t slot) const { return Floats(factors_)[slot]; }
  float& Slack(int64_t slot) const { return Floats(slacks_)[slot]; }

  const SimdDistances& simd_;
  int64_t n_features_;
  std::vector<double> centre_;
  double scale_ = 1;  // a power of two
  std::vector<Line> blocks_, factors_, slacks_;
};

}  // namespace kindred
