// The machine under simt.h: runs a grid block by block, each GPU thread on a fiber, until all are done or one fails.
//
// A thread runs until it waits: at a barrier, or at a warp operation for the lanes its mask names. Whatever a
// kernel may not rely on is chosen against it: three schedules, shared memory full of NaN, copies that land only when
// waited for. To ThreadSanitizer every GPU thread is a thread, blocks run at once, and only __syncthreads and
// __syncwarp order memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <string>

#include "tests/simt/schedule.h"
#include "tests/simt/shared_memory.h"
#include "tests/simt/vector_types.h"

namespace kindred::simt {

/// What a kernel knows of itself.
struct ThreadContext {
  uint3 thread_index, block_index;
  dim3 block_dim, grid_dim;
  int lane;
};
extern constinit thread_local ThreadContext* g_thread;

/// Where a kernel waits, for reports.
struct Place {
  Place(const std::source_location& at) : file(at.file_name()), line(static_cast<int>(at.line())) {}
  Place() = default;
  bool operator==(const Place& other) const {
    return line == other.line && (file == other.file || std::strcmp(file, other.file) == 0);
  }
  const char* file = "";
  int line = 0;
};

/// An operation of the lanes of a mask. The last lane to arrive computes it for all: `lanes` has each lane's payload.
struct WarpOperation {
  const char* name;
  void (*combine)(void* const* lanes, uint32_t mask);
};

struct BarrierResult {
  int n_threads;
  int n_true;
};

/// Runs `kernel(call)` in every thread of every block, on the calling thread, which may be any.
/// Throws kDevice for a launch that a GPU would refuse, and with a report for a kernel that fails.
void RunGrid(dim3 grid, dim3 block, size_t shared_bytes, void (*kernel)(const void*), const void* call);

/// Told of every launch of this process from now on, before it runs. Set it while none runs.
using LaunchObserver = void (*)(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes);
void ObserveLaunches(LaunchObserver observer);
void NoteLaunch(const void* kernel, dim3 grid, dim3 block, size_t shared_bytes);

// What follows is called by kernels only.

/// Ends the kernel. The message goes on with " at FILE:LINE".
[[noreturn]] void Fail(const std::string& message, const Place& place);
BarrierResult WaitAtBarrier(const char* name, bool predicate, const Place& place);
/// Waits for the lanes of the mask. Of the operations, only kSyncWarp orders memory.
void Meet(const WarpOperation& operation, uint32_t mask, void* payload, const Place& place);
extern const WarpOperation kSyncWarp;
/// Orders what this thread does with what threads of other blocks do; of its own block, only barriers do.
void Fence();
uint32_t LanesNotDone();

void* StaticShared(const SharedSite& site);
void* DynamicShared(const SharedSite& site);

/// Until the wait, the 16 bytes at `to` are NaN and those at `from` must not change.
void CopyAsync(void* to, const void* from, int bytes, const Place& place);
void CommitCopies();
void WaitForCopies(int n_pending, const Place& place);

}  // namespace kindred::simt
