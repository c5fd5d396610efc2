// K-Means: Lloyd's steps of many runs, assignments.
//
// Method of a step: a block multiplies 64 points with all centroids of a run, 64 at a time, in float32 in registers,
// and keeps each point's best and second; where these are closer than float32 can tell, the definition decides in
// double. Only points whose label changes are added and taken off, as whole numbers by atomics, which no order can
// change. One block a run then makes the means. There are no bounds from step to step, as on a CPU: threads that pass
// over a point would wait for those that do not.
// Predicted, not yet measured on a GPU. Bytes: the points once for each run of up to 64 centroids, from the second
// cache where runs go side by side; flops: 2 n d a centroid, in float32.
#include "kernels/cuda/clusters.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/cuda/block.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = kTileThreads;

struct Centroids {
  float* rows = nullptr;
  double* squared = nullptr;  // c.c
  float* starts = nullptr;    // -c.c / 2
  float* norms = nullptr;     // |c|, not below
};

__global__ void MeasureCentroids(Centroids c, int64_t n, int64_t d) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const double length = ProductInDouble(c.rows + i * d, c.rows + i * d, d);
  c.squared[i] = length;
  c.starts[i] = static_cast<float>(-length / 2);
  c.norms[i] = static_cast<float>(sqrt(length)) * (1 + 0x1p-21f);
}

struct StepArguments {
  const float* points = nullptr;
  const double* squared = nullptr;
  const float* norms = nullptr;
  const double* scales = nullptr;
  int64_t n = 0, d = 0;
  Centroids centroids;
  const int64_t* firsts = nullptr;  // n_runs + 1
  const int32_t* active = nullptr;
  int32_t* labels = nullptr;             // n_runs x n
  unsigned long long* sums = nullptr;    // n_centroids x d, two's complement
  unsigned long long* counts = nullptr;  // n_centroids
  unsigned long long* n_changed = nullptr;
  double* ways = nullptr;  // n_centroids
  double* shift = nullptr;
};

struct Nearest {
  float best = -INFINITY, second = -INFINITY;
  int32_t index = 0x7fffffff;

  __device__ void See(float value, int32_t at) {
    if (value > best) {
      second = best;
      best = value;
      index = at;
    } else if (value > second) {
      second = value;
    }
  }
};

/// The nearest of several threads' centroids, given to all of kAcross lanes.
__device__ Nearest Merge(Nearest mine) {
  for (int offset = kAcross / 2; offset > 0; offset >>= 1) {
    const float best = __shfl_xor_sync(kAllLanes, mine.best, offset);
    const float second = __shfl_xor_sync(kAllLanes, mine.second, offset);
    const int32_t index = __shfl_xor_sync(kAllLanes, mine.index, offset);
    const float lower = best < mine.best ? best : mine.best;
    mine.second = max(max(mine.second, second), lower);
    if (best > mine.best || (best == mine.best && index < mine.index)) {
      mine.best = best;
      mine.index = index;
    }
  }
  return mine;
}

KINDRED_NOINLINE __device__ int32_t LabelByDefinition(const StepArguments& a, int64_t p, int64_t first, int64_t k) {
  double least = INFINITY;
  int32_t label = 0;
  for (int64_t c = 0; c < k; ++c) {
    const double key = a.centroids.squared[first + c] -
                       2 * ProductInDouble(a.points + p * a.d, a.centroids.rows + (first + c) * a.d, a.d);
    if (key < least) {
      least = key;
      label = static_cast<int32_t>(c);
    }
  }
  return label;
}

/// The largest norm of a run's centroids, given to all threads.
__device__ float LargestNorm(const float* norms, int64_t k, float* scratch) {
  float largest = 0;
  for (int64_t c = threadIdx.x; c < k; c += kThreads) largest = max(largest, norms[c]);
  for (int offset = 16; offset > 0; offset >>= 1) largest = max(largest, __shfl_xor_sync(kAllLanes, largest, offset));
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = largest;
  __syncthreads();
  for (int w = 0; w < kThreads / 32; ++w) largest = max(largest, scratch[w]);
  return largest;
}

