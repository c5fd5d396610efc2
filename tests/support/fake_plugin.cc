// A kindred_cuda.so without CUDA: the CPU backend in the clothes of a card, which fails as KINDRED_FAKE_PLUGIN says.
//
//   (nothing)        works
//   build_id         says that it is of another build
//   no_driver        there is no driver
//   old_driver       the driver is too old
//   no_device        the driver finds no card
//   old_card         the card has compute capability 6.1
//   no_memory        the card's memory is taken
//   no_backend       the card refuses to start
//   wrong_factors    ALS half-steps are a little off
//   wrong_scores     top-N lists have two places exchanged
//   wrong_histories  the same, of requests with histories alone
//   wrong_inverse    inverses are a little off
//   allocate:N       the Nth allocation finds no memory, and every later one
//   solve_als:N      the Nth ALS half-step loses the device
//   top_n:N          the Nth top-N loses the device
//
// What loses the device is reported by Wait, as a device does, and everything after it fails too. Calls are counted for
// each backend from 1; the first backend after loading is the self-test's, which never meets the last three.
#include <atomic>
#include <cstdlib>
#include <string>

#include "kernels/build_id.h"
#include "kernels/cpu/backend.h"
#include "kernels/plugin_interface.h"

namespace kindred {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

std::string Mode() {
  const char* mode = std::getenv("KINDRED_FAKE_PLUGIN");
  return mode == nullptr ? "" : mode;
}

std::atomic<int> n_backends;

class FakeBackend : public CpuBackend {
 public:
  explicit FakeBackend(bool may_fail) : CpuBackend(2) {
    const std::string mode = Mode();
    const size_t colon = mode.find(':');
    fault_ = mode.substr(0, colon);
    if (colon != std::string::npos && may_fail) at_ = std::stoi(mode.substr(colon + 1));
  }

  DeviceInfo Describe() const override { return {"cuda", "Fake Card", "", 0, 8 * kGiB}; }

  Buffer Allocate(int64_t bytes) override {
    if (Reached("allocate", n_allocations_))
      throw Error(ErrorCode::kOutOfMemory, "no " + std::to_string(bytes) + " bytes of GPU memory; 0 are free");
    ThrowIfLost();
    return CpuBackend::Allocate(bytes);
  }

  void SolveAls(Context& context, const AlsHalfStep& step) override {
    if (Lost(context, Reached("solve_als", n_solves_))) return;
    CpuBackend::SolveAls(context, step);
    if (fault_ == "wrong_factors")
      for (int64_t i = 0; i < step.solved.size(); ++i) step.solved.data[i] *= 1.01f;
  }

  void TopN(Context& context, const ItemIndex& index, const TopNRequest& request) override {
    if (Lost(context, Reached("top_n", n_top_n_))) return;
    CpuBackend::TopN(context, index, request);
    if (fault_ == "wrong_scores" || (fault_ == "wrong_histories" && !request.history_indptr.empty()))
      std::swap(request.items.data[0], request.items.data[1]);
  }

  void Diagonalize(Context& context, MatrixView<float> a, View<float> eigenvalues,
                   MatrixView<float> companion) override {
    if (!Lost(context, false)) CpuBackend::Diagonalize(context, a, eigenvalues, companion);
  }

  void MultiplySparseTopK(Context& context, const SparseTopK& request) override {
    if (!Lost(context, false)) CpuBackend::MultiplySparseTopK(context, request);
  }

  void InvertPositiveDefinite(Context& context, MatrixView<float> a) override {
    if (Lost(context, false)) return;
    CpuBackend::InvertPositiveDefinite(context, a);
    if (fault_ == "wrong_inverse")
      for (int64_t i = 0; i < a.size(); ++i) a.data[i] *= 1.01f;
  }

  void SeedClusters(Context& context, const ClusterSeeding& seeding) override {
    if (!Lost(context, false)) CpuBackend::SeedClusters(context, seeding);
  }

  void StepClusters(Context& context, const ClusterStep& step) override {
    if (!Lost(context, false)) CpuBackend::StepClusters(context, step);
  }

  void AssignClusters(Context& context, const ClusterAssignment& assignment) override {
    if (!Lost(context, false)) CpuBackend::AssignClusters(context, assignment);
  }

  void SilhouetteOfClusters(Context& context, const ClusterSilhouette& silhouette) override {
    if (!Lost(context, false)) CpuBackend::SilhouetteOfClusters(context, silhouette);
  }

  void Upload(Context& context, std::span<const std::byte> from, View<std::byte> to) override {
    if (!Lost(context, false)) CpuBackend::Upload(context, from, to);
  }

  void Download(Context& context, View<const std::byte> from, std::span<std::byte> to) override {
    if (!Lost(context, false)) CpuBackend::Download(context, from, to);
  }

 private:
  bool Reached(const char* fault, std::atomic<int>& n_calls) { return fault_ == fault && at_ > 0 && ++n_calls >= at_; }

  /// Whether the device is lost, from now on or since before; then the context's Wait says so.
  bool Lost(Context& context, bool now) {
    if (now) lost_ = true;
    if (lost_) static_cast<CpuContext&>(context).Fail(Error(ErrorCode::kDevice, kLost));
    return lost_;
  }
  void ThrowIfLost() const {
    if (lost_) throw Error(ErrorCode::kDevice, kLost);
  }

  static constexpr const char* kLost = "CUDA: the fake device is lost";

  std::string fault_;
  int at_ = 0;
  std::atomic<int> n_allocations_ = 0, n_solves_ = 0, n_top_n_ = 0;
  std::atomic<bool> lost_ = false;
};

bool Driver(PluginDriver* driver, PluginError*) {
  *driver = {Mode() == "no_driver" ? 0 : Mode() == "old_driver" ? 12040 : 13010, 13000};
  return true;
}

bool Device(PluginDevice* device, PluginError* error) {
  return WithoutThrowing(error, [&] {
    if (Mode() == "no_device") throw Error(ErrorCode::kDevice, "CUDA device: no CUDA-capable device is detected");
    CopyText(device->name, "Fake Card");
    device->major = Mode() == "old_card" ? 6 : 9;
    device->minor = Mode() == "old_card" ? 1 : 0;
    device->n_multiprocessors = 1;
    device->memory_bytes = 8 * kGiB;
  });
}

bool FreeMemory(int64_t* bytes, PluginError* error) {
  return WithoutThrowing(error, [&] {
    if (Mode() == "no_memory") throw Error(ErrorCode::kOutOfMemory, "CUDA memory: out of memory");
    *bytes = 7 * kGiB;
  });
}

Backend* NewBackend(GramPrecision, PluginError* error) {
  Backend* backend = nullptr;
  WithoutThrowing(error, [&] {
    if (Mode() == "no_backend") throw Error(ErrorCode::kDevice, "CUDA device: all devices are busy");
    backend = new FakeBackend(n_backends++ > 0);
  });
  return backend;
}

}  // namespace
}  // namespace kindred

const char* kindred_plugin_build_id() {
  return kindred::Mode() == "build_id" ? "0.0.1-of-another-build" : kindred::BuildId();
}

const kindred::PluginTable* kindred_plugin_table() {
  static constexpr kindred::PluginTable kTable = {kindred::Driver, kindred::Device, kindred::FreeMemory,
                                                  kindred::NewBackend};
  kindred::n_backends = 0;
  return &kTable;
}
