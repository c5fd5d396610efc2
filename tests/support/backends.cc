#include "tests/support/backends.h"

#include <memory>

#include "kernels/cpu/backend.h"
#include "kernels/plugin.h"
#include "kernels/select.h"
#include "tests/simt/emulated_backend.h"
#include "tests/support/environment.h"
#include "tests/support/strict_backend.h"

namespace kindred {
namespace {

/// Where the plug-in is, as long as a test looks for it: beside the program under test, unless the environment says.
std::unique_ptr<WithEnvironment> WherePluginIs() {
#ifdef KINDRED_CUDA_PLUGIN_DIR
  if (std::getenv("KINDRED_PLUGIN_DIR") == nullptr)
    return std::make_unique<WithEnvironment>("KINDRED_PLUGIN_DIR", KINDRED_CUDA_PLUGIN_DIR);
#endif
  return nullptr;
}

bool HasCuda() {
  const auto where = WherePluginIs();
  return ChooseBackend("auto", 1).backend->Describe().backend == "cuda";
}

std::unique_ptr<Backend> NewCudaBackend(GramPrecision precision) {
  const auto where = WherePluginIs();
  const std::filesystem::path path = FindPlugin();
  PluginError error;
  std::unique_ptr<Backend> backend(PluginTableOf(LoadPlugin(path), path).new_backend(precision, &error));
  if (!backend) Throw(error);
  return backend;
}

}  // namespace

std::vector<std::string> AllBackends() {
  std::vector<std::string> names = {"strict", "cpu_baseline"};
#ifndef KINDRED_SANITIZED  // of one source: a sanitizer, which is slow, sees the narrowest and the widest
  if (DetectSimdLevel() >= SimdLevel::kAvx2) names.push_back("cpu_avx2");
#endif
  if (DetectSimdLevel() >= SimdLevel::kAvx512) names.push_back("cpu_avx512");
  names.push_back("emulated");
  names.push_back("emulated_float32");
  static const bool has_cuda = HasCuda();
  if (has_cuda) names.insert(names.end(), {"cuda", "cuda_float32"});
  return names;
}

std::unique_ptr<Backend> NewTestBackend(const std::string& name, int n_threads) {
  if (name == "strict") return NewStrictBackend(n_threads);
  if (name.starts_with("emulated")) return NewEmulatedBackend(name == "emulated_float32");
  if (name == "cuda") return NewCudaBackend(GramPrecision::kBf16x3);
  if (name == "cuda_float32") return NewCudaBackend(GramPrecision::kFloat32);
  if (name == "cpu_baseline") return std::make_unique<CpuBackend>(n_threads, SimdLevel::kBaseline);
  if (name == "cpu_avx2") return std::make_unique<CpuBackend>(n_threads, SimdLevel::kAvx2);
  return std::make_unique<CpuBackend>(n_threads, SimdLevel::kAvx512);
}

}  // namespace kindred
