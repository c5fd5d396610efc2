// Memory of this machine and of this process, in bytes, as Linux tells it; 0 where it does not.
#pragma once

#include <cstdint>

namespace kindred {

/// What may still be taken: the system's MemAvailable, and no more than the process's control groups leave it.
int64_t AvailableMemory();
/// What this process has in memory now, files it maps included.
int64_t ResidentMemory();
/// The most that it ever had.
int64_t PeakMemory();
/// Gives freed memory that the allocator keeps back to the system. Cost: milliseconds.
void TrimMemory();

}  // namespace kindred
