// Points on a backend, for everything that clusters them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/backend.h"

namespace kindred {

/// Resident on a backend, with a queue of their own: for one thread at a time. The host's points must outlive it.
class ClusteredPoints {
 public:
  /// Throws kNumeric naming the row of a point that is not finite; kOutOfMemory.
  ClusteredPoints(Backend& backend, HostMatrix<const float> points);

  Backend& backend() const { return backend_; }
  Context& context() const { return *context_; }
  HostMatrix<const float> host() const { return host_; }
  const ClusterPoints& resident() const { return *points_; }
  int64_t n_points() const { return host_.n_rows; }
  int64_t n_features() const { return host_.n_cols; }

 private:
  Backend& backend_;
  std::unique_ptr<Context> context_;
  HostMatrix<const float> host_;
  Resident<float> values_;
  std::unique_ptr<ClusterPoints> points_;
};

/// Which centroid each point belongs to, and how far it is: as kernels/clusters.h defines it.
struct Clustering {
  std::vector<int32_t> labels;         // [n_points]
  std::vector<double> distances;       // [n_points] squared, to the own centroid
  std::vector<double> next_distances;  // [n_points] squared, to the next; infinite for one centroid
  double inertia = 0;                  // the sum of `distances`
};

/// `centroids` [k x n_features], k > 0. Cost: 2 n k n_features flops.
Clustering AssignToCentroids(const ClusteredPoints& points, std::span<const float> centroids);

/// The inertia alone, of which nothing else is brought to the host.
double InertiaOf(const ClusteredPoints& points, std::span<const float> centroids);

/// Points of each cluster.
std::vector<int64_t> ClusterSizes(std::span<const int32_t> labels, int64_t n_clusters);

}  // namespace kindred
