// K-Means: the centroids that make the inertia, the sum of squared distances of points to their centroid, small.
//
// All numbers of clusters of a sweep, and all restarts of each, go over the points together (kernels/clusters.h), and
// every backend gives the same centroids, bit for bit. Restarts are seeded once, for the largest k: seeds come one
// after the other, so the first k of them are seeds for k.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "host/clustering/points.h"

namespace kindred {

enum class ClusterSeeds {
  kPlusPlus,  // greedy k-means++ (Arthur and Vassilvitskii 2007): as many passes as there are clusters
  /// k-means|| (Bahmani, Moseley, Vattani, Kumar and Vassilvitskii 2012): some 2 k points a round, each with a
  /// probability that goes with its squared distance to those before; k of them by k-means++, each weighing as many
  /// points as are nearest to it. Passes do not grow with k: for large k, and where a pass is expensive.
  kParallel,
};

struct KMeansOptions {
  std::vector<int32_t> n_clusters = {8};  // ascending
  int64_t restarts = 10;                  // of each; the one with the least inertia is taken, of equals the first
  int64_t max_iterations = 300;
  /// A run ends where no point changes its cluster, or where its centroids move, in sum of squares, no more than this
  /// times the mean variance of the features, as in scikit-learn.
  double tolerance = 1e-4;
  ClusterSeeds seeds = ClusterSeeds::kPlusPlus;
  int64_t n_trials = 0;  // of greedy k-means++, up to 16; 0: 2 + ln k
  int64_t n_rounds = 5;  // of k-means||
  uint64_t seed = 0;
  /// Memory that runs may have together, in bytes; more go over the points in several parties. 12 a point and run.
  int64_t most_run_bytes = int64_t{1} << 30;
  /// Told after every step how many of how many runs have ended; may throw to end it all.
  std::function<void(int64_t n_ended, int64_t n_runs)> progress = {};
};

struct KMeansFit {
  int32_t n_asked = 0;  // clusters
  /// [k x n_features], each with points of its own: k is n_asked, or less where there are fewer different points.
  std::vector<float> centroids;
  double inertia = 0;
  int64_t n_iterations = 0;  // of the run that was taken
  bool converged = false;    // before max_iterations
  int64_t restart = 0;       // which one it was
};

/// A fit for each of n_clusters. Throws kInvalidArgument for options out of range and where there are no points; what
/// the backend throws. Cost: of seeding 2 n k n_features (n_trials + 1) flops a restart, for the largest k; of a step
/// at most 2 n n_features a centroid, of all runs.
std::vector<KMeansFit> FitKMeans(const ClusteredPoints& points, const KMeansOptions& options);

/// The same from given centroids [k x n_features]; of the options, what says when a run ends.
KMeansFit FitKMeansFrom(const ClusteredPoints& points, std::span<const float> centroids, const KMeansOptions& options);

/// Mini-batch K-Means (Sculley 2010), for points that come bit by bit or do not fit: each batch moves every centroid to
/// the mean of all points that it ever had. The centroids depend on the order of the batches.
class MiniBatchKMeans {
 public:
  /// From centroids [k x n_features], such as those of FitKMeans on a first batch.
  MiniBatchKMeans(std::vector<float> centroids, int64_t n_features);

  /// Returns the inertia of the batch before it moved them.
  double Take(const ClusteredPoints& batch);

  std::vector<float> centroids() const;
  /// Points that each has had.
  const std::vector<int64_t>& counts() const { return counts_; }

 private:
  int64_t n_features_;
  std::vector<double> means_;
  std::vector<int64_t> counts_;
};

}  // namespace kindred
