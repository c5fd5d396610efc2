// The CPU in the clothes of a device with memory of its own, which fails where a test says.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/cpu/backend.h"

namespace kindred {

/// What the test and the device share; it outlives the device.
class DeviceState {
 public:
  static constexpr const char* kLost = "CUDA: the failing device is lost";
  static constexpr const char* kNoMemory = "no bytes of the failing device's memory";

  /// The nth `operation` from now on, from 1, fails; "" is any. With kDevice everything after it does too.
  void FailAt(const std::string& operation, int n, ErrorCode code = ErrorCode::kDevice) {
    std::lock_guard lock(mutex_);
    operation_ = operation;
    left_ = n;
    code_ = code;
  }

  /// Called before every operation, by the thread that asks for it. Set it while nobody does.
  std::function<void(std::string_view operation)> before;

  std::atomic<int> n_operations = 0;
  std::atomic<int> n_buffers = 0;   // that are not released
  std::atomic<int> n_contexts = 0;  // likewise

  std::optional<Error> Next(std::string_view operation) {
    if (before) before(operation);
    ++n_operations;
    std::lock_guard lock(mutex_);
    if (!lost_ && (left_ == 0 || (!operation_.empty() && operation != operation_) || --left_ > 0)) return {};
    lost_ = lost_ || code_ == ErrorCode::kDevice;
    return Error(code_, code_ == ErrorCode::kDevice ? kLost : kNoMemory);
  }

 private:
  std::mutex mutex_;
  std::string operation_;
  int left_ = 0;
  ErrorCode code_ = ErrorCode::kDevice;
  bool lost_ = false;
};

/// Its operations by name: allocate, import, new_context, new_item_index, new_sparse_rows; and those whose loss of the
/// device only Wait reports: upload, download, solve_als, multiply_sparse_top_k, invert_positive_definite, top_n.
class FailingDevice : public CpuBackend {
 public:
  explicit FailingDevice(std::shared_ptr<DeviceState> state, std::string name = "cuda")
      : CpuBackend(1), state_(std::move(state)), name_(std::move(name)) {}

  DeviceInfo Describe() const override { return {name_, "Failing Card", "", 0, 1}; }

  std::unique_ptr<Context> NewContext(int max_threads) override {
    ThrowIfFails("new_context");
    return std::make_unique<CountedContext>(state_, pool_, std::max(1, max_threads));
  }

  Buffer Allocate(int64_t bytes) override {
    ThrowIfFails("allocate");
    return NewBuffer(bytes);
  }

  Buffer Import(std::span<const std::byte> data, std::shared_ptr<const void>) override {
    ThrowIfFails("import");
    Buffer buffer = NewBuffer(static_cast<int64_t>(data.size()));
    CpuBackend::Upload(*CpuBackend::NewContext(1), data, buffer.As<std::byte>());
    return buffer;
  }

  std::unique_ptr<ItemIndex> NewItemIndex(Context& context, MatrixView<const float> item_factors,
                                          const ItemItemView& item_item, const ItemCodesView* stored) override {
    ThrowIfFails("new_item_index");
    return CpuBackend::NewItemIndex(context, item_factors, item_item, stored);
  }

  std::unique_ptr<SparseRows> NewSparseRows(const CsrView& weights, std::span<const float> targets,
                                            std::shared_ptr<const void> keep, int64_t max_entry_bytes) override {
    ThrowIfFails("new_sparse_rows");
    return CpuBackend::NewSparseRows(weights, targets, std::move(keep), max_entry_bytes);
  }

  void Upload(Context& context, std::span<const std::byte> from, View<std::byte> to) override {
    if (!Fails(context, "upload")) CpuBackend::Upload(context, from, to);
  }
  void Download(Context& context, View<const std::byte> from, std::span<std::byte> to) override {
    if (!Fails(context, "download")) CpuBackend::Download(context, from, to);
  }
  void SolveAls(Context& context, const AlsHalfStep& step) override {
    if (!Fails(context, "solve_als")) CpuBackend::SolveAls(context, step);
  }
  void MultiplySparseTopK(Context& context, const SparseTopK& request) override {
    if (!Fails(context, "multiply_sparse_top_k")) CpuBackend::MultiplySparseTopK(context, request);
  }
  void InvertPositiveDefinite(Context& context, MatrixView<float> a) override {
    if (!Fails(context, "invert_positive_definite")) CpuBackend::InvertPositiveDefinite(context, a);
  }
  void SeedClusters(Context& context, const ClusterSeeding& seeding) override {
    if (!Fails(context, "seed_clusters")) CpuBackend::SeedClusters(context, seeding);
  }
  void StepClusters(Context& context, const ClusterStep& step) override {
    if (!Fails(context, "step_clusters")) CpuBackend::StepClusters(context, step);
  }
  void AssignClusters(Context& context, const ClusterAssignment& assignment) override {
    if (!Fails(context, "assign_clusters")) CpuBackend::AssignClusters(context, assignment);
  }
  void SilhouetteOfClusters(Context& context, const ClusterSilhouette& silhouette) override {
    if (!Fails(context, "silhouette_of_clusters")) CpuBackend::SilhouetteOfClusters(context, silhouette);
  }
  void TopN(Context& context, const ItemIndex& index, const TopNRequest& request) override {
    if (!Fails(context, "top_n")) CpuBackend::TopN(context, index, request);
  }

 private:
  class CountedContext : public CpuContext {
   public:
    CountedContext(std::shared_ptr<DeviceState> state, ThreadPool& pool, int max_threads)
        : CpuContext(pool, max_threads), state_(std::move(state)) {
      ++state_->n_contexts;
    }
    ~CountedContext() override { --state_->n_contexts; }

   private:
    const std::shared_ptr<DeviceState> state_;
  };

  void ThrowIfFails(std::string_view operation) {
    if (const auto error = state_->Next(operation)) throw *error;
  }
  bool Fails(Context& context, std::string_view operation) {
    const auto error = state_->Next(operation);
    if (error && error->code() != ErrorCode::kDevice) throw *error;
    if (error) static_cast<CpuContext&>(context).Fail(*error);
    return error.has_value();
  }

  /// What is read after its release is NaN, and no index.
  Buffer NewBuffer(int64_t bytes) {
    const auto held = std::make_shared<Buffer>(CpuBackend::Allocate(bytes));
    std::byte* data = held->As<std::byte>().data;
    ++state_->n_buffers;
    return {data, bytes, std::shared_ptr<const void>(data, [state = state_, held, data, bytes](const void*) {
              std::memset(data, 0xFF, static_cast<size_t>(bytes));
              --state->n_buffers;
            })};
  }

  const std::shared_ptr<DeviceState> state_;
  const std::string name_;
  ThreadPool pool_{1};
};

}  // namespace kindred
