#include "host/clustering/k_means.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/clustering/cluster_seeds.h"

namespace kindred {
namespace {

struct Run {
  int32_t n_asked = 0;
  int64_t restart = 0;
  int64_t k = 0;
  std::vector<float> centroids;
  int64_t n_iterations = 0;
  bool converged = false;
};

void Check(const ClusteredPoints& points, const KMeansOptions& options) {
  const auto require = [](bool holds, const char* message) {
    if (!holds) throw Error(ErrorCode::kInvalidArgument, std::string("K-Means: ") + message);
  };
  require(points.n_points() > 0, "there are no points");
  require(!options.n_clusters.empty() && options.n_clusters[0] > 0 &&
              std::ranges::adjacent_find(options.n_clusters, std::greater_equal()) == options.n_clusters.end(),
          "the numbers of clusters do not ascend from 1 or more");
  require(options.restarts > 0, "no restart");
  require(options.max_iterations > 0, "no iteration");
  require(options.tolerance >= 0, "the tolerance is negative or not a number");
  require(options.n_trials >= 0 && options.n_trials <= 16, "not 0 to 16 trials");
  require(options.n_rounds > 0, "no round");
}

/// The squared way of centroids at which a run may end.
double LeastShift(HostMatrix<const float> points, double tolerance) {
  if (tolerance == 0) return 0;
  double total = 0;
  for (int64_t j = 0; j < points.n_cols; ++j) {
    double sum = 0, squares = 0;
    for (int64_t p = 0; p < points.n_rows; ++p) sum += points.row(p)[static_cast<size_t>(j)];
    const double mean = sum / static_cast<double>(points.n_rows);
    for (int64_t p = 0; p < points.n_rows; ++p) {
      const double way = points.row(p)[static_cast<size_t>(j)] - mean;
      squares += way * way;
    }
    total += squares / static_cast<double>(points.n_rows);
  }
  return tolerance * total / static_cast<double>(points.n_cols);
}

/// Steps of some runs together, until each has ended.
void Lloyd(const ClusteredPoints& points, std::span<Run> runs, const KMeansOptions& options, double least_shift,
           const std::function<void(int64_t n_ended)>& progress) {
  Backend& backend = points.backend();
  Context& context = points.context();
  std::vector<int32_t> n_clusters, active;
  std::vector<float> centroids;
  for (const Run& run : runs) {
    active.push_back(static_cast<int32_t>(n_clusters.size()));
    n_clusters.push_back(static_cast<int32_t>(run.k));
    centroids.insert(centroids.end(), run.centroids.begin(), run.centroids.end());
  }
  const auto state = backend.NewClusterRuns(context, points.resident(), n_clusters);
  const Resident<float> rows(backend, state->n_centroids(), points.n_features());
  const Resident<int64_t> n_changed(backend, std::ssize(runs));
  const Resident<double> shift(backend, std::ssize(runs));
  std::vector<int64_t> changed(runs.size());
  std::vector<double> shifted(runs.size());
  rows.Upload(backend, context, centroids);
  while (!active.empty()) {
    backend.StepClusters(context, {state.get(), active, rows.matrix(), n_changed.view(), shift.view()});
    n_changed.Download(backend, context, std::span<int64_t>(changed));
    shift.Download(backend, context, std::span<double>(shifted));
    context.Wait();
    std::erase_if(active, [&](int32_t r) {
      Run& run = runs[static_cast<size_t>(r)];
      ++run.n_iterations;
      run.converged = changed[static_cast<size_t>(r)] == 0 || shifted[static_cast<size_t>(r)] <= least_shift;
      return run.converged || run.n_iterations == options.max_iterations;
    });
    progress(std::ssize(runs) - std::ssize(active));
  }
  rows.Download(backend, context, std::span<float>(centroids));
  context.Wait();
  const float* from = centroids.data();
  for (Run& run : runs) {
    std::copy_n(from, run.centroids.size(), run.centroids.data());
    from += run.centroids.size();
  }
}

/// As it is at the end, without the clusters that no point belongs to.
KMeansFit FitOf(const ClusteredPoints& points, const Run& run) {
  KMeansFit fit = {run.n_asked, {}, 0, run.n_iterations, run.converged, run.restart};
  const Clustering clustering = AssignToCentroids(points, run.centroids);
  fit.inertia = clustering.inertia;
  const std::vector<int64_t> sizes = ClusterSizes(clustering.labels, run.k);
  for (int64_t c = 0; c < run.k; ++c)
    if (sizes[static_cast<size_t>(c)] > 0)
      fit.centroids.insert(fit.centroids.end(), run.centroids.begin() + c * points.n_features(),
                           run.centroids.begin() + (c + 1) * points.n_features());
  return fit;
}

}  // namespace

std::vector<KMeansFit> FitKMeans(const ClusteredPoints& points, const KMeansOptions& options) {
  Check(points, options);
  const double least_shift = LeastShift(points.host(), options.tolerance);
  std::vector<Run> runs;
  const std::vector<std::vector<int32_t>> seeds = SeedKMeans(points, options);
  for (int32_t k : options.n_clusters)
    for (int64_t r = 0; r < options.restarts; ++r) {
      const std::vector<int32_t>& own = seeds[static_cast<size_t>(r)];
      Run run = {k, r, std::min<int64_t>(k, std::ssize(own)), {}};
      for (int64_t c = 0; c < run.k; ++c) {
        const auto row = points.host().row(own[static_cast<size_t>(c)]);
        run.centroids.insert(run.centroids.end(), row.begin(), row.end());
      }
      runs.push_back(std::move(run));
    }
  const int64_t n_runs = std::ssize(runs);
  const int64_t party = std::max<int64_t>(1, options.most_run_bytes / (12 * points.n_points()));
  for (int64_t first = 0; first < n_runs; first += party)
    Lloyd(
        points,
        std::span<Run>(runs).subspan(static_cast<size_t>(first), static_cast<size_t>(std::min(party, n_runs - first))),
        options, least_shift, [&](int64_t n_ended) {
          if (options.progress) options.progress(first + n_ended, n_runs);
        });
  std::vector<KMeansFit> fits;
  for (int64_t first = 0; first < n_runs; first += options.restarts) {
    const auto restarts =
        std::span<const Run>(runs).subspan(static_cast<size_t>(first), static_cast<size_t>(options.restarts));
    std::vector<double> inertias;
    for (const Run& run : restarts) inertias.push_back(InertiaOf(points, run.centroids));
    fits.push_back(FitOf(points, restarts[static_cast<size_t>(std::ranges::min_element(inertias) - inertias.begin())]));
  }
  return fits;
}

KMeansFit FitKMeansFrom(const ClusteredPoints& points, std::span<const float> centroids, const KMeansOptions& options) {
  Check(points, options);
  const int64_t k = std::ssize(centroids) / points.n_features();
  std::vector<Run> runs = {{static_cast<int32_t>(k), 0, k, {centroids.begin(), centroids.end()}}};
  Lloyd(points, runs, options, LeastShift(points.host(), options.tolerance), [&](int64_t n_ended) {
    if (options.progress) options.progress(n_ended, 1);
  });
  return FitOf(points, runs[0]);
}

MiniBatchKMeans::MiniBatchKMeans(std::vector<float> centroids, int64_t n_features)
    : n_features_(n_features),
      means_(centroids.begin(), centroids.end()),
      counts_(centroids.size() / static_cast<size_t>(n_features)) {}

double MiniBatchKMeans::Take(const ClusteredPoints& batch) {
  const Clustering found = AssignToCentroids(batch, centroids());
  for (int64_t p = 0; p < batch.n_points(); ++p) {
    const auto c = static_cast<size_t>(found.labels[static_cast<size_t>(p)]);
    const double rate = 1 / static_cast<double>(++counts_[c]);
    const auto x = batch.host().row(p);
    double* mean = means_.data() + static_cast<int64_t>(c) * n_features_;
    for (size_t j = 0; j < x.size(); ++j) mean[j] += rate * (x[j] - mean[j]);
  }
  return found.inertia;
}

std::vector<float> MiniBatchKMeans::centroids() const {
  return {means_.begin(), means_.end()};
}

}  // namespace kindred