__global__ void __launch_bounds__(kThreads) AssignAndAdd(StepArguments a) {
  KINDRED_SHARED(float, x, kDepth* kStride);
  KINDRED_SHARED(float, y, kDepth* kStride);
  KINDRED_SHARED(float, scratch, kThreads / 32);
  KINDRED_SHARED(int32_t, from, kTile);
  KINDRED_SHARED(int32_t, to, kTile);
  const int t = static_cast<int>(threadIdx.x), across = t % kAcross, down = t / kAcross;
  const int64_t run = a.active[blockIdx.y], first = a.firsts[run], k = a.firsts[run + 1] - first;
  const int64_t first_point = static_cast<int64_t>(blockIdx.x) * kTile;
  const float largest = LargestNorm(a.centroids.norms + first, k, scratch);
  const float* const rows = a.centroids.rows + first * a.d;
  Nearest nearest[kEach];
  for (int64_t c = 0; c < k; c += kTile) {
    float sums[kEach][kEach];
    for (int q = 0; q < kEach; ++q) {
      const int64_t at = c + across * kEach + q;
      const float start = at < k ? a.centroids.starts[first + at] : 0.0f;
      for (int p = 0; p < kEach; ++p) sums[p][q] = start;
    }
    for (int64_t j = 0; j < a.d; j += kDepth) {
      __syncthreads();
      LoadTile(a.points, nullptr, first_point, a.n, a.d, j, x);
      LoadTile(rows, nullptr, c, k, a.d, j, y);
      __syncthreads();
      for (int i = 0; i < kDepth; ++i) {
        float left[kEach], right[kEach];
        for (int p = 0; p < kEach; ++p) left[p] = x[i * kStride + down * kEach + p];
        for (int q = 0; q < kEach; ++q) right[q] = y[i * kStride + across * kEach + q];
        for (int p = 0; p < kEach; ++p)
          for (int q = 0; q < kEach; ++q) sums[p][q] += left[p] * right[q];
      }
    }
    for (int q = 0; q < kEach; ++q) {
      const int64_t at = c + across * kEach + q;
      for (int p = 0; at < k && p < kEach; ++p) nearest[p].See(sums[p][q], static_cast<int32_t>(at));
    }
  }
  int n_changed = 0;
  for (int p = 0; p < kEach; ++p) {
    const Nearest found = Merge(nearest[p]);
    const int64_t point = first_point + down * kEach + p;
    if (across > 0) continue;
    from[down * kEach + p] = to[down * kEach + p] = -1;
    if (point >= a.n) continue;
    // d products and sums, and the start's rounding, of two centroids.
    const double unit = 2 * static_cast<double>(a.d + 4) * 0x1p-24 * 1.01;
    const double error = unit * largest * (static_cast<double>(a.norms[point]) + 0.5 * largest) + 2e-36;
    int32_t label = found.index;
    if (!(static_cast<double>(found.best) - found.second > error && error < 1e30))
      label = LabelByDefinition(a, point, first, k);
    int32_t& old = a.labels[run * a.n + point];
    if (old == label) continue;
    from[down * kEach + p] = old;
    to[down * kEach + p] = label;
    old = label;
    ++n_changed;
  }
  if (n_changed > 0) atomicAdd(&a.n_changed[run], static_cast<unsigned long long>(n_changed));
  __syncthreads();
  for (int64_t e = t; e < kTile * a.d; e += kThreads) {
    const int64_t p = e / a.d, j = e % a.d;
    if (to[p] < 0) continue;
    const double scaled = static_cast<double>(a.points[(first_point + p) * a.d + j]) * a.scales[j];
    const auto whole = static_cast<unsigned long long>(llrint(scaled));
    atomicAdd(&a.sums[(first + to[p]) * a.d + j], whole);
    if (from[p] >= 0) atomicAdd(&a.sums[(first + from[p]) * a.d + j], 0 - whole);
    if (j > 0) continue;
    atomicAdd(&a.counts[first + to[p]], 1ULL);
    if (from[p] >= 0) atomicAdd(&a.counts[first + from[p]], ~0ULL);
  }
}

