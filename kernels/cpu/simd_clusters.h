// The inner loops of clustering, compiled once for each instruction set like simd.h.
//
// Points come in panels of kPanelWidth, feature by feature: feature j of point p at [j * kPanelWidth + p].
#pragma once

#include <cstdint>

#include "kernels/cpu/simd.h"

namespace kindred {

struct SimdClusters {
  /// Of starts[c] + x . centroids[c] over n_centroids, in float32: each point's largest, the first that has it, and the
  /// largest of the others (-inf where there are none). Outputs: kPanelWidth each.
  void (*nearest_two)(const float* panel, int64_t n_features, const float* centroids, int64_t n_centroids,
                      const float* starts, float* best, float* second, int32_t* index);
  /// Of what nearest_two found for a panel: bit p where best - second is not above e = error_of_norm * norms[p] +
  /// error_0, or e not below kLargestError, or the index is not the label.
  uint64_t (*unsettled)(const float* best, const float* second, const int32_t* index, const float* norms,
                        const int32_t* labels, float error_of_norm, float error_0);
  /// products[c * kPanelWidth + p] = x_p . centroids[c] in double, in increasing feature.
  void (*products_in_double)(const float* panel, int64_t n_features, const float* centroids, int64_t n_centroids,
                             double* products);
  /// Of squared[c] - 2 x . centroids[c] in double: each point's least, the first that has it, and the least of the
  /// others (inf where there are none). Outputs: kPanelWidth each.
  void (*nearest_in_double)(const float* panel, int64_t n_features, const float* centroids, int64_t n_centroids,
                            const double* squared, double* least, double* next, int32_t* index);
  /// sums[r] += the distances of rows[r] to the first n_points of the panel, n_rows of at most kSilhouetteRows.
  void (*add_distances)(const float* panel, int64_t n_features, int64_t n_points, const float* const* rows,
                        int64_t n_rows, double* sums);
  float (*dot)(const float* a, const float* b, int64_t n);
  /// What a centre does to the first n_points of a panel, of x.x, x.c and the least distances^2 yet.
  /// lower_distances: these become the less of themselves and the distance^2 to the centre; returns their largest.
  /// weight_left: the sum of the weights (kernels/clusters.h) that would be left; nothing changes.
  double (*lower_distances)(const double* squared, const double* products, double centre_squared, int64_t n_points,
                            double* nearest);
  uint64_t (*weight_left)(const double* squared, const double* products, double centre_squared, int64_t n_points,
                          const double* nearest, double scale);
  uint64_t (*weight)(const double* nearest, int64_t n_points, double scale);
  /// The whole numbers of a point, n_features of them.
  void (*whole_numbers)(const float* x, const double* scales, int64_t n_features, int64_t* whole);
};

inline constexpr int64_t kSilhouetteRows = 4;
/// Sums whose error may be larger may have left float32.
inline constexpr float kLargestError = 1e30f;

const SimdClusters& SimdClustersOf(SimdLevel level);

}  // namespace kindred
