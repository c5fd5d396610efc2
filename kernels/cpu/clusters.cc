// Lloyd's steps with bounds that pass over points (Hamerly 2010), for many runs at once.
//
// A task is some points, which stay in the cache while each run looks at them: all centroids in float32, a panel of
// points at a time; where the two best are closer than float32 can tell, the definition decides. Where that costs more
// than bounds do, a run keeps of each point an upper bound of the distance to its centroid and a lower one of the
// distance to any other; centroids that have moved move the bounds. Only where the bounds overlap, after the upper one
// was made tight, are all centroids looked at.
#include "kernels/cpu/clusters.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/require.h"

namespace kindred {
namespace {

constexpr float kUp = 1 + 0x1p-21f, kDown = 1 - 0x1p-21f;
constexpr int64_t kBoundsFrom = 1024;  // clusters times features, below which looking at all is as cheap as bounds
constexpr int64_t kTightenFrom = 24;   // clusters, likewise of a tighter bound
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Run {
  int64_t k = 0, first = 0;  // its centroids are rows first .. first + k
  bool begun = false;
  bool bounded = false;
  std::vector<int32_t> labels;        // of whole panels
  std::vector<float> upper, lower;    // where bounded
  std::vector<int64_t> sums, counts;  // k x n_features; k
  std::vector<float> drift;           // of each centroid in the last step, not below
  int64_t farthest = 0;               // the centroid that went farthest
  float most = 0, next = 0;           // how far it went, and the farthest of the others
};

class CpuClusterRuns : public ClusterRuns {
 public:
  CpuClusterRuns(const CpuClusterPoints& points, std::span<const int32_t> n_clusters)
      : ClusterRuns(points, std::ssize(n_clusters), RequireClusterRuns(n_clusters)) {
    int64_t first = 0;
    for (int32_t k : n_clusters) {
      Run run;
      run.k = k;
      run.first = first;
      first += k;
      runs.push_back(std::move(run));
    }
  }
  std::vector<Run> runs;
};

// What a step needs of a run's centroids.
struct Table {
  const float* centroids;
  std::vector<float> starts;      // -c.c / 2
  std::vector<double> squared;    // c.c
  std::vector<float> norms;       // |c|, not below
  float largest = 0;              // of the norms
  double error_of_norm, error_0;  // starts + x.c in float32 is off by error_of_norm |x| + error_0 at most
  float margin;                   // times |x| + largest: bounds farther apart decide as the definition does

  Table(const float* centroids_in, int64_t k, int64_t d) : centroids(centroids_in) {
    for (int64_t c = 0; c < k; ++c) {
      squared.push_back(SquaredLength(centroids + c * d, d));
      starts.push_back(static_cast<float>(-squared.back() / 2));
      norms.push_back(static_cast<float>(std::sqrt(squared.back())) * kUp);
      largest = std::max(largest, norms.back());
    }
    const double unit = static_cast<double>(d + 4) * 0x1p-24 * 1.01;  // d products and sums, and the start's rounding
    error_of_norm = unit * largest;
    error_0 = unit * largest * largest / 2 + 1e-36;
    // Keys in double are off by d 2^-53 (|x| + |c|)^2 at most, twice; and u^2 + w^2 < l^2 wherever u + w < l.
    margin = static_cast<float>(std::sqrt(static_cast<double>(d)) * 0x1p-24);
  }
};

// What one worker adds up over its tasks, for all centroids.
struct Worker {
  std::vector<int64_t> sums, counts, n_changed;
  std::vector<int64_t> whole;   // a point as whole numbers, or those of a task
  std::vector<uint64_t> known;  // a bit for each point of the task whose whole numbers are there
  std::vector<int64_t> members;
};

class Stepper {
 public:
  Stepper(CpuContext& context, const ClusterStep& step, const SimdClusters& simd)
      : context_(context),
        step_(step),
        simd_(simd),
        runs_(static_cast<CpuClusterRuns&>(*step.runs)),
        points_(static_cast<const CpuClusterPoints&>(runs_.points())),
        d_(points_.n_features()) {}

