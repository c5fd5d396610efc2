#include "kernels/select.h"

#include "kernels/cpu/backend.h"

namespace kindred {
namespace {

const char* const kNoCuda = "this build has no CUDA plug-in";

}  // namespace

std::vector<BackendReport> ListBackends() {
  return {{"cpu", true, std::string("always there; instruction set ") + SimdKernelsOf(DetectSimdLevel()).name},
          {"cuda", false, kNoCuda}};
}

ChosenBackend ChooseBackend(const std::string& name, int n_threads) {
  if (name == "cuda")
    throw Error(ErrorCode::kUnsupported, std::string("--backend cuda: ") + kNoCuda + "; use --backend cpu or auto");
  if (name != "auto" && name != "cpu")
    throw Error(ErrorCode::kUsage, "--backend '" + name + "': expected auto, cpu or cuda");
  const std::string reason = name == "cpu" ? "asked for" : std::string("auto: ") + kNoCuda;
  return {std::make_unique<CpuBackend>(n_threads), reason};
}

}  // namespace kindred
