// The part of the seam that K-Means is made of: points, runs over them, seeds, steps and silhouettes.
//
// What is computed is defined, so that every backend gives the same labels, the same centroids and the same seeds, bit
// for bit. Of a point x and a centroid c, both of float32,
//
//   key(x, c) = c.c - 2 x.c,   distance^2 = max(0, x.x + key)
//
// where products are taken in double, in which they are exact, and each of the three sums is made in double in
// increasing feature. A point belongs to the centroid with the least key, of equal ones to the first. Sums of points
// are whole numbers: feature j of a point counts as the whole number nearest to x_j 2^e_j (halves to even), where
// max |x_j| 2^e_j is below 2^b, b = min(51, 62 - the number of binary digits of n_points), and e_j the largest for
// which it is. So a mean is the same in whatever order it was summed up; it is the sum over the count in double, times
// 2^-e_j, rounded to float32.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/views.h"

namespace kindred {

/// Points [n_points x n_features] made ready for clustering: resident, used in place, kept alive by the caller.
class ClusterPoints {
 public:
  static constexpr int64_t kMaxFeatures = int64_t{1} << 16;

  virtual ~ClusterPoints() = default;
  int64_t n_points() const { return n_points_; }
  int64_t n_features() const { return n_features_; }

 protected:
  ClusterPoints(int64_t n_points, int64_t n_features) : n_points_(n_points), n_features_(n_features) {}

 private:
  int64_t n_points_, n_features_;
};

/// Several runs of K-Means over the same points, each with its own number of clusters: their labels and sums, and what
/// a backend keeps to pass over points that cannot have changed. The points must outlive it.
class ClusterRuns {
 public:
  static constexpr int64_t kMaxClusters = int64_t{1} << 20;  // of a run

  virtual ~ClusterRuns() = default;
  const ClusterPoints& points() const { return points_; }
  int64_t n_runs() const { return n_runs_; }
  /// Of all runs together: rows of their centroids, one run after the other.
  int64_t n_centroids() const { return n_centroids_; }

 protected:
  ClusterRuns(const ClusterPoints& points, int64_t n_runs, int64_t n_centroids)
      : points_(points), n_runs_(n_runs), n_centroids_(n_centroids) {}

 private:
  const ClusterPoints& points_;
  int64_t n_runs_, n_centroids_;
};

/// Greedy k-means++ (Arthur and Vassilvitskii 2007, with trials as in its section 6), n_seedings of them at once.
/// A seeding's draws are k x n_trials random numbers of 64 bits, of which draw (i, t) is r below. The first centre is
/// point floor(r n_points / 2^64), with t = 0. Then w_p is the whole number nearest to 2^s m_p, halves to even,
/// with m_p the point's distance^2 to the nearest centre yet, and s the largest for which max m 2^s is below 2^b;
/// trial t is the first point up to which the w sum up to more than floor(r W / 2^64), W their total; and the next
/// centre is the trial that leaves the least total, of equal ones the first. Where no point is away from the centres,
/// the rest of `chosen` is -1: there are not more distinct points. Cost: 2 n_points n_features (n_trials + 1) flops a
/// centre.
struct ClusterSeeding {
  const ClusterPoints* points = nullptr;
  int64_t n_trials = 1;              // 1 to 16
  MatrixView<const uint64_t> draws;  // n_seedings x (k n_trials)
  MatrixView<int32_t> chosen;        // out, n_seedings x k: points
};

/// One step of Lloyd's method for some of the runs, over all points once: every point goes to its centroid, and then
/// every centroid to the mean of its points. A cluster that is left empty takes, before the means, the point that is
/// farthest from its centroid (by distance^2; the first of equals), of clusters with more than one point and of points
/// that have not moved so in this step; clusters in increasing order. Where none is farther than 0, its centroid stays.
struct ClusterStep {
  ClusterRuns* runs = nullptr;
  std::span<const int32_t> active;  // runs, increasing; read before the call returns
  MatrixView<float> centroids;      // n_centroids x n_features; those of the other runs stay
  View<int64_t> n_changed;          // out, n_runs: points whose label is not that of the step before; all in the first
  View<double> shift;               // out, n_runs: sum over the run's centroids of the squared way they went
};

/// Which of some centroids each point belongs to. Outputs that are empty are left out.
struct ClusterAssignment {
  const ClusterPoints* points = nullptr;
  MatrixView<const float> centroids;  // k x n_features, k > 0
  View<int32_t> labels;               // out, n_points
  View<double> distances;             // out, n_points: distance^2
  View<double> other_distances;       // out, n_points: distance^2 to the next centroid; infinite where there is none
  /// out, 1: the sum of the distances, each 256 points in their order, and these sums in theirs.
  View<double> inertia;
  static constexpr int64_t kInertiaPoints = 256;
};

/// The silhouette of each point (Rousseeuw 1987): (b - a) / max(a, b), where a is its mean distance to the other points
/// of its cluster and b the least of its mean distances to the points of another; 0 for the only one of a cluster,
/// where both are 0, and where there is one cluster. Points whose label is none of the clusters (-1) are no part of it;
/// theirs is 0.
/// Distances are in float32, from differences, summed up in double. Cost: 3 n_points^2 n_features flops; memory:
/// a copy of the points.
struct ClusterSilhouette {
  const ClusterPoints* points = nullptr;
  View<const int32_t> labels;  // n_points
  int64_t n_clusters = 0;
  View<double> silhouettes;  // out, n_points
};

}  // namespace kindred
