// Segments too small to be of use, merged into the nearest.
//
// While more than one segment is left and the smallest has less than min_size users or less than min_share of all:
// the smallest (of equals the first) joins the segment whose centroid is nearest to its own in normalized space (of
// equals the first), and the centroid of both becomes their mean, weighted by users. One without users is always too
// small. So the result does not depend on which of several small ones is looked at first.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/views.h"

namespace kindred {

struct MergedSegment {
  int32_t index = 0;    // among the segments before
  int64_t size = 0;     // when it was merged: with what had joined it
  int32_t into = 0;     // among the segments after
  double distance = 0;  // between the two centroids then
};

struct SmallSegmentsMerged {
  std::vector<int32_t> labels;   // [n_users] of the segments left, which keep their order; -1 stays
  std::vector<float> centroids;  // [n_segments x n_features]
  int64_t n_segments = 0;
  std::vector<MergedSegment> merged;  // in the order it was done
};

/// Labels are 0 .. centroids.n_rows - 1, or -1 for users in none, who count nowhere. Throws kInvalidArgument for
/// others, for a share outside [0, 1] and for a negative size.
SmallSegmentsMerged MergeSmallSegments(std::span<const int32_t> labels, HostMatrix<const float> centroids,
                                       int64_t min_size, double min_share);

}  // namespace kindred
