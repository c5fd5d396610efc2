// The CPU backend: always there; loops of its own, chosen at run time, and Eigen for small dense algebra.
#pragma once

#include <memory>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/simd.h"
#include "kernels/cpu/simd_clusters.h"
#include "kernels/cpu/simd_codes.h"
#include "kernels/cpu/simd_svd.h"

namespace kindred {

/// Floats of scratch memory, 64-byte aligned, that only grows.
class Scratch {
 public:
  float* Get(int64_t n_floats);

 private:
  struct Free {
    void operator()(float* p) const;
  };
  std::unique_ptr<float, Free> data_;
  int64_t size_ = 0;
};

/// Operations run where they are called; what may only be reported by Wait is kept until then.
class CpuContext : public Context {
 public:
  CpuContext(ThreadPool& pool, int max_threads) : pool_(pool), max_threads_(max_threads), scratch_(max_threads) {}

  void Wait() override;
  void Fail(const Error& error);
  int max_threads() const { return max_threads_; }

  /// Runs the tasks on this context's share of the pool.
  void Run(int64_t n_tasks, const std::function<void(int64_t task, int worker)>& body) {
    pool_.Run(n_tasks, max_threads_, body);
  }
  float* ScratchOf(int worker, int64_t n_floats) { return scratch_[static_cast<size_t>(worker)].Get(n_floats); }

 private:
  ThreadPool& pool_;
  int max_threads_;
  std::vector<Scratch> scratch_;
  std::unique_ptr<Error> error_;
};

/// What Diagonalize of a matrix of this shape takes beside it, in bytes.
int64_t DiagonalizeWorkspaceBytes(int64_t n_rows, int64_t n_cols);

/// Sparse rows where the caller has them, for every operation that takes such.
class CsrRows : public SparseRows {
 public:
  const CsrView weights;

 protected:
  explicit CsrRows(const CsrView& rows) : SparseRows(rows.n_rows, rows.n_cols, rows.nnz()), weights(rows) {}
};

class CpuBackend : public Backend {
 public:
  /// n_threads 0: one a core. `level` is capped at what the processor has.
  explicit CpuBackend(int n_threads = 0, SimdLevel level = SimdLevel::kAvx512);

  DeviceInfo Describe() const override;
  std::unique_ptr<Context> NewContext(int max_threads) override;
  Buffer Allocate(int64_t bytes) override;
  Buffer Import(std::span<const std::byte> data, std::shared_ptr<const void> keep) override;
  void Upload(Context& context, std::span<const std::byte> from, View<std::byte> to) override;
  void Download(Context& context, View<const std::byte> from, std::span<std::byte> to) override;
  std::unique_ptr<SparseRows> NewSparseRows(const CsrView& weights, std::span<const float> targets,
                                            std::shared_ptr<const void> keep, int64_t max_entry_bytes) override;
  AlsPlan PlanAls(const AlsShape& shape) const override;
  void Gram(Context& context, MatrixView<const float> a, MatrixView<float> gramian) override;
  void Diagonalize(Context& context, MatrixView<float> a, View<float> eigenvalues,
                   MatrixView<float> companion) override;
  void SolveAls(Context& context, const AlsHalfStep& step) override;
  void MultiplySparse(Context& context, const SparseRows& a, MatrixView<const float> b,
                      MatrixView<float> product) override;
  void MultiplyPanels(Context& context, const Panels& a, MatrixView<const float> s, MatrixView<float> product) override;
  void Orthonormalize(Context& context, const Panels& basis, MatrixView<float> block,
                      MatrixView<double> coefficients) override;
  void MultiplySparseTopK(Context& context, const SparseTopK& request) override;
  void InvertPositiveDefinite(Context& context, MatrixView<float> a) override;
  std::unique_ptr<ItemIndex> NewItemIndex(Context& context, MatrixView<const float> item_factors,
                                          const ItemItemView& item_item, const ItemCodesView* stored) override;
  std::unique_ptr<ItemFilter> NewItemFilter(Context& context, const ItemIndex& index,
                                            std::span<const uint64_t> eligible) override;
  void TopN(Context& context, const ItemIndex& index, const TopNRequest& request) override;
  std::unique_ptr<ClusterPoints> NewClusterPoints(Context& context, MatrixView<const float> points) override;
  std::unique_ptr<ClusterRuns> NewClusterRuns(Context& context, const ClusterPoints& points,
                                              std::span<const int32_t> n_clusters) override;
  void SeedClusters(Context& context, const ClusterSeeding& seeding) override;
  void StepClusters(Context& context, const ClusterStep& step) override;
  void AssignClusters(Context& context, const ClusterAssignment& assignment) override;
  void SilhouetteOfClusters(Context& context, const ClusterSilhouette& silhouette) override;

 private:
  ThreadPool pool_;
  const SimdKernels& simd_;
  const SimdProducts& products_;
  const SimdCodes& codes_;
  const SimdClusters& clusters_;
};

}  // namespace kindred
