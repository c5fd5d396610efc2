// How well points lie in their clusters: silhouettes (Rousseeuw 1987), from -1 to 1. Three figures go by that name
// elsewhere; here each has its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "host/clustering/points.h"

namespace kindred {

/// Of every point against all others (kernels/clusters.h). Cost: 3 n^2 n_features flops.
std::vector<double> ExactSilhouettes(const ClusteredPoints& points, std::span<const int32_t> labels,
                                     int64_t n_clusters);

/// Of a sample of the points against each other, as sklearn.metrics.silhouette_score(sample_size) has it.
struct SampledSilhouettes {
  std::vector<int64_t> points;      // increasing; all where there are no more than were asked for
  std::vector<double> silhouettes;  // of these
};
/// The sample depends on the seed and the number of points alone. Cost: as above, with n the size of the sample.
SampledSilhouettes SampleSilhouettes(const ClusteredPoints& points, std::span<const int32_t> labels, int64_t n_clusters,
                                     int64_t sample_size, uint64_t seed);

/// By distances to centroids in place of those to points: (b - a) / max(a, b), a to the own one and b to the next;
/// never negative. No cost: it follows from the assignment. (Simplified silhouette: Hruschka, de Castro and Campello
/// 2004.)
std::vector<double> SimplifiedSilhouettes(const Clustering& clustering);

/// NaN of none.
double MeanSilhouette(std::span<const double> values);

}  // namespace kindred
