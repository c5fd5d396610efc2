#include "tests/simt/emulated_backend.h"

#include <cstdio>

#include "kernels/cuda/backend.h"
#include "tests/simt/schedule.h"

namespace kindred {

std::unique_ptr<Backend> NewEmulatedBackend(bool float32) {
  static const int said = std::printf("The emulator's schedule: KINDRED_SIMT_ORDER=%s\n", simt::OrderName().c_str());
  static_cast<void>(said);
  return std::make_unique<cuda::CudaBackend>("emulated", float32 ? GramPrecision::kFloat32 : GramPrecision::kBf16x3);
}

}  // namespace kindred
