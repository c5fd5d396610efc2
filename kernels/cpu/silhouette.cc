// Silhouettes: points in the order of their clusters, some against all, a cluster's panels one after the other.
#include <algorithm>
#include <limits>
#include <numeric>

#include "kernels/cpu/clusters.h"
#include "kernels/require.h"

namespace kindred {
namespace {

constexpr int64_t kRows = 16 * kSilhouetteRows;  // of a task: a panel is read once for all of them

// Members of clusters, one cluster after the other, and as panels, none of which has points of two clusters.
struct SortedPoints {
  std::vector<int64_t> order;
  std::vector<int64_t> sizes;  // of the clusters
  std::vector<float> panels;

  SortedPoints(const CpuClusterPoints& points, std::span<const int32_t> labels, int64_t n_clusters)
      : sizes(static_cast<size_t>(n_clusters)) {
    const auto is_member = [&](int64_t p) {
      const int32_t label = labels[static_cast<size_t>(p)];
      return label >= 0 && label < n_clusters;
    };
    for (int64_t p = 0; p < points.n_points(); ++p)
      if (is_member(p)) ++sizes[static_cast<size_t>(labels[static_cast<size_t>(p)])];
    std::vector<int64_t> next(sizes.size());
    std::exclusive_scan(sizes.begin(), sizes.end(), next.begin(), int64_t{0});
    order.resize(static_cast<size_t>(std::accumulate(sizes.begin(), sizes.end(), int64_t{0})));
    for (int64_t p = 0; p < points.n_points(); ++p)
      if (is_member(p)) order[static_cast<size_t>(next[static_cast<size_t>(labels[static_cast<size_t>(p)])]++)] = p;

    const int64_t panel_size = kPanelWidth * points.n_features();
    int64_t n_panels = 0, first = 0;
    for (int64_t size : sizes) n_panels += CountPanels(size);
    panels.resize(static_cast<size_t>(n_panels * panel_size));
    float* panel = panels.data();
    for (int64_t size : sizes)
      for (int64_t left = size; left > 0; left -= kPanelWidth, panel += panel_size) {
        const int64_t n = std::min(left, kPanelWidth);
        points.Gather(std::span<const int64_t>(order).subspan(static_cast<size_t>(first), static_cast<size_t>(n)),
                      panel);
        first += n;
      }
  }
};

double SilhouetteOf(double within, double least) {
  if (within < 0 || least == std::numeric_limits<double>::infinity() || std::max(within, least) == 0) return 0;
  return (least - within) / std::max(within, least);
}

}  // namespace

void CpuBackend::SilhouetteOfClusters(Context& context, const ClusterSilhouette& silhouette) {
  RequireClusterSilhouette(silhouette);
  auto& cpu = static_cast<CpuContext&>(context);
  const auto& points = static_cast<const CpuClusterPoints&>(*silhouette.points);
  const int64_t d = points.n_features(), k = silhouette.n_clusters;
  const std::span<const int32_t> labels(silhouette.labels.data, static_cast<size_t>(silhouette.labels.size));
  const SortedPoints sorted(points, labels, k);
  std::fill_n(silhouette.silhouettes.data, silhouette.silhouettes.size, 0.0);
  const int64_t n = std::ssize(sorted.order);
  cpu.Run((n + kRows - 1) / kRows, [&](int64_t task, int) {
    const int64_t begin = task * kRows, n_rows = std::min(n - begin, kRows);
    const int64_t* members = sorted.order.data() + begin;
    const float* rows[kRows];
    double within[kRows], least[kRows];  // mean distances: to the others of the cluster (-1: none); to another one
    std::fill_n(least, kRows, std::numeric_limits<double>::infinity());
    for (int64_t r = 0; r < n_rows; ++r) rows[r] = points.row(members[r]);
    const float* panel = sorted.panels.data();
    for (int64_t c = 0; c < k; ++c) {
      const int64_t size = sorted.sizes[static_cast<size_t>(c)];
      double sums[kRows] = {};
      for (int64_t left = size; left > 0; left -= kPanelWidth, panel += kPanelWidth * d)
        for (int64_t r = 0; r < n_rows; r += kSilhouetteRows)
          clusters_.add_distances(panel, d, std::min(left, kPanelWidth), rows + r,
                                  std::min(kSilhouetteRows, n_rows - r), sums + r);
      for (int64_t r = 0; size > 0 && r < n_rows; ++r) {
        if (labels[static_cast<size_t>(members[r])] == c)
          within[r] = size > 1 ? sums[r] / static_cast<double>(size - 1) : -1;
        else
          least[r] = std::min(least[r], sums[r] / static_cast<double>(size));
      }
    }
    for (int64_t r = 0; r < n_rows; ++r) silhouette.silhouettes.data[members[r]] = SilhouetteOf(within[r], least[r]);
  });
}

}  // namespace kindred
