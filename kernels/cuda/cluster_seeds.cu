// Greedy k-means++: all seedings side by side, and no word to the host between the centres.
//
// Method, for each centre: its distances lower the least distances, whose largest decides how weights are scaled; sums
// of the weights of 256 points each; a block a seeding draws the trials from them; what each trial would leave is
// summed up; the least is taken. All sums are of whole numbers, by atomics where they cross blocks.
// Predicted, not yet measured on a GPU. Bytes a centre and seeding: the points (from the second cache, where they fit)
// twice and 40 a point; flops: 2 n d (n_trials + 1) in double.
#include "kernels/cuda/clusters.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMaxTrials = 16;

struct SeedArguments {
  const float* points = nullptr;
  const double* squared = nullptr;
  int64_t n = 0, d = 0, k = 0, n_trials = 0, n_blocks = 0;
  int most_bits = 0;  // b of kernels/clusters.h
  const uint64_t* draws = nullptr;
  int32_t* chosen = nullptr;
  double* nearest = nullptr;              // n_seedings x n
  unsigned long long* most = nullptr;     // n_seedings: bits of the largest of them
  unsigned long long* weights = nullptr;  // n_seedings x n_blocks
  int32_t* trials = nullptr;              // n_seedings x n_trials
  unsigned long long* left = nullptr;     // n_seedings x n_trials
};

__device__ double ScaleOf(const SeedArguments& a, int64_t seeding) {
  const double most = __longlong_as_double(static_cast<long long>(a.most[seeding]));
  if (!(most > 0 && most < INFINITY)) return 0;
  int exponent = 0;
  frexp(most, &exponent);
  return ldexp(1.0, a.most_bits - exponent);
}

__device__ unsigned long long WeightOf(double distance, double scale) {
  return static_cast<unsigned long long>(llrint(distance * scale));
}

__device__ double DistanceTo(const SeedArguments& a, int64_t p, int64_t centre) {
  return SquaredDistance(a.squared[p], a.squared[centre],
                         ProductInDouble(a.points + p * a.d, a.points + centre * a.d, a.d));
}

/// The sum of all threads' values, given to thread 0.
__device__ unsigned long long SumOfBlock(unsigned long long value, unsigned long long* scratch) {
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(kAllLanes, value, offset);
  __syncthreads();
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = value;
  __syncthreads();
  unsigned long long sum = 0;
  if (threadIdx.x == 0)
    for (int w = 0; w < kThreads / 32; ++w) sum += scratch[w];
  return sum;
}

__global__ void ChooseFirst(SeedArguments a) {
  const int64_t s = blockIdx.x;
  for (int64_t i = threadIdx.x; i < a.k; i += kThreads)
    a.chosen[s * a.k + i] =
        i > 0 ? -1
              : static_cast<int32_t>(__umul64hi(a.draws[s * a.k * a.n_trials], static_cast<unsigned long long>(a.n)));
  if (threadIdx.x == 0) a.most[s] = 0;
  for (int64_t t = threadIdx.x; t < a.n_trials; t += kThreads) a.left[s * a.n_trials + t] = 0;
}

/// Centre i - 1 lowers the distances.
__global__ void __launch_bounds__(kThreads) AddChosen(SeedArguments a, int64_t i) {
  const int64_t s = blockIdx.y, p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const int32_t centre = a.chosen[s * a.k + i - 1];
  if (centre < 0) return;
  double distance = 0;
  if (p < a.n) {
    double& nearest = a.nearest[s * a.n + p];
    distance = DistanceTo(a, p, centre);
    if (i > 1) distance = min(distance, nearest);
    nearest = distance;
  }
  auto bits = static_cast<unsigned long long>(__double_as_longlong(distance));
  for (int offset = 16; offset > 0; offset >>= 1) bits = max(bits, __shfl_xor_sync(kAllLanes, bits, offset));
  if (threadIdx.x % 32 == 0 && bits > 0) atomicMax(&a.most[s], bits);
}

__global__ void __launch_bounds__(kThreads) Weigh(SeedArguments a) {
  KINDRED_SHARED(unsigned long long, scratch, kThreads / 32);
  const int64_t s = blockIdx.y, p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  const double scale = ScaleOf(a, s);
  const unsigned long long sum =
      SumOfBlock(p < a.n && scale > 0 ? WeightOf(a.nearest[s * a.n + p], scale) : 0, scratch);
  if (threadIdx.x == 0) a.weights[s * a.n_blocks + blockIdx.x] = sum;
}