  void Go() {
    for (int32_t r : step_.active) {
      Run& run = runs_.runs[static_cast<size_t>(r)];
      tables_.emplace_back(step_.centroids.data + run.first * d_, run.k, d_);
      if (!run.begun) Begin(run);
    }
    workers_.resize(static_cast<size_t>(context_.max_threads()));
    context_.Run(points_.n_tasks(), [&](int64_t task, int worker) {
      const int64_t begin = task * CpuClusterPoints::kTaskPoints;
      const int64_t end = std::min(points_.n_points(), begin + CpuClusterPoints::kTaskPoints);
      Worker& mine = workers_[static_cast<size_t>(worker)];
      if (mine.counts.empty()) {
        mine.sums.resize(static_cast<size_t>(runs_.n_centroids() * d_));
        mine.counts.resize(static_cast<size_t>(runs_.n_centroids()));
        mine.n_changed.resize(static_cast<size_t>(runs_.n_runs()));
        mine.whole.resize(static_cast<size_t>(shares_whole() ? CpuClusterPoints::kTaskPoints * d_ : d_));
      }
      mine.known.assign(CpuClusterPoints::kTaskPoints / 64, 0);
      for (size_t a = 0; a < step_.active.size(); ++a) Assign(a, begin, end, worker);
    });
    context_.Run(std::ssize(step_.active), [&](int64_t a, int) { Update(static_cast<size_t>(a)); });
  }

 private:
  void Begin(Run& run) const {
    const auto n = static_cast<size_t>(CountPanels(points_.n_points()) * kPanelWidth);
    run.bounded = run.k * d_ >= kBoundsFrom;
    run.labels.assign(n, -1);
    run.upper.resize(run.bounded ? n : 0);
    run.lower.resize(run.bounded ? n : 0);
    run.sums.assign(static_cast<size_t>(run.k * d_), 0);
    run.counts.assign(static_cast<size_t>(run.k), 0);
    run.drift.assign(static_cast<size_t>(run.k), 0);
  }

  Run& RunOf(size_t a) { return runs_.runs[static_cast<size_t>(step_.active[a])]; }

  void Assign(size_t a, int64_t begin, int64_t end, int worker) {
    Run& run = RunOf(a);
    Worker& mine = workers_[static_cast<size_t>(worker)];
    if (!run.bounded) return AssignAll(a, begin, end, mine);
    mine.members.clear();
    for (int64_t first = begin; first < end; first += kPanelWidth) {
      const size_t n_before = mine.members.size();
      for (int64_t p = first; p < std::min(end, first + kPanelWidth); ++p)
        if (!run.begun || !Stays(run, tables_[a], p)) mine.members.push_back(p);
      // A point costs as much to gather as 48 centroids do to look at.
      const auto n_members = static_cast<int64_t>(mine.members.size() - n_before);
      if (n_members * (48 + run.k) <= kPanelWidth * run.k) continue;
      AssignGroup(a, std::span<const int64_t>(mine.members).subspan(n_before), points_.panel(first), true, mine);
      mine.members.resize(n_before);
    }
    float* panel = context_.ScratchOf(worker, kPanelWidth * d_);
    for (size_t first = 0; first < mine.members.size(); first += kPanelWidth) {
      const auto group = std::span<const int64_t>(mine.members)
                             .subspan(first, std::min<size_t>(kPanelWidth, mine.members.size() - first));
      points_.Gather(group, panel);
      AssignGroup(a, group, panel, false, mine);
    }
  }

  void AssignAll(size_t a, int64_t begin, int64_t end, Worker& mine) {
    Run& run = RunOf(a);
    const Table& table = tables_[a];
    alignas(64) float best[kPanelWidth], second[kPanelWidth];
    alignas(64) int32_t index[kPanelWidth];
    const auto error_of_norm = static_cast<float>(2 * table.error_of_norm) * kUp;
    const auto error_0 = static_cast<float>(2 * table.error_0) * kUp;
    for (int64_t first = begin; first < end; first += kPanelWidth) {
      int32_t* labels = run.labels.data() + first;  // no cache has those of all runs
      for (int64_t p = 0; p < kPanelWidth; p += 16) __builtin_prefetch(labels + p, 1);
      simd_.nearest_two(points_.panel(first), d_, table.centroids, run.k, table.starts.data(), best, second, index);
      uint64_t open = simd_.unsettled(best, second, index, points_.norms() + first, labels, error_of_norm, error_0);
      if (end - first < kPanelWidth) open &= (uint64_t{1} << (end - first)) - 1;
      for (; open != 0; open &= open - 1) {
        const int64_t lane = std::countr_zero(open), p = first + lane;
        const double error = 2 * (table.error_of_norm * points_.norm(p) + table.error_0);
        Move(run, a, p, IsSettled(best[lane], second[lane], error) ? index[lane] : ByDefinition(run, table, p), mine);
      }
    }
  }

