#include "tests/simt/emulated_backend.h"

#include "kernels/cuda/backend.h"

namespace kindred {

std::unique_ptr<Backend> NewEmulatedBackend(bool float32) {
  return std::make_unique<cuda::CudaBackend>("emulated",
                                             float32 ? cuda::GramPrecision::kFloat32 : cuda::GramPrecision::kBf16x3);
}

}  // namespace kindred
