#include "host/clustering/points.h"

namespace kindred {

ClusteredPoints::ClusteredPoints(Backend& backend, HostMatrix<const float> points)
    : backend_(backend),
      context_(backend.NewContext()),
      host_(points),
      values_(Resident<float>::Import(backend, points, nullptr)),
      points_(backend.NewClusterPoints(*context_, values_.matrix())) {
  context_->Wait();
}

Clustering AssignToCentroids(const ClusteredPoints& points, std::span<const float> centroids) {
  Backend& backend = points.backend();
  Context& context = points.context();
  const int64_t n = points.n_points();
  const Resident<float> rows(backend, std::ssize(centroids) / points.n_features(), points.n_features());
  const Resident<int32_t> labels(backend, n);
  const Resident<double> distances(backend, n), next(backend, n), inertia(backend, 1);
  rows.Upload(backend, context, centroids);
  backend.AssignClusters(
      context, {&points.resident(), rows.matrix(), labels.view(), distances.view(), next.view(), inertia.view()});
  Clustering found;
  found.labels.resize(static_cast<size_t>(n));
  found.distances.resize(static_cast<size_t>(n));
  found.next_distances.resize(static_cast<size_t>(n));
  labels.Download(backend, context, std::span<int32_t>(found.labels));
  distances.Download(backend, context, std::span<double>(found.distances));
  next.Download(backend, context, std::span<double>(found.next_distances));
  inertia.Download(backend, context, std::span<double>(&found.inertia, 1));
  context.Wait();
  return found;
}

double InertiaOf(const ClusteredPoints& points, std::span<const float> centroids) {
  Backend& backend = points.backend();
  Context& context = points.context();
  const Resident<float> rows(backend, std::ssize(centroids) / points.n_features(), points.n_features());
  const Resident<double> inertia(backend, 1);
  rows.Upload(backend, context, centroids);
  backend.AssignClusters(context, {&points.resident(), rows.matrix(), {}, {}, {}, inertia.view()});
  double found = 0;
  inertia.Download(backend, context, std::span<double>(&found, 1));
  context.Wait();
  return found;
}

std::vector<int64_t> ClusterSizes(std::span<const int32_t> labels, int64_t n_clusters) {
  std::vector<int64_t> sizes(static_cast<size_t>(n_clusters));
  for (int32_t label : labels)
    if (label >= 0) ++sizes[static_cast<size_t>(label)];
  return sizes;
}

}  // namespace kindred