  // Whether the bounds, moved by what the centroids have, leave the point where it is.
  bool Stays(Run& run, const Table& table, int64_t p) const {
    const auto i = static_cast<size_t>(p);
    const auto label = run.labels[i];
    float& upper = run.upper[i];
    float& lower = run.lower[i];
    upper = (upper + run.drift[static_cast<size_t>(label)]) * kUp;
    lower -= label == run.farthest ? run.next : run.most;
    lower *= lower > 0 ? kDown : kUp;
    const float margin = table.margin * (points_.norm(p) + table.largest);
    if (lower - upper > margin) return true;
    if (run.k < kTightenFrom) return false;
    const float* centroid = table.centroids + label * d_;
    const double norm = points_.norm(p), other = table.norms[static_cast<size_t>(label)];
    const double error = 2 * (static_cast<double>(d_ + 4) * 0x1p-24 * 1.01 * norm * other + 1e-36);
    const double squared = points_.squared(p) + table.squared[static_cast<size_t>(label)] -
                           2 * static_cast<double>(simd_.dot(points_.row(p), centroid, d_)) + error;
    if (squared < kInfinity) upper = std::min(upper, Upper(squared));
    return lower - upper > margin;
  }

  // Whether float32 can tell which of the sums is the largest.
  static bool IsSettled(float best, float second, double error) {
    return static_cast<double>(best) - static_cast<double>(second) > error && error < kLargestError;
  }

  static float Upper(double squared) { return static_cast<float>(std::sqrt(std::max(0.0, squared))) * kUp; }
  static float Lower(double squared) { return static_cast<float>(std::sqrt(std::max(0.0, squared))) * kDown; }

  // In place: the points are where the panel has them, not the first in it.
  void AssignGroup(size_t a, std::span<const int64_t> group, const float* panel, bool in_place, Worker& mine) {
    Run& run = RunOf(a);
    const Table& table = tables_[a];
    alignas(64) float best[kPanelWidth], second[kPanelWidth];
    alignas(64) int32_t index[kPanelWidth];
    simd_.nearest_two(panel, d_, table.centroids, run.k, table.starts.data(), best, second, index);
    for (size_t member = 0; member < group.size(); ++member) {
      const int64_t p = group[member];
      const auto g = in_place ? static_cast<size_t>(p % kPanelWidth) : member;
      const auto i = static_cast<size_t>(p);
      const double error = 2 * (table.error_of_norm * points_.norm(p) + table.error_0);
      int32_t label = index[g];
      if (IsSettled(best[g], second[g], error)) {
        run.upper[i] = Upper(points_.squared(p) - 2 * static_cast<double>(best[g]) + error);
        run.lower[i] = Lower(points_.squared(p) - 2 * static_cast<double>(second[g]) - error);
      } else {
        label = ByDefinition(run, table, p);
      }
      Move(run, a, p, label, mine);
    }
  }

  int32_t ByDefinition(Run& run, const Table& table, int64_t p) const {
    double least = kInfinity, next = kInfinity;
    int32_t label = 0;
    for (int64_t c = 0; c < run.k; ++c) {
      const double key =
          table.squared[static_cast<size_t>(c)] - 2 * ProductInDouble(points_.row(p), table.centroids + c * d_, d_);
      if (key < least) {
        next = least;
        least = key;
        label = static_cast<int32_t>(c);
      } else {
        next = std::min(next, key);
      }
    }
    if (run.bounded) {
      run.upper[static_cast<size_t>(p)] = Upper(points_.squared(p) + least);
      run.lower[static_cast<size_t>(p)] = Lower(points_.squared(p) + next);
    }
    return label;
  }

  void Move(Run& run, size_t a, int64_t p, int32_t label, Worker& mine) const {
    int32_t& old = run.labels[static_cast<size_t>(p)];
    if (old == label) return;
    const int64_t* whole = WholeOf(p, mine);
    if (old >= 0) Add(whole, run.first + old, -1, mine);
    Add(whole, run.first + label, 1, mine);
    old = label;
    ++mine.n_changed[static_cast<size_t>(step_.active[a])];
  }