/// The point farthest from its centroid, the first of equals, of clusters with more than one; -1 where none is away.
/// Between two calls the block meets at a barrier.
__device__ int64_t FarthestPoint(const StepArguments& a, int64_t run, int64_t first, double* distances,
                                 int64_t* points) {
  const int t = static_cast<int>(threadIdx.x);
  double most = 0;
  int64_t farthest = -1;
  for (int64_t p = t; p < a.n; p += kThreads) {
    const int64_t c = first + a.labels[run * a.n + p];
    if (a.counts[c] < 2) continue;
    const double distance = SquaredDistance(a.squared[p], a.centroids.squared[c],
                                            ProductInDouble(a.points + p * a.d, a.centroids.rows + c * a.d, a.d));
    if (distance > most) {
      most = distance;
      farthest = p;
    }
  }
  distances[t] = most;
  points[t] = farthest;
  __syncthreads();
  for (int other = 0; other < kThreads; ++other)
    if (points[other] >= 0 && (distances[other] > most || (distances[other] == most && points[other] < farthest))) {
      most = distances[other];
      farthest = points[other];
    }
  return farthest;
}

/// One block a run: empty clusters get a point, then every centroid becomes the mean of its points.
__global__ void __launch_bounds__(kThreads) MoveCentroids(StepArguments a) {
  KINDRED_SHARED(double, distances, kThreads);
  KINDRED_SHARED(int64_t, points, kThreads);
  const int t = static_cast<int>(threadIdx.x);
  const int64_t run = a.active[blockIdx.x], first = a.firsts[run], end = a.firsts[run + 1];
  int n_empty = 0;
  for (int64_t c = first + t; c < end; c += kThreads) n_empty += a.counts[c] == 0 ? 1 : 0;
  if (__syncthreads_or(n_empty) != 0 && a.n > 0)
    for (int64_t c = first; c < end; ++c) {
      if (a.counts[c] > 0) continue;
      const int64_t p = FarthestPoint(a, run, first, distances, points);
      if (p < 0) break;
      const int64_t from = first + a.labels[run * a.n + p];
      __syncthreads();
      for (int64_t j = t; j < a.d; j += kThreads) {
        const double scaled = static_cast<double>(a.points[p * a.d + j]) * a.scales[j];
        const auto whole = static_cast<unsigned long long>(llrint(scaled));
        a.sums[from * a.d + j] -= whole;
        a.sums[c * a.d + j] = whole;
      }
      if (t == 0) {
        --a.counts[from];
        a.counts[c] = 1;
        a.labels[run * a.n + p] = static_cast<int32_t>(c - first);
      }
      __syncthreads();
    }
  for (int64_t c = first + t; c < end; c += kThreads) {
    double way = 0;
    const auto count = static_cast<double>(a.counts[c]);
    for (int64_t j = 0; count > 0 && j < a.d; ++j) {
      float& place = a.centroids.rows[c * a.d + j];
      const auto sum = static_cast<double>(static_cast<long long>(a.sums[c * a.d + j]));
      const auto mean = static_cast<float>(sum / count / a.scales[j]);
      const float step = mean - place;
      way += static_cast<double>(step) * static_cast<double>(step);
      place = mean;
    }
    a.ways[c] = way;
  }
  __syncthreads();
  if (t > 0) return;
  double shift = 0;
  for (int64_t c = first; c < end; ++c) shift += a.ways[c];
  a.shift[run] = shift;
}

__global__ void ClearChanges(const int32_t* active, int64_t n_active, unsigned long long* n_changed) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n_active) n_changed[active[i]] = 0;
}

__global__ void FillLabels(int32_t* labels, int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) labels[i] = -1;
}

class CudaClusterRuns : public ClusterRuns {
 public:
  CudaClusterRuns(const CudaClusterPoints& points, std::span<const int32_t> n_clusters, int64_t n_centroids)
      : ClusterRuns(points, std::ssize(n_clusters), n_centroids),
        firsts((n_runs() + 1) * 8),
        labels(n_runs() * points.n_points() * 4),
        sums(n_centroids * points.n_features() * 8),
        counts(n_centroids * 8) {}

  DeviceMemory firsts;  // int64 [n_runs + 1]
  DeviceMemory labels, sums, counts;
};

constexpr int kAssignedCentroids = 8;  // of a thread at a time

