#include "host/segments/user_clusters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "host/clustering/choose_k.h"
#include "host/clustering/dendrogram.h"
#include "host/clustering/silhouette.h"
#include "host/segments/profile.h"
#include "host/text/counted.h"

namespace kindred {
namespace {

struct Candidate {
  int64_t k = 0;  // clusters that there are
  std::vector<float> centroids;
  std::vector<int32_t> labels;
  double inertia = 0;
  int64_t n_iterations = 0;
};

double InertiaOf(HostMatrix<const float> points, std::span<const int32_t> labels, std::span<const float> centroids) {
  double inertia = 0;
  for (int64_t p = 0; p < points.n_rows; ++p) {
    const float* c = centroids.data() + labels[static_cast<size_t>(p)] * points.n_cols;
    for (int64_t j = 0; j < points.n_cols; ++j) {
      const double way = static_cast<double>(points.row(p)[static_cast<size_t>(j)]) - static_cast<double>(c[j]);
      inertia += way * way;
    }
  }
  return inertia;
}

class Clusterer {
 public:
  Clusterer(Backend& backend, HostMatrix<const float> points, const ClusterSpec& spec, ThreadPool& pool,
            const std::function<void(int64_t, int64_t)>& progress, const TreeLimits& limits)
      : points_(backend, points), spec_(spec), pool_(pool), progress_(progress), limits_(limits) {
    if (spec.choose == ChooseK::kHeight) return;  // the tree will say
    const int64_t n = points.n_rows;
    const bool fixed = spec.choose == ChooseK::kFixed;
    for (int64_t k = fixed ? spec.k : spec.k_min; k <= (fixed ? spec.k : spec.k_max) && k <= n; ++k)
      asked_.push_back(k);
    if (asked_.empty()) {
      asked_.push_back(n);
      found_.warnings.push_back(fmt::format("{} clusters were asked for, and there {} only {} user{}",
                                            fixed ? spec.k : spec.k_min, n == 1 ? "is" : "are", n, n == 1 ? "" : "s"));
    }
  }

  UserClusters Go() {
    const std::optional<LinkageMethod> linkage = LinkageOf(spec_.algorithm);
    const std::vector<Candidate> candidates = linkage ? OfTree(*linkage) : OfKMeans();
    const Candidate& chosen = Choose(candidates);
    found_.k = chosen.k;
    found_.centroids = chosen.centroids;
    found_.labels = chosen.labels;
    found_.inertia = chosen.inertia;
    found_.n_iterations = chosen.n_iterations;
    if (linkage) {
      const Clustering nearest = AssignToCentroids(points_, found_.centroids);
      for (size_t p = 0; p < nearest.labels.size(); ++p)
        found_.n_nearer_elsewhere += nearest.labels[p] != found_.labels[p] ? 1 : 0;
    }
    return std::move(found_);
  }

 private:
  std::vector<Candidate> OfKMeans() {
    KMeansOptions options;
    options.n_clusters.assign(asked_.begin(), asked_.end());
    options.restarts = spec_.restarts;
    options.seeds = spec_.seeds;
    options.seed = static_cast<uint64_t>(spec_.seed);
    options.progress = progress_;
    std::vector<KMeansFit> fits =
        spec_.algorithm == ClusterAlgorithm::kMiniBatchKMeans ? MiniBatches(options) : FitKMeans(points_, options);
    std::vector<Candidate> candidates;
    for (KMeansFit& fit : fits) {
      Candidate candidate = {std::ssize(fit.centroids) / points_.n_features(),
                             std::move(fit.centroids),
                             {},
                             fit.inertia,
                             fit.n_iterations};
      candidate.labels = AssignToCentroids(points_, candidate.centroids).labels;
      candidates.push_back(std::move(candidate));
    }
    return candidates;
  }

