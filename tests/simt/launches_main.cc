// simt_launches: asks the emulated backend for every operation and prints what it launches, one line a launch:
//
//     N_FACTORS ADDRESS THREADS SHARED_BYTES
//
// ADDRESS is the kernel's, from the program's start, as `nm` has it. scripts/kernel_table.py reads it.
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <vector>

#include "kernels/cuda/top_n.h"
#include "kernels/error.h"
#include "tests/simt/emulated_backend.h"
#include "tests/simt/scheduler.h"
#include "tests/support/random.h"

extern "C" const char __executable_start;

namespace kindred {
namespace {

int64_t g_n_factors = 0;

void Print(const void* kernel, dim3, dim3 block, size_t shared_bytes) {
  std::printf("%lld %llx %u %zu\n", static_cast<long long>(g_n_factors),
              static_cast<unsigned long long>(static_cast<const char*>(kernel) - &__executable_start),
              block.x * block.y * block.z, shared_bytes);
}

template <class T>
Resident<T> ToBackend(Backend& backend, Context& context, const std::vector<T>& values, int64_t n_rows,
                      int64_t n_cols = 1) {
  Resident<T> result(backend, n_rows, n_cols);
  result.Upload(backend, context, values);
  context.Wait();
  return result;
}

// Rows of every length that has a kernel of its own, then rows that are singular.
void SolveAls(Backend& backend, Context& context, int64_t f) {
  constexpr int64_t kCols = 5000;
  for (const float regularization : {1.0f, 0.0f}) {
    std::vector<int64_t> lengths = {1};
    if (regularization > 0) lengths = {0, 3, 20, 40, 60, 100, 128, 300};
    if (regularization > 0 && f <= 128) lengths.push_back(kCols);
    std::vector<int64_t> indptr = {0};
    std::vector<int32_t> indices;
    for (const int64_t length : lengths) {
      indices.resize(indices.size() + static_cast<size_t>(length));
      std::iota(indices.end() - length, indices.end(), 0);
      indptr.push_back(static_cast<int64_t>(indices.size()));
    }
    const std::vector<float> weights(indices.size(), 1.0f);
    const auto n_rows = static_cast<int64_t>(lengths.size());
    const CsrView view = {n_rows, kCols, indptr, indices, weights};
    const auto observed = backend.NewSparseRows(view, {}, nullptr);
    const Resident<float> fixed = ToBackend(backend, context, RandomNormal(kCols * f, 1), kCols, f);
    const Resident<float> l = ToBackend(backend, context, std::vector<float>(lengths.size(), regularization), n_rows);
    const Resident<float> eigenvalues(backend, f), solved(backend, n_rows, f);
    backend.Diagonalize(context, fixed.matrix(), eigenvalues.view());
    try {
      backend.SolveAls(context,
                       {observed.get(), fixed.matrix(), eigenvalues.view(), 0, l.view(), solved.matrix(), {}, {}});
      context.Wait();
    } catch (const Error& error) {
      if (regularization > 0) throw;  // the others are meant to fail
    }
  }
}

// Short and long rows for every width that has kernels of its own.
void MultiplySparse(Backend& backend, Context& context) {
  constexpr int64_t kCols = 1100;
  const std::vector<int64_t> indptr = {0, 3, 3 + kCols};
  std::vector<int32_t> indices(3 + kCols);
  std::iota(indices.begin(), indices.begin() + 3, 0);
  std::iota(indices.begin() + 3, indices.end(), 0);
  const std::vector<float> weights(indices.size(), 1.0f);
  const auto rows = backend.NewSparseRows({2, kCols, indptr, indices, weights}, {}, nullptr);
  for (const int64_t width : {16, 32, 64, 128, 3}) {
    const Resident<float> dense = ToBackend(backend, context, RandomNormal(kCols * width, 5), kCols, width);
    const Resident<float> product(backend, 2, width);
    backend.MultiplySparse(context, *rows, dense.matrix(), product.matrix());
    context.Wait();
  }
}

void Orthonormalize(Backend& backend, Context& context) {
  constexpr int64_t kRows = 200;
  for (const int64_t width : {16, 32, 48, 64}) {
    const Resident<float> basis = ToBackend(backend, context, std::vector<float>(kRows * width, 0), kRows, width);
    const Resident<float> block = ToBackend(backend, context, RandomNormal(kRows * width, 6), kRows, width);
    const Resident<float> product(backend, kRows, width);
    const Resident<double> coefficients(backend, 2 * width, width);
    backend.Orthonormalize(context, {basis.matrix(), 1}, block.matrix(), coefficients.matrix());
    const Resident<float> small = ToBackend(backend, context, RandomNormal(width * width, 7), width, width);
    backend.MultiplyPanels(context, {block.matrix(), 1}, small.matrix(), product.matrix());
    context.Wait();
  }
}

void MultiplySparseTopK(Backend& backend, Context& context) {
  constexpr int64_t kCols = 300;
  const std::vector<int64_t> indptr = {0, 2, 2 + kCols};
  std::vector<int32_t> indices(2 + kCols), both = {0, 1};
  std::iota(indices.begin(), indices.begin() + 2, 0);
  std::iota(indices.begin() + 2, indices.end(), 0);
  const std::vector<float> weights(indices.size(), 1.0f);
  const auto right = backend.NewSparseRows({2, kCols, indptr, indices, weights}, {}, nullptr);
  const std::vector<int64_t> one = {0, 2};
  const auto left = backend.NewSparseRows({1, 2, one, both, std::span(weights).first(2)}, {}, nullptr);
  const Resident<int32_t> items(backend, 1, 9);
  const Resident<float> values(backend, 1, 9);
  backend.MultiplySparseTopK(context, {left.get(), right.get(), {}, false, items.matrix(), values.matrix()});
  context.Wait();
}

void InvertPositiveDefinite(Backend& backend, Context& context) {
  const Resident<float> a = ToBackend(backend, context, std::vector<float>{2, 1, 1, 2}, 2, 2);
  backend.InvertPositiveDefinite(context, a.matrix());
  context.Wait();
}

// Rows whose factors are kept from step to step, and one that is too long for it.
void SolveApproximately(Backend& backend, Context& context, int64_t f) {
  constexpr int64_t kCols = 1600;
  const std::vector<int64_t> indptr = {0, 150, 150 + kCols};
  std::vector<int32_t> indices(static_cast<size_t>(indptr.back()));
  std::iota(indices.begin(), indices.begin() + 150, 0);
  std::iota(indices.begin() + 150, indices.end(), 0);
  const std::vector<float> weights(indices.size(), 1.0f);
  const auto observed = backend.NewSparseRows({2, kCols, indptr, indices, weights}, {}, nullptr);
  const Resident<float> fixed = ToBackend(backend, context, RandomNormal(kCols * f, 1), kCols, f);
  const Resident<float> l = ToBackend(backend, context, std::vector<float>(2, 1.0f), 2);
  const Resident<float> eigenvalues(backend, f), solved(backend, 2, f);
  backend.Diagonalize(context, fixed.matrix(), eigenvalues.view());
  AlsSolver solver = {AlsMethod::kConjugateGradient, 1, 64, false};
  const auto solve = [&] {
    backend.SolveAls(
        context, {observed.get(), fixed.matrix(), eigenvalues.view(), 0, l.view(), solved.matrix(), {}, {}, solver});
    context.Wait();
  };
  solve();
  solver.method = AlsMethod::kBlocks;
  for (const int64_t block_size : {32, 64}) {
    solver.block_size = block_size;
    solve();
  }
}

void Cluster(Backend& backend, Context& context) {
  constexpr int64_t kPoints = 300, kFeatures = 20, kClusters = 9, kTrials = 2;
  const Resident<float> values = ToBackend(backend, context, RandomNormal(kPoints * kFeatures, 8), kPoints, kFeatures);
  const auto points = backend.NewClusterPoints(context, values.matrix());
  const Resident<uint64_t> draws = ToBackend(
      backend, context, std::vector<uint64_t>(kClusters * kTrials, uint64_t{1} << 63), 1, kClusters * kTrials);
  const Resident<int32_t> chosen(backend, 1, kClusters), labels(backend, kPoints);
  backend.SeedClusters(context, {points.get(), kTrials, draws.matrix(), chosen.matrix()});
  const auto nobody = backend.NewClusterPoints(context, {values.matrix().data, 0, kFeatures});
  backend.SeedClusters(context, {nobody.get(), kTrials, draws.matrix(), chosen.matrix()});
  const std::vector<int32_t> n_clusters = {kClusters}, active = {0};
  const auto runs = backend.NewClusterRuns(context, *points, n_clusters);
  const Resident<float> centroids =
      ToBackend(backend, context, RandomNormal(kClusters * kFeatures, 9), kClusters, kFeatures);
  const Resident<int64_t> n_changed(backend, 1);
  const Resident<double> shift(backend, 1), inertia(backend, 1), silhouettes(backend, kPoints);
  backend.StepClusters(context, {runs.get(), active, centroids.matrix(), n_changed.view(), shift.view()});
  backend.AssignClusters(context, {points.get(), centroids.matrix(), labels.view(), {}, {}, inertia.view()});
  backend.SilhouetteOfClusters(context, {points.get(), labels.view(), kClusters, silhouettes.view()});
  context.Wait();
}

// On a device of whose shared memory kernels may use so much.
void TopN(Backend& backend, Context& context, int64_t n_items, int64_t f, int64_t n, int64_t shared_bytes) {
  const cuda::TopNDevice device = {1, shared_bytes, int64_t{1} << 30};
  const Resident<float> items = ToBackend(backend, context, RandomNormal(n_items * f, 2), n_items, f);
  const Resident<int64_t> rows =
      ToBackend(backend, context, std::vector<int64_t>(static_cast<size_t>(n_items) + 1), n_items + 1);
  const auto index = cuda::NewItemIndexFor(context, items.matrix(), {rows.view(), {}, {}}, device);
  for (const int64_t n_queries : {1, 16, 64}) {
    const Resident<float> queries = ToBackend(backend, context, RandomNormal(n_queries * f, 3), n_queries, f);
    const Resident<int64_t> histories =
        ToBackend(backend, context, std::vector<int64_t>(static_cast<size_t>(n_queries) + 1), n_queries + 1);
    const Resident<int32_t> out(backend, n_queries, n);
    const Resident<float> scores(backend, n_queries, n);
    const Resident<TopNCost> costs(backend, n_queries);
    TopNRequest request = {queries.matrix(), {}, {}, out.matrix(), scores.matrix(), histories.view(), {}, {}};
    request.costs = costs.view();
    cuda::TopNFor(context, *index, request, device);
    context.Wait();
  }
}

void RunAll() {
  for (const bool float32 : {false, true}) {
    const auto backend = NewEmulatedBackend(float32);
    const auto context = backend->NewContext(1);
    for (const int64_t f : {128, 64, 32, 320}) {
      g_n_factors = f;
      const Resident<float> a = ToBackend(*backend, *context, RandomNormal(40 * f, 4), 40, f);
      const Resident<float> gramian(*backend, f, f);
      backend->Gram(*context, a.matrix(), gramian.matrix());
      SolveAls(*backend, *context, f);
      SolveApproximately(*backend, *context, f);
      if (float32 || f != 128) continue;
      MultiplySparse(*backend, *context);
      Orthonormalize(*backend, *context);
      MultiplySparseTopK(*backend, *context);
      InvertPositiveDefinite(*backend, *context);
      Cluster(*backend, *context);
      TopN(*backend, *context, 3000, f, 100, int64_t{227} * 1024);
      TopN(*backend, *context, 3000, f, 100, int64_t{32} * 1024);
      TopN(*backend, *context, 5000, f, cuda::kMaxScanN + 1, int64_t{227} * 1024);
      TopN(*backend, *context, 0, f, 100, int64_t{227} * 1024);
    }
  }
}

}  // namespace
}  // namespace kindred

int main() {
  try {
    kindred::simt::ObserveLaunches(kindred::Print);
    kindred::RunAll();
  } catch (const kindred::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