struct AssignArguments {
  const float* points = nullptr;
  const double* squared = nullptr;
  int64_t n = 0, d = 0, k = 0;
  const float* centroids = nullptr;
  const double* centroid_squares = nullptr;
  int32_t* labels = nullptr;
  double *distances = nullptr, *others = nullptr;
  double* sums = nullptr;  // of each block's points; or nothing
};

/// By the definition, a thread a point.
__global__ void __launch_bounds__(kThreads) AssignByDefinition(AssignArguments a) {
  KINDRED_SHARED(double, distances, kThreads);
  const int64_t p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  double distance = 0;
  if (p < a.n) {
    const float* const x = a.points + p * a.d;
    double least = INFINITY, next = INFINITY;
    int32_t label = 0;
    for (int64_t c = 0; c < a.k; c += kAssignedCentroids) {
      double products[kAssignedCentroids] = {};
      for (int64_t j = 0; j < a.d; ++j) {
        const double at = x[j];
        for (int i = 0; i < kAssignedCentroids; ++i)
          products[i] += at * static_cast<double>(a.centroids[min(c + i, a.k - 1) * a.d + j]);
      }
      for (int i = 0; i < kAssignedCentroids && c + i < a.k; ++i) {
        const double key = a.centroid_squares[c + i] - 2 * products[i];
        if (key < least) {
          next = least;
          least = key;
          label = static_cast<int32_t>(c + i);
        } else if (key < next) {
          next = key;
        }
      }
    }
    distance = max(0.0, a.squared[p] + least);
    if (a.labels != nullptr) a.labels[p] = label;
    if (a.distances != nullptr) a.distances[p] = distance;
    if (a.others != nullptr) a.others[p] = max(0.0, a.squared[p] + next);
  }
  if (a.sums == nullptr) return;
  distances[threadIdx.x] = distance;
  __syncthreads();
  if (threadIdx.x > 0) return;
  double sum = 0;
  for (int i = 0; i < kThreads; ++i) sum += distances[i];
  a.sums[blockIdx.x] = sum;
}

/// In their order; one block.
__global__ void __launch_bounds__(kThreads) AddInOrder(const double* values, int64_t n, double* total) {
  KINDRED_SHARED(double, some, kThreads);
  double sum = 0;
  for (int64_t first = 0; first < n; first += kThreads) {
    if (first + threadIdx.x < n) some[threadIdx.x] = values[first + threadIdx.x];
    __syncthreads();
    if (threadIdx.x == 0)
      for (int i = 0; i < kThreads && first + i < n; ++i) sum += some[i];
    __syncthreads();
  }
  if (threadIdx.x == 0) *total = sum;
}

}  // namespace

std::unique_ptr<ClusterRuns> CudaBackend::NewClusterRuns(Context& context, const ClusterPoints& points,
                                                         std::span<const int32_t> n_clusters) {
  const int64_t n_centroids = RequireClusterRuns(n_clusters);
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  auto runs = std::make_unique<CudaClusterRuns>(static_cast<const CudaClusterPoints&>(points), n_clusters, n_centroids);
  auto firsts = std::make_shared<std::vector<int64_t>>(n_clusters.size() + 1);
  std::partial_sum(n_clusters.begin(), n_clusters.end(), firsts->begin() + 1,
                   [](int64_t sum, int64_t k) { return sum + k; });
  stream.CopyToDevice(runs->firsts.data(), firsts->data(), std::ssize(*firsts) * 8);
  cuda.Keep(firsts);
  const int64_t n_labels = runs->n_runs() * points.n_points();
  if (n_labels > 0)
    Launch(FillLabels, dim3(Blocks(n_labels, kThreads)), dim3(kThreads), 0, stream.handle(), runs->labels.as<int32_t>(),
           n_labels);
  stream.Zero(runs->sums.data(), n_centroids * points.n_features() * 8);
  stream.Zero(runs->counts.data(), n_centroids * 8);
  return runs;
}