/// The trials of centre i, a thread each: threads share out the blocks' sums first.
__global__ void __launch_bounds__(kThreads) DrawTrials(SeedArguments a, int64_t i) {
  KINDRED_SHARED(unsigned long long, parts, kThreads);
  const int64_t s = blockIdx.x, t = threadIdx.x;
  const int64_t of_part = (a.n_blocks + kThreads - 1) / kThreads;
  const unsigned long long* const weights = a.weights + s * a.n_blocks;
  unsigned long long part = 0;
  for (int64_t b = t * of_part; b < min(a.n_blocks, (t + 1) * of_part); ++b) part += weights[b];
  parts[t] = part;
  __syncthreads();
  unsigned long long total = 0;
  for (int q = 0; q < kThreads; ++q) total += parts[q];
  if (t >= a.n_trials) return;
  if (total == 0) {
    a.trials[s * a.n_trials + t] = -1;
    return;
  }
  unsigned long long before = __umul64hi(a.draws[(s * a.k + i) * a.n_trials + t], total);
  int64_t q = 0;
  for (; before >= parts[q]; ++q) before -= parts[q];
  int64_t block = q * of_part;
  for (; before >= weights[block]; ++block) before -= weights[block];
  const double scale = ScaleOf(a, s);
  int64_t p = block * kThreads;
  for (unsigned long long weight; before >= (weight = WeightOf(a.nearest[s * a.n + p], scale)); ++p) before -= weight;
  a.trials[s * a.n_trials + t] = static_cast<int32_t>(p);
}

__global__ void __launch_bounds__(kThreads) TryTrials(SeedArguments a) {
  KINDRED_SHARED(unsigned long long, scratch, kThreads / 32);
  const int64_t s = blockIdx.y, p = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (a.trials[s * a.n_trials] < 0) return;
  const double scale = ScaleOf(a, s);
  for (int64_t t = 0; t < a.n_trials; ++t) {
    unsigned long long weight = 0;
    if (p < a.n) weight = WeightOf(min(a.nearest[s * a.n + p], DistanceTo(a, p, a.trials[s * a.n_trials + t])), scale);
    const unsigned long long sum = SumOfBlock(weight, scratch);
    if (threadIdx.x == 0) atomicAdd(&a.left[s * a.n_trials + t], sum);
  }
}

/// The best trial becomes centre i; makes room for the next. A thread a seeding.
__global__ void KeepTheBest(SeedArguments a, int64_t n_seedings, int64_t i) {
  const int64_t s = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (s >= n_seedings) return;
  int64_t best = 0;
  for (int64_t t = 1; t < a.n_trials; ++t)
    if (a.left[s * a.n_trials + t] < a.left[s * a.n_trials + best]) best = t;
  a.chosen[s * a.k + i] = a.trials[s * a.n_trials + best];
  for (int64_t t = 0; t < a.n_trials; ++t) a.left[s * a.n_trials + t] = 0;
  a.most[s] = 0;
}

__global__ void ChooseNone(int32_t* chosen, int64_t n) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) chosen[i] = -1;
}

}  // namespace

void CudaBackend::SeedClusters(Context& context, const ClusterSeeding& seeding) {
  RequireClusterSeeding(seeding);
  static_assert(kMaxTrials <= kThreads);
  if (seeding.chosen.size() == 0) return;
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  const auto& points = static_cast<const CudaClusterPoints&>(*seeding.points);
  const int64_t n_seedings = seeding.chosen.n_rows;
  SeedArguments a;
  a.points = points.rows;
  a.squared = points.squared.as<double>();
  a.n = points.n_points();
  a.d = points.n_features();
  a.k = seeding.chosen.n_cols;
  a.n_trials = seeding.n_trials;
  a.n_blocks = Blocks(a.n, kThreads);
  a.most_bits = ClusterScale(0.5, a.n);
  a.draws = seeding.draws.data;
  a.chosen = seeding.chosen.data;
  if (a.n == 0) {
    Launch(ChooseNone, dim3(Blocks(seeding.chosen.size(), kThreads)), dim3(kThreads), 0, stream.handle(), a.chosen,
           seeding.chosen.size());
    return;
  }
  Arena arena(cuda.Reserve(Arena::Bytes<double>(n_seedings * a.n) + Arena::Bytes<double>(n_seedings) +
                           Arena::Bytes<double>(n_seedings * a.n_blocks) +
                           Arena::Bytes<int32_t>(n_seedings * a.n_trials) +
                           Arena::Bytes<double>(n_seedings * a.n_trials)));
  a.nearest = arena.Take<double>(n_seedings * a.n);
  a.most = arena.Take<unsigned long long>(n_seedings);
  a.weights = arena.Take<unsigned long long>(n_seedings * a.n_blocks);
  a.trials = arena.Take<int32_t>(n_seedings * a.n_trials);
  a.left = arena.Take<unsigned long long>(n_seedings * a.n_trials);
  const dim3 all(static_cast<unsigned>(a.n_blocks), static_cast<unsigned>(n_seedings));
  Launch(ChooseFirst, dim3(static_cast<unsigned>(n_seedings)), dim3(kThreads), 0, stream.handle(), a);
  for (int64_t i = 1; i < a.k; ++i) {
    Launch(AddChosen, all, dim3(kThreads), 0, stream.handle(), a, i);
    Launch(Weigh, all, dim3(kThreads), 0, stream.handle(), a);
    Launch(DrawTrials, dim3(static_cast<unsigned>(n_seedings)), dim3(kThreads), 0, stream.handle(), a, i);
    if (a.n_trials > 1) Launch(TryTrials, all, dim3(kThreads), 0, stream.handle(), a);
    Launch(KeepTheBest, dim3(Blocks(n_seedings, kThreads)), dim3(kThreads), 0, stream.handle(), a, n_seedings, i);
  }
}

}  // namespace kindred::cuda
