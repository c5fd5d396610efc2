// Whether a device computes what it should, found before anybody relies on it.
#pragma once

#include <string>

#include "kernels/backend.h"

namespace kindred {

/// Runs a small Diagonalize, ALS half-step, top-N without and with histories, and inverse on the backend and on the
/// CPU. Returns the result with its speed, for people. Throws kDevice saying where the answers differ, or what the
/// backend itself throws. Cost: some ten milliseconds and megabytes, and whatever the first use of a device costs.
std::string SelfTest(Backend& backend);

}  // namespace kindred