void CudaBackend::StepClusters(Context& context, const ClusterStep& step) {
  RequireClusterStep(step);
  if (step.active.empty()) return;
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  auto& runs = static_cast<CudaClusterRuns&>(*step.runs);
  const auto& points = static_cast<const CudaClusterPoints&>(runs.points());
  const int64_t n_centroids = runs.n_centroids(), n_active = std::ssize(step.active);
  StepArguments a;
  a.points = points.rows;
  a.squared = points.squared.as<double>();
  a.norms = points.norms.as<float>();
  a.scales = points.scales.as<double>();
  a.n = points.n_points();
  a.d = points.n_features();
  Arena arena(cuda.Reserve(2 * Arena::Bytes<double>(n_centroids) + 2 * Arena::Bytes<float>(n_centroids) +
                           Arena::Bytes<int32_t>(n_active)));
  a.centroids = {step.centroids.data, arena.Take<double>(n_centroids), arena.Take<float>(n_centroids),
                 arena.Take<float>(n_centroids)};
  a.ways = arena.Take<double>(n_centroids);
  auto* const on_device = arena.Take<int32_t>(n_active);
  auto active = std::make_shared<std::vector<int32_t>>(step.active.begin(), step.active.end());
  stream.CopyToDevice(on_device, active->data(), n_active * 4);
  cuda.Keep(active);
  a.active = on_device;
  a.firsts = runs.firsts.as<int64_t>();
  a.labels = runs.labels.as<int32_t>();
  a.sums = runs.sums.as<unsigned long long>();
  a.counts = runs.counts.as<unsigned long long>();
  a.n_changed = reinterpret_cast<unsigned long long*>(step.n_changed.data);
  a.shift = step.shift.data;
  Launch(ClearChanges, dim3(Blocks(n_active, kThreads)), dim3(kThreads), 0, stream.handle(), a.active, n_active,
         a.n_changed);
  Launch(MeasureCentroids, dim3(Blocks(n_centroids, kThreads)), dim3(kThreads), 0, stream.handle(), a.centroids,
         n_centroids, a.d);
  constexpr int64_t kMostRuns = 65535;  // of a grid's second dimension
  for (int64_t first = 0; a.n > 0 && first < n_active; first += kMostRuns) {
    StepArguments some = a;
    some.active += first;
    Launch(AssignAndAdd, dim3(Blocks(a.n, kTile), static_cast<unsigned>(std::min(kMostRuns, n_active - first))),
           dim3(kThreads), 0, stream.handle(), some);
  }
  Launch(MoveCentroids, dim3(static_cast<unsigned>(n_active)), dim3(kThreads), 0, stream.handle(), a);
}

void CudaBackend::AssignClusters(Context& context, const ClusterAssignment& assignment) {
  RequireClusterAssignment(assignment);
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  const auto& points = static_cast<const CudaClusterPoints&>(*assignment.points);
  static_assert(kThreads == ClusterAssignment::kInertiaPoints);
  const int64_t k = assignment.centroids.n_rows, n = points.n_points(), n_blocks = Blocks(n, kThreads);
  Arena arena(cuda.Reserve(Arena::Bytes<double>(k) + 2 * Arena::Bytes<float>(k) + Arena::Bytes<double>(n_blocks)));
  // MeasureCentroids writes no row.
  const Centroids centroids = {const_cast<float*>(assignment.centroids.data), arena.Take<double>(k),
                               arena.Take<float>(k), arena.Take<float>(k)};
  AssignArguments a;
  a.points = points.rows;
  a.squared = points.squared.as<double>();
  a.n = n;
  a.d = points.n_features();
  a.k = k;
  a.centroids = centroids.rows;
  a.centroid_squares = centroids.squared;
  a.labels = assignment.labels.empty() ? nullptr : assignment.labels.data;
  a.distances = assignment.distances.empty() ? nullptr : assignment.distances.data;
  a.others = assignment.other_distances.empty() ? nullptr : assignment.other_distances.data;
  a.sums = assignment.inertia.empty() ? nullptr : arena.Take<double>(n_blocks);
  Launch(MeasureCentroids, dim3(Blocks(k, kThreads)), dim3(kThreads), 0, stream.handle(), centroids, k, a.d);
  if (n > 0) Launch(AssignByDefinition, dim3(static_cast<unsigned>(n_blocks)), dim3(kThreads), 0, stream.handle(), a);
  if (a.sums != nullptr)
    Launch(AddInOrder, dim3(1), dim3(kThreads), 0, stream.handle(), a.sums, n_blocks, assignment.inertia.data);
}

}  // namespace kindred::cuda
