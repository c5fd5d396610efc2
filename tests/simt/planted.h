// Kernels with one bug each, that the emulator must report.
#pragma once

#include <span>

namespace kindred::simt {

struct Planted {
  const char* name;
  /// Runs the kernel: throws its report, or returns whether the values are right.
  bool (*run)();
};

std::span<const Planted> AllPlanted();

}  // namespace kindred::simt