  void Whole(int64_t p, int64_t* whole) const {
    simd_.whole_numbers(points_.row(p), points_.scales().data(), d_, whole);
  }

  // Whether runs take the whole numbers of a point from each other, which pays while a cache holds those of a task.
  bool shares_whole() const { return step_.active.size() > 1 && d_ <= 32; }

  const int64_t* WholeOf(int64_t p, Worker& mine) const {
    int64_t* whole = mine.whole.data();
    if (shares_whole()) {
      const int64_t at = p % CpuClusterPoints::kTaskPoints;
      uint64_t& known = mine.known[static_cast<size_t>(at / 64)];
      const uint64_t bit = uint64_t{1} << (at % 64);
      whole += at * d_;
      if ((known & bit) != 0) return whole;
      known |= bit;
    }
    Whole(p, whole);
    return whole;
  }

  void Add(const int64_t* whole, int64_t centroid, int64_t sign, Worker& mine) const {
    int64_t* sums = mine.sums.data() + centroid * d_;
    for (int64_t j = 0; j < d_; ++j) sums[j] += sign * whole[j];
    mine.counts[static_cast<size_t>(centroid)] += sign;
  }

  void Update(size_t a) {
    Run& run = RunOf(a);
    const auto r = static_cast<size_t>(step_.active[a]);
    int64_t n_changed = 0;
    for (const Worker& worker : workers_) {
      if (worker.counts.empty()) continue;
      n_changed += worker.n_changed[r];
      for (int64_t c = 0; c < run.k; ++c)
        run.counts[static_cast<size_t>(c)] += worker.counts[static_cast<size_t>(run.first + c)];
      const int64_t* sums = worker.sums.data() + run.first * d_;
      for (int64_t e = 0; e < run.k * d_; ++e) run.sums[static_cast<size_t>(e)] += sums[e];
    }
    if (points_.n_points() > 0 && std::ranges::count(run.counts, 0) > 0) FillEmpty(run, tables_[a]);
    step_.n_changed.data[r] = n_changed;
    step_.shift.data[r] = MoveCentroids(run);
    run.begun = true;
  }

  void FillEmpty(Run& run, const Table& table) const {
    const int64_t n = points_.n_points();
    std::vector<double> distances(static_cast<size_t>(n));
    for (int64_t p = 0; p < n; ++p) {
      const int32_t label = run.labels[static_cast<size_t>(p)];
      distances[static_cast<size_t>(p)] =
          SquaredDistance(points_.squared(p), table.squared[static_cast<size_t>(label)],
                          ProductInDouble(points_.row(p), table.centroids + label * d_, d_));
    }
    std::vector<int64_t> whole(static_cast<size_t>(d_));
    for (int64_t c = 0; c < run.k; ++c) {
      if (run.counts[static_cast<size_t>(c)] > 0) continue;
      int64_t farthest = -1;
      double most = 0;
      for (int64_t p = 0; p < n; ++p) {
        const double distance = distances[static_cast<size_t>(p)];
        if (distance > most && run.counts[static_cast<size_t>(run.labels[static_cast<size_t>(p)])] > 1) {
          most = distance;
          farthest = p;
        }
      }
      if (farthest < 0) break;
      const auto i = static_cast<size_t>(farthest);
      const int64_t from = run.labels[i];
      Whole(farthest, whole.data());
      for (int64_t j = 0; j < d_; ++j) {
        run.sums[static_cast<size_t>(from * d_ + j)] -= whole[static_cast<size_t>(j)];
        run.sums[static_cast<size_t>(c * d_ + j)] = whole[static_cast<size_t>(j)];
      }
      --run.counts[static_cast<size_t>(from)];
      run.counts[static_cast<size_t>(c)] = 1;
      run.labels[i] = static_cast<int32_t>(c);
      if (run.bounded) {
        run.lower[i] = -std::numeric_limits<float>::infinity();
        run.upper[i] = std::numeric_limits<float>::infinity();
      }
      distances[i] = 0;
    }
  }

