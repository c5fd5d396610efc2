#include "host/clustering/silhouette.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/data/random.h"

namespace kindred {

std::vector<double> ExactSilhouettes(const ClusteredPoints& points, std::span<const int32_t> labels,
                                     int64_t n_clusters) {
  Backend& backend = points.backend();
  Context& context = points.context();
  const Resident<int32_t> on_device(backend, points.n_points());
  const Resident<double> silhouettes(backend, points.n_points());
  on_device.Upload(backend, context, labels);
  backend.SilhouetteOfClusters(context, {&points.resident(), on_device.view(), n_clusters, silhouettes.view()});
  std::vector<double> found(labels.size());
  silhouettes.Download(backend, context, std::span<double>(found));
  context.Wait();
  return found;
}

SampledSilhouettes SampleSilhouettes(const ClusteredPoints& points, std::span<const int32_t> labels, int64_t n_clusters,
                                     int64_t sample_size, uint64_t seed) {
  SampledSilhouettes sample;
  sample.points.resize(labels.size());
  std::iota(sample.points.begin(), sample.points.end(), int64_t{0});
  if (sample_size < std::ssize(labels)) {
    const auto key = [&](int64_t p) { return RandomBits(seed, static_cast<uint64_t>(p)); };
    std::ranges::nth_element(sample.points, sample.points.begin() + sample_size, {}, key);
    sample.points.resize(static_cast<size_t>(sample_size));
    std::ranges::sort(sample.points);
  }
  std::vector<float> rows;
  std::vector<int32_t> own;
  for (int64_t p : sample.points) {
    rows.insert(rows.end(), points.host().row(p).begin(), points.host().row(p).end());
    own.push_back(labels[static_cast<size_t>(p)]);
  }
  const ClusteredPoints some(points.backend(), {rows.data(), std::ssize(own), points.n_features()});
  sample.silhouettes = ExactSilhouettes(some, own, n_clusters);
  return sample;
}

std::vector<double> SimplifiedSilhouettes(const Clustering& clustering) {
  std::vector<double> found;
  for (size_t p = 0; p < clustering.labels.size(); ++p) {
    const double a = std::sqrt(clustering.distances[p]), b = std::sqrt(clustering.next_distances[p]);
    found.push_back(b == 0 || std::isinf(b) ? 0 : (b - a) / std::max(a, b));
  }
  return found;
}

double MeanSilhouette(std::span<const double> values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace kindred
