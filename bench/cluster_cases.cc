// The cases of bench_kernels that segments are made of: a step of K-Means of one run and of many, seeds, a silhouette.
#include <algorithm>
#include <cmath>

#include "bench/kernel_cases.h"

namespace kindred {
namespace {

/// Points in groups, and centroids that are points.
struct ClusterData {
  ClusterData(KernelBench& bench, int64_t n_points, int64_t d, int64_t n_groups)
      : n(bench.Scaled(n_points, 1000)),
        n_features(d),
        host(NewFactors(bench.pool(), n * d, 1, /*seed=*/21)),
        context(bench.backend().NewContext()),
        values(bench.backend(), n, d) {
    const std::vector<float> places = NewFactors(bench.pool(), n_groups * d, 2, /*seed=*/22);
    for (size_t i = 0; i < host.size(); ++i) host[i] += places[i % places.size()];
    values.Upload(bench.backend(), *context, host);
    points = bench.backend().NewClusterPoints(*context, values.matrix());
    context->Wait();
  }

  /// Squared distance to the nearest of k centroids, in double.
  double Nearest(int64_t p, const std::vector<float>& centroids, int64_t k) const {
    double least = HUGE_VAL;
    for (int64_t c = 0; c < k; ++c) {
      double squares = 0;
      for (int64_t j = 0; j < n_features; ++j) {
        const double way = double{host[static_cast<size_t>(p * n_features + j)]} -
                           double{centroids[static_cast<size_t>(c * n_features + j)]};
        squares += way * way;
      }
      least = std::min(least, squares);
    }
    return least;
  }

  int64_t n, n_features;
  std::vector<float> host;
  std::unique_ptr<Context> context;
  Resident<float> values;
  std::unique_ptr<ClusterPoints> points;
};

/// Some steps of Lloyd's method, begun anew each time.
class KMeansCase : public KernelCase {
 public:
  static constexpr int kSteps = 5;

  KMeansCase(KernelBench& bench, int64_t n, int64_t d, const std::vector<int32_t>& n_clusters)
      : backend_(bench.backend()),
        data_(bench, n, d, 100),
        n_clusters_(n_clusters),
        n_changed_(backend_, std::ssize(n_clusters)),
        shift_(backend_, std::ssize(n_clusters)) {
    for (size_t r = 0; r < n_clusters.size(); ++r) {
      active_.push_back(static_cast<int32_t>(r));
      begin_.insert(begin_.end(), data_.host.begin(), data_.host.begin() + n_clusters[r] * d);
    }
    centroids_ = Resident<float>(backend_, std::ssize(begin_) / d, d);
    shape = Thousands(data_.n) + " x " + std::to_string(d) + ", " + std::to_string(n_clusters.size()) + " runs, " +
            Thousands(centroids_.n_rows()) + " centroids, " + std::to_string(kSteps) + " steps";
    parameters = {{"n_points", data_.n}, {"n_features", d}, {"n_centroids", centroids_.n_rows()}, {"steps", kSteps}};
    work.bytes = static_cast<double>(kSteps * data_.n * d) * 4;
    work.fp32_flops =
        2.0 * kSteps * static_cast<double>(data_.n) * static_cast<double>(d) * static_cast<double>(centroids_.n_rows());
  }

  void Prepare() override {
    centroids_.Upload(backend_, *data_.context, begin_);
    runs_ = backend_.NewClusterRuns(*data_.context, *data_.points, n_clusters_);
    data_.context->Wait();
  }

  void Run() override {
    for (int step = 0; step < kSteps; ++step)
      backend_.StepClusters(*data_.context,
                            {runs_.get(), active_, centroids_.matrix(), n_changed_.view(), shift_.view()});
    data_.context->Wait();
  }

  // The inertia of the first run by the backend, against sampled points in double.
  Check Verify() override {
    const std::vector<float> all = ToHost(backend_, *data_.context, centroids_);
    const int64_t k = n_clusters_[0];
    const Resident<float> rows(backend_, k, data_.n_features);
    const Resident<double> distances(backend_, data_.n);
    rows.Upload(backend_, *data_.context, std::span(all).first(static_cast<size_t>(k * data_.n_features)));
    backend_.AssignClusters(*data_.context, {data_.points.get(), rows.matrix(), {}, distances.view(), {}, {}});
    const std::vector<double> found = ToHost(backend_, *data_.context, distances);
    Check check{0, 1e-6, "relative error of sampled points' distances to their centroid"};
    for (int64_t p = 0; p < data_.n; p += std::max<int64_t>(1, data_.n / 100)) {
      const double expected = data_.Nearest(p, all, k);
      check.error =
          std::max(check.error, std::abs(found[static_cast<size_t>(p)] - expected) / std::max(expected, 1e-3));
    }
    return check;
  }

 private:
  Backend& backend_;
  ClusterData data_;
  std::vector<int32_t> n_clusters_, active_;
  std::vector<float> begin_;
  Resident<float> centroids_;
  Resident<int64_t> n_changed_;
  Resident<double> shift_;
  std::unique_ptr<ClusterRuns> runs_;
};

class SeedsCase : public KernelCase {
 public:
  static constexpr int64_t kTrials = 6;

