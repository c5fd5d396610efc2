// Silhouettes.
//
// Method: points in the order of their clusters; a block takes 64 of them against all, in tiles of 64 none of which has
// points of two clusters. Distances live in registers, from differences in float32; a tile's are added in a fixed order
// and end in a double for each point, of which one is enough: when a cluster ends, its mean is that to the own cluster
// or may be the least yet.
// Predicted, not yet measured on a GPU. Bytes: the points once for every 64, from the second cache; flops: 3 n^2 d.
#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/cuda/clusters.h"
#include "kernels/require.h"

namespace kindred::cuda {
namespace {

constexpr int kThreads = kTileThreads;

struct SilhouetteTile {
  int64_t first;  // in the order
  int32_t cluster;
  int32_t n_points;
};

struct SilhouetteArguments {
  const float* points = nullptr;
  int64_t n = 0, d = 0, n_tiles = 0;  // n members
  const int32_t* order = nullptr;
  const int32_t* labels = nullptr;
  const SilhouetteTile* tiles = nullptr;
  const int64_t* sizes = nullptr;
  double* silhouettes = nullptr;
};

__global__ void __launch_bounds__(kThreads) Silhouettes(SilhouetteArguments a) {
  KINDRED_SHARED(float, x, kDepth* kStride);
  KINDRED_SHARED(float, y, kDepth* kStride);
  const int t = static_cast<int>(threadIdx.x), across = t % kAcross, down = t / kAcross;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kTile,
                n_left = min(static_cast<int64_t>(kTile), a.n - first);
  int32_t own[kEach];
  double sums[kEach] = {}, within[kEach] = {}, least[kEach];
  for (int p = 0; p < kEach; ++p) {
    own[p] = down * kEach + p < n_left ? a.labels[a.order[first + down * kEach + p]] : -1;
    least[p] = INFINITY;
  }
  for (int64_t i = 0; i < a.n_tiles; ++i) {
    const SilhouetteTile tile = a.tiles[i];
    float squares[kEach][kEach] = {};
    for (int64_t j = 0; j < a.d; j += kDepth) {
      __syncthreads();
      LoadTile(a.points, a.order, first, a.n, a.d, j, x);
      LoadTile(a.points, a.order, tile.first, tile.first + tile.n_points, a.d, j, y);
      __syncthreads();
      for (int f = 0; f < kDepth; ++f) {
        float left[kEach], right[kEach];
        for (int p = 0; p < kEach; ++p) left[p] = x[f * kStride + down * kEach + p];
        for (int q = 0; q < kEach; ++q) right[q] = y[f * kStride + across * kEach + q];
        for (int p = 0; p < kEach; ++p)
          for (int q = 0; q < kEach; ++q) {
            const float way = left[p] - right[q];
            squares[p][q] += way * way;
          }
      }
    }
    for (int p = 0; p < kEach; ++p) {
      double sum = 0;
      for (int q = 0; q < kEach; ++q)
        if (across * kEach + q < tile.n_points) sum += static_cast<double>(__fsqrt_rn(squares[p][q]));
      for (int offset = kAcross / 2; offset > 0; offset >>= 1) sum += __shfl_xor_sync(kAllLanes, sum, offset);
      sums[p] += sum;
    }
    if (i + 1 < a.n_tiles && a.tiles[i + 1].cluster == tile.cluster) continue;
    const auto size = static_cast<double>(a.sizes[tile.cluster]);
    for (int p = 0; p < kEach; ++p) {
      if (own[p] == tile.cluster)
        within[p] = size > 1 ? sums[p] / (size - 1) : -1;
      else
        least[p] = min(least[p], sums[p] / size);
      sums[p] = 0;
    }
  }
  if (across > 0) return;
  for (int p = 0; p < kEach; ++p) {
    if (own[p] < 0 || within[p] < 0 || least[p] == INFINITY) continue;
    const double larger = max(within[p], least[p]);
    if (larger > 0) a.silhouettes[a.order[first + down * kEach + p]] = (least[p] - within[p]) / larger;
  }
}

}  // namespace

void CudaBackend::SilhouetteOfClusters(Context& context, const ClusterSilhouette& silhouette) {
  RequireClusterSilhouette(silhouette);
  auto& cuda = static_cast<CudaContext&>(context);
  Stream& stream = cuda.stream();
  const auto& points = static_cast<const CudaClusterPoints&>(*silhouette.points);
  const int64_t n = points.n_points(), k = silhouette.n_clusters;
  stream.Zero(silhouette.silhouettes.data, n * static_cast<int64_t>(sizeof(double)));

  std::vector<int32_t> labels(static_cast<size_t>(n));
  if (n > 0) stream.CopyToHost(labels.data(), silhouette.labels.data, n * 4);
  stream.Synchronize();
  struct Sorted {
    std::vector<int64_t> sizes;
    std::vector<int32_t> order;
    std::vector<SilhouetteTile> tiles;
  };
  auto sorted = std::make_shared<Sorted>();
  sorted->sizes.resize(static_cast<size_t>(k));
  for (int64_t p = 0; p < n; ++p) {
    const int32_t label = labels[static_cast<size_t>(p)];
    if (label < 0 || label >= k) continue;
    ++sorted->sizes[static_cast<size_t>(label)];
    sorted->order.push_back(static_cast<int32_t>(p));
  }
  std::ranges::stable_sort(sorted->order, {}, [&](int32_t p) { return labels[static_cast<size_t>(p)]; });
  int64_t first = 0;
  for (int64_t c = 0; c < k; ++c)
    for (int64_t left = sorted->sizes[static_cast<size_t>(c)]; left > 0; left -= kTile) {
      const int64_t count = std::min<int64_t>(left, kTile);
      sorted->tiles.push_back({first, static_cast<int32_t>(c), static_cast<int32_t>(count)});
      first += count;
    }

  SilhouetteArguments a;
  a.points = points.rows;
  a.n = std::ssize(sorted->order);
  a.d = points.n_features();
  a.n_tiles = std::ssize(sorted->tiles);
  a.labels = silhouette.labels.data;
  a.silhouettes = silhouette.silhouettes.data;
  if (a.n == 0) return;
  Arena arena(
      cuda.Reserve(Arena::Bytes<int32_t>(a.n) + Arena::Bytes<SilhouetteTile>(a.n_tiles) + Arena::Bytes<int64_t>(k)));
  auto* const order = arena.Take<int32_t>(a.n);
  auto* const tiles = arena.Take<SilhouetteTile>(a.n_tiles);
  auto* const sizes = arena.Take<int64_t>(k);
  stream.CopyToDevice(order, sorted->order.data(), a.n * 4);
  stream.CopyToDevice(tiles, sorted->tiles.data(), a.n_tiles * static_cast<int64_t>(sizeof(SilhouetteTile)));
  stream.CopyToDevice(sizes, sorted->sizes.data(), k * 8);
  cuda.Keep(sorted);
  a.order = order;
  a.tiles = tiles;
  a.sizes = sizes;
  Launch(Silhouettes, dim3(Blocks(a.n, kTile)), dim3(kThreads), 0, stream.handle(), a);
}

}  // namespace kindred::cuda
