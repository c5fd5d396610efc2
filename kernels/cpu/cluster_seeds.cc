// Greedy k-means++, all seedings over the points at once; what is summed up are whole numbers, in any order.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cpu/clusters.h"
#include "kernels/require.h"

namespace kindred {
namespace {

/// floor(r n / 2^64)
uint64_t Part(uint64_t r, uint64_t n) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(r) * n) >> 64);
}

class Seeder {
 public:
  Seeder(CpuContext& context, const ClusterSeeding& seeding, const SimdClusters& simd)
      : context_(context),
        seeding_(seeding),
        simd_(simd),
        points_(static_cast<const CpuClusterPoints&>(*seeding.points)),
        n_(points_.n_points()),
        d_(points_.n_features()),
        n_seedings_(seeding.chosen.n_rows),
        k_(seeding.chosen.n_cols),
        n_trials_(seeding.n_trials),
        nearest_(static_cast<size_t>(n_seedings_ * n_), std::numeric_limits<double>::infinity()),
        task_most_(static_cast<size_t>(n_seedings_ * points_.n_tasks())),
        task_weights_(static_cast<size_t>(n_seedings_ * points_.n_tasks())) {}

  void Go() {
    std::fill_n(seeding_.chosen.data, seeding_.chosen.size(), -1);
    if (n_ == 0 || k_ == 0) return;
    for (int64_t s = 0; s < n_seedings_; ++s) {
      seeds_.push_back({.index = s, .trials = {static_cast<int32_t>(Part(Draw(s, 0, 0), static_cast<uint64_t>(n_)))}});
      seeding_.chosen.data[s * k_] = seeds_.back().trials[0];
    }
    for (int64_t i = 1; i < k_; ++i) {
      AddChosen();
      Weigh();
      std::erase_if(seeds_, [](const Seed& seed) { return seed.total == 0; });
      if (seeds_.empty()) return;
      for (Seed& seed : seeds_) {
        seed.trials.clear();
        for (int64_t t = 0; t < n_trials_; ++t)
          seed.trials.push_back(PointAt(seed, Part(Draw(seed.index, i, t), seed.total)));
      }
      if (n_trials_ > 1) KeepTheBest();
      for (const Seed& seed : seeds_) seeding_.chosen.data[seed.index * k_ + i] = seed.trials[0];
    }
  }

 private:
  struct Seed {
    int64_t index = 0;
    std::vector<int32_t> trials;  // points; once the best is known, only that
    double scale = 0;             // 2^s
    uint64_t total = 0;
  };

  uint64_t Draw(int64_t seeding, int64_t centre, int64_t trial) const {
    return seeding_.draws.data[(seeding * k_ + centre) * n_trials_ + trial];
  }
  double* Nearest(const Seed& seed) { return nearest_.data() + seed.index * n_; }
  uint64_t& TaskWeight(const Seed& seed, int64_t task) {
    return task_weights_[static_cast<size_t>(seed.index * points_.n_tasks() + task)];
  }
  double& TaskMost(const Seed& seed, int64_t task) {
    return task_most_[static_cast<size_t>(seed.index * points_.n_tasks() + task)];
  }

  struct Range {
    int64_t begin, end;
  };
  Range RangeOf(int64_t task) const {
    const int64_t begin = task * CpuClusterPoints::kTaskPoints;
    return {begin, std::min(n_, begin + CpuClusterPoints::kTaskPoints)};
  }

  // The trials of all seeds as rows, one seed after the other.
  std::vector<float> TrialRows() const {
    std::vector<float> rows;
    for (const Seed& seed : seeds_)
      for (int32_t p : seed.trials) rows.insert(rows.end(), points_.row(p), points_.row(p) + d_);
    return rows;
  }

  // Calls visit(seed, trial, first point, number of points, its products, c.c) for every panel of the task and every
  // trial of all seeds, which `rows` has in order.
  template <class Visit>
  void VisitPanels(int64_t task, const std::vector<float>& rows, std::vector<double>& products,
                   const Visit& visit) const {
    const int64_t n_rows = std::ssize(rows) / d_;
    products.resize(static_cast<size_t>(n_rows * kPanelWidth));
    const Range range = RangeOf(task);
    for (int64_t first = range.begin; first < range.end; first += kPanelWidth) {
      simd_.products_in_double(points_.panel(first), d_, rows.data(), n_rows, products.data());
      const double* of_trial = products.data();
      for (const Seed& seed : seeds_)
        for (size_t t = 0; t < seed.trials.size(); ++t, of_trial += kPanelWidth)
          visit(seed, t, first, std::min(range.end - first, kPanelWidth), of_trial, points_.squared(seed.trials[t]));
    }
  }