  // Batches in the order of users, after a fit of the first.
  std::vector<KMeansFit> MiniBatches(const KMeansOptions& options) {
    const auto batch = [&](int64_t first) {
      return HostMatrix<const float>{points_.host().data + first * points_.n_features(),
                                     std::min(spec_.batch_size, points_.n_points() - first), points_.n_features()};
    };
    const ClusteredPoints first(points_.backend(), batch(0));
    std::vector<KMeansFit> fits = FitKMeans(first, options);
    std::vector<MiniBatchKMeans> running;
    for (const KMeansFit& fit : fits) running.emplace_back(fit.centroids, points_.n_features());
    for (int64_t p = 0; p < points_.n_points(); p += spec_.batch_size) {
      const ClusteredPoints some(points_.backend(), batch(p));
      for (MiniBatchKMeans& run : running) run.Take(some);
    }
    for (size_t i = 0; i < fits.size(); ++i) {
      const std::vector<float> centroids = running[i].centroids();
      const Clustering found = AssignToCentroids(points_, centroids);
      fits[i].inertia = found.inertia;
      fits[i].centroids.clear();
      const std::vector<int64_t> sizes = ClusterSizes(found.labels, std::ssize(centroids) / points_.n_features());
      for (size_t c = 0; c < sizes.size(); ++c)
        if (sizes[c] > 0)
          fits[i].centroids.insert(fits[i].centroids.end(),
                                   centroids.begin() + static_cast<int64_t>(c) * points_.n_features(),
                                   centroids.begin() + static_cast<int64_t>(c + 1) * points_.n_features());
    }
    return fits;
  }

  std::vector<Candidate> OfTree(LinkageMethod method) {
    ClusterTree tree = {method, {}, {}, 0};
    if (points_.n_points() <= limits_.max_users) {
      tree.n_leaves = points_.n_points();
      tree.leaf_of.resize(static_cast<size_t>(tree.n_leaves));
      std::iota(tree.leaf_of.begin(), tree.leaf_of.end(), 0);
      tree.merges = Linkage(points_.host(), {}, method, &pool_);
    } else {
      const KMeansFit micro = FitKMeans(points_, {.n_clusters = {static_cast<int32_t>(limits_.n_micro_clusters)},
                                                  .restarts = 1,
                                                  .max_iterations = 50,
                                                  .seeds = ClusterSeeds::kParallel,
                                                  .seed = static_cast<uint64_t>(spec_.seed),
                                                  .progress = progress_})[0];
      tree.n_leaves = std::ssize(micro.centroids) / points_.n_features();
      tree.leaf_of = AssignToCentroids(points_, micro.centroids).labels;
      std::vector<double> weights;
      for (int64_t size : ClusterSizes(tree.leaf_of, tree.n_leaves)) weights.push_back(static_cast<double>(size));
      tree.merges = Linkage({micro.centroids.data(), tree.n_leaves, points_.n_features()}, weights, method, &pool_);
    }
    const int64_t n_different = 1 + std::ranges::count_if(tree.merges, [](const Merge& m) { return m.height > 0; });
    std::vector<Candidate> candidates;
    if (spec_.choose == ChooseK::kHeight) asked_ = {ClustersAt(spec_.height, tree)};
    for (int64_t k : asked_) {
      const int64_t n_clusters = std::min(k, n_different);
      const std::vector<int32_t> of_leaf = CutByCount(tree.merges, tree.n_leaves, n_clusters);
      Candidate candidate = {n_clusters, {}, {}, 0, 0};
      for (int32_t leaf : tree.leaf_of) candidate.labels.push_back(of_leaf[static_cast<size_t>(leaf)]);
      candidate.centroids = MeansOfSegments(points_.host(), candidate.labels, n_clusters);
      candidate.inertia = InertiaOf(points_.host(), candidate.labels, candidate.centroids);
      candidates.push_back(std::move(candidate));
    }
    found_.tree = std::move(tree);
    return candidates;
  }

  static int64_t ClustersAt(double height, const ClusterTree& tree) {
    const int64_t n_clusters =
        tree.n_leaves - std::ranges::count_if(tree.merges, [&](const Merge& merge) { return merge.height <= height; });
    if (n_clusters > ClusterSpec::kMaxK)
      throw Error(ErrorCode::kInvalidArgument,
                  fmt::format("a cut at height {} leaves {} clusters; expected at most {}: the last merges are at {}",
                              height, n_clusters, ClusterSpec::kMaxK, tree.merges.back().height));
    return n_clusters;
  }

