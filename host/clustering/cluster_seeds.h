// Where runs of K-Means begin.
#pragma once

#include <cstdint>
#include <vector>

#include "host/clustering/k_means.h"

namespace kindred {

/// For each restart the points that are its seeds, options.n_clusters.back() of them or as many as differ.
std::vector<std::vector<int32_t>> SeedKMeans(const ClusteredPoints& points, const KMeansOptions& options);

}  // namespace kindred