  SeedsCase(KernelBench& bench, int64_t n, int64_t d, int64_t k)
      : backend_(bench.backend()),
        data_(bench, n, d, 100),
        k_(k),
        draws_(backend_, 1, k * kTrials),
        chosen_(backend_, 1, k) {
    shape = Thousands(data_.n) + " x " + std::to_string(d) + ", k = " + std::to_string(k);
    parameters = {{"n_points", data_.n}, {"n_features", d}, {"k", k}, {"trials", kTrials}};
    work.bytes = static_cast<double>(k * data_.n) * (8.0 * static_cast<double>(d) + 40);
    work.fp32_flops = 2.0 * static_cast<double>(k * data_.n * d) * (kTrials + 1);
    std::vector<uint64_t> draws(static_cast<size_t>(k * kTrials));
    for (size_t i = 0; i < draws.size(); ++i) draws[i] = (i + 1) * 0x9e3779b97f4a7c15ULL;
    draws_.Upload(backend_, *data_.context, draws);
    data_.context->Wait();
  }

  void Run() override {
    backend_.SeedClusters(*data_.context, {data_.points.get(), kTrials, draws_.matrix(), chosen_.matrix()});
    data_.context->Wait();
  }

  Check Verify() override {
    std::vector<int32_t> chosen = ToHost(backend_, *data_.context, chosen_);
    std::ranges::sort(chosen);
    double wrong = static_cast<double>(chosen.end() - std::ranges::unique(chosen).begin());
    for (int32_t p : chosen) wrong += p < 0 || p >= data_.n ? 1 : 0;
    return {wrong, 0, "seeds that are no points, or there twice"};
  }

 private:
  Backend& backend_;
  ClusterData data_;
  int64_t k_;
  Resident<uint64_t> draws_;
  Resident<int32_t> chosen_;
};

class SilhouetteCase : public KernelCase {
 public:
  SilhouetteCase(KernelBench& bench, int64_t n, int64_t d, int64_t k)
      : backend_(bench.backend()),
        data_(bench, n, d, k),
        k_(k),
        labels_(backend_, data_.n),
        silhouettes_(backend_, data_.n) {
    shape = Thousands(data_.n) + " x " + std::to_string(d) + ", " + std::to_string(k) + " clusters";
    parameters = {{"n_points", data_.n}, {"n_features", d}, {"k", k}};
    work.bytes = static_cast<double>(data_.n) * (4.0 * static_cast<double>(d) + 12);
    work.fp32_flops = 3.0 * static_cast<double>(data_.n) * static_cast<double>(data_.n) * static_cast<double>(d);
    for (int64_t p = 0; p < data_.n; ++p) host_labels_.push_back(static_cast<int32_t>(p % k));
    labels_.Upload(backend_, *data_.context, host_labels_);
    data_.context->Wait();
  }

  void Run() override {
    backend_.SilhouetteOfClusters(*data_.context, {data_.points.get(), labels_.view(), k_, silhouettes_.view()});
    data_.context->Wait();
  }

  Check Verify() override {
    const std::vector<double> found = ToHost(backend_, *data_.context, silhouettes_);
    Check check{0, 1e-5, "error of sampled silhouettes"};
    for (int64_t p = 0; p < data_.n; p += std::max<int64_t>(1, data_.n / 4)) {
      std::vector<double> sums(static_cast<size_t>(k_)), counts(sums.size());
      for (int64_t q = 0; q < data_.n; ++q) {
        double squares = 0;
        for (int64_t j = 0; j < data_.n_features; ++j) {
          const double way = double{data_.host[static_cast<size_t>(p * data_.n_features + j)]} -
                             double{data_.host[static_cast<size_t>(q * data_.n_features + j)]};
          squares += way * way;
        }
        sums[static_cast<size_t>(q % k_)] += std::sqrt(squares);
        ++counts[static_cast<size_t>(q % k_)];
      }
      const auto own = static_cast<size_t>(p % k_);
      double b = HUGE_VAL;
      for (size_t c = 0; c < sums.size(); ++c)
        if (c != own) b = std::min(b, sums[c] / counts[c]);
      const double a = sums[own] / (counts[own] - 1);
      check.error = std::max(check.error, std::abs(found[static_cast<size_t>(p)] - (b - a) / std::max(a, b)));
    }
    return check;
  }

 private:
  Backend& backend_;
  ClusterData data_;
  int64_t k_;
  std::vector<int32_t> host_labels_;
  Resident<int32_t> labels_;
  Resident<double> silhouettes_;
};

}  // namespace

void AddClusterCases(std::vector<KernelCaseName>& cases) {
  for (const int32_t k : {100, 1000})
    cases.push_back({"k_means", "k=" + std::to_string(k), [k](KernelBench& bench) {
                       return std::make_unique<KMeansCase>(bench, 1'000'000, 64, std::vector<int32_t>{k});
                     }});
  cases.push_back({"k_means", "290 runs", [](KernelBench& bench) {
                     std::vector<int32_t> n_clusters;
                     for (int32_t k = 2; k <= 30; ++k) n_clusters.insert(n_clusters.end(), 10, k);
                     return std::make_unique<KMeansCase>(bench, 1'000'000, 64, n_clusters);
                   }});
  cases.push_back({"k_means_seeds", "k=100",
                   [](KernelBench& bench) { return std::make_unique<SeedsCase>(bench, 1'000'000, 64, 100); }});
  cases.push_back({"silhouette", "k=20",
                   [](KernelBench& bench) { return std::make_unique<SilhouetteCase>(bench, 200'000, 64, 20); }});
}

}  // namespace kindred
