#include "tests/support/backends.h"

#include "kernels/cpu/backend.h"
#include "tests/simt/emulated_backend.h"
#include "tests/support/strict_backend.h"

namespace kindred {

std::vector<std::string> AllBackends() {
  std::vector<std::string> names = {"strict", "cpu_baseline"};
  if (DetectSimdLevel() >= SimdLevel::kAvx2) names.push_back("cpu_avx2");
  if (DetectSimdLevel() >= SimdLevel::kAvx512) names.push_back("cpu_avx512");
  names.push_back("emulated");
  names.push_back("emulated_float32");
  return names;
}

std::unique_ptr<Backend> NewTestBackend(const std::string& name, int n_threads) {
  if (name == "strict") return NewStrictBackend(n_threads);
  if (name.starts_with("emulated")) return NewEmulatedBackend(name == "emulated_float32");
  if (name == "cpu_baseline") return std::make_unique<CpuBackend>(n_threads, SimdLevel::kBaseline);
  if (name == "cpu_avx2") return std::make_unique<CpuBackend>(n_threads, SimdLevel::kAvx2);
  return std::make_unique<CpuBackend>(n_threads, SimdLevel::kAvx512);
}

}  // namespace kindred
