#include "kernels/select.h"

#include <cstdio>
#include <functional>

#include "kernels/build_id.h"
#include "kernels/cpu/backend.h"
#include "kernels/plugin.h"
#include "kernels/self_test.h"

namespace kindred {
namespace {

constexpr int kLeastMajor = 8;  // compute capability: bf16 on tensor cores, cp.async

/// Steps in their order; the first that throws ends them.
class Steps {
 public:
  void Run(const char* name, const std::function<std::string()>& step) {
    if (failed_) {
      steps_.push_back({name, StepState::kNotTried, ""});
      return;
    }
    try {
      steps_.push_back({name, StepState::kOk, step()});
    } catch (const std::exception& error) {
      steps_.push_back({name, StepState::kFailed, error.what()});
      reason_ = error.what();
      failed_ = true;
    }
  }
  const std::string& reason() const { return reason_; }
  std::vector<BackendStep> Take() { return std::move(steps_); }

 private:
  std::vector<BackendStep> steps_;
  std::string reason_;
  bool failed_ = false;
};

std::string CudaVersion(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

template <class Value>
Value Ask(bool (*function)(Value*, PluginError*)) {
  Value value{};
  PluginError error;
  if (!function(&value, &error)) Throw(error);
  return value;
}

std::string CheckDriver(const PluginDriver& driver) {
  if (driver.newest == 0)
    throw Error(ErrorCode::kUnsupported,
                "there is no NVIDIA driver; expected one for CUDA " + CudaVersion(driver.built_with) + " or newer");
  if (driver.newest / 1000 < driver.built_with / 1000)
    throw Error(ErrorCode::kUnsupported, "the NVIDIA driver runs CUDA up to " + CudaVersion(driver.newest) +
                                             "; expected " + CudaVersion(driver.built_with / 1000 * 1000) +
                                             " or newer: update the driver");
  return "runs CUDA up to " + CudaVersion(driver.newest) + "; the plug-in was built with " +
         CudaVersion(driver.built_with);
}

std::string CheckDevice(const PluginDevice& device) {
  const std::string capability = std::to_string(device.major) + "." + std::to_string(device.minor);
  if (device.major < kLeastMajor)
    throw Error(ErrorCode::kUnsupported, std::string(device.name) + " has compute capability " + capability +
                                             "; expected " + std::to_string(kLeastMajor) + ".0 or newer");
  return std::string(device.name) + ", compute capability " + capability + ", " +
         std::to_string(device.n_multiprocessors) + " multiprocessors";
}

std::unique_ptr<Backend> NewBackend(const PluginTable& table, GramPrecision precision) {
  PluginError error;
  std::unique_ptr<Backend> backend(table.new_backend(precision, &error));
  if (!backend) Throw(error);
  return backend;
}

struct Probe {
  BackendReport report;
  std::unique_ptr<Backend> backend;
};

Probe ProbeCuda(GramPrecision precision) {
  std::filesystem::path path;
  void* library = nullptr;
  const PluginTable* table = nullptr;
  PluginDevice device;
  Probe probe;
  Steps steps;
  steps.Run("plug-in", [&] { return (path = FindPlugin()).string(); });
  steps.Run("libraries", [&] {
    library = LoadPlugin(path);
    return "found, all that the plug-in needs";
  });
  steps.Run("build", [&] {
    table = &PluginTableOf(library, path);
    return BuildId();
  });
  steps.Run("driver", [&] { return CheckDriver(Ask(table->driver)); });
  steps.Run("device", [&] { return CheckDevice(device = Ask(table->device)); });
  steps.Run("memory", [&] { return GiB(Ask(table->free_memory)) + " of " + GiB(device.memory_bytes) + " GiB free"; });
  // On a backend of its own, so that whatever it leaves behind goes with it.
  steps.Run("self-test", [&] {
    const std::string result = SelfTest(*NewBackend(*table, precision));
    probe.backend = NewBackend(*table, precision);
    return result;
  });
  const bool available = probe.backend != nullptr;
  probe.report = {"cuda", available, available ? std::string(device.name) + " passed the self-test" : steps.reason(),
                  steps.Take()};
  return probe;
}

ChosenBackend Cpu(int n_threads, const std::string& reason) {
  ChosenBackend chosen;
  chosen.backend = std::make_unique<CpuBackend>(n_threads);
  chosen.reason = reason;
  chosen.gram_precision = "float32";
  return chosen;
}

}  // namespace

const char* NameOf(StepState state) {
  switch (state) {
    case StepState::kOk:
      return "ok";
    case StepState::kFailed:
      return "failed";
    case StepState::kNotTried:
      break;
  }
  return "not tried";
}

ChosenBackend ChooseBackend(const std::string& name, int n_threads, GramPrecision precision) {
  if (name != "auto" && name != "cpu" && name != "cuda")
    throw Error(ErrorCode::kUsage, "--backend '" + name + "': expected auto, cpu or cuda");
  const BackendReport cpu = {
      "cpu", true, std::string("always there; instruction set ") + SimdKernelsOf(DetectSimdLevel()).name, {}};
  if (name == "cpu") {
    ChosenBackend chosen = Cpu(n_threads, "asked for");
    chosen.considered = {cpu};
    return chosen;
  }
  Probe probe = ProbeCuda(precision);
  if (name == "cuda" && !probe.backend)
    throw Error(ErrorCode::kUnsupported, "--backend cuda: " + probe.report.reason + "; use --backend cpu or auto");
  ChosenBackend chosen;
  if (probe.backend) {
    chosen.backend = std::move(probe.backend);
    chosen.reason = name == "auto" ? "auto: " + probe.report.reason : "asked for";
    chosen.gram_precision = precision == GramPrecision::kFloat32 ? "float32" : "bf16x3";
    chosen.may_fall_back = name == "auto";
  } else {
    chosen = Cpu(n_threads, "auto: " + probe.report.reason);
  }
  chosen.considered = {cpu, std::move(probe.report)};
  return chosen;
}

std::string WhyFellBack(const DeviceInfo& failed, const Error& error) {
  return "fell back from " + failed.backend + " (" + failed.device + "): " + error.what();
}

ChosenBackend FallBack(const ChosenBackend& failed, const Error& error, int n_threads) {
  return Cpu(n_threads, WhyFellBack(failed.backend->Describe(), error));
}

GramPrecision ParseGramPrecision(const std::string& name) {
  if (name == "bf16x3") return GramPrecision::kBf16x3;
  if (name == "float32") return GramPrecision::kFloat32;
  throw Error(ErrorCode::kUsage, "--gram-precision '" + name + "': expected bf16x3 or float32");
}

}  // namespace kindred
