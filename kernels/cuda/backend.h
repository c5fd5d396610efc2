// The CUDA backend, mirroring kernels/cpu/ file by file. Compiled by nvcc for the plug-in, and by g++ for the
// emulator: it sees devices and libraries through device.h and libs.h only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/libs.h"

namespace kindred::cuda {

/// Cuts one piece of memory into arrays that start at multiples of 256 bytes.
class Arena {
 public:
  explicit Arena(char* memory) : memory_(memory) {}
  template <class T>
  T* Take(int64_t n) {
    char* taken = memory_;
    memory_ += Bytes<T>(n);
    return reinterpret_cast<T*>(taken);
  }
  template <class T>
  static int64_t Bytes(int64_t n) {
    return (n * static_cast<int64_t>(sizeof(T)) + 255) / 256 * 256;
  }

 private:
  char* memory_;
};

/// A stream, workspace, and what Wait has to look at.
class CudaContext : public Context {
 public:
  CudaContext();
  ~CudaContext() override;

  void Wait() override;

  Stream& stream() { return stream_; }
  /// For copies beside what the other stream does.
  Stream& copy_stream() { return copy_stream_; }
  /// `bytes` of workspace, the same memory at every call; waits for the stream if it has to grow.
  char* Reserve(int64_t bytes);
  /// A flag on the device, all ones at first, that the stream's end is asked about: where a kernel has lowered it,
  /// `report` makes the error of its value.
  unsigned long long* NewFlag(std::function<Error(unsigned long long)> report);
  /// Takes back the newest flag, whose operation was not queued whole.
  void DropFlag() { reports_.pop_back(); }
  /// Keeps host memory until Wait.
  void Keep(std::shared_ptr<const void> memory) { kept_.push_back(std::move(memory)); }

 private:
  static constexpr int kMaxFlags = 64;

  Stream stream_, copy_stream_;
  DeviceMemory workspace_;
  int64_t workspace_bytes_ = 0;
  DeviceMemory flags_;  // kMaxFlags values
  std::vector<std::function<Error(unsigned long long)>> reports_;
  std::vector<std::shared_ptr<const void>> kept_;
};

class CudaBackend : public Backend {
 public:
  CudaBackend(std::string name, GramPrecision precision);

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
  std::string name_;
  GramPrecision precision_;
  DeviceFacts facts_;
};

/// Workspace of Diagonalize; n_rows are those of the longer matrix.
int64_t DiagonalizeWorkspaceBytes(int64_t n_rows, int64_t n_factors);

/// The number of blocks of `size` that hold n.
inline unsigned Blocks(int64_t n, int64_t size) {
  return static_cast<unsigned>((n + size - 1) / size);
}

}  // namespace kindred::cuda
