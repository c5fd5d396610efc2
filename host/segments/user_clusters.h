// Clusters of users: how many there are, which user is in which, and how well they lie there.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "host/clustering/linkage.h"
#include "host/clustering/silhouette.h"
#include "host/segments/cluster_spec.h"
#include "kernels/backend.h"
#include "kernels/cpu/parallel.h"

namespace kindred {

/// What was found for each number of clusters that was tried.
struct ClusterCurves {
  std::vector<int64_t> k;
  std::vector<double> inertia;
  std::vector<double> silhouette;  // mean; NaN for one cluster
  std::optional<int64_t> elbow_k, silhouette_k;
  std::string chosen_by;  // "silhouette", "elbow" or "fixed"
};

/// The tree of a hierarchical clustering. Its leaves are the users, or, where these are many, micro-clusters.
struct ClusterTree {
  LinkageMethod method = LinkageMethod::kWard;
  std::vector<Merge> merges;
  std::vector<int32_t> leaf_of;  // [n_users]
  int64_t n_leaves = 0;
};

struct UserClusters {
  int64_t k = 0;
  std::vector<float> centroids;     // [k x n_features]: the means of the users in them
  std::vector<int32_t> labels;      // [n_users], 0 .. k - 1
  std::vector<double> silhouettes;  // of `silhouette_users`
  std::vector<int64_t> silhouette_users;
  bool sampled = false;      // they are not all users
  double inertia = 0;        // squared distances of users to the mean of their cluster
  int64_t n_iterations = 0;  // of the K-Means that was taken
  /// Users for whom another centroid is nearer than that of their cluster, as a tree may have it.
  int64_t n_nearer_elsewhere = 0;
  ClusterCurves curves;
  std::optional<ClusterTree> tree;
  std::vector<std::string> warnings;
};

/// The upper part of a tree: what is left when there are n_groups clusters, and how these are merged.
struct TreeTop {
  std::vector<int32_t> group_of;  // [n_leaves], numbered as CutByCount does
  std::vector<Merge> merges;      // of the groups
};
TreeTop TopOfTree(std::span<const Merge> merges, int64_t n_leaves, int64_t n_groups);

/// Of all users, or of a sample, as the spec has it.
SampledSilhouettes MeasureSilhouettes(const ClusteredPoints& points, std::span<const int32_t> labels, int64_t k,
                                      const ClusterSpec& spec);

/// Above max_users trees are built over micro-clusters.
struct TreeLimits {
  int64_t max_users = 20000;
  int64_t n_micro_clusters = 2000;
};

/// `points` [n_users x n_features], normalized, at least one user. K-Means is run for all k at once; a tree is built
/// once and cut for each. Where fewer users differ than k asks for, there are fewer clusters, and a warning, as where a
/// mini-batch leaves clusters without users. Throws what the backend throws, kOutOfMemory where a tree does not fit
/// (Linkage).
UserClusters ClusterUsers(Backend& backend, HostMatrix<const float> points, const ClusterSpec& spec, ThreadPool& pool,
                          const std::function<void(int64_t n_ended, int64_t n_runs)>& progress = {},
                          const TreeLimits& limits = {});

}  // namespace kindred