  const Candidate& Choose(const std::vector<Candidate>& candidates) {
    found_.sampled = spec_.samples(points_.n_points());
    std::vector<const Candidate*> different;
    std::vector<SampledSilhouettes> silhouettes;
    ClusterCurves& curves = found_.curves;
    for (const Candidate& candidate : candidates) {
      if (!curves.k.empty() && candidate.k <= curves.k.back()) continue;  // of fewer than were asked for
      different.push_back(&candidate);
      silhouettes.push_back(MeasureSilhouettes(points_, candidate.labels, candidate.k, spec_));
      curves.k.push_back(candidate.k);
      curves.inertia.push_back(candidate.inertia);
      curves.silhouette.push_back(candidate.k > 1 ? MeanSilhouette(silhouettes.back().silhouettes)
                                                  : std::numeric_limits<double>::quiet_NaN());
    }
    if (curves.k.back() < asked_.back())
      found_.warnings.push_back(fmt::format(
          "{}{} were asked for, and {}", asked_.size() > 1 ? "up to " : "", Counted(asked_.back(), "cluster"),
          spec_.algorithm == ClusterAlgorithm::kMiniBatchKMeans ? fmt::format("only {} have users", curves.k.back())
          : curves.k.back() == 1                                ? "all users are alike"
                                 : fmt::format("only {} users differ", curves.k.back())));
    curves.elbow_k = FindElbow(curves.k, curves.inertia);
    curves.silhouette_k = BestSilhouette(curves.k, curves.silhouette);
    curves.chosen_by = NameOf(spec_.choose);
    size_t place = 0;
    if (spec_.choose == ChooseK::kElbow && !curves.elbow_k && curves.k.size() > 1) {
      found_.warnings.push_back("the inertia has no knee: the number of clusters was chosen by the silhouette");
      curves.chosen_by = NameOf(ChooseK::kSilhouette);
    }
    const std::optional<int64_t> best =
        curves.chosen_by == NameOf(ChooseK::kElbow) && curves.elbow_k ? curves.elbow_k : curves.silhouette_k;
    if (spec_.choose != ChooseK::kFixed && spec_.choose != ChooseK::kHeight && best)
      place = static_cast<size_t>(std::ranges::find(curves.k, *best) - curves.k.begin());
    found_.silhouettes = std::move(silhouettes[place].silhouettes);
    found_.silhouette_users = std::move(silhouettes[place].points);
    return *different[place];
  }

  const ClusteredPoints points_;
  const ClusterSpec& spec_;
  ThreadPool& pool_;
  const std::function<void(int64_t, int64_t)>& progress_;
  const TreeLimits& limits_;
  std::vector<int64_t> asked_;  // numbers of clusters
  UserClusters found_;
};

}  // namespace

TreeTop TopOfTree(std::span<const Merge> merges, int64_t n_leaves, int64_t n_groups) {
  TreeTop top = {CutByCount(merges, n_leaves, n_groups), {}};
  const int64_t n_below = n_leaves - n_groups;  // merges within groups
  std::vector<int32_t> a_leaf_of(static_cast<size_t>(n_leaves + std::max<int64_t>(n_below, 0)));
  std::iota(a_leaf_of.begin(), a_leaf_of.begin() + n_leaves, 0);
  for (int64_t m = 0; m < n_below; ++m)
    a_leaf_of[static_cast<size_t>(n_leaves + m)] = a_leaf_of[static_cast<size_t>(merges[static_cast<size_t>(m)].a)];
  const auto renumbered = [&](int32_t cluster) {
    if (cluster >= n_leaves + n_below) return static_cast<int32_t>(cluster - n_leaves - n_below + n_groups);
    return top.group_of[static_cast<size_t>(a_leaf_of[static_cast<size_t>(cluster)])];
  };
  for (const Merge& merge : merges.subspan(static_cast<size_t>(n_below))) {
    const auto [a, b] = std::minmax({renumbered(merge.a), renumbered(merge.b)});
    top.merges.push_back({a, b, merge.height, merge.size});
  }
  return top;
}

SampledSilhouettes MeasureSilhouettes(const ClusteredPoints& points, std::span<const int32_t> labels, int64_t k,
                                      const ClusterSpec& spec) {
  const int64_t n = points.n_points();
  return SampleSilhouettes(points, labels, k, spec.samples(n) ? spec.sample_size : n, static_cast<uint64_t>(spec.seed));
}

UserClusters ClusterUsers(Backend& backend, HostMatrix<const float> points, const ClusterSpec& spec, ThreadPool& pool,
                          const std::function<void(int64_t n_ended, int64_t n_runs)>& progress,
                          const TreeLimits& limits) {
  return Clusterer(backend, points, spec, pool, progress, limits).Go();
}

}  // namespace kindred
