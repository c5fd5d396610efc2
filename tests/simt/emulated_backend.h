// The CUDA backend's kernels on the emulator: one more backend for the tests.
#pragma once

#include <memory>

#include "kernels/backend.h"

namespace kindred {

/// `float32` multiplies Gram matrices in float32, else from bf16 parts as the plug-in does by default. The first call
/// prints the schedule, so that a failure can be repeated.
std::unique_ptr<Backend> NewEmulatedBackend(bool float32);

}  // namespace kindred