  double MoveCentroids(Run& run) const {
    double shift = 0;
    run.most = run.next = 0;
    run.farthest = 0;
    float* centroids = step_.centroids.data + run.first * d_;
    for (int64_t c = 0; c < run.k; ++c) {
      const auto count = static_cast<double>(run.counts[static_cast<size_t>(c)]);
      double way = 0, exact = 0;
      for (int64_t j = 0; count > 0 && j < d_; ++j) {
        float& place = centroids[c * d_ + j];
        const auto sum = static_cast<double>(run.sums[static_cast<size_t>(c * d_ + j)]);
        const double scale = points_.scales()[static_cast<size_t>(j)];
        const auto mean = static_cast<float>(sum / count / scale);
        const float step = mean - place;
        const double difference = static_cast<double>(mean) - static_cast<double>(place);
        way += static_cast<double>(step) * static_cast<double>(step);
        exact += difference * difference;
        place = mean;
      }
      shift += way;
      const float drift = static_cast<float>(std::sqrt(exact)) * kUp;
      run.drift[static_cast<size_t>(c)] = drift;
      if (drift > run.most) {
        run.next = run.most;
        run.most = drift;
        run.farthest = c;
      } else {
        run.next = std::max(run.next, drift);
      }
    }
    return shift;
  }

  CpuContext& context_;
  const ClusterStep& step_;
  const SimdClusters& simd_;
  CpuClusterRuns& runs_;
  const CpuClusterPoints& points_;
  const int64_t d_;
  std::vector<Table> tables_;    // of the active runs
  std::vector<Worker> workers_;  // by number; empty of those that had no task
};

}  // namespace

std::unique_ptr<ClusterRuns> CpuBackend::NewClusterRuns(Context&, const ClusterPoints& points,
                                                        std::span<const int32_t> n_clusters) {
  return std::make_unique<CpuClusterRuns>(static_cast<const CpuClusterPoints&>(points), n_clusters);
}

void CpuBackend::StepClusters(Context& context, const ClusterStep& step) {
  RequireClusterStep(step);
  Stepper(static_cast<CpuContext&>(context), step, clusters_).Go();
}

void CpuBackend::AssignClusters(Context& context, const ClusterAssignment& assignment) {
  RequireClusterAssignment(assignment);
  auto& cpu = static_cast<CpuContext&>(context);
  const auto& points = static_cast<const CpuClusterPoints&>(*assignment.points);
  const int64_t n = points.n_points(), d = points.n_features(), k = assignment.centroids.n_rows;
  std::vector<double> squared(static_cast<size_t>(k));
  for (int64_t c = 0; c < k; ++c) squared[static_cast<size_t>(c)] = SquaredLength(assignment.centroids.data + c * d, d);
  constexpr int64_t kSum = ClusterAssignment::kInertiaPoints;
  static_assert(CpuClusterPoints::kTaskPoints % kSum == 0 && kSum % kPanelWidth == 0);
  std::vector<double> sums(static_cast<size_t>((n + kSum - 1) / kSum));
  cpu.Run(points.n_tasks(), [&](int64_t task, int) {
    const int64_t begin = task * CpuClusterPoints::kTaskPoints;
    const int64_t end = std::min(n, begin + CpuClusterPoints::kTaskPoints);
    alignas(64) double least[kPanelWidth], next[kPanelWidth];  // of keys
    alignas(64) int32_t labels[kPanelWidth];
    for (int64_t first = begin; first < end; first += kPanelWidth) {
      clusters_.nearest_in_double(points.panel(first), d, assignment.centroids.data, k, squared.data(), least, next,
                                  labels);
      for (int64_t p = first; p < std::min(end, first + kPanelWidth); ++p) {
        const double distance = std::max(0.0, points.squared(p) + least[p - first]);
        if (!assignment.labels.empty()) assignment.labels.data[p] = labels[p - first];
        if (!assignment.distances.empty()) assignment.distances.data[p] = distance;
        if (!assignment.other_distances.empty())
          assignment.other_distances.data[p] = std::max(0.0, points.squared(p) + next[p - first]);
        sums[static_cast<size_t>(p / kSum)] += distance;
      }
    }
  });
  if (assignment.inertia.empty()) return;
  double inertia = 0;
  for (double sum : sums) inertia += sum;
  assignment.inertia.data[0] = inertia;
}

}  // namespace kindred