  void AddChosen() {
    const std::vector<float> rows = TrialRows();
    std::vector<std::vector<double>> products(static_cast<size_t>(context_.max_threads()));
    context_.Run(points_.n_tasks(), [&](int64_t task, int worker) {
      for (const Seed& seed : seeds_) TaskMost(seed, task) = 0;
      VisitPanels(task, rows, products[static_cast<size_t>(worker)],
                  [&](const Seed& seed, size_t, int64_t first, int64_t n, const double* of_trial, double cc) {
                    double& most = TaskMost(seed, task);
                    most = std::max(
                        most, simd_.lower_distances(points_.squared() + first, of_trial, cc, n, Nearest(seed) + first));
                  });
    });
  }

  void Weigh() {
    for (Seed& seed : seeds_) {
      double most = 0;
      for (int64_t task = 0; task < points_.n_tasks(); ++task) most = std::max(most, TaskMost(seed, task));
      seed.total = 0;
      seed.scale =
          most > 0 && most < std::numeric_limits<double>::infinity() ? std::ldexp(1.0, ClusterScale(most, n_)) : 0;
    }
    context_.Run(points_.n_tasks(), [&](int64_t task, int) {
      const Range range = RangeOf(task);
      for (const Seed& seed : seeds_) {
        TaskWeight(seed, task) = simd_.weight(Nearest(seed) + range.begin, range.end - range.begin, seed.scale);
      }
    });
    for (Seed& seed : seeds_)
      for (int64_t task = 0; task < points_.n_tasks(); ++task) seed.total += TaskWeight(seed, task);
  }

  // The first point up to which the weights sum up to more than this.
  int32_t PointAt(const Seed& seed, uint64_t before) {
    int64_t task = 0;
    for (; before >= TaskWeight(seed, task); ++task) before -= TaskWeight(seed, task);
    const double* nearest = Nearest(seed);
    int64_t p = RangeOf(task).begin;
    for (;; ++p) {
      const uint64_t weight = simd_.weight(nearest + p, 1, seed.scale);
      if (before < weight) return static_cast<int32_t>(p);
      before -= weight;
    }
  }

  void KeepTheBest() {
    const std::vector<float> rows = TrialRows();
    const size_t n_rows = seeds_.size() * static_cast<size_t>(n_trials_);
    std::vector<std::vector<double>> products(static_cast<size_t>(context_.max_threads()));
    std::vector<std::vector<uint64_t>> left(products.size());  // a total a trial
    context_.Run(points_.n_tasks(), [&](int64_t task, int worker) {
      std::vector<uint64_t>& mine = left[static_cast<size_t>(worker)];
      mine.resize(n_rows);
      VisitPanels(task, rows, products[static_cast<size_t>(worker)],
                  [&](const Seed& seed, size_t t, int64_t first, int64_t n, const double* of_trial, double cc) {
                    const auto place = static_cast<size_t>(&seed - seeds_.data()) * static_cast<size_t>(n_trials_) + t;
                    mine[place] += simd_.weight_left(points_.squared() + first, of_trial, cc, n, Nearest(seed) + first,
                                                     seed.scale);
                  });
    });
    for (size_t s = 0; s < seeds_.size(); ++s) {
      uint64_t least = std::numeric_limits<uint64_t>::max();
      int32_t best = -1;
      for (size_t t = 0; t < static_cast<size_t>(n_trials_); ++t) {
        uint64_t total = 0;
        for (const std::vector<uint64_t>& mine : left)
          if (!mine.empty()) total += mine[s * static_cast<size_t>(n_trials_) + t];
        if (total < least) {
          least = total;
          best = seeds_[s].trials[t];
        }
      }
      seeds_[s].trials = {best};
    }
  }

  CpuContext& context_;
  const ClusterSeeding& seeding_;
  const SimdClusters& simd_;
  const CpuClusterPoints& points_;
  const int64_t n_, d_, n_seedings_, k_, n_trials_;
  std::vector<Seed> seeds_;        // those that still find points
  std::vector<double> nearest_;    // n_seedings x n_points: distance^2 to the nearest centre
  std::vector<double> task_most_;  // n_seedings x n_tasks, likewise below
  std::vector<uint64_t> task_weights_;
};

}  // namespace

void CpuBackend::SeedClusters(Context& context, const ClusterSeeding& seeding) {
  RequireClusterSeeding(seeding);
  Seeder(static_cast<CpuContext&>(context), seeding, clusters_).Go();
}

}  // namespace kindred
